//! Rows of differing shapes on a tape: what schemaless records are held in when columns don't pay.
//!
//! All values of all rows lie one after another in two buffers, one of nodes and one of text, in depth-first order; a container's
//! node says where its last descendant ends. A row is the index of its first node. Once the buffers have grown to a batch's size,
//! a row costs no allocation.

use std::ops::Range;
use std::sync::Arc;

use crate::value::{ListRef, MapRef, ValueRef};

/// One value, or the start of a container.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Null,
    Boolean(bool),
    Int64(i64),
    Float64(f64),
    /// A place in the text buffer.
    String {
        start: u32,
        len: u32,
    },
    /// A place in the text buffer.
    Bytes {
        start: u32,
        len: u32,
    },
    /// `count` values follow; the node after the last descendant is `end`.
    Array {
        count: u32,
        end: u32,
    },
    /// `count` entries follow, each a key and a value.
    Map {
        count: u32,
        end: u32,
    },
}

#[derive(Debug, Default)]
struct Tape {
    nodes: Vec<Node>,
    text: String,
    bytes: Vec<u8>,
    /// First node of each row.
    rows: Vec<u32>,
}

impl Tape {
    fn value(&self, at: usize) -> ValueRef<'_> {
        match self.nodes[at] {
            Node::Null => ValueRef::Null,
            Node::Boolean(value) => ValueRef::Boolean(value),
            Node::Int64(value) => ValueRef::Int64(value),
            Node::Float64(value) => ValueRef::Float64(value),
            Node::String { start, len } => ValueRef::String(&self.text[start as usize..][..len as usize]),
            Node::Bytes { start, len } => ValueRef::Bytes(&self.bytes[start as usize..][..len as usize]),
            Node::Array { count, .. } => ValueRef::Array(ListRef::on_tape(TapeIter {
                tape: self,
                at: at + 1,
                remaining: count as usize,
            })),
            Node::Map { count, .. } => {
                let values = TapeIter { tape: self, at: at + 1, remaining: 2 * count as usize };
                ValueRef::Map(MapRef::on_tape(TapeMap(values)))
            }
        }
    }

    /// The node after the value at `at`.
    fn after(&self, at: usize) -> usize {
        match self.nodes[at] {
            Node::Array { end, .. } | Node::Map { end, .. } => end as usize,
            _ => at + 1,
        }
    }
}

/// Values that follow one another on a tape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapeIter<'a> {
    tape: &'a Tape,
    at: usize,
    remaining: usize,
}

impl TapeIter<'_> {
    pub(crate) fn remaining(&self) -> usize {
        self.remaining
    }
}

impl<'a> Iterator for TapeIter<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let value = self.tape.value(self.at);
        self.at = self.tape.after(self.at);
        Some(value)
    }
}

/// Keys and values in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapeMap<'a>(TapeIter<'a>);

impl<'a> TapeMap<'a> {
    pub(crate) fn len(&self) -> usize {
        self.0.remaining / 2
    }

    pub(crate) fn iter(&self) -> TapeIter<'a> {
        self.0
    }
}

/// Rows on a shared tape. Cloning and slicing copy nothing.
#[derive(Debug, Clone)]
pub struct Rows {
    tape: Arc<Tape>,
    range: Range<usize>,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Rows `start..start + len`.
    ///
    /// # Panics
    /// When the range lies outside: a bug of the caller.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Rows {
        assert!(start + len <= self.len(), "slice {start}+{len} of {} rows", self.len());
        let start = self.range.start + start;
        Rows { tape: Arc::clone(&self.tape), range: start..start + len }
    }

    /// One row.
    ///
    /// # Panics
    /// When there is no such row: a bug of the caller.
    pub fn row(&self, index: usize) -> ValueRef<'_> {
        assert!(index < self.len(), "row {index} of {}", self.len());
        self.tape.value(self.tape.rows[self.range.start + index] as usize)
    }

    /// Bytes of the whole tape, however much of it is shown.
    pub fn memory_bytes(&self) -> usize {
        self.tape.nodes.len() * size_of::<Node>() + self.tape.text.len() + self.tape.bytes.len()
    }
}

/// Writes a tape, value by value in depth-first order.
#[derive(Debug, Default)]
pub struct RowsBuilder {
    tape: Tape,
    /// Containers begun and not ended: their node, and values in them so far.
    open: Vec<(usize, u32)>,
}

/// A place to go back to, see [`RowsBuilder::rewind`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    nodes: usize,
    text: usize,
    bytes: usize,
    open: usize,
    /// Values in the innermost open container.
    count: u32,
}

impl RowsBuilder {
    /// A null.
    pub fn null(&mut self) {
        self.push(Node::Null);
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.push(Node::Boolean(value));
    }

    /// An integer.
    pub fn int64(&mut self, value: i64) {
        self.push(Node::Int64(value));
    }

    /// A number.
    pub fn float64(&mut self, value: f64) {
        self.push(Node::Float64(value));
    }

    /// Text; it is copied.
    pub fn string(&mut self, value: &str) {
        let start = position(self.tape.text.len());
        self.tape.text.push_str(value);
        self.push(Node::String { start, len: position(value.len()) });
    }

