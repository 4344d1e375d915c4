//! Positions that no longer fit their log: the topic was recreated, the log was truncated, or it begins elsewhere. Pure.
//!
//! None of them is passed over in silence: the position is reset as `auto.offset.reset` says, which is logged with the gap, counted and
//! handed to the user between the data before and the data behind it; with `none` it is an error and the partition waits for a seek.

use std::time::Duration;

use tracing::{info, warn};

use super::partitions::{Need, Partitions, Ready};
use super::plan::{EpochQuery, OffsetQuery};
use super::response::{Judge, Outcome};
use super::{OffsetReset, PositionReset, ResetCause};
use crate::client::TopicPartition;
use crate::cluster::Metadata;
use crate::{Error, ErrorCode};

impl OffsetReset {
    /// The timestamp that asks a broker for the place.
    pub(super) fn as_timestamp(self, now_ms: i64) -> i64 {
        match self {
            OffsetReset::Earliest => -2,
            OffsetReset::Latest | OffsetReset::None => -1,
            OffsetReset::ByDuration(age) => now_ms.saturating_sub(millis(age)).max(0),
        }
    }
}

impl Partitions {
    /// Takes over leaders and topic ids from a view. Gives whether it is a new view, and what the user has to know.
    pub(super) fn update_leaders(&mut self, metadata: &Metadata, reset: OffsetReset) -> (bool, Vec<Error>) {
        if metadata.generation == self.seen_generation {
            return (false, Vec::new());
        }
        self.seen_generation = metadata.generation;
        let mut recreated = Vec::new();
        for (tp, partition) in &mut self.map {
            partition.leader = metadata.leader(&tp.topic, tp.partition);
            if partition.stale_generation.is_some_and(|stale| stale < metadata.generation) {
                partition.stale_generation = None;
            }
            // While a topic is gone its id is nil: the next one is compared with the last that there was.
            let id = metadata.topic(&tp.topic).map(|topic| topic.id).filter(|id| !id.is_nil());
            let Some(id) = id.filter(|id| *id != partition.topic_id) else { continue };
            if !partition.topic_id.is_nil() {
                recreated.push(tp.clone());
            }
            partition.topic_id = id;
        }
        let errors = recreated.iter().filter_map(|tp| self.on_recreated(tp, reset)).collect();
        (true, errors)
    }

    /// The log that was read is gone, with everything in it that was not read; a new one has its name.
    fn on_recreated(&mut self, tp: &TopicPartition, reset: OffsetReset) -> Option<Error> {
        let incarnation = self.incarnation();
        self.drop_ready(|ready| ready == tp);
        let partition = self.map.get_mut(tp)?;
        let (before, need, from) = (partition.position.take(), partition.need, partition.reset_from);
        // Whoever has read nothing yet, or waits for a seek, goes on waiting for the same.
        partition.restart(incarnation, need);
        partition.reset_from = from;
        partition.preferred_replica = None;
        let before = before?;
        if reset == OffsetReset::None {
            partition.need = Need::Seek;
            let detail = format!(
                "{tp} was deleted and created again: offset {before} belongs to the old topic, and auto.offset.reset is none"
            );
            return Some(Error::broker("fetch", ErrorCode::UNKNOWN_TOPIC_ID).with_source(detail));
        }
        partition.need = Need::Reset(OffsetReset::Earliest);
        partition.reset_from = Some((ResetCause::TopicRecreated, before));
        partition.forget_log();
        None
    }

