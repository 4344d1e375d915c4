//! Properties: the shape path reads what the general path reads, what is written is read back, nothing panics.
//!
//! The model for reading many records in one batch is the general path: onto the tape for schemaless records; for enveloped
//! ones a fresh converter for each, which has learned nothing yet.

use proptest::prelude::*;

use super::*;
use crate::convert::json::schemaless;

fn any_scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-1000..1000_i64).prop_map(|value| value.to_string()),
        "-?[0-9]{1,5}\\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?",
        "[0-9]{15,25}",
        "\"[a-zA-Z0-9 ü☃]{0,30}\"",
        "\"[ -~]{0,6}\"".prop_map(|text| text.replace('\\', "\\n")),
        Just(r#""\ud83d\ude00\u0041\\""#.to_owned()),
        Just(r#""AMg=""#.to_owned()),
    ]
}

fn any_json() -> impl Strategy<Value = String> {
    any_scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(("[a-d]", inner), 0..4).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

/// A few templates, and records of them with other values; so that shapes are learned, hit and missed.
fn any_records() -> impl Strategy<Value = Vec<String>> {
    let keys = prop::collection::vec("[a-e]{1,3}", 1..5);
    let template = (keys, prop::sample::select(vec!["", " ", "\n  "]));
    let templates = prop::collection::vec(template, 1..3);
    (
        templates,
        prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any_json(), 5)), 1..30),
    )
        .prop_map(|(templates, picks)| {
            let record = |(pick, values): (prop::sample::Index, Vec<String>)| {
                let (keys, blank) = &templates[pick.index(templates.len())];
                let entries: Vec<_> = keys
                    .iter()
                    .zip(values)
                    .map(|(key, value)| format!("{blank}\"{key}\":{blank}{value}"))
                    .collect();
                format!("{{{}{blank}}}", entries.join(","))
            };
            picks.into_iter().map(record).collect()
        })
}

/// Changes one byte of some records.
fn mutated(
    records: Vec<String>,
    mutations: &[(prop::sample::Index, prop::sample::Index, u8)],
) -> Vec<Vec<u8>> {
    let mut records: Vec<_> = records.into_iter().map(String::into_bytes).collect();
    for (record, at, byte) in mutations {
        let record = record.index(records.len());
        let record = &mut records[record];
        let at = at.index(record.len());
        record[at] = *byte;
    }
    records
}

const FIELDS: [&str; 6] = [
    r#""type":"string","optional":true,"field":"a""#,
    r#""type":"int32","optional":true,"field":"b""#,
    r#""type":"double","optional":true,"default":1.5,"field":"c""#,
    r#""type":"bytes","optional":true,"field":"d""#,
    r#""type":"array","items":{"type":"string","optional":true},"optional":true,"field":"aa""#,
    r#""type":"struct","fields":[{"type":"int64","optional":false,"field":"a"},{"type":"boolean","optional":true,"field":"b"}],"optional":true,"field":"e""#,
];

fn alone(settings: &[(&str, &str)], records: &[Vec<u8>]) -> Vec<Row> {
    records.iter().map(|record| read(&mut *converter(settings), &[record]).remove(0)).collect()
}

proptest! {
    #[test]
    fn schemaless_rows_are_what_the_general_parser_reads(
        records in any_records(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(b'1'), Just(b'"')]), 0..4),
    ) {
        let records = mutated(records, &mutations);
        let raw = BinaryViewArray::from_iter_values(&records);
        let general = rows(&schemaless::Reader::default().read_tape(&raw));
        prop_assert_eq!(read(&mut *schemaless(), &records), general);
    }

    #[test]
    fn enveloped_rows_are_what_they_are_alone(
        records in any_records(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(b'1'), Just(b'"')]), 0..4),
    ) {
        let records = records.iter().map(|payload| enveloped(&FIELDS, payload)).collect();
        let records = mutated(records, &mutations);
        prop_assert_eq!(read(&mut *converter(&[]), &records), alone(&[], &records));
    }

    /// serde_json reads the same values from what it accepts, but for numbers that Java wraps.
    #[test]
    fn the_general_parser_reads_what_serde_json_reads(json in any_json()) {
        fn same(ours: &Value, other: &serde_json::Value) -> bool {
            match (ours, other) {
                (Value::Null, serde_json::Value::Null) => true,
                (Value::Boolean(a), serde_json::Value::Bool(b)) => a == b,
                (Value::String(a), serde_json::Value::String(b)) => a == b,
                (Value::Int64(a), serde_json::Value::Number(b)) => b.as_i64().is_none_or(|b| *a == b),
                (Value::Float64(a), serde_json::Value::Number(b)) => {
                    b.as_f64().is_some_and(|b| (a - b).abs() <= b.abs() * 1e-15)
                }
                (Value::Array(a), serde_json::Value::Array(b)) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
                }
                (Value::Map(a), serde_json::Value::Object(b)) => {
                    a.len() == b.len() && a.iter().zip(b).all(|((key, a), (name, b))| *key == text(name) && same(a, b))
                }
                _ => false,
            }
        }
        if let Ok(other) = serde_json::from_str::<serde_json::Value>(&json) {
            let ours = read_one(&mut *schemaless(), &json).unwrap();
            prop_assert!(same(&ours, &other), "{ours:?} {other:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back(records in any_records(), is_enveloped in any::<bool>()) {
        let settings: &[_] = if is_enveloped { &[] } else { &[("schemas.enable", "false")] };
        let records: Vec<_> = if is_enveloped { records.iter().map(|r| enveloped(&FIELDS, r)).collect() } else { records };
        let records = records.into_iter().filter(|record| read_one(&mut *converter(settings), record).is_ok());
        let raw = BinaryViewArray::from_iter_values(records);
        let decoded = converter(settings).to_connect("t", &raw).unwrap();
        for segment in &decoded.segments {
            let written = converter(settings).from_connect("t", &segment.column).unwrap();
            // Infinities are written as text, and a negative zero, which tiny numbers become, is read as zero.
            let is_other = written.bytes.iter().flatten().any(|row| {
                let row = String::from_utf8_lossy(row);
                ["Infinity", "-0.0,", "-0.0}", "-0.0]"].iter().any(|part| row.contains(part))
            });
            if is_other {
                continue;
            }
            let again = converter(settings).to_connect("t", &written.bytes).unwrap();
            prop_assert!(again.errors.is_empty() && written.errors.is_empty());
            let column = &segment.column;
            let before: Vec<_> = (0..column.len()).map(|row| column.row(row).to_owned()).collect();
            let after: Vec<_> = rows(&again).into_iter().map(|row| row.unwrap().1).collect();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..10)) {
        read(&mut *schemaless(), &records);
        read(&mut *converter(&[]), &records);
    }
}
