//! The 61 bytes before the records of a v2 batch: read, written, and patched in place.
//!
//! ```text
//!  0 base offset i64      8 batch length i32     12 leader epoch i32   16 magic i8   17 crc u32
//! 21 attributes i16      23 last offset delta   27 base timestamp     35 max timestamp
//! 43 producer id i64     51 producer epoch i16  53 base sequence i32  57 record count i32
//! ```
//!
//! Everything before offset 21 lies outside the CRC, so a broker may set base offset and leader epoch for free.

use super::codec::Codec;
use super::crc;
use crate::wire::error::{Error, Result};

/// Bytes of the header of a v2 batch.
pub const HEADER_BYTES: usize = 61;
/// Bytes of base offset and batch length; the batch length counts what follows these.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// `producer_id` of a batch that no idempotent producer wrote.
pub const NO_PRODUCER_ID: i64 = -1;
/// `producer_epoch` of a batch that no idempotent producer wrote.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// `base_sequence` of a batch that no idempotent producer wrote.
pub const NO_SEQUENCE: i32 = -1;
/// A record without timestamp.
pub const NO_TIMESTAMP: i64 = -1;

pub(crate) const MAGIC_V2: i8 = 2;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
/// Where the CRC starts to count.
pub(crate) const ATTRIBUTES_AT: usize = 21;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME_BIT: i16 = 0x08;
const TRANSACTIONAL_BIT: i16 = 0x10;
pub(crate) const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;

/// Who set the timestamps of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer, per record.
    Create,
    /// The broker: all records have the batch's max timestamp.
    LogAppend,
}

/// The identity that an idempotent or transactional producer stamps on a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStamp {
    /// From `InitProducerId`; [`NO_PRODUCER_ID`] if not idempotent.
    pub producer_id: i64,
    /// From `InitProducerId`; [`NO_PRODUCER_EPOCH`] if not idempotent.
    pub producer_epoch: i16,
    /// Sequence number of the first record; [`NO_SEQUENCE`] if not idempotent.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
}

impl ProducerStamp {
    /// The stamp of a producer that is not idempotent.
    pub const NONE: ProducerStamp = ProducerStamp {
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        is_transactional: false,
    };
}

