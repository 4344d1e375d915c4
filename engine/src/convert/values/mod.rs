//! Header values as text and back (`org.apache.kafka.connect.data.Values`): what SimpleHeaderConverter reads and writes.
//!
//! ```text
//! text ─▶ tokens ─▶ literals, numbers, dates, lists, maps ─▶ one schema for all items ─▶ schema and value
//! ```
//!
//! Everything can be read: what is nothing else is a string. Facts: contract 7.6, B.1 3-4 and B.2 23-25, and what the class itself
//! answered (`engine/tests/vectors`).

mod merge;
mod number;
mod parse;
mod print;
mod temporal;
mod tokens;

pub use parse::{Parsed, parse};
pub use print::print;
pub(crate) use print::print_moment;

use api::{ColumnBuilder, SchemaRef, Type};

/// A column for values of the schema that [`parse`] gave them.
pub(crate) fn builder(schema: Option<SchemaRef>) -> ColumnBuilder {
    match schema.as_ref().map(|schema| &schema.kind) {
        // Their items need not be of the type that the schema says: Java takes the last one's.
        Some(Type::Array(_) | Type::Map(..)) => ColumnBuilder::mixed(schema),
        _ => ColumnBuilder::new(schema),
    }
}
