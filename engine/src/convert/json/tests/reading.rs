//! What is read, after contract 7.3 and B.2.

use super::*;

fn check(record: impl AsRef<[u8]>, expected: Result<Value, &str>) {
    let shown = String::from_utf8_lossy(record.as_ref()).into_owned();
    let found = read_one(&mut *schemaless(), &record);
    assert_eq!(found, expected.map_err(str::to_owned), "{shown}");
}

const SYNTAX: Result<Value, &str> =
    Err("Converting byte[] to Kafka Connect data failed due to serialization error: ");

#[test]
fn schemaless_values() {
    check("null", Ok(Value::Null));
    check("true", Ok(Value::Boolean(true)));
    check("1", Ok(Value::Int64(1)));
    check("1.0", Ok(Value::Float64(1.0)));
    check("1e2", Ok(Value::Float64(100.0)));
    check(r#""x""#, Ok(text("x")));
    check("[]", Ok(Value::Array(vec![])));
    check("{}", Ok(map(&[])));
    check(
        r#"[1,1.5,"x",null,[true]]"#,
        Ok(Value::Array(vec![
            Value::Int64(1),
            Value::Float64(1.5),
            text("x"),
            Value::Null,
            Value::Array(vec![Value::Boolean(true)]),
        ])),
    );
    check(r#"{"a":{"b":1},"c":null}"#, Ok(map(&[("a", map(&[("b", Value::Int64(1))])), ("c", Value::Null)])));
}

#[test]
fn blanks_and_empty_records_are_null() {
    check("", Ok(Value::Null));
    check(" \t\r\n", Ok(Value::Null));
}

#[test]
fn duplicate_keys_the_last_wins() {
    check(r#"{"a":1,"b":2,"a":3}"#, Ok(map(&[("a", Value::Int64(3)), ("b", Value::Int64(2))])));
}

#[test]
fn trailing_content_is_ignored() {
    check(r#"{"a":1}garbage"#, Ok(map(&[("a", Value::Int64(1))])));
    check("1 x", Ok(Value::Int64(1)));
}

#[test]
fn numbers() {
    check("007", Ok(Value::Int64(7)));
    check("9223372036854775807", Ok(Value::Int64(i64::MAX)));
    check("9223372036854775808", Ok(Value::Int64(i64::MIN)));
    check("1e400", Ok(Value::Float64(f64::INFINITY)));
    check("0.1", Ok(Value::Float64(0.1)));
    check("123456789012345678901234567890.5", Ok(Value::Float64(123_456_789_012_345_678_901_234_567_890.5)));
    let Ok(Value::Float64(zero)) = read_one(&mut *schemaless(), "-0.0") else { panic!("-0.0 is a number") };
    assert!(zero.is_sign_positive());
    for bad in ["-", "1.", ".5", "+1", "1e", "1.e5", "NaN", "1x", "0x10"] {
        check(bad, SYNTAX);
    }
}

#[test]
fn malformed_json() {
    for bad in [
        "{",
        "[1",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "tru",
        "nulll",
        "\"\t\"",
        "]",
    ] {
        check(bad, SYNTAX);
    }
}

#[test]
fn texts() {
    check(r#""a\"\\\/\b\f\n\r\tA""#, Ok(text("a\"\\/\u{8}\u{c}\n\r\tA")));
    check(r#""\ud83d\ude00""#, Ok(text("😀")));
    check(r#""x\ud83dy""#, Ok(text("x?y")));
    check(r#""\ude00""#, Ok(text("?")));
    check("\"ü😀\"", Ok(text("ü😀")));
}

#[test]
fn encodings() {
    let json = r#"{"a":"ü"}"#;
    let value = map(&[("a", text("ü"))]);
    check(format!("\u{feff}{json}"), Ok(value.clone()));
    let utf16: Vec<u16> = json.encode_utf16().collect();
    check(utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<_>>(), Ok(value.clone()));
    check(utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>(), Ok(value.clone()));
    let marked = std::iter::once(0xFEFF).chain(utf16);
    check(marked.flat_map(u16::to_le_bytes).collect::<Vec<_>>(), Ok(value.clone()));
    check(json.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<_>>(), Ok(value.clone()));
    check(json.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<_>>(), Ok(value));
}

#[test]
fn malformed_utf8() {
    check(b"\"\xC0\xAF\"", Ok(text("/")));
    check(b"\"\xC0\xA2\"", Ok(text("\"")));
    check(b"\"\xF4\x90\x80\x80\"", Ok(text("??")));
    check(b"\"\xED\xA0\x80\"", SYNTAX);
    check(b"\"\xFF\"", SYNTAX);
    check(b"\"\xC3\"", SYNTAX);
    check(b"1 \xFF", Ok(Value::Int64(1)));
}

#[test]
fn limits() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_one(&mut *schemaless(), nested(1000)).is_ok());
    check(nested(1001), SYNTAX);
    assert!(read_one(&mut *schemaless(), "1".repeat(1000)).is_ok());
    check("1".repeat(1001), SYNTAX);
    let name = |len: usize| format!("{{\"{}\":1}}", "n".repeat(len));
    assert!(read_one(&mut *schemaless(), name(50_000)).is_ok());
    check(name(50_001), SYNTAX);
}

const NO_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional \
                           fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.";

fn check_enveloped(record: &str, expected: Result<Value, &str>) {
    let found = read_one(&mut *converter(&[]), record);
    assert_eq!(found, expected.map_err(str::to_owned), "{record}");
}

#[test]
fn envelope() {
    for bad in ["", " ", "1", "null", "{}", r#"{"schema":null}"#, r#"{"schema":null,"payload":1,"x":2}"#] {
        check_enveloped(bad, Err(NO_ENVELOPE));
    }
    check_enveloped("{", SYNTAX);
    check_enveloped(r#"{"schema":null,"payload":1}"#, Ok(Value::Int64(1)));
    check_enveloped(
        r#"{"payload":{"a":[1.5]},"schema":null}"#,
        Ok(map(&[("a", Value::Array(vec![Value::Float64(1.5)]))])),
    );
    check_enveloped(r#"{"schema":{"type":"int32"},"payload":1,"schema":{"type":"string"}}"#, Ok(Value::Null));
    check_enveloped(r#"{"schema":{"type":"int8","optional":true},"payload":null}"#, Ok(Value::Null));
    check_enveloped(
        r#"{"schema":{"type":"int8"},"payload":null}"#,
        Err("Invalid null value for required INT8 field"),
    );
    check_enveloped(r#"{"schema":{"type":"int8","default":3},"payload":null}"#, Ok(Value::Int8(3)));
}

#[test]
fn tombstones_have_no_schema() {
    let record = r#"{"schema":{"type":"int8","optional":true},"payload":1}"#.as_bytes();
    let raw = BinaryViewArray::from_iter([Some(record), None, Some(record)]);
    let decoded = converter(&[]).to_connect("t", &raw).unwrap();
    let schemas: Vec<_> = rows(&decoded).into_iter().map(|row| row.unwrap().0.is_some()).collect();
    assert_eq!(schemas, [true, false, true]);
}

/// One field of each type with values that do not fit it.
#[test]
fn scalars_are_not_type_checked() {
    let check = |kind: &str, json: &str, expected: Value| {
        let record = format!(r#"{{"schema":{{"type":"{kind}","optional":true}},"payload":{json}}}"#);
        check_enveloped(&record, Ok(expected));
    };
    check("int32", r#""5""#, Value::Int32(0));
    check("int32", "1.9", Value::Int32(1));
    check("int32", "1e400", Value::Int32(0));
    check("int32", "4294967297", Value::Int32(1));
    check("int8", "300", Value::Int8(44));
    check("int16", "70000", Value::Int16(4464));
    check("int64", "9223372036854775808", Value::Int64(i64::MIN));
    check("float", "1e400", Value::Float32(f32::INFINITY));
    check("float", "16777217", Value::Float32(16_777_216.0));
    check("double", "5", Value::Float64(5.0));
    check("double", "true", Value::Float64(0.0));
    check("boolean", "1", Value::Boolean(false));
    check("string", "1", Value::Null);
    check("bytes", r#""AMg=""#, Value::Bytes(vec![0, 200]));
    check("bytes", "1", Value::Null);
    check_enveloped(r#"{"schema":{"type":"bytes"},"payload":"AMg"}"#, Err("Invalid bytes field"));
}

#[test]
fn structs() {
    let read = |fields: &[&str], payload: &str| {
        read_one(&mut *converter(&[]), enveloped(fields, payload)).map(|value| match value {
            Value::Struct(_, values) => values,
            other => panic!("no struct: {other:?}"),
        })
    };
    let string = r#""type":"string","field":"s""#;
    let optional = r#""type":"int32","optional":true,"field":"i""#;
    let default = r#""type":"int32","default":7,"field":"d""#;
    assert_eq!(read(&[string, optional], r#"{"i":1,"x":[1],"s":"a"}"#), Ok(vec![text("a"), Value::Int32(1)]));
    assert_eq!(
        read(&[string, optional, default], r#"{"s":"a"}"#),
        Ok(vec![text("a"), Value::Null, Value::Int32(7)])
    );
    assert_eq!(read(&[string], "{}"), Err("Invalid null value for required STRING field".to_owned()));
    assert_eq!(
        read(&[string], r#"{"s":1}"#),
        Err("Invalid value: null used for required field: \"s\", schema type: STRING".to_owned())
    );
    assert_eq!(
        read(&[r#""type":"bytes","field":"b""#], r#"{"b":{}}"#),
        Err("Invalid value: null used for required field: \"b\", schema type: BYTES".to_owned())
    );
    assert_eq!(
        read(&[string], "[]"),
        Err("Structs should be encoded as JSON objects, but found ARRAY".to_owned())
    );
    let keeps_null = &mut *converter(&[("replace.null.with.default", "false")]);
    let found = read_one(keeps_null, enveloped(&[default], "{}"));
    assert_eq!(found, Err("Invalid null value for required INT32 field".to_owned()));
}

#[test]
fn arrays_and_maps() {
    let check = |schema: &str, payload: &str, expected: Result<Value, &str>| {
        check_enveloped(&format!(r#"{{"schema":{schema},"payload":{payload}}}"#), expected);
    };
    let ints = r#"{"type":"array","items":{"type":"int32"}}"#;
    check(ints, "[1,2]", Ok(Value::Array(vec![Value::Int32(1), Value::Int32(2)])));
    check(ints, r#"{"a":1,"b":2,"a":3}"#, Ok(Value::Array(vec![Value::Int32(3), Value::Int32(2)])));
    check(ints, "5", Ok(Value::Array(vec![])));
    check(ints, "[null]", Err("Invalid null value for required INT32 field"));
    let by_text = r#"{"type":"map","keys":{"type":"string"},"values":{"type":"int32"}}"#;
    check(by_text, r#"{"a":1}"#, Ok(map(&[("a", Value::Int32(1))])));
    check(by_text, "[]", Err("Maps with string fields should be encoded as JSON objects, but found ARRAY"));
    let by_int = r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"int32"}}"#;
    check(by_int, "[[1,2]]", Ok(Value::Map(vec![(Value::Int32(1), Value::Int32(2))])));
    check(by_int, "[[1,2],[1,3]]", Ok(Value::Map(vec![(Value::Int32(1), Value::Int32(3))])));
    check(
        by_int,
        "{}",
        Err("Maps with non-string fields should be encoded as JSON array of tuples, but found OBJECT"),
    );
    check(by_int, "[[1]]", Err("Found invalid map entry, expected length 2 but found :1"));
    check(by_int, "[1]", Err("Found invalid map entry instead of array tuple: NUMBER"));
}

#[test]
fn logical_types() {
    let check = |kind: &str, name: &str, more: &str, payload: &str, expected: Result<Value, &str>| {
        let name = format!("org.apache.kafka.connect.data.{name}");
        let record = format!(
            r#"{{"schema":{{"type":"{kind}","name":"{name}","version":1{more}}},"payload":{payload}}}"#
        );
        check_enveloped(&record, expected);
    };
    let scale = r#","parameters":{"scale":"2"}"#;
    check("bytes", "Decimal", scale, r#""AMg=""#, Ok(Value::Bytes(vec![0, 200])));
    check("bytes", "Decimal", scale, "2.00", Ok(Value::Bytes(vec![0, 200])));
    check("bytes", "Decimal", "", r#""AMg=""#, Err("Invalid bytes for Decimal field"));
    check(
        "bytes",
        "Decimal",
        scale,
        "true",
        Err("Invalid type for Decimal, underlying representation should be numeric or bytes but was BOOLEAN"),
    );
    check("int32", "Date", "", "19000", Ok(Value::Int32(19_000)));
    check(
        "int32",
        "Date",
        "",
        r#""x""#,
        Err("Invalid type for Date, underlying representation should be integer but was STRING"),
    );
    check(
        "int32",
        "Date",
        "",
        "3000000000",
        Err("Invalid type for Date, underlying representation should be integer but was NUMBER"),
    );
    check("int32", "Time", "", "86400000", Ok(Value::Int32(86_400_000)));
    check(
        "int32",
        "Time",
        "",
        "86400001",
        Err("Time values must use number of milliseconds greater than 0 and less than 86400000"),
    );
    check("int64", "Timestamp", "", "1700000000000", Ok(Value::Int64(1_700_000_000_000)));
    check(
        "int64",
        "Timestamp",
        "",
        "1.5",
        Err("Invalid type for Timestamp, underlying representation should be integral but was NUMBER"),
    );
}

#[test]
fn a_schema_for_all_records() {
    let mut converter =
        converter(&[("schema.content", r#"{"type":"struct","fields":[{"field":"a","type":"int32"}]}"#)]);
    for (row, expected) in
        read(&mut *converter, &[r#"{"a":1}"#, r#"{"a":2}"#, r#"{ "a" : 3 }"#]).into_iter().zip(1..)
    {
        let Value::Struct(_, values) = row.unwrap().1 else { panic!("no struct") };
        assert_eq!(values, [Value::Int32(expected)]);
    }
    let empty = read_one(&mut *converter, "");
    assert_eq!(empty, Err("Structs should be encoded as JSON objects, but found MISSING".to_owned()));
}

/// Deviations after a shape was learned: each row is still what it is alone.
#[test]
fn rows_do_not_depend_on_their_neighbours() {
    let fields = [
        r#""type":"string","optional":true,"field":"s""#,
        r#""type":"int32","field":"i""#,
        r#""type":"array","items":{"type":"string"},"optional":true,"field":"l""#,
        r#""type":"struct","fields":[{"type":"double","field":"x"}],"optional":true,"field":"n""#,
    ];
    let payloads = [
        r#"{"s":"a","i":1,"l":["x"],"n":{"x":1.5}}"#,
        r#"{"s":"a value longer than twelve bytes","i":2,"l":["x","a value longer than twelve bytes"],"n":{"x":2}}"#,
        r#"{"s":"esc\n","i":3,"l":[],"n":{"x":-0.0}}"#,
        r#"{"s":null,"i":4,"l":null,"n":{"x":1e400}}"#,
        r#"{"s":"ü","i":5.5,"l":[1],"n":{"x":1}}"#,
        r#"{"s":"b","i":6,"l":["x"],"n":null}"#,
        r#"{"s":"c","i":7,"l":["x"],"n":{"x":1.5}} "#,
        r#"{"i":8,"s":"d","n":{"x":1.5},"l":["x"]}"#,
        r#"{"s":"e","i":null,"l":["x"],"n":{"x":1.5}}"#,
        r#"{"s":"f","i":99999999999,"l":["x"],"n":{"x":"text"}}"#,
        r#"{"s":"g","i":11,"l":["x"],"n":{"x":1.5}}"#,
    ];
    let records: Vec<_> = payloads.iter().map(|payload| enveloped(&fields, payload)).collect();
    let together = read(&mut *converter(&[]), &records);
    for (record, row) in records.iter().zip(together) {
        let alone = read(&mut *converter(&[]), &[record]).remove(0);
        assert_eq!(row, alone, "{record}");
    }
}

#[test]
fn schemaless_rows_of_one_shape_are_columns() {
    let records: Vec<_> =
        (0..20).map(|i| format!(r#"{{"id":{i},"name":"n{i}","price":{i}.5,"n":null}}"#)).collect();
    let raw = BinaryViewArray::from_iter_values(&records);
    let decoded = schemaless().to_connect("t", &raw).unwrap();
    assert_eq!(decoded.segments.len(), 1);
    assert!(matches!(decoded.segments[0].column.data, api::Data::Array(_)));
    assert_eq!(
        rows(&decoded)[7],
        Ok((
            None,
            map(&[
                ("id", Value::Int64(7)),
                ("name", text("n7")),
                ("price", Value::Float64(7.5)),
                ("n", Value::Null)
            ])
        ))
    );
}

#[test]
fn integers_and_other_numbers_never_share_a_column() {
    let records: Vec<_> =
        (0..40).map(|i| if i < 20 { format!("{{\"a\":{i}}}") } else { format!("{{\"a\":{i}.5}}") }).collect();
    let raw = BinaryViewArray::from_iter_values(&records);
    let decoded = schemaless().to_connect("t", &raw).unwrap();
    assert_eq!(decoded.segments.len(), 2);
    let mixed: Vec<_> = (0..40)
        .map(|i| if i % 2 == 0 { format!("{{\"a\":{i}}}") } else { format!("{{\"a\":{i}.5}}") })
        .collect();
    let raw = BinaryViewArray::from_iter_values(&mixed);
    let decoded = schemaless().to_connect("t", &raw).unwrap();
    assert!(matches!(
        decoded.segments[..],
        [api::Segment { column: Column { data: api::Data::Rows(_), .. } }]
    ));
    assert_eq!(rows(&decoded)[3], Ok((None, map(&[("a", Value::Float64(3.5))]))));
}
