//! The suite of transforms.

use super::plugin;
use crate::batch::{Origin, Run};
use crate::connector::Props;
use crate::offsets::{SourceOffsets, SourcePartition};
use crate::plugin::{Plugin, TransformPlugin};
use crate::transform::{Records, Touches, Transform, Transformed};
use crate::{Body, Columns, Data};

/// Checks a transform with the settings `props` (keys without prefix) on records that it is meant for. Gives what becomes of them.
///
/// # Panics
/// When the transform is not what the engine expects.
pub fn transform<T: Transform + Plugin>(props: &Props, columns: Columns) -> Vec<Run> {
    plugin::check(T::CLASS, T::VERSION, &T::config_def(), props);
    let mut transform = (TransformPlugin::of::<T>().create)(props)
        .unwrap_or_else(|error| panic!("{} is not made from its own settings: {error}", T::CLASS));
    let touches = transform.touches();
    let rows = columns.value.len();
    let mut out = Vec::new();
    for start in [0, rows / 2] {
        // The second time it sees a run that was cut.
        let records = records(columns.clone()).slice(start, rows - start);
        let mut transformed = Transformed::default();
        if let Err(error) = transform.apply(hidden(records, touches), &mut transformed) {
            panic!("{} cannot handle what it is meant for: {error}", T::CLASS);
        }
        let (pieces, errors) = transformed.into_parts();
        let mut next = start;
        for piece in &pieces {
            assert!(piece.is_complete(), "{} gave columns of differing lengths", T::CLASS);
            assert!(!piece.topic.is_empty(), "{} left a topic without a name", T::CLASS);
            assert!(piece.first_row() >= next, "{} changed the order of records", T::CLASS);
            next = piece.first_row() + piece.len();
        }
        assert!(next <= rows, "{} made records", T::CLASS);
        let is_kept = |row| {
            pieces.iter().any(|piece| (piece.first_row()..piece.first_row() + piece.len()).contains(&row))
        };
        if let Some(error) = errors.iter().find(|error| is_kept(error.row)) {
            panic!("{} kept row {}, which failed: {}", T::CLASS, error.row, error.error);
        }
        if start == 0 {
            out = pieces.into_iter().map(Records::into_run).collect();
        }
    }
    let mut transformed = Transformed::default();
    for (index, row) in (0..rows).enumerate() {
        let one = hidden(records(columns.clone()).slice(row, 1), touches);
        if let Err(error) = transform.apply(one, &mut transformed) {
            panic!("{} cannot handle record {index} alone: {error}", T::CLASS);
        }
    }
    out
}

fn records(columns: Columns) -> Records {
    let rows = columns.value.len();
    let offsets = SourceOffsets::Long { field: "row".into(), values: (0..rows as i64).collect() };
    let origin = Origin::Source { partition: SourcePartition::none(), offsets };
    let run = Run { topic: "conformance".into(), partition: None, origin, body: Body::Columns(columns) };
    Records::of_run(run).expect("the body is columns")
}

/// What a transform says not to touch it gets as bytes, as the engine would give it.
fn hidden(mut records: Records, touches: Touches) -> Records {
    let raw = |rows: usize| {
        let bytes = (0..rows).map(|_| Some(&b"not decoded"[..])).collect();
        crate::Column { schema: None, data: Data::Raw(bytes) }
    };
    if !touches.key {
        records.columns.key = raw(records.len());
    }
    if !touches.value {
        records.columns.value = raw(records.len());
    }
    records
}
