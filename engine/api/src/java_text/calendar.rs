//! Java's `GregorianCalendar`, in UTC: the Julian calendar before 15 October 1582, the Gregorian one from then on, and lenient about
//! fields out of range.

use super::write_integer;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// 15 October 1582, in days since 1970: the first day of the Gregorian calendar.
const CUTOVER_DAY: i64 = -141_427;
const CUTOVER_YEAR: i64 = 1582;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A moment by its calendar fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The year; 0 is 1 BC, as astronomers count.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999.
    pub millisecond: u32,
    epoch_day: i64,
}

impl DateTime {
    /// The fields of a moment in milliseconds since 1970.
    pub fn of(epoch_ms: i64) -> DateTime {
        let epoch_day = epoch_ms.div_euclid(DAY_MS);
        let ms = epoch_ms.rem_euclid(DAY_MS) as u32;
        let is_julian = epoch_day < CUTOVER_DAY;
        // Years begin in March, so that the day that comes and goes is their last one.
        let days = epoch_day + if is_julian { 719_470 } else { 719_468 };
        let (era_days, era_years) = if is_julian { (1461, 4) } else { (146_097, 400) };
        let era = days.div_euclid(era_days);
        let day_of_era = days.rem_euclid(era_days);
        let leap_days = if is_julian {
            day_of_era / 1460
        } else {
            day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096
        };
        let year_of_era = (day_of_era - leap_days) / 365;
        let centuries = if is_julian { 0 } else { year_of_era / 100 };
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - centuries);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
        DateTime {
            year: era * era_years + year_of_era + i64::from(month <= 2),
            month,
            day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32,
            hour: ms / 3_600_000,
            minute: ms / 60_000 % 60,
            second: ms / 1000 % 60,
            millisecond: ms % 1000,
            epoch_day,
        }
    }

    /// The year as Java prints it: counted within its era.
    pub fn year_of_era(&self) -> i64 {
        if self.year > 0 { self.year } else { 1 - self.year }
    }

    /// Appends it as `java.util.Date#toString` prints it.
    pub fn write_java(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(WEEKDAYS[self.epoch_day.rem_euclid(7) as usize].as_bytes());
        out.push(b' ');
        out.extend_from_slice(MONTHS[self.month as usize - 1].as_bytes());
        out.push(b' ');
        write_padded(out, self.day.into(), 2);
        out.push(b' ');
        write_padded(out, self.hour.into(), 2);
        out.push(b':');
        write_padded(out, self.minute.into(), 2);
        out.push(b':');
        write_padded(out, self.second.into(), 2);
        out.extend_from_slice(b" UTC ");
        write_integer(out, self.year_of_era());
    }

    /// Appends `yyyy-MM-dd`.
    pub fn write_date(&self, out: &mut Vec<u8>) {
        write_padded(out, self.year_of_era(), 4);
        out.push(b'-');
        write_padded(out, self.month.into(), 2);
        out.push(b'-');
        write_padded(out, self.day.into(), 2);
    }

    /// Appends `HH:mm:ss.SSSZ`.
    pub fn write_time(&self, out: &mut Vec<u8>) {
        write_padded(out, self.hour.into(), 2);
        out.push(b':');
        write_padded(out, self.minute.into(), 2);
        out.push(b':');
        write_padded(out, self.second.into(), 2);
        out.push(b'.');
        write_padded(out, self.millisecond.into(), 3);
        out.push(b'Z');
    }
}

fn write_padded(out: &mut Vec<u8>, value: i64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// Days since 1970 of a date; months and days may be out of range and then count on from there, as a lenient calendar of Java's
/// does. The ten days that October 1582 does not have are those of the Julian calendar.
pub fn lenient_date(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let gregorian = first_of_month(year, month, false) + day - 1;
    let julian = first_of_month(year, month, true) + day - 1;
    match year.cmp(&CUTOVER_YEAR) {
        std::cmp::Ordering::Less => {
            if julian < CUTOVER_DAY {
                julian
            } else {
                gregorian_or(julian, gregorian)
            }
        }
        std::cmp::Ordering::Greater if gregorian >= CUTOVER_DAY => gregorian,
        _ => gregorian_or(julian, gregorian),
    }
}

/// Around the change of calendars: the Gregorian reading if it lies behind the change, else the Julian one.
fn gregorian_or(julian: i64, gregorian: i64) -> i64 {
    if gregorian >= CUTOVER_DAY { gregorian } else { julian }
}

fn first_of_month(year: i64, month: i64, is_julian: bool) -> i64 {
    // Years that begin in March.
    let year = year - i64::from(month <= 2);
    let months = (month + 9) % 12;
    let day_of_year = (153 * months + 2) / 5;
    let leap_days = if is_julian {
        year.div_euclid(4)
    } else {
        year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)
    };
    year * 365 + leap_days + day_of_year - if is_julian { 719_470 } else { 719_468 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_and_dates_days() {
        for (day, year, month, date) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (11_016, 2000, 2, 29),
            (CUTOVER_DAY, 1582, 10, 15),
            (CUTOVER_DAY - 1, 1582, 10, 4),
            (-719_164, 1, 1, 1),
            (-719_165, 0, 12, 31),
            (2_932_896, 9999, 12, 31),
        ] {
            let fields = DateTime::of(day * DAY_MS);
            assert_eq!((fields.year, fields.month, fields.day), (year, month, date), "day {day}");
            assert_eq!(lenient_date(year, month.into(), date.into()), day, "day {day}");
        }
        for day in (-800_000..800_000).step_by(37) {
            let fields = DateTime::of(day * DAY_MS);
            assert_eq!(lenient_date(fields.year, fields.month.into(), fields.day.into()), day);
        }
    }

    #[test]
    fn fields_out_of_range_count_on() {
        assert_eq!(lenient_date(2019, 13, 45), lenient_date(2020, 2, 14));
        assert_eq!(lenient_date(2019, 0, 0), lenient_date(2018, 11, 30));
        assert_eq!(lenient_date(1900, 2, 29), lenient_date(1900, 3, 1));
    }
}
