//! Compression: whole batches in, whole batches out, contexts kept, output in pooled buffers, output size limited.
//!
//! Outputs are sized from what the input says where it can be trusted, else from the last batch's ratio, which is close
//! for batches of one topic; a guess that was too small is doubled.

mod compressor;

mod decompressor;

mod gzip;

mod lz4;

mod snappy;

mod zstd;

pub use compressor::Compressor;
pub use decompressor::{DECOMPRESSED_BYTES_MAX_DEFAULT, Decompressor};
