//! ReplaceField on JSON, with and without schema.

use std::sync::Arc;

use api::{ColumnBuilder, Field, Schema, Type, Value};

use crate::transform::support::{check, check_schemaless, check_schemas, refusal};

const NAME: &str = "ReplaceField$Value";

#[test]
fn fields_of_objects_are_left_out_and_renamed() {
    let lines = [r#"{"a":1,"b":2,"c":3}"#, "", r#"{"a":null,"b":5,"c":6}"#];
    check_schemaless(NAME, &[("exclude", "b,z")], &lines, &[r#"{"a":1,"c":3}"#, "", r#"{"a":null,"c":6}"#]);
    check_schemaless(
        NAME,
        &[("include", "b,c"), ("exclude", "c")],
        &lines,
        &[r#"{"b":2}"#, "", r#"{"b":5}"#],
    );
    check_schemaless(
        NAME,
        &[("renames", "a:x,c:a")],
        &lines,
        &[r#"{"x":1,"b":2,"a":3}"#, "", r#"{"x":null,"b":5,"a":6}"#],
    );
    check_schemaless(NAME, &[("include", "z")], &lines, &["{}", "", "{}"]);
    check_schemaless(
        NAME,
        &[("exclude", "b")],
        &["\"x\"", r#"{"b":1}"#, r#"{"c":{"b":1}}"#],
        &[
            "!DataException: Only Map objects supported in absence of schema for [field replacement], found: java.lang.String",
            "{}",
            r#"{"c":{"b":1}}"#,
        ],
    );
}

/// Java's map gives `a` before `b`, and `b` after it wins.
#[test]
fn of_two_fields_under_one_name_the_later_one_of_javas_map_stays() {
    let lines = [r#"{"b":2,"a":1}"#, r#"{"b":4,"a":3}"#];
    check_schemaless(NAME, &[("renames", "a:b")], &lines, &[r#"{"b":2}"#, r#"{"b":4}"#]);
    check_schemaless(NAME, &[("renames", "b:a")], &lines, &[r#"{"a":2}"#, r#"{"a":4}"#]);
}

fn line(fields: &str, payload: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":true,"name":"n","version":2,"doc":"d"}},"payload":{payload}}}"#
    )
}

fn replaced(fields: &str, payload: &str) -> String {
    line(fields, payload).replace(r#""optional":true,"name":"n""#, r#""optional":false,"name":"n""#)
}

const A: &str = r#"{"type":"int32","optional":true,"default":7,"field":"a"}"#;
const B: &str = r#"{"type":"string","optional":true,"field":"b"}"#;

/// The schema of what has no value stays what it was, and so does its being optional.
#[test]
fn structs_get_a_schema_without_what_is_left_out() {
    let fields = format!("{A},{B}");
    let lines =
        [line(&fields, r#"{"a":1,"b":"x"}"#), line(&fields, "null"), line(&fields, r#"{"a":null,"b":null}"#)];
    let check = |settings: &[(&str, &str)], expected: [String; 3]| {
        let lines = lines.each_ref().map(String::as_str);
        check_schemas(NAME, settings, &lines, &expected.each_ref().map(String::as_str));
    };
    check(&[("exclude", "a")], [replaced(B, r#"{"b":"x"}"#), lines[1].clone(), replaced(B, r#"{"b":null}"#)]);
    let x = A.replace(r#""a""#, r#""x""#);
    let both = format!("{x},{B}");
    check(
        &[("renames", "a:x")],
        [replaced(&both, r#"{"x":1,"b":"x"}"#), lines[1].clone(), replaced(&both, r#"{"x":7,"b":null}"#)],
    );
    check(
        &[("renames", "a:x"), ("exclude", "b"), ("replace.null.with.default", "false")],
        [replaced(&x, r#"{"x":1}"#), lines[1].clone(), replaced(&x, r#"{"x":null}"#)],
    );
}

#[test]
fn a_null_that_no_default_stands_in_for_fails_its_record() {
    let fields = r#"{"type":"int32","optional":false,"default":7,"field":"x"}"#;
    let default = Some(Value::Int32(7));
    let schema = Arc::new(Schema { default, ..Schema::new(Type::Int32) });
    let schema = Arc::new(Schema::new(Type::Struct(vec![Field { name: "a".into(), schema }])));
    let mut builder = ColumnBuilder::new(Some(Arc::clone(&schema)));
    for value in [Value::Int32(1), Value::Null] {
        builder.push(Value::Struct(Arc::clone(&schema), vec![value]).as_value_ref()).unwrap();
    }
    let columns = [builder.finish().unwrap()];
    let replaced = |payload: &str| {
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":false}},"payload":{{"x":{payload}}}}}"#
        )
    };
    check(NAME, &[("renames", "a:x")], &columns, &[&replaced("1"), &replaced("7")]);
    check(
        NAME,
        &[("renames", "a:x"), ("replace.null.with.default", "false")],
        &columns,
        &[
            &replaced("1"),
            "!DataException: Invalid value: null used for required field: \"x\", schema type: INT32",
        ],
    );
}

#[test]
fn new_names_that_are_taken_fail_as_in_java() {
    let one = line(&format!("{A},{B}"), r#"{"a":1,"b":"x"}"#);
    let check =
        |settings: &[(&str, &str)], expected: &str| check_schemas(NAME, settings, &[&one], &[expected]);
    check(
        &[("renames", "a:b")],
        "!SchemaBuilderException: Cannot create field because of field name duplication b",
    );
    check(&[("renames", "z:b")], "!DataException: z is not a valid field name");
    // Java takes the value of `a` for `b`, since that is what `a` would be called.
    check(
        &[("renames", "a:b"), ("exclude", "a")],
        "!DataException: Invalid Java object for schema with type STRING: class java.lang.Integer for field: \"b\"",
    );
    check(&[("renames", "a:b,b:a")], &{
        let (a, b) = (B.replace(r#""b""#, r#""a""#), A.replace(r#""a""#, r#""b""#));
        replaced(&format!("{b},{a}"), r#"{"b":1,"a":"x"}"#)
    });
}

#[test]
fn bad_settings_are_refused_in_javas_words() {
    assert_eq!(
        refusal(NAME, &[("renames", "a:b,c")]),
        "Invalid value [a:b, c] for configuration renames: Invalid rename mapping: c"
    );
    assert!(refusal(NAME, &[("renames", "a:b:c")]).ends_with("Invalid rename mapping: a:b:c"));
}
