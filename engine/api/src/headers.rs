//! Record headers: as Kafka holds them until somebody asks, as Connect data after a header converter or a transform made them.

use std::sync::Arc;

use arrow_array::{Array, BinaryViewArray};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};

use crate::column::Column;
use crate::schema::SchemaRef;
use crate::value::ValueRef;
use crate::views::gather;

/// Headers of all records of a run: parts, whose headers follow one another within each record. Keys may repeat and order is kept.
///
/// ```text
///            part 0 (Each)                 part 1 (Same)
/// record 0   trace=17  host=a              env=prod
/// record 1   trace=18                      env=prod
/// ```
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// The parts in order; usually none or one. Each covers all rows.
    parts: Vec<HeaderPart>,
}

/// Some of the headers of every record of a run.
#[derive(Debug, Clone)]
pub enum HeaderPart {
    /// Any headers.
    Each(HeaderColumns),
    /// The same header in every record: costs nothing per row.
    Same {
        /// The header's key.
        key: Arc<[u8]>,
        /// Its value: a column of one row. [`Data::Raw`](crate::Data::Raw) is bytes as Kafka holds them, all else is Connect data.
        value: Column,
    },
}

/// The flattened headers of the rows of a run.
#[derive(Debug, Clone)]
pub struct HeaderColumns {
    /// `bounds[row]..bounds[row + 1]` are the headers of `row`.
    bounds: ScalarBuffer<u32>,
    keys: BinaryViewArray,
    values: HeaderValues,
}

/// The values of flattened headers.
#[derive(Debug, Clone)]
pub enum HeaderValues {
    /// Bytes as Kafka holds them.
    Raw(BinaryViewArray),
    /// Connect data: one header is a number, the next one text.
    Connect(ConnectHeaders),
}

/// Values of differing schemas: one column for each schema (or several), and where each header's value lies. Like Arrow's dense union.
#[derive(Debug, Clone)]
pub struct ConnectHeaders {
    columns: Arc<[Column]>,
    /// Which column.
    column_of: ScalarBuffer<u32>,
    /// Which row of it.
    row_of: ScalarBuffer<u32>,
}

/// One header, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct HeaderRef<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: HeaderValueRef<'a>,
}

/// The value of one header, borrowed.
#[derive(Debug, Clone, Copy)]
pub enum HeaderValueRef<'a> {
    /// Bytes as Kafka holds them.
    Raw(Option<&'a [u8]>),
    /// Connect data with its schema.
    Connect(Option<&'a SchemaRef>, ValueRef<'a>),
}

impl Headers {
    /// No record has headers: costs nothing per row.
    pub fn none() -> Headers {
        Headers::default()
    }

    /// Headers `bounds[row]..bounds[row + 1]` of the flattened keys and values, bytes as Kafka holds them, belong to `row`.
    ///
    /// # Panics
    /// When the lengths don't fit: a bug of the caller.
    pub fn new(bounds: ScalarBuffer<u32>, keys: BinaryViewArray, values: BinaryViewArray) -> Headers {
        Headers::of_parts(vec![HeaderPart::Each(HeaderColumns::new(bounds, keys, HeaderValues::Raw(values)))])
    }

    /// Headers made of parts that cover the same rows.
    pub fn of_parts(parts: Vec<HeaderPart>) -> Headers {
        Headers { parts }
    }

    /// The parts.
    pub fn parts(&self) -> &[HeaderPart] {
        &self.parts
    }

    /// Adds headers to the end of every record's; the part covers the same rows.
    pub fn push(&mut self, part: HeaderPart) {
        self.parts.push(part);
    }

    /// Adds a header to the end of every record's.
    ///
    /// # Panics
    /// When `value` has not one row: a bug of the caller.
    pub fn push_same(&mut self, key: Arc<[u8]>, value: Column) {
        assert_eq!(value.len(), 1, "the value of a header");
        self.parts.push(HeaderPart::Same { key, value });
    }

