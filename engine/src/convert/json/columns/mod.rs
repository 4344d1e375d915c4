//! Columns of typed values: built row by row from JSON, finished as Arrow arrays.

mod arrays;
mod builder;
mod from_json;

pub(super) use builder::{ColumnId, Columns, ROOT, Values};
pub(super) use from_json::single_value;
