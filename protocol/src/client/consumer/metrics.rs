//! What a consumer counts, and its tables of metrics under Java's names.
//!
//! Records are counted as the headers of batches say: without control batches and without what lies below the position, but with the
//! records of aborted transactions, which the reader leaves out. A fetch is counted when its answer is sorted, consumption when a
//! poll hands data out.

use std::cell::{Ref, RefCell};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::partitions::{Partition, Partitions};
use super::shared::Shared;
use super::{Consumer, Fetched};
use crate::client::TopicPartition;
use crate::client::group;
use crate::metrics::{
    Client, Definition, Metric, MetricsConfig, Report, Row, Stat, Tag, Unit, define, millis, row,
};
use crate::net::ConnectionMetrics;

const FETCH_GROUP: &str = "consumer-fetch-manager-metrics";
const COORDINATOR_GROUP: &str = "consumer-coordinator-metrics";

/// What is counted over all partitions.
#[derive(Debug)]
pub(super) struct ConsumerStats {
    config: MetricsConfig,
    latency: Stat,
    throttle: Stat,
    fetched: TopicStats,
    topics: IndexMap<Arc<str>, TopicStats>,
    between_polls: Stat,
    idle: Stat,
    poll_began: Option<Instant>,
    poll_ended: Option<Instant>,
    pub(super) commit: Duration,
    pub(super) committed: Duration,
}

#[derive(Debug)]
struct TopicStats {
    /// Bytes per answer that had any.
    fetch_size: Stat,
    /// Records per answer that had any.
    fetch_records: Stat,
    consumed_bytes: Stat,
    consumed_records: Stat,
}

/// Bytes and records of a part of one answer, or of one poll.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amount {
    pub(super) bytes: usize,
    pub(super) record_count: u64,
}

impl ConsumerStats {
    pub(super) fn new(config: MetricsConfig) -> Self {
        let stat = || Stat::new(config);
        Self {
            config,
            latency: stat(),
            throttle: stat(),
            fetched: TopicStats::new(config),
            topics: IndexMap::new(),
            between_polls: stat(),
            idle: stat(),
            poll_began: None,
            poll_ended: None,
            commit: Duration::ZERO,
            committed: Duration::ZERO,
        }
    }

    pub(super) fn answered(&mut self, took: Duration, throttle_time_ms: i32, now: Instant) {
        self.latency.record(millis(took), now);
        self.throttle.record(f64::from(throttle_time_ms), now);
    }

    /// Data of one topic came with an answer.
    pub(super) fn topic_fetched(&mut self, topic: &Arc<str>, amount: Amount, now: Instant) {
        self.topic(topic).fetched(amount, now);
    }

    /// An answer with data was sorted.
    pub(super) fn fetched(&mut self, amount: Amount, now: Instant) {
        self.fetched.fetched(amount, now);
    }

    /// A poll hands out `records`.
    pub(super) fn consumed(&mut self, records: &[Fetched], now: Instant) {
        let mut all = Amount::default();
        for run in records.chunk_by(|one, next| one.topic == next.topic) {
            let Some(first) = run.first() else { continue };
            let mut amount = Amount::default();
            for fetched in run {
                amount.add(Amount { bytes: fetched.bytes, record_count: fetched.record_count });
            }
            all.add(amount);
            self.topic(&first.topic).consumed(amount, now);
        }
        self.fetched.consumed(all, now);
    }

    /// Forgets topics without partitions.
    pub(super) fn retain_topics(&mut self, partitions: &Partitions) {
        let mut assigned: Vec<&Arc<str>> = partitions.map.keys().map(|tp| &tp.topic).collect();
        assigned.sort_unstable();
        assigned.dedup();
        self.topics.retain(|topic, _| assigned.binary_search(&topic).is_ok());
    }

    fn topic(&mut self, topic: &Arc<str>) -> &mut TopicStats {
        if !self.topics.contains_key(topic) {
            self.topics.insert(Arc::clone(topic), TopicStats::new(self.config));
        }
        &mut self.topics[topic]
    }

    fn poll_begins(&mut self, now: Instant) {
        if let Some(began) = self.poll_began.replace(now) {
            self.between_polls.record(millis(now.duration_since(began)), now);
        }
    }

    fn poll_ends(&mut self, now: Instant) {
        let (Some(began), ended) = (self.poll_began, self.poll_ended.replace(now)) else { return };
        let Some(ended) = ended else { return };
        let since = now.duration_since(ended).as_secs_f64();
        if since > 0.0 {
            self.idle.record(now.duration_since(began).as_secs_f64() / since, now);
        }
    }
}

impl TopicStats {
    fn new(config: MetricsConfig) -> Self {
        let stat = || Stat::new(config);
        Self { fetch_size: stat(), fetch_records: stat(), consumed_bytes: stat(), consumed_records: stat() }
    }

