//! FileStreamSource and FileStreamSink: lines of a file to records and back, under Java's names and with Java's semantics.
//!
//! **Source.** Tails one file (or standard input) and emits each terminated line as a record with a required STRING value and
//! no key. The source partition is `{"filename": <file>}`, the offset `{"position": <byte after the line's terminator>}`; on
//! restart reading goes on at the stored position, so every line is delivered at least once. The file is opened once: a
//! rotated file is followed by its old handle, a truncated one is waited for and warned about.
//!
//! **Sink.** Appends each record's value as Java prints it, one line each, to a file (or standard output). What was put is
//! written and synced before its offsets are committed.
//!
//! Intended differences from Java: positions count bytes, not characters, so that files with multi-byte text resume at the
//! right place; and lines left in the buffer when a batch fills up are emitted at once, not when more bytes arrive.
//!
//! This crate is the template for new connectors: `config` is the table of keys, `source` and `sink` hold connector and task,
//! `lines` is the part that can be tested without a file.

mod config;
mod lines;
mod sink;
mod source;

pub use sink::{FileStreamSink, FileStreamSinkTask};
pub use source::{FileStreamSource, FileStreamSourceTask};

/// Version that the connectors report: that of the Java release whose behaviour they follow.
const VERSION: &str = "4.3.0";
