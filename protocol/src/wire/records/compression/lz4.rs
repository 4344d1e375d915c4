//! LZ4 frames: our own walk over the frame around liblz4's block functions, because the library's frame functions copy
//! through buffers of their own.
//!
//! ```text
//!   magic 04 22 4D 18   flags   block size   [content size u64]   [dictionary u32]   header checksum
//!   { size u32 (high bit: stored), data, [checksum u32] } ...   end mark 0   [content checksum u32]
//! ```
//!
//! Checksums inside frames are skipped, not checked: the batch has one of its own, and the header checksum is wrong in
//! frames of message format v0 (KAFKA-3160).

use std::ffi::{c_char, c_int};

use bytes::Buf;

use crate::wire::error::Result;
use crate::wire::records::codec::Codec;
use crate::wire::records::pool::PooledBuffer;

use super::compressor::{bad_level, failed};
use super::decompressor::{Output, damaged};

const FRAME_MAGIC: u32 = 0x184d_2204;
const VERSION_MASK: u8 = 0b1100_0000;
const VERSION_1: u8 = 0b0100_0000;
const BLOCKS_INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const DICTIONARY: u8 = 0b0000_0001;
const STORED_BIT: u32 = 0x8000_0000;
/// How far back a linked block may refer.
const WINDOW_BYTES: usize = 64 * 1024;
/// LZ4 cannot pack better than this.
const RATIO_MAX: usize = 255;

/// What `Lz4BlockOutputStream` writes: version 1, independent blocks of 64 KiB, no checksums. The last byte is the header
/// checksum of the two before it.
const HEADER_WRITTEN: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK_BYTES_WRITTEN: usize = 64 * 1024;
/// `compression.lz4.level` by default, which means the fast compressor and not level 9 of the slow one.
const LEVEL_DEFAULT: i32 = 9;

/// Unpacks one frame, or several put together.
pub(super) fn read(input: &[u8], output: &Output) -> Result<PooledBuffer> {
    let mut rest = input;
    let mut unpacked = Unpacked { buffer: output.guessed(input.len()), length: 0, output };
    loop {
        read_frame(&mut rest, &mut unpacked)?;
        if rest.is_empty() {
            unpacked.buffer.truncate(unpacked.length);
            return Ok(unpacked.buffer);
        }
    }
}

struct Unpacked<'a> {
    buffer: PooledBuffer,
    length: usize,
    output: &'a Output,
}

impl Unpacked<'_> {
    /// Makes room for `more` bytes, as far as the limit allows.
    fn reserve(&mut self, more: usize) -> Result<()> {
        let wanted = self.length.saturating_add(more).min(self.output.bytes_max());
        while self.buffer.len() < wanted {
            self.buffer = self.output.grown(&self.buffer, self.length)?;
        }
        Ok(())
    }
}

fn read_frame(rest: &mut &[u8], unpacked: &mut Unpacked<'_>) -> Result<()> {
    let header = FrameHeader::read(rest)?;
    let frame_start = unpacked.length;
    loop {
        let Ok(size) = rest.try_get_u32_le() else { return Err(cut_off()) };
        if size == 0 {
            break;
        }
        let Some((block, after)) = rest.split_at_checked((size & !STORED_BIT) as usize) else {
            return Err(cut_off());
        };
        *rest = after;
        if header.has_block_checksums {
            skip_checksum(rest)?;
        }
        if size & STORED_BIT != 0 {
            unpacked.reserve(block.len())?;
            let end = unpacked.length + block.len();
            let Some(room) = unpacked.buffer.get_mut(unpacked.length..end) else {
                // The limit cut the reservation short.
                unpacked.buffer = unpacked.output.grown(&unpacked.buffer, unpacked.length)?;
                return Err(damaged(Codec::Lz4, "a stored block exceeds the limit"));
            };
            room.copy_from_slice(block);
            unpacked.length = end;
        } else {
            let block_bytes_max = header.block_bytes_max.min(block.len().saturating_mul(RATIO_MAX));
            unpacked.reserve(block_bytes_max)?;
            let window = if header.has_linked_blocks { unpacked.length - frame_start } else { 0 };
            unpacked.length += read_block(block, unpacked, block_bytes_max, window)?;
        }
    }
    if header.has_content_checksum {
        skip_checksum(rest)?;
    }
    Ok(())
}

/// Unpacks one block behind what is unpacked already, `window` bytes of which it may refer to. Returns its length.
fn read_block(block: &[u8], unpacked: &mut Unpacked<'_>, bytes_max: usize, window: usize) -> Result<usize> {
    let window = window.min(WINDOW_BYTES);
    let at_limit = unpacked.buffer.len() == unpacked.output.bytes_max();
    let (done, room) = unpacked.buffer.split_at_mut(unpacked.length);
    let capacity = room.len().min(bytes_max);
    let dictionary = &done[done.len() - window..];
    // SAFETY: all four lengths are those of live slices (below 2 GiB: batches and limits are `i32` in the protocol and
    // are cut to it here); liblz4 reads `block` and `dictionary`, and writes at most `capacity` bytes to `room`, whatever
    // the input. The dictionary ends where `room` begins, which liblz4 permits and detects.
    let length = unsafe {
        LZ4_decompress_safe_usingDict(
            block.as_ptr().cast(),
            room.as_mut_ptr().cast(),
            length_of(block.len())?,
            length_of(capacity)?,
            dictionary.as_ptr().cast(),
            length_of(window)?,
        )
    };
    match usize::try_from(length) {
        Ok(length) => Ok(length),
        // Damaged, or too long for what the limit leaves: only the size tells, and liblz4 does not.
        Err(_) if at_limit && capacity < bytes_max => {
            unpacked.output.grown(&unpacked.buffer, 0)?;
            Err(damaged(Codec::Lz4, "bad block"))
        }
        Err(_) => Err(damaged(Codec::Lz4, "bad block")),
    }
}

