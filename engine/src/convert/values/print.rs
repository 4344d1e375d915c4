//! Values as text (`Values#convertToString`).

use api::java_text::{self, DAY_MS, DateTime};
use api::{SchemaRef, Type, ValueRef};

use crate::convert::json::write_base64;

/// Appends the text of a value that is not null; `schema` tells dates from integers.
pub fn print(out: &mut Vec<u8>, schema: Option<&SchemaRef>, value: ValueRef<'_>) {
    write(out, schema, value, false);
}

/// Text and bytes stand in quotes where they are part of a list, a map or a struct.
fn write(out: &mut Vec<u8>, schema: Option<&SchemaRef>, value: ValueRef<'_>, is_embedded: bool) {
    match value.carried(schema) {
        ValueRef::String(text) if is_embedded => write_quoted(out, text),
        ValueRef::Bytes(bytes) => {
            if is_embedded {
                out.push(b'"');
            }
            write_base64(bytes, out);
            if is_embedded {
                out.push(b'"');
            }
        }
        ValueRef::Date(epoch_ms) => print_moment(out, epoch_ms),
        ValueRef::Array(items) => {
            let schema = schema.and_then(|schema| schema.items());
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                write(out, schema, item, true);
            }
            out.push(b']');
        }
        ValueRef::Map(entries) => {
            let (keys, values) = match schema.map(|schema| &schema.kind) {
                Some(Type::Map(keys, values)) => (keys.as_ref(), values.as_ref()),
                _ => (None, None),
            };
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(out, index);
                write(out, keys, key, true);
                out.push(b':');
                write(out, values, value, true);
            }
            out.push(b'}');
        }
        ValueRef::Struct(fields) => {
            out.push(b'{');
            for (index, (field, value)) in fields.fields().enumerate() {
                separate(out, index);
                write_quoted(out, &field.name);
                out.push(b':');
                // `Struct#get` gives a field's default in place of null.
                let value = match (&field.schema.default, value) {
                    (Some(default), ValueRef::Null) => default.as_value_ref(),
                    (_, value) => value,
                };
                write(out, Some(&field.schema), value, true);
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

fn write_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Appends a Date, Time or Timestamp. All that lies before the second of January 1970 prints as a time of day.
pub(crate) fn print_moment(out: &mut Vec<u8>, epoch_ms: i64) {
    let moment = DateTime::of(epoch_ms);
    if epoch_ms < DAY_MS {
        moment.write_time(out);
    } else if epoch_ms % DAY_MS == 0 {
        moment.write_date(out);
    } else {
        moment.write_date(out);
        out.push(b'T');
        moment.write_time(out);
    }
}
