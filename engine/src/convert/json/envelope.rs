//! Reading records under a schema: one that comes with each record in an envelope, or one for all records.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Column, Data, Decoded, Error, Result, RowError, RowsBuilder, SchemaRef, Segment, Type};
use arrow_array::{Array, BinaryViewArray};

use super::columns::{Columns, ROOT};
use super::converter::{Input, serialization_error};
use super::general::{Json, Kind, Parser};
use super::schema_json;
use super::schemaless::push_row;
use super::shape::Shape;
use super::views::Block;

/// Schema texts beyond this are parsed each time rather than remembered.
const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// Room for rows in all segments of a batch but the first: it may have very many.
const NEXT_SEGMENT_ROWS: usize = 32;

/// Reads records under schemas.
#[derive(Debug)]
pub(super) struct Reader {
    parser: Parser,
    schemas: SchemaCache,
    null_is_default: bool,
    /// A schema for all records, which then come without an envelope.
    fixed: Option<SchemaRef>,
    /// What the last record with an envelope taught.
    known: Option<Known>,
    /// Misses in succession before it is learned again.
    patience: u32,
}

#[derive(Debug)]
struct Known {
    schema: SchemaRef,
    /// Everything before the payload.
    prefix: Vec<u8>,
    shape: Option<Shape>,
    /// Records in succession that the shape did not fit.
    misses: u32,
}

/// Records in succession that must miss before a shape is learned again; doubled each time that it does not help.
const PATIENCE_MIN: u32 = 2;
const PATIENCE_MAX: u32 = 64;

/// A segment under construction.
enum Segmented {
    Nulls(usize),
    Typed(SchemaRef, Box<Columns>),
    Untyped(Box<RowsBuilder>),
}

impl Segmented {
    fn push_null(&mut self) {
        match self {
            Segmented::Nulls(len) => *len += 1,
            Segmented::Typed(_, columns) => columns.push_null(ROOT),
            Segmented::Untyped(rows) => {
                rows.null();
                rows.finish_row();
            }
        }
    }

    fn finish(self, input: &Input<'_>) -> Result<Segment> {
        let column = match self {
            Segmented::Nulls(len) => Column::null(len),
            Segmented::Typed(schema, columns) => {
                Column { schema: Some(schema), data: Data::Array(columns.finish(input.buffers())?) }
            }
            Segmented::Untyped(mut rows) => Column { schema: None, data: Data::Rows(rows.finish()) },
        };
        Ok(Segment { column })
    }
}

/// The segments of a batch.
struct Segments<'a> {
    input: Input<'a>,
    done: Vec<Segment>,
    current: Option<Segmented>,
    null_is_default: bool,
    rows: usize,
}

impl Segments<'_> {
    fn next(&mut self, segmented: Segmented) -> Result<()> {
        if let Some(last) = self.current.replace(segmented) {
            self.done.push(last.finish(&self.input)?);
        }
        Ok(())
    }

    fn push_tombstone(&mut self) -> Result<()> {
        if !matches!(self.current, Some(Segmented::Nulls(_))) {
            self.next(Segmented::Nulls(0))?;
        }
        self.push_null();
        Ok(())
    }

    /// A row in whatever segment there is.
    fn push_null(&mut self) {
        self.current.get_or_insert(Segmented::Nulls(0)).push_null();
    }

    /// Whether the segment is one of values of `schema`.
    fn is_at(&self, schema: &SchemaRef) -> bool {
        match &self.current {
            Some(Segmented::Typed(current, _)) => Arc::ptr_eq(current, schema) || current == schema,
            _ => false,
        }
    }

    /// The columns for values of `schema`.
    fn typed(&mut self, schema: &SchemaRef) -> Result<&mut Columns> {
        if !self.is_at(schema) {
            let rows = if self.done.is_empty() { self.rows } else { NEXT_SEGMENT_ROWS };
            let columns = Columns::of_schema(schema, self.null_is_default, rows, self.input.buffers().len());
            self.next(Segmented::Typed(Arc::clone(schema), Box::new(columns)))?;
        }
        match &mut self.current {
            Some(Segmented::Typed(_, columns)) => Ok(columns),
            _ => Err(Error::fatal("a segment just begun is gone")),
        }
    }

    fn untyped(&mut self) -> Result<&mut RowsBuilder> {
        if !matches!(self.current, Some(Segmented::Untyped(_))) {
            self.next(Segmented::Untyped(Box::default()))?;
        }
        match &mut self.current {
            Some(Segmented::Untyped(rows)) => Ok(rows),
            _ => Err(Error::fatal("a segment just begun is gone")),
        }
    }
}