    /// Bytes; they are copied.
    pub fn bytes(&mut self, value: &[u8]) {
        let start = position(self.tape.bytes.len());
        self.tape.bytes.extend_from_slice(value);
        self.push(Node::Bytes { start, len: position(value.len()) });
    }

    /// Begins a list: the values up to [`RowsBuilder::end_array`] are its items.
    pub fn begin_array(&mut self) {
        self.begin(Node::Array { count: 0, end: 0 });
    }

    /// Ends a list.
    pub fn end_array(&mut self) {
        let (at, count) = self.open.pop().expect("end_array follows begin_array");
        let end = position(self.tape.nodes.len());
        self.tape.nodes[at] = Node::Array { count, end };
    }

    /// Begins a map: the values up to [`RowsBuilder::end_map`] are its keys and values in turn.
    pub fn begin_map(&mut self) {
        self.begin(Node::Map { count: 0, end: 0 });
    }

    /// Ends a map.
    pub fn end_map(&mut self) {
        let (at, count) = self.open.pop().expect("end_map follows begin_map");
        debug_assert!(count.is_multiple_of(2), "a key without a value");
        let end = position(self.tape.nodes.len());
        self.tape.nodes[at] = Node::Map { count: count / 2, end };
    }

    /// Where the tape is now.
    pub fn mark(&self) -> Mark {
        Mark {
            nodes: self.tape.nodes.len(),
            text: self.tape.text.len(),
            bytes: self.tape.bytes.len(),
            open: self.open.len(),
            count: self.open.last().map_or(0, |(_, count)| *count),
        }
    }

    /// Forgets everything written since `mark`, containers begun since included.
    pub fn rewind(&mut self, mark: Mark) {
        self.tape.nodes.truncate(mark.nodes);
        self.tape.text.truncate(mark.text);
        self.tape.bytes.truncate(mark.bytes);
        self.open.truncate(mark.open);
        if let Some((_, count)) = self.open.last_mut() {
            *count = mark.count;
        }
    }

    /// Ends a row. Exactly one value was written since the last one.
    ///
    /// # Panics
    /// When that is not so: a bug of the caller.
    pub fn finish_row(&mut self) {
        let start = match self.tape.rows.last() {
            Some(row) => self.tape.after(*row as usize),
            None => 0,
        };
        assert!(self.open.is_empty(), "a row ends outside of containers");
        assert!(
            start < self.tape.nodes.len() && self.tape.after(start) == self.tape.nodes.len(),
            "a row is one value"
        );
        self.tape.rows.push(position(start));
    }

    /// Rows ended so far.
    pub fn len(&self) -> usize {
        self.tape.rows.len()
    }

    /// Whether no row was ended yet.
    pub fn is_empty(&self) -> bool {
        self.tape.rows.is_empty()
    }

    /// The rows.
    pub fn finish(self) -> Rows {
        let range = 0..self.tape.rows.len();
        Rows { tape: Arc::new(self.tape), range }
    }

    fn begin(&mut self, node: Node) {
        let at = self.tape.nodes.len();
        self.push(node);
        self.open.push((at, 0));
    }

    fn push(&mut self, node: Node) {
        self.tape.nodes.push(node);
        if let Some((_, count)) = self.open.last_mut() {
            *count += 1;
        }
    }
}

/// Places on a tape are 32-bit. A tape holds one batch, which the byte budgets keep far below that.
fn position(at: usize) -> u32 {
    u32::try_from(at).expect("a tape holds one batch, which is far smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Value;

    fn write(builder: &mut RowsBuilder, value: &Value) {
        match value {
            Value::Boolean(value) => builder.boolean(*value),
            Value::Int64(value) => builder.int64(*value),
            Value::Float64(value) => builder.float64(*value),
            Value::String(value) => builder.string(value),
            Value::Bytes(value) => builder.bytes(value),
            Value::Array(items) => {
                builder.begin_array();
                items.iter().for_each(|item| write(builder, item));
                builder.end_array();
            }
            Value::Map(entries) => {
                builder.begin_map();
                for (key, value) in entries {
                    write(builder, key);
                    write(builder, value);
                }
                builder.end_map();
            }
            _ => builder.null(),
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Int64),
            (-1e300..1e300).prop_map(Value::Float64),
            ".{0,5}".prop_map(Value::String),
            prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        /// What is written is read back, also around an abandoned row.
        #[test]
        fn reads_back_what_was_written(values in prop::collection::vec(any_value(), 1..6), abandoned in any_value()) {
            let mut builder = RowsBuilder::default();
            for value in &values {
                let mark = builder.mark();
                builder.begin_map();
                write(&mut builder, &abandoned);
                builder.rewind(mark);
                write(&mut builder, value);
                builder.finish_row();
            }
            let rows = builder.finish();
            let read: Vec<Value> = (0..rows.len()).map(|row| rows.row(row).to_owned()).collect();
            prop_assert_eq!(&read, &values);
            let tail = rows.slice(1, rows.len() - 1);
            prop_assert_eq!(tail.len(), values.len() - 1);
            prop_assert!((0..tail.len()).all(|row| tail.row(row).to_owned() == values[row + 1]));
        }
    }
}
