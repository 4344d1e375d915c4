//! Moments to text (`SimpleDateFormat#subFormat`).

use super::super::calendar::{DateTime, write_padded};
use super::{ERAS, HALF_DAYS, Letter, MONTH_NAMES, MONTHS, WEEKDAY_NAMES, WEEKDAYS};

/// Java's number format pads to no more than this many digits.
const WIDTH_MAX: usize = 309;
/// From this many letters on, names are written in full.
const FULL: usize = 4;

pub(super) fn write(out: &mut Vec<u8>, moment: &DateTime, letter: Letter, width: usize) {
    let hour = moment.hour;
    let number = match letter {
        Letter::Era => return text(out, ERAS[usize::from(moment.year > 0)]),
        Letter::Year => return write_year(out, moment.year_of_era(), width),
        Letter::WeekYear => return write_year(out, moment.week_year(), width),
        Letter::Month | Letter::StandaloneMonth if width >= FULL => {
            return text(out, MONTH_NAMES[moment.month as usize - 1]);
        }
        Letter::Month | Letter::StandaloneMonth if width == 3 => {
            return text(out, MONTHS[moment.month as usize - 1]);
        }
        Letter::DayOfWeek => {
            let names = if width >= FULL { WEEKDAY_NAMES } else { WEEKDAYS };
            return text(out, names[moment.weekday() as usize - 1]);
        }
        Letter::HalfDay => return text(out, HALF_DAYS[hour as usize / 12]),
        Letter::ZoneName => {
            return text(out, if width >= FULL { "Coordinated Universal Time" } else { "UTC" });
        }
        Letter::ZoneOffset => return text(out, "+0000"),
        Letter::IsoZone => return text(out, "Z"),
        Letter::Month | Letter::StandaloneMonth => moment.month.into(),
        Letter::DayOfMonth => moment.day.into(),
        Letter::HourFrom0 => hour.into(),
        Letter::HourFrom1 => if hour == 0 { 24 } else { hour }.into(),
        Letter::HalfDayHourFrom0 => (hour % 12).into(),
        Letter::HalfDayHourFrom1 => ((hour + 11) % 12 + 1).into(),
        Letter::Minute => moment.minute.into(),
        Letter::Second => moment.second.into(),
        Letter::Millisecond => moment.millisecond.into(),
        Letter::DayOfYear => moment.day_of_year(),
        Letter::DayOfWeekInMonth => moment.day_of_week_in_month(),
        Letter::WeekOfYear => moment.week_of_year(),
        Letter::WeekOfMonth => moment.week_of_month(),
        Letter::IsoDayOfWeek => if moment.weekday() == 1 { 7 } else { moment.weekday() - 1 }.into(),
    };
    write_padded(out, number, width.min(WIDTH_MAX));
}

/// Two letters keep the last two digits.
fn write_year(out: &mut Vec<u8>, year: i64, width: usize) {
    if year < 0 {
        out.push(b'-');
    }
    let year = year.unsigned_abs() as i64;
    write_padded(out, if width == 2 { year % 100 } else { year }, width.min(WIDTH_MAX));
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
