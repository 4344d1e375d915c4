//! The built-in transforms and predicates as a connector's configuration makes them.

use std::sync::Arc;

use api::{
    Body, Column, Columns, Data, Headers, Matches, Origin, Props, Records, Run, SourceOffsets,
    SourcePartition, Timestamps, Transformed,
};
use arrow_array::{BinaryViewArray, StringViewArray};
use arrow_buffer::BooleanBuffer;

use api::conformance::transform;

use super::field::{OnKey, OnValue};
use super::{
    PREDICATES, TRANSFORMS, extract_field, flatten, header_from, hoist_field, insert_field, insert_header,
    replace_field, support, value_to_key,
};

fn props(settings: &[(&str, &str)]) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn records(topic: &str) -> Records {
    let bytes = |values: &[&[u8]]| BinaryViewArray::from_iter_values(values.iter().copied());
    let headers =
        Headers::new(vec![0, 2, 2, 3].into(), bytes(&[b"a", b"b", b"a"]), bytes(&[b"1", b"2", b"3"]));
    let values = StringViewArray::from_iter([Some("x"), None, Some("z")]);
    let columns = Columns {
        key: Column::null(3),
        value: Column { data: Data::Array(Arc::new(values)), ..Column::null(0) },
        headers,
        timestamps: Timestamps::None,
    };
    let origin = Origin::Source { partition: SourcePartition::none(), offsets: SourceOffsets::None };
    let run = Run { topic: Arc::from(topic), partition: None, origin, body: Body::Columns(columns) };
    Records::of_run(run).unwrap()
}

fn apply(
    name: &str,
    settings: &[(&str, &str)],
    records: Records,
) -> api::Result<(Vec<Records>, Vec<api::RowError>)> {
    let plugin = TRANSFORMS.iter().find(|plugin| plugin.class.ends_with(name)).unwrap();
    let mut out = Transformed::default();
    (plugin.create)(&props(settings))?.apply(records, &mut out)?;
    Ok(out.into_parts())
}

fn test(name: &str, settings: &[(&str, &str)], records: &Records) -> api::Result<Matches> {
    let plugin = PREDICATES.iter().find(|plugin| plugin.class.ends_with(name)).unwrap();
    Ok((plugin.create)(&props(settings))?.test(records)?.matches)
}

#[test]
fn topics_are_renamed_where_they_match_as_a_whole() {
    let rename = |topic: &str, regex: &str, replacement: &str| {
        let settings = [("regex", regex), ("replacement", replacement)];
        let (out, errors) = apply("RegexRouter", &settings, records(topic)).unwrap();
        let errors: Vec<_> =
            errors.iter().map(|error| (error.row, error.error.message().to_owned())).collect();
        (out.first().map(|records| (records.topic.to_string(), records.len())), errors)
    };
    assert_eq!(rename("orders-12", "(.*)-(\\d+)", "$2-$1"), (Some(("12-orders".to_owned(), 3)), vec![]));
    assert_eq!(rename("orders", "order", "x"), (Some(("orders".to_owned(), 3)), vec![]));
    let no_group = |row| (row, "No group 7".to_owned());
    assert_eq!(rename("abc", "abc", "$7"), (None, vec![no_group(0), no_group(1), no_group(2)]));
}

#[test]
fn headers_are_dropped_by_name() {
    let (out, _) = apply("DropHeaders", &[("headers", "a, c")], records("t")).unwrap();
    let left =
        |row| -> Vec<Vec<u8>> { out[0].columns.headers.row(row).map(|(key, _)| key.to_vec()).collect() };
    assert_eq!((left(0), left(1), left(2)), (vec![b"b".to_vec()], vec![], vec![]));
}

#[test]
fn filter_drops_what_it_gets() {
    assert!(apply("Filter", &[], records("t")).unwrap().0.is_empty());
}

#[test]
fn predicates_say_which_rows() {
    let bits = |bits: [bool; 3]| Matches::Each(BooleanBuffer::from(&bits[..]));
    let records = records("orders");
    assert_eq!(test("RecordIsTombstone", &[], &records).unwrap(), bits([false, true, false]));
    assert_eq!(test("HasHeaderKey", &[("name", "a")], &records).unwrap(), bits([true, false, true]));
    assert_eq!(test("HasHeaderKey", &[("name", "c")], &records).unwrap(), Matches::None);
    assert_eq!(test("TopicNameMatches", &[("pattern", "o.*")], &records).unwrap(), Matches::All);
    assert_eq!(test("TopicNameMatches", &[("pattern", "o")], &records).unwrap(), Matches::None);
}

/// What Java 4.3.0 answered.
#[test]
fn bad_settings_are_refused_in_javas_words() {
    let refused =
        |name, settings: &[_]| apply(name, settings, records("t")).unwrap_err().message().to_owned();
    assert_eq!(
        refused("RegexRouter", &[("regex", "("), ("replacement", "")]),
        "Invalid value ( for configuration regex: Invalid regex: Unclosed group near index 1\n("
    );
    assert_eq!(
        refused("DropHeaders", &[("headers", "")]),
        "Configuration 'headers' must not be empty. Valid values include: any non-empty value"
    );
    let predicate =
        |name, settings: &[_]| test(name, settings, &records("t")).unwrap_err().message().to_owned();
    assert_eq!(
        predicate("HasHeaderKey", &[("name", "")]),
        "Invalid value  for configuration name: String must be non-empty"
    );
    assert_eq!(
        predicate("TopicNameMatches", &[]),
        "Missing required configuration \"pattern\" which has no default value."
    );
}

/// Goal: what is a transform of fields is one that the engine can run: one row alone, on slices, on what it does not touch.
#[test]
fn transforms_of_fields_conform() {
    let objects =
        support::decode(&[r#"{"a":1,"b":{"c":"x"}}"#, r#"{"a":2,"b":{"c":null}}"#], false).remove(0);
    let columns = || Columns {
        key: objects.clone(),
        value: objects.clone(),
        headers: Headers::none(),
        timestamps: Timestamps::Same(5),
    };
    let headers = support::props(&[("fields", "a"), ("headers", "h"), ("operation", "move")]);
    let named = |name: &str| support::props(&[(name, "a")]);
    transform::<OnKey<extract_field::ExtractField>>(&named("field"), columns());
    transform::<OnValue<flatten::Flatten>>(&Props::new(), columns());
    transform::<OnKey<header_from::HeaderFrom>>(&headers, columns());
    transform::<OnValue<hoist_field::HoistField>>(&named("field"), columns());
    transform::<OnKey<insert_field::InsertField>>(&named("topic.field"), columns());
    transform::<insert_header::InsertHeader>(
        &support::props(&[("header", "h"), ("value.literal", "1")]),
        columns(),
    );
    transform::<OnValue<replace_field::ReplaceField>>(&named("exclude"), columns());
    transform::<value_to_key::ValueToKey>(&named("fields"), columns());
}
