//! Bytes only: turns Kafka's wire format into types and back. No socket, no clock, no thread, no policy.
//!
//! ```text
//!   bytes of one frame ──frame──► header + message (kafka-protocol's types, see `messages`)
//!                                    │ records: Option<Bytes>, a slice of the frame
//!                                    ▼
//!                        records::RecordSet ──► RecordBatch ──compression──► payload ──► RecordRef
//!
//!   records::BatchBuilder ──► Bytes of one batch ──► message ──frame──► bytes of one frame (one gather copy)
//! ```
//!
//! Everything here treats its input as hostile: lengths and counts are checked before anything is allocated, and a
//! bad byte is an [`error::Error`], never a panic. `kafka-protocol`'s `anyhow` errors end in this folder.

pub mod error;

pub mod error_code;

pub mod messages;

pub mod frame;

pub mod versions;

pub mod records;

mod checked_buf;
