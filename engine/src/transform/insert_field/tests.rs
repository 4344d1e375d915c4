//! InsertField on JSON, and on records that lack what is to be inserted.

use api::{SourceOffsets, SourcePartition};

use super::*;
use crate::transform::support::{
    check_schemaless, check_schemas, create, decode, encode, records_of, refusal,
};

const NAME: &str = "InsertField$Value";
const ALL: [(&str, &str); 6] = [
    ("topic.field", "t!"),
    ("partition.field", "p?"),
    ("offset.field", "o"),
    ("timestamp.field", "at!"),
    ("static.field", "s"),
    ("static.value", "a text beyond twelve bytes"),
];

#[test]
fn objects_get_new_fields_and_new_values_for_old_ones() {
    check_schemaless(
        NAME,
        &ALL,
        &[r#"{"a":1,"p":null}"#, "", r#"{"a":2,"p":5}"#],
        &[
            r#"{"a":1,"p":3,"t":"orders","o":100,"at":1700000000000,"s":"a text beyond twelve bytes"}"#,
            "",
            r#"{"a":2,"p":3,"t":"orders","o":102,"at":1700000000002,"s":"a text beyond twelve bytes"}"#,
        ],
    );
    check_schemaless(
        NAME,
        &[("static.field", "s"), ("static.value", "")],
        &["[1]", r#"{"b":{"c":1}}"#],
        &[
            "!DataException: Only Map objects supported in absence of schema for [field insertion], found: java.util.ArrayList",
            r#"{"b":{"c":1},"s":""}"#,
        ],
    );
}

fn line(fields: &str, is_optional: bool, payload: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":{is_optional},"name":"n"}},"payload":{payload}}}"#
    )
}

const A: &str = r#"{"type":"int32","optional":true,"default":7,"field":"a"}"#;

#[test]
fn structs_get_new_fields_unless_they_are_null() {
    let lines = [line(A, true, r#"{"a":1}"#), line(A, true, "null"), line(A, true, r#"{"a":null}"#)];
    let fields = format!(
        r#"{A},{{"type":"string","optional":false,"field":"t"}},{{"type":"int32","optional":true,"field":"p"}},{{"type":"int64","optional":true,"field":"o"}},{{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"at"}},{{"type":"string","optional":true,"field":"s"}}"#
    );
    let inserted = |a: &str, row: usize| {
        let payload = format!(
            r#"{{"a":{a},"t":"orders","p":3,"o":{},"at":{},"s":"a text beyond twelve bytes"}}"#,
            100 + row,
            1_700_000_000_000_usize + row
        );
        line(&fields, false, &payload)
    };
    let strs = lines.each_ref().map(String::as_str);
    check_schemas(NAME, &ALL, &strs, &[&inserted("1", 0), &lines[1], &inserted("7", 2)]);
    let mut settings = ALL.to_vec();
    settings.push(("replace.null.with.default", "false"));
    check_schemas(NAME, &settings, &strs, &[&inserted("1", 0), &lines[1], &inserted("null", 2)]);
    check_schemas(
        NAME,
        &[("topic.field", "a")],
        &strs[..2],
        &["!SchemaBuilderException: Cannot create field because of field name duplication a", &lines[1]],
    );
}

/// Java's struct is left without the value, and whoever validates it fails.
#[test]
fn what_a_record_lacks_is_not_inserted() {
    let mut records = records_of(decode(&[r#"{"a":1}"#, r#"{"a":2}"#, "1"], false).remove(0), 0);
    let rows = records.len();
    records.partition = None;
    records.columns.timestamps =
        Timestamps::Each((0..rows as i64).map(|row| if row == 1 { 5 } else { -1 }).collect());
    let mut out = Transformed::default();
    let settings = [("partition.field", "p"), ("timestamp.field", "at")];
    create(NAME, &settings).unwrap().apply(records.slice(0, 2), &mut out).unwrap();
    let lines: Vec<_> = out.into_parts().0.iter().flat_map(|piece| encode(&piece.columns.value)).collect();
    assert_eq!(lines, [r#"{"a":1}"#, r#"{"a":2,"at":5}"#]);

    let structs = decode(&[&line(A, false, r#"{"a":1}"#)], true).remove(0);
    let mut records = records_of(structs, 0);
    records.columns.timestamps = Timestamps::None;
    let mut out = Transformed::default();
    create(NAME, &[("timestamp.field", "at!")]).unwrap().apply(records, &mut out).unwrap();
    let pieces = out.into_parts().0;
    assert_eq!(
        encode(&pieces[0].columns.value),
        [
            "cannot be written: Conversion error: null value for field that is required and has no default value"
        ]
    );
}

#[test]
fn a_source_has_no_offsets_to_insert() {
    let kafka = records_of(decode(&[r#"{"a":1}"#, "", r#"{"a":2}"#], false).remove(0), 0);
    let mut run = kafka.into_run();
    run.origin = Origin::Source { partition: SourcePartition::none(), offsets: SourceOffsets::None };
    let mut out = Transformed::default();
    let mut transform = create(NAME, &[("offset.field", "o")]).unwrap();
    transform.apply(Records::of_run(run).unwrap(), &mut out).unwrap();
    let (pieces, errors) = out.into_parts();
    assert_eq!((pieces.len(), pieces[0].first_row(), pieces[0].len()), (1, 1, 1));
    assert_eq!(
        errors[1].error.message(),
        "Only SinkRecord supported for [field insertion], found: org.apache.kafka.connect.source.SourceRecord"
    );
}

#[test]
fn bad_settings_are_refused_in_javas_words() {
    assert_eq!(refusal(NAME, &[]), "No field insertion configured");
    assert!(refusal(NAME, &[("static.field", "a")]).starts_with(
        "Invalid value null for configuration static.value: No value specified for static field: "
    ));
}
