//! Zstandard with reused contexts. Java's streams do not say their size, so outputs are guessed and decoded in one call,
//! which spares the window and the copy of the streaming interface.

use zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

use crate::wire::error::Result;
use crate::wire::records::codec::Codec;
use crate::wire::records::pool::PooledBuffer;

use super::compressor::{bad_level, failed};
use super::decompressor::{Output, damaged};

/// `compression.zstd.level` by default.
const LEVEL_DEFAULT: i32 = 3;
/// `ZSTD_error_dstSize_tooSmall` of zstd_errors.h, a stable number.
const DESTINATION_TOO_SMALL: usize = 70;
/// A frame that says it unpacks to more than this many times its size gets a guessed buffer first.
const RATIO_BELIEVED_MAX: usize = 64;

pub(super) struct Reader {
    context: DCtx<'static>,
}

impl Reader {
    pub(super) fn new() -> Result<Self> {
        match DCtx::try_create() {
            Some(context) => Ok(Reader { context }),
            None => Err(failed(Codec::Zstd, "out of memory for a context")),
        }
    }

    pub(super) fn read(&mut self, input: &[u8], output: &Output) -> Result<PooledBuffer> {
        let announced = match zstd_safe::get_frame_content_size(input) {
            Ok(announced) => announced.and_then(|bytes| usize::try_from(bytes).ok()),
            Err(_not_a_frame) => return Err(damaged(Codec::Zstd, "not a frame")),
        };
        // A frame may say anything: its size is only believed where it is plausible, and never beyond the limit.
        let mut buffer = match announced {
            Some(announced) if announced > output.bytes_max() => output.filled(announced)?,
            Some(announced) if announced / RATIO_BELIEVED_MAX <= input.len() => {
                output.filled(announced.max(1))?
            }
            _ => output.guessed(input.len()),
        };
        loop {
            match self.context.decompress(&mut buffer[..], input) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(buffer);
                }
                Err(code) if code.wrapping_neg() == DESTINATION_TOO_SMALL => {
                    buffer = output.grown(&buffer, 0)?;
                }
                Err(code) => return Err(damaged(Codec::Zstd, get_error_name(code))),
            }
        }
    }
}

pub(super) struct Writer {
    context: CCtx<'static>,
}

pub(super) fn bound(input_bytes: usize) -> usize {
    zstd_safe::compress_bound(input_bytes)
}

impl Writer {
    pub(super) fn new(level: Option<i32>) -> Result<Self> {
        let level = level.unwrap_or(LEVEL_DEFAULT);
        let (min, max) = (zstd_safe::min_c_level(), zstd_safe::max_c_level());
        if !(min..=max).contains(&level) {
            return Err(bad_level(Codec::Zstd, level, min, max));
        }
        let Some(mut context) = CCtx::try_create() else {
            return Err(failed(Codec::Zstd, "out of memory for a context"));
        };
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .map_err(|code| failed(Codec::Zstd, get_error_name(code)))?;
        Ok(Writer { context })
    }

    pub(super) fn write(&mut self, input: &[u8], room: &mut [u8]) -> Result<usize> {
        self.context.compress2(room, input).map_err(|code| failed(Codec::Zstd, get_error_name(code)))
    }
}
