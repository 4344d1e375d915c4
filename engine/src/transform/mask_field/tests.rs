//! MaskField on fields of all types. Facts: what Java 4.3.0 on JDK 17 answered.

use std::sync::Arc;

use api::{Schema, Type, Value};

use crate::transform::support::{check_schemaless, field, refusal, run_typed};

const NAME: &str = "MaskField$Value";

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Asserts what becomes of a field of this type, which may be null.
#[track_caller]
fn check(replacement: Option<&str>, schema: Schema, value: Value, expected: Result<Value, &str>) {
    let schema =
        Schema::new(Type::Struct(vec![field("a", schema.optional()), field("b", Schema::new(Type::Int64))]));
    let shared = Arc::new(schema.clone());
    let row = |value: Value| Value::Struct(Arc::clone(&shared), vec![value, Value::Int64(1)]);
    let mut settings = vec![("fields", "a,unknown")];
    settings.extend(replacement.map(|text| ("replacement", text)));
    let results = run_typed(NAME, &settings, &schema, &[row(value), row(Value::Null)]);
    let kept = |value| (Some(Arc::clone(&shared)), row(value));
    assert_eq!(results[0], expected.map(kept).map_err(str::to_owned), "{:?}", schema.fields()[0]);
    assert_eq!(results[1], Ok(kept(Value::Null)));
}

#[test]
fn values_become_nothing_of_their_type() {
    let list = Type::Array(Some(Arc::new(Schema::new(Type::Int8))));
    let map = Type::Map(Some(Arc::new(Schema::new(Type::String))), Some(Arc::new(Schema::new(Type::Int8))));
    let of = Schema::new;
    for (schema, value, nothing) in [
        (of(Type::Boolean), Value::Boolean(true), Value::Boolean(false)),
        (of(Type::Int8), Value::Int8(1), Value::Int8(0)),
        (of(Type::Int16), Value::Int16(1), Value::Int16(0)),
        (of(Type::Int32), Value::Int32(1), Value::Int32(0)),
        (of(Type::Int64), Value::Int64(1), Value::Int64(0)),
        (of(Type::Float32), Value::Float32(1.0), Value::Float32(0.0)),
        (of(Type::Float64), Value::Float64(-1.0), Value::Float64(0.0)),
        (of(Type::String), text("secret"), text("")),
        (of(list), Value::Array(vec![Value::Int8(1)]), Value::Array(vec![])),
        (of(map), Value::Map(vec![(text("k"), Value::Int8(1))]), Value::Map(vec![])),
        (Schema::date(), Value::Int32(1), Value::Int32(0)),
        (Schema::timestamp(), Value::Int64(1), Value::Int64(0)),
        (Schema::decimal(2), Value::Bytes(vec![7]), Value::Bytes(vec![0])),
    ] {
        check(None, schema, value, Ok(nothing));
    }
    let bytes = Value::Bytes(vec![1]);
    check(None, of(Type::Bytes), bytes.clone(), Err("Cannot mask value of type: class [B"));
    check(
        Some("1"),
        of(Type::Bytes),
        bytes,
        Err("Cannot mask value of type class [B with custom replacement."),
    );
    let inner = of(Type::Struct(vec![field("i", of(Type::Int8))]));
    let value = Value::Struct(Arc::new(inner.clone().optional()), vec![Value::Int8(1)]);
    let message = "Cannot mask value of type: class org.apache.kafka.connect.data.Struct";
    check(None, inner, value, Err(message));
}

