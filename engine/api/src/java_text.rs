//! Values as Java prints them (`String.valueOf`): what FileStreamSink and StringConverter write.

use std::convert::Infallible;
use std::io::Write;

use crate::value::ValueRef;

/// Appends the text of a value.
pub fn write(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        ValueRef::Int8(value) => write_integer(out, value.into()),
        ValueRef::Int16(value) => write_integer(out, value.into()),
        ValueRef::Int32(value) => write_integer(out, value.into()),
        ValueRef::Int64(value) => write_integer(out, value),
        ValueRef::Float32(value) => write_float32(out, value),
        ValueRef::Float64(value) => write_float64(out, value),
        ValueRef::String(value) => out.extend_from_slice(value.as_bytes()),
        ValueRef::Bytes(value) => write_array_identity(out, value),
        ValueRef::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                write(out, item);
            }
            out.push(b']');
        }
        ValueRef::Map(entries) => {
            out.push(b'{');
            let mut is_first = true;
            let done = entries.try_each_in_java_order::<Infallible>(|key, value| {
                if !std::mem::take(&mut is_first) {
                    out.extend_from_slice(b", ");
                }
                write(out, key);
                out.push(b'=');
                write(out, value);
                Ok(())
            });
            match done {
                Ok(()) => out.push(b'}'),
                Err(never) => match never {},
            }
        }
        ValueRef::Struct(fields) => {
            out.extend_from_slice(b"Struct{");
            let mut is_first = true;
            // `Struct#toString` leaves null fields out.
            for (field, value) in fields.fields().filter(|(_, value)| !value.is_null()) {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                out.extend_from_slice(field.name.as_bytes());
                out.push(b'=');
                write(out, value);
            }
            out.push(b'}');
        }
    }
}

/// The text of a value. For messages and tests; hot loops [`write()`] into one buffer.
pub fn to_string(value: ValueRef<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, value);
    String::from_utf8(out).expect("only text was written")
}

/// Appends an integer; narrower ones widen without changing their text.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `Double.toString`: the shortest decimal that reads back as the same number, with a point, scientific from 10⁷ and below
/// 10⁻³.
pub fn write_float64(out: &mut Vec<u8>, value: f64) {
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
fn lay_out(out: &mut Vec<u8>, decimal: &str) {
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

/// Java prints an array as its type and its identity, which no two runs share. Ours is made of the content, so that equal
/// input gives equal output.
fn write_array_identity(out: &mut Vec<u8>, value: &[u8]) {
    let hash =
        value.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    write!(out, "[B@{hash:x}").expect("a vector takes every byte");
}

/// Bytes as text, as Java's UTF-8 decoder reads them: each malformed sequence becomes U+FFFD. As Rust's lossy decoding, but an
/// encoded surrogate is one malformed sequence and not three. (Contract B.2, 21.)
pub fn decode_utf8_lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        out.push_str(chunk.valid());
        let at = chunk.valid().len();
        if chunk.invalid().is_empty() {
            break;
        }
        out.push('\u{fffd}');
        let malformed = match rest[at..] {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => 3,
            _ => chunk.invalid().len(),
        };
        rest = &rest[at + malformed..];
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use crate::value::Value;

    use super::*;

    fn check(value: Value, expected: &str) {
        assert_eq!(to_string(value.as_value_ref()), expected);
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
            check(Value::Float64(value), expected);
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
            check(Value::Float32(value), expected);
        }
    }

    #[test]
    fn prints_nested_values_as_java() {
        let text = |text: &str| Value::String(text.to_owned());
        check(Value::Array(vec![Value::Int64(1), Value::Null, text("a")]), "[1, null, a]");
        check(Value::Array(vec![]), "[]");
        check(
            Value::Map(vec![(text("b"), Value::Int8(2)), (text("a"), Value::Boolean(true))]),
            "{a=true, b=2}",
        );
        assert!(to_string(Value::Bytes(vec![1]).as_value_ref()).starts_with("[B@"));
    }

    /// Contract A.5: ten keys as they were inserted, and as Java iterates.
    #[test]
    fn prints_maps_in_java_hash_order() {
        let keys = ["db", "schema", "table", "server", "file", "pos", "lsn", "id", "ts_ms", "snapshot"];
        let map =
            Value::Map(keys.iter().map(|key| (Value::String((*key).to_owned()), Value::Int8(0))).collect());
        let printed = to_string(map.as_value_ref()).replace("=0", "").replace(", ", " ");
        assert_eq!(printed, "{schema server file pos lsn id db table ts_ms snapshot}");
    }

    #[test]
    fn decodes_malformed_text_as_java_does() {
        assert_eq!(decode_utf8_lossy("plain ü".as_bytes()), "plain ü");
        assert_eq!(decode_utf8_lossy(b"a\xed\xa0\x80b"), "a\u{fffd}b");
        assert_eq!(decode_utf8_lossy(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(decode_utf8_lossy(b"\xe2\x82"), "\u{fffd}");
        assert_eq!(decode_utf8_lossy(b"\xf0\x9f\x98x\xed\xa0"), "\u{fffd}x\u{fffd}\u{fffd}");
    }
}
