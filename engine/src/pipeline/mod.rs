//! The loops that move batches, one for sources and one for sinks, and the stages between Kafka's bytes and columns.
//!
//! A pipeline is planned once, when its task starts: the sink says how far records must be taken apart ([`api::Tier`]) and no
//! stage does more. Inside, work is by batch: branches are taken per run, loops go over rows, and a row that fails is data
//! ([`api::RowError`]) that `errors` decides upon in one place.

mod decode;
mod encode;
mod epochs;
mod errors;
mod headers;
mod index;
mod rate;
mod side;
mod sink;
mod source;
mod transform;

pub(crate) use errors::{ErrorHandler, Place, Stage};
pub(crate) use headers::{DecodeHeaders, EncodeHeaders};
pub(crate) use rate::{RateLimiter, RateLimiters};
pub(crate) use sink::SinkPipeline;
pub(crate) use source::SourcePipeline;
pub(crate) use transform::{Chain, ChainStage, Condition};

use std::rc::Rc;

use api::{Error, Kind, RowError, Tier};
use arrow_array::{Array as _, BinaryViewArray};

use crate::convert::{BYTE_ARRAY, BYTE_ARRAY_HEADERS};

/// The converters of a task and what to do about rows that they refuse. `decode` and `encode` hold the two directions.
pub(crate) struct Converters {
    pub(crate) errors: Rc<ErrorHandler>,
    pub(crate) key: Box<dyn api::Converter>,
    pub(crate) key_place: Place,
    pub(crate) value: Box<dyn api::Converter>,
    pub(crate) value_place: Place,
    /// Whether keys and values of records from Kafka are decoded: what nobody looks into stays as it is.
    pub(crate) decodes: [bool; 2],
    /// What comes after decoding, or before encoding.
    pub(crate) transforms: Chain,
    /// Of a sink, until it is planned.
    pub(crate) headers: Option<(DecodeHeaders, EncodeHeaders)>,
    pub(crate) headers_place: Place,
}

impl Converters {
    /// Plans for a sink what is taken apart, and how far records must be indexed for it.
    pub(crate) fn plan(&mut self, tier: Tier, reads_headers: bool) -> Tier {
        let touches = self.transforms.touches();
        self.decodes = [tier == Tier::Columns || touches.key, tier == Tier::Columns || touches.value];
        if let Some((decode, encode)) = self.headers.take() {
            let place = self.headers_place;
            // Whatever transforms make of headers, a sink that wants bytes gets bytes. Runs whose headers are that already pass it by.
            if !reads_headers && !self.transforms.is_empty() {
                let transform = Box::new(encode);
                self.transforms.end_with_headers(ChainStage { place, transform, condition: None });
            }
            if touches.headers || reads_headers {
                self.transforms.begin_with(ChainStage {
                    place,
                    transform: Box::new(decode),
                    condition: None,
                });
            }
        }
        // Transforms see records, not batches.
        if self.transforms.is_empty() { tier } else { tier.max(Tier::Index) }
    }

    /// Whether records that are bytes leave a source as they are: nothing looks into them, so batches of them need not be taken apart.
    pub(crate) fn keep_bytes(&self) -> bool {
        !self.transforms.has_transforms()
            && self.key_place.class == BYTE_ARRAY.class
            && self.value_place.class == BYTE_ARRAY.class
            && self.headers_place.class == BYTE_ARRAY_HEADERS.class
    }
}

impl std::fmt::Debug for Converters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converters")
            .field("key", &self.key)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// What it means for the rows that a converter could do nothing with any of them.
///
/// # Errors
/// Where that is not about the records: no tolerance helps.
fn of_every_row(rows: usize, error: Error) -> Result<Vec<RowError>, Error> {
    match error.kind() {
        Kind::Retriable | Kind::BadRecord => {
            Ok((0..rows).map(|row| RowError { row, error: error.clone() }).collect())
        }
        _ => Err(Error::fatal("Unhandled exception in error handler").with_source(error)),
    }
}

/// A cell of a column of bytes.
#[inline]
fn cell(array: &BinaryViewArray, row: usize) -> Option<&[u8]> {
    match array.nulls() {
        Some(nulls) if nulls.is_null(row) => None,
        _ => Some(array.value(row)),
    }
}
