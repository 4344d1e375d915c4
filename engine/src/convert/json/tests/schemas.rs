//! Schemas in the envelope, after contract 7.3 and B.2.

use super::*;

fn check_error(schema: &str, expected: &str) {
    let record = format!(r#"{{"schema":{schema},"payload":null}}"#);
    assert_eq!(read_one(&mut *converter(&[]), &record), Err(expected.to_owned()), "{record}");
}

#[test]
fn malformed_schemas() {
    check_error("{}", "Schema must contain 'type' field");
    check_error(r#"{"type":1}"#, "Schema must contain 'type' field");
    check_error("5", "Schema must contain 'type' field");
    check_error(r#"{"type":"int"}"#, "Unknown schema type: int");
    check_error(r#"{"type":"array"}"#, "Array schema did not specify the element type");
    check_error(r#"{"type":"array","items":null}"#, "Array schema did not specify the element type");
    check_error(r#"{"type":"map"}"#, "Map schema did not specify the key type");
    check_error(r#"{"type":"map","keys":{"type":"string"}}"#, "Map schema did not specify the value type");
    check_error(r#"{"type":"map","keys":null,"values":{"type":"string"}}"#, "keySchema cannot be null.");
    check_error(r#"{"type":"map","keys":{"type":"string"},"values":null}"#, "valueSchema cannot be null.");
    check_error(r#"{"type":"struct"}"#, "Struct schema's \"fields\" argument is not an array.");
    check_error(r#"{"type":"struct","fields":{}}"#, "Struct schema's \"fields\" argument is not an array.");
    check_error(
        r#"{"type":"struct","fields":[{"type":"int8"}]}"#,
        "Struct schema's field name not specified properly",
    );
    check_error(r#"{"type":"struct","fields":[{"type":"int8","field":""}]}"#, "fieldName cannot be null.");
    check_error(r#"{"type":"int8","parameters":{"a":1}}"#, "Schema parameters must have string values.");
    check_error(r#"{"type":"struct","fields":[],"default":{}}"#, "Invalid default value");
    check_error(r#"{"type":"string","default":5}"#, "Invalid default value");
}

/// The example of contract 7.3, and a schema with everything else: read and written back, byte for byte.
#[test]
fn schemas_are_written_as_they_were_read() {
    let check = |record: &str| {
        let mut converter = converter(&[]);
        let raw = BinaryViewArray::from_iter_values([record]);
        let decoded = converter.to_connect("t", &raw).unwrap();
        assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
        assert_eq!(write(&mut *converter, &decoded.segments[0].column), [Ok(Some(record.to_owned()))]);
    };
    check(concat!(
        r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","#,
        r#""version":1,"field":"ts"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"#,
        r#""parameters":{"scale":"2"},"field":"amt"}],"optional":false,"name":"r"},"payload":{"ts":1700000000000,"amt":"AMg="}}"#
    ));
    check(concat!(
        r#"{"schema":{"type":"map","keys":{"type":"string","optional":true},"values":{"type":"array","items":"#,
        r#"{"type":"float","optional":false},"optional":true},"optional":false,"doc":"d\n"},"payload":{"k":[1.5,1.0E10],"l":null}}"#
    ));
    check(r#"{"schema":{"type":"string","optional":true,"default":"x"},"payload":"y"}"#);
    check(r#"{"schema":{"type":"boolean","optional":true},"payload":null}"#);
    check(r#"{"schema":{"type":"struct","fields":[],"optional":false},"payload":{}}"#);
}

#[test]
fn equal_schemas_share_a_segment() {
    let records = [
        r#"{"schema":{"type":"int8","optional":false},"payload":1}"#,
        r#"{"schema":{"optional":false,"type":"int8"},"payload":2}"#,
        r#"{ "schema" : {"type":"int8"}, "payload" : 3 }"#,
    ];
    let raw = BinaryViewArray::from_iter_values(records);
    let decoded = converter(&[]).to_connect("t", &raw).unwrap();
    assert_eq!(decoded.segments.len(), 1);
    let values: Vec<_> = rows(&decoded).into_iter().map(|row| row.unwrap().1).collect();
    assert_eq!(values, [Value::Int8(1), Value::Int8(2), Value::Int8(3)]);
}

#[test]
fn forgets_schemas_beyond_the_limit() {
    let mut converter = converter(&[("schemas.cache.size", "2")]);
    let records: Vec<_> = (0..6)
        .map(|i| format!(r#"{{"schema":{{"type":"int32","name":"n{}"}},"payload":{i}}}"#, i % 3))
        .collect();
    for (row, i) in read(&mut *converter, &records).into_iter().zip(0..) {
        let (schema, value) = row.unwrap();
        assert_eq!(
            (schema.unwrap().name.as_deref(), value),
            (Some(&*format!("n{}", i % 3)), Value::Int32(i))
        );
    }
}

/// What walks schemas and values recursively has to bear what is let through.
#[test]
fn deep_schemas() {
    let check = |depth: usize, is_read: bool| {
        let (open, close) = (r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth));
        let payload = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let record = format!(r#"{{"schema":{open}{{"type":"int8"}}{close},"payload":{payload}}}"#);
        let mut converter = converter(&[]);
        let raw = BinaryViewArray::from_iter_values([&record, &record]);
        let decoded = converter.to_connect("t", &raw).unwrap();
        assert_eq!(decoded.errors.is_empty(), is_read, "{depth}");
        let written = write(&mut *converter, &decoded.segments[0].column);
        assert!(written.iter().all(|row| row.is_ok()));
    };
    check(100, true);
    check(101, false);
    check(900, false);
}

#[test]
fn deep_values() {
    let check = |open: &str, leaf: &str, close: &str| {
        let count = 990 / open.matches(['[', '{']).count();
        let nested = format!("{}{leaf}{}", open.repeat(count), close.repeat(count));
        let raw = BinaryViewArray::from_iter_values([&nested]);
        let decoded = schemaless().to_connect("t", &raw).unwrap();
        assert!(write(&mut *schemaless(), &decoded.segments[0].column) == [Ok(Some(nested))], "{open}");
    };
    check(r#"{"a":"#, "1", "}");
    check(r#"{"a":[1,{}],"b":["#, r#"{},[],{"x":null,"y":[1.5,"[,"]},"{",2"#, r#",3],"c":null}"#);
    check("[1,", "[],2", ",{}]");
}

/// The stack of its own writes what the thread's does.
#[test]
fn deep_values_are_written_as_flat_ones() {
    let leaf = r#"{"x":[1,"{",[],{}],"y":{"z":null},"":[[["["],2],3]}"#;
    let deep = format!("{}{leaf}{}", "[".repeat(64), "]".repeat(64));
    let raw = BinaryViewArray::from_iter_values([leaf.to_owned(), deep.clone()]);
    let decoded = schemaless().to_connect("t", &raw).unwrap();
    let written = write(&mut *schemaless(), &decoded.segments[0].column);
    assert_eq!(written, [Ok(Some(leaf.to_owned())), Ok(Some(deep))]);
}
