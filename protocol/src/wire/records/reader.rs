//! Walks over the batches of a fetch response or produce request without looking at their records.

use bytes::Bytes;

use crate::wire::error::{Error, Result};

use super::compression::Decompressor;
use super::header::{ATTRIBUTES_AT, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, MAGIC_AT, MAGIC_V2};
use super::record::Records;
use super::{codec::Codec, crc, legacy};

/// The batches in the `records` field of a message. A batch that the bytes cut off ends the iteration without an
/// error: brokers may send one, see [`RecordSet::incomplete_batch_bytes`]. Any other fault is an error and ends it too.
#[derive(Debug, Clone)]
pub struct RecordSet {
    rest: Bytes,
}

impl RecordSet {
    /// Starts at the first batch. Copies nothing: batches are slices of `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        RecordSet { rest: bytes }
    }

    /// After the iteration ended: the whole size of the batch that was cut off (or the 12 bytes that say its size), if
    /// there was one. If it was the first of a fetch, the reader cannot advance without a larger fetch.
    pub fn incomplete_batch_bytes(&self) -> Option<usize> {
        match batch_bytes(&self.rest) {
            Ok(Some(size)) => Some(size),
            _ if self.rest.is_empty() => None,
            _ => Some(LOG_OVERHEAD_BYTES),
        }
    }

    fn split_batch(&mut self, size: usize) -> Result<RecordBatch> {
        let bytes = self.rest.split_to(size);
        let header = match bytes[MAGIC_AT] as i8 {
            0 | 1 => legacy::parse_header(&bytes)?,
            _ => BatchHeader::parse(&bytes)?.ok_or_else(|| {
                Error::malformed("read record batch header", "batch shorter than its header")
            })?,
        };
        Ok(RecordBatch { bytes, header })
    }
}

impl Iterator for RecordSet {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match batch_bytes(&self.rest) {
            Ok(Some(size)) if size <= self.rest.len() => self.split_batch(size),
            Ok(_) => return None,
            Err(error) => Err(error),
        };
        if batch.is_err() {
            self.rest = Bytes::new();
        }
        Some(batch)
    }
}

/// One batch: its bytes as they came and its header. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    bytes: Bytes,
    header: BatchHeader,
}

impl RecordBatch {
    /// The whole batch as it came, header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// `Unsupported` for an id that Kafka does not define.
    pub fn codec(&self) -> Result<Codec> {
        self.header.codec()
    }

    /// Whether the bytes can be produced as they are (with another producer's stamp): format v2, data, complete.
    /// Whether codec and size suit the target topic is for the caller to check.
    pub fn can_pass_through(&self) -> bool {
        self.header.magic == MAGIC_V2 && !self.header.is_control() && !self.header.has_gaps()
    }

    /// Checks the batch's own checksum over all of its bytes.
    ///
    /// # Errors
    /// `Malformed` if it does not match: the bytes were damaged on the way or on the broker's disk.
    pub fn check_crc(&self) -> Result<()> {
        let computed = match self.header.magic {
            MAGIC_V2 => crc::crc32c(&self.bytes[ATTRIBUTES_AT..]),
            _ => legacy::crc(&self.bytes),
        };
        if computed == self.header.crc {
            return Ok(());
        }
        Err(Error::malformed(
            "check record batch",
            format!(
                "crc is {computed:#010x}, the batch at offset {} says {:#010x}",
                self.header.base_offset, self.header.crc
            ),
        ))
    }

    /// The records in wire format: a slice of the batch if it is not compressed, else a buffer from the decompressor's
    /// pool. Messages of format v0 and v1 are converted, so that [`RecordBatch::records`] reads all formats.
    ///
    /// # Errors
    /// `Malformed` if the compressed bytes are damaged, `TooLarge` if they unpack to more than the decompressor's limit.
    pub fn payload(&self, decompressor: &mut Decompressor) -> Result<Bytes> {
        if self.header.magic != MAGIC_V2 {
            return legacy::convert(&self.bytes, &self.header, decompressor);
        }
        match self.codec()? {
            Codec::None => Ok(self.bytes.slice(HEADER_BYTES..)),
            codec => Ok(decompressor.decompress(codec, &self.bytes[HEADER_BYTES..])?.freeze()),
        }
    }

    /// Iterates over the records of this batch's [`RecordBatch::payload`].
    pub fn records<'a>(&self, payload: &'a [u8]) -> Records<'a> {
        Records::new(&self.header, payload, self.header.magic != MAGIC_V2)
    }
}

/// The size of the batch at the start of `bytes`, header included; `None` if the bytes end before they say it.
fn batch_bytes(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(&[.., a, b, c, d]) = bytes.first_chunk::<LOG_OVERHEAD_BYTES>() else { return Ok(None) };
    let length = i32::from_be_bytes([a, b, c, d]);
    // The shortest thing that may stand here is a v0 message without key and value.
    if length < legacy::MESSAGE_BYTES_MIN {
        let detail = format!("batch length is {length}");
        return Err(Error::malformed("read record batch header", detail));
    }
    Ok(Some(LOG_OVERHEAD_BYTES + length as usize))
}
