//! The pure core of a worker's membership, step by step.

use bytes::Bytes;
use engine::task::TaskId;
use proptest::prelude::*;
use protocol::client::group::{GroupEvent, LostReason, MemberIdentity};

use super::*;
use crate::group::protocol::{Assignment, ConnectProtocol};

const DELAY_MS: u64 = 60_000;

/// A herder that has done nothing yet, and its session.
struct World {
    session: Session,
    now_ms: u64,
    generation: i32,
    log: Vec<String>,
}

fn work(names: &str) -> (Vec<std::sync::Arc<str>>, Vec<TaskId>) {
    let (tasks, connectors): (Vec<&str>, Vec<&str>) =
        names.split_whitespace().partition(|name| name.contains('-'));
    let tasks = tasks.into_iter().map(|name| {
        let (connector, task) = name.split_once('-').unwrap();
        TaskId { connector: connector.into(), task: task.parse().unwrap() }
    });
    (connectors.into_iter().map(Into::into).collect(), tasks.collect())
}

fn names(connectors: &[std::sync::Arc<str>], tasks: &[TaskId]) -> String {
    let names = connectors.iter().map(ToString::to_string).chain(tasks.iter().map(ToString::to_string));
    names.collect::<Vec<_>>().join(" ")
}

impl World {
    fn new(protocol: ConnectProtocol) -> World {
        let session = Session::new(protocol, DELAY_MS);
        World { session, now_ms: 0, generation: 0, log: Vec::new() }
    }

    fn joined() -> World {
        let mut world = World::new(ConnectProtocol::Sessioned);
        world.feed(Event::Join);
        world.told("a b a-0 a-1", "", 0);
        world.feed(Event::Resolved { generation: 1 });
        world.log.clear();
        world
    }

    fn feed(&mut self, event: Event) {
        for action in self.session.step(event, self.now_ms) {
            self.log.push(match action {
                Action::Join(None) => "join".to_owned(),
                Action::Join(Some(claim)) => {
                    format!("join claiming {}", names(&claim.connectors, &claim.tasks))
                }
                Action::RequestRejoin(_) => "rejoin".to_owned(),
                Action::StepOut(_) => "leave".to_owned(),
                Action::Report(MemberEvent::Rebalancing { .. }) => "rebalancing".to_owned(),
                Action::Report(MemberEvent::Revoked { cause, connectors, tasks }) => {
                    let cause = match cause {
                        RevokedBy::Leader => "moves",
                        RevokedBy::EagerRebalance => "eager",
                        RevokedBy::Lost(_) => "lost",
                        RevokedBy::Failed => "failed",
                        RevokedBy::OutOfSync => "out of sync",
                    };
                    format!("stop {} ({cause})", names(&connectors, &tasks))
                }
                Action::Report(MemberEvent::Assigned(assigned)) => {
                    format!("assigned {}", names(&assigned.connectors, &assigned.tasks))
                }
                Action::Report(MemberEvent::Failed(_)) => "failed".to_owned(),
            });
        }
    }

    fn assigned_event(&mut self, protocol: ConnectProtocol, assignment: &Assignment) -> Event {
        self.generation += 1;
        Event::Group(GroupEvent::Assigned {
            identity: MemberIdentity { member_id: "m".into(), generation_id: self.generation },
            is_leader: false,
            protocol: protocol.wire_name().to_owned(),
            assignment: assignment.encode(protocol).unwrap(),
        })
    }

    /// The leader tells: new work, what to give up, a delay.
    fn told(&mut self, assigned: &str, revoked: &str, delay_ms: i32) {
        let ((connectors, tasks), (revoked_connectors, revoked_tasks)) = (work(assigned), work(revoked));
        let assignment = Assignment {
            leader: "l".into(),
            leader_url: "http://l/".into(),
            connectors,
            tasks,
            revoked_connectors,
            revoked_tasks,
            delay_ms,
            ..Assignment::default()
        };
        let event = self.assigned_event(ConnectProtocol::Sessioned, &assignment);
        self.feed(event);
    }

    fn told_eagerly(&mut self, assigned: &str) {
        let (connectors, tasks) = work(assigned);
        let assignment = Assignment { connectors, tasks, ..Assignment::default() };
        let event = self.assigned_event(ConnectProtocol::Eager, &assignment);
        self.feed(event);
    }

    fn rebalance(&mut self) {
        self.feed(Event::Group(GroupEvent::RebalanceNeeded { reason: "test" }));
    }

    fn lose(&mut self, alive_at_ms: u64) {
        let reason = LostReason::SessionExpired;
        self.feed(Event::Group(GroupEvent::Lost { reason, alive_at_ms }));
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(self.log, expected);
        self.log.clear();
    }
}

