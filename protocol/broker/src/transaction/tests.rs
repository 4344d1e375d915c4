//! Transactional ids: life cycles, fencing, repeated requests, and what holds in every order of events.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::{GroupId, StrBytes, TopicName, TransactionalId};
use tokio::time::Instant;

use super::{Coordinator, Ending, Identity, Limits, Participant, State};

const TIMEOUT_MS: i32 = 10_000;

fn limits() -> Limits {
    Limits { id_count_max: 3, participant_count_max: 100, timeout_max: Duration::from_mins(15) }
}

fn id(name: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(name.to_owned()))
}

fn partition(index: i32) -> Participant {
    Participant::Partition(TopicName(StrBytes::from_static_str("t")), index)
}

/// A coordinator whose markers are written at once, if `writes_markers`.
struct Bench {
    coordinator: Coordinator,
    now: Instant,
    writes_markers: bool,
    endings: Vec<Ending>,
}

impl Bench {
    fn new() -> Self {
        let coordinator = Coordinator::new(limits());
        Self { coordinator, now: Instant::now(), writes_markers: true, endings: Vec::new() }
    }

    fn init(&mut self, name: &str, expected: Option<Identity>) -> Result<Identity, ErrorCode> {
        let (answer, ending) = self.coordinator.init(&id(name), TIMEOUT_MS, expected, self.now);
        self.perform(ending);
        answer
    }

    fn add(&mut self, name: &str, producer: Identity, index: i32) -> Result<(), ErrorCode> {
        self.coordinator.add(&id(name), producer, vec![partition(index)], self.now)
    }

    fn end(
        &mut self,
        name: &str,
        producer: Identity,
        is_commit: bool,
        bumps_epoch: bool,
    ) -> Result<Identity, ErrorCode> {
        let (answer, ending) = self.coordinator.end(&id(name), producer, is_commit, bumps_epoch, self.now);
        self.perform(ending);
        answer
    }

    fn tick(&mut self) {
        let endings = self.coordinator.tick(self.now);
        self.perform(endings);
    }

    fn perform(&mut self, endings: impl IntoIterator<Item = Ending>) {
        for ending in endings {
            let left = if self.writes_markers { Vec::new() } else { ending.participants.clone() };
            self.coordinator.markers_written(&ending.transactional_id, left, None, self.now);
            self.endings.push(ending);
        }
    }

    fn state(&self, name: &str) -> State {
        self.coordinator.get(&id(name)).unwrap().state()
    }
}

fn with_epoch(producer: Identity, epoch: i16) -> Identity {
    Identity { epoch, ..producer }
}

#[test]
fn a_transaction_is_committed_with_all_its_participants() {
    let mut bench = Bench::new();
    let producer = bench.init("a", None).unwrap();
    assert_eq!(producer.epoch, 0);
    bench.add("a", producer, 1).unwrap();
    bench.add("a", producer, 0).unwrap();
    let offsets = Participant::Offsets(GroupId(StrBytes::from_static_str("g")));
    bench.coordinator.add(&id("a"), producer, vec![offsets.clone()], bench.now).unwrap();
    bench.end("a", producer, true, false).unwrap();
    assert_eq!(bench.state("a"), State::CompleteCommit);
    let ending = bench.endings.pop().unwrap();
    assert_eq!((ending.is_commit, ending.producer), (true, producer));
    assert_eq!(ending.participants, [partition(0), partition(1), offsets]);
    assert_eq!(bench.end("a", producer, true, false), Ok(producer), "asked again");
    assert_eq!(bench.end("a", producer, false, false), Err(ErrorCode::INVALID_TXN_STATE));
    assert!(bench.endings.is_empty(), "nothing is written twice");
}

