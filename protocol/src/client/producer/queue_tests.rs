//! The rules of order, checked against a broker that keeps sequences as Kafka's `ProducerAppendInfo` does.

use std::time::Duration;

use super::*;
use crate::wire::records::HEADER_BYTES;

const NODE: i32 = 1;

/// The producer state of one partition on a broker.
#[derive(Default)]
struct FakeLog {
    producer: Option<(i64, i16)>,
    next_sequence: i32,
    written: Vec<u64>,
    /// Sequence ranges of the last batches, for recognising copies.
    recent: VecDeque<(i64, i16, i32)>,
}

impl FakeLog {
    fn append(&mut self, id: u64, batch: &PartitionBatch) -> Outcome {
        let header = BatchHeader::parse(&batch.header).unwrap().unwrap();
        let key = (header.producer_id, header.producer_epoch, header.base_sequence);
        if self.recent.contains(&key) {
            return Outcome::Failed(Error::broker("produce", ErrorCode::DUPLICATE_SEQUENCE_NUMBER));
        }
        let expected = match self.producer {
            None => header.base_sequence,
            Some(known) if known == (key.0, key.1) => self.next_sequence,
            Some((id, epoch)) if id == key.0 && epoch > key.1 => {
                return Outcome::Failed(Error::broker("produce", ErrorCode::INVALID_PRODUCER_EPOCH));
            }
            Some(_) => 0,
        };
        if header.base_sequence != expected {
            return Outcome::Failed(Error::broker("produce", ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
        }
        self.producer = Some((key.0, key.1));
        self.next_sequence = advance_sequence(header.base_sequence, header.record_count);
        self.recent.push_back(key);
        if self.recent.len() > 5 {
            self.recent.pop_front();
        }
        self.written.push(id);
        Outcome::Written { base_offset: self.written.len() as i64 - 1, log_append_time_ms: -1 }
    }
}

fn batch(id: u64) -> SealedBatch {
    let header = BatchHeader {
        base_offset: 0,
        batch_length: (HEADER_BYTES - 12 + 4) as i32,
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: 9,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 10,
    };
    SealedBatch {
        id,
        header,
        payload: Bytes::from_static(b"data"),
        raw_bytes: HEADER_BYTES + 4,
        tokens: vec![(id, 10)],
        deadline: Instant::now() + Duration::from_secs(id + 1),
        charged_bytes: 1,
        flush_generation: 0,
    }
}

/// Each batch of these tests has a cookie of its own.
fn id_of(finished: &Finished) -> u64 {
    finished.tokens[0].0
}

struct Run {
    queue: PartitionQueue,
    log: FakeLog,
    finished: Vec<Finished>,
    now: Instant,
    identity: Identity,
    retries_max: u32,
}

impl Run {
    fn new(batch_count: u64) -> Self {
        let mut queue = PartitionQueue::default();
        (0..batch_count).for_each(|id| queue.push(batch(id)));
        let identity = Identity { producer_id: 7, epoch: 0, is_transactional: false };
        Self {
            queue,
            log: FakeLog::default(),
            finished: Vec::new(),
            now: Instant::now(),
            identity,
            retries_max: u32::MAX,
        }
    }

    fn take(&mut self) -> Option<(u64, PartitionBatch)> {
        let may = self.queue.may_send(NODE, true, 5, self.now);
        may.then(|| self.queue.take(NODE, 0, Some(self.identity)))?
    }

    fn take_all(&mut self) -> Vec<(u64, PartitionBatch)> {
        std::iter::from_fn(|| self.take()).collect()
    }

    fn answer(&mut self, id: u64, outcome: Outcome) -> Consequence {
        let consequence = self.queue.answered(id, outcome, self.retries_max, &mut self.finished);
        if consequence.is_retried {
            self.queue.back_off(self.now, |_| Duration::from_millis(100));
        }
        if consequence.needs_new_identity {
            self.identity =
                Identity { producer_id: self.identity.producer_id + 1, epoch: 0, ..self.identity };
        }
        self.now += Duration::from_millis(150);
        consequence
    }

    fn fail(&mut self, id: u64, code: ErrorCode) -> Consequence {
        self.answer(id, Outcome::Failed(Error::broker("produce", code)))
    }

    /// Sends and answers honestly until nothing is left.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            let sent = self.take_all();
            if sent.is_empty() && !self.queue.has_sendable() {
                return;
            }
            for (id, wire) in sent {
                let outcome = self.log.append(id, &wire);
                self.answer(id, outcome);
            }
            self.now += Duration::from_millis(150);
        }
        panic!("the queue does not settle");
    }

