//! One machine alone, told what the group and the config topic say: catching up (contract 4.6), session keys (KIP-507), and requests while
//! a rebalance is due.

use std::rc::Rc;

use engine::task::TaskId;

use super::super::event::{Action, Command, CommandKind, Event, Outcome, Refusal, Token};
use super::*;
use crate::config::{Plugins, RawConfig};
use crate::group::{Assigned, ConnectProtocol, MemberEvent, RevokedBy};
use crate::store::LogRecord;
use crate::store::config_log::{ConfigLog, SessionKey, records};
use crate::store::status_log::{StoredStatus, VisitSaid};

const CREATED_MS: i64 = 1_700_000_000_000;
const KEY_TTL_MS: u64 = 3_600_000;

struct NoStatuses;

impl Statuses for NoStatuses {
    fn connector(&self, _: &str) -> Option<StoredStatus> {
        None
    }

    fn task(&self, _: &str, _: u32) -> Option<StoredStatus> {
        None
    }

    fn tasks(&self, _: &str) -> Vec<(u32, StoredStatus)> {
        Vec::new()
    }

    fn each(&self, _: &mut VisitSaid<'_>) {}
}

/// A worker, and what it has asked of its surroundings and not been answered yet.
struct Lone {
    cluster: Cluster,
    log: ConfigLog,
    next_offset: i64,
    now_ms: u64,
    actions: Vec<ClusterAction>,
    replies: Vec<(Token, Result<Outcome, Refusal>)>,
}

impl Lone {
    fn with(change: impl FnOnce(&mut ClusterSetup)) -> Lone {
        let mut setup = ClusterSetup {
            worker_id: "w0:8083".into(),
            stop_timeout_ms: 5_000,
            max_delay_ms: 300_000,
            unsync_backoff_ms: 300_000,
            key_ttl_ms: KEY_TTL_MS,
            key_algorithm: "HmacSHA256".into(),
            key_length: 32,
            queues_during_rebalance: false,
            is_exactly_once: false,
            unix_ms_at_zero: CREATED_MS,
            seed: 7,
        };
        change(&mut setup);
        let (plugins, log) = (Rc::new(Plugins::new(crate::built_in())), ConfigLog::new());
        Lone {
            cluster: Cluster::new(setup, plugins, Rc::new(NoStatuses), log.snapshot()),
            log,
            next_offset: 0,
            now_ms: 0,
            actions: Vec::new(),
            replies: Vec::new(),
        }
    }

    fn new() -> Lone {
        Lone::with(|_| {})
    }

    fn step(&mut self, event: ClusterEvent) {
        for action in self.cluster.step(event, self.log.snapshot(), self.now_ms) {
            match action {
                ClusterAction::Herd(Action::Reply { token, result }) => self.replies.push((token, result)),
                action => self.actions.push(action),
            }
        }
    }

    /// What it has asked for since it was last looked at.
    fn asked(&mut self) -> String {
        let actions = std::mem::take(&mut self.actions);
        actions.iter().map(|action| format!("{action:?}")).collect::<Vec<_>>().join(" ")
    }

    /// The config topic goes on by one record, which the worker reads.
    fn read(&mut self, record: &LogRecord) {
        let event = self.log.apply(self.next_offset, Some(&record.key), record.value.as_deref());
        self.next_offset += 1;
        if let Some(event) = event {
            self.step(ClusterEvent::Config(event));
        }
    }

    fn read_connector(&mut self, name: &str) {
        self.read(&records::connector(name, &RawConfig::new()));
    }

    /// An assignment of the group, made for a config offset.
    fn assigned(&mut self, config_offset: i64, change: impl FnOnce(&mut Assigned)) {
        let mut assigned = Assigned {
            generation: self.cluster.generation() + 1,
            member_id: "m0".into(),
            leader: "m1".into(),
            leader_url: "http://w1:8083/".into(),
            is_leader: false,
            protocol: ConnectProtocol::Sessioned,
            config_offset,
            is_failed: false,
            connectors: Vec::new(),
            tasks: Vec::new(),
            revoked_any: false,
            delay_ms: 0,
            owners: None,
        };
        change(&mut assigned);
        self.step(ClusterEvent::Member(MemberEvent::Assigned(assigned)));
    }

