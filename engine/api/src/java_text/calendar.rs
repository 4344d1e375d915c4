//! Java's `GregorianCalendar`, in UTC: the Julian calendar before 15 October 1582, the Gregorian one from then on, and lenient about
//! fields out of range.

use super::write_integer;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// 15 October 1582, in days since 1970: the first day of the Gregorian calendar.
pub(super) const CUTOVER_DAY: i64 = -141_427;
pub(super) const CUTOVER_YEAR: i64 = 1582;

pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// From Sunday on, as Java counts them.
pub(super) const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

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
    pub(super) epoch_day: i64,
}

impl DateTime {
    /// The fields of a moment in milliseconds since 1970.
    pub fn of(epoch_ms: i64) -> DateTime {
        let ms = epoch_ms.rem_euclid(DAY_MS) as u32;
        DateTime {
            hour: ms / 3_600_000,
            minute: ms / 60_000 % 60,
            second: ms / 1000 % 60,
            millisecond: ms % 1000,
            ..DateTime::of_day(epoch_ms.div_euclid(DAY_MS))
        }
    }

    /// The midnight at which a day begins, given in days since 1970.
    pub(super) fn of_day(epoch_day: i64) -> DateTime {
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
            hour: 0,
            minute: 0,
            second: 0,
            millisecond: 0,
            epoch_day,
        }
    }

    /// The year as Java prints it: counted within its era.
    pub fn year_of_era(&self) -> i64 {
        if self.year > 0 { self.year } else { 1 - self.year }
    }

    /// Appends it as `java.util.Date#toString` prints it.
    pub fn write_java(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(WEEKDAYS[weekday(self.epoch_day) as usize - 1].as_bytes());
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

/// Appends a number that is not negative with at least so many digits.
pub(super) fn write_padded(out: &mut Vec<u8>, value: i64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// The day that a calendar which changes in October 1582 means: `day` counts it, in days since 1970, in the Julian calendar if asked
/// with true, else in the Gregorian one. The ten days that October 1582 does not have are those of the Julian calendar, as are all
/// days that are counted from the beginning of 1582 (`is_counted_from_new_year`).
pub(super) fn in_calendar(year: i64, is_counted_from_new_year: bool, day: impl Fn(bool) -> i64) -> i64 {
    if year < CUTOVER_YEAR || (year == CUTOVER_YEAR && is_counted_from_new_year) {
        return day(true);
    }
    match day(false) {
        gregorian if gregorian >= CUTOVER_DAY => gregorian,
        _ => day(true),
    }
}

/// The day of the week of a day given in days since 1970: 1 for Sunday to 7 for Saturday.
pub(super) fn weekday(epoch_day: i64) -> u32 {
    // 1 January 1970 was a Thursday.
    (epoch_day.wrapping_add(4)).rem_euclid(7) as u32 + 1
}

/// First day, in days since 1970, of a month from 1 to 12.
pub(super) fn first_of_month(year: i64, month: i64, is_julian: bool) -> i64 {
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

    fn day_of(year: i64, month: i64, day: i64) -> i64 {
        in_calendar(year, false, |is_julian| first_of_month(year, month, is_julian) + day - 1)
    }

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
            assert_eq!(day_of(year, month.into(), date.into()), day, "day {day}");
        }
        for day in (-800_000..800_000).step_by(37) {
            let fields = DateTime::of(day * DAY_MS);
            assert_eq!(day_of(fields.year, fields.month.into(), fields.day.into()), day);
        }
    }
}