    fn acked(&self) -> Vec<u64> {
        self.finished.iter().filter(|f| f.result.is_ok()).map(id_of).collect()
    }

    /// Gets the first batch accepted, so that five may be in flight.
    fn established(batch_count: u64) -> Self {
        let mut run = Self::new(batch_count);
        let (id, wire) = run.take().unwrap();
        assert!(run.take().is_none(), "only one until the broker knows the producer");
        let outcome = run.log.append(id, &wire);
        run.answer(id, outcome);
        run
    }
}

fn sequences(sent: &[(u64, PartitionBatch)]) -> Vec<i32> {
    sent.iter().map(|(_, wire)| BatchHeader::parse(&wire.header).unwrap().unwrap().base_sequence).collect()
}

#[test]
fn is_ahead_while_each_request_under_way_has_a_successor_and_nothing_fails() {
    let mut run = Run::new(0);
    let large = |id| SealedBatch { charged_bytes: AHEAD_BYTES_MIN / 2, ..batch(id) };
    (0..9).for_each(|id| run.queue.push(large(id)));
    assert!(!run.queue.is_ahead(5), "nothing is under way: its broker may be gone");
    let (first, wire) = run.take().unwrap();
    assert!(run.queue.is_ahead(5));
    let written = run.log.append(first, &wire);
    run.queue.answered(first, written, u32::MAX, &mut run.finished);
    let taken: Vec<_> = std::iter::from_fn(|| run.take()).collect();
    assert_eq!(taken.len(), 5);
    assert!(!run.queue.is_ahead(5), "three wait for five");
    (9..11).for_each(|id| run.queue.push(large(id)));
    assert!(run.queue.is_ahead(5));
    let failed = Outcome::Failed(Error::broker("produce", ErrorCode::NOT_ENOUGH_REPLICAS));
    assert!(run.queue.answered(taken[0].0, failed, u32::MAX, &mut run.finished).is_retried);
    run.queue.back_off(run.now, |_| Duration::from_secs(1));
    assert!(!run.queue.is_ahead(5), "it may last");

    let mut run = Run::new(100);
    run.take().unwrap();
    assert!(!run.queue.is_ahead(5), "many, but small");
}

