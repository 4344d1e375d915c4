//! Groups of which half the members are Java's own consumers, under each assignor, with either as leader; against the embedded broker
//! and the real Kafka that `AQUEDUCT_KAFKA` names. `AQUEDUCT_KAFKA_LIBS` says where Kafka's jars are; without it nothing runs.

#![expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use protocol::client::consumer::ConsumerConfig;
use protocol::client::group::assignor::Assignor;
use support::reader::{Reader, TICK, member, numbered};
use support::{PATIENCE, TestCluster, Writer, run, unique};
use tokio::time::Instant;

const PARTITION_COUNT: i32 = 6;

/// A Java consumer, and what it has told so far.
struct JavaMember {
    child: Child,
    lines: Receiver<String>,
    owned: Vec<i32>,
    seen: BTreeMap<i32, Vec<i64>>,
}

impl JavaMember {
    fn start(libs: &str, cluster: &TestCluster, group: &str, topic: &str, class: &str) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/GroupMember.java");
        let mut child = Command::new("java")
            .args(["-Xmx128m", "-cp", &format!("{libs}/*"), program, &cluster.bootstrap, group, topic, class])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, owned: Vec::new(), seen: BTreeMap::new() }
    }

    fn look(&mut self) {
        for line in self.lines.try_iter() {
            let fields: Vec<&str> = line.split(' ').collect();
            match fields[..] {
                ["owns", list] => {
                    self.owned = list.split(',').filter_map(|number| number.parse().ok()).collect()
                }
                ["read", partition, offset] => {
                    self.seen.entry(partition.parse().unwrap()).or_default().push(offset.parse().unwrap());
                }
                _ => {}
            }
        }
    }

    fn count(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }

    fn leave(mut self) -> BTreeMap<i32, Vec<i64>> {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.child.wait().unwrap().success());
        self.look();
        std::mem::take(&mut self.seen)
    }
}

impl Drop for JavaMember {
    fn drop(&mut self) {
        // Ended already, where the test got that far.
        let _is_killed = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

async fn until(
    ours: &mut Reader,
    java: &mut JavaMember,
    what: &str,
    is_done: impl Fn(&Reader, &JavaMember) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done(ours, java) {
        assert!(Instant::now() < deadline, "{what}: ours {:?}, Java's {:?}", ours.rebalances, java.owned);
        ours.step(TICK).await;
        java.look();
    }
}

/// Goal: on each cluster both members share the partitions, everything is read once, and the one that stays gets all of it back.
fn check(assignor: Assignor, class: &str) {
    let Ok(libs) = std::env::var("AQUEDUCT_KAFKA_LIBS") else {
        eprintln!("skipped: AQUEDUCT_KAFKA_LIBS is not set");
        return;
    };
    let class = format!("org.apache.kafka.clients.consumer.{class}");
    for cluster in TestCluster::each() {
        for is_java_first in [false, true] {
            run(share(&cluster, &libs, assignor, &class, is_java_first));
        }
    }
}

async fn share(cluster: &TestCluster, libs: &str, assignor: Assignor, class: &str, is_java_first: bool) {
    let topic = cluster.topic("java", PARTITION_COUNT).await;
    let group = unique("java");
    let writer = Writer::new(cluster);
    for partition in 0..PARTITION_COUNT {
        writer.append(&topic, partition, &numbered(0..10)).await;
    }
    let all = PARTITION_COUNT as usize;
    let start_java = || JavaMember::start(libs, cluster, &group, &topic, class);
    let mut ours = Reader::new(cluster, ConsumerConfig { assignors: vec![assignor], ..member(&group) });
    let mut java;
    if is_java_first {
        java = start_java();
        until(&mut ours, &mut java, "Java's alone", |_, java| java.owned.len() == all).await;
        ours.subscribe(&topic);
    } else {
        ours.subscribe(&topic);
        ours.until("ours alone", |ours| ours.owned.len() == all).await;
        java = start_java();
    }
    let is_shared = |ours: &Reader, java: &JavaMember| {
        let mut shared: Vec<i32> =
            ours.owned.iter().map(|tp| tp.partition).chain(java.owned.clone()).collect();
        shared.sort_unstable();
        ours.owned.len() == all / 2 && shared == (0..PARTITION_COUNT).collect::<Vec<_>>()
    };
    until(&mut ours, &mut java, "three each", is_shared).await;
    for partition in 0..PARTITION_COUNT {
        writer.append(&topic, partition, &numbered(10..20)).await;
    }
    let has_all = |ours: &Reader, java: &JavaMember| ours.count() + java.count() >= all * 20;
    until(&mut ours, &mut java, "all records", has_all).await;
    let mut seen = java.leave();
    ours.until("everything is back", |ours| ours.owned.len() == all).await;
    for (tp, records) in &ours.seen {
        seen.entry(tp.partition).or_default().extend(records.iter().map(|(offset, _)| *offset));
    }
    for (partition, mut offsets) in seen {
        offsets.sort_unstable();
        assert_eq!(offsets, (0..20).collect::<Vec<i64>>(), "{assignor:?} partition {partition}");
    }
    ours.consumer.close().await;
}

#[test]
fn range() {
    check(Assignor::Range, "RangeAssignor");
}

#[test]
fn round_robin() {
    check(Assignor::RoundRobin, "RoundRobinAssignor");
}

#[test]
fn sticky() {
    check(Assignor::Sticky, "StickyAssignor");
}

#[test]
fn cooperative_sticky() {
    check(Assignor::CooperativeSticky, "CooperativeStickyAssignor");
}
