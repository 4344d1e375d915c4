//! Source partitions and offsets as the JSON that Java's internal converter (JsonConverter without schemas) writes: other
//! workers and Java itself read it, and equal keys must be equal bytes.

use std::sync::Arc;

use api::{Error, SourceOffset, SourcePartition, Value, java_map};
use bytes::Bytes;

use crate::convert::json::write_string;

/// `["<connector>",<partition>]`: the key under which a partition's offset is stored.
///
/// # Errors
/// When the partition holds anything but primitive values (Java: `OffsetUtils#validateFormat`).
pub fn encode_partition_key(connector: &str, partition: &SourcePartition) -> Result<Bytes, Error> {
    let mut out = vec![b'['];
    write_string(&mut out, connector);
    out.push(b',');
    match partition.entries() {
        Some(entries) => write_map(&mut out, entries)?,
        None => out.extend_from_slice(b"null"),
    }
    out.push(b']');
    Ok(out.into())
}

/// The connector and the partition that a key stands for; `None` for a key that is not of this form, and for the null partition,
/// which no one can name.
pub fn decode_partition_key(key: &[u8]) -> Option<(String, SourcePartition)> {
    let (connector, partition): (String, serde_json::Map<String, serde_json::Value>) =
        serde_json::from_slice(key).ok()?;
    let entries: Option<Vec<_>> =
        partition.into_iter().map(|(key, value)| Some((Arc::from(key), scalar(value).ok()?))).collect();
    Some((connector, SourcePartition::new(entries?)))
}

/// An offset as a JSON object.
///
/// # Errors
/// When it holds anything but primitive values.
pub fn encode_offset(offset: &SourceOffset) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    write_map(&mut out, offset)?;
    Ok(out.into())
}

/// Reads what [`encode_offset`], or Java, wrote. JSON `null` is no offset.
///
/// # Errors
/// When it is not a flat JSON object.
pub fn decode_offset(json: &[u8]) -> Result<Option<SourceOffset>, Error> {
    let value: serde_json::Value = serde_json::from_slice(json)
        .map_err(|error| Error::fatal("stored source offset is not JSON").with_source(error))?;
    match value {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| Ok((Arc::from(key), scalar(value)?)))
            .collect::<Result<_, _>>()
            .map(Some),
        other => Err(Error::fatal(format!("stored source offset is not a JSON object but {other}"))),
    }
}

/// A JSON scalar as the schemaless converter reads it: integers are INT64, other numbers FLOAT64.
fn scalar(value: serde_json::Value) -> Result<Value, Error> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(value),
        serde_json::Value::String(value) => Value::String(value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int64(integer),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        nested => {
            return Err(Error::fatal(format!(
                "Offsets may only contain primitive types as values, but one contains {nested}"
            )));
        }
    })
}

/// Entries come in the order of Java's `HashMap`, which is what connectors use: the keys of both workers are equal bytes.
fn write_map(out: &mut Vec<u8>, entries: &[(Arc<str>, Value)]) -> Result<(), Error> {
    let mut ordered: Vec<_> = entries.iter().collect();
    java_map::sort(&mut ordered, |(key, _)| java_map::string_hash(key));
    out.push(b'{');
    for (index, (key, value)) in ordered.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_scalar(out, key, value)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_scalar(out: &mut Vec<u8>, key: &str, value: &Value) -> Result<(), Error> {
    let mut integer = |value: i64| out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Int8(value) => integer((*value).into()),
        Value::Int16(value) => integer((*value).into()),
        Value::Int32(value) => integer((*value).into()),
        Value::Int64(value) => integer(*value),
        Value::Float32(_) | Value::Float64(_) => {
            let mut text = Vec::new();
            api::java_text::write(&mut text, value.as_value_ref());
            out.extend_from_slice(&text);
        }
        Value::String(text) => write_string(out, text),
        Value::Bytes(_) => return Err(nested(key, "BYTES")),
        Value::Decimal(_) => return Err(nested(key, "DECIMAL")),
        Value::Date(_) => return Err(nested(key, "TIMESTAMP")),
        Value::Array(_) => return Err(nested(key, "ARRAY")),
        Value::Map(_) => return Err(nested(key, "MAP")),
        Value::Struct(..) => return Err(nested(key, "STRUCT")),
    }
    Ok(())
}

fn nested(key: &str, type_name: &str) -> Error {
    Error::bad_record(format!(
        "Offsets may only contain primitive types as values, but field {key} contains {type_name}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_java_writes() {
        let partition =
            SourcePartition::new([(Arc::from("filename"), Value::String("/tmp/ä\"\n".to_owned()))]);
        let key = encode_partition_key("my-source", &partition).unwrap();
        assert_eq!(key, r#"["my-source",{"filename":"/tmp/ä\"\n"}]"#.as_bytes());
        assert_eq!(encode_partition_key("c", &SourcePartition::none()).unwrap(), &br#"["c",null]"#[..]);
    }

    #[test]
    fn offsets_survive_the_round_trip() {
        let offset: SourceOffset = vec![
            (Arc::from("position"), Value::Int64(30)),
            (Arc::from("ratio"), Value::Float64(1e10)),
            (Arc::from("name"), Value::String("x".to_owned())),
            (Arc::from("snapshot"), Value::Boolean(true)),
            (Arc::from("none"), Value::Null),
        ];
        let json = encode_offset(&offset).unwrap();
        // In the order of Java's map.
        assert_eq!(json, &br#"{"name":"x","position":30,"none":null,"snapshot":true,"ratio":1.0E10}"#[..]);
        let decoded = decode_offset(&json).unwrap().unwrap();
        assert_eq!(decoded.len(), offset.len());
        assert!(decoded.iter().all(|entry| offset.contains(entry)), "{decoded:?}");
        assert_eq!(decode_offset(b"null").unwrap(), None);
    }

    #[test]
    fn keys_name_their_connector_and_partition() {
        let partition = SourcePartition::new([
            (Arc::from("filename"), Value::String("/x".to_owned())),
            (Arc::from("z"), Value::Int64(2)),
        ]);
        // Recorded from Java: `{"filename":"/x","z":2}` is stored in the order of its map.
        let key = encode_partition_key("c", &partition).unwrap();
        let (connector, decoded) = decode_partition_key(&key).unwrap();
        assert_eq!((connector.as_str(), decoded.entries().unwrap().len()), ("c", 2));
        assert_eq!(encode_partition_key("c", &decoded).unwrap(), key);
        for other in [&b"[\"c\",null]"[..], b"[\"c\"]", b"{}", b"[1,{}]", b"[\"c\",{\"a\":[]}]", b"\xff"] {
            assert_eq!(decode_partition_key(other), None);
        }
    }

    #[test]
    fn refuses_nested_offsets() {
        let offset: SourceOffset = vec![(Arc::from("n"), Value::Map(Vec::new()))];
        let message = encode_offset(&offset).unwrap_err().to_string();
        assert_eq!(message, "Offsets may only contain primitive types as values, but field n contains MAP");
        assert!(decode_offset(b"[1]").is_err());
        assert!(decode_offset(b"{").is_err());
    }
}
