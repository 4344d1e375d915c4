//! Single Connect values: owned ([`Value`], for offsets, defaults and the slow path) and borrowed from a column
//! ([`ValueRef`]), wherever the column holds them.
//!
//! ```text
//! Value ───────────── as_value_ref ──▶ ┐
//! Arrow array, row ── of_array ──────▶ ├ ValueRef ── to_owned ──▶ Value
//! Rows, row ───────── row ───────────▶ ┘     └ ListRef │ MapRef │ StructRef: iterators, no allocation
//! ```

mod arrow;
mod borrowed;
mod java_order;
mod logical;
mod nested;
mod owned;

pub use borrowed::ValueRef;
pub(crate) use java_order::names_in_java_order;
pub use logical::Logical;
pub use nested::{Entries, Items, ListRef, MapRef, StructRef};
pub use owned::Value;

#[cfg(test)]
mod tests;
