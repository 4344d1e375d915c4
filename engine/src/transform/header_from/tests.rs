//! HeaderFrom: values and headers of each record.

use api::{HeaderValueRef, Headers};

use super::*;
use crate::transform::support::{create, decode, encode, records_of, refusal};

const NAME: &str = "HeaderFrom$Value";

/// Value and headers of each record, or what it failed with.
fn outcomes(settings: &[(&str, &str)], column: Column) -> Vec<String> {
    let mut out = Transformed::default();
    let mut records = records_of(column, 0);
    let mut outcomes = vec![String::new(); records.len()];
    records.columns.headers = Headers::none();
    records.columns.headers.push_same((*b"old").into(), Column::null(1));
    create(NAME, settings).unwrap().apply(records, &mut out).unwrap();
    let (pieces, errors) = out.into_parts();
    for piece in &pieces {
        for (row, value) in encode(&piece.columns.value).into_iter().enumerate() {
            let headers = piece.columns.headers.iter(row).map(|header| {
                let key = str::from_utf8(header.key).unwrap();
                match header.value {
                    HeaderValueRef::Connect(schema, value) => {
                        let kind = schema.map_or("-", |schema| schema.kind.java_name());
                        format!(" {key}={:?}:{kind}", value.to_owned())
                    }
                    HeaderValueRef::Raw(value) => format!(" {key}={value:?}"),
                }
            });
            outcomes[piece.first_row() + row] = value + &headers.collect::<String>();
        }
    }
    for error in errors {
        let class = error.error.java_class().rsplit('.').next().unwrap();
        outcomes[error.row] = format!("!{class}: {}", error.error.message());
    }
    outcomes
}

const COPY: [(&str, &str); 3] = [("fields", "a,z,a"), ("headers", "x,y,x"), ("operation", "copy")];
const MOVE: [(&str, &str); 3] = [("fields", "a,z,a"), ("headers", "x,y,x"), ("operation", "move")];

#[test]
fn fields_of_objects_become_headers() {
    let null =
        "!DataException: Only Map objects supported in absence of schema for [header copy], found: null";
    let objects = decode(&[r#"{"a":1,"b":2}"#, "", r#"{"a":null,"b":3}"#], false).remove(0);
    let headers = |a: &str| format!(" old=Null:- x={a}:- y=Null:- x={a}:-");
    let copied = [
        format!(r#"{{"a":1,"b":2}}{}"#, headers("Int64(1)")),
        null.to_owned(),
        format!(r#"{{"a":null,"b":3}}{}"#, headers("Null")),
    ];
    assert_eq!(outcomes(&COPY, objects.clone()), copied);
    assert_eq!(outcomes(&COPY, objects.slice(1, 2)), copied[1..]);
    let moved = [
        format!(r#"{{"b":2}}{}"#, headers("Int64(1)")),
        null.replace("copy", "move"),
        format!(r#"{{"b":3}}{}"#, headers("Null")),
    ];
    assert_eq!(outcomes(&MOVE, objects), moved);
    let mixed =
        decode(&[r#"{"a":1,"b":2}"#, "", r#"{"a":null,"b":3}"#, r#"{"b":[1]}"#, "7"], false).remove(0);
    let rest = [
        format!(r#"{{"b":[1]}}{}"#, headers("Null")),
        null.replace("copy", "move").replace("null", "java.lang.Long"),
    ];
    assert_eq!(outcomes(&MOVE, mixed.clone()), [&moved[..], &rest[..]].concat());
    assert_eq!(outcomes(&COPY, mixed)[..3], copied);
}

fn line(fields: &str, is_optional: bool, payload: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":{is_optional},"name":"n"}},"payload":{payload}}}"#
    )
}

const A: &str = r#"{"type":"int32","optional":true,"default":7,"field":"a"}"#;
const B: &str = r#"{"type":"string","optional":true,"field":"b"}"#;

#[test]
fn fields_of_structs_become_headers_with_their_schemas() {
    let fields = format!("{A},{B}");
    let lines = [
        line(&fields, true, r#"{"a":1,"b":"x"}"#),
        line(&fields, true, "null"),
        line(&fields, true, r#"{"a":null,"b":null}"#),
    ];
    let column = decode(&lines.each_ref().map(String::as_str), true).remove(0);
    let null = "!DataException: Only Struct objects supported for [header move], found: null";
    let mut settings = vec![("fields", "a"), ("headers", "x"), ("operation", "move")];
    let moved = |payload: &str, a: &str| line(B, false, payload) + &format!(" old=Null:- x={a}:INT32");
    assert_eq!(
        outcomes(&settings, column.clone()),
        [&moved(r#"{"b":"x"}"#, "Int32(1)"), null, &moved(r#"{"b":null}"#, "Int32(7)")]
    );
    settings.push(("replace.null.with.default", "false"));
    assert_eq!(outcomes(&settings, column.clone())[2], moved(r#"{"b":null}"#, "Null"));
    // What is copied stays as it is, and so does its schema.
    let settings = [("fields", "a"), ("headers", "x"), ("operation", "copy")];
    let copied = |line: &str, a: &str| format!("{line} old=Null:- x={a}:INT32");
    assert_eq!(
        outcomes(&settings, column.clone()),
        [copied(&lines[0], "Int32(1)"), null.replace("move", "copy"), copied(&lines[2], "Int32(7)")]
    );
    let missing = "!NullPointerException: Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \"org.apache.kafka.connect.data.Schema.field(String)\" is null";
    assert_eq!(outcomes(&MOVE, column), [missing, null, missing]);
}

#[test]
fn bad_settings_are_refused_in_javas_words() {
    assert_eq!(
        refusal(NAME, &[("fields", ""), ("headers", "a"), ("operation", "copy")]),
        "Invalid value [] for configuration fields: Empty list"
    );
    assert_eq!(
        refusal(NAME, &[("fields", "a,b"), ("headers", "a"), ("operation", "copy")]),
        "'fields' config must have the same number of elements as 'headers' config."
    );
    assert_eq!(
        refusal(NAME, &[("fields", "a"), ("headers", "a"), ("operation", "drop")]),
        "Invalid value drop for configuration operation: String must be one of: move, copy"
    );
}
