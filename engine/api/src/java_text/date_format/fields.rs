//! Calendar fields that a text gave, and the moment that a lenient `GregorianCalendar` makes of them (`Calendar#selectFields`,
//! `GregorianCalendar#computeTime`): what was given last wins, what was not given is as on 1 January 1970, and what is out of range
//! counts on.

use super::super::calendar::{DAY_MS, DateTime, first_of_month, in_calendar};
use super::super::weeks::on_or_before;

const SUNDAY: i32 = 1;

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Era,
    Year,
    WeekYear,
    /// From 0.
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfMonth,
    DayOfYear,
    /// From 1 for Sunday.
    DayOfWeek,
    DayOfWeekInMonth,
    AmPm,
    Hour,
    HourOfDay,
    Minute,
    Second,
    Millisecond,
    /// ms.
    ZoneOffset,
}

const FIELDS: usize = Field::ZoneOffset as usize + 1;

/// Values of fields, and the order in which they were given.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    values: [i32; FIELDS],
    /// 0 for what was not given.
    stamps: [u32; FIELDS],
    last: u32,
}

/// How the day is told.
#[derive(PartialEq, Eq)]
enum Told {
    DayOfMonth,
    WeekOfMonth,
    DayOfWeekInMonth,
    DayOfYear,
    WeekOfYear,
}

impl Fields {
    pub(super) fn new() -> Fields {
        Fields { values: [0; FIELDS], stamps: [0; FIELDS], last: 0 }
    }

    pub(super) fn set(&mut self, field: Field, value: i32) {
        self.last += 1;
        self.values[field as usize] = value;
        self.stamps[field as usize] = self.last;
    }

    fn get(&self, field: Field) -> i32 {
        self.values[field as usize]
    }

    fn stamp(&self, field: Field) -> u32 {
        self.stamps[field as usize]
    }

    fn is_set(&self, field: Field) -> bool {
        self.stamp(field) > 0
    }

    /// When the later of both was given, if both were.
    fn both(&self, a: Field, b: Field) -> u32 {
        match (self.stamp(a), self.stamp(b)) {
            (0, _) | (_, 0) => 0,
            (a, b) => a.max(b),
        }
    }

