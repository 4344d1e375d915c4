//! The metrics of producers, consumers and admin clients: under Java's names, and with what really happened. On the embedded broker, or
//! on the real Kafka that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use broker::{Broker, Fault};
use protocol::client::OffsetAndMetadata;
use protocol::client::admin::Admin;
use protocol::client::consumer::{ConsumerConfig, Polled};
use protocol::client::metric_definitions;
use protocol::client::producer::{ConsumerGroupMetadata, ProduceRecord, Producer, ProducerConfig};
use protocol::cluster::{Cluster, ClusterConfig};
use protocol::metrics::{Client, Definition, Metric};
use protocol::net::Security;
use protocol::wire::messages::ApiKey;
use protocol::wire::records::Codec;
use protocol::{ErrorCode, ErrorKind};
use support::reader::{Reader, TICK, earliest, member, numbered};
use support::{PATIENCE, TestCluster, Writer, run, tp, unique};
use tokio::time::timeout;

/// What Java has and we have not, by the end or the whole of its name, and why.
const LEFT_OUT: &[(&str, &[&str], &str)] = &[
    (
        "app-info, kafka-metrics-count",
        &["commit-id", "start-time-ms", "version", "count"],
        "They are about the process, not about a client.",
    ),
    (
        "io-*, io-wait-*, select-*, network-io-*",
        &[
            "io-ratio",
            "io-time-ns-avg",
            "io-time-ns-total",
            "io-wait-ratio",
            "io-wait-time-ns-avg",
            "io-wait-time-ns-total",
            "select-rate",
            "select-total",
            "network-io-rate",
            "network-io-total",
        ],
        "A client has no thread that does nothing but I/O: its sockets are among those of its executor.",
    ),
    (
        "successful-authentication-no-reauth-total",
        &["successful-authentication-no-reauth-total"],
        "It tells brokers about old clients.",
    ),
    ("record-size-max", &["record-size-max"], "It would take a comparison per record."),
    (
        "buffer-exhausted-*",
        &["buffer-exhausted-rate", "buffer-exhausted-total"],
        "A full buffer drops nothing: the caller waits as long as it likes (`waiting-threads`, `bufferpool-wait-*`).",
    ),
    (
        "txn-prepare-time-ns-total",
        &["txn-prepare-time-ns-total"],
        "Two-phase commit (KIP-939) is not spoken.",
    ),
    (
        "partition-assigned-*, partition-revoked-*, partition-lost-*",
        &[
            "partition-assigned-latency-avg",
            "partition-assigned-latency-max",
            "partition-lost-latency-avg",
            "partition-lost-latency-max",
            "partition-revoked-latency-avg",
            "partition-revoked-latency-max",
        ],
        "There are no callbacks to measure: a poll returns what changes, and the next one goes on.",
    ),
];

/// The values of one moment by `group/name`, followed by the tags but for the client's id.
struct Readings(BTreeMap<String, f64>);

