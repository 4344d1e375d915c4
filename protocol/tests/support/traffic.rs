//! Records that flow while something happens to their cluster, and the judgement on what arrived.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::client::TopicPartition;
use protocol::client::producer::{
    AppendError, Completion, ProduceRecord, Producer, ProducerConfig, TopicHandle,
};
use tokio::sync::Notify;

use super::reader::{Reader, TICK, earliest, member, numbered};
use super::{TestCluster, tp};

/// Records that are appended without a pause.
const CHUNK: u32 = 100;
/// How far the producer may be ahead of the reader.
const UNREAD_MAX: u32 = 5_000;
/// Records that follow once all has happened.
const RECORDS_AFTER: u32 = 2_000;
/// Polls between two commits of the member.
const POLLS_PER_COMMIT: usize = 10;

/// One producer, one reader and one member of a group on a topic.
pub(crate) struct Traffic<'a> {
    cluster: &'a TestCluster,
    topic: &'a str,
    names: Vec<TopicPartition>,
    group: &'a str,
    /// Records that the reader has.
    read: Cell<u32>,
    /// How many records there are in the end, once that is known.
    total: Cell<Option<u32>>,
    has_happened: Cell<bool>,
    /// The reader has gone on.
    progress: Notify,
}

impl<'a> Traffic<'a> {
    pub(crate) fn new(
        cluster: &'a TestCluster,
        topic: &'a str,
        partition_count: i32,
        group: &'a str,
    ) -> Self {
        Self {
            cluster,
            topic,
            names: (0..partition_count).map(|partition| tp(topic, partition)).collect(),
            group,
            read: Cell::new(0),
            total: Cell::new(None),
            has_happened: Cell::new(false),
            progress: Notify::new(),
        }
    }

    /// Lets records flow while `event` happens and for a while after it. Each arrives once and in order; in the group, a
    /// rebalance may bring some again. The member, for the tests' own questions.
    pub(crate) async fn during(self, event: impl Future<Output = ()>) -> Reader {
        let happen = async {
            // In the middle of the work, not before it.
            while self.read.get() == 0 {
                self.progress.notified().await;
            }
            event.await;
            self.has_happened.set(true);
        };
        // Boxed, or the futures of a test do not fit on its thread's stack.
        let (reader, member) = (Box::pin(self.read()), Box::pin(self.read_in_group()));
        let ((), (), reader, member) = tokio::join!(happen, Box::pin(self.write()), reader, member);
        self.judge(&reader, &member);
        member
    }

    async fn write(&self) {
        // Small batches, so that many are on their way when something happens.
        let config = ProducerConfig { batch_bytes: 500, linger_ms: 1, ..ProducerConfig::default() };
        let producer = Producer::new(self.cluster.client(), config).unwrap();
        let topic = producer.topic(self.topic).await.unwrap();
        let (mut appended, mut end) = (0, None);
        while end.is_none_or(|end| appended < end) {
            while appended - self.read.get() > UNREAD_MAX {
                self.progress.notified().await;
            }
            for value in numbered(appended..appended + CHUNK) {
                self.append(&producer, &topic, appended, value.as_bytes()).await;
                appended += 1;
            }
            tokio::task::yield_now().await;
            if end.is_none() && self.has_happened.get() {
                end = Some(appended + RECORDS_AFTER);
            }
        }
        producer.flush().await.unwrap();
        let mut done: Vec<Completion> = Vec::new();
        while done.iter().map(|one| one.record_count).sum::<u32>() < appended {
            producer.completions(&mut done).await;
        }
        for one in &done {
            assert!(one.result.is_ok(), "{one:?}");
        }
        self.total.set(Some(appended));
    }

    async fn append(&self, producer: &Producer, topic: &TopicHandle, number: u32, value: &[u8]) {
        // Of now: while it recovers, a broker forgets producers whose last record is older than `producer.id.expiration.ms` by
        // its timestamp, and no longer recognises what they send again.
        let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let record = ProduceRecord { timestamp_ms, value: Some(value), ..ProduceRecord::default() };
        let partition = number as usize % self.names.len();
        loop {
            match producer.append(topic, Some(partition as i32), &record, 0) {
                Ok(_partition) => return,
                Err(AppendError::Full) => producer.ready().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn read(&self) -> Reader {
        let mut reader = Reader::assigned(self.cluster, earliest(), &self.names);
        while self.total.get().is_none_or(|total| self.read.get() < total) {
            reader.step(TICK).await;
            self.read.set(reader.count() as u32);
            self.progress.notify_waiters();
        }
        reader
    }

    async fn read_in_group(&self) -> Reader {
        let mut member = Reader::new(self.cluster, member(self.group));
        member.subscribe(self.topic);
        for poll in 1.. {
            member.step(TICK).await;
            if poll % POLLS_PER_COMMIT == 0 {
                member.commit_owned().await;
            }
            if self.total.get().is_some_and(|total| self.has_last(&member, total)) {
                break;
            }
        }
        member
    }

    fn has_last(&self, member: &Reader, total: u32) -> bool {
        self.names.iter().all(|name| {
            let seen = member.seen.get(name).and_then(|seen| seen.last());
            seen.is_some_and(|(offset, _)| *offset == self.record_count(total, name) - 1)
        })
    }

    fn record_count(&self, total: u32, name: &TopicPartition) -> i64 {
        let partition_count = self.names.len() as u32;
        i64::from((total - name.partition as u32).div_ceil(partition_count))
    }

    fn judge(&self, reader: &Reader, member: &Reader) {
        let total = self.total.get().unwrap();
        for (partition, name) in self.names.iter().enumerate() {
            let expected: Vec<_> =
                (0..).zip(numbered(0..total).into_iter().skip(partition).step_by(self.names.len())).collect();
            check(name, &reader.seen[name], &expected);
            let mut seen = member.seen[name].clone();
            if member.rebalances.len() > 1 {
                // The member had lost its session and began again at what it had committed: at least once.
                seen.sort();
                seen.dedup();
            }
            check(name, &seen, &expected);
        }
        assert!(reader.resets.is_empty(), "{:?}", reader.resets);
        assert!(member.resets.is_empty(), "{:?}", member.resets);
    }
}

/// Ten thousands of records are no message: the first that differs is.
fn check(name: &TopicPartition, seen: &[(i64, String)], expected: &[(i64, String)]) {
    let wrong = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
    let around = wrong.map(|index| &seen[index.saturating_sub(2)..(index + 3).min(seen.len())]);
    assert!(
        seen.len() == expected.len() && wrong.is_none(),
        "{name}: {} records of {}, the first wrong one: {wrong:?} of {around:?}",
        seen.len(),
        expected.len()
    );
}
