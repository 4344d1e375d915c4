//! Message formats v0 and v1, read only: old logs still hold them. A message becomes a batch of its own whose payload
//! is converted to v2 records when it is asked for, so that nothing else knows of these formats.
//!
//! ```text
//!  0 offset i64   8 size i32   12 crc u32   16 magic i8   17 attributes i8   [18 timestamp i64, v1]   key   value
//! ```
//!
//! The value of a compressed message is a message set. Its wrapper has the offset of the last message inside; inner
//! offsets are absolute in v0, relative to the first in v1. LZ4 frames in v0 have a wrong header checksum
//! (KAFKA-3160), which our frame reader does not look at.

use bytes::{Buf, Bytes};

use crate::wire::error::{Error, Result};

use super::codec::Codec;
use super::compression::Decompressor;
use super::header::{
    BatchHeader, LOG_OVERHEAD_BYTES, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
};
use super::{crc, varint};

/// What `size` is at least: crc, magic, attributes and two lengths.
pub(crate) const MESSAGE_BYTES_MIN: i32 = 14;

const CRC_FROM: usize = 16;
const V0_ATTRIBUTES: i16 = 0x07;
const V1_ATTRIBUTES: i16 = 0x0f;

/// What a v2 header would say of this message. A compressed one does not know its count, and says 0.
pub(crate) fn parse_header(bytes: &[u8]) -> Result<BatchHeader> {
    let message = Message::parse(bytes).ok_or_else(|| fail("a length is wrong"))?;
    let mut header = BatchHeader {
        base_offset: message.offset,
        batch_length: message.size,
        leader_epoch: -1,
        magic: message.magic,
        crc: message.crc,
        attributes: message.attributes,
        last_offset_delta: 0,
        base_timestamp: message.timestamp,
        max_timestamp: message.timestamp,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        record_count: 1,
    };
    if message.offset < 0 {
        return Err(fail("the offset is negative"));
    }
    if header.codec()? != Codec::None {
        header.record_count = 0;
    }
    Ok(header)
}

/// The checksum that the message should have.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc::crc32(&bytes[CRC_FROM..])
}

/// The message, or the messages inside it, as v2 records relative to the wrapper's offset and timestamp.
pub(crate) fn convert(bytes: &[u8], header: &BatchHeader, decompressor: &mut Decompressor) -> Result<Bytes> {
    let wrapper = Message::parse(bytes).ok_or_else(|| fail("a length is wrong"))?;
    let codec = header.codec()?;
    if codec == Codec::None {
        let mut out = decompressor.pool().get(bytes.len() + 32);
        wrapper.write_record(&mut out, 0, 0);
        return Ok(out.freeze());
    }
    let compressed = wrapper.value.ok_or_else(|| fail("a compressed message has no value"))?;
    let inner = decompressor.decompress(codec, compressed)?;
    // Relative offsets count from the first message; the wrapper has the offset of the last one.
    let last = match wrapper.magic {
        0 => wrapper.offset,
        _ => messages(&inner).last().ok_or_else(|| fail("a compressed message is empty"))??.offset,
    };
    let mut out = decompressor.pool().get(inner.len());
    for message in messages(&inner) {
        let message = message?;
        if i32::from(message.attributes & V0_ATTRIBUTES) != i32::from(Codec::None.id()) {
            return Err(fail("a compressed message is inside another"));
        }
        let offset_delta = message.offset.checked_sub(last).and_then(|delta| i32::try_from(delta).ok());
        let offset_delta = offset_delta.ok_or_else(|| fail("an inner offset is out of range"))?;
        let timestamp_delta = message.timestamp.wrapping_sub(wrapper.timestamp);
        message.write_record(&mut out, offset_delta, timestamp_delta);
    }
    Ok(out.freeze())
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Result<Message<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let message = Message::parse(bytes);
        bytes = match &message {
            Some(message) => &bytes[LOG_OVERHEAD_BYTES + message.size as usize..],
            None => &[],
        };
        Some(message.ok_or_else(|| fail("a length is wrong inside a compressed message")))
    })
}

struct Message<'a> {
    offset: i64,
    size: i32,
    crc: u32,
    magic: i8,
    attributes: i16,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// The message at the start of `bytes`; `None` if a length is wrong.
    fn parse(mut bytes: &'a [u8]) -> Option<Message<'a>> {
        let offset = bytes.try_get_i64().ok()?;
        let size = bytes.try_get_i32().ok()?;
        let mut bytes = bytes.get(..usize::try_from(size).ok()?)?;
        let crc = bytes.try_get_u32().ok()?;
        let magic = bytes.try_get_i8().ok()?;
        let attributes = i16::from(bytes.try_get_i8().ok()?);
        let (timestamp, attributes) = match magic {
            0 => (NO_TIMESTAMP, attributes & V0_ATTRIBUTES),
            1 => (bytes.try_get_i64().ok()?, attributes & V1_ATTRIBUTES),
            _ => return None,
        };
        let key = read_nullable(&mut bytes)?;
        let value = read_nullable(&mut bytes)?;
        bytes.is_empty().then_some(Message { offset, size, crc, magic, attributes, timestamp, key, value })
    }

    fn write_record(&self, out: &mut Vec<u8>, offset_delta: i32, timestamp_delta: i64) {
        let key_length = self.key.map_or(-1, |key| key.len() as i32);
        let value_length = self.value.map_or(-1, |value| value.len() as i32);
        let length = 2
            + varint::size_i64(timestamp_delta)
            + varint::size_i32(offset_delta)
            + varint::size_i32(key_length)
            + varint::size_i32(value_length)
            + self.key.map_or(0, <[u8]>::len)
            + self.value.map_or(0, <[u8]>::len);
        varint::write_i32(out, length as i32);
        out.push(0);
        varint::write_i64(out, timestamp_delta);
        varint::write_i32(out, offset_delta);
        varint::write_i32(out, key_length);
        out.extend_from_slice(self.key.unwrap_or_default());
        varint::write_i32(out, value_length);
        out.extend_from_slice(self.value.unwrap_or_default());
        varint::write_i32(out, 0);
    }
}

fn read_nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = bytes.try_get_i32().ok()?;
    if length < 0 {
        return Some(None);
    }
    let (value, rest) = bytes.split_at_checked(length as usize)?;
    *bytes = rest;
    Some(Some(value))
}

fn fail(detail: &'static str) -> Error {
    Error::malformed("read message of format v0 or v1", detail)
}
