//! The membership core against a model coordinator that fails as a script says.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{Error, ErrorCode};

const CONFIG: MembershipConfig = MembershipConfig {
    session_timeout_ms: 10_000,
    heartbeat_interval_ms: 3_000,
    poll_interval_ms_max: Some(60_000),
    retry_backoff_ms: 100,
    retry_backoff_ms_max: 1_000,
    is_static: false,
    is_cooperative: false,
    seed: 7,
    unix_ms_at_zero: 0,
};

fn protocols() -> Vec<ProtocolMetadata> {
    vec![ProtocolMetadata { name: "range".into(), metadata: Bytes::from_static(b"me") }]
}

/// A user and a coordinator around one core. Answers come in the order of the requests.
struct World {
    core: Membership,
    now_ms: u64,
    requests: Vec<Action>,
    reports: Vec<GroupEvent>,
    generation_id: i32,
    member_number: u32,
    /// Between `Assigned` and the user's next `Join`.
    holds: bool,
    /// The user has been told to give up and has not joined again.
    owes_join: bool,
    may_join: bool,
    is_cooperative: bool,
}

impl World {
    fn new(config: MembershipConfig) -> Self {
        Self {
            is_cooperative: config.is_cooperative,
            core: Membership::new(config, 0),
            now_ms: 0,
            requests: Vec::new(),
            reports: Vec::new(),
            generation_id: 0,
            member_number: 0,
            holds: false,
            owes_join: false,
            may_join: false,
        }
    }

    fn feed(&mut self, event: Event) {
        if matches!(event, Event::Join(_)) {
            // A cooperative member takes along what it has.
            self.holds &= self.is_cooperative;
            self.owes_join = false;
            self.may_join = true;
        }
        for action in self.core.step(event, self.now_ms) {
            match action {
                Action::Report(report) => {
                    match &report {
                        GroupEvent::Assigned { identity, .. } => {
                            assert!(
                                !self.holds || self.is_cooperative,
                                "assigned over what was not given up"
                            );
                            assert_eq!(identity.generation_id, self.generation_id);
                            self.holds = true;
                        }
                        GroupEvent::RebalanceNeeded { .. } => {
                            self.owes_join = true;
                            self.may_join = false;
                        }
                        GroupEvent::Failed(_) => {
                            // A failed member has nothing, whatever it took along.
                            self.holds = false;
                            self.owes_join = true;
                            self.may_join = false;
                        }
                        GroupEvent::Lost { .. } => {
                            self.owes_join = true;
                            self.may_join = false;
                            self.holds = false;
                        }
                        GroupEvent::Left => self.may_join = false,
                    }
                    self.reports.push(report);
                }
                request => {
                    match &request {
                        Action::Heartbeat { identity, .. } | Action::Sync { identity, .. } => {
                            assert_eq!(identity.generation_id, self.generation_id, "stale generation");
                        }
                        Action::Join { .. } => assert!(self.may_join, "joined before the user gave up"),
                        _ => {}
                    }
                    self.requests.push(request);
                }
            }
        }
    }

    fn join(&mut self) {
        self.feed(Event::Polled { at_ms: self.now_ms });
        self.feed(Event::Join(protocols()));
    }

    fn advance_to_deadline(&mut self) {
        if let Some(deadline) = self.core.deadline_ms() {
            self.now_ms = self.now_ms.max(deadline);
            self.feed(Event::Tick);
        }
    }

    /// Answers the oldest request; `None` is success.
    fn answer(&mut self, failure: Option<Error>) {
        if self.requests.is_empty() {
            return;
        }
        let event = match (self.requests.remove(0), failure) {
            (Action::Join { token, .. }, Some(error)) => Event::JoinReplied(token, Err(error)),
            (Action::Join { token, member_id, .. }, None) if member_id.is_empty() => {
                self.member_number += 1;
                let member_id = format!("member-{}", self.member_number);
                Event::JoinReplied(token, Ok(JoinOutcome::MemberIdRequired(member_id)))
            }
            (Action::Join { token, member_id, .. }, None) => {
                self.generation_id += 1;
                let reply = JoinReply {
                    generation_id: self.generation_id,
                    is_leader: self.generation_id % 2 == 0,
                    skip_assignment: false,
                    protocol: "range".into(),
                    members: Vec::new(),
                    member_id,
                };
                Event::JoinReplied(token, Ok(JoinOutcome::Joined(reply)))
            }
            (Action::Assign { token, .. }, failure) => {
                Event::Computed(token, failure.map_or(Ok(Vec::new()), Err))
            }
            (Action::Sync { token, .. }, failure) => {
                Event::SyncReplied(token, failure.map_or(Ok(Bytes::from_static(b"yours")), Err))
            }
            (Action::Heartbeat { token, .. }, failure) => {
                Event::HeartbeatReplied(token, failure.map_or(Ok(()), Err))
            }
            (Action::Leave { token, .. }, _) => Event::LeaveReplied(token),
            (Action::Report(_), _) => unreachable!("reports are not requests"),
        };
        // A reply to an abandoned join must not count as the generation of the member.
        let generation_before = self.generation_id;
        let was_joining = matches!(&event, Event::JoinReplied(_, Ok(JoinOutcome::Joined(_))));
        self.feed(event);
        if was_joining && self.core.commit_identity() == Err(ErrorCode::UNKNOWN_MEMBER_ID) {
            self.generation_id = generation_before;
        }
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            self.feed(Event::Polled { at_ms: self.now_ms });
            if self.owes_join {
                self.join();
            }
            if !self.requests.is_empty() {
                self.answer(None);
            } else if self.core.is_stable() {
                return;
            } else {
                self.advance_to_deadline();
            }
        }
        panic!("stuck: {:?}", self.core);
    }
}

