//! Sorts a fetch response into the partitions: positions advance by header arithmetic, errors become waits, data becomes ready.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::partitions::{Need, Partition, Partitions};
use super::session::{PartitionFetch, PartitionRef};
use super::{AbortedTransaction, ConsumerConfig, Fetched, IsolationLevel, OffsetReset, ResetCause};
use crate::cluster::{RetryAction, decide};
use crate::wire::messages::fetch_response::PartitionData;
use crate::wire::records::{BatchHeader, RecordSet};
use crate::{Error, ErrorCode};

/// Failures in a row that an error counts as when it was reported to the user: its pause is the longest at once.
const REPORTED: u32 = 8;

/// What judging an answer takes beside the answer.
pub(super) struct Judge<'a> {
    pub(super) config: &'a ConsumerConfig,
    /// Who answered.
    pub(super) node: i32,
    /// Of the metadata that the request was routed by.
    pub(super) generation: u64,
    pub(super) now: Instant,
    /// How long a follower that the leader proposed is fetched from before the leader is asked again: `metadata.max.age.ms`.
    pub(super) preferred_replica_age_max: Duration,
    /// The retry policy: the pause after so many failures in a row.
    pub(super) backoff: &'a dyn Fn(u32) -> Duration,
}

#[cfg(test)]
impl<'a> Judge<'a> {
    /// Of answers by node 1, under generation 7.
    pub(super) fn of_node_1(config: &'a ConsumerConfig) -> Self {
        Self {
            config,
            node: 1,
            generation: 7,
            now: Instant::now(),
            preferred_replica_age_max: Duration::from_secs(300),
            backoff: &|_| Duration::from_millis(100),
        }
    }
}

/// What a partition's answer asks of others.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing new.
    Nothing,
    /// Data was queued.
    Ready,
    /// The leader is another one by now.
    StaleLeader,
    /// The user has to know.
    Report(Error),
}

/// The whole batches at the start of a fetched byte range.
#[derive(Debug, PartialEq, Eq)]
struct Extent {
    bytes: usize,
    record_count: u64,
    next_offset: i64,
    leader_epoch: i32,
}

impl Partitions {
    /// Takes in what a broker answered for one partition when asked for `sent`.
    pub(super) fn on_fetched(
        &mut self,
        topic: &str,
        sent: PartitionFetch,
        data: PartitionData,
        judge: &Judge<'_>,
    ) -> Outcome {
        let key = PartitionRef { topic, partition: data.partition_index };
        let Some(name) = self.topic(key) else { return Outcome::Nothing };
        let Some(partition) = self.map.get_mut(&key) else { return Outcome::Nothing };
        // The answer to a question that was overtaken by a seek, a reset or another broker's answer.
        if partition.is_revoking
            || partition.need != Need::Nothing
            || partition.fetch_offset != sent.offset
            || partition.topic_id != sent.topic_id
        {
            return Outcome::Nothing;
        }
        let code = ErrorCode(data.error_code);
        if code.is_error() {
            return partition.on_error(code, &name, data.partition_index, judge);
        }
        partition.succeed();
        if data.preferred_read_replica.0 >= 0 && data.preferred_read_replica.0 != judge.node {
            // KIP-392: a follower in our rack has it, too. The leader sends no data along.
            partition.preferred_replica = judge
                .now
                .checked_add(judge.preferred_replica_age_max)
                .map(|until| (data.preferred_read_replica.0, until));
            return Outcome::StaleLeader;
        }
        let end = match judge.config.isolation_level {
            IsolationLevel::ReadCommitted if data.last_stable_offset >= 0 => data.last_stable_offset,
            IsolationLevel::ReadCommitted | IsolationLevel::ReadUncommitted => data.high_watermark,
        };
        partition.note_log(known(data.log_start_offset), known(end));
        let records = data.records.unwrap_or_default();
        if records.is_empty() {
            partition.record_lag(judge.now);
            return Outcome::Nothing;
        }
        let extent = match measure(&records, sent.offset, judge.config.check_crcs) {
            Ok(Some(extent)) if extent.next_offset > sent.offset => extent,
            Ok(Some(extent)) => {
                partition.retry_reported(judge);
                let detail = format!("{name}-{} goes back to {}", data.partition_index, extent.next_offset);
                return Outcome::Report(Error::malformed("read fetched batches", detail));
            }
            Ok(None) => {
                // Not one whole batch (brokers before KIP-74, or a limit on their side): ask for more.
                let larger = partition.fetch_bytes_max.saturating_mul(2).max(1);
                if larger == partition.fetch_bytes_max {
                    partition.retry_reported(judge);
                }
                partition.fetch_bytes_max = larger;
                debug!(topic = %name, partition = data.partition_index, larger, "batch did not fit, fetching more");
                return Outcome::Nothing;
            }
            Err(error) => {
                partition.retry_reported(judge);
                let detail = format!("{name}-{} at offset {}: {error}", data.partition_index, sent.offset);
                return Outcome::Report(Error::malformed("read fetched batches", detail));
            }
        };
        partition.fetch_offset = extent.next_offset;
        partition.fetch_epoch = extent.leader_epoch;
        partition.validated_epoch = partition.validated_epoch.max(sent.leader_epoch);
        let aborted_transactions = data.aborted_transactions.unwrap_or_default();
        self.push_ready(Fetched {
            topic: name,
            partition: data.partition_index,
            first_wanted_offset: sent.offset,
            next_offset: extent.next_offset,
            leader_epoch: extent.leader_epoch,
            records: RecordSet::new(records.slice(..extent.bytes)),
            bytes: extent.bytes,
            record_count: extent.record_count,
            high_watermark: data.high_watermark,
            log_start_offset: data.log_start_offset,
            last_stable_offset: data.last_stable_offset,
            aborted_transactions: aborted_transactions
                .into_iter()
                .map(|aborted| AbortedTransaction {
                    producer_id: aborted.producer_id.0,
                    first_offset: aborted.first_offset,
                })
                .collect(),
        });
        Outcome::Ready
    }
}