impl Readings {
    fn of(visit_metrics: impl FnOnce(&mut dyn FnMut(&Metric<'_>))) -> Self {
        let mut values = BTreeMap::new();
        visit_metrics(&mut |metric| {
            assert_eq!(metric.tags[0].name, "client-id");
            let tags: String =
                metric.tags[1..].iter().map(|tag| format!(" {}={}", tag.name, tag.value)).collect();
            let key = format!("{}/{}{tags}", metric.group, metric.name);
            assert!(values.insert(key.clone(), metric.value).is_none(), "{key} comes twice");
        });
        Self(values)
    }

    fn of_producer(producer: &Producer) -> Self {
        Self::of(|visit| producer.visit_metrics(visit))
    }

    fn of_reader(reader: &Reader) -> Self {
        Self::of(|visit| reader.consumer.visit_metrics(visit))
    }

    #[track_caller]
    fn get(&self, key: &str) -> f64 {
        *self.0.get(key).unwrap_or_else(|| panic!("{key} is missing from {:?}", self.0.keys()))
    }

    /// The sum over all nodes.
    fn over_nodes(&self, group: &str, name: &str) -> f64 {
        let start = format!("{group}/{name} node-id=");
        self.0.iter().filter(|(key, _)| key.starts_with(&start)).map(|(_, value)| value).sum()
    }

    fn mentions(&self, text: &str) -> bool {
        self.0.keys().any(|key| key.contains(text))
    }
}

#[test]
fn names_groups_and_tags_are_those_of_java() {
    let line = |definition: &Definition| {
        let mut tags = definition.tags.to_vec();
        tags.sort_unstable();
        format!("{}\t{}\t{}\t{}", definition.client, definition.group, definition.name, tags.join(","))
    };
    let ours: Vec<String> = metric_definitions().iter().map(line).collect();
    let java: Vec<&str> = include_str!("golden/metrics.tsv").lines().collect();
    for (index, line) in ours.iter().enumerate() {
        assert!(java.contains(&line.as_str()), "Java has no {line}");
        assert!(!ours[..index].contains(line), "{line} is defined twice");
    }
    let left_out: Vec<&str> = LEFT_OUT.iter().flat_map(|(_, names, _)| *names).copied().collect();
    for line in &java {
        let name = line.split('\t').nth(2).unwrap();
        let is_ours = ours.iter().any(|ours| ours == line);
        assert_ne!(is_ours, left_out.contains(&name), "{line} is either ours or left out");
    }
    for name in left_out {
        assert!(java.iter().any(|line| line.split('\t').nth(2) == Some(name)), "Java has no {name}");
    }
}

#[test]
fn the_documentation_lists_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let marker = "<!-- From here on written by the test -->\n";
    let (head, _) = written.split_once(marker).unwrap();
    let mut expected = format!("{head}{marker}");
    for client in [Client::Producer, Client::Consumer, Client::Admin] {
        let name = client.to_string();
        let title = name[..1].to_uppercase() + &name[1..];
        write!(
            expected,
            "\n## {title}\n\n| Group | Metric | Tags | Unit | Meaning |\n| --- | --- | --- | --- | --- |\n"
        )
        .unwrap();
        for definition in metric_definitions().iter().filter(|definition| definition.client == client) {
            let Definition { group, name, tags, unit, doc, .. } = definition;
            writeln!(expected, "| {group} | `{name}` | {} | {unit} | {doc} |", tags.join(", ")).unwrap();
        }
    }
    expected += "\n## Left out\n\n| Java's metric | Why |\n| --- | --- |\n";
    for (names, _, why) in LEFT_OUT {
        writeln!(expected, "| `{}` | {why} |", names.replace(", ", "`, `")).unwrap();
    }
    if std::env::var_os("AQUEDUCT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(written == expected, "docs/metrics.md is old: run this test with AQUEDUCT_WRITE_DOCS=1");
    }
}

#[test]
fn every_metric_is_reported_as_defined() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("all", 1).await;
        let producer = Producer::new(cluster.client(), ProducerConfig::default()).unwrap();
        let handle = producer.topic(&topic).await.unwrap();
        let record = ProduceRecord { value: Some(b"value"), ..ProduceRecord::default() };
        producer.append(&handle, None, &record, 0).unwrap();
        producer.flush().await.unwrap();
        let mut reader = Reader::new(&cluster, member(&unique("all")));
        reader.subscribe(&topic);
        reader.until("the record", |reader| reader.count() == 1).await;
        let admin = Admin::new(cluster.client());
        admin.describe_cluster().await.unwrap();
        let mut reported = Vec::new();
        let mut visit = |metric: &Metric<'_>| {
            let tags: Vec<_> = metric.tags.iter().map(|tag| tag.name).collect();
            reported.push((metric.group, metric.name, tags, metric.unit, metric.doc));
        };
        producer.visit_metrics(&mut visit);
        reader.consumer.visit_metrics(&mut visit);
        admin.visit_metrics(&mut visit);
        for definition in metric_definitions() {
            let Definition { group, name, tags, unit, doc, .. } = definition;
            let is_reported = reported.contains(&(group, name, tags.to_vec(), unit, doc));
            assert!(is_reported, "{group}/{name} {tags:?} is not reported");
        }
        reader.consumer.close().await;
    });
}

async fn send(producer: &Producer, topic: &str, record_count: usize) {
    let topic = producer.topic(topic).await.unwrap();
    for _ in 0..record_count {
        let record = ProduceRecord { value: Some(&[7; 100]), ..ProduceRecord::default() };
        producer.append(&topic, None, &record, 0).unwrap();
    }
    producer.flush().await.unwrap();
}

