//! One partition: who leads it, its log, its idempotent and transactional producers, and the fetches that wait on it.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::records::Decompressor;

use super::{TopicSettings, Watches};
use crate::log::{KnownProducer, Log, Marker, Producers, ReceivedBatch, Sequenced};
use crate::memory::MemoryBudget;
use crate::refusal::Refusal;

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    /// -1 while no replica runs.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) log: Log,
    pub(crate) watches: Watches,
    producers: Producers,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// -1 where records keep the producer's timestamps.
    pub(crate) log_append_time_ms: i64,
    pub(crate) log_start_offset: i64,
}

impl Partition {
    /// `replicas` are node ids, the preferred leader first.
    pub(crate) fn new(leader: i32, replicas: Vec<i32>, budget: MemoryBudget) -> Self {
        Self {
            leader,
            leader_epoch: 0,
            replicas,
            log: Log::new(budget),
            watches: Watches::default(),
            producers: Producers::default(),
        }
    }

    /// Checks the records of a produce request and stores them, unless they are a repetition. `join_transaction` is
    /// asked about the first batch of a transaction.
    pub(crate) fn append(
        &mut self,
        records: Option<Bytes>,
        join_transaction: impl FnOnce(&Sequenced) -> Result<(), Refusal>,
        settings: &TopicSettings,
        now_ms: i64,
        decompressor: &mut Decompressor,
    ) -> Result<Appended, Refusal> {
        let batch = ReceivedBatch::check(records)?;
        let size = batch.bytes().len();
        if size > settings.message_bytes_max {
            return Err(Refusal::new(
                ErrorCode::MESSAGE_TOO_LARGE,
                format!(
                    "record batch of {size} bytes is above max.message.bytes = {}",
                    settings.message_bytes_max
                ),
            ));
        }
        let append_time_ms = settings.stamps_append_time.then_some(now_ms);
        let sequenced = batch.sequenced();
        if let Some(sequenced) = sequenced.as_ref().filter(|sequenced| sequenced.is_transactional)
            && !self.producers.is_in_transaction(sequenced)
        {
            join_transaction(sequenced)?;
        }
        if let Some(sequenced) = &sequenced
            && let Some(base_offset) = self.producers.check(sequenced)?
        {
            return Ok(self.appended(base_offset, append_time_ms));
        }
        if append_time_ms.is_none()
            && batch.header().max_timestamp.saturating_sub(now_ms) > settings.timestamp_ahead_max_ms
        {
            return Err(Refusal::new(
                ErrorCode::INVALID_TIMESTAMP,
                format!(
                    "timestamp {} is more than message.timestamp.after.max.ms = {} ahead of the broker's clock",
                    batch.header().max_timestamp,
                    settings.timestamp_ahead_max_ms
                ),
            ));
        }
        if settings.is_compacted {
            batch.check_keys(decompressor)?;
        }
        let base_offset = self.log.append(&batch, self.leader_epoch, append_time_ms)?;
        if let Some(sequenced) = &sequenced
            && self.producers.appended(sequenced, base_offset)
        {
            self.log.start_transaction(base_offset, sequenced.producer_id);
        }
        if let Some(bytes_max) = settings.retention_bytes {
            self.log.trim_to_size(bytes_max);
        }
        self.watches.appended(size);
        Ok(self.appended(base_offset, append_time_ms))
    }

    /// Stores the marker that ends a producer's transaction.
    pub(crate) fn end_transaction(&mut self, marker: &Marker, now_ms: i64) -> Result<(), Refusal> {
        let first_offset = self.producers.check_marker(marker)?;
        self.log.end_transaction(marker, first_offset, self.leader_epoch, now_ms)?;
        self.producers.ended(marker, now_ms);
        // Readers of committed records may go on, whatever the marker's size.
        self.watches.wake_all();
        Ok(())
    }

    /// Another node leads from now on, in a new epoch; it has all records.
    pub(crate) fn move_leader(&mut self, node_id: i32) {
        if !self.replicas.contains(&node_id) {
            self.replicas.push(node_id);
        }
        self.elect(node_id);
    }

    /// One of the replicas leads from now on, or none (-1), in a new epoch.
    pub(crate) fn elect(&mut self, leader: i32) {
        self.leader = leader;
        self.leader_epoch += 1;
        self.watches.wake_all();
    }

    /// A new epoch begins without the records from `offset` on, as after an unclean election. What is known of producers
    /// is read from what is left, as Kafka does.
    pub(crate) fn truncate(&mut self, offset: i64, decompressor: &mut Decompressor) {
        self.log.truncate(offset);
        self.leader_epoch += 1;
        self.producers = Producers::default();
        let aborted_before = self.log.forget_transactions();
        for batch in self.log.stored_batches() {
            self.replay(&batch, decompressor);
        }
        self.log.transactions_replayed(aborted_before);
        self.watches.wake_all();
    }

    fn replay(&mut self, batch: &ReceivedBatch, decompressor: &mut Decompressor) {
        let base_offset = batch.header().base_offset;
        if let Some(marker) = batch.marker(decompressor) {
            if let Ok(Some(first_offset)) = self.producers.check_marker(&marker) {
                self.log.replay_marker(first_offset, base_offset, !marker.is_commit);
            }
            self.producers.ended(&marker, batch.header().max_timestamp);
        } else if let Some(sequenced) = batch.sequenced()
            && self.producers.appended(&sequenced, base_offset)
        {
            self.log.start_transaction(base_offset, sequenced.producer_id);
        }
    }

    /// The producers that are remembered.
    pub(crate) fn producers(&self) -> impl Iterator<Item = KnownProducer> {
        self.producers.iter()
    }

    /// Checks that the client's idea of the leader epoch is ours (KIP-320); -1 means that it has none.
    pub(crate) fn check_epoch(&self, client_epoch: i32) -> Result<(), Refusal> {
        match client_epoch {
            -1 => Ok(()),
            older if older < self.leader_epoch => Err(ErrorCode::FENCED_LEADER_EPOCH.into()),
            newer if newer > self.leader_epoch => Err(ErrorCode::UNKNOWN_LEADER_EPOCH.into()),
            _ => Ok(()),
        }
    }

    fn appended(&self, base_offset: i64, append_time_ms: Option<i64>) -> Appended {
        Appended {
            base_offset,
            log_append_time_ms: append_time_ms.unwrap_or(-1),
            log_start_offset: self.log.start_offset(),
        }
    }
}
