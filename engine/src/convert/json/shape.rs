//! A learned shape: the text between the values of a record, and where each value goes.
//!
//! A record is read by comparing the text before each value with the learned one, byte for byte, and then reading just the value.
//! Equal text between values means equal structure, so what is read is what the general parser would find. Any
//! difference is a miss: the record is taken back and read by the general parser.

use std::collections::HashSet;

use api::Type;
use arrow_buffer::NullBufferBuilder;

use super::columns::{ColumnId, Columns, ROOT, Values};
use super::general::{Json, Kind, Parser};
use super::views::Block;
use super::{logical, number, scan};

/// Values, and columns, of a shape; records with more are read by the general parser.
const SLOTS_MAX: usize = 1000;
/// Nested objects of a shape.
const DEPTH_MAX: usize = 16;

/// A learned shape for certain [`Columns`].
#[derive(Debug)]
pub(super) struct Shape {
    /// The record that taught it.
    text: Vec<u8>,
    slots: Vec<Slot>,
    /// The text behind the last value.
    tail: Literal,
    /// Structs that a record of this shape has.
    structs: Vec<ColumnId>,
    /// Columns of fields that it lacks.
    absent: Vec<ColumnId>,
}

/// A text of the shape. Its first bytes are compared as a word.
#[derive(Debug, Clone, Copy)]
struct Literal {
    start: u32,
    len: u32,
    word: u128,
    mask: u128,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    before: Literal,
    column: ColumnId,
    kind: SlotKind,
    takes_null: bool,
    has_schema: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotKind {
    /// Read in place.
    Scalar,
    /// Read by the general parser: collections, and types whose values need care.
    Parsed,
    /// A key that the schema lacks; read over.
    Ignored,
}

const WORD_BYTES: usize = 16;

impl Literal {
    fn of(record: &[u8], start: usize, end: usize) -> Literal {
        let mut word = [0; WORD_BYTES];
        let mut mask = [0; WORD_BYTES];
        for (index, byte) in record[start..end].iter().take(WORD_BYTES).enumerate() {
            (word[index], mask[index]) = (*byte, 0xFF);
        }
        let (word, mask) = (u128::from_le_bytes(word), u128::from_le_bytes(mask));
        Literal { start: start as u32, len: (end - start) as u32, word, mask }
    }

    #[inline(always)]
    fn is_at(&self, source: &[u8], at: usize, text: &[u8]) -> bool {
        let (start, len) = (self.start as usize, self.len as usize);
        if let Some(found) = source.get(at..).and_then(|rest| rest.first_chunk::<WORD_BYTES>()) {
            if (u128::from_le_bytes(*found) ^ self.word) & self.mask != 0 {
                return false;
            }
            if len <= WORD_BYTES {
                return true;
            }
        }
        source.get(at..at + len).is_some_and(|found| found == &text[start..start + len])
    }
}

/// What a schemaless shape and its columns are learned with.
struct Learner<'a> {
    record: &'a [u8],
    slots: Vec<Slot>,
    structs: Vec<ColumnId>,
    absent: Vec<ColumnId>,
    columns: &'a mut Columns,
    /// End of the last value.
    at: usize,
}

impl Shape {
    /// Learns from a schemaless record and adds the columns for it to `columns`, which has none yet. `None` when it has lists, or
    /// anything else that columns cannot hold.
    pub(super) fn of_schemaless(record: &[u8], json: Json<'_>, columns: &mut Columns) -> Option<Shape> {
        let mut learner = Learner::new(record, columns);
        learner.add_schemaless(json, 0)?;
        learner.finish(json)
    }

    /// Learns from a record whose value under a schema is `json`.
    pub(super) fn of_struct(record: &[u8], json: Json<'_>, columns: &mut Columns) -> Option<Shape> {
        let mut learner = Learner::new(record, columns);
        learner.add_value(json, ROOT, 0)?;
        // A list at the top is checked less strictly than one in a struct.
        if learner.slots.iter().any(|slot| slot.column == ROOT && slot.kind != SlotKind::Scalar) {
            return None;
        }
        learner.finish(json)
    }

