//! The sink loop's judgement, without a broker: how long it may wait, and what it tells the task of partitions that move.

use std::cell::RefCell;

use api::Batch;
use api::connector::LocalBoxFuture;
use api::plugin::ConverterRole;
use bytes::Bytes;
use protocol::client::consumer::{ConsumerConfig, PositionReset, Rebalance, ResetCause};
use protocol::cluster::{ClusterConfig, HostPort};
use protocol::wire::records::RecordSet;

use super::*;
use crate::convert::STRING;
use crate::pipeline::{Chain, Place, Stage};
use crate::task::{ErrorPolicy, Order};

/// What the task was called with.
type Calls = Rc<RefCell<Vec<String>>>;

struct Recording {
    calls: Calls,
    /// Or asks to have every batch later.
    takes: bool,
}

impl AnySinkTask for Recording {
    fn tier(&self) -> Tier {
        Tier::Bytes
    }
    fn start<'a>(&'a mut self, _context: &'a SinkContext) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn open<'a>(&'a mut self, partitions: &'a [TopicPartition]) -> LocalBoxFuture<'a, Result<()>> {
        self.calls.borrow_mut().push(format!("open {}", partitions.len()));
        Box::pin(std::future::ready(Ok(())))
    }
    fn put<'a>(&'a mut self, _batch: &'a Batch) -> LocalBoxFuture<'a, Result<()>> {
        self.calls.borrow_mut().push("put".to_owned());
        let outcome = if self.takes { Ok(()) } else { Err(Error::retriable("not now")) };
        Box::pin(std::future::ready(outcome))
    }
    fn can_put_in_parts(&self) -> bool {
        true
    }
    fn pre_commit(&mut self, offsets: SinkOffsets) -> LocalBoxFuture<'_, Result<SinkOffsets>> {
        Box::pin(std::future::ready(Ok(offsets)))
    }
    fn close<'a>(&'a mut self, partitions: &'a [TopicPartition]) -> LocalBoxFuture<'a, Result<()>> {
        self.calls.borrow_mut().push(format!("close {}", partitions.len()));
        Box::pin(std::future::ready(Ok(())))
    }
    fn stop(&mut self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Runs `test` on a pipeline whose brokers do not exist.
fn with_pipeline(test: impl AsyncFnOnce(SinkPipeline, Calls)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let id = TaskId { connector: Arc::from("sink"), task: 0 };
        let spec = SinkSpec {
            cluster: ClusterConfig::new(vec![HostPort::new("127.0.0.1", 1)]),
            consumer: ConsumerConfig::in_group("sink"),
            topics: Topics::Named(vec!["t".to_owned()]),
            offset_flush_interval: Duration::from_secs(60),
            offset_flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
        };
        let string = |role| (STRING.create)(&api::Props::new(), role).unwrap();
        let errors =
            Rc::new(ErrorHandler::new(id.clone(), ErrorPolicy::default(), Env::real(), Arc::default()));
        let converters = Converters {
            errors: Rc::clone(&errors),
            key: string(ConverterRole::Key),
            key_place: Place { stage: Stage::KeyConverter, class: STRING.class },
            value: string(ConverterRole::Value),
            value_place: Place { stage: Stage::ValueConverter, class: STRING.class },
            decodes: [false; 2],
            transforms: Chain::new(Rc::clone(&errors), Vec::new()),
            headers: None,
            headers_place: Place { stage: Stage::HeaderConverter, class: STRING.class },
        };
        let calls = Calls::default();
        let task = Box::new(Recording { calls: Rc::clone(&calls), takes: false });
        let mut pipeline = SinkPipeline::new(id, spec, task, converters, Env::real(), Arc::default(), None);
        pipeline.tier = Tier::Bytes;
        test(pipeline, calls).await;
    });
}

