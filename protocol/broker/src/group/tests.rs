//! The state machine, event by event: who is answered what, and when.

use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::StrBytes;
use tokio::time::Instant;

use super::{
    Group, GroupState, JoinEvent, JoinFailure, Joined, Outcome, Replies, SyncEvent, Synced, WaiterId,
};

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group under test, with its own clock and numbered requests.
struct Bench {
    group: Group,
    now: Instant,
    waiters: WaiterId,
    replies: Replies,
}

impl Bench {
    fn new() -> Self {
        Self::with(Group::new(Duration::ZERO, 100))
    }

    fn with(group: Group) -> Self {
        Self { group, now: Instant::now(), waiters: 0, replies: Replies::new() }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.tick(self.now, &mut self.replies);
    }

    /// Joins with a known id, as from version 4 on the second request does.
    fn join(&mut self, event: JoinEvent) -> WaiterId {
        self.waiters += 1;
        self.group.join(&event, self.waiters, self.now, &mut self.replies);
        self.waiters
    }

    fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &'static str)]) -> WaiterId {
        self.waiters += 1;
        let assignments =
            assignments.iter().map(|(id, bytes)| (text(id), Bytes::from_static(bytes.as_bytes())));
        let event = SyncEvent {
            member_id: text(member),
            instance_id: None,
            generation,
            protocol_type: Some(text("consumer")),
            protocol: None,
            assignments: assignments.collect(),
        };
        self.group.sync(event, self.waiters, self.now, &mut self.replies);
        self.waiters
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), ErrorCode> {
        self.group.heartbeat(&text(member), None, generation, self.now)
    }

    fn leave(&mut self, member: &str) -> Result<(), ErrorCode> {
        self.group.leave(&text(member), None, self.now, &mut self.replies)
    }

    fn answer(&mut self, waiter: WaiterId) -> Option<Outcome> {
        let index = self.replies.iter().position(|(other, _)| *other == waiter)?;
        Some(self.replies.remove(index).1)
    }

    fn joined(&mut self, waiter: WaiterId) -> Joined {
        match self.answer(waiter) {
            Some(Outcome::Join(Ok(joined))) => joined,
            other => panic!("expected to have joined, got {other:?}"),
        }
    }

    fn refused(&mut self, waiter: WaiterId) -> JoinFailure {
        match self.answer(waiter) {
            Some(Outcome::Join(Err(failure))) => failure,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn synced(&mut self, waiter: WaiterId) -> Result<Synced, ErrorCode> {
        match self.answer(waiter) {
            Some(Outcome::Sync(result)) => result,
            other => panic!("expected an answer to sync, got {other:?}"),
        }
    }

    /// Two members, stable, in generation 2; "a" leads.
    fn stable_pair() -> Self {
        let mut bench = Self::new();
        let a = bench.join(member("a"));
        assert_eq!(bench.joined(a).generation, 1);
        let b = bench.join(member("b"));
        let a = bench.join(known("a"));
        let (a, b) = (bench.joined(a), bench.joined(b));
        assert_eq!((a.generation, b.generation), (2, 2));
        assert_eq!((a.leader.as_str(), b.leader.as_str()), ("a", "a"));
        assert_eq!((a.members.len(), b.members.len()), (2, 0), "only the leader hears of the members");
        let b = bench.sync("b", 2, &[]);
        assert_eq!(bench.answer(b), None, "a follower waits for the leader");
        let a = bench.sync("a", 2, &[("a", "x"), ("b", "y")]);
        assert_eq!(bench.synced(a).unwrap().assignment, "x");
        assert_eq!(bench.synced(b).unwrap().assignment, "y");
        assert_eq!(bench.group.state(), GroupState::Stable);
        bench
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A first join as before version 4: it gets the id that it will have at once.
fn member(id: &str) -> JoinEvent {
    JoinEvent {
        member_id: StrBytes::new(),
        fresh_member_id: text(id),
        instance_id: None,
        client_id: text("client"),
        client_host: text("/127.0.0.1"),
        protocol_type: text("consumer"),
        protocols: vec![(text("range"), Bytes::from_static(b"topics"))],
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        requires_known_member_id: false,
        supports_skipping_assignment: false,
    }
}

fn known(id: &str) -> JoinEvent {
    JoinEvent { member_id: text(id), ..member("unused") }
}

fn fixed(id: &str, instance: &str) -> JoinEvent {
    JoinEvent { instance_id: Some(text(instance)), ..member(id) }
}

#[test]
fn a_new_member_has_to_come_back_with_its_id() {
    let mut bench = Bench::new();
    let first = bench.join(JoinEvent { requires_known_member_id: true, ..member("a") });
    let failure = bench.refused(first);
    assert_eq!((failure.code, failure.member_id.as_str()), (ErrorCode::MEMBER_ID_REQUIRED, "a"));
    assert_eq!(bench.group.state(), GroupState::Empty);
    let second = bench.join(known("a"));
    assert_eq!(bench.joined(second).members.len(), 1);
    let stranger = bench.join(known("z"));
    assert_eq!(bench.refused(stranger).code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn members_share_an_assignment() {
    let mut bench = Bench::stable_pair();
    assert_eq!(bench.heartbeat("a", 2), Ok(()));
    assert_eq!(bench.heartbeat("a", 1), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(bench.heartbeat("z", 2), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    // A lost answer is asked for again and comes at once.
    let b = bench.sync("b", 2, &[]);
    assert_eq!(bench.synced(b).unwrap().assignment, "y");
    let b = bench.join(known("b"));
    assert_eq!(bench.joined(b).generation, 2);
    assert_eq!(bench.group.state(), GroupState::Stable);
}

#[test]
fn a_leader_that_dies_is_replaced() {
    let mut bench = Bench::stable_pair();
    bench.pass(SESSION / 2);
    assert_eq!(bench.heartbeat("b", 2), Ok(()));
    bench.pass(SESSION / 2);
    assert_eq!(
        bench.heartbeat("b", 2),
        Err(ErrorCode::REBALANCE_IN_PROGRESS),
        "the leader's session has ended"
    );
    let b = bench.join(known("b"));
    let joined = bench.joined(b);
    assert_eq!((joined.generation, joined.leader.as_str(), joined.members.len()), (3, "b", 1));
    let b = bench.sync("b", 3, &[("b", "all")]);
    assert_eq!(bench.synced(b).unwrap().assignment, "all");
}

#[test]
fn who_does_not_rejoin_in_time_is_left_behind() {
    let mut bench = Bench::stable_pair();
    let a = bench
        .join(JoinEvent { protocols: vec![(text("range"), Bytes::from_static(b"other"))], ..known("a") });
    assert_eq!(bench.answer(a), None, "the other one has the rebalance timeout to come");
    // "b" heartbeats but never joins.
    for _ in 0..12 {
        assert_eq!(bench.heartbeat("b", 2), Err(ErrorCode::REBALANCE_IN_PROGRESS));
        bench.pass(SESSION / 2);
    }
    assert_eq!(bench.joined(a).members.len(), 1);
    assert_eq!(bench.heartbeat("b", 2), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn a_leader_that_never_syncs_is_left_behind() {
    let mut bench = Bench::new();
    let a = bench.join(member("a"));
    bench.joined(a);
    let b = bench.join(member("b"));
    let a = bench.join(known("a"));
    bench.joined(a);
    bench.joined(b);
    let b = bench.sync("b", 2, &[]);
    for _ in 0..12 {
        bench.heartbeat("a", 2).unwrap();
        bench.pass(SESSION / 2);
    }
    assert_eq!(bench.synced(b), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let b = bench.join(known("b"));
    assert_eq!(bench.joined(b).leader.as_str(), "b");
}

#[test]
fn leaving_rebalances_at_once() {
    let mut bench = Bench::stable_pair();
    assert_eq!(bench.leave("b"), Ok(()));
    assert_eq!(bench.leave("b"), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(bench.heartbeat("a", 2), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let a = bench.join(known("a"));
    assert_eq!(bench.joined(a).generation, 3);
    assert_eq!(bench.leave("a"), Ok(()));
    bench.pass(REBALANCE);
    assert_eq!(bench.group.state(), GroupState::Empty);
    assert!(bench.group.is_vacant());
    assert_eq!(bench.group.next_deadline(), None, "an empty group waits for nothing");
}

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let delay = Duration::from_secs(3);
    let mut bench = Bench::with(Group::new(delay, 100));
    let a = bench.join(member("a"));
    bench.pass(delay / 2);
    let b = bench.join(member("b"));
    bench.pass(delay / 2);
    assert_eq!(bench.answer(a), None, "a member came, so the delay starts anew");
    bench.pass(delay);
    assert_eq!(bench.joined(a).members.len(), 2);
    assert_eq!(bench.joined(b).generation, 1);
}

#[test]
fn a_static_member_takes_its_place_back_without_a_rebalance() {
    let mut bench = Bench::new();
    let a = bench.join(fixed("a1", "a"));
    bench.joined(a);
    let a = bench.sync("a1", 1, &[("a1", "x")]);
    bench.synced(a).unwrap();
    let again = bench.join(JoinEvent { supports_skipping_assignment: true, ..fixed("a2", "a") });
    let joined = bench.joined(again);
    assert_eq!((joined.generation, joined.member_id.as_str(), joined.skip_assignment), (1, "a2", true));
    let synced = bench.sync("a2", 1, &[]);
    assert_eq!(bench.synced(synced).unwrap().assignment, "x", "it has what it had");
    let old = bench.group.heartbeat(&text("a1"), Some(&text("a")), 1, bench.now);
    assert_eq!(old, Err(ErrorCode::FENCED_INSTANCE_ID));
}

#[test]
fn a_static_member_keeps_its_place_until_its_session_ends() {
    let mut bench = Bench::new();
    let a = bench.join(fixed("a1", "a"));
    bench.joined(a);
    let b = bench.join(member("b"));
    assert_eq!(bench.answer(b), None, "the static member is given the rebalance timeout");
    bench.pass(SESSION);
    assert_eq!(bench.joined(b).members.len(), 1);
}

#[test]
fn protocols_must_be_shared() {
    let mut bench = Bench::stable_pair();
    let other_type = bench.join(JoinEvent { protocol_type: text("connect"), ..member("c") });
    assert_eq!(bench.refused(other_type).code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let other_protocol =
        bench.join(JoinEvent { protocols: vec![(text("sticky"), Bytes::new())], ..member("c") });
    assert_eq!(bench.refused(other_protocol).code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let none = bench.join(JoinEvent { protocols: Vec::new(), ..member("c") });
    assert_eq!(bench.refused(none).code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn the_protocol_that_most_prefer_wins() {
    let both = |first: &str, second: &str| vec![(text(first), Bytes::new()), (text(second), Bytes::new())];
    let mut bench = Bench::with(Group::new(Duration::from_secs(1), 100));
    let a = bench.join(JoinEvent { protocols: both("range", "sticky"), ..member("a") });
    bench.join(JoinEvent { protocols: both("sticky", "range"), ..member("b") });
    bench.join(JoinEvent { protocols: both("sticky", "range"), ..member("c") });
    bench.pass(Duration::from_secs(1));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.joined(a).protocol, Some(text("sticky")));
}

#[test]
fn a_group_takes_no_more_members_than_its_limit() {
    let mut bench = Bench::with(Group::new(Duration::ZERO, 2));
    bench.join(member("a"));
    bench.join(JoinEvent { requires_known_member_id: true, ..member("b") });
    let c = bench.join(member("c"));
    assert_eq!(bench.refused(c).code, ErrorCode::GROUP_MAX_SIZE_REACHED, "one who was given an id counts");
    bench.pass(SESSION / 2);
    bench.heartbeat("a", 1).unwrap();
    bench.pass(SESSION / 2);
    let c = bench.join(member("c"));
    assert_eq!(bench.answer(c), None, "the id has lapsed, so there is room");
}

#[test]
fn offsets_are_committed_by_members_or_by_nobody() {
    let mut bench = Bench::stable_pair();
    let now = bench.now;
    let mut commit =
        |member: &str, generation| bench.group.check_commit(&text(member), None, generation, false, now);
    assert_eq!(commit("a", 2), Ok(()));
    assert_eq!(commit("a", 1), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(commit("z", 2), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(commit("", -1), Err(ErrorCode::UNKNOWN_MEMBER_ID), "the group has members");
    let mut vacant = Bench::new();
    assert_eq!(vacant.group.check_commit(&text(""), None, -1, false, now), Ok(()));
}

/// Whatever members do, in whatever order: every request is answered exactly once, and a group that is left alone
/// comes to rest.
#[test]
fn random_events_leave_no_request_unanswered() {
    let mut random = fastrand::Rng::with_seed(5);
    for _round in 0..200 {
        let delay = Duration::from_secs(random.u64(0..3));
        let mut bench = Bench::with(Group::new(delay, 5));
        let mut asked = 0;
        let mut answered = std::collections::HashSet::new();
        let mut generation = 0;
        let mut ids = vec!["stranger".to_owned()];
        for step in 0..60 {
            let id = ids[random.usize(..ids.len())].clone();
            let fresh = format!("member-{step}");
            match random.u8(..10) {
                0..2 => drop(bench.join(known(&id))),
                2 => drop(bench.join(member(&fresh))),
                3 => drop(bench.join(fixed(&fresh, ["x", "y"][random.usize(..2)]))),
                4 => drop(bench.join(JoinEvent { requires_known_member_id: true, ..member(&fresh) })),
                5..7 => drop(bench.sync(&id, generation, &[("member-0", "x"), ("member-1", "y")])),
                7 => drop(bench.leave(&id)),
                8 => drop(bench.heartbeat(&id, generation)),
                _ => bench.pass(Duration::from_secs(random.u64(0..20))),
            }
            asked = bench.waiters;
            for (waiter, outcome) in std::mem::take(&mut bench.replies) {
                assert!(answered.insert(waiter), "request {waiter} was answered twice");
                match outcome {
                    Outcome::Join(Ok(joined)) => {
                        assert!(joined.generation >= generation, "generations do not go back");
                        generation = joined.generation;
                        ids.push(joined.member_id.to_string());
                    }
                    // Without an id it is the first join that was refused.
                    Outcome::Join(Err(failure)) if !failure.member_id.is_empty() => {
                        ids.push(failure.member_id.to_string());
                    }
                    Outcome::Join(Err(_)) | Outcome::Sync(_) => {}
                }
            }
        }
        // All clients are gone now. First joins are given five minutes, phases a minute.
        for _ in 0..100 {
            let Some(deadline) = bench.group.next_deadline() else { break };
            bench.now = bench.now.max(deadline);
            bench.pass(Duration::ZERO);
        }
        answered.extend(bench.replies.iter().map(|(waiter, _)| *waiter));
        assert_eq!(answered.len() as WaiterId, asked, "every request was answered");
        assert_eq!((bench.group.state(), bench.group.is_vacant()), (GroupState::Empty, true));
    }
}
