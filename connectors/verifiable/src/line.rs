//! Lines of JSON on standard output.

#[cfg(not(test))]
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use api::{Error, Result, ValueRef, java_text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Now, in ms since the epoch, as the lines carry it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes whole lines at once, so that those of several tasks do not mix.
pub(crate) fn print(lines: &[u8]) -> Result<()> {
    write_out(lines).map_err(|error| {
        Error::fatal(format!("failed to write to standard output: {error}")).with_source(error)
    })
}

#[cfg(not(test))]
fn write_out(lines: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(lines).and_then(|()| stdout.flush())
}

#[cfg(test)]
std::thread_local! {
    /// What would have been printed by tasks of this thread.
    pub(crate) static PRINTED: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
fn write_out(mut lines: &[u8]) -> std::io::Result<()> {
    PRINTED.with_borrow_mut(|printed| std::io::copy(&mut lines, printed).map(|_len| ()))
}

/// A value as Jackson writes it.
pub(crate) fn write_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::String(text) => write_string(out, Some(text)),
        ValueRef::Bytes(bytes) => write_string(out, Some(&STANDARD.encode(bytes))),
        ValueRef::Float32(number) if !number.is_finite() => {
            write_string(out, Some(&java_text::to_string(value)))
        }
        ValueRef::Float64(number) if !number.is_finite() => {
            write_string(out, Some(&java_text::to_string(value)))
        }
        ValueRef::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                write_value(out, item);
            }
            out.push(b']');
        }
        ValueRef::Map(entries) => {
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(out, index);
                write_string(out, Some(&java_text::to_string(key)));
                out.push(b':');
                write_value(out, value);
            }
            out.push(b'}');
        }
        ValueRef::Struct(fields) => {
            out.push(b'{');
            for (index, (field, value)) in fields.fields().enumerate() {
                separate(out, index);
                write_string(out, Some(&field.name));
                out.push(b':');
                write_value(out, value);
            }
            out.push(b'}');
        }
        scalar => java_text::write(out, scalar),
    }
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// Quoted text; `null` for none.
pub(crate) fn write_string(out: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else { return out.extend_from_slice(b"null") };
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use api::Value;

    use super::*;

    /// What Java's tasks printed for such keys and values.
    #[test]
    fn values_are_written_as_jackson_writes_them() {
        let written = |value: Value| {
            let mut out = Vec::new();
            write_value(&mut out, value.as_value_ref());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Value::String("k\"ü\u{1}".to_owned())), "\"k\\\"ü\\u0001\"");
        assert_eq!(written(Value::Bytes(vec![1, 2])), "\"AQI=\"");
        let items = vec![Value::Int32(1), Value::String("x".to_owned()), Value::Boolean(true)];
        assert_eq!(written(Value::Array(items)), "[1,\"x\",true]");
        let entries = vec![(Value::String("a".to_owned()), Value::Float64(1.5))];
        assert_eq!(written(Value::Map(entries)), "{\"a\":1.5}");
        assert_eq!(written(Value::Float64(f64::NAN)), "\"NaN\"");
        assert_eq!(written(Value::Null), "null");
    }
}
