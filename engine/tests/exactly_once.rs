//! Exactly-once source tasks (KIP-618): what is committed of records and of offsets is the same, whatever happens in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Props;
use api::plugin::ConnectorPlugin;
use broker::Fault;
use bytes::Bytes;
use engine::offset::{MemoryOffsetStore, OffsetEntry, OffsetStore, StoreFuture};
use engine::task::{
    ExactlyOnce, StartGate, TaskHandle, TaskId, TaskState, TransactionBoundary, revoked, superseded,
};
use protocol::ErrorCode;
use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::cluster::{Cluster, ClusterConfig};
use protocol::net::Env;
use protocol::wire::messages::ApiKey;
use protocol::wire::records::Decompressor;
use support::counting_source::{Counting, Told, told};
use support::{World, props, wait_until};

const COUNTING: ConnectorPlugin = ConnectorPlugin::source::<Counting>();
const FOREVER: TransactionBoundary = TransactionBoundary::Interval(Duration::from_secs(3600));

/// A topic for records and one for their offsets.
struct Setup {
    world: World,
    name: String,
    records: String,
    offsets: String,
    secondary: Option<Arc<MemoryOffsetStore>>,
    gate: Arc<Gate>,
    transaction_timeout_ms: u64,
    max_block_ms: u64,
}

/// What a gate says of a task that must not start.
type Refusal = fn(&TaskId) -> api::Error;

/// Lets tasks start, or not.
#[derive(Default)]
struct Gate {
    fenced: AtomicUsize,
    refusal: Mutex<Option<Refusal>>,
    /// No answer comes: nobody leads.
    hangs: AtomicBool,
}

impl StartGate for Gate {
    fn fence(&self, _id: &TaskId) -> StoreFuture<()> {
        self.fenced.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn confirm(&self, id: &TaskId) -> StoreFuture<()> {
        let refusal = *self.refusal.lock().unwrap();
        Box::pin(std::future::ready(refusal.map_or(Ok(()), |refusal| Err(refusal(id)))))
    }
}

impl Setup {
    fn new(name: &str) -> Setup {
        let world = World::embedded();
        Setup {
            records: world.topic("records", 1),
            offsets: world.topic("offsets", 3),
            world,
            name: name.to_owned(),
            secondary: None,
            gate: Arc::default(),
            transaction_timeout_ms: 60_000,
            max_block_ms: 60_000,
        }
    }

    fn start(&self, boundary: TransactionBoundary, settings: &[(&str, &str)]) -> TaskHandle {
        let mut all: Props = props(&[("topic", &self.records), ("name", &self.name), ("batch", "10")]);
        all.extend(props(settings));
        let store = Arc::new(TopicOffsets { cluster: self.world.cluster(), topic: self.offsets.clone() });
        self.world.source_changed(&self.name, COUNTING, all, store, |spec| {
            spec.producer.transaction_timeout_ms = self.transaction_timeout_ms;
            spec.producer.max_block_ms = self.max_block_ms;
            spec.exactly_once = Some(Box::new(ExactlyOnce {
                transactional_id: format!("group-{}-0", self.name).into(),
                boundary,
                offsets_topic: self.offsets.as_str().into(),
                secondary: self.secondary.clone().map(|store| store as Arc<dyn OffsetStore>),
                gate: Arc::clone(&self.gate) as Arc<dyn StartGate>,
            }));
        })
    }

    /// The numbers that those see who read what is committed.
    fn committed(&self) -> Vec<i64> {
        let values = committed(&self.world.cluster(), &self.records).into_iter();
        values
            .map(|(_, value)| String::from_utf8(value.unwrap().to_vec()).unwrap().parse().unwrap())
            .collect()
    }

