//! A record batch as a producer sent it, checked as Kafka's `LogValidator` does, but without decoding its records.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::records::{
    BatchHeader, ControlType, Decompressor, RecordBatch, RecordSet, end_transaction_marker,
};

use super::{Sequenced, TimestampHit};
use crate::refusal::Refusal;

/// Position of the format version in a batch, the same in all formats.
const MAGIC_AT: usize = 16;

/// What ends a producer's transaction in a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) is_commit: bool,
}

/// One whole, undamaged batch of format v2: data as a producer sent it, or a marker of ours.
#[derive(Debug)]
pub(crate) struct ReceivedBatch {
    batch: RecordBatch,
}

impl ReceivedBatch {
    /// Takes the records of one partition out of a produce request.
    pub(crate) fn check(records: Option<Bytes>) -> Result<Self, Refusal> {
        let records = records.unwrap_or_default();
        if records.get(MAGIC_AT).is_some_and(|magic| *magic < 2) {
            return Err(invalid("produce requests of this version hold record batches of format 2 only"));
        }
        let mut set = RecordSet::new(records);
        let batch = match set.next() {
            None if set.incomplete_batch_bytes().is_none() => {
                return Err(invalid("produce request without records"));
            }
            None => return Err(corrupt("record batch is cut off")),
            Some(Err(error)) => return Err(corrupt(error.to_string())),
            Some(Ok(batch)) => batch,
        };
        if set.next().is_some() || set.incomplete_batch_bytes().is_some() {
            return Err(invalid(
                "produce requests of this version hold exactly one record batch per partition",
            ));
        }
        batch.check_crc().map_err(|error| corrupt(error.to_string()))?;
        check_header(&batch)?;
        Ok(Self { batch })
    }

    /// The control batch that says how a transaction ended.
    pub(crate) fn of_marker(marker: &Marker, now_ms: i64) -> Result<Self, Refusal> {
        let control = if marker.is_commit { ControlType::Commit } else { ControlType::Abort };
        let Marker { producer_id, epoch, coordinator_epoch, .. } = *marker;
        let bytes = end_transaction_marker(control, producer_id, epoch, coordinator_epoch, now_ms);
        match RecordSet::new(bytes).next() {
            Some(Ok(batch)) => Ok(Self { batch }),
            _ => Err(ErrorCode::UNKNOWN_SERVER_ERROR.into()),
        }
    }

    /// A batch out of a log.
    pub(super) fn stored(batch: RecordBatch) -> Self {
        Self { batch }
    }

    /// What a control batch says.
    pub(crate) fn marker(&self, decompressor: &mut Decompressor) -> Option<Marker> {
        let header = self.batch.header();
        if !header.is_control() {
            return None;
        }
        let payload = self.batch.payload(decompressor).ok()?;
        let record = self.batch.records(&payload).next()?.ok()?;
        let coordinator_epoch = record.value?.get(2..6)?.try_into().ok()?;
        Some(Marker {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            coordinator_epoch: i32::from_be_bytes(coordinator_epoch),
            is_commit: ControlType::from_key(record.key?)? == ControlType::Commit,
        })
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        self.batch.bytes()
    }

    pub(crate) fn header(&self) -> &BatchHeader {
        self.batch.header()
    }

    /// What an idempotent producer stamped on it.
    pub(crate) fn sequenced(&self) -> Option<Sequenced> {
        let header = self.batch.header();
        if header.producer_id < 0 {
            return None;
        }
        let room = i32::MAX - header.base_sequence;
        let last_sequence = if header.last_offset_delta <= room {
            header.base_sequence + header.last_offset_delta
        } else {
            header.last_offset_delta - room - 1
        };
        Some(Sequenced {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_sequence,
            is_transactional: header.is_transactional(),
            timestamp_ms: header.max_timestamp,
        })
    }

    /// Refuses records that a compacted topic cannot hold: without a key, or under other offsets than the next ones.
    pub(crate) fn check_for_compaction(&self, decompressor: &mut Decompressor) -> Result<(), Refusal> {
        let payload = self.batch.payload(decompressor).map_err(|error| corrupt(error.to_string()))?;
        for (expected_delta, record) in (0..).zip(self.batch.records(&payload)) {
            let record = record.map_err(|error| corrupt(error.to_string()))?;
            if record.key.is_none() {
                return Err(invalid("compacted topic cannot accept message without key"));
            }
            if record.offset_delta != expected_delta {
                return Err(invalid(format!(
                    "record has offset delta {} where {expected_delta} comes next",
                    record.offset_delta
                )));
            }
        }
        Ok(())
    }
}

/// Searches the records of a stored batch by offset and timestamp. A batch that cannot be decoded has none.
pub(super) fn with_timestamps<T>(
    batch: &RecordBatch,
    decompressor: &mut Decompressor,
    search: impl FnOnce(&mut dyn Iterator<Item = TimestampHit>) -> Option<T>,
) -> Option<T> {
    let payload = batch.payload(decompressor).ok()?;
    let base_offset = batch.header().base_offset;
    let mut hits = batch.records(&payload).map_while(Result::ok).map(|record| TimestampHit {
        offset: base_offset.saturating_add(i64::from(record.offset_delta)),
        timestamp_ms: record.timestamp,
    });
    search(&mut hits)
}

fn check_header(batch: &RecordBatch) -> Result<(), Refusal> {
    let header = batch.header();
    batch
        .codec()
        .map_err(|error| Refusal::new(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, error.to_string()))?;
    if header.record_count < 1 || header.has_gaps() {
        return Err(invalid(format!(
            "record batch says it holds {} records but its last offset delta is {}",
            header.record_count, header.last_offset_delta
        )));
    }
    if header.is_control() {
        return Err(invalid("clients cannot write control batches"));
    }
    if header.is_transactional() && header.producer_id < 0 {
        return Err(invalid("transactional record batch without producer id"));
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(invalid(format!(
            "record batch of producer {} has epoch {} and sequence {}",
            header.producer_id, header.producer_epoch, header.base_sequence
        )));
    }
    Ok(())
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_RECORD, why)
}

fn corrupt(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::CORRUPT_MESSAGE, why)
}