    /// Leaves only the headers whose key `keep` is true of; the order of those stays.
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let parts = std::mem::take(&mut self.parts);
        self.parts.extend(parts.into_iter().filter_map(|part| match part {
            HeaderPart::Each(columns) => columns.retained(&keep).map(HeaderPart::Each),
            HeaderPart::Same { key, value } => keep(&key).then_some(HeaderPart::Same { key, value }),
        }));
    }

    /// Whether no record has a header.
    pub fn is_none(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether all values are bytes as Kafka holds them.
    pub fn is_raw(&self) -> bool {
        self.parts.iter().all(|part| match part {
            HeaderPart::Each(columns) => matches!(columns.values, HeaderValues::Raw(_)),
            HeaderPart::Same { value, .. } => matches!(value.data, crate::Data::Raw(_)),
        })
    }

    /// The headers of one record, in order.
    pub fn iter(&self, row: usize) -> impl Iterator<Item = HeaderRef<'_>> + Clone {
        self.parts.iter().flat_map(move |part| {
            let len = match part {
                HeaderPart::Each(columns) => columns.range(row).len(),
                HeaderPart::Same { .. } => 1,
            };
            (0..len).map(move |index| match part {
                HeaderPart::Each(columns) => columns.header(columns.bounds[row] as usize + index),
                HeaderPart::Same { key, value } => HeaderRef { key, value: value_of(value, 0) },
            })
        })
    }

    /// The headers of one record, in order: key and value bytes. Where headers were converted those come as null: the engine hands
    /// raw ones to whoever did not ask for others.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
        self.iter(row).map(|header| match header.value {
            HeaderValueRef::Raw(value) => (header.key, value),
            HeaderValueRef::Connect(..) => (header.key, None),
        })
    }

    /// Headers of rows `start..start + len`.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Headers {
        let parts = self.parts.iter().map(|part| match part {
            HeaderPart::Each(columns) => HeaderPart::Each(HeaderColumns {
                bounds: columns.bounds.slice(start, len + 1),
                keys: columns.keys.clone(),
                values: columns.values.clone(),
            }),
            same @ HeaderPart::Same { .. } => same.clone(),
        });
        Headers { parts: parts.collect() }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let bytes = self.parts.iter().map(|part| match part {
            HeaderPart::Each(columns) => {
                let values = match &columns.values {
                    HeaderValues::Raw(values) => values.get_buffer_memory_size(),
                    HeaderValues::Connect(values) => values.columns.iter().map(Column::memory_bytes).sum(),
                };
                columns.keys.get_buffer_memory_size() + values
            }
            HeaderPart::Same { key, value } => key.len() + value.memory_bytes(),
        });
        bytes.sum()
    }
}

impl HeaderColumns {
    /// Headers `bounds[row]..bounds[row + 1]` of the flattened keys and values belong to `row`.
    ///
    /// # Panics
    /// When the lengths don't fit: a bug of the caller.
    pub fn new(bounds: ScalarBuffer<u32>, keys: BinaryViewArray, values: HeaderValues) -> HeaderColumns {
        let count = *bounds.last().expect("bounds hold rows + 1 entries") as usize;
        assert!(count <= keys.len(), "header bounds reach beyond the keys");
        assert_eq!(keys.len(), values.len(), "one value for each header key");
        HeaderColumns { bounds, keys, values }
    }

    /// Where the headers of each row begin, and where those of the last one end: one entry more than rows. Slices of a run share keys and
    /// values, so the first entry need not be 0.
    pub fn bounds(&self) -> &ScalarBuffer<u32> {
        &self.bounds
    }

    /// The keys of all headers.
    pub fn keys(&self) -> &BinaryViewArray {
        &self.keys
    }

    /// The values of all headers.
    pub fn values(&self) -> &HeaderValues {
        &self.values
    }

    /// The headers of one record: places in keys and values.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.bounds[row] as usize..self.bounds[row + 1] as usize
    }

    /// Without the headers whose key `keep` is false of; `None` where none is left.
    fn retained(self, keep: impl Fn(&[u8]) -> bool) -> Option<HeaderColumns> {
        let first = *self.bounds.first()? as usize;
        let end = *self.bounds.last()? as usize;
        let is_kept = BooleanBuffer::collect_bool(end - first, |index| keep(self.keys.value(first + index)));
        match is_kept.count_set_bits() {
            0 => return None,
            count if count == is_kept.len() => return Some(self),
            _ => {}
        }
        let left: Vec<u32> = is_kept.set_indices().map(|index| (first + index) as u32).collect();
        let before = |bound: &u32| left.partition_point(|index| index < bound) as u32;
        let values = match &self.values {
            HeaderValues::Raw(values) => HeaderValues::Raw(gather(values, &left)),
            HeaderValues::Connect(values) => HeaderValues::Connect(ConnectHeaders {
                columns: Arc::clone(&values.columns),
                column_of: left.iter().map(|index| values.column_of[*index as usize]).collect(),
                row_of: left.iter().map(|index| values.row_of[*index as usize]).collect(),
            }),
        };
        let bounds = self.bounds.iter().map(before).collect();
        Some(HeaderColumns::new(bounds, gather(&self.keys, &left), values))
    }

    fn header(&self, index: usize) -> HeaderRef<'_> {
        let value = match &self.values {
            HeaderValues::Raw(values) => {
                HeaderValueRef::Raw(values.is_valid(index).then(|| values.value(index)))
            }
            HeaderValues::Connect(values) => {
                let (column, row) = values.place(index);
                value_of(&values.columns[column], row)
            }
        };
        HeaderRef { key: self.keys.value(index), value }
    }
}