#[test]
fn a_producer_counts_what_it_sends() {
    run(async {
        let cluster = TestCluster::start();
        let (first, second) = (cluster.topic("first", 2).await, cluster.topic("second", 1).await);
        let producer = Producer::new(cluster.client(), ProducerConfig::default()).unwrap();
        let before = Readings::of_producer(&producer);
        assert_eq!(before.get("producer-metrics/record-send-total"), 0.0);
        assert!(before.get("producer-metrics/batch-size-avg").is_nan());
        assert!(before.get("producer-metrics/metadata-age").is_nan());
        send(&producer, &first, 1_000).await;
        send(&producer, &second, 500).await;
        let after = Readings::of_producer(&producer);
        let total = |name: &str| after.get(&format!("producer-metrics/{name}"));
        let of_topic =
            |topic: &str, name: &str| after.get(&format!("producer-topic-metrics/{name} topic={topic}"));
        assert_eq!(total("record-send-total"), 1_500.0);
        assert_eq!(of_topic(&first, "record-send-total"), 1_000.0);
        assert_eq!(of_topic(&second, "record-send-total"), 500.0);
        assert_eq!((total("record-error-total"), total("record-retry-total")), (0.0, 0.0));
        // A record of 100 bytes and what frames it: length, attributes, two deltas, two lengths, the count of headers.
        assert!((107.0..112.0).contains(&total("record-size-avg")), "{}", total("record-size-avg"));
        let bytes = of_topic(&first, "byte-total") + of_topic(&second, "byte-total");
        assert!(bytes > 1_500.0 * 107.0 && bytes < total("outgoing-byte-total"), "{bytes}");
        assert_eq!(total("compression-rate-avg"), 1.0);
        assert_eq!(of_topic(&second, "compression-rate"), 1.0);
        assert!(total("batch-size-max") >= total("batch-size-avg") && total("batch-size-max") <= 16_384.0);
        assert!(total("records-per-request-avg") > 1.0 && total("record-send-rate") > 0.0);
        assert!(total("record-queue-time-max") >= 0.0 && total("request-latency-max") > 0.0);
        assert!(total("flush-time-ns-total") > 0.0 && total("metadata-wait-time-ns-total") > 0.0);
        assert!(total("metadata-age") >= 0.0 && total("produce-throttle-time-avg") >= 0.0);
        assert_eq!(total("buffer-available-bytes"), total("buffer-total-bytes"));
        assert_eq!(total("requests-in-flight"), 0.0);
        assert_eq!(total("request-total"), total("response-total"));
        assert_eq!(total("request-total"), after.over_nodes("producer-node-metrics", "request-total"));
        assert!(total("connection-count") >= 1.0);

        let config = ProducerConfig { compression: Codec::Zstd, ..ProducerConfig::default() };
        let producer = Producer::new(cluster.client(), config).unwrap();
        send(&producer, &first, 1_000).await;
        let ratio = Readings::of_producer(&producer).get("producer-metrics/compression-rate-avg");
        assert!(ratio < 0.5, "{ratio}");
    });
}

#[test]
fn a_producer_counts_what_is_sent_again_and_what_is_given_up() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("again", 1).await;
        let config = ProducerConfig { batch_bytes: 1 << 20, linger_ms: 1_000, ..ProducerConfig::default() };
        let producer = Producer::new(cluster.client(), config).unwrap();
        send(&producer, &topic, 10).await;
        let faults = cluster.broker().faults();
        faults.once(ApiKey::Produce, Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        send(&producer, &topic, 20).await;
        let closed = "producer-metrics/connection-close-total";
        let before = Readings::of_producer(&producer).get(closed);
        faults.once(ApiKey::Produce, Fault::Disconnect);
        send(&producer, &topic, 30).await;
        faults.once(ApiKey::Produce, Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        send(&producer, &topic, 40).await;
        let after = Readings::of_producer(&producer);
        assert_eq!(after.get("producer-metrics/record-retry-total"), 50.0);
        assert_eq!(after.get("producer-metrics/record-error-total"), 40.0);
        assert_eq!(after.get("producer-metrics/record-send-total"), 150.0);
        assert_eq!(after.get(&format!("producer-topic-metrics/record-retry-total topic={topic}")), 50.0);
        assert_eq!(after.get(&format!("producer-topic-metrics/record-error-total topic={topic}")), 40.0);
        assert!(after.get(closed) > before, "a connection was lost");
        faults.once(ApiKey::Produce, Fault::Error(ErrorCode::MESSAGE_TOO_LARGE));
        send(&producer, &topic, 50).await;
        assert_eq!(Readings::of_producer(&producer).get("producer-metrics/batch-split-total"), 1.0);
    });
}

