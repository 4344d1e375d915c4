//! The mirror between two clusters: what arrives, how it is packed, and where a task goes on. The source is an embedded broker, the target
//! too or the cluster that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::sync::Arc;

use api::plugin::ConnectorPlugin;
use api::{Props, SourceConnector};
use bytes::Bytes;
use connector_mirror::MirrorSource;
use engine::convert::{BYTE_ARRAY, BYTE_ARRAY_HEADERS};
use engine::offset::{MemoryOffsetStore, OffsetStore, StoreFuture};
use engine::task::{
    ConverterSpec, ExactlyOnce, HeaderConverterSpec, SourceSpec, StartGate, TaskHandle, TaskId, TaskSpec,
    TransactionBoundary, TransformSpec,
};
use engine::transform::TRANSFORMS;
use futures_util::FutureExt as _;
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::producer::ProducerConfig;
use protocol::wire::records::Codec;
use support::records::KafkaRecord;
use support::{World, props, wait_until};

/// Lets every task start.
struct Open;

impl StartGate for Open {
    fn fence(&self, _id: &TaskId) -> StoreFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn confirm(&self, _id: &TaskId) -> StoreFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

const MIRROR: ConnectorPlugin = ConnectorPlugin::source::<MirrorSource>();

/// Two clusters and a topic on the first one.
struct Pair {
    source: World,
    target: World,
    topic: String,
    store: Arc<MemoryOffsetStore>,
}

impl Pair {
    fn new(stem: &str, partitions: i32) -> Pair {
        let (source, target) = (World::embedded(), World::start());
        let topic = source.topic(stem, partitions);
        Pair { source, target, topic, store: Arc::default() }
    }

    /// With a topic that is compacted often.
    fn compacted(stem: &str) -> Pair {
        let mut pair = Pair::new("plain", 1);
        pair.topic = pair.source.unique(stem);
        let new = NewTopic::new(&pair.topic, 1)
            .with_replication_factor(1)
            .with_config("cleanup.policy", "compact")
            .with_config("segment.ms", "100")
            .with_config("min.cleanable.dirty.ratio", "0.01");
        pair.source.client(async |cluster| {
            for created in Admin::new(cluster).create_topics(&[new]).await {
                created.unwrap();
            }
        });
        pair
    }

    /// The offset syncs: upstream and downstream offsets.
    fn syncs(&self) -> Vec<(i64, i64)> {
        let sync = |record: KafkaRecord| {
            let key = [&(self.topic.len() as i16).to_be_bytes()[..], self.topic.as_bytes(), &[0; 4]].concat();
            assert_eq!(record.key, Some(key));
            let value = record.value.unwrap();
            let number = |at: usize| i64::from_be_bytes(value[at..at + 8].try_into().unwrap());
            assert_eq!(value.len(), 16);
            (number(0), number(8))
        };
        self.source.read("mm2-offset-syncs.b.internal", 1).into_iter().map(sync).collect()
    }

    fn remote(&self) -> String {
        format!("a.{}", self.topic)
    }

    fn props(&self, more: &[(&str, &str)]) -> Props {
        let (source, target) = (self.source.bootstrap(), self.target.bootstrap());
        let mut all = props(&[
            ("name", "m"),
            ("source.cluster.alias", "a"),
            ("target.cluster.alias", "b"),
            ("source.cluster.bootstrap.servers", &source),
            ("target.cluster.bootstrap.servers", &target),
            ("topics", &self.topic),
            ("replication.factor", "1"),
            ("offset-syncs.topic.replication.factor", "1"),
        ]);
        all.extend(props(more));
        all
    }

    /// Starts the connector, which creates the remote topic, and gives its only task's configuration.
    fn task_props(&self, more: &[(&str, &str)]) -> Props {
        let config = MirrorSource::config_def().parse(&self.props(more)).unwrap();
        let connector = MirrorSource::start(config).unwrap();
        connector.task_props(1).unwrap().pop().expect("the topic is there")
    }

    fn start(&self, more: &[(&str, &str)], change: impl FnOnce(&mut SourceSpec)) -> TaskHandle {
        self.target.run(self.spec(more, change))
    }

    /// The specification of the only task, with converters that leave bytes as they are.
    fn spec(&self, more: &[(&str, &str)], change: impl FnOnce(&mut SourceSpec)) -> TaskSpec {
        let store = Arc::clone(&self.store) as Arc<dyn OffsetStore>;
        let mut spec = self.target.source_spec("m", MIRROR, self.task_props(more), store, change);
        let bytes = ConverterSpec { plugin: BYTE_ARRAY, props: Props::new() };
        (spec.key_converter, spec.value_converter) = (bytes.clone(), bytes);
        spec.header_converter = HeaderConverterSpec { plugin: BYTE_ARRAY_HEADERS, props: Props::new() };
        spec
    }

    fn wait_for_records(&self, count: i64) {
        let remote = self.remote();
        wait_until("the records are on the target", || self.target.records(&remote) >= count);
    }