    /// Takes in the answer to an [`OffsetQuery`]: an offset, or -1 where nothing is that young, and its leader epoch.
    pub(super) fn on_offset_found(
        &mut self,
        query: &OffsetQuery,
        answer: Result<(i64, i32), ErrorCode>,
        judge: &Judge<'_>,
    ) -> Outcome {
        let Some(partition) = self.map.get_mut(&query.tp) else { return Outcome::Nothing };
        if partition.incarnation != query.incarnation || partition.need != Need::Reset(query.reset) {
            return Outcome::Nothing;
        }
        let (offset, leader_epoch) = match answer {
            Ok(found) => found,
            Err(code) => return partition.on_refused(code, "list offsets", &query.tp.to_string(), judge),
        };
        if offset < 0 {
            // Nothing was written since then (KIP-1106): whatever comes is young enough.
            partition.need = Need::Reset(OffsetReset::Latest);
            return Outcome::Nothing;
        }
        let from = partition.reset_from.take();
        let position = partition.position;
        partition.start_at(offset, leader_epoch);
        // The leader that named the offset has it.
        partition.validated_epoch = query.leader_epoch;
        let Some((cause, before)) = from else { return Outcome::Nothing };
        if cause != ResetCause::TopicRecreated {
            // The user stays there until told.
            partition.position = position;
        }
        self.push_reset(&query.tp, cause, before, (offset, leader_epoch));
        Outcome::Ready
    }

    /// Takes in the answer to an [`EpochQuery`]: the last epoch up to the one asked for that the leader's log has, and where it ends.
    pub(super) fn on_epoch_end(
        &mut self,
        query: &EpochQuery,
        answer: Result<(i32, i64), ErrorCode>,
        judge: &Judge<'_>,
    ) -> Outcome {
        let Some(partition) = self.map.get_mut(&query.tp) else { return Outcome::Nothing };
        if partition.incarnation != query.incarnation
            || partition.need != Need::Nothing
            || partition.fetch_offset != query.offset
        {
            return Outcome::Nothing;
        }
        let (epoch, end_offset) = match answer {
            Ok(end) => end,
            Err(code) => {
                return partition.on_refused(code, "validate position", &query.tp.to_string(), judge);
            }
        };
        partition.succeed();
        let is_known = epoch >= 0 && end_offset >= 0;
        if is_known && end_offset >= query.offset {
            partition.validated_epoch = query.leader_epoch;
            return Outcome::Nothing;
        }
        let before = partition.position.unwrap_or(query.offset);
        // What was fetched but not taken came from the log as it was; what the new one has instead is fetched again.
        self.drop_ready(|ready| *ready == query.tp);
        let Some(partition) = self.map.get_mut(&query.tp) else { return Outcome::Nothing };
        if is_known && before <= end_offset && before < query.offset {
            info!(partition = %query.tp, end_offset, "the log was truncated behind the position, fetching ahead anew");
            partition.rewind_to_position();
            return Outcome::Nothing;
        }
        match judge.config.auto_offset_reset {
            OffsetReset::None => {
                partition.need = Need::Seek;
                let end = if is_known { format!("ends at {end_offset}") } else { "is unknown".to_owned() };
                let detail = format!(
                    "{} was truncated: offset {before} was read in leader epoch {}, which {end} in the log now, and \
                     auto.offset.reset is none",
                    query.tp, query.epoch
                );
                Outcome::Report(Error::broker("fetch", ErrorCode::OFFSET_OUT_OF_RANGE).with_source(detail))
            }
            _ if is_known => {
                partition.fetch_offset = end_offset;
                partition.fetch_epoch = epoch;
                partition.validated_epoch = query.leader_epoch;
                self.push_reset(&query.tp, ResetCause::LogTruncated, before, (end_offset, epoch));
                Outcome::Ready
            }
            reset => {
                partition.need = Need::Reset(reset);
                partition.reset_from = Some((ResetCause::LogTruncated, before));
                Outcome::Nothing
            }
        }
    }

