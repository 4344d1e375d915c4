//! What is written, after contract 7.3 and B.2.

use std::sync::Arc;

use api::{Data, RowsBuilder, Schema, Type};
use arrow_array::{Float32Array, Float64Array, Int32Array, NullArray, StringViewArray};

use super::*;

fn column(schema: Option<Schema>, array: impl Array + 'static) -> Column {
    Column { schema: schema.map(Arc::new), data: Data::Array(Arc::new(array)) }
}

fn check(settings: &[(&str, &str)], column: &Column, expected: &[Result<Option<&str>, &str>]) {
    let expected: Vec<_> =
        expected.iter().map(|row| row.map(|text| text.map(str::to_owned)).map_err(str::to_owned)).collect();
    assert_eq!(write(&mut *converter(settings), column), expected);
}

const SCHEMALESS: &[(&str, &str)] = &[("schemas.enable", "false")];

#[test]
fn tombstones() {
    check(&[], &Column::null(1), &[Ok(None)]);
    check(SCHEMALESS, &Column::null(1), &[Ok(None)]);
    let optional = Some(Schema::new(Type::Int32).optional());
    let nulls = column(optional, Int32Array::from(vec![None, Some(1)]));
    check(SCHEMALESS, &nulls, &[Ok(Some("null")), Ok(Some("1"))]);
    check(
        &[],
        &nulls,
        &[
            Ok(Some(r#"{"schema":{"type":"int32","optional":true},"payload":null}"#)),
            Ok(Some(r#"{"schema":{"type":"int32","optional":true},"payload":1}"#)),
        ],
    );
    check(SCHEMALESS, &column(None, NullArray::new(1)), &[Ok(None)]);
}

#[test]
fn nulls_where_a_value_is_required() {
    let required = column(Some(Schema::new(Type::Int32)), Int32Array::from(vec![None, Some(1)]));
    let message = "Conversion error: null value for field that is required and has no default value";
    check(SCHEMALESS, &required, &[Err(message), Ok(Some("1"))]);
    let mut schema = Schema::new(Type::Int32);
    schema.default = Some(Value::Int32(7));
    let defaulted = column(Some(schema), Int32Array::from(vec![None, Some(1)]));
    check(SCHEMALESS, &defaulted, &[Ok(Some("7")), Ok(Some("1"))]);
    check(
        &[("schemas.enable", "false"), ("replace.null.with.default", "false")],
        &defaulted,
        &[Err(message), Ok(Some("1"))],
    );
}

#[test]
fn no_schema_in_an_envelope() {
    let texts = column(None, StringViewArray::from(vec![Some("x"), None]));
    check(&[], &texts, &[Ok(Some(r#"{"schema":null,"payload":"x"}"#)), Ok(None)]);
}

#[test]
fn numbers_as_java_prints_them() {
    let doubles = column(None, Float64Array::from(vec![1e10, 0.1, -0.0, f64::NAN, f64::NEG_INFINITY]));
    let expected = ["1.0E10", "0.1", "-0.0", r#""NaN""#, r#""-Infinity""#];
    check(SCHEMALESS, &doubles, &expected.map(|text| Ok(Some(text))));
    let floats = column(None, Float32Array::from(vec![0.1, f32::INFINITY]));
    check(SCHEMALESS, &floats, &[Ok(Some("0.1")), Ok(Some(r#""Infinity""#))]);
}

#[test]
fn texts_are_escaped_as_jackson_does() {
    let check = |text: &str, expected: &str| {
        let mut out = Vec::new();
        crate::convert::json::write_string(&mut out, text);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{text:?}");
    };
    check("plain", r#""plain""#);
    check("a\"b\\c/d", r#""a\"b\\c/d""#);
    check("\u{8}\t\n\u{c}\r\u{1f}\0", r#""\b\t\n\f\r\u001F\u0000""#);
    check("ü\u{2028}\u{7f}", "\"ü\u{2028}\u{7f}\"");
    check("a😀b", r#""a\uD83D\uDE00b""#);
    check("long enough for words ☃ and then \"", "\"long enough for words ☃ and then \\\"\"");
}

#[test]
fn decimals() {
    let mut schema = Schema::new(Type::Bytes).named("org.apache.kafka.connect.data.Decimal");
    schema.parameters.insert("scale".to_owned(), "2".to_owned());
    let decimals = column(Some(schema), BinaryViewArray::from_iter_values([&[0_u8, 200][..], &[0x80]]));
    check(SCHEMALESS, &decimals, &[Ok(Some(r#""AMg=""#)), Ok(Some(r#""gA==""#))]);
    check(
        &[("schemas.enable", "false"), ("decimal.format", "numeric")],
        &decimals,
        &[Ok(Some("2.00")), Ok(Some("-1.28"))],
    );
}

#[test]
fn rows_on_a_tape() {
    let mut rows = RowsBuilder::default();
    rows.value(
        map(&[("a", Value::Array(vec![Value::Null, Value::Int64(1)])), ("b", Value::Float64(1.0))])
            .as_value_ref(),
    )
    .unwrap();
    rows.finish_row();
    rows.null();
    rows.finish_row();
    let column = Column { schema: None, data: Data::Rows(rows.finish()) };
    check(SCHEMALESS, &column, &[Ok(Some(r#"{"a":[null,1],"b":1.0}"#)), Ok(None)]);
}

#[test]
fn a_value_of_another_type_than_its_schema() {
    let wrong = column(Some(Schema::new(Type::Int32)), StringViewArray::from(vec!["x"]));
    check(SCHEMALESS, &wrong, &[Err("Invalid type for INT32: class java.lang.String")]);
}