impl Reader {
    pub(super) fn new(schemas_max: usize, null_is_default: bool, fixed: Option<SchemaRef>) -> Reader {
        Reader {
            parser: Parser::default(),
            schemas: SchemaCache { entries: HashMap::new(), entries_max: schemas_max, uses: 0 },
            null_is_default,
            fixed,
            known: None,
            patience: PATIENCE_MIN,
        }
    }

    pub(super) fn read(&mut self, raw: &BinaryViewArray) -> Result<Decoded> {
        let input = Input::of(raw);
        let (null_is_default, rows) = (self.null_is_default, raw.len());
        let mut segments = Segments { input, done: Vec::new(), current: None, null_is_default, rows };
        let mut errors = Vec::new();
        for row in 0..raw.len() {
            let Some((block, start, end)) = segments.input.row(row) else {
                segments.push_tombstone()?;
                continue;
            };
            if let Some(known) = &mut self.known {
                if known.read(&mut segments, &mut self.parser, block, start, end)? {
                    self.patience = PATIENCE_MIN;
                    continue;
                }
                known.misses += 1;
            }
            if let Err(error) = self.read_general(&mut segments, &block.bytes()[start..end])? {
                segments.push_null();
                errors.push(RowError { row, error });
            }
        }
        let Segments { input, mut done, current, .. } = segments;
        if let Some(last) = current {
            done.push(last.finish(&input)?);
        }
        Ok(Decoded { segments: done, errors })
    }

    /// Reads a record by the general parser; the inner error is the row's.
    fn read_general(&mut self, segments: &mut Segments<'_>, record: &[u8]) -> Result<Result<(), Error>> {
        // An envelope known from the record before spares its parse.
        if let Some(known) = &self.known
            && known.misses < self.patience
            && let Some(rest) = record.strip_prefix(&known.prefix[..])
            && let Ok(rest) = simdutf8::basic::from_utf8(rest)
            && let Ok((json, len)) = self.parser.parse_prefix(rest)
            && match self.fixed {
                Some(_) => rest[len..].trim_ascii_start().is_empty(),
                None => rest[len..].trim_ascii_start().starts_with('}'),
            }
        {
            return push_typed(segments.typed(&known.schema)?, json);
        }
        let json = match self.parser.parse(record) {
            Ok(json) => json,
            Err(error) => return Ok(Err(serialization_error(&error))),
        };
        let (schema, payload) = match (&self.fixed, json) {
            (Some(schema), None) => return self.read_missing(segments, &Arc::clone(schema)),
            (Some(schema), Some(payload)) => (Some(Arc::clone(schema)), payload),
            (None, json) => match open_envelope(json) {
                Err(error) => return Ok(Err(error)),
                Ok((schema, payload)) => match self.schemas.get(schema) {
                    Err(error) => return Ok(Err(error)),
                    Ok(schema) => (schema, payload),
                },
            },
        };
        let Some(schema) = schema else {
            return Ok(push_row(segments.untyped()?, payload));
        };
        let columns = segments.typed(&schema)?;
        let pushed = push_typed(columns, payload)?;
        if pushed.is_ok() && payload.is_verbatim() {
            if self.known.as_ref().is_some_and(|known| known.misses >= self.patience) {
                self.patience = (2 * self.patience).min(PATIENCE_MAX);
            }
            self.known = Known::of(record, schema, payload, columns, self.fixed.is_none());
        }
        Ok(pushed)
    }

    /// Reads a record that is empty although its schema is known: Jackson's "missing node", which is no value of any type.
    fn read_missing(&mut self, segments: &mut Segments<'_>, schema: &SchemaRef) -> Result<Result<(), Error>> {
        let refusal = match &schema.kind {
            Type::Struct(_) => "Structs should be encoded as JSON objects",
            Type::Map(Some(keys), _) if keys.kind == Type::String => {
                "Maps with string fields should be encoded as JSON objects"
            }
            Type::Map(..) => "Maps with non-string fields should be encoded as JSON array of tuples",
            _ => match self.parser.parse(b"{}") {
                Ok(Some(json)) => return push_typed(segments.typed(schema)?, json),
                _ => return Ok(Err(no_envelope())),
            },
        };
        Ok(Err(Error::bad_record(format!("{refusal}, but found MISSING"))))
    }
}

