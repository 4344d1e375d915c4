//! Snappy: raw blocks as librdkafka and Go clients write, and the framing of xerial's snappy-java, which Java's
//! `SnappyOutputStream` writes and we write too.
//!
//! ```text
//!   82 'S' 'N' 'A' 'P' 'P' 'Y' 00   version u32   compatible u32   { length u32   raw block } ...
//! ```

use crate::wire::error::Result;
use crate::wire::records::codec::Codec;
use crate::wire::records::pool::PooledBuffer;

use super::compressor::failed;
use super::decompressor::{Output, damaged};

const XERIAL_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Bytes per block, as `SnappyOutputStream` does by default.
const BLOCK_BYTES: usize = 32 * 1024;
/// Above what Snappy can reach: 64 bytes out of three.
const RATIO_MAX: usize = 24;

#[derive(Default)]
pub(super) struct Reader {
    context: snap::raw::Decoder,
}

impl Reader {
    pub(super) fn read(&mut self, input: &[u8], output: &Output) -> Result<PooledBuffer> {
        if !input.starts_with(XERIAL_MAGIC) {
            let mut buffer = output.filled(block_length(input)?)?;
            self.read_block(input, &mut buffer)?;
            return Ok(buffer);
        }
        let mut length = 0usize;
        for block in xerial_blocks(input) {
            length = length.saturating_add(block_length(block?)?);
        }
        let mut buffer = output.filled(length)?;
        let mut room = &mut buffer[..];
        for block in xerial_blocks(input) {
            let block = block?;
            let (head, tail) = room.split_at_mut(block_length(block)?);
            self.read_block(block, head)?;
            room = tail;
        }
        Ok(buffer)
    }

    fn read_block(&mut self, block: &[u8], room: &mut [u8]) -> Result<()> {
        match self.context.decompress(block, room) {
            Ok(length) if length == room.len() => Ok(()),
            Ok(_) => Err(damaged(Codec::Snappy, "a block is shorter than it says")),
            Err(cause) => Err(damaged(Codec::Snappy, cause)),
        }
    }
}

/// The blocks of a xerial stream, or of several put together, as `SnappyInputStream` reads them.
fn xerial_blocks(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8]>> {
    std::iter::from_fn(move || {
        while rest.starts_with(XERIAL_MAGIC) {
            match rest.get(XERIAL_HEADER.len()..) {
                Some(after) => rest = after,
                None => {
                    rest = &[];
                    return Some(Err(damaged(Codec::Snappy, "a stream header is cut off")));
                }
            }
        }
        if rest.is_empty() {
            return None;
        }
        let block = rest
            .split_first_chunk::<4>()
            .and_then(|(length, after)| after.split_at_checked(u32::from_be_bytes(*length) as usize));
        let Some((block, after)) = block else {
            rest = &[];
            return Some(Err(damaged(Codec::Snappy, "a block is cut off")));
        };
        rest = after;
        Some(Ok(block))
    })
}

/// The length that a block says it unpacks to, if that is possible at all.
fn block_length(block: &[u8]) -> Result<usize> {
    let length = snap::raw::decompress_len(block).map_err(|cause| damaged(Codec::Snappy, cause))?;
    if length / RATIO_MAX > block.len() {
        return Err(damaged(Codec::Snappy, format!("{} bytes cannot hold {length}", block.len())));
    }
    Ok(length)
}

pub(super) struct Writer {
    context: snap::raw::Encoder,
}

impl Default for Writer {
    fn default() -> Self {
        Writer { context: snap::raw::Encoder::new() }
    }
}

pub(super) fn bound(input_bytes: usize) -> usize {
    let blocks = input_bytes.div_ceil(BLOCK_BYTES);
    XERIAL_HEADER.len() + blocks * (4 + snap::raw::max_compress_len(BLOCK_BYTES))
}

impl Writer {
    pub(super) fn write(&mut self, input: &[u8], room: &mut [u8]) -> Result<usize> {
        room[..XERIAL_HEADER.len()].copy_from_slice(XERIAL_HEADER);
        let mut at = XERIAL_HEADER.len();
        for block in input.chunks(BLOCK_BYTES) {
            let length = self
                .context
                .compress(block, &mut room[at + 4..])
                .map_err(|cause| failed(Codec::Snappy, cause))?;
            room[at..at + 4].copy_from_slice(&(length as u32).to_be_bytes());
            at += 4 + length;
        }
        Ok(at)
    }
}