#[test]
fn a_producer_without_room_counts_who_waits() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("room", 1).await;
        let config = ProducerConfig { batch_bytes: 1_000, buffer_bytes: 1_000, ..ProducerConfig::default() };
        let producer = Producer::new(cluster.client(), config).unwrap();
        send(&producer, &topic, 1).await;
        let faults = cluster.broker().faults();
        faults.on(ApiKey::Produce, Fault::Silence);
        let handle = producer.topic(&topic).await.unwrap();
        let record = ProduceRecord { value: Some(&[7; 700]), ..ProduceRecord::default() };
        while producer.append(&handle, None, &record, 0).is_ok() {}
        let read = |name: &str| Readings::of_producer(&producer).get(&format!("producer-metrics/{name}"));
        assert!(read("buffer-available-bytes") < 1_000.0 && read("waiting-threads") == 0.0);
        let waiting = async {
            while read("waiting-threads") < 1.0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = producer.ready() => panic!("nothing is answered, so there is no room"),
            () = waiting => {}
        }
        assert_eq!(read("waiting-threads"), 0.0, "whoever gives up waits no longer");
        assert!(read("bufferpool-wait-time-ns-total") > 0.0 && read("bufferpool-wait-ratio") > 0.0);
    });
}

#[test]
fn a_transactional_producer_counts_the_time_of_its_calls() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("transactions", 1).await;
        let id = unique("transactions");
        let config =
            ProducerConfig { transactional_id: Some(id.as_str().into()), ..ProducerConfig::default() };
        let producer = Producer::new(cluster.client(), config).unwrap();
        producer.init_transactions().await.unwrap();
        producer.begin().unwrap();
        send(&producer, &topic, 10).await;
        let offsets = vec![(tp(&topic, 0), OffsetAndMetadata::new(5))];
        producer.send_offsets(offsets, &ConsumerGroupMetadata::of_group(&id)).await.unwrap();
        producer.commit().await.unwrap();
        producer.begin().unwrap();
        producer.abort().await.unwrap();
        let after = Readings::of_producer(&producer);
        for call in ["init", "begin", "send-offsets", "commit", "abort"] {
            assert!(after.get(&format!("producer-metrics/txn-{call}-time-ns-total")) > 0.0, "{call}");
        }
    });
}

