//! What goes onto a tape comes off it again; duplicates, abandoned rows, shared text and the nesting limit.

use proptest::prelude::*;

use super::*;
use crate::value::Value;

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn built(build: impl FnOnce(&mut RowsBuilder)) -> Value {
    let mut rows = RowsBuilder::new();
    build(&mut rows);
    rows.finish_row();
    rows.finish().row(0).to_owned()
}

#[test]
fn a_node_is_sixteen_bytes() {
    assert_eq!(size_of::<tape::Node>(), 16);
}

#[test]
fn later_duplicates_replace_earlier_ones_in_place() {
    for filler in [0, 20] {
        let value = built(|rows| {
            rows.begin_object().unwrap();
            for (key, number) in [("a", 1), ("b", 2), ("a", 3)] {
                rows.key(key);
                rows.begin_array().unwrap();
                rows.int64(number);
                rows.end_array();
            }
            for index in 0..filler {
                rows.key(&format!("k{index}"));
                rows.null();
            }
            rows.end_object();
        });
        let Value::Map(entries) = value else { panic!("{value:?}") };
        assert_eq!(entries.len(), 2 + filler);
        assert_eq!(entries[0], (text("a"), Value::Array(vec![Value::Int64(3)])));
        assert_eq!(entries[1], (text("b"), Value::Array(vec![Value::Int64(2)])));
    }
}

#[test]
fn abandoned_rows_leave_nothing() {
    let mut rows = RowsBuilder::new();
    rows.string("first");
    rows.finish_row();
    rows.begin_object().unwrap();
    rows.key("half");
    rows.string("a row");
    rows.abandon_row();
    rows.boolean(true);
    rows.finish_row();
    let rows = rows.finish();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows.row(0).to_owned(), text("first"));
    assert_eq!(rows.slice(1, 1).row(0).to_owned(), Value::Boolean(true));
}

#[test]
fn nesting_has_a_limit() {
    let mut rows = RowsBuilder::new();
    for _ in 0..DEPTH_MAX {
        rows.begin_array().unwrap();
    }
    assert!(rows.begin_array().is_err());
    assert!(rows.begin_object().is_err());
}

#[test]
fn text_may_lie_in_a_shared_buffer() {
    let mut rows = RowsBuilder::new();
    let buffer = rows.add_buffer(b"ab\xffcd".to_vec().into());
    assert!(rows.string_in(buffer, 1, 3).is_err());
    rows.string_in(buffer, 3, 2).unwrap();
    rows.finish_row();
    assert_eq!(rows.finish().row(0).to_owned(), text("cd"));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Int64),
        any::<i8>().prop_map(Value::Int8),
        (-1e300..1e300).prop_map(Value::Float64),
        ".*".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(5, 60, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map("[a-f]{0,3}", inner, 0..12).prop_map(|entries| {
                Value::Map(entries.into_iter().map(|(key, value)| (Value::String(key), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(values in prop::collection::vec(values(), 1..8)) {
        let mut builder = RowsBuilder::new();
        for value in &values {
            builder.value(value.as_value_ref()).unwrap();
            builder.finish_row();
        }
        let rows = builder.finish();
        for (row, value) in values.iter().enumerate() {
            prop_assert_eq!(&rows.row(row).to_owned(), value);
        }
    }
}
