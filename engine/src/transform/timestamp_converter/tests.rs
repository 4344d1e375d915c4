//! TimestampConverter between all kinds of timestamps. Facts: what Java 4.3.0 on JDK 17 answered.

use std::sync::Arc;

use api::{Schema, Type, Value};

use crate::transform::support::{check_schemaless, field, refusal, run_typed};

const NAME: &str = "TimestampConverter$Value";
const DAY_MS: i64 = 86_400_000;

/// Asserts what whole values of a schema become.
#[track_caller]
fn check(
    settings: &[(&str, &str)],
    schema: &Schema,
    target: &Schema,
    cases: &[(Value, Result<Value, &str>)],
) {
    let values: Vec<_> = cases.iter().map(|(value, _)| value.clone()).collect();
    let results = run_typed(NAME, settings, schema, &values);
    for ((value, expected), result) in cases.iter().zip(results) {
        let expected =
            expected.clone().map(|value| (Some(Arc::new(target.clone())), value)).map_err(str::to_owned);
        assert_eq!(result, expected, "{value:?}");
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn optional(kind: Type) -> Schema {
    Schema::new(kind).optional()
}

#[test]
fn moments_are_cut_to_dates_and_times() {
    let moments = Schema::timestamp().optional();
    let dates = Schema::date().optional();
    check(
        &[("target.type", "Date")],
        &moments,
        &dates,
        &[
            (Value::Int64(-1), Ok(Value::Int32(-1))),
            (Value::Int64(DAY_MS), Ok(Value::Int32(1))),
            (Value::Null, Ok(Value::Null)),
            (Value::Int64(-141_428 * DAY_MS - 1), Ok(Value::Int32(-141_429))),
        ],
    );
    check(
        &[("target.type", "Time")],
        &moments,
        &Schema::time().optional(),
        &[(Value::Int64(-5), Ok(Value::Int32(86_399_995)))],
    );
    check(
        &[("target.type", "Timestamp")],
        &dates,
        &moments,
        &[(Value::Int32(-2), Ok(Value::Int64(-2 * DAY_MS)))],
    );
    check(
        &[("target.type", "Timestamp")],
        &Schema::time(),
        &Schema::timestamp(),
        &[(Value::Int32(7), Ok(Value::Int64(7)))],
    );
}

#[test]
fn text_is_written_and_read_under_the_pattern() {
    let text_of = |pattern| [("target.type", "string"), ("format", pattern)];
    check(
        &text_of("yyyy-MM-dd G"),
        &Schema::timestamp().optional(),
        &optional(Type::String),
        &[
            (Value::Int64(0), Ok(text("1970-01-01 AD"))),
            (Value::Null, Ok(Value::Null)),
            (Value::Int64(-141_428 * DAY_MS), Ok(text("1582-10-04 AD"))),
            (Value::Int64(-62_200_000_000_000), Ok(text("0003-12-19 BC"))),
            (Value::Int64(253_402_300_800_000), Ok(text("10000-01-01 AD"))),
        ],
    );
    check(
        &[("target.type", "unix"), ("format", "yyyy-MM-dd HH:mm")],
        &optional(Type::String),
        &optional(Type::Int64),
        &[
            (text("1970-01-01 00:01 and more"), Ok(Value::Int64(60_000))),
            (Value::Null, Ok(Value::Null)),
            (
                text("soon"),
                Err("Could not parse timestamp: value (soon) does not match pattern (yyyy-MM-dd HH:mm)"),
            ),
            (text("1969-12-32 23:60"), Ok(Value::Int64(DAY_MS))),
        ],
    );
    check(
        &[("target.type", "unix")],
        &Schema::new(Type::String),
        &Schema::new(Type::Int64),
        &[(
            text("1970"),
            Err(
                "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null",
            ),
        )],
    );
}

#[test]
fn unix_time_has_a_precision() {
    let check = |precision, target: &str, schema: &Schema, result: &Schema, cases: &[(i64, i64)]| {
        let cases: Vec<_> =
            cases.iter().map(|(value, made)| (Value::Int64(*value), Ok(Value::Int64(*made)))).collect();
        check(&[("target.type", target), ("unix.precision", precision)], schema, result, &cases);
    };
    let (unix, moments) = (Schema::new(Type::Int64), Schema::timestamp());
    check(
        "seconds",
        "Timestamp",
        &unix,
        &moments,
        &[(-2, -2000), (i64::MAX, i64::MAX), (i64::MIN, i64::MIN)],
    );
    check("microseconds", "Timestamp", &unix, &moments, &[(-1999, -1), (1999, 1)]);
    check("nanoseconds", "Timestamp", &unix, &moments, &[(-1_999_999, -1)]);
    check("seconds", "unix", &moments, &unix, &[(-1999, -1), (1999, 1)]);
    check(
        "nanoseconds",
        "unix",
        &moments,
        &unix,
        &[(1, 1_000_000), (i64::MAX, i64::MAX), (i64::MIN, i64::MIN)],
    );
    check("microseconds", "unix", &moments, &unix, &[(1, 1000)]);
}

/// Goal: a schema that stands for no timestamps is refused even where the value is null.
#[test]
fn other_schemas_are_refused() {
    let message = "Schema Schema{n:INT32} does not correspond to a known timestamp type format";
    let numbers = optional(Type::Int32).named("n");
    check(
        &[("target.type", "unix")],
        &numbers,
        &numbers,
        &[(Value::Null, Err(message)), (Value::Int32(1), Err(message))],
    );
    let misnamed = Schema::new(Type::String).named("org.apache.kafka.connect.data.Date");
    check(
        &[("target.type", "unix")],
        &misnamed,
        &misnamed,
        &[(text("x"), Err("Expected Date to be a java.util.Date, but found class java.lang.String"))],
    );
    let settings = [("target.type", "unix"), ("field", "f")];
    check(
        &settings,
        &optional(Type::Int32),
        &optional(Type::Int32),
        &[
            (Value::Null, Err("Cannot list fields on non-struct type")),
            (
                Value::Int32(1),
                Err(
                    "Only Struct objects supported for [converting timestamp formats], found: java.lang.Integer",
                ),
            ),
        ],
    );
}

#[test]
fn a_field_of_structs_changes_its_schema() {
    let mut stamped = optional(Type::Int64);
    stamped.default = Some(Value::Int64(7));
    let mut counted = optional(Type::Int8);
    counted.default = Some(Value::Int8(1));
    let fields = vec![field("t", stamped), field("c", counted)];
    let schema = optional(Type::Struct(fields)).named("record");
    let old = Arc::new(schema.clone());
    let rows = [
        Value::Struct(Arc::clone(&old), vec![Value::Int64(DAY_MS), Value::Null]),
        Value::Null,
        Value::Struct(Arc::clone(&old), vec![Value::Null, Value::Int8(5)]),
    ];
    let fields = vec![field("t", Schema::date().optional()), schema.fields()[1].clone()];
    let new = Arc::new(Schema { kind: Type::Struct(fields), ..schema.clone() });
    let made = |value| Ok((Some(Arc::clone(&new)), value));
    let of = |values| made(Value::Struct(Arc::clone(&new), values));
    let settings = [("target.type", "Date"), ("field", "t")];
    let results = run_typed(NAME, &settings, &schema, &rows);
    assert_eq!(
        results,
        [
            of(vec![Value::Int32(1), Value::Int8(1)]),
            made(Value::Null),
            of(vec![Value::Int32(0), Value::Int8(5)])
        ]
    );
    let settings = [("target.type", "Date"), ("field", "t"), ("replace.null.with.default", "false")];
    let results = run_typed(NAME, &settings, &schema, &rows);
    assert_eq!(results[0], of(vec![Value::Int32(1), Value::Null]));
    assert_eq!(results[2], of(vec![Value::Null, Value::Int8(5)]));
}

#[test]
fn what_has_no_schema_is_told_by_its_class() {
    let text_of = [("target.type", "string"), ("format", "yyyy-MM-dd"), ("field", "t")];
    check_schemaless(
        NAME,
        &text_of,
        &[
            r#"{"t":0,"x":1}"#,
            r#"{"t":86400000,"x":2}"#,
            "",
            r#"{"x":3}"#,
            r#"{"t":1.5,"x":4}"#,
            "5",
            r#"{"t":"1999-12-31 later","x":{"y":null}}"#,
        ],
        &[
            r#"{"t":"1970-01-01","x":1}"#,
            r#"{"t":"1970-01-02","x":2}"#,
            "",
            r#"{"x":3,"t":null}"#,
            "!DataException: TimestampConverter does not support class java.lang.Double objects as timestamps",
            "!DataException: Only Map objects supported in absence of schema for [converting timestamp formats], found: java.lang.Long",
            r#"{"t":"1999-12-31","x":{"y":null}}"#,
        ],
    );
    let unix = [("target.type", "unix"), ("format", "yyyy")];
    check_schemaless(NAME, &unix, &["\"1970\"", "", "\"1971\""], &["0", "", "31536000000"]);
    check_schemaless(NAME, &unix, &["5", "6"], &["5", "6"]);
}

/// Goal: where no schema says so, a date is a date by its class, which JSON has no type for.
#[test]
fn dates_without_schema_are_dates() {
    let cannot =
        "cannot be written: Java class class java.util.Date does not have corresponding schema type.";
    check_schemaless(NAME, &[("target.type", "Date")], &["5", "", "6"], &[cannot, "", cannot]);
}

#[test]
fn bad_settings_are_refused_in_javas_words() {
    assert_eq!(
        refusal(NAME, &[("target.type", "string"), ("format", " ")]),
        "TimestampConverter requires format option to be specified when using string timestamps"
    );
    assert_eq!(
        refusal(NAME, &[("target.type", "unix"), ("format", "b")]),
        "Invalid value java.lang.IllegalArgumentException: Illegal pattern character 'b' for configuration TimestampConverter \
         requires a SimpleDateFormat-compatible pattern for string timestamps: b"
    );
    assert_eq!(
        refusal(NAME, &[("target.type", "Unix")]),
        "Invalid value Unix for configuration target.type: String must be one of: string, unix, Date, Time, Timestamp"
    );
    assert_eq!(
        refusal(NAME, &[("target.type", "unix"), ("unix.precision", "x")]),
        "Invalid value x for configuration unix.precision: String must be one of: nanoseconds, microseconds, milliseconds, seconds"
    );
}