#[test]
fn a_consumer_counts_what_it_reads_and_how_far_it_is_behind() {
    run(async {
        let cluster = TestCluster::start();
        let (topic, other) = (cluster.topic("read", 1).await, cluster.topic("other", 1).await);
        let (name, other_name) = (tp(&topic, 0), tp(&other, 0));
        let writer = Writer::new(&cluster);
        for start in (0..100).step_by(20) {
            writer.append(&topic, 0, &numbered(start..start + 20)).await;
        }
        writer.append(&other, 0, &numbered(0..7)).await;
        // One batch per poll.
        let config = ConsumerConfig {
            max_partition_fetch_bytes: 1,
            prefetch_bytes_max: 1,
            poll_bytes_max: 1,
            ..earliest()
        };
        let mut reader = Reader::assigned(&cluster, config, std::slice::from_ref(&name));
        let partition =
            |metric: &str| format!("consumer-fetch-manager-metrics/{metric} topic={topic} partition=0");
        let before = Readings::of_reader(&reader);
        assert!(before.get(&partition("records-lag")).is_nan());
        assert_eq!(before.get("consumer-metrics/last-poll-seconds-ago"), -1.0);
        reader.until("two batches", |reader| reader.count() >= 40).await;
        reader.consumer.pause(std::slice::from_ref(&name));
        assert!(matches!(reader.consumer.poll(TICK).await.unwrap(), Polled::Idle));
        let behind = Readings::of_reader(&reader);
        assert_eq!(behind.get(&partition("records-lag")), 60.0);
        assert_eq!(behind.get(&partition("records-lag-max")), 80.0);
        assert_eq!(behind.get(&partition("records-lag-avg")), 70.0);
        assert_eq!(behind.get(&partition("records-lead")), 40.0);
        assert_eq!(behind.get(&partition("records-lead-min")), 20.0);
        assert_eq!(behind.get(&partition("preferred-read-replica")), -1.0);
        assert_eq!(behind.get("consumer-fetch-manager-metrics/records-lag-max"), 80.0);
        assert_eq!(behind.get("consumer-fetch-manager-metrics/records-consumed-total"), 40.0);

        reader.consumer.resume(std::slice::from_ref(&name));
        reader.until("all", |reader| reader.count() >= 100).await;
        reader.consumer.seek(&name, 13).unwrap();
        reader.until("the rest of a batch and all behind it", |reader| reader.count() >= 187).await;
        let after = Readings::of_reader(&reader);
        let fetch = |name: &str| after.get(&format!("consumer-fetch-manager-metrics/{name}"));
        let of_topic = |name: &str| fetch(&format!("{name} topic={topic}"));
        assert_eq!(after.get(&partition("records-lag")), 0.0);
        assert_eq!((fetch("records-consumed-total"), of_topic("records-consumed-total")), (187.0, 187.0));
        assert_eq!(fetch("bytes-consumed-total"), of_topic("bytes-consumed-total"));
        assert!(fetch("bytes-consumed-total") > 187.0 && fetch("records-consumed-rate") > 0.0);
        assert!(
            fetch("fetch-size-max") >= fetch("fetch-size-avg") && fetch("records-per-request-avg") <= 20.0
        );
        assert!(fetch("fetch-total") >= 10.0 && fetch("fetch-latency-max") > 0.0);
        assert!(fetch("fetch-throttle-time-avg") >= 0.0);
        assert!(after.get("consumer-metrics/time-between-poll-max") > 0.0);
        assert!((0.0..=1.0).contains(&after.get("consumer-metrics/poll-idle-ratio-avg")));
        assert!(after.get("consumer-metrics/last-poll-seconds-ago") >= 0.0);
        assert!(!after.mentions("consumer-coordinator-metrics"), "there is no group");

        reader.consumer.assign(vec![other_name.clone()]);
        reader.until("the other topic", |reader| reader.seen.contains_key(&other_name)).await;
        let moved = Readings::of_reader(&reader);
        assert!(!moved.mentions(&topic), "what is not assigned is not reported");
        let of_other = format!("consumer-fetch-manager-metrics/records-consumed-total topic={other}");
        assert_eq!(moved.get(&of_other), 7.0);
        assert_eq!(moved.get("consumer-fetch-manager-metrics/records-consumed-total"), 194.0);
        reader.consumer.close().await;
    });
}

#[test]
fn a_member_counts_what_passes_between_it_and_its_coordinator() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("member", 3).await;
        let mut reader = Reader::new(&cluster, member(&unique("member")));
        let get = |reader: &Reader, name: &str| {
            Readings::of_reader(reader).get(&format!("consumer-coordinator-metrics/{name}"))
        };
        assert_eq!((get(&reader, "join-total"), get(&reader, "last-heartbeat-seconds-ago")), (0.0, -1.0));
        reader.subscribe(&topic);
        reader.until("three partitions", |reader| reader.owned.len() == 3).await;
        reader.until("a heartbeat", |reader| get(reader, "heartbeat-total") >= 1.0).await;
        let offsets = vec![(tp(&topic, 0), OffsetAndMetadata::new(0))];
        reader.consumer.commit(&offsets).await.unwrap();
        reader.consumer.committed(&[tp(&topic, 0)]).await.unwrap();
        let after = Readings::of_reader(&reader);
        let coordinator = |name: &str| after.get(&format!("consumer-coordinator-metrics/{name}"));
        assert_eq!((coordinator("join-total"), coordinator("sync-total")), (1.0, 1.0));
        assert_eq!((coordinator("rebalance-total"), coordinator("commit-total")), (1.0, 1.0));
        assert_eq!(coordinator("assigned-partitions"), 3.0);
        assert!(coordinator("rebalance-latency-max") >= coordinator("join-time-max"));
        assert_eq!(coordinator("rebalance-latency-total"), coordinator("rebalance-latency-max"));
        for name in ["commit-latency-max", "sync-time-avg", "heartbeat-response-time-max", "join-rate"] {
            assert!(coordinator(name) > 0.0, "{name}");
        }
        assert!(coordinator("last-heartbeat-seconds-ago") >= 0.0);
        assert!(coordinator("last-rebalance-seconds-ago") >= 0.0);
        assert!(after.get("consumer-metrics/commit-sync-time-ns-total") > 0.0);
        assert!(after.get("consumer-metrics/committed-time-ns-total") > 0.0);
        reader.consumer.close().await;
    });
}

