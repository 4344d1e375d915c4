//! Writing single values as Jackson does (`JsonConverter#convertToJson`).

use api::decimal::{self, DecimalRef};
use api::value::{ListRef, Logical, MapRef, StructRef};
use api::{Error, SchemaRef, Type, ValueRef, java_text};

use super::{base64, deep, logical};

/// Settings that change what is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Whether Decimals are numbers (`decimal.format=NUMERIC`).
    pub(super) decimal_is_number: bool,
    /// Whether null stands for a field's default, where it has one.
    pub(super) null_is_default: bool,
    /// Lists and maps that a value is in.
    pub(super) depth: u8,
}

/// Lists and maps within each other that are written by recursion.
const DEPTH_ON_STACK_MAX: u8 = 64;

impl Style {
    fn deeper(self) -> Style {
        Style { depth: (self.depth + 1).min(DEPTH_ON_STACK_MAX), ..self }
    }
}

/// Appends `text` as a JSON string with its quotes, escaped as Jackson does: astral characters as pairs of escapes, control
/// characters in short or upper-case hexadecimal form, everything else as it is.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut run = 0;
    while let Some(at) = next_escaped(bytes, run) {
        out.extend_from_slice(&bytes[run..at]);
        run = at + write_escape(out, &text[at..]);
    }
    out.extend_from_slice(&bytes[run..]);
    out.push(b'"');
}

/// Where the next byte that is not written as it is stands: quote, backslash, control character, or the first of four bytes.
#[inline]
fn next_escaped(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if chunk.iter().fold(false, |found, byte| found | is_escaped(*byte)) {
            break;
        }
        at += 8;
    }
    bytes[at..].iter().position(|byte| is_escaped(*byte)).map(|found| at + found)
}

#[inline(always)]
pub(super) fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0xF0)
}

/// Writes the escape for the first character; returns how many bytes of the text that was.
#[cold]
fn write_escape(out: &mut Vec<u8>, text: &str) -> usize {
    let Some(character) = text.chars().next() else { return 0 };
    let short = match character {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{8}' => b"\\b",
        '\t' => b"\\t",
        '\n' => b"\\n",
        '\u{c}' => b"\\f",
        '\r' => b"\\r",
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(b"0123456789ABCDEF"[usize::from(*unit >> shift & 15)]);
                }
            }
            return character.len_utf8();
        }
    };
    out.extend_from_slice(short);
    1
}

pub(super) fn write_float64(out: &mut Vec<u8>, value: f64) {
    write_number(out, value.is_finite(), |out| java_text::write_float64(out, value));
}

pub(super) fn write_float32(out: &mut Vec<u8>, value: f32) {
    write_number(out, value.is_finite(), |out| java_text::write_float32(out, value));
}

/// JSON has no infinities: they come as text.
fn write_number(out: &mut Vec<u8>, is_finite: bool, write: impl FnOnce(&mut Vec<u8>)) {
    if !is_finite {
        out.push(b'"');
    }
    write(out);
    if !is_finite {
        out.push(b'"');
    }
}

pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64::encode(bytes, out);
    out.push(b'"');
}

pub(super) fn write_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// What stands for a null under `schema`.
///
/// # Errors
/// When null is no value of it.
pub(super) fn write_null(out: &mut Vec<u8>, schema: Option<&SchemaRef>, style: Style) -> Result<(), Error> {
    if let Some(schema) = schema {
        if let (Some(default), true) = (&schema.default, style.null_is_default) {
            return write_value(out, Some(schema), default.as_value_ref(), style);
        }
        if !schema.optional {
            return Err(Error::bad_record(
                "Conversion error: null value for field that is required and has no default value",
            ));
        }
    }
    out.extend_from_slice(b"null");
    Ok(())
}

/// Appends a value under its schema, if it has one.
///
/// # Errors
/// When it is no value of the schema. Part of it may have been written.
pub(super) fn write_value(
    out: &mut Vec<u8>,
    schema: Option<&SchemaRef>,
    value: ValueRef<'_>,
    style: Style,
) -> Result<(), Error> {
    if let ValueRef::Null = value {
        return write_null(out, schema, style);
    }
    if let Some(schema) = schema
        && let Some(logical) = schema.logical()
    {
        return write_logical(out, schema, logical, value, style);
    }
    match (schema.map(|schema| &schema.kind), value) {
        (None | Some(Type::Boolean), ValueRef::Boolean(value)) => write_boolean(out, value),
        (None | Some(Type::Int8), ValueRef::Int8(value)) => java_text::write_integer(out, value.into()),
        (None | Some(Type::Int16), ValueRef::Int16(value)) => java_text::write_integer(out, value.into()),
        (None | Some(Type::Int32), ValueRef::Int32(value)) => java_text::write_integer(out, value.into()),
        (None | Some(Type::Int64), ValueRef::Int64(value)) => java_text::write_integer(out, value),
        (None | Some(Type::Float32), ValueRef::Float32(value)) => write_float32(out, value),
        (None | Some(Type::Float64), ValueRef::Float64(value)) => write_float64(out, value),
        (None | Some(Type::String), ValueRef::String(value)) => write_string(out, value),
        (None | Some(Type::Bytes), ValueRef::Bytes(value)) => write_bytes(out, value),
        // Schemas nest little, data without one may nest too deep for the stack.
        (None, ValueRef::Array(_) | ValueRef::Map(_)) if style.depth == DEPTH_ON_STACK_MAX => {
            deep::write(out, value, style)?;
        }
        (None, ValueRef::Array(items)) => write_items(out, items, None, style)?,
        (Some(Type::Array(item)), ValueRef::Array(items)) => write_items(out, items, item.as_ref(), style)?,
        (None, ValueRef::Map(entries)) => write_entries(out, entries, (None, None), style)?,
        (Some(Type::Map(key, item)), ValueRef::Map(entries)) => {
            write_entries(out, entries, (key.as_ref(), item.as_ref()), style)?;
        }
        (None | Some(Type::Struct(_)), ValueRef::Struct(values)) => write_struct(out, schema, values, style)?,
        (kind, value) => return Err(wrong_type(kind, value)),
    }
    Ok(())
}