fn stable() -> World {
    let mut world = World::new(CONFIG);
    world.join();
    world.settle();
    world.reports.clear();
    world
}

#[test]
fn joins_with_the_id_that_the_coordinator_gives() {
    let mut world = World::new(CONFIG);
    world.join();
    assert!(matches!(&world.requests[..], [Action::Join { member_id, .. }] if member_id.is_empty()));
    world.answer(None);
    assert!(matches!(&world.requests[..], [Action::Join { member_id, .. }] if member_id == "member-1"));
    world.answer(None);
    assert!(matches!(&world.requests[..], [Action::Sync { assignments, .. }] if assignments.is_empty()));
    world.answer(None);
    assert!(world.core.is_stable());
    assert!(matches!(
        &world.reports[..],
        [GroupEvent::Assigned { identity: MemberIdentity { generation_id: 1, .. }, is_leader: false, .. }]
    ));
}

#[test]
fn a_cooperative_member_asks_soon_after_an_assignment_whether_the_next_round_has_begun() {
    let pauses = |is_cooperative| {
        let mut world = World::new(MembershipConfig { is_cooperative, ..CONFIG });
        world.join();
        world.settle();
        let mut last_ms = world.now_ms;
        let mut pauses = Vec::new();
        while pauses.len() < 8 {
            world.advance_to_deadline();
            assert!(matches!(&world.requests[..], [Action::Heartbeat { .. }]), "{:?}", world.requests);
            world.answer(None);
            pauses.push(world.now_ms - last_ms);
            last_ms = world.now_ms;
        }
        pauses
    };
    // The last comes sooner by what is beyond a twelfth of the interval.
    assert_eq!(pauses(true), [50, 50, 100, 200, 400, 800, 1_600, 2_800]);
    assert_eq!(pauses(false), [3_000; 8]);
}

