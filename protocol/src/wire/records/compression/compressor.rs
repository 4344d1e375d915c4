//! One compressor for the codec that a producer is configured with: owns the context and takes output buffers from the
//! pool.

use std::fmt;

use crate::wire::error::{Error, Result};
use crate::wire::records::codec::Codec;
use crate::wire::records::pool::{BufferPool, PooledBuffer};

use super::{gzip, lz4, snappy, zstd};

/// Packs batches. Not shared between threads: each executor has its own.
pub struct Compressor {
    pool: BufferPool,
    codec: Codec,
    context: Context,
}

enum Context {
    None,
    Gzip(gzip::Writer),
    Snappy(Box<snappy::Writer>),
    Lz4(lz4::Writer),
    Zstd(zstd::Writer),
}

impl Compressor {
    /// A compressor whose outputs come from `pool`. `level` is that of `compression.gzip.level`, `compression.lz4.level`
    /// and `compression.zstd.level`; `None` is Kafka's default. Snappy has none.
    ///
    /// # Errors
    /// `Config` if the codec has no such level.
    pub fn new(codec: Codec, level: Option<i32>, pool: BufferPool) -> Result<Self> {
        let context = match codec {
            Codec::None => Context::None,
            Codec::Gzip => Context::Gzip(gzip::Writer::new(level)?),
            Codec::Snappy => Context::Snappy(Box::default()),
            Codec::Lz4 => Context::Lz4(lz4::Writer::new(level)?),
            Codec::Zstd => Context::Zstd(zstd::Writer::new(level)?),
        };
        Ok(Compressor { pool, codec, context })
    }

    /// The codec that outputs have.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Packs `input` into a buffer whose first `head_bytes` are left to the caller to overwrite.
    ///
    /// # Errors
    /// `Internal` if the codec fails, which it does not for lack of space.
    pub fn compress(&mut self, input: &[u8], head_bytes: usize) -> Result<PooledBuffer> {
        let bound = match &mut self.context {
            Context::None => input.len(),
            Context::Gzip(writer) => writer.bound(input.len()),
            Context::Snappy(_) => snappy::bound(input.len()),
            Context::Lz4(_) => lz4::bound(input.len()),
            Context::Zstd(_) => zstd::bound(input.len()),
        };
        let mut output = self.pool.get_filled(head_bytes + bound);
        let room = &mut output[head_bytes..];
        let length = match &mut self.context {
            Context::None => {
                room.copy_from_slice(input);
                input.len()
            }
            Context::Gzip(writer) => writer.write(input, room)?,
            Context::Snappy(writer) => writer.write(input, room)?,
            Context::Lz4(writer) => writer.write(input, room)?,
            Context::Zstd(writer) => writer.write(input, room)?,
        };
        output.truncate(head_bytes + length);
        Ok(output)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("codec", &self.codec).finish_non_exhaustive()
    }
}

/// The error of all codecs for a level that they do not have.
pub(super) fn bad_level(codec: Codec, level: i32, min: i32, max: i32) -> Error {
    Error::config(
        "set compression level",
        format!("compression.{codec}.level is {level}, must be {min} to {max}"),
    )
}

/// The error of all codecs for a failure that cannot come from the input.
pub(super) fn failed(codec: Codec, detail: impl fmt::Display) -> Error {
    Error::internal("compress record batch", format!("{codec}: {detail}"))
}