    /// What is stored for a partition of the topic.
    fn stored(&self, partition: i32) -> Option<String> {
        let key = format!(r#"["m",{{"cluster":"a","partition":{partition},"topic":"{}"}}]"#, self.topic)
            .into_bytes();
        let stored = self.store.get(vec![key.into()]).now_or_never().unwrap().unwrap();
        stored[0].as_ref().map(|value: &Bytes| String::from_utf8(value.to_vec()).unwrap())
    }
}

/// Records of all kinds, about 100 bytes each.
fn records(count: usize, partitions: i32) -> Vec<KafkaRecord> {
    let record = |number: usize| KafkaRecord {
        partition: number as i32 % partitions,
        offset: (number as i32 / partitions).into(),
        timestamp: 1_700_000_000_000 + number as i64,
        key: (!number.is_multiple_of(3)).then(|| format!("key {number}").into_bytes()),
        value: (!number.is_multiple_of(7)).then(|| format!("{number} {}", "v".repeat(80)).into_bytes()),
        headers: (0..number % 3)
            .map(|header| ("same".to_owned(), (header == 0).then(|| format!("h{number}").into_bytes())))
            .collect(),
    };
    let mut records: Vec<_> = (0..count).map(record).collect();
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

fn packing(codec: Codec) -> ProducerConfig {
    ProducerConfig {
        compression: codec,
        linger_ms: 10_000,
        batch_bytes: 64 * 1024,
        ..ProducerConfig::default()
    }
}

/// Goal: each record arrives as it was, in its partition and in order, and batches are not packed anew.
#[test]
fn records_and_batches_arrive_as_they_were() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
        let pair = Pair::new("whole", 2);
        let expected = records(5_000, 2);
        pair.source.write_with(&pair.topic, &expected, packing(codec));
        let task = pair.start(&[], |_| ());
        pair.wait_for_records(5_000);
        assert_eq!(pair.target.read(&pair.remote(), 2), expected, "{codec}");
        let shape = |world: &World, topic: &str| {
            let mut shape = Vec::new();
            world.read_batches(topic, 2, |batch, records| {
                assert_eq!(batch.codec().unwrap(), codec);
                shape.push((records[0].partition, records[0].offset, batch.bytes().len(), records.len()));
            });
            shape.sort_unstable();
            shape
        };
        assert_eq!(shape(&pair.target, &pair.remote()), shape(&pair.source, &pair.topic), "{codec}");
        wait_until("all offsets are stored", || {
            (0..2).all(|partition| pair.stored(partition).as_deref() == Some(r#"{"offset":2499}"#))
        });
        pair.target.stop(task);
    }
}

/// Goal: a task goes on after the stored offset, in the middle of a batch too, and after a stop nothing is lost or comes twice.
#[test]
fn a_task_goes_on_after_the_stored_offset() {
    let pair = Pair::new("resume", 1);
    let expected = records(4_000, 1);
    pair.source.write_with(&pair.topic, &expected[..2_000], packing(Codec::Lz4));
    let key = format!(r#"["m",{{"cluster":"a","partition":0,"topic":"{}"}}]"#, pair.topic);
    let at_99 = (Bytes::from(key), Some(Bytes::from_static(br#"{"offset":99}"#)));
    pair.store.set(vec![at_99]).now_or_never().unwrap().unwrap();

    let task = pair.start(&[], |_| ());
    pair.wait_for_records(1_900);
    wait_until("the offset is stored", || pair.stored(0).as_deref() == Some(r#"{"offset":1999}"#));
    pair.target.stop(task);
    pair.source.write_with(&pair.topic, &expected[2_000..], packing(Codec::None));
    let task = pair.start(&[], |_| ());
    pair.wait_for_records(3_900);
    let shifted = |record: &KafkaRecord| KafkaRecord { offset: record.offset - 100, ..record.clone() };
    let expected: Vec<_> = expected[100..].iter().map(shifted).collect();
    assert_eq!(pair.target.read(&pair.remote(), 1), expected);
    pair.target.stop(task);
}

/// Goal: what looks into records gets them, and a target that compresses differently gets what it asked for. Either way they arrive the same.
#[test]
fn batches_are_taken_apart_where_somebody_looks_into_them() {
    let mut pair = Pair::new("looked", 1);
    let expected = records(1_000, 1);
    pair.source.write_with(&pair.topic, &expected, packing(Codec::Zstd));
    let task = pair.start(&[], |spec| spec.producer.compression = Codec::Lz4);
    pair.wait_for_records(1_000);
    pair.target.read_batches(&pair.remote(), 1, |batch, _| assert_eq!(batch.codec().unwrap(), Codec::Lz4));
    assert_eq!(pair.target.read(&pair.remote(), 1), expected);
    pair.target.stop(task);

    pair.store = Arc::default();
    let routed = pair.target.topic("routed", 1);
    let route = props(&[("regex", ".*"), ("replacement", &routed)]);
    let plugin = TRANSFORMS.iter().find(|plugin| plugin.class.ends_with(".RegexRouter")).unwrap();
    pair.target.transforms = vec![TransformSpec { plugin: *plugin, props: route, predicate: None }];
    let task = pair.start(&[], |_| ());
    wait_until("the records are on the target", || pair.target.records(&routed) >= 1_000);
    assert_eq!(pair.target.read(&routed, 1), expected);
    wait_until("the offset is stored", || pair.stored(0).as_deref() == Some(r#"{"offset":999}"#));
    pair.target.stop(task);
}

/// Goal: batches of a record or two are gathered, and not one request each; so are larger ones that are not compressed, where the producer
/// makes larger ones still.
#[test]
fn small_batches_are_gathered() {
    for (source_bytes, target_bytes) in [(1, 16 * 1024), (8 * 1024, 64 * 1024)] {
        let pair = Pair::new("small", 1);
        let expected = records(2_000, 1);
        let small = ProducerConfig { batch_bytes: source_bytes, linger_ms: 0, ..ProducerConfig::default() };
        pair.source.write_with(&pair.topic, &expected, small);
        let task = pair.start(&[], |spec| spec.producer.batch_bytes = target_bytes);
        pair.wait_for_records(2_000);
        assert_eq!(pair.target.read(&pair.remote(), 1), expected);
        let count = |world: &World, topic: &str| {
            let mut count = 0;
            world.read_batches(topic, 1, |_, _| count += 1);
            count
        };
        let (before, after) = (count(&pair.source, &pair.topic), count(&pair.target, &pair.remote()));
        assert!(after * 3 < before, "{source_bytes}: {before} became {after}");
        pair.target.stop(task);
    }
}

/// Goal: offsets that compaction has emptied are passed over, those stored are the source's, and syncs say which stands for which.
#[test]
fn a_compacted_topic_keeps_its_order_and_its_offsets() {
    let pair = Pair::compacted("compacted");
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    for round in 0..30 {
        let record = |number: i64| KafkaRecord {
            timestamp: now_ms - (30 - round) * 1_000,
            key: Some(format!("key {}", if number % 2 == 0 { round * 100 } else { 0 } + number).into_bytes()),
            value: Some(format!("{round} {number} {}", "v".repeat(100)).into_bytes()),
            ..KafkaRecord::default()
        };
        let round: Vec<_> = (0..50).map(record).collect();
        pair.source.write_with(&pair.topic, &round, packing(Codec::Lz4));
    }
    let mut left = Vec::new();
    wait_until("the topic is compacted", || {
        left = pair.source.read(&pair.topic, 1);
        left.len() == 30 * 25 + 2 * 25
    });
    let task = pair.start(&[], |_| ());
    pair.wait_for_records(left.len() as i64);
    let arrived = pair.target.read(&pair.remote(), 1);
    let values =
        |records: &[KafkaRecord]| records.iter().map(|record| record.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&arrived), values(&left));
    wait_until("the offset is stored", || pair.stored(0).as_deref() == Some(r#"{"offset":1499}"#));
    pair.target.stop(task);
    let syncs = pair.syncs();
    assert!(!syncs.is_empty());
    for (upstream, downstream) in syncs {
        assert_eq!(left[downstream as usize].offset, upstream, "the same record on both sides");
    }
}

/// Goal: with exactly-once support batches are part of the task's transactions, with their offsets, and keep their codec.
#[test]
fn batches_and_offsets_are_in_one_transaction() {
    let pair = Pair::new("exactly", 1);
    let offsets = pair.target.topic("offsets", 1);
    pair.source.write_with(&pair.topic, &records(1_000, 1), packing(Codec::Zstd));
    let task = pair.start(&[("source.consumer.isolation.level", "read_committed")], |spec| {
        spec.exactly_once = Some(Box::new(ExactlyOnce {
            transactional_id: "group-m-0".into(),
            boundary: TransactionBoundary::Poll,
            offsets_topic: offsets.as_str().into(),
            secondary: None,
            gate: Arc::new(Open),
        }));
    });
    // Records, and the mark of their transaction.
    wait_until("the first records are committed", || pair.target.records(&pair.remote()) > 1_000);
    let mut count = 0;
    pair.target.read_batches(&pair.remote(), 1, |batch, records| {
        assert!(batch.header().is_transactional());
        if !batch.header().is_control() {
            assert_eq!(batch.codec().unwrap(), Codec::Zstd);
            count += records.len();
        }
    });
    assert_eq!(count, 1_000);
    wait_until("the offset is committed", || {
        let is_last = |record: &KafkaRecord| record.value.as_deref() == Some(br#"{"offset":999}"#);
        pair.target.read(&offsets, 1).iter().any(is_last)
    });
    pair.target.stop(task);
}

/// Goal: of a source with transactions nothing aborted arrives.
#[test]
fn aborted_transactions_stay_behind() {
    let pair = Pair::new("aborted", 1);
    let expected = records(600, 1);
    for (index, part) in expected.chunks(200).enumerate() {
        pair.source.write_in_transaction(&pair.topic, part, true);
        pair.source.write_in_transaction(&pair.topic, &records(100 + index, 1), false);
    }
    let committed = [("source.consumer.isolation.level", "read_committed")];
    let task = pair.start(&committed, |_| ());
    pair.wait_for_records(600);
    let values =
        |records: &[KafkaRecord]| records.iter().map(|record| record.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&pair.target.read(&pair.remote(), 1)), values(&expected));
    pair.target.stop(task);
}