#[test]
fn a_successor_aborts_and_fences() {
    let mut bench = Bench::new();
    let old = bench.init("a", None).unwrap();
    bench.add("a", old, 0).unwrap();
    assert_eq!(bench.init("a", None), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    let aborted = bench.endings.pop().unwrap();
    assert_eq!((aborted.is_commit, aborted.producer.epoch), (false, 1), "the marker fences");
    let new = bench.init("a", None).unwrap();
    assert_eq!(new, with_epoch(old, 2));
    assert_eq!(bench.add("a", old, 0), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(bench.end("a", old, true, false), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(bench.init("a", Some(old)), Err(ErrorCode::PRODUCER_FENCED));
    bench.add("a", new, 0).unwrap();
    assert_eq!(bench.end("b", new, true, false), Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    let other = Identity { producer_id: 999, epoch: 2 };
    assert_eq!(bench.end("a", other, true, false), Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
}

#[test]
fn a_producer_may_ask_for_its_own_next_epoch_twice() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    let second = bench.init("a", Some(first)).unwrap();
    assert_eq!(second, with_epoch(first, 1));
    assert_eq!(bench.init("a", Some(first)), Ok(second), "the answer was lost");
    assert_eq!(bench.init("a", Some(second)), Ok(with_epoch(first, 2)));
    assert_eq!(bench.init("a", Some(first)), Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let mut bench = Bench::new();
    let producer = bench.init("a", None).unwrap();
    bench.add("a", producer, 0).unwrap();
    let deadline = bench.now + Duration::from_millis(10_000);
    assert_eq!(bench.coordinator.next_deadline(), Some(deadline));
    bench.now = deadline;
    bench.tick();
    assert_eq!(bench.state("a"), State::CompleteAbort);
    assert_eq!(bench.endings[0].producer.epoch, 1);
    assert_eq!(bench.end("a", producer, true, false), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(bench.coordinator.next_deadline(), None);
}

#[test]
fn nothing_happens_while_markers_are_missing() {
    let mut bench = Bench::new();
    let producer = bench.init("a", None).unwrap();
    bench.add("a", producer, 0).unwrap();
    bench.writes_markers = false;
    bench.end("a", producer, true, false).unwrap();
    assert_eq!(bench.state("a"), State::PrepareCommit);
    assert_eq!(bench.end("a", producer, true, false), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(bench.end("a", producer, false, false), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(bench.add("a", producer, 1), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(bench.init("a", None), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    bench.writes_markers = true;
    bench.now = bench.coordinator.next_deadline().unwrap();
    bench.tick();
    assert_eq!(bench.state("a"), State::CompleteCommit);
    assert_eq!(bench.endings[0], bench.endings[1], "the same markers, tried again");
    bench.add("a", producer, 1).unwrap();
}

#[test]
fn each_end_brings_a_new_epoch_with_kip_890() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    bench.add("a", first, 0).unwrap();
    let second = bench.end("a", first, true, true).unwrap();
    assert_eq!(second, with_epoch(first, 1));
    assert_eq!(bench.endings[0].producer, second, "the marker fences the old epoch");
    assert_eq!(bench.end("a", first, true, true), Ok(second), "the answer was lost");
    assert_eq!(bench.end("a", first, false, true), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(bench.add("a", first, 0), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(bench.end("a", second, true, true), Err(ErrorCode::INVALID_TXN_STATE), "it is empty");
    let third = bench.end("a", second, false, true).unwrap();
    assert_eq!(third, with_epoch(first, 2), "an empty abort is one, too");
    assert_eq!(bench.end("a", first, true, true), Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn a_producer_id_that_runs_out_of_epochs_is_replaced() {
    let mut bench = Bench::new();
    let mut producer = bench.init("a", None).unwrap();
    while producer.epoch < i16::MAX - 1 {
        bench.add("a", producer, 0).unwrap();
        producer = bench.end("a", producer, true, true).unwrap();
    }
    bench.add("a", producer, 0).unwrap();
    let rotated = bench.end("a", producer, true, true).unwrap();
    assert_eq!(rotated.epoch, 0);
    assert_ne!(rotated.producer_id, producer.producer_id);
    assert_eq!(bench.endings.last().unwrap().producer, with_epoch(producer, i16::MAX));
    assert_eq!(bench.end("a", producer, true, true), Ok(rotated), "the answer was lost");
    bench.add("a", rotated, 0).unwrap();

    let mut bench = Bench::new();
    let mut producer = bench.init("a", None).unwrap();
    while producer.epoch < i16::MAX - 1 {
        producer = bench.init("a", Some(producer)).unwrap();
    }
    let rotated = bench.init("a", Some(producer)).unwrap();
    assert_eq!(rotated.epoch, 0);
    assert_ne!(rotated.producer_id, producer.producer_id);
    assert_eq!(bench.init("a", Some(producer)), Ok(rotated), "the answer was lost");
}

#[test]
fn timeouts_and_names_are_checked() {
    let mut bench = Bench::new();
    for timeout_ms in [-1, 0, 15 * 60 * 1000 + 1] {
        let (answer, _) = bench.coordinator.init(&id("a"), timeout_ms, None, bench.now);
        assert_eq!(answer, Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
    }
    assert_eq!(bench.init("", None), Err(ErrorCode::INVALID_REQUEST));
}

#[test]
fn the_number_of_ids_is_bounded() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        let producer = bench.init(name, None).unwrap();
        bench.now += Duration::from_secs(1);
        if name != "b" {
            bench.add(name, producer, 0).unwrap();
        }
    }
    let d = bench.init("d", None).unwrap();
    assert!(bench.coordinator.get(&id("b")).is_none(), "the idle one was forgotten");
    bench.add("d", d, 0).unwrap();
    assert_eq!(bench.init("e", None), Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
}

/// Whatever happens in whatever order: epochs of an id only grow, at most one identity can write, and every ending names
/// participants that its producer has added.
#[test]
fn only_the_newest_identity_can_write() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new();
        let mut known: Vec<Identity> = Vec::new();
        for _ in 0..200 {
            bench.writes_markers = random.u8(..4) > 0;
            let pick = random.usize(..known.len().max(1));
            let producer = known.get(pick).copied();
            let answer = match (random.u8(..6), producer) {
                (0, expected) => bench.init("a", expected.filter(|_| random.bool())),
                (1 | 2, Some(producer)) => bench.add("a", producer, random.i32(..3)).map(|()| producer),
                (3 | 4, Some(producer)) => bench.end("a", producer, random.bool(), random.bool()),
                _ => {
                    bench.now += Duration::from_millis(random.u64(..9000));
                    bench.tick();
                    continue;
                }
            };
            let newest = bench.coordinator.get(&id("a")).unwrap().producer();
            if let Ok(identity) = answer
                && !known.contains(&identity)
            {
                assert!(known.iter().all(|old| old.epoch < identity.epoch), "seed {seed}");
                known.push(identity);
            }
            for old in known.iter().filter(|old| **old != newest) {
                let verified = bench.coordinator.verify(&id("a"), *old, &partition(0));
                assert_eq!(verified, Err(ErrorCode::PRODUCER_FENCED), "seed {seed}");
            }
        }
    }
}
