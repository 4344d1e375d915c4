//! Taking a batch apart that the broker finds too large, as Java's `ProducerBatch#split` does: its records leave in smaller ones.

use super::accumulator::Accumulator;
use super::queue::SealedBatch;
use crate::wire::records::{
    BatchBuilder, BatchHeader, DECOMPRESSED_BYTES_MAX_DEFAULT, Decompressor, HEADER_BYTES, ProducerStamp,
    RecordSet,
};
use crate::{Error, Result};

const DOING: &str = "split record batch";

impl Accumulator {
    /// The records of `batch` in at least two batches of at most half its uncompressed size, as far as single records allow.
    ///
    /// # Errors
    /// When it cannot be read or written again; it is then as it was.
    pub(super) fn split(&self, batch: &SealedBatch) -> Result<Vec<SealedBatch>> {
        let bytes = [&batch.header.to_bytes()[..], &batch.payload[..]].concat();
        let whole = RecordSet::new(bytes.into()).next().transpose()?;
        let whole = whole.ok_or_else(|| Error::internal(DOING, "the batch is shorter than its header"))?;
        let pool = self.cluster.pool();
        let mut decompressor = Decompressor::new(pool.clone(), DECOMPRESSED_BYTES_MAX_DEFAULT);
        let records = whole.payload(&mut decompressor)?;
        let target_bytes = self.config.batch_bytes.min(HEADER_BYTES + records.len() / 2);
        let mut builder = BatchBuilder::new(pool.clone(), target_bytes);
        let mut sealed = Vec::new();
        for record in whole.records(&records) {
            let record = record?;
            let (timestamp_ms, key, value) = (record.timestamp, record.key, record.value);
            while !builder.append_with_raw_headers(timestamp_ms, key, value, record.headers)? {
                sealed.push(self.finish_part(&mut builder)?);
            }
        }
        if !builder.is_empty() {
            sealed.push(self.finish_part(&mut builder)?);
        }
        let mut tokens = Tokens { runs: &batch.tokens, taken: 0 };
        let parts = sealed.into_iter().map(|(header, payload, raw_bytes)| SealedBatch {
            id: self.next_id(),
            tokens: tokens.take(header.record_count),
            deadline: batch.deadline,
            charged_bytes: HEADER_BYTES + payload.len(),
            flush_generation: batch.flush_generation,
            header,
            payload,
            raw_bytes,
        });
        let parts: Vec<SealedBatch> = parts.collect();
        self.replace_charge(batch, &parts);
        Ok(parts)
    }

    fn finish_part(&self, builder: &mut BatchBuilder) -> Result<(BatchHeader, bytes::Bytes, usize)> {
        let raw_bytes = builder.estimated_bytes();
        let bytes = builder.finish(ProducerStamp::NONE, &mut self.compressor.borrow_mut())?;
        let header = BatchHeader::parse(&bytes)?
            .ok_or_else(|| Error::internal(DOING, "the batch is shorter than its header"))?;
        Ok((header, bytes.slice(HEADER_BYTES..), raw_bytes))
    }
}

/// Runs of tokens, handed out by record counts.
struct Tokens<'a> {
    runs: &'a [(u64, u32)],
    /// Records of the first run that are handed out.
    taken: u32,
}

impl Tokens<'_> {
    fn take(&mut self, record_count: i32) -> Vec<(u64, u32)> {
        let mut missing = u32::try_from(record_count).unwrap_or(0);
        let mut out = Vec::new();
        while missing > 0
            && let Some(((token, count), rest)) = self.runs.split_first()
        {
            let taken = missing.min(count - self.taken);
            out.push((*token, taken));
            missing -= taken;
            self.taken += taken;
            if self.taken == *count {
                (self.runs, self.taken) = (rest, 0);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_handed_out_by_record_counts() {
        let mut tokens = Tokens { runs: &[(7, 3), (8, 1), (9, 4)], taken: 0 };
        assert_eq!(tokens.take(2), [(7, 2)]);
        assert_eq!(tokens.take(3), [(7, 1), (8, 1), (9, 1)]);
        assert_eq!(tokens.take(3), [(9, 3)]);
        assert_eq!(tokens.take(1), []);
    }
}