    /// The last offset that is committed.
    fn offset(&self) -> Option<i64> {
        let (key, value) = committed(&self.world.cluster(), &self.offsets).pop()?;
        let key = String::from_utf8(key.unwrap().to_vec()).unwrap();
        assert_eq!(key, format!(r#"["{}",{{"name":"all"}}]"#, self.name));
        let value = String::from_utf8(value.unwrap().to_vec()).unwrap();
        Some(value.strip_prefix(r#"{"at":"#).unwrap().strip_suffix('}').unwrap().parse().unwrap())
    }

    /// Waits until record `last` of a task that has the topic for itself was handed to Kafka.
    fn wait_for_sent(&self, last: i64) {
        wait_until("the records are in Kafka", || self.world.records(&self.records) >= last);
    }
}

/// Keys and values of a topic that are committed. Not for tasks' cores: it waits.
fn committed(cluster: &ClusterConfig, topic: &str) -> Vec<(Option<Bytes>, Option<Bytes>)> {
    let read = async {
        let cluster = Cluster::new(Env::real(), cluster.clone());
        let until = tokio::time::Instant::now() + Duration::from_secs(30);
        let count = cluster.topic(topic, until).await.unwrap().partitions.len() as i32;
        let queries: Vec<_> = (0..count).map(|partition| (topic, partition, OffsetSpec::Latest)).collect();
        let ends = Admin::new(cluster.clone()).list_offsets(&queries, IsolationLevel::ReadCommitted).await;
        let ends: Vec<i64> = ends.into_iter().map(|end| end.unwrap().offset.unwrap()).collect();
        let config = ConsumerConfig {
            auto_offset_reset: OffsetReset::Earliest,
            isolation_level: IsolationLevel::ReadCommitted,
            ..ConsumerConfig::new()
        };
        let consumer = Consumer::new(cluster, config);
        let partitions: Vec<_> = (0..count).map(|partition| TopicPartition::new(topic, partition)).collect();
        consumer.assign(partitions.clone());
        let mut decompressor = Decompressor::default();
        let mut found = Vec::new();
        let is_behind = |consumer: &Consumer| {
            partitions
                .iter()
                .zip(&ends)
                .any(|(partition, end)| consumer.position(partition).unwrap_or(0) < *end)
        };
        while is_behind(&consumer) {
            let Polled::Records(fetched) = consumer.poll(Duration::from_millis(50)).await.unwrap() else {
                continue;
            };
            for batch in fetched
                .iter()
                .flat_map(|one| one.committed_batches(&mut decompressor).unwrap())
                .collect::<Vec<_>>()
            {
                let payload = batch.payload(&mut decompressor).unwrap();
                for record in batch.records(&payload) {
                    let record = record.unwrap();
                    let owned = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
                    found.push((owned(record.key), owned(record.value)));
                }
            }
        }
        consumer.close().await;
        found
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, read)
}

/// Reads offsets from their topic, as the worker's store does.
struct TopicOffsets {
    cluster: ClusterConfig,
    topic: String,
}

impl OffsetStore for TopicOffsets {
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
        let (cluster, topic) = (self.cluster.clone(), self.topic.clone());
        let (answer, answered) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || answer.send(committed(&cluster, &topic)));
        Box::pin(async move {
            let stored = answered.await.unwrap();
            let last = |key: &Bytes| {
                let found = stored.iter().rev().find(|(stored, _)| stored.as_ref() == Some(key));
                found.and_then(|(_, value)| value.clone())
            };
            Ok(keys.iter().map(last).collect())
        })
    }

    fn entries(&self, _connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
        unreachable!("no task asks for them")
    }

    fn set(&self, _entries: Vec<OffsetEntry>) -> StoreFuture<()> {
        unreachable!("offsets go through the task's producer")
    }
}

fn numbers(range: std::ops::RangeInclusive<i64>) -> Vec<i64> {
    range.collect()
}

/// Goal: tasks that are killed again and again, wherever they are, leave every record once, in order, and its offset.
#[test]
fn killed_tasks_lose_and_repeat_nothing() {
    for boundary in [TransactionBoundary::Poll, TransactionBoundary::Interval(Duration::from_millis(20))] {
        let setup = Setup::new("killed");
        for kill in 1..=6 {
            let before = setup.world.records(&setup.records);
            // It has no end: one that was done before the kill would not be amid anything.
            let task = setup.start(boundary, &[("records", "1000000000")]);
            // Uncommitted ones count: the kill comes amid a transaction, or amid its end.
            wait_until("it has gone on", || setup.world.records(&setup.records) > before + 37 * kill);
            task.abandon();
        }
        // Whatever is committed by now, or is about to be, was in the log before: the log has a place for each, and more.
        let last = setup.world.records(&setup.records) + 500;
        let fenced = setup.gate.fenced.load(Ordering::SeqCst);
        let task = setup.start(boundary, &[("records", &last.to_string())]);
        wait_until("all is committed", || setup.offset() == Some(last));
        setup.world.stop(task);
        assert!(setup.committed().into_iter().eq(1..=last), "{boundary:?}");
        assert!(setup.gate.fenced.load(Ordering::SeqCst) > fenced, "the last one asked first");
    }
}

/// Goal: nothing is visible before its transaction ends; a pause and a stop end it.
#[test]
fn a_pause_and_a_stop_commit_what_is_open() {
    let setup = Setup::new("paused");
    let task = setup.start(FOREVER, &[("records", "25")]);
    setup.wait_for_sent(25);
    assert_eq!((setup.committed(), setup.offset()), (vec![], None));
    assert_eq!(*told("paused").lock().unwrap(), []);
    task.pause();
    setup.world.wait_for_state(&task, &TaskState::Paused);
    assert_eq!((setup.committed(), setup.offset()), (numbers(1..=25), Some(25)));
    let mut expected: Vec<_> = (1..=25).map(|number| Told::Record(number, Some((0, number - 1)))).collect();
    expected.extend([Told::Committed(25), Told::Commit]);
    assert_eq!(*told("paused").lock().unwrap(), expected);
    setup.world.stop(task);
    let task = setup.start(FOREVER, &[("records", "40")]);
    wait_until("the rest is in Kafka", || setup.world.records(&setup.records) >= 41);
    setup.world.stop(task);
    assert_eq!((setup.committed(), setup.offset()), (numbers(1..=40), Some(40)));
}

/// Goal: a transaction ends after its interval although the source has nothing more to give.
#[test]
fn an_interval_ends_while_a_poll_waits() {
    let setup = Setup::new("interval");
    let boundary = TransactionBoundary::Interval(Duration::from_millis(100));
    let task = setup.start(boundary, &[("records", "7")]);
    wait_until("it is committed", || setup.offset() == Some(7));
    assert_eq!(setup.committed(), numbers(1..=7));
    setup.world.stop(task);
}

/// Goal: a connector's own boundaries hold amid batches; of an aborted transaction only the offsets stay; a stop commits nothing.
#[test]
fn a_connector_says_where_its_transactions_end() {
    let setup = Setup::new("own");
    let settings = [("records", "50"), ("commits", "7"), ("aborts", "20")];
    let task = setup.start(TransactionBoundary::Connector, &settings);
    wait_until("the last end is there", || setup.offset() == Some(49));
    // Commits after 7, 14, 21, 28, 35, 42, 49; aborts after 20 and 40 drop what came since the last end.
    let visible: Vec<i64> =
        (1..=49).filter(|number| !(15..=20).contains(number) && !(36..=40).contains(number)).collect();
    assert_eq!(setup.committed(), visible);
    let dropped: Vec<i64> = told("own")
        .lock()
        .unwrap()
        .iter()
        .filter_map(|told| match told {
            Told::Record(number, None) => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, (15..=20).chain(36..=40).collect::<Vec<_>>());
    setup.world.stop(task);
    assert_eq!((setup.committed(), setup.offset()), (visible, Some(49)));
}

/// Goal: a task that another one took over from cannot commit, whatever it holds.
#[test]
fn a_zombie_is_shut_out() {
    let setup = Setup::new("zombie");
    let zombie = setup.start(FOREVER, &[("records", "30")]);
    setup.wait_for_sent(30);
    let task = setup.start(TransactionBoundary::Poll, &[("records", "60")]);
    wait_until("the other has all", || setup.offset() == Some(60));
    zombie.pause();
    let trace = setup.world.wait_for_failure(&zombie);
    // As in Java: a leader that knows the newer epoch does not say whether somebody took over or the time was over.
    let words = [
        "Failed to flush offsets and/or records for task zombie-0",
        "The task zombie-0 was unable to finish",
    ];
    assert!(words.iter().any(|words| trace.contains(words)), "{trace}");
    setup.world.stop(task);
    assert_eq!(setup.committed(), numbers(1..=60));
}

/// Goal: a transaction that took too long fails the task in Java's words, and nothing of it is seen.
#[test]
fn a_transaction_that_expires_fails_the_task() {
    let setup = Setup { transaction_timeout_ms: 300, ..Setup::new("expired") };
    let task = setup.start(FOREVER, &[("records", "5")]);
    setup.wait_for_sent(5);
    // The marker of the abort is the sixth.
    setup.wait_for_sent(6);
    task.pause();
    let trace = setup.world.wait_for_failure(&task);
    assert!(trace.contains("before its producer transaction expired. It may be necessary"), "{trace}");
    assert_eq!((setup.committed(), setup.offset()), (vec![], None));
}

/// Goal: a task that is superseded or revoked while it takes over fails in Java's words and writes nothing.
#[test]
fn a_task_that_may_not_start_does_not() {
    let setup = Setup::new("refused");
    let refusals: [(Refusal, &str); 2] = [
        (
            superseded,
            "Cannot start source task refused-0 with exactly-once support as the connector has already generated",
        ),
        (revoked, "Cannot start source task refused-0 as it has already been revoked from this worker"),
    ];
    for (refusal, words) in refusals {
        *setup.gate.refusal.lock().unwrap() = Some(refusal);
        let task = setup.start(TransactionBoundary::Poll, &[("records", "5")]);
        let trace = setup.world.wait_for_failure(&task);
        assert!(trace.contains(words), "{trace}");
    }
    assert_eq!(setup.world.records(&setup.records), 0);
}

/// Goal: a task whose fencing takes its time, for want of a leader, is stopped at once.
#[test]
fn a_task_that_waits_for_the_fencing_can_be_stopped() {
    let setup = Setup::new("waits");
    setup.gate.hangs.store(true, Ordering::SeqCst);
    let task = setup.start(TransactionBoundary::Poll, &[("records", "5")]);
    wait_until("the gate to be asked", || setup.gate.fenced.load(Ordering::SeqCst) > 0);
    task.stop();
    setup.world.wait_for_state(&task, &TaskState::Stopped);
    assert_eq!(setup.world.records(&setup.records), 0);
}

/// Goal: a task that was stopped does not take the transactional id when the coordinator is there again: it would shut out whoever runs the task
/// by then.
#[test]
fn a_task_that_waits_for_its_coordinator_can_be_stopped_and_shuts_out_nobody() {
    // One attempt takes longer than anything is waited for here.
    let setup = Setup { max_block_ms: 3_600_000, ..Setup::new("away") };
    let broker = setup.world.broker();
    broker.faults().on(ApiKey::InitProducerId, Fault::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    let task = setup.start(TransactionBoundary::Poll, &[("records", "5")]);
    wait_until("the coordinator to be asked", || broker.request_count(ApiKey::InitProducerId) > 0);
    task.stop();
    setup.world.wait_for_state(&task, &TaskState::Stopped);
    broker.faults().clear_all();
    let asked_before = broker.request_count(ApiKey::InitProducerId);
    let next = setup.start(TransactionBoundary::Poll, &[("records", "5")]);
    wait_until("all is committed", || setup.offset() == Some(5));
    setup.world.stop(next);
    assert_eq!(broker.request_count(ApiKey::InitProducerId), asked_before + 1);
}

/// Goal: records for the task's own offsets topic are refused, in Java's words.
#[test]
fn the_offsets_topic_is_not_for_records() {
    let setup = Setup::new("own-topic");
    let task = setup.start(TransactionBoundary::Poll, &[("records", "5"), ("topic", &setup.offsets)]);
    let trace = setup.world.wait_for_failure(&task);
    let words =
        "Source tasks may not produce to their own offsets topics when exactly-once support is enabled";
    assert!(trace.contains(words), "{trace}");
}

/// Goal: the worker's store, where it is another one, has the offsets too once they are committed.
#[test]
fn a_secondary_store_follows() {
    let store: Arc<MemoryOffsetStore> = Arc::default();
    let setup = Setup { secondary: Some(Arc::clone(&store)), ..Setup::new("second") };
    let task = setup.start(TransactionBoundary::Poll, &[("records", "20")]);
    wait_until("all is committed", || setup.offset() == Some(20));
    setup.world.stop(task);
    let key = Bytes::from_static(br#"["second",{"name":"all"}]"#);
    let stored = futures_util::FutureExt::now_or_never(store.get(vec![key])).unwrap().unwrap();
    assert_eq!(stored[0].as_deref(), Some(&br#"{"at":20}"#[..]));
}
