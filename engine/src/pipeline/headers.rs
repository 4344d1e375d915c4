//! Header converters as stages of the transform chain: to Connect data where somebody asks for it, to bytes where there is Connect data.

use api::{
    Column, ConnectHeaders, Data, DecodedHeaders, Encoded, Error, HeaderColumns, HeaderConverter, HeaderPart,
    HeaderValues, Headers, Records, Result, RowError, Touches, Transform, Transformed,
};
use arrow_array::BinaryViewArray;
use arrow_buffer::ScalarBuffer;

use super::cell;

/// Gives raw headers to the converter.
#[derive(Debug)]
pub(crate) struct DecodeHeaders(pub(crate) Box<dyn HeaderConverter>);

/// Makes raw headers of Connect data.
#[derive(Debug)]
pub(crate) struct EncodeHeaders(pub(crate) Box<dyn HeaderConverter>);

impl Transform for DecodeHeaders {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        convert(&mut records, out, |topic, part, errors| match part {
            HeaderPart::Each(columns) => match columns.values() {
                HeaderValues::Raw(values) => self.decode_each(topic, &columns, values, errors),
                HeaderValues::Connect(_) => Ok(HeaderPart::Each(columns)),
            },
            HeaderPart::Same { key, value: Column { data: Data::Raw(raw), .. } } => {
                let keys = BinaryViewArray::from_iter_values([&*key]);
                let decoded = self.0.to_connect_headers(topic, &keys, &raw)?;
                let (column, row) = decoded.values.place(0);
                let value = decoded.values.columns()[column].slice(row, 1);
                if let Some(RowError { error, .. }) = decoded.errors.into_iter().next() {
                    errors.of_every_row(error);
                }
                Ok(HeaderPart::Same { key, value })
            }
            same @ HeaderPart::Same { .. } => Ok(same),
        })?;
        Ok(())
    }
}

impl DecodeHeaders {
    fn decode_each(
        &mut self,
        topic: &str,
        columns: &HeaderColumns,
        values: &BinaryViewArray,
        errors: &mut HeaderErrors,
    ) -> Result<HeaderPart> {
        // Of a run that was cut, only its own.
        let (first, end) = span(columns);
        let (keys, values) = (columns.keys().slice(first, end - first), values.slice(first, end - first));
        let bounds: ScalarBuffer<u32> = columns.bounds().iter().map(|bound| bound - first as u32).collect();
        let DecodedHeaders { values, errors: failed } = self.0.to_connect_headers(topic, &keys, &values)?;
        for RowError { row: header, error } in failed {
            errors.of_row(row_of(&bounds, header), error);
        }
        Ok(HeaderPart::Each(HeaderColumns::new(bounds, keys, HeaderValues::Connect(values))))
    }
}

impl Transform for EncodeHeaders {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        if records.columns.headers.is_raw() {
            out.push(records);
            return Ok(());
        }
        convert(&mut records, out, |topic, part, errors| match part {
            HeaderPart::Each(columns) => match columns.values() {
                HeaderValues::Raw(_) => Ok(HeaderPart::Each(columns)),
                HeaderValues::Connect(values) => self.encode_each(topic, &columns, values, errors),
            },
            raw @ HeaderPart::Same { value: Column { data: Data::Raw(_), .. }, .. } => Ok(raw),
            HeaderPart::Same { key, value } => {
                let keys = BinaryViewArray::from_iter_values([&*key]);
                let encoded = self.0.from_connect_headers(topic, &keys, &value)?;
                if let Some(RowError { error, .. }) = encoded.errors.into_iter().next() {
                    errors.of_every_row(error);
                }
                Ok(HeaderPart::Same { key, value: Column::raw(encoded.bytes) })
            }
        })
    }
}

impl EncodeHeaders {
    fn encode_each(
        &mut self,
        topic: &str,
        columns: &HeaderColumns,
        values: &ConnectHeaders,
        errors: &mut HeaderErrors,
    ) -> Result<HeaderPart> {
        let (first, end) = span(columns);
        // The key of each value of each column; of values that no header has any more, any key.
        let mut keys: Vec<Vec<u32>> = values.columns().iter().map(|column| vec![0; column.len()]).collect();
        for header in first..end {
            let (column, row) = values.place(header);
            keys[column][row] = header as u32;
        }
        let mut encoded = Vec::with_capacity(keys.len());
        for (column, keys) in values.columns().iter().zip(&keys) {
            encoded.push(match &column.data {
                Data::Raw(bytes) => Encoded { bytes: bytes.clone(), errors: Vec::new() },
                _ if column.is_empty() => Encoded { bytes: BinaryViewArray::new_null(0), errors: Vec::new() },
                _ => {
                    let keys = api::views::gather(columns.keys(), keys);
                    self.0.from_connect_headers(topic, &keys, column)?
                }
            });
        }
        if encoded.iter().any(|encoded| !encoded.errors.is_empty()) {
            for header in first..end {
                let (column, row) = values.place(header);
                let failed = encoded[column].errors.iter().find(|error| error.row == row);
                if let Some(failed) = failed {
                    errors.of_row(row_of(columns.bounds(), header), failed.error.clone());
                }
            }
        }
        let bytes = BinaryViewArray::from_iter((first..end).map(|header| {
            let (column, row) = values.place(header);
            cell(&encoded[column].bytes, row)
        }));
        let bounds: ScalarBuffer<u32> = columns.bounds().iter().map(|bound| bound - first as u32).collect();
        let keys = columns.keys().slice(first, end - first);
        Ok(HeaderPart::Each(HeaderColumns::new(bounds, keys, HeaderValues::Raw(bytes))))
    }
}

