//! The suite of converters.

use arrow_array::{Array, BinaryViewArray};

use super::plugin;
use crate::connector::Props;
use crate::converter::{Converter, Encoded};
use crate::plugin::{ConverterPlugin, ConverterRole, Plugin};
use crate::{Column, Error};

/// Checks a converter with the settings `props` (keys without prefix) on `samples` that it can read.
///
/// # Panics
/// When the converter is not what the engine expects.
pub fn converter<C: Converter + Plugin>(props: &Props, samples: &[&[u8]]) {
    plugin::check(C::CLASS, C::VERSION, &C::config_def(), props);
    for role in [ConverterRole::Key, ConverterRole::Value] {
        let mut converter = (ConverterPlugin::of::<C>().create)(props, role)
            .unwrap_or_else(|error| panic!("{} is not made from its own settings: {error}", C::CLASS));
        let odd: Vec<Vec<u8>> = odd_bytes();
        let rows = samples.iter().map(|sample| Some(*sample)).chain([None]);
        let mixed: BinaryViewArray =
            rows.clone().chain(odd.iter().map(|bytes| Some(&**bytes))).chain(rows.clone()).collect();
        let errors = decode(&mut *converter, &mixed);
        let readable = |row: usize| row < samples.len() || row >= mixed.len() - samples.len() - 1;
        if let Some((row, error)) = errors.iter().find(|(row, _)| readable(*row)) {
            panic!("{} refuses sample {row}: {error}", C::CLASS);
        }
        there_and_back(&mut *converter, &rows.collect());
        let none = converter.from_connect("t", &Column::null(2));
        match none {
            Ok(Encoded { bytes, .. }) => assert_eq!(bytes.len(), 2, "one row per row"),
            Err(error) => panic!("{} cannot write null: {error}", C::CLASS),
        }
    }
}

/// Decodes; segments must cover the rows and errors name some of them.
fn decode(converter: &mut dyn Converter, raw: &BinaryViewArray) -> Vec<(usize, Error)> {
    let decoded = match converter.to_connect("t", raw) {
        Ok(decoded) => decoded,
        Err(error) => panic!("bytes that are none of its own stop the converter: {error}"),
    };
    let rows: usize = decoded.segments.iter().map(|segment| segment.column.len()).sum();
    assert_eq!(rows, raw.len(), "the segments cover every row");
    assert!(decoded.errors.is_sorted_by_key(|error| error.row), "failed rows ascend");
    let errors: Vec<_> = decoded.errors.into_iter().map(|error| (error.row, error.error)).collect();
    assert!(errors.iter().all(|(row, _)| *row < raw.len()), "a failed row lies outside");
    errors
}

/// What is decoded is encoded again, null as null, and reads the same.
fn there_and_back(converter: &mut dyn Converter, raw: &BinaryViewArray) {
    let shown = |converter: &mut dyn Converter, raw: &BinaryViewArray| {
        let decoded =
            converter.to_connect("t", raw).unwrap_or_else(|error| panic!("decoding failed: {error}"));
        let mut again: Vec<Option<Vec<u8>>> = Vec::new();
        let mut values = Vec::new();
        for segment in &decoded.segments {
            let encoded = converter
                .from_connect("t", &segment.column)
                .unwrap_or_else(|error| panic!("what was decoded is not encoded again: {error}"));
            let bytes = &encoded.bytes;
            again.extend((0..bytes.len()).map(|row| bytes.is_valid(row).then(|| bytes.value(row).to_vec())));
            values.extend((0..bytes.len()).map(|row| format!("{:?}", segment.column.row(row).to_owned())));
        }
        (values, again)
    };
    let (first, again) = shown(converter, raw);
    let again: BinaryViewArray = again.iter().map(Option::as_deref).collect();
    assert_eq!(shown(converter, &again).0, first, "values do not survive there and back");
}

/// Bytes that no format is made of.
fn odd_bytes() -> Vec<Vec<u8>> {
    let mut odd: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 33], b"{".to_vec(), b"\"\\u00".to_vec()];
    odd.push((0..=255).collect());
    odd.push(vec![b'['; 5000]);
    odd.push(vec![b'x'; 1 << 20]);
    odd
}
