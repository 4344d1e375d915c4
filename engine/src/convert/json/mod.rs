//! JsonConverter: JSON with and without the schema envelope (`org.apache.kafka.connect.json.JsonConverter`).
//!
//! ```text
//!            same text between the values as before?
//!  record ──────────────▶ shape ── yes ──▶ values by place ──▶ columns ──▶ Arrow arrays (one segment per schema or shape)
//!                           │ no                                  ▲
//!                           └─▶ general parser ─▶ nodes ──────────┴─▶ tape of rows (schemaless, shapes change fast)
//!                                                  └─▶ learn the shape again
//!
//!  column ──▶ row writers, one per array ──▶ one buffer, views into it
//! ```
//!
//! What is accepted and refused, and every message, is Java's: contract 7.3 and B.2.

mod converter;
mod settings;

mod envelope;
mod schemaless;
mod shape;

mod columns;
mod logical;
mod schema_json;
mod views;

mod general;
mod scan;

mod base64;
mod charset;
mod number;

mod deep;
mod output;
mod write;
mod write_columns;

#[cfg(test)]
mod tests;

pub(super) use base64::encode as write_base64;
pub use converter::{JSON, JSON_HEADERS};
pub use write::write_string;
