//! What a producer counts, and its table of metrics under Java's names.
//!
//! Sizes, counts and waits of a batch are taken in when it is put into a request, as in Java: a batch that is sent again counts again.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::Producer;
use super::accumulator::Accumulator;
use super::queue::SealedBatch;
use super::topic::{TopicHandle, TopicState};
use crate::metrics::{
    Client, Definition, Metric, MetricsConfig, Report, Row, Stat, Tag, Unit, define, millis, row,
};
use crate::net::ConnectionMetrics;
use crate::wire::records::HEADER_BYTES;

const TOPIC_GROUP: &str = "producer-topic-metrics";

/// What is counted over all topics.
#[derive(Debug)]
pub(super) struct ProducerStats {
    batch_size: Stat,
    record_size: Stat,
    compression: Stat,
    queue_time: Stat,
    /// Records per request.
    records: Stat,
    retries: Stat,
    errors: Stat,
    splits: Stat,
    latency: Stat,
    throttle: Stat,
    waiting_count: usize,
    /// Nanoseconds.
    room_wait: Stat,
    pub(super) flush: Duration,
    pub(super) metadata_wait: Duration,
    pub(super) init: Duration,
    pub(super) begin: Duration,
    pub(super) send_offsets: Duration,
    pub(super) commit: Duration,
    pub(super) abort: Duration,
}

/// What is counted of one topic.
#[derive(Debug)]
pub(super) struct TopicStats {
    /// Records per batch.
    records: Stat,
    bytes: Stat,
    compression: Stat,
    retries: Stat,
    errors: Stat,
}

impl ProducerStats {
    pub(super) fn new(config: MetricsConfig) -> Self {
        let stat = || Stat::new(config);
        Self {
            batch_size: stat(),
            record_size: stat(),
            compression: stat(),
            queue_time: stat(),
            records: stat(),
            retries: stat(),
            errors: stat(),
            splits: stat(),
            latency: stat(),
            throttle: stat(),
            waiting_count: 0,
            room_wait: stat(),
            flush: Duration::ZERO,
            metadata_wait: Duration::ZERO,
            init: Duration::ZERO,
            begin: Duration::ZERO,
            send_offsets: Duration::ZERO,
            commit: Duration::ZERO,
            abort: Duration::ZERO,
        }
    }

    /// A batch goes into a request, after it `waited` since its first record.
    pub(super) fn batch_sent(
        &mut self,
        topic: &mut TopicStats,
        batch: &SealedBatch,
        waited: Duration,
        now: Instant,
    ) {
        let bytes = batch.header.total_bytes();
        let record_count = u64::try_from(batch.header.record_count).unwrap_or(0);
        let ratio = bytes as f64 / batch.raw_bytes.max(1) as f64;
        self.batch_size.record(bytes as f64, now);
        self.record_size.record_sum(batch.raw_bytes.saturating_sub(HEADER_BYTES) as f64, record_count, now);
        self.compression.record(ratio, now);
        self.queue_time.record(millis(waited), now);
        topic.records.record(record_count as f64, now);
        topic.bytes.record(bytes as f64, now);
        topic.compression.record(ratio, now);
    }

    pub(super) fn request_sent(&mut self, record_count: u64, now: Instant) {
        self.records.record(record_count as f64, now);
    }

    pub(super) fn answered(&mut self, took: Duration, throttle_time_ms: i32, now: Instant) {
        self.latency.record(millis(took), now);
        self.throttle.record(f64::from(throttle_time_ms), now);
    }

    pub(super) fn retried(&mut self, topic: &mut TopicStats, record_count: i32, now: Instant) {
        self.retries.record(f64::from(record_count), now);
        topic.retries.record(f64::from(record_count), now);
    }

    pub(super) fn failed(&mut self, topic: &mut TopicStats, record_count: i64, now: Instant) {
        self.errors.record(record_count as f64, now);
        topic.errors.record(record_count as f64, now);
    }

    pub(super) fn split(&mut self, now: Instant) {
        self.splits.record(1.0, now);
    }
}

impl TopicStats {
    pub(super) fn new(config: MetricsConfig) -> Self {
        let stat = || Stat::new(config);
        Self { records: stat(), bytes: stat(), compression: stat(), retries: stat(), errors: stat() }
    }
}

/// Somebody waits for buffer memory, until this is dropped.
pub(super) struct RoomWait<'a> {
    stats: &'a RefCell<ProducerStats>,
    started: Instant,
}

