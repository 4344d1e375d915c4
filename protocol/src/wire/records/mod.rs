//! Record batches: Kafka's format v2 read and written by us, v0 and v1 message sets read.
//!
//! ```text
//!   fetch frame ──RecordSet──► RecordBatch { bytes, header } ──Decompressor──► payload ──Records──► RecordRef
//!                                   │                                           (a slice, if not compressed)
//!                                   └── header stamped anew: pass-through without a decode
//!
//!   append(key, value, headers) ──BatchBuilder──► payload ──Compressor──► Bytes of one batch
//!   stored batch ──retain──► Bytes of the same batch with fewer records
//! ```
//!
//! One `Bytes` per batch, borrowed slices per record: no allocation, no reference count per record. A reader goes on
//! at [`BatchHeader::next_offset`], whether or not the batch held a record.

pub mod header;

pub mod codec;

pub mod reader;

pub mod record;

mod retain;

mod legacy;

pub mod compression;

pub mod writer;

mod rows;

pub mod control;

pub mod pool;

mod crc;

mod varint;

pub use codec::Codec;
pub use compression::{Compressor, DECOMPRESSED_BYTES_MAX_DEFAULT, Decompressor};
pub use control::end_transaction_marker;
pub use header::{
    BatchHeader, HEADER_BYTES, ProducerStamp, TimestampType, patch_base_offset, patch_leader_epoch,
    patch_producer, stamped,
};
pub use pool::{BufferPool, PooledBuffer};
pub use reader::{RecordBatch, RecordSet};
pub use record::{ControlType, Header, Headers, RecordRef, Records};
pub use retain::{emptied, retain};
pub use rows::{Limits, Rows, Stop};
pub use writer::BatchBuilder;

#[cfg(test)]
mod tests;
