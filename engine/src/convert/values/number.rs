//! Numbers as `BigDecimal` reads them, and the smallest type that holds each.

use std::sync::Arc;

use api::decimal::{self, Decimal};
use api::{Schema, Type, Value};

use super::parse::Parsed;

/// Where each script's ten digits begin, as far as one UTF-16 unit reaches.
const ZEROS: [u16; 37] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
];

/// The value of a digit of any script.
pub(super) fn digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    if code < 0x660 {
        return character.to_digit(10).map(|digit| digit as u8);
    }
    let zero = ZEROS.iter().rev().find(|zero| u32::from(**zero) <= code)?;
    u8::try_from(code - u32::from(*zero)).ok().filter(|digit| *digit < 10)
}

/// An exact decimal.
struct Number {
    is_negative: bool,
    /// ASCII, without leading zeros; empty for zero.
    digits: String,
    scale: i32,
}

/// Reads a number; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Parsed> {
    let number = Number::read(text)?;
    if let Some(integer) = number.to_integer() {
        return Some(smallest(integer));
    }
    let plain = number.plain();
    // A literal without a point and exponent is never rounded.
    if number.scale != 0 {
        let single: f32 = plain.parse().ok()?;
        if single.is_finite() {
            return Some(Parsed::new(Type::Float32, Value::Float32(single)));
        }
        let double: f64 = plain.parse().ok()?;
        if double.is_finite() {
            return Some(Parsed::new(Type::Float64, Value::Float64(double)));
        }
    }
    let digits: Vec<u8> = number.digits.bytes().map(|digit| digit - b'0').collect();
    let unscaled = decimal::of_digits(&digits, number.is_negative);
    let value = Decimal { unscaled, scale: number.scale };
    Some(Parsed { schema: Some(Arc::new(Schema::decimal(number.scale))), value: Value::Decimal(value) })
}

fn smallest(integer: i64) -> Parsed {
    if let Ok(value) = i8::try_from(integer) {
        Parsed::new(Type::Int8, Value::Int8(value))
    } else if let Ok(value) = i16::try_from(integer) {
        Parsed::new(Type::Int16, Value::Int16(value))
    } else if let Ok(value) = i32::try_from(integer) {
        Parsed::new(Type::Int32, Value::Int32(value))
    } else {
        Parsed::new(Type::Int64, Value::Int64(integer))
    }
}

impl Number {
    fn read(text: &str) -> Option<Number> {
        let mut rest = text;
        let is_negative = rest.starts_with('-');
        if let Some(unsigned) = rest.strip_prefix(['+', '-']) {
            rest = unsigned;
        }
        let (significand, exponent) = match rest.split_once(['e', 'E']) {
            Some((significand, exponent)) => (significand, read_exponent(exponent)?),
            None => (rest, 0),
        };
        let (mut digits, mut has_digit, mut fraction) = (String::new(), false, None);
        for character in significand.chars() {
            if character == '.' && fraction.is_none() {
                fraction = Some(0_i64);
                continue;
            }
            let digit = digit(character)?;
            has_digit = true;
            if let Some(places) = &mut fraction {
                *places += 1;
            }
            if digit > 0 || !digits.is_empty() {
                digits.push(char::from(b'0' + digit));
            }
        }
        if !has_digit || digits.len() > decimal::DIGITS_MAX {
            return None;
        }
        let scale = i32::try_from(fraction.unwrap_or(0) - exponent).ok()?;
        Some(Number { is_negative, digits, scale })
    }

    /// As the standard library reads it.
    fn plain(&self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        format!("{sign}{}e{}", self.digits, -i64::from(self.scale))
    }

    /// The value, if it is an integer of 64 bits.
    fn to_integer(&self) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let significant = self.digits.trim_end_matches('0');
        let zeros = (self.digits.len() - significant.len()) as i64 - i64::from(self.scale);
        if zeros < 0 || significant.len() as i64 + zeros > 19 {
            return None;
        }
        let magnitude: i128 = significant.parse().ok()?;
        let value = magnitude * 10_i128.pow(zeros as u32);
        i64::try_from(if self.is_negative { -value } else { value }).ok()
    }
}

/// An optional sign, then up to ten digits after leading zeros.
fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut value = 0_i64;
    let mut count = 0;
    for character in digits.chars() {
        let digit = digit(character)?;
        if count > 0 || digit > 0 {
            count += 1;
        }
        if count > 10 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    if digits.is_empty() {
        return None;
    }
    Some(if text.starts_with('-') { -value } else { value })
}
