//! The converters: between Kafka's bytes and Connect data, a column at a time.
//!
//! Each is one line of [`CONVERTERS`]. Where bytes and text can stay where they are they do: StringConverter and
//! ByteArrayConverter only look at them, JsonConverter's strings without escapes are views into its input.

pub mod json;
pub mod values;

mod boolean;
mod byte_array;
mod encoding;
mod number;
mod simple_header;
mod string;

pub use boolean::{BOOLEAN, BOOLEAN_HEADERS};
pub use byte_array::{BYTE_ARRAY, BYTE_ARRAY_HEADERS};
pub use json::{JSON, JSON_HEADERS};
pub use simple_header::SIMPLE_HEADERS;
pub use string::{STRING, STRING_HEADERS};

use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::views::BytesViews;
use api::{Encoded, Error, Result, RowError};
use arrow_array::BinaryViewArray;
use arrow_buffer::Buffer;

/// Version that the converters report: that of the Java release whose behaviour they follow.
pub(crate) const VERSION: &str = "4.3.0";

/// All converters, sorted by class name.
pub const CONVERTERS: &[ConverterPlugin] = &[
    BOOLEAN,
    BYTE_ARRAY,
    number::plugin::<number::Double>(),
    number::plugin::<number::Float>(),
    number::plugin::<number::Integer>(),
    number::plugin::<number::Long>(),
    number::plugin::<number::Short>(),
    JSON,
    STRING,
];

/// All header converters, sorted by class name.
pub const HEADER_CONVERTERS: &[HeaderConverterPlugin] = &[
    BOOLEAN_HEADERS,
    BYTE_ARRAY_HEADERS,
    number::headers::<number::Double>(),
    number::headers::<number::Float>(),
    number::headers::<number::Integer>(),
    number::headers::<number::Long>(),
    number::headers::<number::Short>(),
    JSON_HEADERS,
    SIMPLE_HEADERS,
    STRING_HEADERS,
];

/// Values that lie one after another in a buffer, by where each ends; `None` is null and takes no place.
pub(crate) fn views_of(buffer: impl Into<Buffer>, ends: &[Option<usize>]) -> Result<BinaryViewArray> {
    let mut views = BytesViews::with_capacity(ends.len());
    views.add_buffer(buffer.into())?;
    let mut start = 0;
    for end in ends {
        match end {
            Some(end) => {
                views.push(start, end - start);
                start = *end;
            }
            None => views.push_null(),
        }
    }
    Ok(views.finish())
}

/// What encoding gives when no row can be encoded.
pub(crate) fn refuse_all(rows: usize, error: impl Fn() -> Error) -> Encoded {
    let errors = (0..rows).map(|row| RowError { row, error: error() }).collect();
    Encoded { bytes: BinaryViewArray::new_null(rows), errors }
}