fn push_typed(columns: &mut Columns, json: Json<'_>) -> Result<Result<(), Error>> {
    let len = columns.len(ROOT);
    let pushed = columns.push_json(ROOT, Some(json));
    if pushed.is_err() {
        columns.truncate(ROOT, len);
    }
    Ok(pushed)
}

impl Known {
    fn of(
        record: &[u8],
        schema: SchemaRef,
        payload: Json<'_>,
        columns: &mut Columns,
        is_enveloped: bool,
    ) -> Option<Known> {
        let payload_start = payload.span().start;
        if is_enveloped && !ends_envelope(record, payload.span().end) {
            // The schema comes behind the payload, or there is text behind the envelope.
            return None;
        }
        let shape = Shape::of_struct(record, payload, columns);
        Some(Known { schema, prefix: record[..payload_start].to_vec(), shape, misses: 0 })
    }

    /// Reads a record of the known shape; `false` when it has another one.
    #[inline]
    fn read(
        &mut self,
        segments: &mut Segments<'_>,
        parser: &mut Parser,
        block: Block<'_>,
        start: usize,
        end: usize,
    ) -> Result<bool> {
        let Some(shape) = &self.shape else { return Ok(false) };
        // The shape compares the prefix too; but before another segment is begun it has to be right.
        if !segments.is_at(&self.schema) && !block.bytes()[start..end].starts_with(&self.prefix) {
            return Ok(false);
        }
        let columns = segments.typed(&self.schema)?;
        let len = columns.len(ROOT);
        if shape.read(columns, parser, block, start, end) {
            self.misses = 0;
            return Ok(true);
        }
        columns.truncate(ROOT, len);
        Ok(false)
    }
}

/// Whether nothing but the envelope's closing brace follows.
fn ends_envelope(record: &[u8], payload_end: usize) -> bool {
    record[payload_end..].trim_ascii() == b"}"
}

fn no_envelope() -> Error {
    Error::bad_record(
        "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional fields. \
         If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.",
    )
}

/// Schema and payload of an envelope.
fn open_envelope(json: Option<Json<'_>>) -> Result<(Json<'_>, Json<'_>), Error> {
    let (mut schema, mut payload) = (None, None);
    for (key, value) in json.ok_or_else(no_envelope)?.raw_entries() {
        match key.text() {
            Some("schema") => schema = Some(value),
            Some("payload") => payload = Some(value),
            _ => return Err(no_envelope()),
        }
    }
    schema.zip(payload).ok_or_else(no_envelope)
}

/// Schemas by their text; the least recently used one goes.
#[derive(Debug)]
struct SchemaCache {
    entries: HashMap<Box<str>, (SchemaRef, u64)>,
    entries_max: usize,
    uses: u64,
}

impl SchemaCache {
    fn get(&mut self, json: Json<'_>) -> Result<Option<SchemaRef>, Error> {
        if json.kind() == Kind::Null {
            return Ok(None);
        }
        self.uses += 1;
        let text = json.source();
        if let Some((schema, last_use)) = self.entries.get_mut(text) {
            *last_use = self.uses;
            return Ok(Some(Arc::clone(schema)));
        }
        let Some(parsed) = schema_json::from_json(json)? else { return Ok(None) };
        // Texts that differ in blanks or order may say the same: then it is the same schema to everyone behind us.
        let known = self.entries.values().find(|(known, _)| **known == *parsed);
        let schema = known.map_or(parsed, |(known, _)| Arc::clone(known));
        if text.len() <= SCHEMA_BYTES_MAX && self.entries_max > 0 {
            if self.entries.len() >= self.entries_max
                && let Some(oldest) = self.entries.iter().min_by_key(|(_, (_, last_use))| *last_use)
            {
                let oldest = oldest.0.clone();
                self.entries.remove(&oldest);
            }
            self.entries.insert(text.into(), (Arc::clone(&schema), self.uses));
        }
        Ok(Some(schema))
    }
}