    fn fetched(&mut self, amount: Amount, now: Instant) {
        self.fetch_size.record(amount.bytes as f64, now);
        self.fetch_records.record(amount.record_count as f64, now);
    }

    fn consumed(&mut self, amount: Amount, now: Instant) {
        self.consumed_bytes.record(amount.bytes as f64, now);
        self.consumed_records.record(amount.record_count as f64, now);
    }
}

impl Amount {
    pub(super) fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.record_count += more.record_count;
    }
}

/// A poll that runs, until this is dropped.
pub(super) struct Polling<'a> {
    stats: &'a RefCell<ConsumerStats>,
}

impl<'a> Polling<'a> {
    pub(super) fn begin(stats: &'a RefCell<ConsumerStats>, now: Instant) -> Self {
        stats.borrow_mut().poll_begins(now);
        Self { stats }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.stats.borrow_mut().poll_ends(Instant::now());
    }
}

impl Partition {
    /// Takes in where the log begins and, for this reader, ends; `None` where the broker did not say.
    pub(super) fn note_log(&mut self, log_start: Option<i64>, end: Option<i64>) {
        self.log_start_offset = log_start.or(self.log_start_offset);
        self.end_offset = end.or(self.end_offset);
    }

    /// The log is another one from now on.
    pub(super) fn forget_log(&mut self) {
        self.log_start_offset = None;
        self.end_offset = None;
    }

    /// Takes in how far the user is behind now.
    pub(super) fn record_lag(&mut self, now: Instant) {
        if let Some(lag) = self.lag() {
            self.lag_stat.record(lag, now);
        }
        if let Some(lead) = self.lead() {
            self.lead_stat.record(lead, now);
        }
    }

    fn lag(&self) -> Option<f64> {
        Some((self.end_offset? - self.position?).max(0) as f64)
    }

    fn lead(&self) -> Option<f64> {
        Some((self.position? - self.log_start_offset?).max(0) as f64)
    }

    /// The present counts, too: a partition that is paused is not fetched, and its lag is no less true for that.
    fn lag_max(&self, now: Instant) -> f64 {
        self.lag_stat.max(now).max(self.lag().unwrap_or(f64::NAN))
    }

    fn lead_min(&self, now: Instant) -> f64 {
        self.lead_stat.min(now).min(self.lead().unwrap_or(f64::NAN))
    }
}

impl Consumer {
    /// Tells `visit` every metric of this consumer and of its connections: cheap enough for every few seconds. The group's membership,
    /// whose heartbeats no data may delay, has connections of its own, which are not among those counted.
    pub fn visit_metrics(&self, visit: &mut dyn FnMut(&Metric<'_>)) {
        let shared = &*self.shared;
        let client = Client::Consumer;
        let mut report = Report::new(&shared.cluster.config().client_id, visit);
        shared.cluster.report(client, &mut report);
        report.table(client.group(), &[], CONSUMER, shared.metrics.borrow());
        report.table(FETCH_GROUP, &[], FETCH, shared);
        if let Some(group) = &shared.group {
            group.report(COORDINATOR_GROUP, &mut report);
            report.table(COORDINATOR_GROUP, &[], ASSIGNED, shared);
        }
        shared.forget_topics();
        let topics: Vec<Arc<str>> = shared.metrics.borrow().topics.keys().cloned().collect();
        for topic in topics {
            let tags = [Tag { name: "topic", value: &topic }];
            if let Ok(stats) = Ref::filter_map(shared.metrics.borrow(), |stats| stats.topics.get(&topic)) {
                report.table(FETCH_GROUP, &tags, TOPIC, stats);
            }
        }
        for tp in self.assignment() {
            let number = tp.partition.to_string();
            let tags = [Tag { name: "topic", value: &tp.topic }, Tag { name: "partition", value: &number }];
            if let Ok(partition) = partition_of(shared, &tp) {
                report.table(FETCH_GROUP, &tags, PARTITION, partition);
            }
        }
    }
}

fn partition_of<'a>(
    shared: &'a Shared,
    tp: &TopicPartition,
) -> Result<Ref<'a, Partition>, Ref<'a, Partitions>> {
    Ref::filter_map(shared.partitions.borrow(), |partitions| partitions.map.get(tp))
}

pub(crate) fn definitions() -> impl Iterator<Item = Definition> {
    let client = Client::Consumer;
    ConnectionMetrics::definitions(client)
        .chain(define(client, client.group(), &["client-id"], CONSUMER))
        .chain(define(client, FETCH_GROUP, &["client-id"], FETCH))
        .chain(define(client, FETCH_GROUP, &["client-id", "topic"], TOPIC))
        .chain(define(client, FETCH_GROUP, &["client-id", "topic", "partition"], PARTITION))
        .chain(group::definitions(client, COORDINATOR_GROUP))
        .chain(define(client, COORDINATOR_GROUP, &["client-id"], ASSIGNED))
}

