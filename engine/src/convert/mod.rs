//! The converters: between Kafka's bytes and Connect data, a column at a time.
//!
//! Each is one line of [`CONVERTERS`]. Where bytes and text can stay where they are they do: StringConverter and
//! ByteArrayConverter only look at them, JsonConverter's strings without escapes are views into its input.

pub mod json;

mod byte_array;
mod simple_header;
mod string;

pub use byte_array::{BYTE_ARRAY, BYTE_ARRAY_HEADERS};
pub use json::{JSON, JSON_HEADERS};
pub use simple_header::SIMPLE_HEADERS;
pub use string::{STRING, STRING_HEADERS};

use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::{Encoded, Error, RowError};
use arrow_array::BinaryViewArray;

/// Version that the converters report: that of the Java release whose behaviour they follow.
pub(crate) const VERSION: &str = "4.3.0";

/// All converters, sorted by class name.
pub const CONVERTERS: &[ConverterPlugin] = &[BYTE_ARRAY, JSON, STRING];

/// All header converters, sorted by class name.
pub const HEADER_CONVERTERS: &[HeaderConverterPlugin] =
    &[BYTE_ARRAY_HEADERS, JSON_HEADERS, SIMPLE_HEADERS, STRING_HEADERS];

/// What encoding gives when no row can be encoded.
pub(crate) fn refuse_all(rows: usize, error: impl Fn() -> Error) -> Encoded {
    let errors = (0..rows).map(|row| RowError { row, error: error() }).collect();
    Encoded { bytes: BinaryViewArray::new_null(rows), errors }
}
