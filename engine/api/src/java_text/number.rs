//! Numbers as Java prints them.

use super::room::{FLOAT_ROOM, INTEGER_ROOM, put_float64, put_integer};

/// Appends an integer; narrower ones widen without changing their text.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    let mut room = [0; INTEGER_ROOM];
    let len = put_integer(&mut room, value);
    out.extend_from_slice(&room[..len]);
}

/// `Double.toString`: the shortest decimal that reads back as the same number, with a point, scientific from 10⁷ and below
/// 10⁻³.
pub fn write_float64(out: &mut Vec<u8>, value: f64) {
    let mut room = [0; FLOAT_ROOM];
    if let Some(len) = put_float64(&mut room, value) {
        return out.extend_from_slice(&room[..len]);
    }
    if !value.is_finite() {
        return write_non_finite(out, value.is_nan(), value > 0.0);
    }
    // A single digit below the normal range may have a nearer neighbour of two digits (4.9E-324, not 5.0E-324): Java
    // prints two digits anyway and takes the nearest.
    if value != 0.0 && value.abs() < f64::MIN_POSITIVE {
        let two_digits = format!("{value:.1e}");
        if two_digits.parse() == Ok(value) {
            return lay_out(out, &two_digits);
        }
    }
    lay_out(out, ryu::Buffer::new().format_finite(value));
}

/// `Float.toString`.
pub fn write_float32(out: &mut Vec<u8>, value: f32) {
    if !value.is_finite() {
        return write_non_finite(out, value.is_nan(), value > 0.0);
    }
    if value != 0.0 && value.abs() < f32::MIN_POSITIVE {
        let two_digits = format!("{value:.1e}");
        if two_digits.parse() == Ok(value) {
            return lay_out(out, &two_digits);
        }
    }
    lay_out(out, ryu::Buffer::new().format_finite(value));
}

fn write_non_finite(out: &mut Vec<u8>, is_nan: bool, is_positive: bool) {
    out.extend_from_slice(match (is_nan, is_positive) {
        (true, _) => b"NaN",
        (false, true) => b"Infinity",
        (false, false) => b"-Infinity",
    });
}

/// Lays the digits of a decimal such as `1.5`, `12.0` or `1.5e-7` out as Java does.
pub(super) fn lay_out(out: &mut Vec<u8>, decimal: &str) {
    // A double has at most 17 digits; leading zeros of 0.00…d add a few.
    let mut digits = [b'0'; 48];
    let mut count = 0_usize;
    // Value is 0.d₁d₂… · 10^point.
    let mut point = 0_i32;
    let mut is_fraction = false;
    let mut rest = decimal.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'-' => out.push(b'-'),
            b'.' => is_fraction = true,
            b'e' => {
                let text = &decimal[decimal.len() - rest.len()..];
                point += text.parse::<i32>().expect("a printer of ours wrote the exponent");
                break;
            }
            digit => {
                if count == 0 && digit == b'0' {
                    point -= i32::from(is_fraction);
                    continue;
                }
                point += i32::from(!is_fraction);
                digits[count] = digit;
                count += 1;
            }
        }
    }
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    if count == 0 {
        return out.extend_from_slice(b"0.0");
    }
    // What lies behind the digits stays '0', so that places without a digit can be copied from there.
    digits[count..].fill(b'0');
    match point {
        -2..=0 => {
            out.extend_from_slice(b"0.");
            out.extend_from_slice(&b"00"[..point.unsigned_abs() as usize]);
            out.extend_from_slice(&digits[..count]);
        }
        1..=7 => {
            let whole = point as usize;
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..count.max(whole + 1)]);
        }
        _ => {
            out.push(digits[0]);
            out.push(b'.');
            out.extend_from_slice(&digits[1..count.max(2)]);
            out.push(b'E');
            write_integer(out, i64::from(point - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(write: fn(&mut Vec<u8>, T), value: T, expected: &str) {
        let mut out = Vec::new();
        write(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn prints_doubles_as_java() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (0.000999, "9.99E-4"),
            (1e-3, "0.001"),
            (1e-4, "1.0E-4"),
            (1_234_567.5, "1234567.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (1e23, "1.0E23"),
            (2e23, "2.0E23"),
            (1.5e300, "1.5E300"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2.5e-323, "2.5E-323"),
            (2.2250738585072014e-308, "2.2250738585072014E-308"),
            (-1.25, "-1.25"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            check(write_float64, value, expected);
        }
    }

    #[test]
    fn prints_floats_as_java() {
        for (value, expected) in [
            (0.1_f32, "0.1"),
            (1e10, "1.0E10"),
            (16_777_216.0, "1.6777216E7"),
            (1e-45, "1.4E-45"),
            (f32::MAX, "3.4028235E38"),
            (3.3, "3.3"),
        ] {
            check(write_float32, value, expected);
        }
    }
}
