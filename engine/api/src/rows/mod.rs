//! Rows of differing shapes on a tape: what schemaless records become that do not fit into columns.
//!
//! ```text
//! RowsBuilder ── finish ──▶ Rows ── slice ──▶ Rows        one shared tape:
//!                                                            nodes  16 bytes each, containers before their children
//!                                                            text   all strings that are not slices of an input buffer
//!                                                            rows   first node of each row
//! ```

mod builder;
pub(crate) mod tape;

pub use builder::{DEPTH_MAX, RowsBuilder};
pub use tape::Rows;

#[cfg(test)]
mod tests;
