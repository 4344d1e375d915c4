//! The tape and the view on it.

use std::sync::Arc;

use arrow_buffer::Buffer;

use crate::decimal::DecimalRef;
use crate::value::{ListRef, MapRef, ValueRef};

/// One value. A container is followed by its children; an object's children alternate between key and value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    String(Place),
    Bytes(Place),
    /// Four bytes of scale, then the unscaled value.
    Decimal(Place),
    Date(i64),
    Array(Extent),
    Object(Extent),
    /// An object with other keys than text.
    Map(Extent),
}

/// Where bytes lie: source 0 is the tape's own store, n is shared buffer n − 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) source: u32,
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// Size of a container: children (entries for an object), and nodes after its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) count: u32,
    pub(crate) nodes: u32,
}

/// The storage shared by all slices.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) nodes: Vec<Node>,
    pub(crate) rows: Vec<u32>,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) buffers: Vec<Buffer>,
}

/// Values of a container not yet visited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapeRange {
    pub(crate) next: u32,
    pub(crate) count: u32,
}

impl Tape {
    pub(crate) fn value(&self, index: u32) -> ValueRef<'_> {
        match self.nodes[index as usize] {
            Node::Null => ValueRef::Null,
            Node::Boolean(value) => ValueRef::Boolean(value),
            Node::Int8(value) => ValueRef::Int8(value),
            Node::Int16(value) => ValueRef::Int16(value),
            Node::Int32(value) => ValueRef::Int32(value),
            Node::Int64(value) => ValueRef::Int64(value),
            Node::Float32(value) => ValueRef::Float32(value),
            Node::Float64(value) => ValueRef::Float64(value),
            Node::String(place) => ValueRef::String(self.text(place)),
            Node::Bytes(place) => ValueRef::Bytes(self.bytes(place)),
            Node::Decimal(place) => ValueRef::Decimal(self.decimal(place)),
            Node::Date(epoch_ms) => ValueRef::Date(epoch_ms),
            Node::Array(extent) => {
                ValueRef::Array(ListRef::of_tape(self, TapeRange { next: index + 1, count: extent.count }))
            }
            Node::Object(extent) | Node::Map(extent) => {
                ValueRef::Map(MapRef::of_tape(self, TapeRange { next: index + 1, count: extent.count }))
            }
        }
    }

    /// The text of a [`Node::String`].
    pub(crate) fn text(&self, place: Place) -> &str {
        let range = place.start as usize..(place.start + place.len) as usize;
        if place.source == 0 {
            return &self.text[range];
        }
        let bytes = &self.buffers[place.source as usize - 1][range];
        // SAFETY: `RowsBuilder::string_in` checked these bytes of this immutable buffer when it made the node.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    fn bytes(&self, place: Place) -> &[u8] {
        let range = place.start as usize..(place.start + place.len) as usize;
        if place.source == 0 { &self.bytes[range] } else { &self.buffers[place.source as usize - 1][range] }
    }

    fn decimal(&self, place: Place) -> DecimalRef<'_> {
        let (scale, unscaled) =
            self.bytes(place).split_first_chunk().expect("a decimal begins with its scale");
        DecimalRef { unscaled, scale: i32::from_be_bytes(*scale) }
    }

    /// The node after the value at `index`.
    pub(crate) fn after(&self, index: u32) -> u32 {
        match self.nodes[index as usize] {
            Node::Array(extent) | Node::Object(extent) | Node::Map(extent) => index + 1 + extent.nodes,
            _ => index + 1,
        }
    }

    pub(crate) fn next(&self, range: &mut TapeRange) -> Option<ValueRef<'_>> {
        range.count = range.count.checked_sub(1)?;
        let value = self.value(range.next);
        range.next = self.after(range.next);
        Some(value)
    }

    pub(crate) fn next_entry(&self, range: &mut TapeRange) -> Option<(ValueRef<'_>, ValueRef<'_>)> {
        range.count = range.count.checked_sub(1)?;
        let value = self.after(range.next);
        let entry = (self.value(range.next), self.value(value));
        range.next = self.after(value);
        Some(entry)
    }
}

/// Schemaless rows of any shape, sharing one tape.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    tape: Arc<Tape>,
    start: usize,
    len: usize,
}

impl Rows {
    pub(super) fn new(tape: Tape) -> Rows {
        let len = tape.rows.len();
        Rows { tape: Arc::new(tape), start: 0, len }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rows `start..start + len`, sharing the tape.
    ///
    /// # Panics
    /// When the range is outside of the rows: a bug of the caller.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Rows {
        assert!(start + len <= self.len, "slice {start}+{len} of {} rows", self.len);
        Rows { tape: Arc::clone(&self.tape), start: self.start + start, len }
    }

    /// One row.
    ///
    /// # Panics
    /// When there is no such row: a bug of the caller.
    pub fn row(&self, index: usize) -> ValueRef<'_> {
        assert!(index < self.len, "row {index} of {}", self.len);
        self.tape.value(self.tape.rows[self.start + index])
    }

    /// Bytes that the whole tape keeps alive, however small the slice.
    pub fn memory_bytes(&self) -> usize {
        let tape = &*self.tape;
        let shared: usize = tape.buffers.iter().map(Buffer::capacity).sum();
        tape.nodes.capacity() * size_of::<Node>()
            + tape.rows.capacity() * size_of::<u32>()
            + tape.text.capacity()
            + tape.bytes.capacity()
            + shared
    }
}
