//! What befalls the world: drawn under the seed, one after the other, each with its end.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Broker, Fault};
use fastrand::Rng;
use protocol::ErrorCode;
use protocol::wire::messages::ApiKey;
use tokio::time::Instant;

use crate::host::{Doing, Host};
use crate::log;
use crate::network::{Network, Peer, Weather};
use crate::properties::GROUP;

/// Nodes of the broker's cluster.
pub(crate) const NODES: i32 = 2;

/// Errors that a broker may answer a request with at any time, and that clients have to live with.
const ERRORS: &[(ApiKey, &[ErrorCode])] = &[
    (
        ApiKey::Heartbeat,
        &[
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
            ErrorCode::REBALANCE_IN_PROGRESS,
            ErrorCode::UNKNOWN_MEMBER_ID,
        ],
    ),
    (
        ApiKey::JoinGroup,
        &[
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
            ErrorCode::UNKNOWN_MEMBER_ID,
        ],
    ),
    (ApiKey::SyncGroup, &[ErrorCode::REBALANCE_IN_PROGRESS, ErrorCode::NOT_COORDINATOR]),
    (
        ApiKey::OffsetCommit,
        &[
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::REBALANCE_IN_PROGRESS,
        ],
    ),
    (ApiKey::OffsetFetch, &[ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::NOT_COORDINATOR]),
    (ApiKey::FindCoordinator, &[ErrorCode::COORDINATOR_NOT_AVAILABLE]),
    (
        ApiKey::Produce,
        &[
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::REQUEST_TIMED_OUT,
            ErrorCode::LEADER_NOT_AVAILABLE,
        ],
    ),
    (
        ApiKey::Fetch,
        &[
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::FENCED_LEADER_EPOCH,
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
            ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ],
    ),
    (ApiKey::ListOffsets, &[ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::LEADER_NOT_AVAILABLE]),
    (
        ApiKey::InitProducerId,
        &[
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::CONCURRENT_TRANSACTIONS,
        ],
    ),
    (
        ApiKey::AddPartitionsToTxn,
        &[
            ErrorCode::CONCURRENT_TRANSACTIONS,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
        ],
    ),
    (
        ApiKey::EndTxn,
        &[
            ErrorCode::CONCURRENT_TRANSACTIONS,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
        ],
    ),
];

/// How a fault ends.
enum End {
    Start(usize),
    Resume(usize),
    Weather(Peer, Peer, bool),
    Node(i32),
}

/// Draws faults and ends them.
pub(crate) struct Faults {
    hosts: Vec<Host>,
    network: Network,
    broker: Broker,
    topics: Vec<String>,
    ends: Vec<(Instant, End)>,
    counts: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(crate) fn new(hosts: Vec<Host>, network: Network, broker: Broker, topics: Vec<String>) -> Faults {
        Faults { hosts, network, broker, topics, ends: Vec::new(), counts: BTreeMap::new() }
    }

