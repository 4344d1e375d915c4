//! Building a tape, row by row.

use std::hash::{BuildHasher, RandomState};

use arrow_buffer::Buffer;

use super::tape::{Extent, Node, Place, Rows, Tape};
use crate::decimal::DecimalRef;
use crate::error::{Error, Result};
use crate::value::ValueRef;

/// Containers may nest this deep, as in Java's JSON library.
pub const DEPTH_MAX: usize = 1000;

/// Objects with more entries look for duplicate keys by hash instead of by comparing each with each.
const PAIRWISE_ENTRIES_MAX: u32 = 8;

/// Builds [`Rows`].
///
/// A row is one value: a scalar, or `begin_…` to `end_…`. Within an object every value is preceded by [`RowsBuilder::key`]; a
/// key that comes again replaces the earlier value in its place, as Java's maps do. Calls out of order are bugs of the caller
/// and panic. Once the vectors have grown, no row allocates.
#[derive(Debug, Default)]
pub struct RowsBuilder {
    tape: Tape,
    /// Nodes of the containers not yet ended.
    open: Vec<u32>,
    /// First node, text byte and byte of the row being built.
    row: Start,
    scratch: Scratch,
}

#[derive(Debug, Default, Clone, Copy)]
struct Start {
    nodes: usize,
    text: usize,
    bytes: usize,
}

/// Memory for finding and removing duplicate keys.
#[derive(Debug, Default)]
struct Scratch {
    state: RandomState,
    hashes: Vec<(u64, u32)>,
    nodes: Vec<Node>,
}

impl RowsBuilder {
    /// An empty builder.
    pub fn new() -> RowsBuilder {
        RowsBuilder::default()
    }

    /// An empty builder with room for rows.
    pub fn with_capacity(rows: usize, nodes: usize, text_bytes: usize) -> RowsBuilder {
        let tape = Tape {
            nodes: Vec::with_capacity(nodes),
            rows: Vec::with_capacity(rows),
            text: String::with_capacity(text_bytes),
            ..Tape::default()
        };
        RowsBuilder { tape, ..RowsBuilder::default() }
    }

    /// Finished rows.
    pub fn len(&self) -> usize {
        self.tape.rows.len()
    }

    /// Whether no row is finished yet.
    pub fn is_empty(&self) -> bool {
        self.tape.rows.is_empty()
    }