const CONSUMER: &[Row<ConsumerStats>] = &[
    row("time-between-poll-avg", Unit::Millis, "Time from one poll to the next.", |s, now| {
        s.between_polls.avg(now)
    }),
    row("time-between-poll-max", Unit::Millis, "The longest time from one poll to the next.", |s, now| {
        s.between_polls.max(now)
    }),
    row(
        "last-poll-seconds-ago",
        Unit::Seconds,
        "Time since the last poll began; -1 before the first.",
        |s, now| s.poll_began.map_or(-1.0, |at| now.duration_since(at).as_secs_f64()),
    ),
    row(
        "poll-idle-ratio-avg",
        Unit::Ratio,
        "The share of time that the user waits in polls, rather than work on records.",
        |s, now| s.idle.avg(now),
    ),
    row("commit-sync-time-ns-total", Unit::Nanos, "Time spent in commits.", |s, _| {
        s.commit.as_nanos() as f64
    }),
    row("committed-time-ns-total", Unit::Nanos, "Time spent in looking up committed offsets.", |s, _| {
        s.committed.as_nanos() as f64
    }),
];

const FETCH: &[Row<Shared>] = &[
    row("fetch-rate", Unit::PerSecond, "Fetches answered.", |s, now| {
        s.metrics.borrow().latency.count_rate(now)
    }),
    row("fetch-total", Unit::Count, "Fetches answered.", |s, _| s.metrics.borrow().latency.count()),
    row("fetch-latency-avg", Unit::Millis, "How long a fetch took, the wait for data included.", |s, now| {
        s.metrics.borrow().latency.avg(now)
    }),
    row("fetch-latency-max", Unit::Millis, "The longest that a fetch took.", |s, now| {
        s.metrics.borrow().latency.max(now)
    }),
    row("fetch-throttle-time-avg", Unit::Millis, "How long brokers asked to be left alone.", |s, now| {
        s.metrics.borrow().throttle.avg(now)
    }),
    row(
        "fetch-throttle-time-max",
        Unit::Millis,
        "The longest that a broker asked to be left alone.",
        |s, now| s.metrics.borrow().throttle.max(now),
    ),
    row("fetch-size-avg", Unit::Bytes, "Bytes of batches in an answer that had any.", |s, now| {
        s.metrics.borrow().fetched.fetch_size.avg(now)
    }),
    row("fetch-size-max", Unit::Bytes, "The most bytes of batches in one answer.", |s, now| {
        s.metrics.borrow().fetched.fetch_size.max(now)
    }),
    row("records-per-request-avg", Unit::Count, "Records in an answer that had any.", |s, now| {
        s.metrics.borrow().fetched.fetch_records.avg(now)
    }),
    row("bytes-consumed-rate", Unit::BytesPerSecond, "Bytes of batches that polls handed out.", |s, now| {
        s.metrics.borrow().fetched.consumed_bytes.rate(now)
    }),
    row("bytes-consumed-total", Unit::Bytes, "Bytes of batches that polls handed out.", |s, _| {
        s.metrics.borrow().fetched.consumed_bytes.total()
    }),
    row("records-consumed-rate", Unit::PerSecond, "Records that polls handed out.", |s, now| {
        s.metrics.borrow().fetched.consumed_records.rate(now)
    }),
    row("records-consumed-total", Unit::Count, "Records that polls handed out.", |s, _| {
        s.metrics.borrow().fetched.consumed_records.total()
    }),
    row("records-lag-max", Unit::Count, "The largest lag of any partition.", |s, now| {
        s.partitions.borrow().map.values().map(|p| p.lag_max(now)).fold(f64::NAN, f64::max)
    }),
    row("records-lead-min", Unit::Count, "The smallest lead of any partition.", |s, now| {
        s.partitions.borrow().map.values().map(|p| p.lead_min(now)).fold(f64::NAN, f64::min)
    }),
];

const TOPIC: &[Row<TopicStats>] = &[
    row(
        "fetch-size-avg",
        Unit::Bytes,
        "Bytes of the topic's batches in an answer that had any.",
        |s, now| s.fetch_size.avg(now),
    ),
    row("fetch-size-max", Unit::Bytes, "The most bytes of the topic's batches in one answer.", |s, now| {
        s.fetch_size.max(now)
    }),
    row(
        "records-per-request-avg",
        Unit::Count,
        "Records of the topic in an answer that had any.",
        |s, now| s.fetch_records.avg(now),
    ),
    row(
        "bytes-consumed-rate",
        Unit::BytesPerSecond,
        "Bytes of the topic's batches that polls handed out.",
        |s, now| s.consumed_bytes.rate(now),
    ),
    row(
        "bytes-consumed-total",
        Unit::Bytes,
        "Bytes of the topic's batches that polls handed out.",
        |s, _| s.consumed_bytes.total(),
    ),
    row("records-consumed-rate", Unit::PerSecond, "Records of the topic that polls handed out.", |s, now| {
        s.consumed_records.rate(now)
    }),
    row("records-consumed-total", Unit::Count, "Records of the topic that polls handed out.", |s, _| {
        s.consumed_records.total()
    }),
];