    /// How often what has happened.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// When the next end is due.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.ends.iter().map(|(due, _)| *due).min()
    }

    /// Ends what is due.
    pub(crate) fn end_due(&mut self) {
        let now = Instant::now();
        let (due, left) = std::mem::take(&mut self.ends).into_iter().partition(|(due, _)| *due <= now);
        self.ends = left;
        let due: Vec<_> = due;
        for (_, end) in due {
            self.end(end);
        }
    }

    /// Ends everything: from now on nothing is wrong but what was left behind.
    pub(crate) fn cease(&mut self) {
        self.broker.faults().clear_all();
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end(end);
        }
        self.network.clear();
        for node in 1..=NODES {
            let _runs = self.broker.start_node(node);
        }
        for host in &self.hosts {
            host.resume();
            if host.doing() == Doing::Down {
                host.start();
            }
        }
        log::event(format_args!("faults cease"));
    }

    fn end(&mut self, end: End) {
        match end {
            End::Start(worker) => {
                if self.hosts[worker].doing() == Doing::Down {
                    log::event(format_args!("w{worker} is started"));
                    self.hosts[worker].start();
                }
            }
            End::Resume(worker) => {
                log::event(format_args!("w{worker} goes on"));
                self.hosts[worker].resume();
            }
            End::Weather(from, to, cuts) => {
                log::event(format_args!("the network from {from:?} to {to:?} is well again, cut {cuts}"));
                self.network.set_weather(from, to, Weather::default());
                if cuts {
                    self.network.cut(from, to, 0);
                }
            }
            End::Node(node) => {
                log::event(format_args!("broker {node} starts"));
                let _in_process = self.broker.start_node(node);
            }
        }
    }

    fn after(&mut self, seconds: u64, end: End) {
        self.ends.push((Instant::now() + Duration::from_secs(seconds), end));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// One more thing goes wrong.
    pub(crate) fn strike(&mut self, random: &mut Rng) {
        let worker = random.usize(..self.hosts.len());
        let host = self.hosts[worker].clone();
        let is_up = host.doing() == Doing::Up;
        let node = random.i32(1..=NODES);
        match random.u32(..100) {
            0..=11 if is_up => {
                self.count("worker killed");
                log::event(format_args!("w{worker} is killed"));
                host.kill();
                self.after(random.u64(0..60), End::Start(worker));
            }
            12..=23 if is_up => {
                let seconds = random.u64(1..120);
                self.count(if seconds > 30 {
                    "worker suspended beyond its session"
                } else {
                    "worker suspended"
                });
                log::event(format_args!("w{worker} is suspended for {seconds} s"));
                host.suspend();
                self.after(seconds, End::Resume(worker));
            }
            24..=29 if is_up => {
                self.count("worker stopped");
                log::event(format_args!("w{worker} is told to stop"));
                host.stop();
                self.after(random.u64(8..60), End::Start(worker));
            }
            30..=45 => self.partition(worker, random),
            46..=51 => {
                let after = if random.bool() { 0 } else { random.usize(1..2_000) };
                let from = Peer::Worker(worker);
                let count = self.network.cut(from, Peer::Broker(node), after);
                self.count("connections reset");
                log::event(format_args!(
                    "{count} connections of w{worker} to broker {node} reset after {after} bytes"
                ));
            }
            52..=57 => {
                let delay = Duration::from_millis(random.u64(10..3_000));
                self.count("slow network");
                log::event(format_args!("each write of w{worker} to broker {node} takes {delay:?}"));
                let (from, to) = (Peer::Worker(worker), Peer::Broker(node));
                self.network.set_weather(from, to, Weather { delay, ..Weather::default() });
                self.after(random.u64(5..60), End::Weather(from, to, false));
            }
            58..=71 => {
                let (key, codes) = ERRORS[random.usize(..ERRORS.len())];
                let code = codes[random.usize(..codes.len())];
                let times = random.usize(1..6);
                self.count("error answered");
                log::event(format_args!("the next {times} {key:?} are answered with {}", code.name()));
                self.broker.faults().times(times, key, Fault::Error(code));
            }
            72..=83 => {
                let (key, _) = ERRORS[random.usize(..ERRORS.len())];
                let (what, fault) = match random.u32(..7) {
                    0 => ("answer lost", Fault::LoseResponse),
                    1 => ("answer truncated", Fault::TruncateResponse),
                    2 => ("answer reset", Fault::ResetResponse),
                    3 => ("disconnected", Fault::Disconnect),
                    4 => ("request reset", Fault::Reset),
                    5 => ("silence", Fault::Silence),
                    _ => ("slow broker", Fault::Delay(Duration::from_millis(random.u64(100..20_000)))),
                };
                let times = random.usize(1..4);
                self.count(what);
                log::event(format_args!("the next {times} {key:?}: {fault:?}"));
                self.broker.faults().times(times, key, fault);
            }
            84..=88 => {
                self.count("broker restarted");
                let seconds = random.u64(1..30);
                log::event(format_args!("broker {node} stops for {seconds} s"));
                self.broker.stop_node(node);
                self.after(seconds, End::Node(node));
            }
            89..=92 => {
                let groups = [GROUP, "connect-snk0", "connect-snk1", "connect-cluster-sim"];
                let group = groups[random.usize(..groups.len())];
                self.count("coordinator moved");
                log::event(format_args!("{group} is coordinated by broker {node}"));
                self.broker.move_coordinator(group, node);
            }
            93..=96 => {
                let topic = self.topics[random.usize(..self.topics.len())].clone();
                let partition = random.i32(0..2);
                if self.broker.move_leader(&topic, partition, node) {
                    self.count("leader moved");
                    log::event(format_args!("{topic}-{partition} is led by broker {node}"));
                }
            }
            97..=99 => {
                // Brokers refuse records that are more than an hour ahead (`message.timestamp.after.max.ms`).
                let by_ms = random.i64(-7_200_000..3_000_000);
                self.count("wall clock jumped");
                log::event(format_args!("the wall clock of w{worker} is off by {by_ms} ms"));
                host.clock().set_off(by_ms);
            }
            _ => {}
        }
    }

    /// Some of what one worker says or hears does not arrive.
    fn partition(&mut self, worker: usize, random: &mut Rng) {
        let (holds_requests, holds_answers, how) = match random.u32(..3) {
            0 => (true, true, "partitioned"),
            1 => (true, false, "half-open, requests held"),
            _ => (false, true, "half-open, answers held"),
        };
        let weather = Weather { holds_requests, holds_answers, delay: Duration::ZERO };
        let from = Peer::Worker(worker);
        let targets = match random.u32(..4) {
            0 | 1 => (1..=NODES).map(Peer::Broker).collect(),
            2 => vec![Peer::Broker(random.i32(1..=NODES))],
            _ => vec![Peer::Worker(random.usize(..self.hosts.len()))],
        };
        let seconds = random.u64(1..90);
        let cuts = random.bool();
        self.count(how);
        log::event(format_args!("w{worker} {how} from {targets:?} for {seconds} s"));
        for to in targets {
            self.network.set_weather(from, to, weather);
            self.after(seconds, End::Weather(from, to, cuts));
        }
    }
}