impl Partition {
    fn on_error(&mut self, code: ErrorCode, topic: &Arc<str>, index: i32, judge: &Judge<'_>) -> Outcome {
        debug!(%topic, partition = index, %code, offset = self.fetch_offset, "fetch was refused");
        if self.preferred_replica.take_if(|(node, _)| *node == judge.node).is_some() {
            // A follower may lag behind, or be none any more: the leader has the last word.
            return Outcome::StaleLeader;
        }
        if code != ErrorCode::OFFSET_OUT_OF_RANGE {
            return self.on_refused(code, "fetch", &format!("{topic}-{index}"), judge);
        }
        match judge.config.auto_offset_reset {
            OffsetReset::None => {
                self.need = Need::Seek;
                let offset = self.fetch_offset;
                let detail = format!("offset {offset} of {topic}-{index}, and auto.offset.reset is none");
                Outcome::Report(Error::broker("fetch", code).with_source(detail))
            }
            reset => {
                self.reset_from = Some((ResetCause::OutOfRange, self.fetch_offset));
                self.need = Need::Reset(reset);
                Outcome::Nothing
            }
        }
    }

    /// An answer without an offset or data: wait, look for the leader, or tell the user. The position stays.
    pub(super) fn on_refused(
        &mut self,
        code: ErrorCode,
        doing: &'static str,
        name: &str,
        judge: &Judge<'_>,
    ) -> Outcome {
        let error = Error::broker(doing, code).with_source(name.to_owned());
        match decide(&error) {
            RetryAction::RefreshMetadataAndRetry => {
                self.retry_later(judge);
                self.stale_generation = Some(judge.generation);
                Outcome::StaleLeader
            }
            RetryAction::Retry | RetryAction::RefindCoordinatorAndRetry => {
                self.retry_later(judge);
                Outcome::Nothing
            }
            RetryAction::Fail if code == ErrorCode::UNKNOWN_SERVER_ERROR => {
                // As Java's `FetchCollector`: the broker has the reason in its log, and often gets over it.
                warn!(partition = name, "the broker failed to read the partition; trying again");
                self.retry_later(judge);
                Outcome::Nothing
            }
            RetryAction::Fail => {
                self.retry_reported(judge);
                Outcome::Report(error)
            }
        }
    }

    fn retry_later(&mut self, judge: &Judge<'_>) {
        self.failure_count = self.failure_count.saturating_add(1);
        self.retry_at = Some(judge.now + (judge.backoff)(self.failure_count));
    }

    fn retry_reported(&mut self, judge: &Judge<'_>) {
        self.failure_count = self.failure_count.max(REPORTED);
        self.retry_later(judge);
    }
}

fn known(offset: i64) -> Option<i64> {
    (offset >= 0).then_some(offset)
}

/// The records of a batch at or after `offset`, as its header has it. Compaction may have left fewer below the offset than offsets.
fn wanted_count(header: &BatchHeader, offset: i64) -> u64 {
    if header.is_control() {
        return 0;
    }
    let below = offset.saturating_sub(header.base_offset).max(0);
    u64::try_from(i64::from(header.record_count) - below).unwrap_or(0)
}

