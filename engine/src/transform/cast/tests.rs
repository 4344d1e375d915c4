//! Cast on arrays of all types, on structs and on what has no schema. Facts: what Java 4.3.0 on JDK 17 answered.

use std::sync::Arc;

use api::decimal::{self, Decimal};
use api::{Schema, Type, Value};

use crate::transform::support::{check_schemaless, field, refusal, run_typed};

const NAME: &str = "Cast$Value";
const DAY_MS: i64 = 86_400_000;

/// Asserts what a cast of whole values gives: values, or messages of errors.
#[track_caller]
fn check(spec: &str, schema: &Schema, cases: &[(Value, Result<Value, &str>)]) {
    let values: Vec<_> = cases.iter().map(|(value, _)| value.clone()).collect();
    let results = run_typed(NAME, &[("spec", spec)], schema, &values);
    for ((value, expected), result) in cases.iter().zip(results) {
        let result = result.map(|(_, value)| value);
        assert_eq!(
            result.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|text| *text),
            "{value:?}"
        );
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn optional(kind: Type) -> Schema {
    Schema::new(kind).optional()
}

#[test]
fn integers_wrap() {
    let longs = optional(Type::Int64);
    let max = Value::Int64(i64::MAX);
    check(
        "int8",
        &longs,
        &[
            (Value::Int64(300), Ok(Value::Int8(44))),
            (Value::Null, Ok(Value::Null)),
            (max.clone(), Ok(Value::Int8(-1))),
        ],
    );
    check("int16", &longs, &[(Value::Int64(40_000), Ok(Value::Int16(-25_536)))]);
    check(
        "int32",
        &longs,
        &[(Value::Int64(i64::MIN), Ok(Value::Int32(0))), (max.clone(), Ok(Value::Int32(-1)))],
    );
    check("float32", &longs, &[(max.clone(), Ok(Value::Float32(9.223_372e18)))]);
    check("float64", &longs, &[(max.clone(), Ok(Value::Float64(9.223_372_036_854_776e18)))]);
    check(
        "boolean",
        &longs,
        &[(max, Ok(Value::Boolean(true))), (Value::Int64(0), Ok(Value::Boolean(false)))],
    );
    check(
        "string",
        &longs,
        &[(Value::Int64(i64::MIN), Ok(text("-9223372036854775808"))), (Value::Null, Ok(Value::Null))],
    );
}

#[test]
fn floats_stop_at_bounds_and_lose_their_fraction() {
    let doubles = optional(Type::Float64);
    let cases = |of: [Value; 4]| {
        let [nan, infinite, large, small] = of;
        [
            (Value::Float64(f64::NAN), Ok(nan)),
            (Value::Float64(f64::INFINITY), Ok(infinite)),
            (Value::Float64(1e10), Ok(large)),
            (Value::Float64(-0.0), Ok(small)),
        ]
    };
    check("int8", &doubles, &cases([0, -1, -1, 0].map(Value::Int8)));
    check("int32", &doubles, &cases([0, i32::MAX, i32::MAX, 0].map(Value::Int32)));
    check("int64", &doubles, &cases([0, i64::MAX, 10_000_000_000, 0].map(Value::Int64)));
    check("float32", &doubles, &cases([f32::NAN, f32::INFINITY, 1e10, -0.0].map(Value::Float32)));
    check("boolean", &doubles, &cases([false, true, true, false].map(Value::Boolean)));
    check("boolean", &doubles, &[(Value::Float64(0.9), Ok(Value::Boolean(false)))]);
    check("string", &doubles, &cases(["NaN", "Infinity", "1.0E10", "-0.0"].map(text)));
    check("string", &optional(Type::Float32), &[(Value::Float32(0.1), Ok(text("0.1")))]);
    check(
        "float64",
        &optional(Type::Float32),
        &[(Value::Float32(0.1), Ok(Value::Float64(0.100_000_001_490_116_12)))],
    );
}

#[test]
fn text_is_read_as_javas_parsers_do() {
    let texts = optional(Type::String);
    let out_of_range = |text| match text {
        "1.0" => Err("Value (1.0) was out of range for requested data type"),
        _ => Err("Value ( 1) was out of range for requested data type"),
    };
    check(
        "int8",
        &texts,
        &[
            (text("-128"), Ok(Value::Int8(-128))),
            (text("1.0"), out_of_range("1.0")),
            (Value::Null, Ok(Value::Null)),
            (text(" 1"), out_of_range(" 1")),
            (text("128"), Err("Value (128) was out of range for requested data type")),
            (text("+٣"), Ok(Value::Int8(3))),
        ],
    );
    check(
        "float64",
        &texts,
        &[(text(" 0x1p3 "), Ok(Value::Float64(8.0))), (text("1d"), Ok(Value::Float64(1.0)))],
    );
    check("float32", &texts, &[(text("1e400"), Ok(Value::Float32(f32::INFINITY)))]);
    check(
        "boolean",
        &texts,
        &[(text("tRUE"), Ok(Value::Boolean(true))), (text("1"), Ok(Value::Boolean(false)))],
    );
    check("string", &texts, &[(text("as it is"), Ok(text("as it is")))]);
}

#[test]
fn booleans_are_one_or_zero() {
    let flags = optional(Type::Boolean);
    check("int16", &flags, &[(Value::Boolean(true), Ok(Value::Int16(1))), (Value::Null, Ok(Value::Null))]);
    check("float64", &flags, &[(Value::Boolean(false), Ok(Value::Float64(0.0)))]);
    check(
        "string",
        &flags,
        &[(Value::Boolean(true), Ok(text("true"))), (Value::Boolean(false), Ok(text("false")))],
    );
}

#[test]
fn decimals_are_numbers_and_bytes_are_not() {
    let decimals = Schema::decimal(2).optional();
    let number = |text: &str| {
        let Decimal { unscaled, scale } = decimal::read(text).unwrap();
        assert_eq!(scale, 2);
        Value::Bytes(unscaled)
    };
    check("int32", &decimals, &[(number("-2.99"), Ok(Value::Int32(-2))), (Value::Null, Ok(Value::Null))]);
    check(
        "int64",
        &decimals,
        &[(number("99999999999999999999.00"), Ok(Value::Int64(7_766_279_631_452_241_919)))],
    );
    check("float64", &decimals, &[(number("0.10"), Ok(Value::Float64(0.1)))]);
    check("boolean", &decimals, &[(number("0.99"), Ok(Value::Boolean(false)))]);
    check("string", &decimals, &[(number("2.00"), Ok(text("2.00"))), (number("-0.01"), Ok(text("-0.01")))]);
    let bytes = optional(Type::Bytes);
    check(
        "string",
        &bytes,
        &[(Value::Bytes(vec![0xFB, 0xFF]), Ok(text("+/8="))), (Value::Bytes(vec![]), Ok(text("")))],
    );
    check(
        "int8",
        &bytes,
        &[(Value::Bytes(vec![1]), Err("Unexpected type in Cast transformation: class [B"))],
    );
}

#[test]
fn dates_are_text_by_javas_formats_and_numbers_by_their_base() {
    let dates = Schema::date().optional();
    check(
        "string",
        &dates,
        &[
            (Value::Int32(-1), Ok(text("00:00:00.000Z"))),
            (Value::Int32(-200_000), Ok(text("00:00:00.000Z"))),
            (Value::Int32(10_957), Ok(text("2000-01-01"))),
            (Value::Int32(2_932_897), Ok(text("10000-01-01"))),
        ],
    );
    check("int64", &dates, &[(Value::Int32(-5), Ok(Value::Int64(-5)))]);
    check("string", &Schema::time(), &[(Value::Int32(1), Ok(text("00:00:00.001Z")))]);
    let moments = Schema::timestamp();
    check(
        "string",
        &moments,
        &[
            (Value::Int64(1_700_000_000_000), Ok(text("2023-11-14T22:13:20.000Z"))),
            (Value::Int64(2 * DAY_MS), Ok(text("1970-01-03"))),
        ],
    );
    check("boolean", &moments, &[(Value::Int64(0), Ok(Value::Boolean(false)))]);
}

#[test]
fn what_has_parts_is_not_cast() {
    let unsupported = "Cast transformation does not support casting from ARRAY; supported types are [INT8, INT16, INT32, INT64, \
                       FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]";
    let lists = optional(Type::Array(Some(Arc::new(Schema::new(Type::Int8)))));
    check("string", &lists, &[(Value::Array(vec![]), Err(unsupported)), (Value::Null, Ok(Value::Null))]);
    check(
        "a:int8",
        &optional(Type::Int32),
        &[(Value::Int32(1), Err("Cannot list fields on non-struct type")), (Value::Null, Ok(Value::Null))],
    );
}

/// Goal: what a whole value was called stays on its schema, as do its default and whether it may be null; null keeps the old schema.
#[test]
fn a_whole_value_keeps_the_basics_of_its_schema() {
    let mut schema = optional(Type::Int32).named("n");
    schema.doc = Some("d".into());
    schema.version = Some(3);
    schema.default = Some(Value::Int32(300));
    let results = run_typed(NAME, &[("spec", "int8")], &schema, &[Value::Int32(5), Value::Null]);
    let expected = Schema { kind: Type::Int8, default: Some(Value::Int8(44)), ..schema.clone() };
    assert_eq!(results[0], Ok((Some(Arc::new(expected)), Value::Int8(5))));
    assert_eq!(results[1], Ok((Some(Arc::new(schema)), Value::Null)));
    let mut dates = Schema::date();
    dates.default = Some(Value::Int32(0));
    check("string", &dates, &[(Value::Int32(0), Err("Invalid default value"))]);
}

fn structs() -> Schema {
    let mut counted = optional(Type::Int64).named("counter");
    counted.default = Some(Value::Int64(300));
    let mut labelled = optional(Type::String);
    labelled.default = Some(text("none"));
    let fields = vec![field("n", counted), field("l", labelled), field("r", Schema::new(Type::String))];
    optional(Type::Struct(fields)).named("record")
}

#[test]
fn fields_keep_default_and_optionality_and_lose_their_names() {
    let schema = structs();
    let old = Arc::new(schema.clone());
    let row = |values: Vec<Value>| Value::Struct(Arc::clone(&old), values);
    let rows = [
        row(vec![Value::Int64(-1), text("a"), text("7")]),
        Value::Null,
        row(vec![Value::Null, Value::Null, text("x")]),
        row(vec![Value::Null, Value::Null, text("8")]),
    ];
    let results = run_typed(NAME, &[("spec", "n:int8,r:int32,missing:int8")], &schema, &rows);
    let mut counted = optional(Type::Int8);
    counted.default = Some(Value::Int8(44));
    let fields = vec![field("n", counted), schema.fields()[1].clone(), field("r", Schema::new(Type::Int32))];
    let new = Arc::new(Schema { kind: Type::Struct(fields), ..schema.clone() });
    let cast = |values| Ok((Some(Arc::clone(&new)), Value::Struct(Arc::clone(&new), values)));
    assert_eq!(results[0], cast(vec![Value::Int8(-1), text("a"), Value::Int32(7)]));
    assert_eq!(results[1], Ok((Some(old), Value::Null)));
    assert_eq!(results[2], Err("Value (x) was out of range for requested data type".to_owned()));
    // All fields get their defaults, not only those that are cast.
    assert_eq!(results[3], cast(vec![Value::Int8(44), text("none"), Value::Int32(8)]));
    let kept = [("spec", "n:int8"), ("replace.null.with.default", "false")];
    let results = run_typed(NAME, &kept, &schema, &rows[3..]);
    let Ok((_, Value::Struct(_, values))) = &results[0] else { panic!("{results:?}") };
    assert_eq!(*values, [Value::Null, Value::Null, text("8")]);
}

#[test]
fn objects_without_schema_get_missing_keys_too() {
    check_schemaless(
        NAME,
        &[("spec", "a:string,b:int8,c:boolean")],
        &[
            r#"{"a":1,"b":"5","x":[1]}"#,
            r#"{"a":1.5,"b":"300","x":[2]}"#,
            r#"{"a":true,"b":null,"x":[]}"#,
            "",
            "7",
            r#"{"a":{},"b":"1","x":[]}"#,
        ],
        &[
            r#"{"a":"1","b":5,"x":[1],"c":null}"#,
            "!DataException: Value (300) was out of range for requested data type",
            r#"{"a":"true","b":null,"x":[],"c":null}"#,
            "",
            "!DataException: Only Map objects supported in absence of schema for [cast types], found: java.lang.Long",
            "!DataException: Cast transformation does not support casting from MAP; supported types are [INT8, INT16, INT32, INT64, \
             FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]",
        ],
    );
    check_schemaless(
        NAME,
        &[("spec", "string")],
        &["1", "", "2.50", "\"x\""],
        &["\"1\"", "", "\"2.5\"", "\"x\""],
    );
}

/// Goal: of several keys that fail, the one that Java comes to first is told: it goes through its map of keys.
#[test]
fn the_first_key_of_javas_map_fails_first() {
    check_schemaless(
        NAME,
        &[("spec", "b:int8,a:int8")],
        &[r#"{"b":"y","a":"x"}"#, r#"{"b":"1","a":"2"}"#],
        &["!DataException: Value (x) was out of range for requested data type", r#"{"b":1,"a":2}"#],
    );
}

#[test]
fn a_bad_spec_is_refused() {
    assert_eq!(refusal(NAME, &[("spec", "")]), "Must specify at least one field to cast.");
    assert_eq!(refusal(NAME, &[]), "Missing required configuration \"spec\" which has no default value.");
}
