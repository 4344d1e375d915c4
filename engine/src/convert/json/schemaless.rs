//! Reading records without a schema: into columns while they share a shape, else onto a tape.

use api::{Column, Data, Decoded, Error, Result, RowError, RowsBuilder, Segment};
use arrow_array::{Array, BinaryViewArray};

use super::columns::{Columns, ROOT};
use super::converter::{Input, serialization_error};
use super::general::{Json, Kind, Parser};
use super::number;
use super::shape::Shape;

/// Rows that a segment should have on average for columns to pay.
const SEGMENT_ROWS_MIN: usize = 8;
/// Segments that a batch may begin with before that average counts.
const SEGMENTS_FREE: usize = 4;
/// Batches that go straight to the tape after one whose shapes changed too fast.
const TAPE_BATCHES: u32 = 15;

/// Reads schemaless records.
#[derive(Debug, Default)]
pub(super) struct Reader {
    parser: Parser,
    /// Batches that still go straight to the tape.
    tape_batches: u32,
}

/// Segments under construction.
struct Shaped {
    columns: Columns,
    shape: Shape,
}

impl Reader {
    pub(super) fn read(&mut self, raw: &BinaryViewArray) -> Result<Decoded> {
        if raw.null_count() == raw.len() {
            return Ok(Decoded {
                segments: vec![Segment { column: Column::null(raw.len()) }],
                errors: Vec::new(),
            });
        }
        if self.tape_batches == 0 {
            if let Some(decoded) = self.read_shaped(raw)? {
                return Ok(decoded);
            }
            self.tape_batches = TAPE_BATCHES;
        } else {
            self.tape_batches -= 1;
        }
        Ok(self.read_tape(raw))
    }

    /// Reads into one segment per shape; `None` when shapes change too fast, or are none that columns can hold.
    fn read_shaped(&mut self, raw: &BinaryViewArray) -> Result<Option<Decoded>> {
        let input = Input::of(raw);
        let segments_max = (raw.len() / SEGMENT_ROWS_MIN).max(1);
        let mut decoded = Decoded::default();
        let mut current: Option<Shaped> = None;
        // Null rows before the first shape is known.
        let mut nulls = 0;
        for row in 0..raw.len() {
            let Some((block, start, end)) = input.row(row) else {
                match &mut current {
                    Some(shaped) => shaped.columns.push_null(ROOT),
                    None => nulls += 1,
                }
                continue;
            };
            if let Some(Shaped { columns, shape }) = &mut current {
                let len = columns.len(ROOT);
                if shape.read(columns, &mut self.parser, block, start, end) {
                    continue;
                }
                columns.truncate(ROOT, len);
            }
            let record = &block.bytes()[start..end];
            let is_null = match self.parser.parse(record) {
                Err(error) => {
                    decoded.errors.push(RowError { row, error: serialization_error(&error) });
                    true
                }
                Ok(json) => json.is_none_or(|json| json.is_null()),
            };
            if is_null {
                match &mut current {
                    Some(shaped) => shaped.columns.push_null(ROOT),
                    None => nulls += 1,
                }
                continue;
            }
            if let Some(shaped) = current.take() {
                let segments = decoded.segments.len() + 1;
                if segments >= (SEGMENTS_FREE + row / SEGMENT_ROWS_MIN).min(segments_max) {
                    return Ok(None);
                }
                decoded.segments.push(shaped.finish(&input)?);
            }
            let rows = if decoded.segments.is_empty() { raw.len() } else { 2 * SEGMENT_ROWS_MIN };
            let Ok(Some(json)) = self.parser.parse(record) else { return Ok(None) };
            let mut columns = Columns::schemaless(rows, input.buffers().len(), json.node_count());
            let Some(shape) = Shape::of_schemaless(record, json, &mut columns) else { return Ok(None) };
            for _ in 0..std::mem::take(&mut nulls) {
                columns.push_null(ROOT);
            }
            if !shape.read(&mut columns, &mut self.parser, block, start, end) {
                return Ok(None);
            }
            current = Some(Shaped { columns, shape });
        }
        match current {
            Some(shaped) => decoded.segments.push(shaped.finish(&input)?),
            None => decoded.segments.push(Segment { column: Column::null(nulls) }),
        }
        Ok(Some(decoded))
    }

    /// Reads all rows onto a tape.
    pub(super) fn read_tape(&mut self, raw: &BinaryViewArray) -> Decoded {
        let mut decoded = Decoded::default();
        let mut rows = RowsBuilder::default();
        for row in 0..raw.len() {
            if raw.is_null(row) {
                push_null_row(&mut rows);
                continue;
            }
            let pushed = match self.parser.parse(raw.value(row)) {
                Ok(Some(json)) => push_row(&mut rows, json),
                Ok(None) => {
                    push_null_row(&mut rows);
                    Ok(())
                }
                Err(error) => Err(serialization_error(&error)),
            };
            if let Err(error) = pushed {
                decoded.errors.push(RowError { row, error });
                push_null_row(&mut rows);
            }
        }
        decoded.segments.push(Segment { column: Column { schema: None, data: Data::Rows(rows.finish()) } });
        decoded
    }
}

impl Shaped {
    fn finish(self, input: &Input<'_>) -> Result<Segment, Error> {
        let array = self.columns.finish(input.buffers())?;
        Ok(Segment { column: Column { schema: None, data: Data::Array(array) } })
    }
}

/// Writes a value as a row of a tape (`JsonConverter#convertToConnect` without schema).
pub(super) fn push_row(rows: &mut RowsBuilder, json: Json<'_>) -> Result<(), Error> {
    let pushed = push_value(rows, json);
    if pushed.is_err() {
        rows.abandon_row();
    } else {
        rows.finish_row();
    }
    pushed
}

fn push_value(rows: &mut RowsBuilder, json: Json<'_>) -> Result<(), Error> {
    match json.kind() {
        Kind::Null => rows.null(),
        Kind::True => rows.boolean(true),
        Kind::False => rows.boolean(false),
        Kind::Integer => rows.int64(number::integer(json.source())),
        Kind::Decimal => rows.float64(number::float64(json.source())),
        Kind::PlainText | Kind::EscapedText => rows.string(json.text().unwrap_or_default()),
        Kind::Array => {
            rows.begin_array()?;
            for item in json.items() {
                push_value(rows, item)?;
            }
            rows.end_array();
        }
        Kind::Object => {
            rows.begin_object()?;
            for (key, value) in json.raw_entries() {
                rows.key(key.text().unwrap_or_default());
                push_value(rows, value)?;
            }
            rows.end_object();
        }
    }
    Ok(())
}

fn push_null_row(rows: &mut RowsBuilder) {
    rows.null();
    rows.finish_row();
}