impl<'a> RoomWait<'a> {
    pub(super) fn start(stats: &'a RefCell<ProducerStats>) -> Self {
        stats.borrow_mut().waiting_count += 1;
        Self { stats, started: Instant::now() }
    }
}

impl Drop for RoomWait<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut stats = self.stats.borrow_mut();
        stats.waiting_count -= 1;
        stats.room_wait.record(nanos(now.duration_since(self.started)), now);
    }
}

impl Producer {
    /// Tells `visit` every metric of this producer and of its connections: cheap enough for every few seconds.
    pub fn visit_metrics(&self, visit: &mut dyn FnMut(&Metric<'_>)) {
        let accumulator = &*self.accumulator;
        let mut report = Report::new(&accumulator.cluster.config().client_id, visit);
        accumulator.cluster.report(Client::Producer, &mut report);
        report.table(Client::Producer.group(), &[], PRODUCER, accumulator);
        let topics: Vec<TopicHandle> = accumulator.topics.borrow().values().cloned().collect();
        for topic in topics {
            let tags = [Tag { name: "topic", value: topic.name() }];
            report.table(TOPIC_GROUP, &tags, TOPIC, &*topic.state);
        }
    }
}

pub(crate) fn definitions() -> impl Iterator<Item = Definition> {
    ConnectionMetrics::definitions(Client::Producer)
        .chain(define(Client::Producer, Client::Producer.group(), &["client-id"], PRODUCER))
        .chain(define(Client::Producer, TOPIC_GROUP, &["client-id", "topic"], TOPIC))
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

const PRODUCER: &[Row<Accumulator>] = &[
    row(
        "record-send-rate",
        Unit::PerSecond,
        "Records put into requests, those sent again included.",
        |a, now| a.metrics.borrow().records.rate(now),
    ),
    row("record-send-total", Unit::Count, "Records put into requests, those sent again included.", |a, _| {
        a.metrics.borrow().records.total()
    }),
    row("records-per-request-avg", Unit::Count, "Records in a request.", |a, now| {
        a.metrics.borrow().records.avg(now)
    }),
    row("record-retry-rate", Unit::PerSecond, "Records to be sent again.", |a, now| {
        a.metrics.borrow().retries.rate(now)
    }),
    row("record-retry-total", Unit::Count, "Records to be sent again.", |a, _| {
        a.metrics.borrow().retries.total()
    }),
    row("record-error-rate", Unit::PerSecond, "Records that were given up.", |a, now| {
        a.metrics.borrow().errors.rate(now)
    }),
    row("record-error-total", Unit::Count, "Records that were given up.", |a, _| {
        a.metrics.borrow().errors.total()
    }),
    row("record-size-avg", Unit::Bytes, "Bytes of a record, uncompressed.", |a, now| {
        a.metrics.borrow().record_size.avg(now)
    }),
    row(
        "record-queue-time-avg",
        Unit::Millis,
        "How long a batch waited since its first record.",
        |a, now| a.metrics.borrow().queue_time.avg(now),
    ),
    row(
        "record-queue-time-max",
        Unit::Millis,
        "The longest that a batch waited since its first record.",
        |a, now| a.metrics.borrow().queue_time.max(now),
    ),
    row("batch-size-avg", Unit::Bytes, "Bytes of a batch as sent.", |a, now| {
        a.metrics.borrow().batch_size.avg(now)
    }),
    row("batch-size-max", Unit::Bytes, "Bytes of the largest batch as sent.", |a, now| {
        a.metrics.borrow().batch_size.max(now)
    }),
    row(
        "batch-split-rate",
        Unit::PerSecond,
        "Batches split because the broker found them too large.",
        |a, now| a.metrics.borrow().splits.rate(now),
    ),
    row(
        "batch-split-total",
        Unit::Count,
        "Batches split because the broker found them too large.",
        |a, _| a.metrics.borrow().splits.total(),
    ),
    row(
        "compression-rate-avg",
        Unit::Ratio,
        "Bytes of a batch as sent over its bytes before compression.",
        |a, now| a.metrics.borrow().compression.avg(now),
    ),
    row("request-latency-avg", Unit::Millis, "How long the answer to a produce request took.", |a, now| {
        a.metrics.borrow().latency.avg(now)
    }),
    row(
        "request-latency-max",
        Unit::Millis,
        "The longest that the answer to a produce request took.",
        |a, now| a.metrics.borrow().latency.max(now),
    ),
    row("requests-in-flight", Unit::Count, "Requests of any kind that wait for their answer.", |a, _| {
        a.cluster.in_flight_count() as f64
    }),
    row("produce-throttle-time-avg", Unit::Millis, "How long brokers asked to be left alone.", |a, now| {
        a.metrics.borrow().throttle.avg(now)
    }),
    row(
        "produce-throttle-time-max",
        Unit::Millis,
        "The longest that a broker asked to be left alone.",
        |a, now| a.metrics.borrow().throttle.max(now),
    ),
    row(
        "metadata-age",
        Unit::Seconds,
        "How old the view of the cluster is; NaN before the first.",
        |a, now| a.cluster.metadata_age(now).map_or(f64::NAN, |age| age.as_secs_f64()),
    ),
    row(
        "buffer-total-bytes",
        Unit::Bytes,
        "The memory that records may take until they are acknowledged.",
        |a, _| a.config.buffer_bytes as f64,
    ),
    row("buffer-available-bytes", Unit::Bytes, "How much of that memory is free.", |a, _| {
        a.config.buffer_bytes.saturating_sub(a.used_bytes()) as f64
    }),
    row("waiting-threads", Unit::Count, "Callers that wait for free memory now.", |a, _| {
        a.metrics.borrow().waiting_count as f64
    }),
    row(
        "bufferpool-wait-ratio",
        Unit::Ratio,
        "The share of time that callers waited for free memory.",
        |a, now| a.metrics.borrow().room_wait.rate(now) / 1e9,
    ),
    row("bufferpool-wait-time-ns-total", Unit::Nanos, "Time that callers waited for free memory.", |a, _| {
        a.metrics.borrow().room_wait.total()
    }),
    row(
        "metadata-wait-time-ns-total",
        Unit::Nanos,
        "Time that callers waited for the metadata of topics.",
        |a, _| nanos(a.metrics.borrow().metadata_wait),
    ),
    row("flush-time-ns-total", Unit::Nanos, "Time spent in flushes.", |a, _| nanos(a.metrics.borrow().flush)),
    row("txn-init-time-ns-total", Unit::Nanos, "Time spent in initialising transactions.", |a, _| {
        nanos(a.metrics.borrow().init)
    }),
    row("txn-begin-time-ns-total", Unit::Nanos, "Time spent in beginning transactions.", |a, _| {
        nanos(a.metrics.borrow().begin)
    }),
    row(
        "txn-send-offsets-time-ns-total",
        Unit::Nanos,
        "Time spent in adding consumed offsets to transactions.",
        |a, _| nanos(a.metrics.borrow().send_offsets),
    ),
    row("txn-commit-time-ns-total", Unit::Nanos, "Time spent in committing transactions.", |a, _| {
        nanos(a.metrics.borrow().commit)
    }),
    row("txn-abort-time-ns-total", Unit::Nanos, "Time spent in aborting transactions.", |a, _| {
        nanos(a.metrics.borrow().abort)
    }),
];

const TOPIC: &[Row<TopicState>] = &[
    row("record-send-rate", Unit::PerSecond, "Records of the topic put into requests.", |t, now| {
        t.metrics.borrow().records.rate(now)
    }),
    row("record-send-total", Unit::Count, "Records of the topic put into requests.", |t, _| {
        t.metrics.borrow().records.total()
    }),
    row("record-retry-rate", Unit::PerSecond, "Records of the topic to be sent again.", |t, now| {
        t.metrics.borrow().retries.rate(now)
    }),
    row("record-retry-total", Unit::Count, "Records of the topic to be sent again.", |t, _| {
        t.metrics.borrow().retries.total()
    }),
    row("record-error-rate", Unit::PerSecond, "Records of the topic that were given up.", |t, now| {
        t.metrics.borrow().errors.rate(now)
    }),
    row("record-error-total", Unit::Count, "Records of the topic that were given up.", |t, _| {
        t.metrics.borrow().errors.total()
    }),
    row("byte-rate", Unit::BytesPerSecond, "Bytes of the topic's batches as sent.", |t, now| {
        t.metrics.borrow().bytes.rate(now)
    }),
    row("byte-total", Unit::Bytes, "Bytes of the topic's batches as sent.", |t, _| {
        t.metrics.borrow().bytes.total()
    }),
    row(
        "compression-rate",
        Unit::Ratio,
        "Bytes of the topic's batches as sent over their bytes before compression.",
        |t, now| t.metrics.borrow().compression.avg(now),
    ),
];