    fn push_reset(&mut self, tp: &TopicPartition, cause: ResetCause, before: i64, after: (i64, i32)) {
        let (after, leader_epoch) = after;
        self.reset_count += 1;
        // A log that lost its tail goes back; one whose head expired goes forward, over records that are gone for good.
        let gap_count = if cause == ResetCause::TopicRecreated { 0 } else { (after - before).max(0) };
        warn!(partition = %tp, ?cause, before, after, gap_count, "the position was reset");
        self.ready.push_back(Ready::Reset(PositionReset {
            partition: tp.clone(),
            cause,
            before,
            after,
            leader_epoch,
        }));
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {

    use tokio::time::Instant;

    use super::super::partitions::Taken;
    use super::super::{ConsumerConfig, Fetched};
    use super::*;
    use crate::client::consumer::PrefetchBudget;
    use crate::cluster::Leader;
    use crate::metrics::MetricsConfig;
    use crate::wire::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use crate::wire::messages::{MetadataResponse, StrBytes, TopicName};
    use crate::wire::records::RecordSet;

    const OFFSET: i64 = 100;

    fn config(auto_offset_reset: OffsetReset) -> ConsumerConfig {
        ConsumerConfig { auto_offset_reset, ..ConsumerConfig::new() }
    }

    fn tp() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn view(generation: u64, id: u128) -> Metadata {
        let partition = MetadataResponsePartition::default().with_leader_id(1.into()).with_leader_epoch(0);
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
            .with_topic_id(uuid::Uuid::from_u128(id))
            .with_partitions(vec![partition]);
        let broker = MetadataResponseBroker::default().with_node_id(1.into()).with_port(1);
        let response = MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic]);
        let mut view = Metadata::from_response(response);
        view.generation = generation;
        view
    }

    /// One partition "t-0" that was read up to [`OFFSET`] in leader epoch 5.
    fn read() -> Partitions {
        let mut partitions = Partitions::new(MetricsConfig::default(), &PrefetchBudget::unlimited());
        partitions.assign(&[tp()], Need::Nothing, false, &config(OffsetReset::Earliest));
        partitions.update_leaders(&view(1, 1), OffsetReset::Earliest);
        partitions.map[0].start_at(OFFSET, 5);
        partitions
    }

    fn fetch_ahead(partitions: &mut Partitions) {
        partitions.map[0].fetch_offset = OFFSET + 10;
        partitions.map[0].fetch_epoch = 6;
        partitions.push_ready(Fetched {
            topic: "t".into(),
            partition: 0,
            first_wanted_offset: OFFSET,
            next_offset: OFFSET + 10,
            leader_epoch: 6,
            records: RecordSet::new(bytes::Bytes::new()),
            bytes: 50,
            record_count: 0,
            high_watermark: 0,
            log_start_offset: 0,
            last_stable_offset: 0,
            aborted_transactions: Vec::new(),
        });
    }

    fn offset_query(partitions: &Partitions, reset: OffsetReset) -> OffsetQuery {
        OffsetQuery { tp: tp(), incarnation: partitions.map[0].incarnation, reset, leader_epoch: 0 }
    }

    fn check_epoch(partitions: &mut Partitions, end: (i32, i64), reset: OffsetReset) -> Outcome {
        partitions.map[0].leader = Some(Leader { node: 1, epoch: 7 });
        let query = EpochQuery {
            tp: tp(),
            incarnation: partitions.map[0].incarnation,
            offset: partitions.map[0].fetch_offset,
            epoch: partitions.map[0].fetch_epoch,
            leader_epoch: 7,
        };
        partitions.on_epoch_end(&query, Ok(end), &Judge::of_node_1(&config(reset)))
    }

    #[test]
    fn a_recreated_topic_is_read_from_its_beginning_and_never_from_the_old_offset() {
        for reset in [OffsetReset::Earliest, OffsetReset::Latest] {
            let mut partitions = read();
            fetch_ahead(&mut partitions);
            // Deleted: no id. The partition waits for what comes next.
            assert!(partitions.update_leaders(&view(2, 0), reset).1.is_empty());
            assert_eq!(partitions.map[0].position, Some(OFFSET));
            assert!(partitions.update_leaders(&view(3, 2), reset).1.is_empty());
            assert_eq!((partitions.map[0].position, partitions.untaken_bytes()), (None, 0));
            assert_eq!(partitions.map[0].need, Need::Reset(OffsetReset::Earliest));
            let query = offset_query(&partitions, OffsetReset::Earliest);
            assert!(matches!(
                partitions.on_offset_found(&query, Ok((0, 0)), &Judge::of_node_1(&config(reset))),
                Outcome::Ready
            ));
            let expected = PositionReset {
                partition: tp(),
                cause: ResetCause::TopicRecreated,
                before: OFFSET,
                after: 0,
                leader_epoch: 0,
            };
            assert!(matches!(partitions.take(100, Instant::now()), Taken::Reset(reset) if reset == expected));
            assert_eq!((partitions.map[0].position, partitions.reset_count), (Some(0), 1));
        }
    }

