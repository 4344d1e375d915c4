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