#[cold]
fn wrong_type(kind: Option<&Type>, value: ValueRef<'_>) -> Error {
    let class = value.java_class();
    Error::bad_record(match kind {
        Some(Type::Bytes) => format!("Invalid type for bytes type: class {class}"),
        Some(kind) => format!("Invalid type for {}: class {class}", kind.java_name()),
        None => format!("Java class class {class} does not have corresponding schema type."),
    })
}

/// Writes a value of a logical type: what a column of the type holds, or what says itself what it is.
fn write_logical(
    out: &mut Vec<u8>,
    schema: &SchemaRef,
    logical: Logical,
    value: ValueRef<'_>,
    style: Style,
) -> Result<(), Error> {
    match (logical, value) {
        (Logical::Decimal, ValueRef::Bytes(unscaled)) => match schema.scale() {
            Some(scale) => write_decimal(out, DecimalRef { unscaled, scale }, style),
            None => write_bytes(out, unscaled),
        },
        (Logical::Decimal, ValueRef::Decimal(value)) => {
            if !style.decimal_is_number {
                let scale = schema.scale().unwrap_or_default();
                if value.scale != scale {
                    return Err(Error::bad_record(format!(
                        "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
                        value.scale
                    )));
                }
            }
            write_decimal(out, value, style);
        }
        (Logical::Date, ValueRef::Int32(days)) => java_text::write_integer(out, days.into()),
        (Logical::Time, ValueRef::Int32(ms)) => {
            java_text::write_integer(out, logical::of_date(logical, ms.into())?);
        }
        (Logical::Timestamp, ValueRef::Int64(ms)) => java_text::write_integer(out, ms),
        (Logical::Date | Logical::Time | Logical::Timestamp, ValueRef::Date(epoch_ms)) => {
            java_text::write_integer(out, logical::of_date(logical, epoch_ms)?);
        }
        _ => {
            let (name, expected) = match logical {
                Logical::Decimal => ("Decimal", "BigDecimal"),
                Logical::Date => ("Date", "Date"),
                Logical::Time => ("Time", "Date"),
                Logical::Timestamp => ("Timestamp", "Date"),
            };
            let class = value.java_class();
            return Err(Error::bad_record(format!(
                "Invalid type for {name}, expected {expected} but was class {class}"
            )));
        }
    }
    Ok(())
}

fn write_decimal(out: &mut Vec<u8>, value: DecimalRef<'_>, style: Style) {
    if style.decimal_is_number {
        decimal::write(value.unscaled, value.scale, out);
    } else {
        write_bytes(out, value.unscaled);
    }
}

fn write_items(
    out: &mut Vec<u8>,
    items: ListRef<'_>,
    item_schema: Option<&SchemaRef>,
    style: Style,
) -> Result<(), Error> {
    let style = style.deeper();
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        separate(out, index);
        write_value(out, item_schema, item, style)?;
    }
    out.push(b']');
    Ok(())
}

fn write_struct(
    out: &mut Vec<u8>,
    schema: Option<&SchemaRef>,
    values: StructRef<'_>,
    style: Style,
) -> Result<(), Error> {
    if schema.is_none_or(|schema| schema != values.schema()) {
        return Err(Error::bad_record("Mismatching schema."));
    }
    out.push(b'{');
    for (index, (field, value)) in values.schema().fields().iter().zip(values.iter()).enumerate() {
        separate(out, index);
        write_string(out, &field.name);
        out.push(b':');
        write_value(out, Some(&field.schema), value, style)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_entries(
    out: &mut Vec<u8>,
    entries: MapRef<'_>,
    (key_schema, value_schema): (Option<&SchemaRef>, Option<&SchemaRef>),
    style: Style,
) -> Result<(), Error> {
    let style = style.deeper();
    let is_object = match key_schema {
        Some(schema) => schema.kind == Type::String,
        None => entries.has_text_keys(),
    };
    out.push(if is_object { b'{' } else { b'[' });
    for (index, (key, value)) in entries.iter().enumerate() {
        separate(out, index);
        if is_object {
            write_name(out, key_schema, key, style)?;
            out.push(b':');
            write_value(out, value_schema, value, style)?;
        } else {
            out.push(b'[');
            write_value(out, key_schema, key, style)?;
            out.push(b',');
            write_value(out, value_schema, value, style)?;
            out.push(b']');
        }
    }
    out.push(if is_object { b'}' } else { b']' });
    Ok(())
}

/// A key of an object, which is text even where null stands for it.
fn write_name(
    out: &mut Vec<u8>,
    schema: Option<&SchemaRef>,
    key: ValueRef<'_>,
    style: Style,
) -> Result<(), Error> {
    let start = out.len();
    write_value(out, schema, key, style)?;
    if out[start..] == *b"null" {
        out.insert(start, b'"');
        out.push(b'"');
    }
    Ok(())
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}