    /// Reads the record `start..end` of a block as the next row. `false` is a miss: columns may then have got a part of it.
    #[inline]
    pub(super) fn read(
        &self,
        columns: &mut Columns,
        parser: &mut Parser,
        block: Block<'_>,
        start: usize,
        end: usize,
    ) -> bool {
        let source = block.bytes();
        let mut at = start;
        for slot in &self.slots {
            if !slot.before.is_at(source, at, &self.text) {
                return false;
            }
            at += slot.before.len as usize;
            match slot.read(columns, parser, block, at, end) {
                Some(next) => at = next,
                None => return false,
            }
        }
        if !self.tail.is_at(source, at, &self.text) || at + self.tail.len as usize != end {
            return false;
        }
        for id in &self.structs {
            columns.end_struct(*id);
        }
        for id in &self.absent {
            columns.push_null(*id);
        }
        true
    }
}

impl Slot {
    #[inline(always)]
    fn read(
        &self,
        columns: &mut Columns,
        parser: &mut Parser,
        block: Block<'_>,
        at: usize,
        end: usize,
    ) -> Option<usize> {
        let source = block.bytes();
        let first = *source.get(at)?;
        if self.kind != SlotKind::Scalar {
            return self.read_parsed(columns, parser, source.get(at..end)?).map(|len| at + len);
        }
        if first == b'n' {
            let is_null = self.takes_null && source.get(at..at + 4) == Some(b"null");
            return is_null.then(|| {
                columns.push_null(self.column);
                at + 4
            });
        }
        let read = match columns.values(self.column) {
            Values::Text(texts) if first == b'"' => texts.push_quoted(block, at + 1).map(|end| end + 1),
            Values::Int64(numbers) => scan::integer(source, at).map(|(value, end)| {
                numbers.push(value);
                end
            }),
            Values::Int32(numbers) => narrow(source, at).map(|(value, end)| {
                numbers.push(value);
                end
            }),
            Values::Int16(numbers) => narrow(source, at).map(|(value, end)| {
                numbers.push(value);
                end
            }),
            Values::Int8(numbers) => narrow(source, at).map(|(value, end)| {
                numbers.push(value);
                end
            }),
            // Without a schema, integers and other numbers are of different types.
            Values::Float64(numbers) => {
                scan::number(source, at).filter(|found| !found.is_integer || self.has_schema).map(|found| {
                    numbers.push(found.value);
                    found.end
                })
            }
            Values::Float32(numbers) => scan::number(source, at).and_then(|found| {
                numbers.push(number::float32(std::str::from_utf8(&source[at..found.end]).ok()?));
                Some(found.end)
            }),
            Values::Boolean(values, nulls) => {
                let (value, len) = match first {
                    b't' if source.get(at..at + 4) == Some(b"true") => (true, 4),
                    b'f' if source.get(at..at + 5) == Some(b"false") => (false, 5),
                    _ => return None,
                };
                values.append(value);
                nulls.append_non_null();
                Some(at + len)
            }
            Values::Bytes(bytes) if first == b'"' => scan::plain_text(source, at + 1).and_then(|text| {
                bytes.push_written(|out| super::base64::decode(&source[at + 1..text.end], out))?;
                Some(text.end + 1)
            }),
            _ => None,
        };
        match read {
            Some(next) => Some(next),
            None => self.read_parsed(columns, parser, source.get(at..end)?).map(|len| at + len),
        }
    }

    /// Reads a value by the general parser; returns its length.
    #[cold]
    fn read_parsed(&self, columns: &mut Columns, parser: &mut Parser, rest: &[u8]) -> Option<usize> {
        let text = simdutf8::basic::from_utf8(rest).ok()?;
        let (json, len) = parser.parse_prefix(text).ok()?;
        if self.kind == SlotKind::Ignored {
            return Some(len);
        }
        if columns.schema(self.column).is_some() {
            columns.push_field(self.column, Some(json), "").ok()?;
        } else {
            push_schemaless(columns, self.column, json)?;
        }
        Some(len)
    }
}

/// Appends a schemaless scalar to a column, if it has its type.
fn push_schemaless(columns: &mut Columns, id: ColumnId, json: Json<'_>) -> Option<()> {
    if json.is_null() {
        columns.push_null(id);
        return Some(());
    }
    if matches!(columns.values(id), Values::Nulls(_)) {
        columns.retype(id, &scalar_type(json)?);
    }
    match (columns.values(id), json.kind()) {
        (Values::Text(texts), Kind::PlainText | Kind::EscapedText) => texts.push_copy(json.text()?),
        (Values::Int64(numbers), Kind::Integer) => numbers.push(number::integer(json.source())),
        (Values::Float64(numbers), Kind::Decimal) => numbers.push(number::float64(json.source())),
        (Values::Boolean(values, nulls), kind @ (Kind::True | Kind::False)) => {
            values.append(kind == Kind::True);
            nulls.append_non_null();
        }
        _ => return None,
    }
    Some(())
}

