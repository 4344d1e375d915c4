//! Values as Java prints them (`String.valueOf`): what FileStreamSink writes and what StringConverter makes of anything that
//! is not text.

use crate::value::ValueRef;

/// Appends `value` as Java prints it. Null is `null`; a struct is `Struct{a=1,b=x}` without its null fields, a map
/// `{a=1, b=x}` in the order of Java's `HashMap`, a list `[1, 2]`, bytes `[B@` and a hash.
pub fn write(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Boolean(true) => out.extend_from_slice(b"true"),
        ValueRef::Boolean(false) => out.extend_from_slice(b"false"),
        ValueRef::Int8(value) => write_integer(out, value.into()),
        ValueRef::Int16(value) => write_integer(out, value.into()),
        ValueRef::Int32(value) => write_integer(out, value.into()),
        ValueRef::Int64(value) => write_integer(out, value),
        ValueRef::Float32(value) => write_float32(out, value),
        ValueRef::Float64(value) => write_float64(out, value),
        ValueRef::String(text) => out.extend_from_slice(text.as_bytes()),
        ValueRef::Bytes(bytes) => {
            // Java prints the object's identity, which means nothing; ours is the same for equal bytes.
            let hash =
                bytes.iter().fold(1u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(*byte)));
            out.extend_from_slice(format!("[B@{hash:x}").as_bytes());
        }
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
            let entries: Vec<_> = entries.iter().collect();
            let order = hash_order(entries.iter().map(|(key, _)| match key {
                ValueRef::String(key) => key,
                _ => "",
            }));
            out.push(b'{');
            for (index, entry) in order.into_iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                write(out, entries[entry].0);
                out.push(b'=');
                write(out, entries[entry].1);
            }
            out.push(b'}');
        }
        ValueRef::Struct(values) => {
            out.extend_from_slice(b"Struct{");
            let mut is_first = true;
            for (field, value) in values.schema().fields().iter().zip(values.iter()) {
                if matches!(value, ValueRef::Null) {
                    continue;
                }
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

/// Appends a decimal integer.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number as `Double.toString` does: `1.0`, `1.0E10`, `NaN`, `-Infinity`.
pub fn write_float64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        write_digits(out, ryu::Buffer::new().format_finite(value));
    } else {
        write_non_finite(out, value);
    }
}

/// Appends a number as `Float.toString` does.
pub fn write_float32(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        write_digits(out, ryu::Buffer::new().format_finite(value));
    } else {
        write_non_finite(out, value.into());
    }
}

fn write_non_finite(out: &mut Vec<u8>, value: f64) {
    let text: &[u8] = match value {
        _ if value.is_nan() => b"NaN",
        _ if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    };
    out.extend_from_slice(text);
}

/// Rewrites the shortest digits of a finite number, in whatever form they come, in Java's form: plain from 10^-3 up to 10^7,
/// else with one digit before the point and an exponent.
fn write_digits(out: &mut Vec<u8>, shortest: &str) {
    let (sign, shortest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    out.extend_from_slice(sign.as_bytes());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // The number is 0.d₁d₂d₃… × 10^point; at most 17 + 17 digits come.
    let mut digits = [0u8; 40];
    let mut count = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        digits[count] = digit;
        count += 1;
    }
    let leading = digits[..count].iter().take_while(|digit| **digit == b'0').count();
    let digits = digits[leading..count].trim_ascii_end();
    let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &digits[..digits.len() - trailing];
    let point = whole.len() as i32 + exponent - leading as i32;
    if digits.is_empty() {
        out.extend_from_slice(b"0.0");
        return;
    }
    let zeros = |out: &mut Vec<u8>, count: i32| out.extend(std::iter::repeat_n(b'0', count.max(0) as usize));
    match point {
        1..=7 => {
            let whole = digits.len().min(point as usize);
            out.extend_from_slice(&digits[..whole]);
            zeros(out, point - whole as i32);
            out.push(b'.');
            let fraction = &digits[whole..];
            out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
        }
        -2..=0 => {
            out.extend_from_slice(b"0.");
            zeros(out, -point);
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            out.push(b'.');
            out.extend_from_slice(if digits.len() > 1 { &digits[1..] } else { b"0" });
            out.push(b'E');
            write_integer(out, (point - 1).into());
        }
    }
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

/// The order in which Java's `HashMap` iterates over `keys` that were inserted in the order given: indices into them.
/// (Contract A.5.) Distinct keys are assumed.
pub fn hash_order<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Vec<usize> {
    let mut capacity = 16;
    while keys.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    let bucket = |key: &str| {
        let hash =
            key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        (hash ^ (hash >> 16)) as usize & (capacity - 1)
    };
    let mut order: Vec<(usize, usize)> =
        keys.map(bucket).enumerate().map(|(index, bucket)| (bucket, index)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_float64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_doubles_as_java_does() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (0.00123, "0.00123"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.5e7, "1.5E7"),
            (12_345_678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (1234.5, "1234.5"),
            (1e21, "1.0E21"),
            (1e22, "1.0E22"),
            (123_456_789_012_345_680.0, "1.2345678901234568E17"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        let mut out = Vec::new();
        write_float32(&mut out, 0.1);
        assert_eq!(out, b"0.1");
    }

    #[test]
    fn decodes_malformed_text_as_java_does() {
        assert_eq!(decode_utf8_lossy("plain ü".as_bytes()), "plain ü");
        assert_eq!(decode_utf8_lossy(b"a\xed\xa0\x80b"), "a\u{fffd}b");
        assert_eq!(decode_utf8_lossy(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(decode_utf8_lossy(b"\xe2\x82"), "\u{fffd}");
        assert_eq!(decode_utf8_lossy(b"\xf0\x9f\x98x\xed\xa0"), "\u{fffd}x\u{fffd}\u{fffd}");
    }

    #[test]
    fn prints_containers_as_java_does() {
        let text = |text: &str| Value::String(text.to_owned());
        let map = Value::Map(vec![
            (text("topic"), text("t")),
            (text("cluster"), Value::Null),
            (text("partition"), Value::Array(vec![Value::Int64(1), Value::Float64(2.5)])),
        ]);
        let mut out = Vec::new();
        write(&mut out, map.as_ref());
        assert_eq!(String::from_utf8(out).unwrap(), "{cluster=null, partition=[1, 2.5], topic=t}");
    }

    #[test]
    fn iterates_as_a_hash_map_does() {
        let keys = ["db", "schema", "table", "server", "file", "pos", "lsn", "id", "ts_ms", "snapshot"];
        let order: Vec<&str> =
            hash_order(keys.iter().copied()).into_iter().map(|index| keys[index]).collect();
        assert_eq!(
            order,
            ["schema", "server", "file", "pos", "lsn", "id", "db", "table", "ts_ms", "snapshot"]
        );
        let keys = ["kafka_topic", "kafka_partition"];
        assert_eq!(hash_order(keys.iter().copied()), [1, 0]);
    }
}