/// How far the whole batches reach, from `offset` on; None where there is not one. What follows the last whole batch is fetched again.
fn measure(records: &Bytes, offset: i64, check_crcs: bool) -> Result<Option<Extent>, Error> {
    let mut extent: Option<Extent> = None;
    for batch in RecordSet::new(records.clone()) {
        let checked = batch.and_then(|batch| {
            if check_crcs {
                batch.check_crc()?;
            }
            Ok(batch)
        });
        match (checked, &mut extent) {
            (Ok(batch), extent) => {
                let (bytes, record_count) =
                    extent.as_ref().map_or((0, 0), |extent| (extent.bytes, extent.record_count));
                *extent = Some(Extent {
                    bytes: bytes + batch.bytes().len(),
                    record_count: record_count + wanted_count(batch.header(), offset),
                    next_offset: batch.header().next_offset(),
                    leader_epoch: batch.header().leader_epoch,
                });
            }
            // What came before the damage is good; the next fetch begins with the damage and reports it.
            (Err(_), Some(_)) => break,
            (Err(error), None) => return Err(error),
        }
    }
    Ok(extent)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::partitions::Taken;
    use super::super::plan::OffsetQuery;
    use super::*;
    use crate::client::TopicPartition;
    use crate::client::consumer::PrefetchBudget;
    use crate::metrics::MetricsConfig;
    use crate::wire::records::{
        BatchBuilder, BufferPool, Codec, Compressor, ProducerStamp, patch_base_offset,
    };

    const OFFSET: i64 = 100;

    fn config() -> ConsumerConfig {
        ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() }
    }

    /// One partition "t-0" at [`OFFSET`].
    fn partitions() -> Partitions {
        let mut partitions = Partitions::new(MetricsConfig::default(), &PrefetchBudget::unlimited());
        partitions.assign(&[TopicPartition::new("t", 0)], Need::Nothing, false, &config());
        partitions.map[0].start_at(OFFSET, -1);
        partitions
    }

    fn batch(base_offset: i64, record_count: usize) -> Vec<u8> {
        let pool = BufferPool::default();
        let mut builder = BatchBuilder::new(pool.clone(), 1 << 16);
        for _ in 0..record_count {
            builder.append(0, None, Some(b"value"), &[]).unwrap();
        }
        let mut compressor = Compressor::new(Codec::None, None, pool).unwrap();
        let mut bytes = builder.finish(ProducerStamp::NONE, &mut compressor).unwrap().to_vec();
        assert!(patch_base_offset(&mut bytes, base_offset));
        bytes
    }

    fn answer(partitions: &mut Partitions, data: PartitionData, config: &ConsumerConfig) -> Outcome {
        let partition = &partitions.map[0];
        let sent = PartitionFetch {
            offset: OFFSET,
            bytes_max: partition.fetch_bytes_max,
            leader_epoch: 0,
            topic_id: Uuid::nil(),
        };
        partitions.on_fetched("t", sent, data, &Judge::of_node_1(config))
    }

    fn take(partitions: &mut Partitions) -> Vec<Fetched> {
        match partitions.take(usize::MAX, Instant::now()) {
            Taken::Records(records) => records,
            other => panic!("{other:?}"),
        }
    }

    fn with_records(bytes: Vec<u8>) -> PartitionData {
        PartitionData::default().with_records(Some(bytes.into()))
    }

    fn with_error(code: ErrorCode) -> PartitionData {
        PartitionData::default().with_error_code(code.0)
    }

    #[test]
    fn advances_over_whole_batches_and_cuts_off_the_rest() {
        let mut partitions = partitions();
        let whole = [batch(95, 10), batch(105, 5)].concat();
        let mut bytes = whole.clone();
        bytes.extend_from_slice(&batch(110, 5)[..40]);
        assert!(matches!(answer(&mut partitions, with_records(bytes), &config()), Outcome::Ready));
        let taken = take(&mut partitions);
        assert_eq!(
            (taken[0].first_wanted_offset, taken[0].next_offset, taken[0].bytes),
            (OFFSET, 110, whole.len())
        );
        assert_eq!(taken[0].record_count, 10, "five of the first batch lie below the position");
        let mut records = taken[0].records.clone();
        assert_eq!((records.by_ref().count(), records.incomplete_batch_bytes()), (2, None));
        assert_eq!(partitions.map[0].position, Some(110));
    }

    #[test]
    fn advances_over_a_batch_that_compaction_emptied() {
        let mut partitions = partitions();
        let mut bytes = batch(OFFSET, 1);
        // lastOffsetDelta 49, no records: what the cleaner leaves to remember a producer.
        bytes[23..27].copy_from_slice(&49_i32.to_be_bytes());
        bytes[57..61].copy_from_slice(&0_i32.to_be_bytes());
        assert!(matches!(answer(&mut partitions, with_records(bytes), &config()), Outcome::Ready));
        assert_eq!(partitions.map[0].fetch_offset, OFFSET + 50);
    }

    #[test]
    fn asks_for_more_when_not_one_batch_is_whole() {
        let mut partitions = partitions();
        let before = partitions.map[0].fetch_bytes_max;
        let bytes = batch(OFFSET, 3)[..30].to_vec();
        assert!(matches!(answer(&mut partitions, with_records(bytes), &config()), Outcome::Nothing));
        assert_eq!(partitions.map[0].fetch_bytes_max, before * 2);
        assert_eq!(partitions.map[0].fetch_offset, OFFSET);
    }

    #[test]
    fn damage_is_reported_once_everything_before_it_is_delivered() {
        let checking = ConsumerConfig { check_crcs: true, ..config() };
        let mut partitions = partitions();
        let mut bytes = [batch(OFFSET, 5), batch(105, 5)].concat();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(answer(&mut partitions, with_records(bytes.clone()), &checking), Outcome::Ready));
        assert_eq!(partitions.map[0].fetch_offset, 105);

        let mut partitions = self::partitions();
        let damaged = bytes[bytes.len() / 2..].to_vec();
        let Outcome::Report(error) = answer(&mut partitions, with_records(damaged), &checking) else {
            panic!("expected a report")
        };
        assert!(error.to_string().contains("t-0 at offset 100"), "{error}");
        assert_eq!(partitions.map[0].fetch_offset, OFFSET);
        assert!(partitions.map[0].retry_at.is_some());
    }

    #[test]
    fn ignores_answers_that_a_seek_overtook() {
        let mut partitions = partitions();
        partitions.seek(&TopicPartition::new("t", 0), 500);
        for data in [with_records(batch(OFFSET, 5)), with_error(ErrorCode::OFFSET_OUT_OF_RANGE)] {
            assert!(matches!(answer(&mut partitions, data, &config()), Outcome::Nothing));
        }
        assert_eq!((partitions.map[0].fetch_offset, partitions.map[0].need), (500, Need::Nothing));
    }

    #[test]
    fn a_moved_leader_costs_no_position() {
        for code in [
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::FENCED_LEADER_EPOCH,
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ] {
            let mut partitions = partitions();
            assert!(
                matches!(answer(&mut partitions, with_error(code), &config()), Outcome::StaleLeader),
                "{code}"
            );
            assert_eq!(partitions.map[0].stale_generation, Some(7));
            assert_eq!((partitions.map[0].fetch_offset, partitions.map[0].need), (OFFSET, Need::Nothing));
        }
    }

    #[test]
    fn data_before_a_gap_is_delivered_before_the_position_jumps() {
        let mut partitions = partitions();
        answer(&mut partitions, with_records(batch(OFFSET, 5)), &config());
        let sent = PartitionFetch { offset: 105, bytes_max: 1, leader_epoch: 0, topic_id: Uuid::nil() };
        let data = with_error(ErrorCode::OFFSET_OUT_OF_RANGE);
        partitions.on_fetched("t", sent, data, &Judge::of_node_1(&config()));
        let query = OffsetQuery {
            tp: TopicPartition::new("t", 0),
            incarnation: partitions.map[0].incarnation,
            reset: OffsetReset::Earliest,
            leader_epoch: 0,
        };
        partitions.on_offset_found(&query, Ok((900, 0)), &Judge::of_node_1(&config()));
        assert_eq!((partitions.map[0].fetch_offset, partitions.map[0].position), (900, Some(OFFSET)));
        assert_eq!(take(&mut partitions).len(), 1);
        assert_eq!(partitions.map[0].position, Some(105));
        let Taken::Reset(reset) = partitions.take(usize::MAX, Instant::now()) else {
            panic!("expected a reset")
        };
        assert_eq!((reset.cause, reset.before, reset.after), (ResetCause::OutOfRange, 105, 900));
        assert_eq!(partitions.map[0].position, Some(900));
    }

    #[test]
    fn a_follower_is_proposed_and_given_up_at_its_first_error() {
        let mut partitions = partitions();
        let proposal = PartitionData::default().with_preferred_read_replica(2.into());
        assert!(matches!(answer(&mut partitions, proposal, &config()), Outcome::StaleLeader));
        assert_eq!(partitions.map[0].fetch_node(Instant::now()), Some(2));
        let sent = PartitionFetch { offset: OFFSET, bytes_max: 1, leader_epoch: 0, topic_id: Uuid::nil() };
        let of_follower = config();
        let judge = Judge { node: 2, ..Judge::of_node_1(&of_follower) };
        let data = with_error(ErrorCode::OFFSET_OUT_OF_RANGE);
        assert!(matches!(partitions.on_fetched("t", sent, data, &judge), Outcome::StaleLeader));
        assert!(partitions.map[0].preferred_replica.is_none());
        assert_eq!((partitions.map[0].need, partitions.map[0].fetch_offset), (Need::Nothing, OFFSET));
    }
}
