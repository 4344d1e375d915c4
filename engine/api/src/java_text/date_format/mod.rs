//! Dates as text and back under a pattern, as Java's `SimpleDateFormat` of JDK 17 writes and reads them in UTC, in English (the locale
//! of a Java worker whose environment names none), leniently.
//!
//! ```text
//! pattern ─▶ parts: literal text │ letter and width ─▶ write: moment ─▶ calendar fields ─▶ text
//!                                                   └▶ parse: text ─▶ given fields ─▶ moment
//! ```
//!
//! Differences: of time zones by name (`z`) only UTC and GMT are read; others are text that does not match.

mod fields;
mod number;
mod parse;
mod print;
mod zone;

use super::calendar::{DAY_MS, DateTime, MONTHS, WEEKDAYS};

/// What `MMMM` writes.
const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// What `EEEE` writes.
const WEEKDAY_NAMES: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ERAS: [&str; 2] = ["BC", "AD"];
const HALF_DAYS: [&str; 2] = ["AM", "PM"];

/// Years that a year of two digits may lie back.
const CENTURY_BACK: i64 = 80;

/// A pattern, taken apart.
#[derive(Debug, Clone)]
pub struct DateFormat {
    parts: Vec<Part>,
    /// Years of two digits lie within the hundred years that begin with this moment.
    century_start_ms: i64,
    century_start_year: i64,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    /// A field, and how often its letter is repeated.
    Field(Letter, usize),
}

/// A letter of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Era,
    Year,
    Month,
    StandaloneMonth,
    DayOfMonth,
    HourFrom1,
    HourFrom0,
    Minute,
    Second,
    Millisecond,
    DayOfWeek,
    DayOfYear,
    DayOfWeekInMonth,
    WeekOfYear,
    WeekOfMonth,
    HalfDay,
    HalfDayHourFrom1,
    HalfDayHourFrom0,
    ZoneName,
    ZoneOffset,
    WeekYear,
    IsoDayOfWeek,
    IsoZone,
}

impl Letter {
    fn of(letter: char) -> Option<Letter> {
        Some(match letter {
            'G' => Letter::Era,
            'y' => Letter::Year,
            'M' => Letter::Month,
            'L' => Letter::StandaloneMonth,
            'd' => Letter::DayOfMonth,
            'k' => Letter::HourFrom1,
            'H' => Letter::HourFrom0,
            'm' => Letter::Minute,
            's' => Letter::Second,
            'S' => Letter::Millisecond,
            'E' => Letter::DayOfWeek,
            'D' => Letter::DayOfYear,
            'F' => Letter::DayOfWeekInMonth,
            'w' => Letter::WeekOfYear,
            'W' => Letter::WeekOfMonth,
            'a' => Letter::HalfDay,
            'h' => Letter::HalfDayHourFrom1,
            'K' => Letter::HalfDayHourFrom0,
            'z' => Letter::ZoneName,
            'Z' => Letter::ZoneOffset,
            'Y' => Letter::WeekYear,
            'u' => Letter::IsoDayOfWeek,
            'X' => Letter::IsoZone,
            _ => return None,
        })
    }

    /// Milliseconds for which what is written stays the same.
    fn interval_ms(self) -> i64 {
        match self {
            Letter::Millisecond => 1,
            Letter::Second => 1000,
            Letter::Minute => 60_000,
            Letter::HourFrom0 | Letter::HourFrom1 | Letter::HalfDayHourFrom0 | Letter::HalfDayHourFrom1 => {
                3_600_000
            }
            Letter::HalfDay => DAY_MS / 2,
            _ => DAY_MS,
        }
    }
}

impl DateFormat {
    /// Takes a pattern apart. `now_ms` is the present in milliseconds since 1970: a year of two digits lies within the eighty years
    /// before it and the twenty after it.
    ///
    /// # Errors
    /// What is wrong with the pattern, in Java's words (`IllegalArgumentException`).
    pub fn new(pattern: &str, now_ms: i64) -> Result<DateFormat, String> {
        let (century_start_ms, century_start_year) = century_start(now_ms);
        Ok(DateFormat { parts: parts(pattern)?, century_start_ms, century_start_year })
    }

    /// Milliseconds of the intervals, counted from 1970, within which every moment is written alike.
    pub fn interval_ms(&self) -> i64 {
        let intervals = self.parts.iter().map(|part| match part {
            Part::Text(_) => DAY_MS,
            Part::Field(letter, _) => letter.interval_ms(),
        });
        intervals.min().unwrap_or(DAY_MS)
    }

    /// Appends a moment, given in milliseconds since 1970 (`DateFormat#format`).
    pub fn write(&self, out: &mut Vec<u8>, epoch_ms: i64) {
        let moment = DateTime::of(epoch_ms);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Field(letter, width) => print::write(out, &moment, *letter, *width),
            }
        }
    }

    /// Reads the moment at the beginning of a text, in milliseconds since 1970 (`DateFormat#parse(String)`); what follows it does not
    /// matter. `None` where the text does not match.
    pub fn parse(&self, text: &str) -> Option<i64> {
        parse::parse(self, text)
    }
}

/// Eighty years ago, as a moment and a year.
fn century_start(now_ms: i64) -> (i64, i64) {
    let now = DateTime::of(now_ms);
    let year = now.year - CENTURY_BACK;
    let first = super::calendar::first_of_month(year, now.month.into(), false);
    let (next_year, next_month) = if now.month == 12 { (year + 1, 1) } else { (year, now.month + 1) };
    let last = super::calendar::first_of_month(next_year, next_month.into(), false) - 1;
    let day = (first + i64::from(now.day) - 1).min(last);
    (day * DAY_MS + now_ms.rem_euclid(DAY_MS), year)
}

/// `SimpleDateFormat#compile`.
fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut is_quoted = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = if character == '\'' {
            check_last(&parts)?;
            if characters.next_if_eq(&'\'').is_none() {
                is_quoted = !is_quoted;
                continue;
            }
            '\''
        } else if is_quoted || !character.is_ascii_alphabetic() {
            check_last(&parts)?;
            character
        } else {
            let letter =
                Letter::of(character).ok_or_else(|| format!("Illegal pattern character '{character}'"))?;
            match parts.last_mut() {
                Some(Part::Field(last, width)) if *last == letter => *width += 1,
                _ => {
                    check_last(&parts)?;
                    parts.push(Part::Field(letter, 1));
                }
            }
            continue;
        };
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push(literal),
            _ => parts.push(Part::Text(literal.to_string())),
        }
    }
    if is_quoted {
        return Err("Unterminated quote".to_owned());
    }
    check_last(&parts)?;
    Ok(parts)
}

/// There is no ISO zone of more than three letters.
fn check_last(parts: &[Part]) -> Result<(), String> {
    match parts.last() {
        Some(Part::Field(Letter::IsoZone, width @ 4..)) => {
            Err(format!("invalid ISO 8601 format: length={width}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