impl HeaderValues {
    /// Headers of all rows together.
    pub fn len(&self) -> usize {
        match self {
            HeaderValues::Raw(values) => values.len(),
            HeaderValues::Connect(values) => values.column_of.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ConnectHeaders {
    /// The value of header `i` is row `row_of[i]` of column `column_of[i]`.
    ///
    /// # Panics
    /// When one lies outside: a bug of the caller.
    pub fn new(
        columns: Vec<Column>,
        column_of: ScalarBuffer<u32>,
        row_of: ScalarBuffer<u32>,
    ) -> ConnectHeaders {
        assert_eq!(column_of.len(), row_of.len(), "one place for each header");
        let is_inside = |(column, row): (&u32, &u32)| {
            columns.get(*column as usize).is_some_and(|column| (*row as usize) < column.len())
        };
        assert!(column_of.iter().zip(row_of.iter()).all(is_inside), "a header's value lies outside");
        ConnectHeaders { columns: columns.into(), column_of, row_of }
    }

    /// Stretches of one schema each, which follow one another: what a converter gives.
    pub fn of_segments(columns: Vec<Column>) -> ConnectHeaders {
        let places = || {
            columns
                .iter()
                .enumerate()
                .flat_map(|(index, column)| (0..column.len()).map(move |row| (index as u32, row as u32)))
        };
        let column_of = places().map(|(column, _)| column).collect();
        let row_of = places().map(|(_, row)| row).collect();
        ConnectHeaders { columns: columns.into(), column_of, row_of }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Column and row of a header's value.
    pub fn place(&self, index: usize) -> (usize, usize) {
        (self.column_of[index] as usize, self.row_of[index] as usize)
    }
}

/// Raw columns hold bytes as Kafka has them.
fn value_of(column: &Column, row: usize) -> HeaderValueRef<'_> {
    match &column.data {
        crate::Data::Raw(bytes) => HeaderValueRef::Raw(bytes.is_valid(row).then(|| bytes.value(row))),
        _ => HeaderValueRef::Connect(column.schema.as_ref(), column.row(row)),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;

    use super::*;

    fn shown(headers: &Headers, row: usize) -> Vec<String> {
        let show = |header: HeaderRef<'_>| {
            let value = match header.value {
                HeaderValueRef::Raw(value) => format!("{:?}", value.map(String::from_utf8_lossy)),
                HeaderValueRef::Connect(_, value) => crate::java_text::to_string(value),
            };
            format!("{}={value}", String::from_utf8_lossy(header.key))
        };
        headers.iter(row).map(show).collect()
    }

    /// Goal: parts of differing kinds read as one list per record, also after the run was cut.
    #[test]
    fn parts_follow_one_another_within_each_record() {
        let bytes = |values: &[&[u8]]| BinaryViewArray::from_iter_values(values.iter().copied());
        let keys = bytes(&[b"a", b"b", b"a"]);
        let columns = vec![
            Column::strings(StringViewArray::from_iter_values(["x", "y"])),
            Column::raw(bytes(&[b"raw"])),
        ];
        let connect = ConnectHeaders::new(columns, vec![0, 1, 0].into(), vec![1, 0, 0].into());
        let bounds: ScalarBuffer<u32> = vec![0, 0, 2, 3].into();
        let each = HeaderColumns::new(bounds, keys, HeaderValues::Connect(connect));
        let mut headers = Headers::of_parts(vec![HeaderPart::Each(each)]);
        headers
            .push_same(Arc::from(&b"env"[..]), Column::strings(StringViewArray::from_iter_values(["prod"])));
        assert_eq!(shown(&headers, 0), ["env=prod"]);
        assert_eq!(shown(&headers, 1), ["a=y", "b=Some(\"raw\")", "env=prod"]);
        let mut without = headers.slice(1, 2);
        without.retain(|key| key != b"b" && key != b"env");
        assert_eq!(
            (shown(&without, 0), shown(&without, 1)),
            (vec!["a=y".to_owned()], vec!["a=x".to_owned()])
        );
        without.retain(|key| key != b"a");
        assert!(without.is_none());
        let cut = headers.slice(2, 1);
        assert_eq!(shown(&cut, 0), ["a=x", "env=prod"]);
        assert!(!cut.is_raw());
        assert!(Headers::none().is_raw());
    }
}