#[test]
fn keeps_what_it_has_through_a_cooperative_rebalance() {
    let mut world = World::new(ConnectProtocol::Sessioned);
    world.feed(Event::Join);
    world.check(&["join"]);
    world.told("a b a-0 a-1", "", 0);
    world.check(&["assigned a b a-0 a-1"]);
    world.feed(Event::Resolved { generation: 1 });
    world.rebalance();
    world.check(&["rebalancing", "join claiming a b a-0 a-1"]);
    world.told("c c-0", "", 0);
    // Java's lists: what is new comes first.
    world.check(&["assigned c a b c-0 a-0 a-1"]);
}

#[test]
fn takes_an_assignment_only_once_what_it_revokes_has_been_stopped_and_then_joins_again() {
    let mut world = World::joined();
    world.rebalance();
    world.log.clear();
    world.told("", "b a-1", 0);
    world.check(&["stop b a-1 (moves)"]);
    world.feed(Event::RevokedDone);
    world.check(&["assigned a a-0"]);
    world.feed(Event::Resolved { generation: 1 });
    world.check(&[]);
    world.feed(Event::Resolved { generation: 2 });
    world.feed(Event::Resolved { generation: 2 });
    world.check(&["rejoin"]);
    assert!(!world.session.assignment().unwrap().revokes());
    world.rebalance();
    world.check(&["rebalancing", "join claiming a a-0"]);
}

#[test]
fn a_rebalance_waits_for_what_is_being_stopped() {
    let mut world = World::joined();
    world.rebalance();
    world.told("", "b", 0);
    world.log.clear();
    world.rebalance();
    world.check(&[]);
    world.feed(Event::RevokedDone);
    world.check(&["assigned a a-0 a-1", "rebalancing", "join claiming a a-0 a-1"]);
}

#[test]
fn gives_everything_up_under_the_eager_protocol() {
    let mut world = World::joined();
    world.rebalance();
    world.log.clear();
    world.told_eagerly("x a x-0 a-0");
    // It ran on until here: the group was cooperative when the rebalance began.
    world.check(&["stop b a-1 (eager)"]);
    world.feed(Event::RevokedDone);
    world.check(&["assigned a x a-0 x-0"]);
    world.rebalance();
    world.check(&["rebalancing", "stop a x a-0 x-0 (eager)"]);
    world.feed(Event::RevokedDone);
    // As Java's does, so that a group that is cooperative again leaves it where it was.
    world.check(&["join claiming a x a-0 x-0"]);
    world.told_eagerly("y");
    world.check(&["assigned y"]);
}

#[test]
fn stops_before_it_joins_again_when_it_was_taken_for_dead_and_claims_what_it_had() {
    let mut world = World::joined();
    world.now_ms = 30_000;
    world.lose(10_000);
    world.check(&["stop a b a-0 a-1 (lost)"]);
    world.rebalance();
    world.check(&[]);
    world.feed(Event::RevokedDone);
    world.check(&["join claiming a b a-0 a-1"]);
}

#[test]
fn claims_nothing_that_may_be_with_others_by_now() {
    let mut world = World::joined();
    world.now_ms = 500_000;
    world.lose(500_000 - DELAY_MS);
    world.feed(Event::RevokedDone);
    world.check(&["stop a b a-0 a-1 (lost)", "join"]);
    // Nor when the coordinator is found too late.
    let mut world = World::joined();
    world.lose(0);
    world.feed(Event::RevokedDone);
    world.check(&["stop a b a-0 a-1 (lost)", "join claiming a b a-0 a-1"]);
    assert_eq!(world.session.deadline_ms(), Some(DELAY_MS));
    world.now_ms = DELAY_MS;
    world.feed(Event::Tick);
    world.check(&["join"]);
    assert_eq!(world.session.deadline_ms(), None);
}

#[test]
fn what_was_being_revoked_when_the_membership_was_lost_is_not_claimed() {
    let mut world = World::joined();
    world.rebalance();
    world.told("", "b a-1", 0);
    world.log.clear();
    world.lose(0);
    world.check(&["stop a a-0 (lost)"]);
    world.feed(Event::RevokedDone);
    world.check(&[]);
    world.feed(Event::RevokedDone);
    world.check(&["join claiming a a-0"]);
}

#[test]
fn joins_again_when_the_scheduled_rebalance_is_due() {
    let mut world = World::joined();
    world.rebalance();
    world.now_ms = 100;
    world.told("", "", 5_000);
    world.log.clear();
    assert_eq!(world.session.deadline_ms(), Some(5_100));
    world.now_ms = 5_100;
    world.feed(Event::Tick);
    world.check(&["rejoin"]);
    assert_eq!(world.session.deadline_ms(), None);
}

#[test]
fn leaves_for_now_and_claims_what_goes_on() {
    let mut world = World::joined();
    world.feed(Event::StepOut("test"));
    world.rebalance();
    world.check(&["leave"]);
    world.feed(Event::Join);
    world.check(&["join claiming a b a-0 a-1"]);
    // Out for longer than leaders wait: others have the work, so it must not go on here.
    let mut world = World::joined();
    world.feed(Event::StepOut("test"));
    world.now_ms = DELAY_MS;
    world.feed(Event::Tick);
    world.feed(Event::Join);
    world.check(&["leave", "stop a b a-0 a-1 (out of sync)"]);
    world.feed(Event::RevokedDone);
    world.check(&["join"]);
}

