//! One decompressor for all codecs: owns the contexts, the output limit and the guess of the next output's size.

use std::fmt;

use crate::wire::error::{Error, Result};
use crate::wire::records::codec::Codec;
use crate::wire::records::pool::{BufferPool, PooledBuffer};

use super::{gzip, lz4, snappy, zstd};

/// The largest output unless asked otherwise: above any sane `max.message.bytes`, far below the memory of a machine.
pub const DECOMPRESSED_BYTES_MAX_DEFAULT: usize = 128 * 1024 * 1024;

const GUESS_BYTES_MIN: usize = 16 * 1024;

/// Unpacks batches. Not shared between threads: each executor has its own.
pub struct Decompressor {
    output: Output,
    gzip: Option<gzip::Reader>,
    snappy: snappy::Reader,
    zstd: Option<zstd::Reader>,
}

impl Decompressor {
    /// A decompressor whose outputs come from `pool` and hold at most `output_bytes_max` bytes each.
    pub fn new(pool: BufferPool, output_bytes_max: usize) -> Self {
        Decompressor {
            output: Output { pool, bytes_max: output_bytes_max, ratio: 4 },
            gzip: None,
            snappy: snappy::Reader::default(),
            zstd: None,
        }
    }

    /// Where outputs come from.
    pub(crate) fn pool(&self) -> &BufferPool {
        &self.output.pool
    }

    /// Unpacks `input`, which must be exactly one stream of `codec`.
    ///
    /// # Errors
    /// `Malformed` if `input` is damaged, `TooLarge` if the output exceeds the limit.
    pub fn decompress(&mut self, codec: Codec, input: &[u8]) -> Result<PooledBuffer> {
        let output = &mut self.output;
        let unpacked = match codec {
            Codec::None => {
                let mut copy = output.filled(input.len())?;
                copy.copy_from_slice(input);
                copy
            }
            Codec::Gzip => self.gzip.get_or_insert_with(gzip::Reader::default).read(input, output)?,
            Codec::Snappy => self.snappy.read(input, output)?,
            Codec::Lz4 => lz4::read(input, output)?,
            Codec::Zstd => match &mut self.zstd {
                Some(reader) => reader.read(input, output)?,
                none => none.insert(zstd::Reader::new()?).read(input, output)?,
            },
        };
        // Rounded up, so that the same ratio fits the next time.
        output.ratio = unpacked.len() / input.len().max(1) + 1;
        Ok(unpacked)
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Decompressor::new(BufferPool::of_thread(), DECOMPRESSED_BYTES_MAX_DEFAULT)
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("output_bytes_max", &self.output.bytes_max)
            .finish_non_exhaustive()
    }
}

/// Hands out output buffers within the limit.
pub(super) struct Output {
    pool: BufferPool,
    bytes_max: usize,
    /// Output bytes per input byte of the last batch.
    ratio: usize,
}

impl Output {
    /// A buffer of exactly `length` bytes to be overwritten.
    pub(super) fn filled(&self, length: usize) -> Result<PooledBuffer> {
        if length > self.bytes_max {
            return Err(self.too_large(length));
        }
        Ok(self.pool.get_filled(length))
    }

    /// A buffer to be overwritten, of the size that the output probably has.
    pub(super) fn guessed(&self, input_bytes: usize) -> PooledBuffer {
        let guess = input_bytes.saturating_mul(self.ratio).max(GUESS_BYTES_MIN);
        self.pool.get_filled(guess.min(self.bytes_max))
    }

    /// A buffer of at least twice the size, with the first `kept_bytes` of `buffer`.
    pub(super) fn grown(&self, buffer: &PooledBuffer, kept_bytes: usize) -> Result<PooledBuffer> {
        if buffer.len() >= self.bytes_max {
            return Err(self.too_large(buffer.len().saturating_add(1)));
        }
        let mut grown = self.pool.get_filled(buffer.len().saturating_mul(2).min(self.bytes_max));
        grown[..kept_bytes].copy_from_slice(&buffer[..kept_bytes]);
        Ok(grown)
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn too_large(&self, size: usize) -> Error {
        Error::too_large("decompress record batch", size, self.bytes_max, "decompressed_bytes_max")
    }
}

/// The error of all codecs for damaged input.
pub(super) fn damaged(codec: Codec, detail: impl fmt::Display) -> Error {
    Error::malformed("decompress record batch", format!("{codec}: {detail}"))
}
