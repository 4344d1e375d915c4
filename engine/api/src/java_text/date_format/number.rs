//! Numbers as Java's integer `NumberFormat` reads them at the beginning of a text: signs, exponents, NaN and infinity included.

use super::super::digit;

/// Magnitudes beyond this keep no more digits.
const MAGNITUDE_MAX: u128 = u128::MAX / 100;

/// A number and how many bytes it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: i32,
    pub(super) len: usize,
}

/// Reads a number (`Number#intValue` of what `DecimalFormat#parse` gives).
pub(super) fn parse(text: &str) -> Option<Number> {
    if text.starts_with("NaN") {
        return Some(Number { value: 0, len: 3 });
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let sign_len = text.len() - unsigned.len();
    let is_negative = sign_len > 0;
    if unsigned.starts_with('∞') {
        let value = if is_negative { i32::MIN } else { i32::MAX };
        return Some(Number { value, len: sign_len + '∞'.len_utf8() });
    }
    let mut magnitude = 0_u128;
    // Digits that `magnitude` has no room for.
    let mut dropped = 0_i32;
    let mut len = 0;
    for character in unsigned.chars() {
        let Some(digit) = digit(character) else { break };
        if magnitude < MAGNITUDE_MAX {
            magnitude = magnitude * 10 + u128::from(digit);
        } else {
            dropped = dropped.saturating_add(1);
        }
        len += character.len_utf8();
    }
    if len == 0 {
        return None;
    }
    let (exponent, exponent_len) = exponent(&unsigned[len..]);
    let value = to_i32(magnitude, dropped.saturating_add(exponent), is_negative);
    Some(Number { value, len: sign_len + len + exponent_len })
}

/// What follows `E`, and how many bytes it takes with it; nothing where no number follows.
fn exponent(text: &str) -> (i32, usize) {
    let Some(rest) = text.strip_prefix('E') else { return (0, 0) };
    let digits = rest.strip_prefix('-').unwrap_or(rest);
    let mut len = 0;
    let mut value = Some(0_i64);
    for character in digits.chars() {
        let Some(digit) = digit(character) else { break };
        value = value.and_then(|value| value.checked_mul(10)?.checked_add(digit.into()));
        len += character.len_utf8();
    }
    match value {
        // One of more than 64 bits is not taken for one.
        Some(value) if len > 0 => {
            let is_negative = digits.len() < rest.len();
            let value = value as i32;
            let value = if is_negative { value.wrapping_neg() } else { value };
            (value, 1 + rest.len() - digits.len() + len)
        }
        _ => (0, 0),
    }
}

/// Java takes the low 32 bits of what fits into 64, and the nearest 32-bit integer to what does not.
fn to_i32(magnitude: u128, exponent: i32, is_negative: bool) -> i32 {
    if magnitude == 0 {
        return 0;
    }
    let whole = match exponent {
        0 => Some(magnitude),
        1..=38 => magnitude.checked_mul(10_u128.pow(exponent.unsigned_abs())),
        -38..=-1 => {
            let divisor = 10_u128.pow(exponent.unsigned_abs());
            magnitude.is_multiple_of(divisor).then(|| magnitude / divisor)
        }
        _ => None,
    };
    let limit = i64::MAX as u128 + u128::from(is_negative);
    if let Some(whole) = whole.filter(|whole| *whole <= limit) {
        let low = whole as i32;
        return if is_negative { low.wrapping_neg() } else { low };
    }
    let nearest: f64 = format!("{magnitude}e{exponent}").parse().unwrap_or(f64::INFINITY);
    (if is_negative { -nearest } else { nearest }) as i32
}