struct FrameHeader {
    block_bytes_max: usize,
    has_linked_blocks: bool,
    has_block_checksums: bool,
    has_content_checksum: bool,
}

impl FrameHeader {
    fn read(rest: &mut &[u8]) -> Result<FrameHeader> {
        let (Ok(magic), Ok(flags), Ok(block_size)) =
            (rest.try_get_u32_le(), rest.try_get_u8(), rest.try_get_u8())
        else {
            return Err(cut_off());
        };
        if magic != FRAME_MAGIC {
            return Err(damaged(Codec::Lz4, format!("frame magic is {magic:#x}")));
        }
        if flags & VERSION_MASK != VERSION_1 || flags & DICTIONARY != 0 {
            return Err(damaged(Codec::Lz4, format!("unsupported frame flags {flags:#x}")));
        }
        let block_bytes_max = match block_size >> 4 & 7 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            size => return Err(damaged(Codec::Lz4, format!("unsupported block size {size}"))),
        };
        // The content size is a hint that we do not need, then comes the header checksum.
        let skipped = if flags & CONTENT_SIZE != 0 { 8 + 1 } else { 1 };
        *rest = rest.get(skipped..).ok_or_else(cut_off)?;
        Ok(FrameHeader {
            block_bytes_max,
            has_linked_blocks: flags & BLOCKS_INDEPENDENT == 0,
            has_block_checksums: flags & BLOCK_CHECKSUMS != 0,
            has_content_checksum: flags & CONTENT_CHECKSUM != 0,
        })
    }
}

fn skip_checksum(rest: &mut &[u8]) -> Result<()> {
    *rest = rest.get(4..).ok_or_else(cut_off)?;
    Ok(())
}

fn cut_off() -> crate::wire::error::Error {
    damaged(Codec::Lz4, "a frame is cut off")
}

fn length_of(length: usize) -> Result<c_int> {
    c_int::try_from(length).map_err(|cause| damaged(Codec::Lz4, cause))
}

pub(super) struct Writer {
    /// `None` for the fast compressor.
    level: Option<c_int>,
}

pub(super) fn bound(input_bytes: usize) -> usize {
    // Header, end mark, and a size before each block; a block that does not shrink is stored. One block of head room,
    // because liblz4 is only fast if it need not watch the end of its output.
    let blocks = input_bytes.div_ceil(BLOCK_BYTES_WRITTEN);
    HEADER_WRITTEN.len() + 4 + 4 * blocks + input_bytes + block_bound(BLOCK_BYTES_WRITTEN)
}

impl Writer {
    pub(super) fn new(level: Option<i32>) -> Result<Self> {
        match level {
            None | Some(LEVEL_DEFAULT) => Ok(Writer { level: None }),
            Some(level) if (1..=17).contains(&level) => Ok(Writer { level: Some(level) }),
            Some(level) => Err(bad_level(Codec::Lz4, level, 1, 17)),
        }
    }

    pub(super) fn write(&mut self, input: &[u8], room: &mut [u8]) -> Result<usize> {
        room[..HEADER_WRITTEN.len()].copy_from_slice(&HEADER_WRITTEN);
        let mut at = HEADER_WRITTEN.len();
        for block in input.chunks(BLOCK_BYTES_WRITTEN) {
            let packed = &mut room[at + 4..];
            let length = self.write_block(block, packed)?;
            let (length, size) = if length < block.len() {
                (length, length as u32)
            } else {
                packed[..block.len()].copy_from_slice(block);
                (block.len(), block.len() as u32 | STORED_BIT)
            };
            room[at..at + 4].copy_from_slice(&size.to_le_bytes());
            at += 4 + length;
        }
        room[at..at + 4].copy_from_slice(&[0; 4]);
        Ok(at + 4)
    }

    fn write_block(&mut self, block: &[u8], packed: &mut [u8]) -> Result<usize> {
        let (block_length, room_length) = (length_of(block.len())?, length_of(packed.len())?);
        let (from, to) = (block.as_ptr().cast(), packed.as_mut_ptr().cast());
        let length = match self.level {
            // SAFETY: both lengths are those of live slices; liblz4 reads the first and writes within the second.
            None => unsafe { lz4_sys::LZ4_compress_default(from, to, block_length, room_length) },
            // SAFETY: as above.
            Some(level) => unsafe { lz4_sys::LZ4_compress_HC(from, to, block_length, room_length, level) },
        };
        // Zero means that the output did not fit, which `bound` excludes.
        match usize::try_from(length) {
            Ok(length) if length > 0 => Ok(length),
            _ => Err(failed(Codec::Lz4, "output buffer too small")),
        }
    }
}

/// The most that one block can grow to: `LZ4_COMPRESSBOUND`.
const fn block_bound(bytes: usize) -> usize {
    bytes + bytes / 255 + 16
}

unsafe extern "C" {
    /// From lz4.h; part of the library that `lz4-sys` links, which does not declare it.
    fn LZ4_decompress_safe_usingDict(
        source: *const c_char,
        destination: *mut c_char,
        source_length: c_int,
        destination_capacity: c_int,
        dictionary: *const c_char,
        dictionary_length: c_int,
    ) -> c_int;
}