const PARTITION: &[Row<Partition>] = &[
    row(
        "records-lag",
        Unit::Count,
        "Offsets from the position to the end that the last fetch saw: the high watermark, or with read_committed the last stable offset.",
        |p, _| p.lag().unwrap_or(f64::NAN),
    ),
    row(
        "records-lag-avg",
        Unit::Count,
        "The lag after polls that handed out data, and answers that had none.",
        |p, now| p.lag_stat.avg(now),
    ),
    row("records-lag-max", Unit::Count, "The largest lag, that of now included.", Partition::lag_max),
    row("records-lead", Unit::Count, "Offsets from the beginning of the log to the position.", |p, _| {
        p.lead().unwrap_or(f64::NAN)
    }),
    row(
        "records-lead-avg",
        Unit::Count,
        "The lead after polls that handed out data, and answers that had none.",
        |p, now| p.lead_stat.avg(now),
    ),
    row("records-lead-min", Unit::Count, "The smallest lead, that of now included.", Partition::lead_min),
    row(
        "preferred-read-replica",
        Unit::Node,
        "The follower that is fetched from; -1 for the leader.",
        |p, now| f64::from(p.follower(now).unwrap_or(-1)),
    ),
];

const ASSIGNED: &[Row<Shared>] =
    &[row("assigned-partitions", Unit::Count, "Partitions that are assigned.", |s, _| {
        s.partitions.borrow().map.len() as f64
    })];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::partitions::Need;
    use super::super::response::Judge;
    use super::super::session::PartitionFetch;
    use super::super::{ConsumerConfig, IsolationLevel};
    use super::*;
    use crate::client::consumer::PrefetchBudget;
    use crate::wire::messages::fetch_response::PartitionData;

    /// One partition at offset 100 that was just told its log: from 90, replicated to 120, decided to 112.
    fn told(isolation_level: IsolationLevel) -> Partitions {
        let config = ConsumerConfig { isolation_level, ..ConsumerConfig::new() };
        let mut partitions = Partitions::new(MetricsConfig::default(), &PrefetchBudget::unlimited());
        partitions.assign(&[TopicPartition::new("t", 0)], Need::Nothing, false, &config);
        partitions.map[0].start_at(100, -1);
        let sent = PartitionFetch {
            offset: 100,
            bytes_max: 1,
            leader_epoch: 0,
            topic_id: partitions.map[0].topic_id,
        };
        let data = PartitionData::default()
            .with_high_watermark(120)
            .with_last_stable_offset(112)
            .with_log_start_offset(90)
            .with_records(Some(Bytes::new()));
        partitions.on_fetched("t", sent, data, &Judge::of_node_1(&config));
        partitions
    }

    #[test]
    fn the_lag_ends_where_the_reader_may_read_to() {
        let now = Instant::now();
        let partitions = told(IsolationLevel::ReadUncommitted);
        assert_eq!((partitions.map[0].lag(), partitions.map[0].lead()), (Some(20.0), Some(10.0)));
        let mut partitions = told(IsolationLevel::ReadCommitted);
        assert_eq!(partitions.map[0].lag(), Some(12.0));
        assert_eq!((partitions.map[0].lag_max(now), partitions.map[0].lead_min(now)), (12.0, 10.0));
        partitions.seek(&TopicPartition::new("t", 0), 95);
        assert_eq!((partitions.map[0].lag_max(now), partitions.map[0].lead_min(now)), (17.0, 5.0));
        partitions.map[0].forget_log();
        assert_eq!((partitions.map[0].lag(), partitions.map[0].lead()), (None, None));
        assert_eq!(partitions.map[0].lag_max(now), 12.0, "as it was once");
    }

    #[test]
    fn a_consumer_that_waits_most_of_the_time_is_idle_most_of_the_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = ConsumerStats::new(MetricsConfig::default());
        for (begins, ends) in [(0, 30), (40, 100), (150, 200)] {
            stats.poll_begins(at(begins));
            stats.poll_ends(at(ends));
        }
        let now = at(200);
        assert_eq!((stats.between_polls.avg(now), stats.between_polls.max(now)), (75.0, 110.0));
        let expected = (60.0 / 70.0 + 0.5) / 2.0;
        assert!((stats.idle.avg(now) - expected).abs() < 1e-9, "{}", stats.idle.avg(now));
    }
}
