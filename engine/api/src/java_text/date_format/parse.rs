//! Text to moments (`SimpleDateFormat#parse`).

use super::super::digit;
use super::fields::{Field, Fields, of_iso_day};
use super::number::{self, Number};
use super::{DateFormat, ERAS, HALF_DAYS, Letter, MONTH_NAMES, MONTHS, Part, WEEKDAY_NAMES, WEEKDAYS, zone};

/// Eras also go by these names.
const LONG_ERAS: [&str; 2] = ["Before Christ", "Anno Domini"];

pub(super) fn parse(format: &DateFormat, text: &str) -> Option<i64> {
    let mut reader = Reader { rest: text, fields: Fields::new(), format, is_year_ambiguous: false };
    let mut parts = format.parts.iter().peekable();
    while let Some(part) = parts.next() {
        match part {
            Part::Text(literal) => reader.rest = reader.rest.strip_prefix(literal.as_str())?,
            Part::Field(letter, width) => {
                let is_abutting = match parts.peek() {
                    Some(Part::Field(next, width)) => is_numeric(*next, *width),
                    _ => false,
                };
                reader.field(*letter, *width, is_abutting)?;
            }
        }
    }
    if reader.rest.len() == text.len() {
        // Nothing was read, since nothing was to be.
        return None;
    }
    let moment = reader.fields.moment();
    if reader.is_year_ambiguous && moment < format.century_start_ms {
        reader.fields.add_years(100);
        return Some(reader.fields.moment());
    }
    Some(moment)
}

/// Whether a field is made of digits, so that the one before it ends after as many characters as it has letters.
fn is_numeric(letter: Letter, width: usize) -> bool {
    match letter {
        Letter::Month | Letter::StandaloneMonth => width <= 2,
        Letter::Era
        | Letter::DayOfWeek
        | Letter::HalfDay
        | Letter::ZoneName
        | Letter::ZoneOffset
        | Letter::IsoZone => false,
        _ => true,
    }
}

struct Reader<'a> {
    rest: &'a str,
    fields: Fields,
    format: &'a DateFormat,
    /// Whether the year is the one of two digits with which the century begins.
    is_year_ambiguous: bool,
}