/// Replaces every part of the headers.
fn convert(
    records: &mut Records,
    out: &mut Transformed,
    mut convert: impl FnMut(&str, HeaderPart, &mut HeaderErrors) -> Result<HeaderPart>,
) -> Result<()> {
    let mut errors = HeaderErrors { rows: records.len(), errors: Vec::new() };
    let topic = std::sync::Arc::clone(&records.topic);
    let parts = records.columns.headers.parts().iter().cloned();
    let parts = parts.map(|part| convert(&topic, part, &mut errors)).collect::<Result<_>>()?;
    records.columns.headers = Headers::of_parts(parts);
    errors.errors.sort_by_key(|error| error.row);
    out.push_with_errors(records.clone(), errors.errors);
    Ok(())
}

/// Headers that failed, by the row that has them.
struct HeaderErrors {
    rows: usize,
    errors: Vec<RowError>,
}

impl HeaderErrors {
    fn of_row(&mut self, row: usize, error: Error) {
        self.errors.push(RowError { row, error });
    }

    fn of_every_row(&mut self, error: Error) {
        self.errors.extend((0..self.rows).map(|row| RowError { row, error: error.clone() }));
    }
}

/// The first and the last header of the rows, in the flattened columns.
fn span(columns: &HeaderColumns) -> (usize, usize) {
    let bounds = columns.bounds();
    (bounds.first().map_or(0, |first| *first as usize), bounds.last().map_or(0, |last| *last as usize))
}

fn row_of(bounds: &ScalarBuffer<u32>, header: usize) -> usize {
    bounds.partition_point(|bound| *bound as usize <= header).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::{
        Body, Columns, HeaderValueRef, Origin, Props, Run, SourceOffsets, SourcePartition, Timestamps,
        ValueRef,
    };
    use arrow_array::StringViewArray;

    use super::*;
    use crate::convert::{JSON_HEADERS, SIMPLE_HEADERS};

    fn records(headers: Headers) -> Records {
        let columns =
            Columns { key: Column::null(3), value: Column::null(3), headers, timestamps: Timestamps::None };
        let origin = Origin::Source { partition: SourcePartition::none(), offsets: SourceOffsets::None };
        let run = Run { topic: Arc::from("t"), partition: None, origin, body: Body::Columns(columns) };
        Records::of_run(run).unwrap()
    }

    fn bytes(values: &[&str]) -> BinaryViewArray {
        BinaryViewArray::from_iter_values(values.iter().map(|value| value.as_bytes()))
    }

    fn raw() -> Headers {
        Headers::new(vec![0, 1, 1, 3].into(), bytes(&["a", "b", "c"]), bytes(&["1", "{", "\"x\""]))
    }

    fn json() -> Box<dyn HeaderConverter> {
        let props = Props::from_iter([("schemas.enable".to_owned(), "false".to_owned())]);
        (JSON_HEADERS.create)(&props).unwrap()
    }

    #[test]
    fn headers_are_decoded_and_a_record_fails_with_its_header() {
        let mut out = Transformed::default();
        let mut cut = records(raw()).slice(1, 2);
        cut.columns.headers.push_same(Arc::from(&b"d"[..]), Column::raw(bytes(&["true"])));
        DecodeHeaders(json()).apply(cut, &mut out).unwrap();
        let (pieces, errors) = out.into_parts();
        assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [2]);
        let left: Vec<_> = pieces[0].columns.headers.iter(0).collect();
        assert_eq!((pieces.len(), pieces[0].len(), left.len()), (1, 1, 1));
        assert!(matches!(left[0].value, HeaderValueRef::Connect(_, ValueRef::Boolean(true))));
    }

    #[test]
    fn connect_data_becomes_bytes_and_raw_headers_stay() {
        let mut headers = raw();
        let value = Column::strings(StringViewArray::from_iter_values(["prod"]));
        headers.push_same(Arc::from(&b"env"[..]), value);
        let mut out = Transformed::default();
        let simple = (SIMPLE_HEADERS.create)(&Props::new()).unwrap();
        EncodeHeaders(simple).apply(records(headers).slice(2, 1), &mut out).unwrap();
        let (pieces, errors) = out.into_parts();
        assert!(errors.is_empty());
        let shown: Vec<_> = pieces[0].columns.headers.row(0).collect();
        let expected: [(&[u8], Option<&[u8]>); 3] =
            [(b"b", Some(b"{")), (b"c", Some(b"\"x\"")), (b"env", Some(b"prod"))];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_was_decoded_is_encoded_again_value_by_value() {
        let headers =
            Headers::new(vec![0, 1, 1, 3].into(), bytes(&["a", "b", "c"]), bytes(&["1", "[2]", "\"x\""]));
        let mut out = Transformed::default();
        DecodeHeaders(json()).apply(records(headers), &mut out).unwrap();
        let mut again = Transformed::default();
        for piece in out.into_parts().0 {
            EncodeHeaders(json()).apply(piece, &mut again).unwrap();
        }
        let (pieces, errors) = again.into_parts();
        assert!(errors.is_empty() && pieces[0].columns.headers.is_raw());
        let values: Vec<_> = (0..3)
            .map(|row| pieces[0].columns.headers.row(row).map(|(_, value)| value).collect::<Vec<_>>())
            .collect();
        let expected: [Vec<Option<&[u8]>>; 3] =
            [vec![Some(b"1")], vec![], vec![Some(b"[2]"), Some(b"\"x\"")]];
        assert_eq!(values, expected);
    }
}