    /// A finished row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, index: usize) -> ValueRef<'_> {
        self.tape.value(self.tape.rows[index])
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.tape.nodes.clear();
        self.tape.rows.clear();
        self.tape.text.clear();
        self.tape.bytes.clear();
        self.tape.buffers.clear();
        self.open.clear();
        self.row = Start::default();
    }

    /// Appends null.
    pub fn null(&mut self) {
        self.push(Node::Null);
    }

    /// Appends a boolean.
    pub fn boolean(&mut self, value: bool) {
        self.push(Node::Boolean(value));
    }

    /// Appends an 8-bit integer.
    pub fn int8(&mut self, value: i8) {
        self.push(Node::Int8(value));
    }

    /// Appends a 16-bit integer.
    pub fn int16(&mut self, value: i16) {
        self.push(Node::Int16(value));
    }

    /// Appends a 32-bit integer.
    pub fn int32(&mut self, value: i32) {
        self.push(Node::Int32(value));
    }

    /// Appends a 64-bit integer.
    pub fn int64(&mut self, value: i64) {
        self.push(Node::Int64(value));
    }

    /// Appends a 32-bit number.
    pub fn float32(&mut self, value: f32) {
        self.push(Node::Float32(value));
    }

    /// Appends a 64-bit number.
    pub fn float64(&mut self, value: f64) {
        self.push(Node::Float64(value));
    }

    /// Appends a copy of text.
    pub fn string(&mut self, value: &str) {
        let place = place(0, self.tape.text.len(), value.len());
        self.tape.text.push_str(value);
        self.push(Node::String(place));
    }

    /// Appends a copy of bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        let place = place(0, self.tape.bytes.len(), value.len());
        self.tape.bytes.extend_from_slice(value);
        self.push(Node::Bytes(place));
    }

    /// Appends a decimal.
    pub fn decimal(&mut self, value: DecimalRef<'_>) {
        let place = place(0, self.tape.bytes.len(), size_of::<i32>() + value.unscaled.len());
        self.tape.bytes.extend_from_slice(&value.scale.to_be_bytes());
        self.tape.bytes.extend_from_slice(value.unscaled);
        self.push(Node::Decimal(place));
    }

    /// Appends a moment in ms since 1970.
    pub fn date(&mut self, epoch_ms: i64) {
        self.push(Node::Date(epoch_ms));
    }

    /// Shares a buffer for [`RowsBuilder::string_in`] and returns its number.
    pub fn add_buffer(&mut self, buffer: Buffer) -> u32 {
        self.tape.buffers.push(buffer);
        self.tape.buffers.len() as u32
    }

    /// Appends text that lies in a shared buffer, without copying it.
    ///
    /// # Errors
    /// When it is not UTF-8.
    ///
    /// # Panics
    /// When the range lies outside of the buffer.
    pub fn string_in(&mut self, buffer: u32, start: usize, len: usize) -> Result<()> {
        let text = &self.tape.buffers[buffer as usize - 1][start..][..len];
        simdutf8::basic::from_utf8(text)
            .map_err(|error| Error::bad_record("text is not UTF-8").with_source(error.to_string()))?;
        self.push(Node::String(place(buffer, start, len)));
        Ok(())
    }

    /// Opens an array.
    ///
    /// # Errors
    /// When containers nest deeper than [`DEPTH_MAX`].
    pub fn begin_array(&mut self) -> Result<()> {
        self.begin(Node::Array(Extent { count: 0, nodes: 0 }))
    }

    /// Closes the innermost container, an array.
    pub fn end_array(&mut self) {
        let (index, nodes) = self.end();
        let Node::Array(extent) = &mut self.tape.nodes[index] else {
            panic!("an object is open, not an array")
        };
        extent.nodes = nodes;
    }

    /// Opens an object.
    ///
    /// # Errors
    /// When containers nest deeper than [`DEPTH_MAX`].
    pub fn begin_object(&mut self) -> Result<()> {
        self.begin(Node::Object(Extent { count: 0, nodes: 0 }))
    }

    /// Names the next value of the innermost object.
    pub fn key(&mut self, key: &str) {
        let place = place(0, self.tape.text.len(), key.len());
        self.tape.text.push_str(key);
        self.tape.nodes.push(Node::String(place));
    }

    /// Closes the innermost container, an object.
    pub fn end_object(&mut self) {
        let (index, nodes) = self.end();
        let Node::Object(extent) = &mut self.tape.nodes[index] else {
            panic!("an array is open, not an object")
        };
        extent.nodes = nodes;
        let count = extent.count;
        self.replace_duplicates(index as u32, count);
    }

    /// Ends the row.
    pub fn finish_row(&mut self) {
        assert!(self.open.is_empty(), "a container is still open");
        assert!(self.tape.nodes.len() > self.row.nodes, "a row is one value");
        self.tape.rows.push(u32_of(self.row.nodes));
        self.row = self.end_of_tape();
    }

    /// Forgets everything since the last finished row.
    pub fn abandon_row(&mut self) {
        self.tape.nodes.truncate(self.row.nodes);
        self.tape.text.truncate(self.row.text);
        self.tape.bytes.truncate(self.row.bytes);
        self.open.clear();
    }

    /// Appends a copy of a value made of scalars, lists and maps.
    ///
    /// # Errors
    /// When it nests too deep, or holds a struct.
    pub fn value(&mut self, value: ValueRef<'_>) -> Result<()> {
        match value {
            ValueRef::Null => self.null(),
            ValueRef::Boolean(value) => self.boolean(value),
            ValueRef::Int8(value) => self.int8(value),
            ValueRef::Int16(value) => self.int16(value),
            ValueRef::Int32(value) => self.int32(value),
            ValueRef::Int64(value) => self.int64(value),
            ValueRef::Float32(value) => self.float32(value),
            ValueRef::Float64(value) => self.float64(value),
            ValueRef::String(value) => self.string(value),
            ValueRef::Bytes(value) => self.bytes(value),
            ValueRef::Decimal(value) => self.decimal(value),
            ValueRef::Date(epoch_ms) => self.date(epoch_ms),
            ValueRef::Array(items) => {
                self.begin_array()?;
                for item in items.iter() {
                    self.value(item)?;
                }
                self.end_array();
            }
            ValueRef::Map(entries) if entries.has_text_keys() => {
                self.begin_object()?;
                for (key, value) in entries.iter() {
                    if let ValueRef::String(key) = key {
                        self.key(key);
                    }
                    self.value(value)?;
                }
                self.end_object();
            }
            ValueRef::Map(entries) => {
                self.begin(Node::Map(Extent { count: 0, nodes: 0 }))?;
                for (key, value) in entries.iter() {
                    self.value(key)?;
                    self.value(value)?;
                }
                let (index, nodes) = self.end();
                self.tape.nodes[index] = Node::Map(Extent { count: u32_of(entries.len()), nodes });
            }
            ValueRef::Struct(_) => return Err(Error::bad_record("rows hold no structs")),
        }
        Ok(())
    }

    /// The rows; the builder starts anew.
    ///
    /// # Panics
    /// When a row is not finished.
    pub fn finish(&mut self) -> Rows {
        assert_eq!(self.tape.nodes.len(), self.row.nodes, "the last row is not finished");
        self.row = Start::default();
        Rows::new(std::mem::take(&mut self.tape))
    }

    fn end_of_tape(&self) -> Start {
        Start { nodes: self.tape.nodes.len(), text: self.tape.text.len(), bytes: self.tape.bytes.len() }
    }

    /// Appends a value and counts it in its container. Keys go past this.
    #[inline]
    fn push(&mut self, node: Node) {
        match self.open.last() {
            Some(&parent) => match &mut self.tape.nodes[parent as usize] {
                Node::Array(extent) | Node::Object(extent) | Node::Map(extent) => extent.count += 1,
                _ => unreachable!("only containers are opened"),
            },
            None => assert_eq!(self.tape.nodes.len(), self.row.nodes, "a row is one value"),
        }
        self.tape.nodes.push(node);
    }

    fn begin(&mut self, node: Node) -> Result<()> {
        if self.open.len() == DEPTH_MAX {
            return Err(Error::bad_record(format!("values nest deeper than {DEPTH_MAX}")));
        }
        self.push(node);
        self.open.push(u32_of(self.tape.nodes.len() - 1));
        Ok(())
    }

    fn end(&mut self) -> (usize, u32) {
        let index = self.open.pop().expect("a container is open") as usize;
        (index, u32_of(self.tape.nodes.len() - index - 1))
    }

    fn key_at(&self, node: u32) -> &str {
        match self.tape.nodes[node as usize] {
            Node::String(place) => self.tape.text(place),
            _ => panic!("a value of an object comes without key"),
        }
    }

    /// Lets later entries replace earlier ones with the same key.
    fn replace_duplicates(&mut self, object: u32, count: u32) {
        let is_unique = if count <= PAIRWISE_ENTRIES_MAX {
            self.is_unique_pairwise(object, count)
        } else {
            self.is_unique_by_hash(object, count)
        };
        if !is_unique {
            self.rebuild(object, count);
        }
    }

    fn is_unique_pairwise(&self, object: u32, count: u32) -> bool {
        let mut keys = [""; PAIRWISE_ENTRIES_MAX as usize];
        let mut next = object + 1;
        for index in 0..count as usize {
            let key = self.key_at(next);
            if keys[..index].contains(&key) {
                return false;
            }
            keys[index] = key;
            next = self.tape.after(next + 1);
        }
        true
    }

    fn is_unique_by_hash(&mut self, object: u32, count: u32) -> bool {
        let mut hashes = std::mem::take(&mut self.scratch.hashes);
        self.hash_keys(object, count, &mut hashes);
        hashes.sort_unstable();
        let is_unique = hashes
            .windows(2)
            .all(|pair| pair[0].0 != pair[1].0 || self.key_at(pair[0].1) != self.key_at(pair[1].1));
        self.scratch.hashes = hashes;
        is_unique
    }

    fn hash_keys(&self, object: u32, count: u32, hashes: &mut Vec<(u64, u32)>) {
        hashes.clear();
        let mut next = object + 1;
        for _ in 0..count {
            hashes.push((self.scratch.state.hash_one(self.key_at(next)), next));
            next = self.tape.after(next + 1);
        }
    }

    /// Writes the object again without its replaced entries. Rare, so it may cost n log n and hold a copy.
    fn rebuild(&mut self, object: u32, count: u32) {
        let mut hashes = std::mem::take(&mut self.scratch.hashes);
        let mut copy = std::mem::take(&mut self.scratch.nodes);
        self.hash_keys(object, count, &mut hashes);
        // Same keys end up side by side in order of insertion: those of one hash are told apart by text.
        hashes.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.key_at(a.1).cmp(self.key_at(b.1))).then(a.1.cmp(&b.1))
        });
        // (place of the first entry with a key, place of the last one: the value that stays)
        let mut kept: Vec<(u32, u32)> = Vec::new();
        for group in hashes.chunk_by(|a, b| a.0 == b.0 && self.key_at(a.1) == self.key_at(b.1)) {
            kept.push((group[0].1, group[group.len() - 1].1));
        }
        kept.sort_unstable();
        copy.clear();
        for (_, last) in &kept {
            copy.extend_from_slice(&self.tape.nodes[*last as usize..self.tape.after(last + 1) as usize]);
        }
        self.tape.nodes.truncate(object as usize + 1);
        self.tape.nodes.extend_from_slice(&copy);
        self.tape.nodes[object as usize] =
            Node::Object(Extent { count: u32_of(kept.len()), nodes: u32_of(copy.len()) });
        self.scratch.hashes = hashes;
        self.scratch.nodes = copy;
    }
}

fn place(source: u32, start: usize, len: usize) -> Place {
    // `start + len` is checked too: the tape adds them as u32.
    let _end = u32_of(start + len);
    Place { source, start: u32_of(start), len: u32_of(len) }
}

/// Batches are a few MB; a tape that comes near 4 GiB is a bug of its maker.
fn u32_of(count: usize) -> u32 {
    u32::try_from(count).expect("the rows of one column stay below 4 GiB")
}