    #[test]
    fn a_recreated_topic_is_an_error_where_nothing_may_be_reset() {
        let mut partitions = read();
        let (_, errors) = partitions.update_leaders(&view(2, 2), OffsetReset::None);
        assert_eq!(errors[0].code(), Some(ErrorCode::UNKNOWN_TOPIC_ID));
        assert_eq!((partitions.map[0].need, partitions.map[0].position), (Need::Seek, None));
        partitions.seek(&tp(), 3);
        assert!(partitions.update_leaders(&view(3, 2), OffsetReset::None).1.is_empty());
        assert_eq!(partitions.map[0].position, Some(3));
    }

    #[test]
    fn a_log_that_still_has_the_position_is_read_on() {
        let mut partitions = read();
        assert!(matches!(check_epoch(&mut partitions, (5, OFFSET), OffsetReset::Latest), Outcome::Nothing));
        assert_eq!((partitions.map[0].validated_epoch, partitions.map[0].fetch_offset), (7, OFFSET));
    }

    #[test]
    fn a_truncated_log_is_read_from_where_it_parts() {
        let mut partitions = read();
        assert!(matches!(check_epoch(&mut partitions, (4, 60), OffsetReset::Latest), Outcome::Ready));
        assert_eq!((partitions.map[0].fetch_offset, partitions.map[0].fetch_epoch), (60, 4));
        let Taken::Reset(reset) = partitions.take(100, Instant::now()) else { panic!("expected a reset") };
        assert_eq!((reset.cause, reset.before, reset.after), (ResetCause::LogTruncated, OFFSET, 60));
        assert_eq!(partitions.map[0].position, Some(60));
    }

    #[test]
    fn a_truncated_log_is_an_error_where_nothing_may_be_reset() {
        for end in [(4, 60), (-1, -1)] {
            let mut partitions = read();
            let Outcome::Report(error) = check_epoch(&mut partitions, end, OffsetReset::None) else {
                panic!("expected an error")
            };
            assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
            assert!(error.to_string().contains("t-0 was truncated: offset 100"), "{error}");
            assert_eq!(partitions.map[0].need, Need::Seek);
        }
    }

    #[test]
    fn an_unknown_epoch_is_reset_as_configured() {
        let mut partitions = read();
        assert!(matches!(check_epoch(&mut partitions, (-1, -1), OffsetReset::Latest), Outcome::Nothing));
        let query = offset_query(&partitions, OffsetReset::Latest);
        partitions.on_offset_found(&query, Ok((500, 7)), &Judge::of_node_1(&config(OffsetReset::Latest)));
        assert_eq!(partitions.map[0].position, Some(OFFSET));
        let Taken::Reset(reset) = partitions.take(100, Instant::now()) else { panic!("expected a reset") };
        assert_eq!((reset.cause, reset.after), (ResetCause::LogTruncated, 500));
    }

    #[test]
    fn what_was_only_fetched_ahead_is_fetched_again() {
        let mut partitions = read();
        fetch_ahead(&mut partitions);
        assert!(matches!(check_epoch(&mut partitions, (5, OFFSET + 4), OffsetReset::None), Outcome::Nothing));
        assert_eq!((partitions.map[0].fetch_offset, partitions.map[0].fetch_epoch), (OFFSET, 5));
        assert_eq!(partitions.untaken_bytes(), 0);
        assert!(partitions.map[0].needs_validation(), "the position itself is still to be checked");
    }

    #[test]
    fn an_age_that_nothing_has_is_the_end() {
        let hour = OffsetReset::ByDuration(Duration::from_hours(1));
        assert_eq!(hour.as_timestamp(3_600_001), 1);
        assert_eq!(hour.as_timestamp(5), 0);
        let mut partitions = read();
        partitions.reset(&tp(), hour);
        let query = offset_query(&partitions, hour);
        partitions.on_offset_found(&query, Ok((-1, -1)), &Judge::of_node_1(&config(hour)));
        assert_eq!(partitions.map[0].need, Need::Reset(OffsetReset::Latest));
    }
}
