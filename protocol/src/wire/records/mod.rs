//! Record batches: Kafka's format v2 read and written by us, v0 and v1 message sets read.
//!
//! ```text
//!   fetch frame ──RecordSet──► RecordBatch { bytes, header } ──Decompressor──► payload ──Records──► RecordRef
//!                                   │                                           (a slice, if not compressed)
//!                                   └── header patched in place: pass-through without a decode
//!
//!   append(key, value, headers) ──BatchBuilder──► payload ──Compressor──► Bytes of one batch
//! ```
//!
//! One `Bytes` per batch, borrowed slices per record: no allocation, no reference count per record.

pub mod pool;

pub use pool::{BufferPool, PooledBuffer};
