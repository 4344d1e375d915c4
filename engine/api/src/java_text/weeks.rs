//! Weeks of Java's `GregorianCalendar` as English locales count them: they begin on Sunday, and the first one of a year or month is
//! that of its first day.

use super::calendar::{CUTOVER_DAY, CUTOVER_YEAR, DateTime, first_of_month, weekday};

const SUNDAY: u32 = 1;
const OCTOBER: u32 = 10;

/// The last day of the week `day_of_week` that is not after `day`; days count from 1970, days of the week from 1 for Sunday. Numbers
/// beyond a week count on, with Java's 32 bits.
pub(super) fn on_or_before(day: i64, day_of_week: i32) -> i64 {
    day - (day + 4 - i64::from(day_of_week.wrapping_sub(1))).rem_euclid(7)
}

/// The first day of a year: what was a year's first day before the change of calendars stays it in the year of the change.
fn new_year(year: i64) -> i64 {
    first_of_month(year, 1, year <= CUTOVER_YEAR)
}

/// Number of the week of `day` in a year or month that begins with `first`.
fn week_number(first: i64, day: i64) -> i64 {
    (day - on_or_before(first, SUNDAY as i32)).div_euclid(7) + 1
}

impl DateTime {
    /// 1 for Sunday to 7 for Saturday.
    pub(super) fn weekday(&self) -> u32 {
        weekday(self.epoch_day)
    }

    /// From 1.
    pub(super) fn day_of_year(&self) -> i64 {
        self.epoch_day - new_year(self.year) + 1
    }

    /// The first day of the month; October 1582 has one, for all that it lacks ten others.
    fn new_month(&self) -> i64 {
        if self.epoch_day >= CUTOVER_DAY && self.year == CUTOVER_YEAR && self.month == OCTOBER {
            return first_of_month(CUTOVER_YEAR, OCTOBER.into(), true);
        }
        self.epoch_day - i64::from(self.day) + 1
    }

    /// Which time this day of the week comes in its month, from 1.
    pub(super) fn day_of_week_in_month(&self) -> i64 {
        (self.epoch_day - self.new_month()) / 7 + 1
    }

    /// From 1.
    pub(super) fn week_of_month(&self) -> i64 {
        week_number(self.new_month(), self.epoch_day)
    }

    /// From 1. The week of a year's last days is the first one of the next year if that begins in it.
    pub(super) fn week_of_year(&self) -> i64 {
        let next_year = new_year(self.year + 1);
        let last_week = on_or_before(next_year, SUNDAY as i32);
        if self.epoch_day >= last_week && last_week < next_year {
            return 1;
        }
        week_number(new_year(self.year), self.epoch_day)
    }

    /// The year that the week belongs to; 0 is 1 BC (`GregorianCalendar#getWeekYear`).
    pub(super) fn week_year(&self) -> i64 {
        if self.year > CUTOVER_YEAR + 1 {
            let is_next = self.month > 1 && self.week_of_year() == 1;
            return self.year + i64::from(is_next);
        }
        let day = self.day_of_year();
        let days = new_year(self.year + 1) - new_year(self.year);
        if day > 1 && day < days - 6 {
            return self.year;
        }
        // The first Sunday has passed, or it is the first day: only the last days of a year may belong to another one.
        if day < on_or_after_sunday(self.year) {
            return self.year;
        }
        // Java looks at the year after this one within its era, which for years before Christ is another year.
        let next = if self.year > 0 { self.year + 1 } else { -self.year };
        let days_of_next = match on_or_after_sunday(next) - 1 {
            0 => 7,
            count => count,
        };
        let is_next = days - day < 7 - days_of_next;
        self.year + i64::from(is_next)
    }
}

/// The day of the year, from 1, of its first Sunday.
fn on_or_after_sunday(year: i64) -> i64 {
    let first = new_year(year);
    on_or_before(first + 6, SUNDAY as i32) - first + 1
}