impl Reader<'_> {
    fn field(&mut self, letter: Letter, width: usize, is_abutting: bool) -> Option<()> {
        let start = self.rest;
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.rest.is_empty() {
            return None;
        }
        // Blanks may come before numbers and offsets; a name does not begin with one.
        match letter {
            Letter::Era => {
                let (era, len) = longest(start, &[&ERAS, &LONG_ERAS])?;
                self.take(Field::Era, era as i32, len);
            }
            Letter::Month | Letter::StandaloneMonth if width > 2 => {
                let (month, len) = longest(start, &[&MONTHS, &MONTH_NAMES])?;
                self.take(Field::Month, month as i32, len);
            }
            Letter::DayOfWeek => {
                let (day, len) = longest(start, &[&WEEKDAYS, &WEEKDAY_NAMES])?;
                self.take(Field::DayOfWeek, day as i32 + 1, len);
            }
            Letter::HalfDay => {
                let (half, len) = longest(start, &[&HALF_DAYS])?;
                self.take(Field::AmPm, half as i32, len);
            }
            Letter::ZoneName | Letter::ZoneOffset => {
                let (offset_ms, len) = zone::parse(self.rest, start.len() > self.rest.len())?;
                self.take(Field::ZoneOffset, offset_ms, len);
            }
            Letter::IsoZone => {
                let (offset_ms, len) = zone::parse_iso(self.rest, width)?;
                self.take(Field::ZoneOffset, offset_ms, len);
            }
            _ => {
                let blanks = start.len() - self.rest.len();
                let Number { value, len } = if is_abutting {
                    number::parse(first_units(start, width)?.get(blanks..)?)?
                } else {
                    number::parse(self.rest)?
                };
                self.number(letter, width, value, len);
            }
        }
        Some(())
    }

    fn take(&mut self, field: Field, value: i32, len: usize) {
        self.fields.set(field, value);
        self.rest = &self.rest[len..];
    }

    fn number(&mut self, letter: Letter, width: usize, value: i32, len: usize) {
        let (field, value) = match letter {
            Letter::Year => (Field::Year, self.year(width, value, len)),
            Letter::WeekYear => (Field::WeekYear, self.year(width, value, len)),
            Letter::Month | Letter::StandaloneMonth => (Field::Month, value.wrapping_sub(1)),
            Letter::HourFrom1 => (Field::HourOfDay, if value == 24 { 0 } else { value }),
            Letter::HalfDayHourFrom1 => (Field::Hour, if value == 12 { 0 } else { value }),
            Letter::HourFrom0 => (Field::HourOfDay, value),
            Letter::HalfDayHourFrom0 => (Field::Hour, value),
            Letter::Minute => (Field::Minute, value),
            Letter::Second => (Field::Second, value),
            Letter::Millisecond => (Field::Millisecond, value),
            Letter::DayOfMonth => (Field::DayOfMonth, value),
            Letter::DayOfYear => (Field::DayOfYear, value),
            Letter::DayOfWeekInMonth => (Field::DayOfWeekInMonth, value),
            Letter::WeekOfYear => (Field::WeekOfYear, value),
            Letter::WeekOfMonth => (Field::WeekOfMonth, value),
            Letter::IsoDayOfWeek => (Field::DayOfWeek, of_iso_day(value)),
            Letter::Era
            | Letter::DayOfWeek
            | Letter::HalfDay
            | Letter::ZoneName
            | Letter::ZoneOffset
            | Letter::IsoZone => unreachable!("these are no numbers"),
        };
        self.take(field, value, len);
    }

    /// Up to two letters and exactly two digits stand for a year of the century around the present.
    fn year(&mut self, width: usize, value: i32, len: usize) -> i32 {
        let is_short = width <= 2 && {
            let mut characters = self.rest[..len].chars();
            let mut is_digit = || characters.next().is_some_and(|character| digit(character).is_some());
            is_digit() && is_digit() && characters.next().is_none()
        };
        if !is_short {
            return value;
        }
        let start = self.format.century_start_year as i32;
        self.is_year_ambiguous = value == start % 100;
        value + start / 100 * 100 + if value < start % 100 { 100 } else { 0 }
    }
}

/// The first `count` UTF-16 units of a text, if it has so many.
fn first_units(text: &str, count: usize) -> Option<&str> {
    if let Some(head) = text.as_bytes().get(..count)
        && head.is_ascii()
    {
        return text.get(..count);
    }
    let mut units = 0;
    for (at, character) in text.char_indices() {
        if units >= count {
            return text.get(..at);
        }
        units += character.len_utf16();
    }
    // The second half of a last pair does not matter: neither half is a digit.
    (units >= count).then_some(text)
}

/// The longest of the names that a text begins with, in any case: its place in its list, and how many bytes of the text it takes.
fn longest(text: &str, lists: &[&[&str]]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize, usize)> = None;
    for names in lists {
        for (index, name) in names.iter().enumerate() {
            if best.is_none_or(|(_, len, _)| name.len() > len)
                && let Some(bytes) = begins_with(text, name)
            {
                best = Some((index, name.len(), bytes));
            }
        }
    }
    best.map(|(index, _, bytes)| (index, bytes))
}

/// How many bytes of a text an ASCII name takes that it begins with, in any case.
pub(super) fn begins_with(text: &str, name: &str) -> Option<usize> {
    let mut characters = text.chars();
    let mut len = 0;
    for expected in name.bytes() {
        let character = characters.next()?;
        if !fold(character).eq_ignore_ascii_case(&char::from(expected)) {
            return None;
        }
        len += character.len_utf8();
    }
    Some(len)
}

/// Characters beyond ASCII that Java takes for letters of ASCII when case does not matter (`String#regionMatches`).
fn fold(character: char) -> char {
    match character {
        'ı' | 'İ' => 'i',
        'ſ' => 's',
        '\u{212A}' => 'k',
        other => other,
    }
}
