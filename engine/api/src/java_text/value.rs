//! Whole values as text.

use std::convert::Infallible;
use std::io::Write;

use super::{DateTime, write_float32, write_float64, write_integer};
use crate::decimal;
use crate::schema::{SchemaRef, Type};
use crate::value::ValueRef;

/// Appends the text of a value that has no schema, or none of a logical type.
pub fn write(out: &mut Vec<u8>, value: ValueRef<'_>) {
    write_under(out, None, value);
}

/// Appends the text of a value of `schema`: a Date is an integer in our columns, but prints as Java prints a date.
pub fn write_under(out: &mut Vec<u8>, schema: Option<&SchemaRef>, value: ValueRef<'_>) {
    match value.carried(schema) {
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
        ValueRef::Decimal(value) => decimal::write(value.unscaled, value.scale, out),
        ValueRef::Date(epoch_ms) => DateTime::of(epoch_ms).write_java(out),
        ValueRef::Array(items) => {
            let schema = schema.and_then(|schema| schema.items());
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                write_under(out, schema, item);
            }
            out.push(b']');
        }
        ValueRef::Map(entries) => {
            let (keys, values) = match schema.map(|schema| &schema.kind) {
                Some(Type::Map(keys, values)) => (keys.as_ref(), values.as_ref()),
                _ => (None, None),
            };
            out.push(b'{');
            let mut is_first = true;
            let done = entries.try_each_in_java_order::<Infallible>(keys, |key, value| {
                if !std::mem::take(&mut is_first) {
                    out.extend_from_slice(b", ");
                }
                write_under(out, keys, key);
                out.push(b'=');
                write_under(out, values, value);
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
                write_under(out, Some(&field.schema), value);
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

/// Java prints an array as its type and its identity, which no two runs share. Ours is made of the content, so that equal
/// input gives equal output.
fn write_array_identity(out: &mut Vec<u8>, value: &[u8]) {
    let hash =
        value.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    write!(out, "[B@{hash:x}").expect("a vector takes every byte");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::Schema;
    use crate::value::Value;

    fn check(value: Value, expected: &str) {
        assert_eq!(to_string(value.as_value_ref()), expected);
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
    fn prints_logical_types_as_java() {
        let check = |schema: Schema, value: Value, expected: &str| {
            let mut out = Vec::new();
            write_under(&mut out, Some(&Arc::new(schema)), value.as_value_ref());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(Schema::date(), Value::Int32(-1), "Wed Dec 31 00:00:00 UTC 1969");
        check(Schema::time(), Value::Int32(1000), "Thu Jan 01 00:00:01 UTC 1970");
        check(Schema::timestamp(), Value::Int64(1_700_000_000_000), "Tue Nov 14 22:13:20 UTC 2023");
        check(Schema::decimal(2), Value::Bytes(vec![0, 200]), "2.00");
        let days = Schema::new(Type::Array(Some(Arc::new(Schema::date()))));
        check(days, Value::Array(vec![Value::Int32(0)]), "[Thu Jan 01 00:00:00 UTC 1970]");
        assert_eq!(to_string(ValueRef::Date(i64::MIN)), "Sun Dec 02 16:47:04 UTC 292269055");
    }
}