fn fetched(partition: i32) -> Fetched {
    Fetched {
        topic: Arc::from("t"),
        partition,
        first_wanted_offset: 0,
        next_offset: 1,
        leader_epoch: -1,
        records: RecordSet::new(Bytes::new()),
        bytes: 0,
        record_count: 0,
        high_watermark: 1,
        log_start_offset: 0,
        last_stable_offset: 1,
        aborted_transactions: Vec::new(),
    }
}

fn partition(partition: i32) -> protocol::client::TopicPartition {
    protocol::client::TopicPartition::new("t", partition)
}

/// Goal: a task that was paused while it had data in hand sleeps, and does not turn in circles until it is resumed.
#[test]
fn a_paused_task_with_data_in_hand_waits() {
    with_pipeline(async |mut pipeline, _calls| {
        let (_handle, orders) = tokio::sync::watch::channel(Order::new(Target::Running));
        let (events, _inbox) = tokio::sync::mpsc::unbounded_channel();
        let control =
            &mut Control::new(pipeline.id.clone(), 0, orders, events, Arc::default(), Arc::default());
        pipeline.fetched.push_back(fetched(0));
        assert_eq!(pipeline.wait(), Duration::ZERO);
        pipeline.is_paused = true;
        assert_eq!(pipeline.wait(), POLL_WAIT_MAX);
        pipeline.is_paused = false;
        let pending = pipeline.next_batch().unwrap();
        pipeline.go_on_with(pending, Duration::ZERO, control).await.unwrap();
        assert_eq!(pipeline.wait(), Duration::ZERO, "the refused batch is due");
        pipeline.is_paused = true;
        assert_eq!(pipeline.wait(), POLL_WAIT_MAX);
    });
}

/// Goal: partitions that turn out to be lost after they were given up were closed already.
#[test]
fn what_was_revoked_and_then_lost_is_closed_once() {
    with_pipeline(async |mut pipeline, calls| {
        let names = vec![partition(0), partition(1)];
        let (_handle, orders) = tokio::sync::watch::channel(Order::new(Target::Running));
        let (events, _inbox) = tokio::sync::mpsc::unbounded_channel();
        let control =
            &mut Control::new(pipeline.id.clone(), 0, orders, events, Arc::default(), Arc::default());
        pipeline.rebalance(Rebalance::Assigned(names.clone()), control).await.unwrap();
        pipeline.rebalance(Rebalance::Revoked(names.clone()), control).await.unwrap();
        pipeline.rebalance(Rebalance::Lost(names), control).await.unwrap();
        assert_eq!(*calls.borrow(), ["open 2", "close 2"]);
    });
}

/// Goal: a failed pre-commit costs no record, also of a partition whose position was not known when it was assigned and of which the sink
/// has seen nothing yet.
#[test]
fn a_rewind_goes_back_to_what_was_fetched_and_not_put() {
    with_pipeline(async |mut pipeline, _calls| {
        pipeline.consumer.assign(vec![partition(0)]);
        pipeline.assigned.insert(from_protocol(partition(0)));
        pipeline.fetched.push_back(Fetched { first_wanted_offset: 7, next_offset: 9, ..fetched(0) });
        pipeline.fetched.push_back(Fetched { first_wanted_offset: 9, next_offset: 11, ..fetched(0) });
        pipeline.rewind();
        assert!(pipeline.fetched.is_empty());
        assert_eq!(pipeline.consumer.position(&partition(0)), Some(7));
    });
}

/// Goal: while something is in hand no position is reset under it, and nothing more piles up; then it all goes on.
#[test]
fn nothing_more_is_taken_while_there_is_enough_in_hand() {
    with_pipeline(async |mut pipeline, calls| {
        let (_handle, orders) = tokio::sync::watch::channel(Order::new(Target::Running));
        let (events, _inbox) = tokio::sync::mpsc::unbounded_channel();
        let control =
            &mut Control::new(pipeline.id.clone(), 0, orders, events, Arc::default(), Arc::default());
        pipeline.task = Box::new(Recording { calls: Rc::clone(&calls), takes: true });
        let whole_batch = || Fetched { bytes: BATCH_BYTES, ..fetched(0) };
        pipeline.fetched.extend([whole_batch(), whole_batch()]);
        // A commit comes between them.
        pipeline.next_commit = Instant::now();
        pipeline.put_available(control).await.unwrap();
        assert_eq!((pipeline.fetched.len(), pipeline.is_held_up), (1, true));
        assert_eq!(pipeline.wait(), Duration::ZERO, "it goes on at once");
        pipeline.next_commit += Duration::from_secs(60);
        pipeline.put_available(control).await.unwrap();
        assert_eq!((pipeline.fetched.len(), pipeline.is_held_up), (0, false));
        assert_eq!(*calls.borrow(), ["put", "put"]);
    });
}