    fn leads(&mut self) {
        let offset = self.log.snapshot().offset();
        self.assigned(offset, |assigned| {
            assigned.is_leader = true;
            assigned.leader = "m0".into();
        });
    }

    fn times_out(&mut self) {
        self.step(ClusterEvent::Refreshed(Err("Timed out waiting for the config topic".to_owned())));
    }

    /// Until what the worker waits for is due.
    fn pass(&mut self) -> u64 {
        let due_ms = self.cluster.deadline_ms().expect("it waits for something");
        let waited_ms = due_ms - self.now_ms;
        self.now_ms = due_ms;
        self.step(ClusterEvent::Herd(Event::Tick));
        waited_ms
    }

    fn request(&mut self, token: Token, kind: CommandKind) {
        let command = Command { connector: "c".into(), kind };
        self.step(ClusterEvent::Herd(Event::Command { token, command }));
    }
}

#[test]
fn work_starts_once_the_configuration_is_as_new_as_the_assignment_s() {
    let mut worker = Lone::new();
    worker.assigned(1, |_| {});
    assert_eq!(worker.asked(), "Refresh");
    // Nothing else is asked for while it reads.
    worker.step(ClusterEvent::Herd(Event::Tick));
    assert_eq!(worker.asked(), "");
    worker.read_connector("c");
    worker.step(ClusterEvent::Refreshed(Ok(())));
    assert_eq!(worker.asked(), "Rejoin(there is a new connector)");
    worker.assigned(1, |_| {});
    assert_eq!(worker.asked(), "Resolved(1)");
}

#[test]
fn a_configuration_that_differs_after_reading_to_the_end_calls_for_another_round() {
    let mut worker = Lone::new();
    worker.read_connector("c");
    worker.read_connector("d");
    worker.asked();
    // The leader knew less than this worker does.
    worker.assigned(1, |_| {});
    assert_eq!(
        worker.asked(),
        "Rejoin(the configurations differ from those that the assignment was made for)"
    );
    // The leader knew more than there is.
    worker.assigned(9, |_| {});
    assert_eq!(worker.asked(), "Refresh");
    worker.step(ClusterEvent::Refreshed(Ok(())));
    assert_eq!(
        worker.asked(),
        "Rejoin(the configurations differ from those that the assignment was made for)"
    );
}

#[test]
fn a_worker_that_stops_while_it_is_behind_waits_for_nothing_of_the_group() {
    let mut worker = Lone::new();
    worker.assigned(5, |_| {});
    worker.times_out();
    assert!(worker.cluster.deadline_ms().is_some());
    worker.step(ClusterEvent::Herd(Event::Shutdown));
    assert_eq!(worker.cluster.deadline_ms(), None);
    // Nor when a reading that was under way fails after that.
    worker.times_out();
    assert_eq!(worker.cluster.deadline_ms(), None);
}

#[test]
fn while_the_leader_reads_those_who_know_more_wait_for_it_instead_of_joining_over_and_over() {
    let mut worker = Lone::new();
    worker.read_connector("c");
    worker.asked();
    worker.assigned(1, |assigned| assigned.is_failed = true);
    assert_eq!(worker.asked(), "");
    // The leader is slow, or has gone.
    assert_eq!(worker.pass(), 1_000);
    assert_eq!(worker.asked(), "Rejoin(the leader could not read the configurations)");
    assert_eq!(worker.cluster.deadline_ms(), None);
    // The leader comes back before that: its rebalance is heard of.
    worker.assigned(1, |assigned| assigned.is_failed = true);
    worker.step(ClusterEvent::Member(MemberEvent::Rebalancing { reason: "the group rebalances" }));
    assert_eq!((worker.asked().as_str(), worker.cluster.deadline_ms()), ("", None));
    // A leader reads first.
    worker.assigned(1, |assigned| {
        assigned.is_failed = true;
        assigned.is_leader = true;
    });
    assert!(worker.asked().contains("Refresh"));
    worker.step(ClusterEvent::Refreshed(Ok(())));
    assert!(worker.asked().contains("Rejoin"));
}

#[test]
fn whoever_reads_too_slowly_leaves_waits_longer_and_longer_and_gives_all_up_after_the_fifth_time() {
    let mut worker = Lone::new();
    worker.assigned(5, |assigned| assigned.tasks = vec![TaskId { connector: "c".into(), task: 0 }]);
    assert_eq!(worker.asked(), "Refresh");
    worker.times_out();
    assert_eq!(worker.asked(), "Leave(taking too long to read the log)");
    // A tenth of the delay in 5, 4, 3, 2 parts, and whole.
    for expected_ms in [6_000, 7_500, 10_000, 15_000, 30_000] {
        assert_eq!(worker.pass(), expected_ms);
        assert_eq!(worker.asked(), "Refresh");
        worker.times_out();
    }
    // What it holds has been given to others by now, and it starts over.
    assert_eq!(worker.asked(), "RevokeAll Refresh");
    let tasks = vec![TaskId { connector: "c".into(), task: 0 }];
    let revoked = MemberEvent::Revoked { cause: RevokedBy::OutOfSync, connectors: Vec::new(), tasks };
    worker.step(ClusterEvent::Member(revoked));
    assert_eq!(worker.asked(), "FlushStatuses");
    worker.step(ClusterEvent::StatusesFlushed);
    assert_eq!(worker.asked(), "AcknowledgeRevoked");
    worker.times_out();
    assert_eq!((worker.asked().as_str(), worker.pass()), ("", 6_000));
    assert_eq!(worker.asked(), "Refresh");
    worker.step(ClusterEvent::Refreshed(Ok(())));
    assert_eq!(worker.asked(), "Join");
    // It has caught up: the next time it is slow it has five tries again.
    worker.assigned(9, |_| {});
    assert_eq!(worker.asked(), "Refresh");
    worker.times_out();
    assert_eq!((worker.asked().as_str(), worker.pass()), ("Leave(taking too long to read the log)", 6_000));
}

#[test]
fn with_the_eager_protocol_the_wait_is_that_of_the_configuration() {
    let mut worker = Lone::with(|setup| setup.unsync_backoff_ms = 77_000);
    worker.assigned(5, |assigned| assigned.protocol = ConnectProtocol::Eager);
    worker.times_out();
    assert_eq!(worker.asked(), "Refresh Leave(taking too long to read the log)");
    for _ in 0..8 {
        assert_eq!(worker.pass(), 77_000);
        assert_eq!(worker.asked(), "Refresh", "and nothing is given up: the group has taken it all");
        worker.times_out();
    }
}

#[test]
fn requests_wait_while_a_worker_is_behind() {
    let mut worker = Lone::new();
    worker.assigned(5, |assigned| assigned.is_leader = true);
    worker.times_out();
    worker.request(1, CommandKind::Delete);
    assert!(worker.replies.is_empty());
    worker.pass();
    worker.step(ClusterEvent::Refreshed(Ok(())));
    worker.leads();
    assert_eq!(worker.replies, [(1, Err(Refusal::NotFound("Connector c not found".to_owned())))]);
}

fn key(created_ms: i64, algorithm: &str, length: usize) -> LogRecord {
    records::session_key(&SessionKey { key: vec![1; length].into(), algorithm: algorithm.into(), created_ms })
}

/// A settled leader that has read this key.
fn leader(key: &LogRecord) -> Lone {
    let mut worker = Lone::new();
    worker.read(key);
    worker.leads();
    worker
}

const WRITES_A_KEY: &str = "records: [NewSessionKey]";

#[test]
fn the_leader_makes_a_key_where_there_is_none_or_one_of_another_kind() {
    let mut worker = Lone::new();
    worker.leads();
    assert!(worker.asked().contains(WRITES_A_KEY));
    for (record, is_replaced) in [
        (key(CREATED_MS, "HmacSHA256", 32), false),
        (key(CREATED_MS, "HmacSHA512", 32), true),
        (key(CREATED_MS, "HmacSHA256", 64), true),
    ] {
        assert_eq!(leader(&record).asked().contains(WRITES_A_KEY), is_replaced, "{record:?}");
    }
}

#[test]
fn a_key_is_replaced_when_its_time_is_over_and_by_the_leader_only() {
    let record = key(CREATED_MS, "HmacSHA256", 32);
    let mut worker = leader(&record);
    worker.asked();
    assert_eq!(worker.pass(), KEY_TTL_MS);
    assert!(worker.asked().contains(WRITES_A_KEY));
    // While it is on its way there is no second one.
    worker.now_ms += 10_000;
    worker.step(ClusterEvent::Herd(Event::Tick));
    assert_eq!(worker.asked(), "");
    let now_ms = worker.now_ms as i64;
    worker.read(&key(CREATED_MS + now_ms, "HmacSHA256", 32));
    worker.step(ClusterEvent::Written { id: 1, result: Ok(()) });
    assert_eq!(worker.pass(), KEY_TTL_MS, "the new one lasts as long");

    let mut follower = Lone::new();
    follower.read(&record);
    let offset = follower.log.snapshot().offset();
    follower.assigned(offset, |_| {});
    assert_eq!(follower.cluster.deadline_ms(), None);
    let mut lasting = Lone::with(|setup| setup.key_ttl_ms = 0);
    lasting.read(&record);
    lasting.leads();
    assert_eq!(lasting.cluster.deadline_ms(), None, "keys last for ever");
}

#[test]
fn a_key_that_could_not_be_written_is_tried_again() {
    let mut worker = Lone::new();
    worker.leads();
    assert!(worker.asked().contains(WRITES_A_KEY));
    let failure = WriteFailure { message: "no broker".to_owned(), is_privilege_lost: false };
    worker.step(ClusterEvent::Written { id: 1, result: Err(failure) });
    assert_eq!(worker.asked(), "");
    assert!(worker.pass() > 0);
    assert!(worker.asked().contains(WRITES_A_KEY));
}

#[test]
fn groups_that_do_not_sign_have_no_keys() {
    let mut worker = Lone::new();
    worker.assigned(-1, |assigned| {
        assigned.is_leader = true;
        assigned.protocol = ConnectProtocol::Compatible;
    });
    assert_eq!(worker.asked(), "ClaimPrivileges Resolved(0)");
}

/// A settled leader that has just read of a new connector, so that a rebalance is due.
fn about_to_rebalance(queues: bool) -> Lone {
    let mut worker = Lone::with(|setup| setup.queues_during_rebalance = queues);
    worker.leads();
    worker.read_connector("c");
    assert!(worker.asked().contains("Rejoin(there is a new connector)"));
    worker
}

fn refused() -> [CommandKind; 4] {
    [
        CommandKind::RestartInstance,
        CommandKind::RestartTask { task: 0 },
        CommandKind::Restart { include_tasks: true, only_failed: false },
        CommandKind::Offsets(super::super::OffsetRequest::Reset),
    ]
}

#[test]
fn what_java_refuses_while_a_rebalance_is_due_is_refused() {
    let mut worker = about_to_rebalance(false);
    for (token, kind) in (1..).zip(refused()) {
        worker.request(token, kind);
        assert_eq!(worker.replies.pop(), Some((token, Err(Refusal::Rebalancing))));
    }
}

#[test]
fn with_the_queue_the_same_requests_wait_and_are_served_in_order() {
    let mut worker = about_to_rebalance(true);
    for (token, kind) in (1..).zip(refused()) {
        worker.request(token, kind);
    }
    assert!(worker.replies.is_empty());
    // Whoever asked for the second one has gone.
    worker.step(ClusterEvent::Abandoned(2));
    worker.leads();
    let served: Vec<Token> = worker.replies.iter().map(|(token, _)| *token).collect();
    assert!(
        worker.replies.iter().all(|(_, result)| *result != Err(Refusal::Rebalancing)),
        "{:?}",
        worker.replies
    );
    assert_eq!(served, [1, 3]);
    // The change of offsets has begun: it reads the configuration first.
    assert!(worker.asked().contains("records: [ReadToEnd]"));
}
