//! Workers in one group, each on a thread of its own as in a process: who gets what as they come, go, die, hang and disagree. On the
//! embedded broker, or on the Kafka that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::client::group::LostReason;
use protocol::cluster::{ClusterConfig, HostPort};
use protocol::net::Env;
use support::{Broker, unique, wait_for};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use worker::group::assignor::Configured;
use worker::group::{Assigned, ConnectProtocol, Member, MemberConfig, MemberEvent, RevokedBy};

/// Real Kafka refuses less.
const SESSION_MS: u64 = 6_000;

/// What a test has a worker do.
enum Order {
    Rejoin,
    StepOut,
    Join,
    /// Answers nothing until told otherwise, as a herder that hangs.
    Hang(std::sync::mpsc::Receiver<()>),
    /// Leaves as a worker that is stopped.
    Close,
    /// Ends as a worker that is killed.
    Die,
}

/// What a worker has done so far.
#[derive(Default)]
struct Seen {
    assigned: Option<Assigned>,
    running: BTreeSet<String>,
    /// How often each connector and task was started.
    starts: BTreeMap<String, usize>,
    revoked_by: Vec<RevokedBy>,
}

struct Node {
    url: String,
    orders: mpsc::UnboundedSender<Order>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

struct Group {
    broker: Broker,
    id: String,
    configured: watch::Sender<Arc<Configured>>,
    max_delay: Duration,
    next: std::cell::Cell<usize>,
}

impl Group {
    fn new(max_delay: Duration) -> Group {
        let configured = watch::channel(Arc::default()).0;
        Group { broker: Broker::start(), id: unique("connect"), configured, max_delay, next: 0.into() }
    }

    /// Connectors with the numbers of their tasks, as of a later offset.
    fn configure(&self, connectors: &[(&str, u32)]) {
        let offset = self.configured.borrow().offset + 1;
        let connectors = connectors.iter().map(|(name, tasks)| ((*name).into(), *tasks)).collect();
        self.configured.send_replace(Arc::new(Configured { offset, connectors }));
    }

    fn everything(&self) -> BTreeSet<String> {
        let configured = self.configured.borrow();
        let tasks = configured
            .connectors
            .iter()
            .flat_map(|(name, count)| (0..*count).map(move |task| format!("{name}-{task}")));
        tasks.chain(configured.connectors.keys().map(ToString::to_string)).collect()
    }

    fn node(&self) -> Node {
        self.node_with(|_| {})
    }

    fn node_with(&self, change: impl FnOnce(&mut MemberConfig)) -> Node {
        let url = format!("http://worker-{}:8083/", self.next.replace(self.next.get() + 1));
        let mut config = MemberConfig::new(&self.id, &url);
        config.group.session_timeout_ms = SESSION_MS;
        config.group.heartbeat_interval_ms = 200;
        config.max_delay = self.max_delay;
        change(&mut config);
        let cluster = ClusterConfig::new(HostPort::parse_list(&self.broker.bootstrap).unwrap());
        let snapshots = Arc::new(self.configured.subscribe());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (orders, mut received) = mpsc::unbounded_channel();
        let shared = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // The membership has a thread of its own, as a worker's has: a herder that hangs does not stop heartbeats.
            let control = Control::start();
            let env = Env { control: Arc::new(control.clone()), ..Env::real() };
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                let mut member = Member::spawn(env, cluster, config, snapshots);
                loop {
                    tokio::select! {
                        event = member.next() => on_event(&mut member, event, &shared),
                        order = received.recv() => match order {
                            Some(Order::Rejoin) => member.rejoin("the test wants it"),
                            Some(Order::StepOut) => member.step_out("the test wants it"),
                            Some(Order::Join) => member.join(),
                            Some(Order::Hang(until)) => drop(until.recv()),
                            Some(Order::Close) => {
                                member.close().await;
                                break;
                            }
                            Some(Order::Die) | None => {
                                control.kill();
                                break;
                            }
                        },
                    }
                }
            });
        });
        Node { url, orders, seen, thread: Some(thread) }
    }
}

/// A control thread that can be killed, and with it everything that would say good-bye.
#[derive(Clone)]
struct Control {
    futures: mpsc::UnboundedSender<protocol::net::MakeFuture>,
    killed: watch::Sender<bool>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Control {
    fn start() -> Control {
        let (futures, mut made) = mpsc::unbounded_channel::<protocol::net::MakeFuture>();
        let (killed, mut is_killed) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                let mut running = Vec::new();
                loop {
                    tokio::select! {
                        biased;
                        _ = is_killed.wait_for(|is_killed| *is_killed) => return,
                        make = made.recv() => match make {
                            Some(make) => running.push(tokio::task::spawn_local(make())),
                            None => break,
                        },
                    }
                }
                for task in running {
                    task.await.unwrap();
                }
            });
        });
        Control { futures, killed, thread: Arc::new(Mutex::new(Some(thread))) }
    }

    fn kill(&self) {
        self.killed.send_replace(true);
        // Nobody may say good-bye after this.
        self.thread.lock().unwrap().take().unwrap().join().unwrap();
    }
}