/// The header of a v2 batch, as read. Of a v0 or v1 message it is what v2 would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record. In a compressed v0/v1 message it is that of the last one, with negative deltas.
    pub base_offset: i64,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Leader epoch of the partition when the batch was appended; -1 if unknown.
    pub leader_epoch: i32,
    /// Format: 0, 1 or 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on (v0, v1: CRC-32 of everything after the CRC).
    pub crc: u32,
    /// Bits, see the accessors.
    pub attributes: i16,
    /// Offset of the last record that the batch once had, relative to `base_offset`. Compaction keeps it.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to, in ms.
    pub base_timestamp: i64,
    /// The largest timestamp, in ms; the timestamp of all records under [`TimestampType::LogAppend`].
    pub max_timestamp: i64,
    /// [`NO_PRODUCER_ID`] if not idempotent.
    pub producer_id: i64,
    /// [`NO_PRODUCER_EPOCH`] if not idempotent.
    pub producer_epoch: i16,
    /// [`NO_SEQUENCE`] if not idempotent.
    pub base_sequence: i32,
    /// Records in the batch, as it says itself: never trust it for an allocation.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. Checks what must hold for the batch to be walked over: magic, length,
    /// signs of counts. `None` in the result means that the bytes end within the header.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<BatchHeader>> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            batch_length: i32::from_be_bytes(field(bytes, 8)),
            leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            magic: i8::from_be_bytes(field(bytes, MAGIC_AT)),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: i16::from_be_bytes(field(bytes, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            record_count: i32::from_be_bytes(field(bytes, 57)),
        };
        header.check()?;
        Ok(Some(header))
    }

    /// The header as bytes, CRC as it stands in `self`.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        set(&mut bytes, 0, self.base_offset.to_be_bytes());
        set(&mut bytes, 8, self.batch_length.to_be_bytes());
        set(&mut bytes, 12, self.leader_epoch.to_be_bytes());
        set(&mut bytes, MAGIC_AT, self.magic.to_be_bytes());
        set(&mut bytes, CRC_AT, self.crc.to_be_bytes());
        set(&mut bytes, ATTRIBUTES_AT, self.attributes.to_be_bytes());
        set(&mut bytes, 23, self.last_offset_delta.to_be_bytes());
        set(&mut bytes, 27, self.base_timestamp.to_be_bytes());
        set(&mut bytes, 35, self.max_timestamp.to_be_bytes());
        set(&mut bytes, 43, self.producer_id.to_be_bytes());
        set(&mut bytes, 51, self.producer_epoch.to_be_bytes());
        set(&mut bytes, 53, self.base_sequence.to_be_bytes());
        set(&mut bytes, 57, self.record_count.to_be_bytes());
        bytes
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// `Unsupported` for an id that Kafka does not define.
    pub fn codec(&self) -> Result<Codec> {
        Codec::from_id((self.attributes & CODEC_MASK) as u8)
    }

    /// Who set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::Create
        } else {
            TimestampType::LogAppend
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch holds a control record (end of a transaction) and no data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether compaction has set a time from which tombstones may go (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON_BIT != 0
    }

    /// From when on the batch's tombstones, or its marker of an empty transaction, may go, in ms: set by the first compaction that
    /// met them.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Offset of the last record that the batch once had.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Where a reader goes on after this batch, whether or not it holds any record: a reader always advances.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether records were removed since the batch was written. Such a batch cannot be produced as it is: a broker
    /// requires that last offset − base offset + 1 equals the count.
    pub fn has_gaps(&self) -> bool {
        self.record_count.checked_sub(1) != Some(self.last_offset_delta)
    }

    /// Bytes of the whole batch, header included.
    pub fn total_bytes(&self) -> usize {
        LOG_OVERHEAD_BYTES + self.batch_length as usize
    }

    fn check(&self) -> Result<()> {
        const DOING: &str = "read record batch header";
        let fail = |what: &str, value: i64| {
            Err(Error::malformed(DOING, format!("{what} is {value} at offset {}", self.base_offset)))
        };
        if self.magic != MAGIC_V2 {
            return fail("magic", i64::from(self.magic));
        }
        if self.batch_length < (HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32 {
            return fail("batch length", i64::from(self.batch_length));
        }
        if self.last_offset_delta < 0 {
            return fail("last offset delta", i64::from(self.last_offset_delta));
        }
        if self.record_count < 0 {
            return fail("record count", i64::from(self.record_count));
        }
        if self.base_offset < 0 {
            return fail("base offset", self.base_offset);
        }
        Ok(())
    }
}

/// Sets the base offset of the batch that starts at `batch`; outside the CRC. Returns `false`, and does nothing, if
/// the bytes are too few to be a batch.
pub fn patch_base_offset(batch: &mut [u8], base_offset: i64) -> bool {
    let Some(header) = batch.first_chunk_mut::<HEADER_BYTES>() else { return false };
    set(header, 0, base_offset.to_be_bytes());
    true
}

/// Sets the leader epoch of the batch that starts at `batch`; outside the CRC. Returns `false`, and does nothing, if
/// the bytes are too few to be a batch.
pub fn patch_leader_epoch(batch: &mut [u8], leader_epoch: i32) -> bool {
    let Some(header) = batch.first_chunk_mut::<HEADER_BYTES>() else { return false };
    set(header, 12, leader_epoch.to_be_bytes());
    true
}

/// Stamps a producer's identity on the whole v2 batch that starts at `batch` and adjusts the CRC without reading the
/// records: about half a microsecond, whatever the size. A CRC that was wrong before is wrong after.
///
/// # Errors
/// `Malformed` if there is no whole v2 batch at the start of `batch`.
pub fn patch_producer(batch: &mut [u8], stamp: ProducerStamp) -> Result<()> {
    const DOING: &str = "stamp producer id on record batch";
    let length = batch.len();
    let Some(parsed) = BatchHeader::parse(batch)? else {
        return Err(Error::malformed(DOING, "batch shorter than its header"));
    };
    if parsed.total_bytes() > length {
        return Err(Error::malformed(DOING, "batch shorter than its length says"));
    }
    let stamped = stamped(&parsed, stamp);
    batch[..HEADER_BYTES].copy_from_slice(&stamped.to_bytes());
    Ok(())
}

/// The header with another producer's identity and a CRC to match, for a batch whose bytes are shared: send
/// [`BatchHeader::to_bytes`] of it and then the old bytes from [`HEADER_BYTES`] on.
pub fn stamped(header: &BatchHeader, stamp: ProducerStamp) -> BatchHeader {
    let mut new = *header;
    new.producer_id = stamp.producer_id;
    new.producer_epoch = stamp.producer_epoch;
    new.base_sequence = stamp.base_sequence;
    if stamp.is_transactional {
        new.attributes |= TRANSACTIONAL_BIT;
    } else {
        new.attributes &= !TRANSACTIONAL_BIT;
    }
    new.crc = crc::replace_prefix(
        header.crc,
        &header.to_bytes()[ATTRIBUTES_AT..],
        &new.to_bytes()[ATTRIBUTES_AT..],
        header.total_bytes() - HEADER_BYTES,
    );
    new
}

/// Gives all records of the whole v2 batch that starts at `batch` the broker's time, and adjusts the CRC without reading
/// them. Returns `false`, and does nothing, if there is no whole v2 batch.
pub fn patch_append_time(batch: &mut [u8], time_ms: i64) -> bool {
    let length = batch.len();
    let Ok(Some(old)) = BatchHeader::parse(batch) else { return false };
    if old.total_bytes() > length {
        return false;
    }
    let mut new = old;
    new.attributes |= LOG_APPEND_TIME_BIT;
    new.max_timestamp = time_ms;
    new.crc = crc::replace_prefix(
        old.crc,
        &old.to_bytes()[ATTRIBUTES_AT..],
        &new.to_bytes()[ATTRIBUTES_AT..],
        old.total_bytes() - HEADER_BYTES,
    );
    batch[..HEADER_BYTES].copy_from_slice(&new.to_bytes());
    true
}

/// The attribute bits of a batch that lost records.
pub(crate) fn retained_attributes(old: i16, has_delete_horizon: bool) -> i16 {
    if has_delete_horizon { old | DELETE_HORIZON_BIT } else { old & !DELETE_HORIZON_BIT }
}

/// The attribute bits of a batch that lost all records.
pub(crate) fn emptied_attributes(old: i16) -> i16 {
    old & !(CODEC_MASK | DELETE_HORIZON_BIT)
}

/// The attribute bits of a batch to be written.
pub(crate) fn attributes(codec: Codec, is_transactional: bool) -> i16 {
    let transactional = if is_transactional { TRANSACTIONAL_BIT } else { 0 };
    i16::from(codec.id()) | transactional
}

/// `N` bytes at a constant position: the compiler removes the bounds check.
#[inline(always)]
fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

#[inline(always)]
fn set<const N: usize>(bytes: &mut [u8; HEADER_BYTES], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}
