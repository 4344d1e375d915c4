//! JSON's numbers as Java's: Jackson holds them exactly, and each use takes the part that it wants.

use super::scan;

/// The integer part of a JSON number modulo 2^64 (`JsonNode#longValue`; narrower types take its low bits).
pub(super) fn integer(text: &str) -> i64 {
    match scan::integer(text.as_bytes(), 0) {
        Some((value, end)) if end == text.len() => value,
        _ => exact_integer(text),
    }
}

fn exact_integer(text: &str) -> i64 {
    let (is_negative, text) = split_sign(text);
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let point = whole.len() as i64 + exponent;
    let count = whole.len() + fraction.len();
    let mut value = 0_u64;
    for digit in whole.bytes().chain(fraction.bytes()).take(usize::try_from(point).unwrap_or(0)) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
    }
    // 10^64 is a multiple of 2^64, so more zeros leave nothing.
    for _ in 0..(point - count as i64).clamp(0, 64) {
        value = value.wrapping_mul(10);
    }
    (if is_negative { value.wrapping_neg() } else { value }) as i64
}

/// The number as `f64`, rounded to nearest. There is no negative zero, because decimals have none.
pub(super) fn float64(text: &str) -> f64 {
    if let Some(number) = scan::number(text.as_bytes(), 0)
        && number.end == text.len()
    {
        return number.value;
    }
    let value = text.parse().unwrap_or(f64::NAN);
    if is_zero(text) { 0.0 } else { value }
}

/// The number as `f32`, rounded once.
pub(super) fn float32(text: &str) -> f32 {
    let value = text.parse().unwrap_or(f32::NAN);
    if is_zero(text) { 0.0 } else { value }
}

/// Whether an integer fits an `int` (`JsonNode#isInt`).
pub(super) fn int32(text: &str) -> Option<i32> {
    let (is_negative, digits) = split_sign(text);
    let digits = digits.trim_start_matches('0');
    if digits.len() > 10 {
        return None;
    }
    let value: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    i32::try_from(if is_negative { -value } else { value }).ok()
}

fn split_sign(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or((false, text), |rest| (true, rest))
}

fn is_zero(text: &str) -> bool {
    text.bytes()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .all(|byte| matches!(byte, b'-' | b'.' | b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_integers_as_java_does() {
        let check = |text: &str, expected: i64| assert_eq!(integer(text), expected, "{text}");
        check("9223372036854775808", i64::MIN);
        check("-9223372036854775809", i64::MAX);
        check("18446744073709551617", 1);
        check("1.9", 1);
        check("-1.9", -1);
        check("1e3", 1000);
        check("12345e-2", 123);
        check("1.25e1", 12);
        check("1e400", 0);
        check("1e-400", 0);
        check("1e2147483647", 0);
        check("007", 7);
        check("-0.0", 0);
    }

    #[test]
    fn takes_numbers_as_java_does() {
        assert_eq!(float64("1e400"), f64::INFINITY);
        assert!(float64("-0.0").is_sign_positive() && float64("-0e5").is_sign_positive());
        assert_eq!(float64("007.5"), 7.5);
        assert_eq!(float32("16777217"), 16_777_216.0);
        assert_eq!(
            (int32("2147483647"), int32("2147483648"), int32("-0002147483648")),
            (Some(i32::MAX), None, Some(i32::MIN))
        );
    }
}