impl protocol::net::Spawn for Control {
    fn spawn(&self, make: protocol::net::MakeFuture) {
        self.futures.send(make).unwrap();
    }
}

/// A herder that starts and stops at once.
fn on_event(member: &mut Member, event: MemberEvent, seen: &Mutex<Seen>) {
    let mut seen = seen.lock().unwrap();
    match event {
        MemberEvent::Rebalancing { .. } => {}
        MemberEvent::Revoked { cause, connectors, tasks } => {
            for name in names(&connectors, &tasks) {
                seen.running.remove(&name);
            }
            seen.revoked_by.push(cause);
            member.revoked();
        }
        MemberEvent::Assigned(assigned) => {
            for name in names(&assigned.connectors, &assigned.tasks) {
                if seen.running.insert(name.clone()) {
                    *seen.starts.entry(name).or_default() += 1;
                }
            }
            member.resolved(assigned.generation);
            seen.assigned = Some(assigned);
        }
        MemberEvent::Failed(error) => panic!("{error}"),
    }
}

fn names(connectors: &[Arc<str>], tasks: &[engine::task::TaskId]) -> Vec<String> {
    connectors.iter().map(ToString::to_string).chain(tasks.iter().map(ToString::to_string)).collect()
}

impl Node {
    fn order(&self, order: Order) {
        drop(self.orders.send(order));
    }

    fn running(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().running.clone()
    }

    fn starts(&self) -> BTreeMap<String, usize> {
        self.seen.lock().unwrap().starts.clone()
    }

    fn assigned(&self) -> Option<Assigned> {
        self.seen.lock().unwrap().assigned.clone()
    }

    fn end(mut self, order: Order) {
        self.order(order);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.order(Order::Close);
    }
}

/// Waits until these workers, and nobody else, run everything once and evenly, in one generation.
#[track_caller]
fn wait_settled(group: &Group, nodes: &[&Node]) {
    wait_for("everything to run once and evenly", || {
        let assigned: Option<Vec<_>> = nodes.iter().map(|node| node.assigned()).collect();
        let assigned = assigned?;
        let is_one = assigned.windows(2).all(|two| two[0].generation == two[1].generation);
        let is_over = assigned.iter().all(|assigned| !assigned.revoked_any && assigned.delay_ms == 0);
        let running: Vec<_> = nodes.iter().map(|node| node.running()).collect();
        let count: usize = running.iter().map(BTreeSet::len).sum();
        let all: BTreeSet<String> = running.iter().flatten().cloned().collect();
        let sizes = running.iter().map(|work| work.iter().filter(|name| name.contains('-')).count());
        let is_even = sizes.clone().max()? - sizes.min()? <= 1;
        (is_one && is_over && is_even && all == group.everything() && count == all.len()).then_some(())
    });
}

/// Two workers that share what there is, the one that leads first: only it remembers what the other one had.
fn leader_and_other(group: &Group) -> (Node, Node) {
    let (first, second) = (group.node(), group.node());
    wait_settled(group, &[&first, &second]);
    if first.assigned().unwrap().is_leader { (first, second) } else { (second, first) }
}

#[test]
fn workers_share_what_there_is_and_keep_what_they_have() {
    let group = Group::new(Duration::ZERO);
    group.configure(&[("a", 4), ("b", 2)]);
    let first = group.node();
    wait_settled(&group, &[&first]);
    let (second, third) = (group.node(), group.node());
    let nodes = [&first, &second, &third];
    wait_settled(&group, &nodes);
    let leader = nodes.iter().find(|node| node.assigned().unwrap().is_leader).unwrap();
    let leading = leader.assigned().unwrap();
    assert_eq!(leading.protocol, ConnectProtocol::Sessioned);
    assert_eq!((&*leading.leader_url, &leading.leader), (&*leader.url, &leading.member_id));
    let owners = leading.owners.unwrap();
    for node in nodes {
        let assigned = node.assigned().unwrap();
        assert_eq!(assigned.leader_url, leading.leader_url);
        for task in &assigned.tasks {
            assert_eq!(owners.task(task).map(|url| &**url), Some(&*node.url));
        }
        for connector in &assigned.connectors {
            assert_eq!(owners.connector(connector).map(|url| &**url), Some(&*node.url));
        }
    }
    // Something new is shared, and nothing else is touched.
    let before: Vec<_> = nodes.iter().map(|node| node.starts()).collect();
    let running: Vec<_> = nodes.iter().map(|node| node.running()).collect();
    group.configure(&[("a", 4), ("b", 2), ("c", 3)]);
    nodes.iter().for_each(|node| node.order(Order::Rejoin));
    wait_settled(&group, &nodes);
    for ((node, before), running) in nodes.iter().zip(before).zip(running) {
        assert!(running.is_subset(&node.running()));
        let starts = node.starts();
        assert!(before.iter().all(|(name, count)| starts[name] == *count), "{before:?} {starts:?}");
    }
    // A connector that is gone is taken from whoever has it.
    group.configure(&[("b", 2), ("c", 3)]);
    nodes.iter().for_each(|node| node.order(Order::Rejoin));
    wait_settled(&group, &nodes);
}