fn scalar_type(json: Json<'_>) -> Option<Type> {
    match json.kind() {
        Kind::True | Kind::False => Some(Type::Boolean),
        Kind::Integer => Some(Type::Int64),
        Kind::Decimal => Some(Type::Float64),
        Kind::PlainText | Kind::EscapedText => Some(Type::String),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

#[inline(always)]
fn narrow<T: TryFrom<i64>>(source: &[u8], at: usize) -> Option<(T, usize)> {
    let (value, end) = scan::integer(source, at)?;
    Some((T::try_from(value).ok()?, end))
}

impl<'a> Learner<'a> {
    fn new(record: &'a [u8], columns: &'a mut Columns) -> Learner<'a> {
        Learner { record, slots: Vec::new(), structs: Vec::new(), absent: Vec::new(), columns, at: 0 }
    }

    fn finish(self, json: Json<'_>) -> Option<Shape> {
        if !json.is_verbatim() || self.slots.is_empty() {
            return None;
        }
        let text = self.record.to_vec();
        let tail = Literal::of(&text, self.at, text.len());
        Some(Shape { text, slots: self.slots, tail, structs: self.structs, absent: self.absent })
    }

    fn add_slot(&mut self, json: Json<'_>, column: ColumnId, kind: SlotKind) -> Option<()> {
        let span = json.span();
        let before = Literal::of(self.record, self.at, span.start);
        let takes_null = kind == SlotKind::Ignored || self.columns.takes_null(column);
        self.at = span.end;
        let has_schema = self.columns.schema(column).is_some();
        self.slots.push(Slot { before, column, kind, takes_null, has_schema });
        (self.slots.len() <= SLOTS_MAX).then_some(())
    }

    fn add_schemaless(&mut self, json: Json<'_>, depth: usize) -> Option<ColumnId> {
        let values = match json.kind() {
            Kind::Array => return None,
            Kind::Object if depth > DEPTH_MAX => return None,
            Kind::Object => Values::Struct {
                names: Vec::new(),
                fields: Vec::new(),
                nulls: NullBufferBuilder::new(0),
                len: 0,
            },
            Kind::Null => Values::Nulls(0),
            _ => self.columns.scalar(&scalar_type(json)?),
        };
        let id = self.columns.add(None, values);
        if json.kind() != Kind::Object {
            self.add_slot(json, id, SlotKind::Scalar)?;
            return Some(id);
        }
        self.structs.push(id);
        if self.structs.len() > SLOTS_MAX {
            return None;
        }
        let mut seen = HashSet::new();
        for (key, value) in json.raw_entries() {
            let key = key.text()?;
            if !seen.insert(key) {
                return None;
            }
            let field = self.add_schemaless(value, depth + 1)?;
            if let Values::Struct { names, fields, .. } = self.columns.values(id) {
                names.push(key.into());
                fields.push(field);
            }
        }
        Some(id)
    }

    fn add_value(&mut self, json: Json<'_>, column: ColumnId, depth: usize) -> Option<()> {
        let schema = self.columns.schema(column).cloned()?;
        let children = match self.columns.values(column) {
            Values::Struct { fields, .. } if json.kind() == Kind::Object && depth <= DEPTH_MAX => {
                fields.clone()
            }
            Values::Struct { .. } | Values::List { .. } | Values::Map { .. } | Values::Nulls(_) => {
                return self.add_slot(json, column, SlotKind::Parsed);
            }
            _ if schema.name.is_some() && logical::needs_care(&schema) => {
                return self.add_slot(json, column, SlotKind::Parsed);
            }
            _ => return self.add_slot(json, column, SlotKind::Scalar),
        };
        self.structs.push(column);
        let mut seen = HashSet::new();
        for (key, value) in json.raw_entries() {
            let key = key.text()?;
            if !seen.insert(key) {
                return None;
            }
            match schema.fields().iter().position(|field| *field.name == *key) {
                Some(index) => self.add_value(value, children[index], depth + 1)?,
                None => self.add_slot(value, column, SlotKind::Ignored)?,
            }
        }
        for (field, child) in schema.fields().iter().zip(children) {
            if !seen.contains(&*field.name) {
                if !self.columns.takes_null(child) {
                    return None;
                }
                self.absent.push(child);
            }
        }
        Some(())
    }
}