#[test]
fn a_refused_join_is_a_failed_rebalance() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("refused", 1).await;
        cluster.broker().faults().times(
            2,
            ApiKey::JoinGroup,
            Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        );
        let mut reader = Reader::new(&cluster, member(&unique("refused")));
        reader.subscribe(&topic);
        reader.until("the partition", |reader| reader.owned.len() == 1).await;
        let after = Readings::of_reader(&reader);
        assert_eq!(after.get("consumer-coordinator-metrics/failed-rebalance-total"), 2.0);
        assert_eq!(after.get("consumer-coordinator-metrics/rebalance-total"), 1.0);
        reader.consumer.close().await;
    });
}

#[test]
fn an_admin_client_counts_its_connections_and_who_is_refused() {
    run(async {
        const USER: &str = "metrics";
        let lifetime = Duration::from_millis(400);
        let cluster = TestCluster::built(Broker::builder().user(USER, "right").session_lifetime(lifetime));
        let admin = |password: &str| {
            let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
            let jaas = format!("{module} required username={USER} password={password};");
            let security = Security::from_properties(|key| match key {
                "security.protocol" => Some("SASL_PLAINTEXT"),
                "sasl.mechanism" => Some("PLAIN"),
                "sasl.jaas.config" => Some(&jaas),
                _ => None,
            });
            let config = ClusterConfig { security: security.unwrap(), ..cluster.config() };
            Admin::new(Cluster::new(cluster.env.clone(), config))
        };
        let read = |admin: &Admin, name: &str| {
            Readings::of(|visit| admin.visit_metrics(visit)).get(&format!("admin-client-metrics/{name}"))
        };
        let refused = admin("wrong");
        assert_eq!(refused.describe_cluster().await.unwrap_err().kind(), ErrorKind::Auth);
        assert!(read(&refused, "failed-authentication-total") >= 1.0);
        assert_eq!(read(&refused, "connection-count"), 0.0);
        assert_eq!(read(&refused, "connection-creation-total"), read(&refused, "connection-close-total"));

        let accepted = admin("right");
        accepted.describe_cluster().await.unwrap();
        assert!(read(&accepted, "successful-authentication-total") >= 1.0);
        assert_eq!(read(&accepted, "failed-authentication-total"), 0.0);
        let node = accepted.cluster().connection(1).await.unwrap();
        timeout(PATIENCE, async {
            while read(&accepted, "successful-reauthentication-total") < 1.0 {
                accepted.describe_cluster().await.unwrap();
            }
        })
        .await
        .unwrap();
        assert!(node.is_open() && read(&accepted, "reauthentication-latency-max") > 0.0);
        assert_eq!(read(&accepted, "failed-reauthentication-total"), 0.0);
        accepted.cluster().close();
        assert_eq!(read(&accepted, "connection-count"), 0.0);
    });
}

#[test]
fn a_lost_connection_is_counted_and_made_again() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let admin = Admin::new(cluster.client());
        let read = |name: &str| {
            Readings::of(|visit| admin.visit_metrics(visit)).get(&format!("admin-client-metrics/{name}"))
        };
        admin.describe_cluster().await.unwrap();
        admin.describe_cluster().await.unwrap();
        let (created, closed) = (read("connection-creation-total"), read("connection-close-total"));
        cluster.broker().faults().once(ApiKey::Metadata, Fault::LoseResponse);
        admin.describe_cluster().await.unwrap();
        assert!(read("connection-close-total") > closed && read("connection-creation-total") > created);
        let open = read("connection-creation-total") - read("connection-close-total");
        assert_eq!(read("connection-count"), open);
        assert_eq!(read("request-total"), read("response-total") + 1.0, "one was not answered");
    });
}