#[test]
fn whoever_leaves_or_dies_is_replaced_also_when_it_leads() {
    let group = Group::new(Duration::ZERO);
    group.configure(&[("a", 6)]);
    let mut nodes = vec![group.node(), group.node(), group.node()];
    wait_settled(&group, &nodes.iter().collect::<Vec<_>>());
    let leads = |node: &Node| node.assigned().unwrap().is_leader;
    let leader = nodes.iter().position(leads).unwrap();
    let kept: Vec<_> = (0..3).filter(|place| *place != leader).map(|place| nodes[place].running()).collect();
    nodes.remove(leader).end(Order::Die);
    wait_settled(&group, &nodes.iter().collect::<Vec<_>>());
    for (node, kept) in nodes.iter().zip(kept) {
        let starts = node.starts();
        assert!(kept.iter().all(|name| starts[name] == 1), "what did not move ran on: {starts:?}");
    }
    nodes.remove(0).end(Order::Close);
    wait_settled(&group, &nodes.iter().collect::<Vec<_>>());
}

#[test]
fn what_a_worker_left_waits_for_the_next_one() {
    let group = Group::new(Duration::from_secs(4));
    group.configure(&[("a", 6)]);
    let (first, second) = leader_and_other(&group);
    let (left, kept) = (second.running(), first.starts());
    second.end(Order::Close);
    wait_for("the leader to wait", || first.assigned().filter(|assigned| assigned.delay_ms > 0));
    let third = group.node();
    wait_settled(&group, &[&first, &third]);
    assert_eq!(third.running(), left, "the newcomer gets what was left");
    assert_eq!(first.starts(), kept, "and the other one is left alone");
}

#[test]
fn one_eager_member_makes_the_group_eager_until_it_leaves() {
    let group = Group::new(Duration::ZERO);
    group.configure(&[("a", 4)]);
    let (first, second) = (group.node(), group.node());
    wait_settled(&group, &[&first, &second]);
    let eager = group.node_with(|config| config.protocol = ConnectProtocol::Eager);
    wait_settled(&group, &[&first, &second, &eager]);
    let protocol = |node: &Node| node.assigned().unwrap().protocol;
    assert_eq!(protocol(&first), ConnectProtocol::Eager);
    eager.end(Order::Close);
    wait_settled(&group, &[&first, &second]);
    assert_eq!(
        (protocol(&first), protocol(&second)),
        (ConnectProtocol::Sessioned, ConnectProtocol::Sessioned)
    );
    assert!(first.seen.lock().unwrap().revoked_by.contains(&RevokedBy::EagerRebalance));
}

#[test]
fn a_worker_that_steps_out_finds_its_work_where_it_was() {
    let group = Group::new(Duration::from_secs(300));
    group.configure(&[("a", 6)]);
    let (first, second) = leader_and_other(&group);
    let (starts, running) = (second.starts(), second.running());
    let generation = second.assigned().unwrap().generation;
    second.order(Order::StepOut);
    wait_for("the other one to notice", || first.assigned().filter(|assigned| assigned.delay_ms > 0));
    second.order(Order::Join);
    wait_for("it to be back", || second.assigned().filter(|assigned| assigned.generation > generation));
    wait_settled(&group, &[&first, &second]);
    assert_eq!((second.running(), second.starts()), (running, starts));
}

#[test]
fn a_herder_that_hangs_loses_its_work_and_stops_it_before_it_goes_on() {
    let group = Group::new(Duration::ZERO);
    group.configure(&[("a", 4)]);
    let first = group.node();
    wait_settled(&group, &[&first]);
    let second = group.node_with(|config| config.group.poll_interval_ms_max = Some(500));
    wait_settled(&group, &[&first, &second]);
    let (wake, until) = std::sync::mpsc::channel();
    second.order(Order::Hang(until));
    wait_for("the other one to run everything", || (first.running() == group.everything()).then_some(()));
    assert!(second.seen.lock().unwrap().revoked_by.iter().all(|cause| *cause == RevokedBy::Leader));
    wake.send(()).unwrap();
    wait_settled(&group, &[&first, &second]);
    assert!(second.seen.lock().unwrap().revoked_by.contains(&RevokedBy::Lost(LostReason::PollTimeout)));
}
