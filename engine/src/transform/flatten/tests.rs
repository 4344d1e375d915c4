//! Flatten on JSON, with and without schema.

use api::ColumnBuilder;

use super::*;
use crate::transform::support::{check, check_schemaless, check_schemas};

const NAME: &str = "Flatten$Value";

#[test]
fn nested_objects_come_to_the_top() {
    check_schemaless(
        NAME,
        &[],
        &[
            r#"{"a":{"b":1,"c":{"d":[{"e":2}],"f":null}},"g":"x"}"#,
            "",
            r#"{"a":{"b":3,"c":{"d":[],"f":null}},"g":"y"}"#,
        ],
        &[
            r#"{"a.b":1,"a.c.d":[{"e":2}],"a.c.f":null,"g":"x"}"#,
            "",
            r#"{"a.b":3,"a.c.d":[],"a.c.f":null,"g":"y"}"#,
        ],
    );
    check_schemaless(NAME, &[("delimiter", "")], &[r#"{"a":{"b":{"c":1}}}"#], &[r#"{"abc":1}"#]);
    check_schemaless(
        NAME,
        &[("delimiter", "_")],
        &[r#"{"a":{"b":1}}"#, r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a":2}"#, "[1]"],
        &[
            r#"{"a_b":1}"#,
            r#"{"a":null}"#,
            "{}",
            r#"{"a":2}"#,
            "!DataException: Only Map objects supported in absence of schema for [flattening], found: java.util.ArrayList",
        ],
    );
}

/// In Java's map `a.b` comes before `a`, in whatever order they were put.
#[test]
fn of_two_values_under_one_name_the_later_one_of_javas_map_stays() {
    let bucket = |name: &str| api::java_map::bucket(api::java_map::string_hash(name), 16);
    assert!(bucket("a.b") > bucket("a"));
    let lines = [r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a":{"b":2},"a.b":1}"#];
    check_schemaless(NAME, &[], &lines, &[r#"{"a.b":1}"#; 2]);
    check_schemaless(NAME, &[], &lines[..1], &[r#"{"a.b":1}"#]);
}

fn line(fields: &str, is_optional: bool, payload: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":{is_optional},"name":"n","version":1}},"payload":{payload}}}"#
    )
}

/// What is below something optional is optional.
#[test]
fn leaves_of_structs_keep_what_they_are_and_become_as_optional_as_what_they_were_in() {
    let date = r#""type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1"#;
    let list = r#""type":"array","items":{"type":"string","optional":false},"optional":false"#;
    let fields = format!(
        r#"{{"type":"struct","fields":[{{{date},"field":"d"}}],"optional":false,"field":"r"}},{{"type":"struct","fields":[{{{list},"field":"l"}},{{"type":"int8","optional":false,"default":5,"field":"i"}}],"optional":true,"field":"o"}}"#
    );
    let flat = |is_optional: bool| {
        format!(
            r#"{{{},"field":"r.d"}},{{{},"field":"o.l"}},{{"type":"int8","optional":true,"default":5,"field":"o.i"}}"#,
            date.replace("false", &is_optional.to_string()),
            r#""type":"array","items":{"type":"string","optional":false},"optional":true"#
        )
    };
    let payloads = [r#"{"r":{"d":1},"o":{"l":["x"],"i":6}}"#, r#"{"r":{"d":2},"o":null}"#];
    let flats = [r#"{"r.d":1,"o.l":["x"],"o.i":6}"#, r#"{"r.d":2,"o.l":null,"o.i":null}"#];
    for is_optional in [false, true] {
        let mut lines = payloads.map(|payload| line(&fields, is_optional, payload)).to_vec();
        let mut expected = flats.map(|payload| line(&flat(is_optional), false, payload)).to_vec();
        if is_optional {
            lines.insert(1, line(&fields, true, "null"));
            expected.insert(1, lines[1].clone());
        }
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check_schemas(NAME, &[], &lines, &expected);
    }
}

#[test]
fn leaves_take_their_default_from_that_of_their_struct() {
    let field = |name: &str, schema: Schema| Field { name: name.into(), schema: Arc::new(schema) };
    let inner = Schema::new(Type::Struct(vec![
        field("a", Schema::new(Type::Int32)),
        field("b", Schema { default: Some(Value::Int32(2)), ..Schema::new(Type::Int32) }),
    ]));
    let default = Value::Struct(Arc::new(inner.clone()), vec![Value::Int32(9), Value::Int32(8)]);
    let nested = Schema { default: Some(default), ..inner };
    let outer = Arc::new(Schema::new(Type::Struct(vec![field("s", nested.clone())])));
    let mut builder = ColumnBuilder::new(Some(Arc::clone(&outer)));
    let values = Value::Struct(Arc::new(nested), vec![Value::Int32(1), Value::Null]);
    builder.push(Value::Struct(outer, vec![values]).as_value_ref()).unwrap();
    let expected = r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":9,"field":"s.a"},{"type":"int32","optional":false,"default":2,"field":"s.b"}],"optional":false},"payload":{"s.a":1,"s.b":2}}"#;
    check(NAME, &[], &[builder.finish().unwrap()], &[expected]);
}

#[test]
fn maps_and_names_that_are_taken_fail() {
    let map = r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":false},"optional":true,"field":"m"}"#;
    let nested = format!(r#"{{"type":"struct","optional":false,"field":"s","fields":[{map}]}}"#);
    check_schemas(
        NAME,
        &[],
        &[&line(&nested, false, r#"{"s":{"m":null}}"#)],
        &[
            "!DataException: Flatten transformation does not support MAP for record with schemas (for field s.m).",
        ],
    );
    let twice = r#"{"type":"int8","optional":true,"field":"a.b"},{"type":"struct","optional":true,"field":"a","fields":[{"type":"int8","optional":true,"field":"b"}]}"#;
    check_schemas(
        NAME,
        &[],
        &[&line(twice, false, r#"{"a.b":1}"#)],
        &["!SchemaBuilderException: Cannot create field because of field name duplication a.b"],
    );
    check_schemas(
        NAME,
        &[],
        &[
            r#"{"schema":{"type":"int32","optional":true},"payload":1}"#,
            r#"{"schema":{"type":"int32","optional":true},"payload":null}"#,
        ],
        &[
            "!DataException: Only Struct objects supported for [flattening], found: java.lang.Integer",
            r#"{"schema":{"type":"int32","optional":true},"payload":null}"#,
        ],
    );
}