/// Goal: of tasks that share a limit none waits for ever. Method: whenever it is this one's turn another one has moved more meanwhile.
#[test]
fn a_task_that_has_waited_for_its_share_goes_first() {
    with_pipeline(async |mut pipeline, calls| {
        let (_handle, orders) = tokio::sync::watch::channel(Order::new(Target::Running));
        let (events, _inbox) = tokio::sync::mpsc::unbounded_channel();
        let control =
            &mut Control::new(pipeline.id.clone(), 0, orders, events, Arc::default(), Arc::default());
        pipeline.task = Box::new(Recording { calls: Rc::clone(&calls), takes: true });
        let limits = crate::task::RateLimits {
            records_per_second: std::num::NonZeroU64::new(1),
            ..Default::default()
        };
        let limiter = Arc::new(RateLimiter::new(limits, Instant::now()));
        pipeline.limiter = Some(Arc::clone(&limiter));
        limiter.moved(60, 0, Instant::now());
        pipeline.fetched.push_back(fetched(0));
        pipeline.put_available(control).await.unwrap();
        assert!(calls.borrow().is_empty(), "another one has moved as much as there is");
        // Its time has come, and so has that of the other one, which was quicker.
        limiter.moved(60, 0, Instant::now());
        pipeline.held.as_mut().unwrap().due = Instant::now();
        pipeline.put_available(control).await.unwrap();
        assert_eq!(*calls.borrow(), ["put"]);
    });
}

/// Goal: what a commit took is not what the sink took before anybody looked.
#[test]
fn a_commit_is_measured_by_its_own_end() {
    with_pipeline(async |mut pipeline, _calls| {
        tokio::time::pause();
        let since = Instant::now();
        let outcome = AbortOnDrop::spawn(async { (Ok(()), Instant::now()) });
        pipeline.commit = Some(Commit { offsets: SinkOffsets::new(), since, outcome });
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(3)).await;
        pipeline.finish_commit().await;
        let took = pipeline.metrics.commit_times.read(Instant::now());
        assert_eq!((took.count, took.max < 1_000.0), (1, true), "{took:?}");
    });
}

/// Goal: a commit that was on its way when a topic was recreated is no place to go back to: it is of the topic before.
#[test]
fn a_commit_from_before_a_reset_is_not_gone_back_to() {
    with_pipeline(async |mut pipeline, _calls| {
        pipeline.consumer.assign(vec![partition(0)]);
        let own = from_protocol(partition(0));
        pipeline.assigned.insert(own.clone());
        let outcome = AbortOnDrop::spawn(async { (Ok(()), Instant::now()) });
        let offsets = SinkOffsets::from_iter([(own.clone(), 5_000)]);
        pipeline.commit = Some(Commit { offsets, since: Instant::now(), outcome });
        tokio::task::yield_now().await;
        pipeline.position_was_reset(PositionReset {
            partition: partition(0),
            cause: ResetCause::TopicRecreated,
            before: 5_000,
            after: 0,
            leader_epoch: -1,
        });
        pipeline.finish_commit().await;
        assert!(pipeline.commit.is_none());
        assert_eq!((pipeline.committed.get(&own), pipeline.current.get(&own)), (None, Some(&0)));
        pipeline.rewind();
        assert_eq!(pipeline.consumer.position(&partition(0)), None, "not sent to an offset of another log");
    });
}
