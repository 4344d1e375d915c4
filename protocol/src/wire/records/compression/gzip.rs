//! gzip by libdeflate, which needs whole inputs and outputs and is two to three times faster than zlib for it.

use libdeflater::{CompressionLvl, DecompressionError};

use crate::wire::error::Result;
use crate::wire::records::codec::Codec;
use crate::wire::records::pool::PooledBuffer;

use super::compressor::{bad_level, failed};
use super::decompressor::{Output, damaged};

/// `compression.gzip.level` by default: Java's -1, which is zlib's 6.
const LEVEL_DEFAULT: i32 = 6;

/// Deflate cannot pack better than this: 258 bytes into two bits.
const RATIO_MAX: usize = 1032;

pub(super) struct Reader {
    context: libdeflater::Decompressor,
}

impl Default for Reader {
    fn default() -> Self {
        Reader { context: libdeflater::Decompressor::new() }
    }
}

impl Reader {
    pub(super) fn read(&mut self, input: &[u8], output: &Output) -> Result<PooledBuffer> {
        let Some(trailer) = input.last_chunk::<4>() else {
            return Err(damaged(Codec::Gzip, "shorter than its trailer"));
        };
        // The trailer says the size modulo 2^32; a size that deflate cannot reach is not believed.
        let announced = u32::from_le_bytes(*trailer) as usize;
        if announced / RATIO_MAX > input.len() {
            return Err(damaged(Codec::Gzip, format!("{} bytes cannot hold {announced}", input.len())));
        }
        let mut buffer = output.filled(announced)?;
        match self.context.gzip_decompress(input, &mut buffer) {
            Ok(length) if length == announced => Ok(buffer),
            // libdeflate stops after the first of several members, and a later one wrote the trailer.
            Ok(_) | Err(DecompressionError::InsufficientSpace) => {
                Err(damaged(Codec::Gzip, "more than one member, or a wrong size"))
            }
            Err(DecompressionError::BadData) => Err(damaged(Codec::Gzip, "bad data")),
        }
    }
}

pub(super) struct Writer {
    context: libdeflater::Compressor,
}

impl Writer {
    pub(super) fn new(level: Option<i32>) -> Result<Self> {
        let level = match level {
            None | Some(-1) => LEVEL_DEFAULT,
            Some(level) if (1..=9).contains(&level) => level,
            Some(level) => return Err(bad_level(Codec::Gzip, level, 1, 9)),
        };
        let level = CompressionLvl::new(level).map_err(|cause| failed(Codec::Gzip, format!("{cause:?}")))?;
        Ok(Writer { context: libdeflater::Compressor::new(level) })
    }

    pub(super) fn bound(&mut self, input_bytes: usize) -> usize {
        self.context.gzip_compress_bound(input_bytes)
    }

    pub(super) fn write(&mut self, input: &[u8], room: &mut [u8]) -> Result<usize> {
        self.context.gzip_compress(input, room).map_err(|cause| failed(Codec::Gzip, cause))
    }
}