#[test]
fn gives_everything_up_when_the_herder_says_so() {
    let mut world = World::joined();
    world.feed(Event::RevokeAll);
    world.check(&["stop a b a-0 a-1 (out of sync)", "rejoin"]);
    world.rebalance();
    world.feed(Event::RevokedDone);
    world.check(&["rebalancing", "join"]);
}

#[test]
fn a_failed_membership_stops_the_work_and_is_tried_again() {
    let mut world = World::joined();
    let failure = || Event::Group(GroupEvent::Failed(protocol::Error::closed("join")));
    world.feed(failure());
    world.check(&["stop a b a-0 a-1 (failed)", "failed"]);
    assert_eq!(world.session.deadline_ms(), None, "not before the work was stopped");
    world.feed(Event::RevokedDone);
    assert_eq!(world.session.deadline_ms(), Some(1_000));
    world.now_ms = 1_000;
    world.feed(Event::Tick);
    world.check(&["join"]);
    world.feed(failure());
    world.check(&["failed"]);
    assert_eq!(world.session.deadline_ms(), Some(3_000), "later each time");
}

#[test]
fn an_assignment_that_cannot_be_read_changes_nothing_and_asks_for_another() {
    let mut world = World::joined();
    world.rebalance();
    world.log.clear();
    let identity = MemberIdentity { member_id: "m".into(), generation_id: 2 };
    let assignment = Bytes::from_static(b"?");
    let protocol = "sessioned".to_owned();
    world.feed(Event::Group(GroupEvent::Assigned { identity, is_leader: false, protocol, assignment }));
    world.check(&["failed"]);
    world.now_ms = world.session.deadline_ms().unwrap();
    world.feed(Event::Tick);
    world.rebalance();
    world.check(&["rejoin", "rebalancing", "join claiming a b a-0 a-1"]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Told,
    Rebalance,
    Lose,
    Fail,
    Acknowledge,
    Resolve,
    Leave,
    Join,
    RevokeAll,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Told),
        3 => Just(Step::Rebalance),
        1 => Just(Step::Lose),
        1 => Just(Step::Fail),
        4 => Just(Step::Acknowledge),
        2 => Just(Step::Resolve),
        1 => Just(Step::Leave),
        2 => Just(Step::Join),
        1 => Just(Step::RevokeAll),
        2 => (0..80_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever comes in whatever order: nothing is joined and nothing assigned while something waits to be stopped on a membership that
    /// is gone, and the session always comes back to the group.
    #[test]
    fn never_joins_while_lost_work_runs(steps in steps()) {
        let mut world = World::new(ConnectProtocol::Sessioned);
        world.feed(Event::Join);
        let mut open = 0_usize;
        let mut awaited = false;
        for step in steps {
            world.log.clear();
            match step {
                // A group tells only members that have joined.
                Step::Told if awaited => {
                    awaited = false;
                    world.told("a a-0", "b a-1", 0);
                }
                Step::Rebalance if !awaited => world.rebalance(),
                Step::Lose => world.lose(world.now_ms / 2),
                Step::Fail => world.feed(Event::Group(GroupEvent::Failed(protocol::Error::closed("join")))),
                Step::Acknowledge if open > 0 => {
                    open -= 1;
                    world.feed(Event::RevokedDone);
                }
                Step::Resolve => world.feed(Event::Resolved { generation: world.generation }),
                Step::Leave => world.feed(Event::StepOut("test")),
                Step::Join => world.feed(Event::Join),
                Step::RevokeAll => world.feed(Event::RevokeAll),
                Step::Wait(ms) => {
                    world.now_ms += ms;
                    world.feed(Event::Tick);
                }
                Step::Told | Step::Rebalance | Step::Acknowledge => {}
            }
            for line in &world.log {
                if line.starts_with("stop") {
                    open += 1;
                } else if line.starts_with("join") {
                    prop_assert_eq!(open, 0, "{:?}", &world.log);
                    awaited = true;
                } else if line == "leave" {
                    awaited = false;
                }
            }
        }
        world.log.clear();
        world.feed(Event::Join);
        world.now_ms += 200_000;
        world.feed(Event::Tick);
        open += world.log.iter().filter(|line| line.starts_with("stop")).count();
        for _ in 0..open {
            world.feed(Event::RevokedDone);
        }
        world.feed(Event::Tick);
        world.log.clear();
        world.rebalance();
        prop_assert!(world.log.iter().any(|line| line.starts_with("join") || line.starts_with("stop")), "{:?}", &world);
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {:?}", self.session, self.log)
    }
}