#[test]
fn commits_count_until_everything_is_given_up() {
    let mut world = stable();
    world.advance_to_deadline();
    world.answer(Some(Error::broker("heartbeat", ErrorCode::REBALANCE_IN_PROGRESS)));
    assert!(matches!(&world.reports[..], [GroupEvent::RebalanceNeeded { .. }]));
    assert_eq!(world.core.commit_identity().unwrap().generation_id, 1);
    // Heartbeats go on while the user is giving up, with the old generation.
    world.advance_to_deadline();
    assert!(matches!(&world.requests[..], [Action::Heartbeat { .. }]));
    world.answer(Some(Error::broker("heartbeat", ErrorCode::REBALANCE_IN_PROGRESS)));
    assert_eq!(world.reports.len(), 1);
    world.join();
    assert_eq!(world.core.commit_identity(), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    world.settle();
    assert_eq!(world.core.commit_identity().unwrap().generation_id, 2);
}

#[test]
fn loses_everything_when_no_heartbeat_is_answered_for_the_session_timeout() {
    let mut world = stable();
    while world.reports.is_empty() {
        world.advance_to_deadline();
        world.answer(Some(Error::disconnected("heartbeat", "gone")));
    }
    assert!(matches!(&world.reports[..], [GroupEvent::Lost { reason: LostReason::SessionExpired, .. }]));
    assert_eq!(world.now_ms, CONFIG.session_timeout_ms);
    assert_eq!(world.core.commit_identity(), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn a_coordinator_that_moves_costs_no_assignment() {
    let mut world = stable();
    for code in [
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ] {
        world.advance_to_deadline();
        world.answer(Some(Error::broker("heartbeat", code)));
    }
    world.advance_to_deadline();
    world.answer(None);
    assert!(world.core.is_stable());
    assert!(world.reports.is_empty());
}

#[test]
fn a_silent_user_is_taken_out_of_the_group() {
    let mut world = stable();
    while world.reports.is_empty() {
        world.advance_to_deadline();
        if matches!(world.requests.first(), Some(Action::Heartbeat { .. })) {
            world.answer(None);
        }
    }
    assert_eq!(world.now_ms, 60_000);
    assert!(matches!(&world.reports[..], [GroupEvent::Lost { reason: LostReason::PollTimeout, .. }]));
    assert!(matches!(&world.requests[..], [Action::Leave { member_id, .. }] if member_id == "member-1"));
    world.settle();
}

#[test]
fn members_of_one_machine_send_their_heartbeats_together_and_none_later_than_it_is_due() {
    let wall_times = |unix_ms_at_zero: u64| -> Vec<u64> {
        let mut world =
            World::new(MembershipConfig { unix_ms_at_zero, poll_interval_ms_max: None, ..CONFIG });
        world.join();
        world.settle();
        let mut last_ms = world.now_ms;
        let times = (0..5).map(|_| {
            world.advance_to_deadline();
            assert!(matches!(&world.requests[..], [Action::Heartbeat { .. }]), "{:?}", world.requests);
            assert!(world.now_ms <= last_ms + CONFIG.heartbeat_interval_ms);
            last_ms = world.now_ms;
            world.answer(None);
            unix_ms_at_zero + world.now_ms
        });
        times.collect()
    };
    let (first, other) = (wall_times(1_700_000_000_000), wall_times(1_700_000_000_111));
    assert_eq!(first[1..], other[1..]);
}

#[test]
fn a_lost_member_tells_when_the_coordinator_last_counted_on_it() {
    let mut world = stable();
    world.advance_to_deadline();
    let heartbeat_at_ms = world.now_ms;
    world.answer(None);
    while world.reports.is_empty() {
        world.advance_to_deadline();
        world.answer(Some(Error::disconnected("heartbeat", "gone")));
    }
    let [GroupEvent::Lost { alive_at_ms, .. }] = &world.reports[..] else { panic!("{:?}", world.reports) };
    assert_eq!(*alive_at_ms, heartbeat_at_ms);
}

#[test]
fn a_member_that_steps_out_says_good_bye_and_may_come_back_as_somebody_new() {
    let mut world = stable();
    world.feed(Event::StepOut("test"));
    let left = |action: &Action| matches!(action, Action::Leave { member_id, reason: "test", .. } if member_id == "member-1");
    assert!(matches!(&world.requests[..], [action] if left(action)));
    assert_eq!(world.core.commit_identity(), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert!(world.core.deadline_ms().is_none() && !world.core.has_left(), "it waits to be asked");
    world.answer(None);
    // A rebalance that is asked for while it is out is none of its business.
    world.feed(Event::RequestRejoin("test"));
    assert!(world.requests.is_empty() && world.reports.is_empty());
    world.join();
    assert!(matches!(&world.requests[..], [Action::Join { member_id, .. }] if member_id.is_empty()));
    world.settle();
    assert!(world.core.is_stable());
}

#[test]
fn a_poll_that_still_runs_counts_as_life() {
    let mut world = stable();
    world.feed(Event::Polled { at_ms: u64::MAX });
    while world.now_ms < 200_000 {
        world.advance_to_deadline();
        world.answer(None);
    }
    assert!(world.core.is_stable());
    let polled_at_ms = world.now_ms;
    world.feed(Event::Polled { at_ms: polled_at_ms });
    while world.reports.is_empty() {
        world.advance_to_deadline();
        world.answer(None);
    }
    assert_eq!(world.now_ms, polled_at_ms + 60_000);
}

#[test]
fn a_fenced_instance_stops_and_says_so() {
    let mut world = World::new(MembershipConfig { is_static: true, ..CONFIG });
    world.join();
    world.settle();
    world.reports.clear();
    world.feed(Event::CommitRefused { generation_id: 1, code: ErrorCode::FENCED_INSTANCE_ID });
    assert!(matches!(
        &world.reports[..],
        [GroupEvent::Lost { reason: LostReason::Fenced(_), .. }, GroupEvent::Failed(_)]
    ));
    assert!(world.requests.is_empty());
}

#[test]
fn a_static_member_leaves_without_a_word() {
    for is_static in [false, true] {
        let mut world = World::new(MembershipConfig { is_static, ..CONFIG });
        world.join();
        world.settle();
        world.feed(Event::Leave);
        assert_eq!(world.requests.len(), usize::from(!is_static));
        world.answer(None);
        assert!(world.core.has_left());
    }
}

#[test]
fn replies_to_abandoned_requests_change_nothing() {
    let mut world = stable();
    world.advance_to_deadline();
    let Some(Action::Heartbeat { token, .. }) = world.requests.pop() else { panic!("heartbeat expected") };
    world.feed(Event::RequestRejoin("test"));
    world.join();
    world.settle();
    let before = world.reports.len();
    world.feed(Event::HeartbeatReplied(token, Err(Error::broker("heartbeat", ErrorCode::UNKNOWN_MEMBER_ID))));
    world.feed(Event::JoinReplied(token, Err(Error::broker("join", ErrorCode::UNKNOWN_MEMBER_ID))));
    world.feed(Event::CommitRefused { generation_id: 1, code: ErrorCode::ILLEGAL_GENERATION });
    assert_eq!(world.reports.len(), before);
    assert!(world.core.is_stable());
}

#[test]
fn a_change_during_a_rebalance_leads_to_one_more() {
    let mut world = World::new(CONFIG);
    world.join();
    world.answer(None);
    world.feed(Event::RequestRejoin("partitions were added"));
    world.answer(None);
    world.answer(None);
    assert!(matches!(
        &world.reports[..],
        [GroupEvent::Assigned { .. }, GroupEvent::RebalanceNeeded { reason: "partitions were added" }]
    ));
}

#[test]
fn a_cooperative_member_keeps_what_it_has_through_a_rebalance() {
    let config = MembershipConfig { is_cooperative: true, ..CONFIG };
    let rejoining = || {
        let mut world = World::new(config.clone());
        world.join();
        world.settle();
        world.reports.clear();
        world.feed(Event::RequestRejoin("test"));
        world.join();
        world
    };
    let mut world = rejoining();
    // A rebalance that begins anew takes nothing from it.
    world.answer(None);
    world.answer(Some(Error::broker("sync", ErrorCode::REBALANCE_IN_PROGRESS)));
    world.settle();
    assert!(matches!(&world.reports[..], [GroupEvent::RebalanceNeeded { .. }, GroupEvent::Assigned { .. }]));

    // A coordinator that forgot it does, before the next assignment.
    for code in [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION] {
        let mut world = rejoining();
        world.answer(Some(Error::broker("join", code)));
        assert!(matches!(
            &world.reports[..],
            [GroupEvent::RebalanceNeeded { .. }, GroupEvent::Lost { reason: LostReason::Fenced(_), .. }]
        ));
        assert!(world.requests.is_empty(), "it may not join before the user has given up");
        world.join();
        world.settle();
    }
}

/// A cooperative member that keeps what it has and joins again, its last heartbeat answered just now.
fn rejoining() -> World {
    let mut world = World::new(MembershipConfig { is_cooperative: true, ..CONFIG });
    world.join();
    world.settle();
    world.advance_to_deadline();
    world.answer(None);
    world.reports.clear();
    world.feed(Event::RequestRejoin("test"));
    world.join();
    let Some(Action::Join { token, .. }) = world.requests.last() else { panic!("it joins") };
    world.feed(Event::Reached(*token));
    world
}

#[test]
fn what_is_kept_through_a_rebalance_is_lost_when_the_coordinator_is_out_of_reach_for_the_session_timeout() {
    for error in [
        Error::disconnected("join", "gone"),
        Error::timeout("join"),
        Error::broker("join", ErrorCode::COORDINATOR_NOT_AVAILABLE),
    ] {
        let mut world = rejoining();
        let alive_at_ms = world.now_ms;
        // The coordinator has answered the join; from the sync on nothing gets through.
        world.answer(None);
        while world.reports.len() == 1 {
            if world.requests.is_empty() {
                world.advance_to_deadline();
            }
            world.answer(Some(error.clone()));
        }
        assert!(
            matches!(&world.reports[1..], [GroupEvent::Lost { reason: LostReason::SessionExpired, .. }]),
            "{:?}",
            world.reports
        );
        let expired_ms = alive_at_ms + CONFIG.session_timeout_ms;
        let latest_ms = expired_ms + CONFIG.retry_backoff_ms_max * 6 / 5;
        assert!((expired_ms..=latest_ms).contains(&world.now_ms), "{} {expired_ms}", world.now_ms);
        world.settle();
        assert!(world.holds);
    }
}

#[test]
fn a_join_that_was_held_back_for_longer_than_a_session_survives_a_connection_that_breaks() {
    let mut world = rejoining();
    world.now_ms += 3 * CONFIG.session_timeout_ms;
    world.answer(Some(Error::disconnected("join", "gone")));
    world.advance_to_deadline();
    world.settle();
    assert!(matches!(&world.reports[..], [GroupEvent::RebalanceNeeded { .. }, GroupEvent::Assigned { .. }]));

    // Nor for longer than a session where no coordinator is reached: looking for one may take that long.
    let mut world = rejoining();
    world.now_ms += 3 * CONFIG.session_timeout_ms;
    let broke_ms = world.now_ms;
    world.answer(Some(Error::disconnected("join", "gone")));
    world.advance_to_deadline();
    let sought_ms = world.now_ms;
    assert!(world.holds, "the second attempt is under way since {sought_ms}, {broke_ms}");
    world.advance_to_deadline();
    assert_eq!(world.now_ms, sought_ms + CONFIG.heartbeat_interval_ms + CONFIG.session_timeout_ms);
    assert!(matches!(&world.reports[1..], [GroupEvent::Lost { reason: LostReason::SessionExpired, .. }]));

    // One that nobody answers at all does not.
    let mut world = rejoining();
    world.now_ms += 3 * CONFIG.session_timeout_ms;
    world.answer(Some(Error::timeout("join")));
    assert!(matches!(&world.reports[1..], [GroupEvent::Lost { reason: LostReason::SessionExpired, .. }]));
}

#[test]
fn failures_in_a_row_do_not_spin() {
    let mut world = World::new(CONFIG);
    world.join();
    world.answer(None);
    for _ in 0..20 {
        while world.requests.is_empty() {
            world.advance_to_deadline();
        }
        world.answer(Some(Error::broker("join", ErrorCode::UNKNOWN_MEMBER_ID)));
    }
    assert!(world.now_ms > 10_000, "{}", world.now_ms);
}

fn any_failure() -> impl Strategy<Value = Error> {
    prop_oneof![
        Just(Error::disconnected("test", "gone")),
        Just(Error::timeout("test")),
        prop::sample::select(vec![
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::REBALANCE_IN_PROGRESS,
            ErrorCode::ILLEGAL_GENERATION,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::FENCED_INSTANCE_ID,
            ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ErrorCode::UNKNOWN_SERVER_ERROR,
        ])
        .prop_map(|code| Error::broker("test", code)),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Answer(Option<Error>),
    Drop,
    Wait(u64),
    Deadline,
    Poll,
    Join,
    Rejoin,
    CommitRefused(ErrorCode),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::option::weighted(0.4, any_failure()).prop_map(Step::Answer),
        1 => Just(Step::Drop),
        2 => (1_u64..20_000).prop_map(Step::Wait),
        4 => Just(Step::Deadline),
        3 => Just(Step::Poll),
        3 => Just(Step::Join),
        1 => Just(Step::Rejoin),
        1 => prop::sample::select(vec![
            ErrorCode::ILLEGAL_GENERATION,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::REBALANCE_IN_PROGRESS,
            ErrorCode::OFFSET_METADATA_TOO_LARGE,
        ])
        .prop_map(Step::CommitRefused),
    ]
}

proptest! {
    #[test]
    fn any_failures_followed_by_success_end_stable(
        steps in prop::collection::vec(any_step(), 0..60),
        is_static in any::<bool>(),
        is_cooperative in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut world = World::new(MembershipConfig { is_static, is_cooperative, seed, ..CONFIG });
        world.join();
        for step in steps {
            match step {
                Step::Answer(failure) => world.answer(failure),
                // The shell's time limit: every request gets an answer in the end.
                Step::Drop => world.answer(Some(Error::timeout("test"))),
                Step::Wait(ms) => {
                    world.now_ms += ms;
                    world.feed(Event::Tick);
                }
                Step::Deadline => world.advance_to_deadline(),
                Step::Poll => world.feed(Event::Polled { at_ms: world.now_ms }),
                Step::Join => {
                    if world.owes_join {
                        world.join();
                    }
                }
                Step::Rejoin => world.feed(Event::RequestRejoin("test")),
                Step::CommitRefused(code) => {
                    world.feed(Event::CommitRefused { generation_id: world.generation_id, code });
                }
            }
        }
        world.settle();
        prop_assert!(world.holds);
        world.feed(Event::Leave);
        while !world.requests.is_empty() {
            world.answer(None);
        }
        prop_assert!(world.core.has_left());
        prop_assert_eq!(world.core.deadline_ms(), None);
    }
}