#[test]
fn a_replacement_wraps_and_is_cut_to_fit() {
    let of = Schema::new;
    let long = "a replacement that is longer than a view";
    check(Some("300"), of(Type::Int8), Value::Int8(1), Ok(Value::Int8(44)));
    check(Some("1e3"), of(Type::Int8), Value::Int8(1), Ok(Value::Int8(-24)));
    check(Some("3.5"), of(Type::Int32), Value::Int32(1), Ok(Value::Int32(3)));
    check(
        Some("99999999999999999999"),
        of(Type::Int64),
        Value::Int64(1),
        Ok(Value::Int64(7_766_279_631_452_241_919)),
    );
    check(Some("0.1"), of(Type::Float32), Value::Float32(1.0), Ok(Value::Float32(0.1)));
    check(Some("1e3"), of(Type::Float64), Value::Float64(1.0), Ok(Value::Float64(1000.0)));
    check(Some(long), of(Type::String), text("s"), Ok(text(long)));
    check(Some("1.5"), Schema::decimal(2), Value::Bytes(vec![7]), Ok(Value::Bytes(vec![0, 150])));
    let scale = "Decimal value has mismatching scale for given Decimal schema. Schema has scale 0, value has scale 1.";
    check(Some("1.5"), Schema::decimal(0), Value::Bytes(vec![7]), Err(scale));
    let no_number = "Unable to convert x (class java.lang.String) to a number";
    check(Some("x"), of(Type::Int16), Value::Int16(1), Err(no_number));
    let no_decimal = "Unable to convert x (class java.lang.String) to number";
    check(Some("x"), Schema::decimal(0), Value::Bytes(vec![7]), Err(no_decimal));
    let no_date = "Cannot mask value of type class java.util.Date with custom replacement.";
    check(Some("1"), Schema::date(), Value::Int32(1), Err(no_date));
    let no_flag = "Cannot mask value of type class java.lang.Boolean with custom replacement.";
    check(Some("1"), of(Type::Boolean), Value::Boolean(true), Err(no_flag));
}

#[test]
fn null_records_fail() {
    let schema = Schema::new(Type::Struct(vec![field("a", Schema::new(Type::Int8))])).optional();
    let value = Value::Struct(Arc::new(schema.clone()), vec![Value::Int8(1)]);
    let results = run_typed(NAME, &[("fields", "a")], &schema, &[value, Value::Null]);
    assert!(results[0].is_ok());
    let message = "Only Struct objects supported for [mask fields], found: null";
    assert_eq!(results[1], Err(message.to_owned()));
    let results = run_typed(NAME, &[("fields", "a")], &Schema::new(Type::Int32), &[Value::Int32(1)]);
    assert_eq!(results[0], Err(message.replace("null", "java.lang.Integer")));
}

#[test]
fn objects_without_schema_are_masked_by_class() {
    check_schemaless(
        NAME,
        &[("fields", "a,b")],
        &[
            r#"{"a":1,"x":1}"#,
            r#"{"a":2,"x":2}"#,
            r#"{"a":"s","b":[1],"x":3}"#,
            r#"{"b":{"c":1},"a":true}"#,
            r#"{"a":1.5,"b":null}"#,
            "",
            "[1]",
        ],
        &[
            r#"{"a":0,"x":1,"b":null}"#,
            r#"{"a":0,"x":2,"b":null}"#,
            r#"{"a":"","b":[],"x":3}"#,
            r#"{"b":{},"a":false}"#,
            r#"{"a":0.0,"b":null}"#,
            "!DataException: Only Map objects supported in absence of schema for [mask fields], found: null",
            "!DataException: Only Map objects supported in absence of schema for [mask fields], found: java.util.ArrayList",
        ],
    );
    check_schemaless(
        NAME,
        &[("fields", "a"), ("replacement", "7")],
        &[r#"{"a":"s"}"#, r#"{"a":"t"}"#],
        &[r#"{"a":"7"}"#, r#"{"a":"7"}"#],
    );
}

#[test]
fn bad_settings_are_refused() {
    let empty = "Configuration 'fields' must not be empty. Valid values include: any non-empty value";
    assert_eq!(refusal(NAME, &[("fields", "")]), empty);
    let settings = [("fields", "a"), ("replacement", "")];
    assert_eq!(
        refusal(NAME, &settings),
        "Invalid value  for configuration replacement: String must be non-empty"
    );
}