#[test]
fn five_are_in_flight_with_ascending_sequences() {
    let mut run = Run::established(8);
    let sent = run.take_all();
    assert_eq!(sequences(&sent), [10, 20, 30, 40, 50]);
    assert!(!run.queue.may_send(NODE, true, 5, run.now));
    for (id, wire) in sent {
        let outcome = run.log.append(id, &wire);
        run.answer(id, outcome);
    }
    run.settle();
    assert_eq!(run.acked(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn successors_of_a_refused_batch_are_resent_in_order_with_their_sequences() {
    let mut run = Run::established(6);
    let sent = run.take_all();
    assert!(run.fail(sent[0].0, ErrorCode::NOT_LEADER_OR_FOLLOWER).needs_metadata_refresh);
    for (id, wire) in &sent[1..] {
        assert!(run.take().is_none(), "nothing is sent while the others are under way");
        let outcome = run.log.append(*id, wire);
        run.answer(*id, outcome);
    }
    let again = run.take().unwrap();
    assert_eq!((again.0, sequences(std::slice::from_ref(&again))), (1, vec![10]));
    assert!(run.take().is_none(), "the oldest goes alone");
    let outcome = run.log.append(again.0, &again.1);
    run.answer(again.0, outcome);
    run.settle();
    assert_eq!(run.acked(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(run.log.written, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_batch_that_was_written_before_the_connection_broke_is_not_written_twice() {
    let mut run = Run::established(4);
    let sent = run.take_all();
    for (id, wire) in &sent {
        run.log.append(*id, wire);
    }
    for (id, _) in &sent {
        run.answer(*id, Outcome::Failed(Error::disconnected("produce", "reset")));
    }
    run.settle();
    assert_eq!(run.acked(), [0, 1, 2, 3]);
    assert_eq!(run.log.written, [0, 1, 2, 3]);
    assert_eq!(run.finished[2].result.as_ref().unwrap().0, -1, "the offset of a copy is not known");
}

#[test]
fn what_follows_a_batch_that_failed_for_good_starts_again_under_the_next_epoch() {
    let mut run = Run::established(4);
    let sent = run.take_all();
    run.fail(sent[0].0, ErrorCode::INVALID_RECORD);
    assert!(run.finished[1].result.is_err());
    for (id, wire) in &sent[1..] {
        let outcome = run.log.append(*id, wire);
        run.answer(*id, outcome);
    }
    let again = run.take().unwrap();
    let header = BatchHeader::parse(&again.1.header).unwrap().unwrap();
    assert_eq!((again.0, header.producer_epoch, header.base_sequence), (2, 1, 0));
    let outcome = run.log.append(again.0, &again.1);
    run.answer(again.0, outcome);
    run.settle();
    assert_eq!(run.acked(), [0, 2, 3]);
    assert_eq!(run.log.written, [0, 2, 3]);
}

#[test]
fn an_expired_batch_of_unknown_fate_breaks_nothing_whether_it_was_written_or_not() {
    for was_written in [true, false] {
        let mut run = Run::established(4);
        let sent = run.take_all();
        if was_written {
            run.log.append(sent[0].0, &sent[0].1);
        }
        // Only batch 1 is past its deadline.
        let now = sent.len() as u64;
        assert_eq!(now, 3);
        let deadline = run.queue.earliest_deadline().unwrap();
        run.queue.expire(deadline, &mut run.finished);
        assert_eq!(run.finished.last().unwrap().tokens[0].0, 1);
        assert!(run.finished.last().unwrap().result.is_err());
        for (id, _) in &sent {
            run.answer(*id, Outcome::Failed(Error::timeout("produce")));
        }
        run.settle();
        assert_eq!(run.acked(), [0, 2, 3]);
        let expected: &[u64] = if was_written { &[0, 1, 2, 3] } else { &[0, 2, 3] };
        assert_eq!(run.log.written, expected);
    }
}

#[test]
fn a_broker_that_forgot_the_producer_gets_a_new_epoch() {
    let mut run = Run::established(3);
    let (id, _) = run.take().unwrap();
    assert!(run.fail(id, ErrorCode::UNKNOWN_PRODUCER_ID).is_retried);
    let (again, wire) = run.take().unwrap();
    let header = BatchHeader::parse(&wire.header).unwrap().unwrap();
    assert_eq!((again, header.producer_epoch, header.base_sequence), (id, 1, 0));
}

#[test]
fn used_up_epochs_and_refused_ones_ask_for_a_new_producer_id() {
    let mut run = Run::new(2);
    run.identity.epoch = i16::MAX;
    let (id, _) = run.take().unwrap();
    assert!(run.fail(id, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER).needs_new_identity);
    let (again, wire) = run.take().unwrap();
    let header = BatchHeader::parse(&wire.header).unwrap().unwrap();
    assert_eq!((again, header.producer_id, header.producer_epoch, header.base_sequence), (id, 8, 0, 0));
    assert!(run.fail(again, ErrorCode::INVALID_PRODUCER_EPOCH).needs_new_identity);
}

/// Another producer under the same id and a newer epoch, which the broker sees in the log.
#[test]
fn under_a_refused_epoch_only_what_was_surely_not_written_is_sent_again() {
    let mut run = Run::established(4);
    let sent = run.take_all();
    // The first one is written and its answer lost; then somebody raises the epoch.
    run.log.append(sent[0].0, &sent[0].1);
    run.answer(sent[0].0, Outcome::Failed(Error::disconnected("produce", "reset")));
    run.log.producer = Some((7, 5));
    for (id, wire) in &sent[1..] {
        let outcome = run.log.append(*id, wire);
        run.answer(*id, outcome);
    }
    // Its copy, which the broker would recognise under its own epoch only.
    run.log.recent.clear();
    run.settle();
    let failed: Vec<_> = run.finished.iter().filter(|f| f.result.is_err()).map(id_of).collect();
    assert_eq!(failed, [1], "its fate is open");
    assert_eq!(run.log.written, [0, 1, 2, 3]);
    assert_eq!(run.acked(), [0, 2, 3]);
}

#[test]
fn a_new_leader_gets_nothing_before_the_old_one_has_answered() {
    let mut run = Run::established(3);
    let (id, wire) = run.take().unwrap();
    assert!(run.queue.may_send(NODE, true, 5, run.now));
    assert!(!run.queue.may_send(NODE + 1, true, 5, run.now));
    let outcome = run.log.append(id, &wire);
    run.answer(id, outcome);
    assert!(run.queue.may_send(NODE + 1, true, 5, run.now));
}

#[test]
fn retries_are_bounded_and_backed_off() {
    let mut run = Run::new(1);
    let (id, _) = run.take().unwrap();
    let error = || Outcome::Failed(Error::broker("produce", ErrorCode::REQUEST_TIMED_OUT));
    assert!(run.queue.answered(id, error(), 1, &mut run.finished).is_retried);
    run.queue.back_off(run.now, |failure_count| Duration::from_secs(u64::from(failure_count)));
    assert_eq!(run.queue.backoff_until(run.now), Some(run.now + Duration::from_secs(1)));
    assert!(run.take().is_none());
    run.now += Duration::from_secs(1);
    let (id, _) = run.take().unwrap();
    assert!(!run.queue.answered(id, error(), 1, &mut run.finished).is_retried);
    assert!(run.finished[0].result.is_err());
}

#[test]
fn a_leader_that_has_moved_is_looked_for_even_without_retries() {
    let mut run = Run::new(1);
    let (id, _) = run.take().unwrap();
    let moved = Outcome::Failed(Error::broker("produce", ErrorCode::NOT_LEADER_OR_FOLLOWER));
    let consequence = run.queue.answered(id, moved, 0, &mut run.finished);
    assert_eq!((consequence.is_retried, consequence.needs_metadata_refresh), (false, true));
    assert!(run.finished[0].result.is_err());
}

#[test]
fn sequences_wrap_as_in_java() {
    assert_eq!(advance_sequence(0, 10), 10);
    assert_eq!(advance_sequence(i32::MAX - 9, 10), 0);
    assert_eq!(advance_sequence(i32::MAX, 1), 0);
    assert_eq!(advance_sequence(i32::MAX - 1, 5), 3);
}

/// Random faults against the model: whatever happens, each batch is written at most once, in order, and exactly those that were
/// reported as written (or expired, whose fate is open) are in the log.
#[test]
fn order_and_exactly_once_hold_under_random_faults() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut run = Run::new(30);
        let mut failed_for_good = Vec::new();
        for _ in 0..2_000 {
            let sent = run.take_all();
            if sent.is_empty() && !run.queue.has_sendable() {
                break;
            }
            // A broken connection: a prefix was written, then every answer is lost.
            let breaks_after = (random.u8(..) < 40).then(|| random.usize(..=sent.len()));
            for (index, (id, wire)) in sent.into_iter().enumerate() {
                let outcome = match breaks_after {
                    Some(written) => {
                        if index < written {
                            run.log.append(id, &wire);
                        }
                        Outcome::Failed(Error::disconnected("produce", "reset"))
                    }
                    None => match random.u8(..) {
                        0..20 => Outcome::Failed(Error::broker("produce", ErrorCode::NOT_ENOUGH_REPLICAS)),
                        20..25 => Outcome::Failed(Error::broker("produce", ErrorCode::INVALID_RECORD)),
                        25..40 => {
                            run.log.append(id, &wire);
                            Outcome::Failed(Error::broker("produce", ErrorCode::REQUEST_TIMED_OUT))
                        }
                        _ => run.log.append(id, &wire),
                    },
                };
                let is_too_large =
                    matches!(&outcome, Outcome::Failed(e) if e.code() == Some(ErrorCode::INVALID_RECORD));
                run.answer(id, outcome);
                if is_too_large {
                    failed_for_good.push(id);
                }
            }
            run.now += Duration::from_millis(200);
        }
        assert_eq!(run.finished.len(), 30, "seed {seed}");
        assert!(run.finished.is_sorted_by_key(id_of), "seed {seed}: completions out of order");
        let mut ascending = run.log.written.clone();
        ascending.dedup();
        assert!(
            ascending.is_sorted() && ascending.len() == run.log.written.len(),
            "seed {seed}: {:?}",
            run.log.written
        );
        for id in run.acked() {
            assert!(run.log.written.contains(&id), "seed {seed}: batch {id} was acknowledged and lost");
        }
        assert_eq!(run.acked().len() + failed_for_good.len(), 30, "seed {seed}");
    }
}

/// The same with batches that expire, retries that run out and a broker that is away for long: what is reported as failed may be in
/// the log or not, but nothing is there twice or out of order, and whatever follows goes on.
#[test]
fn expiry_and_used_up_retries_leave_no_gap_that_lasts() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut run = Run::new(30);
        run.retries_max = random.u32(1..8);
        let mut refused = Vec::new();
        for _ in 0..400 {
            // Deadlines are a second apart, an attempt takes 150 ms: about every third batch of a broker in trouble expires.
            run.queue.expire(run.now, &mut run.finished);
            let sent = run.take_all();
            if sent.is_empty() && !run.queue.has_sendable() {
                break;
            }
            let breaks_after = (random.u8(..) < 60).then(|| random.usize(..=sent.len()));
            for (index, (id, wire)) in sent.into_iter().enumerate() {
                if random.u8(..) < 30 {
                    run.queue.expire(run.now, &mut run.finished);
                }
                let outcome = match breaks_after {
                    Some(written) => {
                        if index < written {
                            run.log.append(id, &wire);
                        }
                        Outcome::Failed(Error::timeout("produce"))
                    }
                    None => match random.u8(..) {
                        0..40 => Outcome::Failed(Error::broker("produce", ErrorCode::NOT_LEADER_OR_FOLLOWER)),
                        40..45 => {
                            refused.push(id);
                            Outcome::Failed(Error::broker("produce", ErrorCode::INVALID_RECORD))
                        }
                        45..60 => {
                            run.log.append(id, &wire);
                            Outcome::Failed(Error::broker(
                                "produce",
                                ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                            ))
                        }
                        _ => run.log.append(id, &wire),
                    },
                };
                run.answer(id, outcome);
            }
            run.now += Duration::from_millis(200);
        }
        assert_eq!(run.finished.len(), 30, "seed {seed}: every batch is reported once");
        assert!(run.finished.is_sorted_by_key(id_of), "seed {seed}: completions out of order");
        let written = &run.log.written;
        assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: {written:?}");
        for id in run.acked() {
            assert!(written.contains(&id), "seed {seed}: batch {id} was acknowledged and lost");
        }
        let (last, expired_last) = (29, run.finished.iter().any(|f| id_of(f) == 29 && f.result.is_err()));
        assert!(expired_last || written.contains(&last), "seed {seed}: what came last did not go on");
    }
}