    /// Moves the year on.
    pub(super) fn add_years(&mut self, years: i32) {
        for field in [Field::Year, Field::WeekYear] {
            self.values[field as usize] = self.values[field as usize].wrapping_add(years);
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn moment(&self) -> i64 {
        let time = self.time_of_day();
        let (days, ms) = (time.div_euclid(DAY_MS), time.rem_euclid(DAY_MS));
        let day = if self.is_set(Field::WeekYear) && self.stamp(Field::WeekYear) > self.stamp(Field::Year) {
            let date = DateTime::of_day(self.day_of_week_date(self.day(days)));
            in_calendar(date.year, false, |is_julian| {
                days + first_of_month(date.year, date.month.into(), is_julian) + i64::from(date.day) - 1
            })
        } else {
            self.day(days)
        };
        day.wrapping_mul(DAY_MS).wrapping_add(ms).wrapping_sub(self.get(Field::ZoneOffset).into())
    }

    /// Milliseconds, of any number of days.
    fn time_of_day(&self) -> i64 {
        let is_half_day = match self.both(Field::Hour, Field::AmPm).max(self.stamp(Field::HourOfDay)) {
            0 => self.is_set(Field::Hour) || self.is_set(Field::AmPm),
            latest => latest != self.stamp(Field::HourOfDay),
        };
        let hours = if is_half_day {
            i64::from(self.get(Field::Hour)) + 12 * i64::from(self.get(Field::AmPm))
        } else if self.is_set(Field::HourOfDay) {
            i64::from(self.get(Field::HourOfDay))
        } else {
            0
        };
        let minutes = hours * 60 + i64::from(self.get(Field::Minute));
        let seconds = minutes * 60 + i64::from(self.get(Field::Second));
        seconds * 1000 + i64::from(self.get(Field::Millisecond))
    }

    /// The year; 0 is 1 BC.
    fn year(&self) -> i32 {
        let year = if self.is_set(Field::Year) { self.get(Field::Year) } else { 1970 };
        if self.is_set(Field::Era) && self.get(Field::Era) == 0 { 1_i32.wrapping_sub(year) } else { year }
    }

    /// The day, in days since 1970, `days` after the one that the fields tell.
    fn day(&self, days: i64) -> i64 {
        let year = self.year();
        let told = self.told();
        let is_counted_from_new_year = matches!(told, Told::DayOfYear | Told::WeekOfYear);
        in_calendar(year.into(), is_counted_from_new_year, |is_julian| {
            days + self.day_in(&told, year, is_julian)
        })
    }

    /// `Calendar#selectFields`: the group of fields of which one was given last.
    fn told(&self) -> Told {
        use Field::{DayOfMonth, DayOfWeek, DayOfWeekInMonth, DayOfYear, Month, WeekOfMonth, WeekOfYear};
        let mut day_of_month = self.stamp(DayOfMonth);
        let mut week_of_month = self.both(WeekOfMonth, DayOfWeek);
        let mut day_of_week_in_month = self.both(DayOfWeekInMonth, DayOfWeek);
        let day_of_year = self.stamp(DayOfYear);
        let mut week_of_year = self.both(WeekOfYear, DayOfWeek);
        let mut best =
            day_of_month.max(week_of_month).max(day_of_week_in_month).max(day_of_year).max(week_of_year);
        if best == 0 {
            week_of_month = self.stamp(WeekOfMonth);
            day_of_week_in_month = self.stamp(DayOfWeekInMonth).max(self.stamp(DayOfWeek));
            week_of_year = self.stamp(WeekOfYear);
            best = week_of_month.max(day_of_week_in_month).max(week_of_year);
            if best == 0 {
                day_of_month = self.stamp(Month);
                best = day_of_month;
            }
        }
        let is_within_month = (best == week_of_month && self.stamp(WeekOfMonth) >= self.stamp(WeekOfYear))
            || (best == day_of_week_in_month && self.stamp(DayOfWeekInMonth) >= self.stamp(WeekOfYear));
        if best == day_of_month {
            Told::DayOfMonth
        } else if !is_within_month {
            if best == day_of_year { Told::DayOfYear } else { Told::WeekOfYear }
        } else if week_of_month == day_of_week_in_month {
            if self.stamp(WeekOfMonth) >= self.stamp(DayOfWeekInMonth) {
                Told::WeekOfMonth
            } else {
                Told::DayOfWeekInMonth
            }
        } else if best == week_of_month {
            Told::WeekOfMonth
        } else {
            Told::DayOfWeekInMonth
        }
    }

    /// The day in one of the two calendars (`GregorianCalendar#getFixedDate`).
    fn day_in(&self, told: &Told, year: i32, is_julian: bool) -> i64 {
        let months = self.get(Field::Month);
        let day_of_week = self.is_set(Field::DayOfWeek).then(|| self.get(Field::DayOfWeek));
        if matches!(told, Told::DayOfYear | Told::WeekOfYear) {
            let first = first_of_month(year.into(), 1, is_julian);
            if *told == Told::DayOfYear {
                return first + i64::from(self.get(Field::DayOfYear)) - 1;
            }
            return week_day(first, day_of_week) + 7 * (i64::from(self.get(Field::WeekOfYear)) - 1);
        }
        let year = year.wrapping_add(months.div_euclid(12));
        let month = months.rem_euclid(12);
        let first = first_of_month(year.into(), i64::from(month) + 1, is_julian);
        match told {
            Told::WeekOfMonth => {
                let weeks = self.get(Field::WeekOfMonth).wrapping_sub(1).wrapping_mul(7);
                week_day(first, day_of_week) + i64::from(weeks)
            }
            Told::DayOfWeekInMonth => {
                let day_of_week = day_of_week.unwrap_or(SUNDAY);
                let times =
                    if self.is_set(Field::DayOfWeekInMonth) { self.get(Field::DayOfWeekInMonth) } else { 1 };
                if times >= 0 {
                    return on_or_before(first + i64::from(times.wrapping_mul(7)) - 1, day_of_week);
                }
                // From the end of the month.
                let last = month_days(year, month).wrapping_add(times.wrapping_add(1).wrapping_mul(7));
                on_or_before(first + i64::from(last) - 1, day_of_week)
            }
            _ if self.is_set(Field::DayOfMonth) => first + i64::from(self.get(Field::DayOfMonth)) - 1,
            _ => first,
        }
    }

    /// The day that the year of a week, its number and a day of the week tell (`GregorianCalendar#setWeekDate`). The era is that of
    /// the day that the other fields tell.
    fn day_of_week_date(&self, other: i64) -> i64 {
        let mut week = if self.is_set(Field::WeekOfYear) { self.get(Field::WeekOfYear) } else { 1 };
        let mut day_of_week = if self.is_set(Field::DayOfWeek) { self.get(Field::DayOfWeek) } else { SUNDAY };
        // `CalendarBuilder#establish`: here days of the week beyond a week count from Monday.
        if day_of_week >= 8 {
            day_of_week -= 1;
            week = week.wrapping_add(day_of_week / 7);
            day_of_week = of_iso_day(day_of_week % 7 + 1);
        } else if day_of_week <= 0 {
            let weeks = (7 - i64::from(day_of_week)).div_euclid(7) as i32;
            day_of_week = of_iso_day((i64::from(day_of_week) + i64::from(weeks) * 7) as i32);
            week = week.wrapping_sub(weeks);
        }
        let week_year = self.get(Field::WeekYear);
        let is_before_christ = DateTime::of_day(other).year <= 0;
        let year = i64::from(if is_before_christ { 1_i32.wrapping_sub(week_year) } else { week_year });
        let first = in_calendar(year, true, |is_julian| week_day(first_of_month(year, 1, is_julian), None));
        let days = i64::from(day_of_week - SUNDAY) + i64::from(week.wrapping_sub(1).wrapping_mul(7));
        // Java goes by way of milliseconds, of which there may be too many.
        (first + days).wrapping_mul(DAY_MS).div_euclid(DAY_MS)
    }
}

/// A day of the first week of a year or month that begins with `first`.
fn week_day(first: i64, day_of_week: Option<i32>) -> i64 {
    let sunday = on_or_before(first, SUNDAY);
    match day_of_week {
        Some(day_of_week) => on_or_before(sunday + 6, day_of_week),
        None => sunday,
    }
}

/// Days of a month from 0 to 11.
fn month_days(year: i32, month: i32) -> i32 {
    let (year, month) = (i64::from(year), i64::from(month) + 1);
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let is_julian = year <= 1582;
    (first_of_month(next_year, next_month, is_julian) - first_of_month(year, month, is_julian)) as i32
}

/// A day of the week counted from Monday, as one counted from Sunday. Numbers beyond a week stay what they are.
pub(super) fn of_iso_day(day: i32) -> i32 {
    match day {
        7 => SUNDAY,
        1..7 => day + 1,
        other => other,
    }
}
