//! Text to values by type (Java: `ConfigDef#parseType`), and back.

use std::fmt;

use super::key::Type;
use crate::net::Secret;

/// The value of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not given, and without a default.
    Null,
    /// Of a boolean key.
    Boolean(bool),
    /// Of a text or class key.
    String(String),
    /// Of the integer types.
    Integer(i64),
    /// Of a floating-point key.
    Double(f64),
    /// Of a list key; no entry twice.
    List(Vec<String>),
    /// Of a secret key.
    Password(Secret),
}

impl Value {
    /// The error is what follows key and value in Java's message.
    pub(super) fn parse(kind: Type, text: &str) -> Result<Self, String> {
        // `String#trim`: everything up to U+0020 at both ends.
        let text = text.trim_matches(|c| c <= ' ');
        let no_number = || format!("Not a number of type {kind}");
        let integer = |number: Option<i64>| number.map(Self::Integer).ok_or_else(no_number);
        match kind {
            Type::Boolean if text.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            Type::Boolean if text.eq_ignore_ascii_case("false") => Ok(Self::Boolean(false)),
            Type::Boolean => Err("Expected value to be either true or false".to_owned()),
            Type::String | Type::Class => Ok(Self::String(text.to_owned())),
            Type::Password => Ok(Self::Password(Secret::new(text))),
            Type::Short => integer(text.parse::<i16>().ok().map(i64::from)),
            Type::Int => integer(text.parse::<i32>().ok().map(i64::from)),
            Type::Long => integer(text.parse::<i64>().ok()),
            Type::Double => double(text).map(Self::Double).ok_or_else(no_number),
            Type::List => Ok(Self::List(list(text))),
        }
    }
}

/// Splits at commas with white space around them; an entry that comes again counts once (KIP-1161).
fn list(text: &str) -> Vec<String> {
    // The white space of Java's `\s`.
    const SPACE: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];
    let mut entries: Vec<String> = Vec::new();
    if text.is_empty() {
        return entries;
    }
    for entry in text.split(',').map(|entry| entry.trim_matches(SPACE)) {
        if !entries.iter().any(|other| other == entry) {
            entries.push(entry.to_owned());
        }
    }
    entries
}

/// `Double.parseDouble` for decimal literals: a trailing `f` or `d` is allowed, Rust's `inf` is not.
fn double(text: &str) -> Option<f64> {
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let is_decimal =
        digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    digits.parse().ok().filter(|_| is_decimal)
}

/// As Java prints a double: at least one decimal, an exponent for what is very large or small.
pub(super) fn java_double(number: f64) -> String {
    let size = number.abs();
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    if number == 0.0 || number.is_nan() || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

impl fmt::Display for Value {
    /// As Java prints it (`ConfigDef#convertToString`): entries with commas between them, secrets hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::String(value) => f.write_str(value),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => f.write_str(&java_double(*value)),
            Self::List(entries) => f.write_str(&entries.join(",")),
            Self::Password(secret) => write!(f, "{secret:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_javas() {
        for (number, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e10, "1.0E10"),
            (1.25e-5, "1.25E-5"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(java_double(number), text);
        }
    }

    #[test]
    fn a_secret_shows_in_no_form() {
        let value = Value::parse(Type::Password, " canary ").unwrap();
        assert_eq!(format!("{value} {value:?}"), "[hidden] Password([hidden])");
        assert_eq!(value, Value::Password(Secret::new("canary")));
    }
}
