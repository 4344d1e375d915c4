//! The dead letter queue: records that failed are written to a topic, and until they are safe there the offsets of what they were
//! read from are held back (KAFKA-10658).
//!
//! Sending waits for nothing: what the producer has no room for is kept here, and the pipeline takes no more records until it has
//! gone. So there is never more of it than one batch has failures.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use api::{Columns, Error, Result, TopicPartition};
use futures_util::FutureExt as _;
use protocol::ErrorCode;
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::producer::{AppendError, Completion, ProduceRecord, Producer, TopicHandle};
use protocol::cluster::Cluster;
use protocol::metrics::Metric;
use protocol::net::Env;
use protocol::wire::records::Header;
use tokio::sync::Notify;
use tokio::time::Duration;
use tracing::{error, info};

use crate::connector::panicked;
use crate::metrics::TaskMetrics;
use crate::pipeline::side::AbortOnDrop;
use crate::task::{DeadLetterSpec, TaskId, java_class_of_kafka};

/// A record for the queue: a row of raw columns as they were fetched, and what is added to its headers.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) columns: Columns,
    pub(super) row: usize,
    /// The headers that say what happened, in Java's order.
    pub(super) context: Vec<(&'static str, Vec<u8>)>,
}

/// The queue of one task.
pub(crate) struct DeadLetters {
    shared: Rc<Shared>,
    answers: AbortOnDrop<()>,
}

/// What the future that takes the producer's answers shares with the pipeline.
struct Shared {
    id: TaskId,
    topic: TopicHandle,
    name: String,
    producer: Producer,
    env: Env,
    state: RefCell<State>,
    /// The first record that could not be written; it ends the task.
    failure: Cell<Option<Error>>,
    /// Told whenever something was answered.
    answered: Notify,
    metrics: Arc<TaskMetrics>,
}

#[derive(Default)]
struct State {
    /// What the producer had no room for, by its token, in order.
    waiting: VecDeque<(u64, Letter)>,
    /// Where the records came from that are not known to be written, by token.
    open: HashMap<u64, (TopicPartition, i64)>,
    /// The same by partition: what may not be committed beyond. Those that could not be written stay.
    held: HashMap<TopicPartition, BTreeSet<(i64, u64)>>,
    next_token: u64,
}

impl State {
    /// One more record that is not known to be written; its token.
    fn hold(&mut self, from: &TopicPartition, offset: i64) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.open.insert(token, (from.clone(), offset));
        self.held.entry(from.clone()).or_default().insert((offset, token));
        token
    }

    /// It is written.
    fn release(&mut self, token: u64) {
        let Some((partition, offset)) = self.open.remove(&token) else { return };
        if let Some(held) = self.held.get_mut(&partition) {
            held.remove(&(offset, token));
            if held.is_empty() {
                self.held.remove(&partition);
            }
        }
    }

    fn limit(&self, partition: &TopicPartition) -> Option<i64> {
        self.held.get(partition).and_then(BTreeSet::first).map(|(offset, _)| *offset)
    }

    fn forget(&mut self, is_gone: impl Fn(&TopicPartition) -> bool) {
        self.held.retain(|partition, _| !is_gone(partition));
    }
}

impl DeadLetters {
    /// Creates the topic where it does not exist, and a producer to it. Waits for as long as the brokers take.
    ///
    /// # Errors
    /// With Java's words, when there is no such topic and it could not be created.
    pub(super) async fn open(
        id: &TaskId,
        spec: &DeadLetterSpec,
        env: &Env,
        metrics: &Arc<TaskMetrics>,
    ) -> Result<DeadLetters> {
        let refused = |error: protocol::Error| {
            Error::fatal(format!("Could not initialize dead letter queue with topic={}", spec.topic))
                .with_source(error)
        };
        ensure_topic(id, spec, env).await.map_err(refused)?;
        let cluster = Cluster::new(env.clone(), spec.cluster.clone());
        let producer = Producer::new(cluster, spec.producer.clone()).map_err(refused)?;
        let topic = producer.topic(&spec.topic).await.map_err(refused)?;
        let shared = Rc::new(Shared {
            id: id.clone(),
            topic,
            name: spec.topic.clone(),
            producer,
            env: env.clone(),
            state: RefCell::default(),
            failure: Cell::new(None),
            answered: Notify::new(),
            metrics: Arc::clone(metrics),
        });
        let taking = Rc::clone(&shared);
        let answers = AbortOnDrop::spawn(async move {
            // Unseen, a panic here would leave a task that runs and never commits again.
            if let Err(panic) = AssertUnwindSafe(take_answers(&taking)).catch_unwind().await {
                taking.failure.set(Some(panicked(&*panic)));
                taking.answered.notify_one();
            }
        });
        Ok(DeadLetters { shared, answers })
    }

    /// Sends a record that was read from `from` at `offset`, which is not committed before it is written.
    pub(super) fn send(&self, from: &TopicPartition, offset: i64, letter: Letter) {
        self.shared.metrics.errors.dead_letters.add(1);
        let token = {
            let mut state = self.shared.state.borrow_mut();
            let token = state.hold(from, offset);
            state.waiting.push_back((token, letter));
            token
        };
        // In order: what waits already goes first.
        if self.shared.state.borrow().waiting.front().is_some_and(|(first, _)| *first == token) {
            self.shared.append_waiting();
        }
    }

    /// Tells the metrics of its producer.
    pub(crate) fn visit_metrics(&self, visit: &mut dyn FnMut(&Metric<'_>)) {
        self.shared.producer.visit_metrics(visit);
    }

    /// Sends what there is without lingering: called once per batch with failures, and before waiting.
    pub(crate) fn flush(&self) {
        self.shared.append_waiting();
        if !self.shared.state.borrow().open.is_empty() {
            self.shared.producer.flush_hint();
        }
    }

    /// Whether the producer could not take everything yet: no more records should be taken.
    pub(crate) fn is_full(&self) -> bool {
        !self.shared.state.borrow().waiting.is_empty()
    }

    /// The offset beyond which `partition` may not be committed: of the first record that is not known to be written.
    pub(crate) fn limit(&self, partition: &TopicPartition) -> Option<i64> {
        self.shared.state.borrow().limit(partition)
    }

    /// Holds back nothing of partitions that are no longer ours: should they come back, others may have committed more meanwhile.
    pub(crate) fn forget(&self, is_gone: impl Fn(&TopicPartition) -> bool) {
        self.shared.state.borrow_mut().forget(is_gone);
    }

    /// What could not be written, once: the task is to fail with it.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.shared.failure.take()
    }

    /// Waits until something was answered.
    pub(crate) async fn answered(&self) {
        self.shared.answered.notified().await;
    }

    /// Waits until every record was answered, one way or the other.
    pub(crate) async fn settled(&self) {
        loop {
            let answered = self.shared.answered.notified();
            self.flush();
            if self.shared.state.borrow().open.is_empty() {
                return;
            }
            answered.await;
        }
    }

    /// Ends the producer. What was not answered by now is not waited for: its offsets are not committed.
    pub(crate) async fn close(self) {
        let DeadLetters { shared, answers } = self;
        answers.abort().await;
        if let Ok(shared) = Rc::try_unwrap(shared) {
            let _left = shared.producer.close(Duration::ZERO, &mut Vec::new()).await;
        }
    }
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").field("topic", &self.shared.name).finish_non_exhaustive()
    }
}

impl Shared {
    /// Hands to the producer what it has room for.
    fn append_waiting(&self) {
        loop {
            let appended = {
                let state = self.state.borrow();
                let Some((token, letter)) = state.waiting.front() else { return };
                (*token, self.append(letter, *token))
            };
            match appended {
                (_, Err(AppendError::Full)) => return,
                (_, Ok(())) => {}
                (token, Err(error)) => self.could_not_write(token, not_sent(error)),
            }
            self.state.borrow_mut().waiting.pop_front();
        }
    }

    fn append(&self, letter: &Letter, token: u64) -> Result<(), AppendError> {
        let Letter { columns, row, context } = letter;
        let (key, value) = (raw(&columns.key, *row), raw(&columns.value, *row));
        let headers: Vec<Header<'_>> = columns
            .headers
            .row(*row)
            .map(|(key, value)| Header { key, value })
            .chain(context.iter().map(|(key, value)| Header { key: key.as_bytes(), value: Some(value) }))
            .collect();
        let timestamp_ms = columns.timestamps.get(*row).unwrap_or_else(|| self.env.now_ms());
        let record = ProduceRecord { timestamp_ms, key, value, headers: &headers };
        self.producer.append(&self.topic, None, &record, token).map(|_partition| ())
    }

    fn written(&self, token: u64) {
        self.state.borrow_mut().release(token);
    }

    /// The offset stays held: the record is delivered again when the task is started again.
    fn could_not_write(&self, token: u64, cause: Error) {
        self.metrics.errors.dead_letters_failed.add(1);
        let Some((partition, offset)) = self.state.borrow_mut().open.remove(&token) else { return };
        let could_not = format!("Could not produce message to dead letter queue. topic={}", self.name);
        let first = self.failure.take().unwrap_or_else(|| {
            error!(task = %self.id, ?partition, offset, error = %cause, "{could_not}");
            Error::fatal(could_not).with_source(cause)
        });
        self.failure.set(Some(first));
    }
}

/// Takes the producer's answers, for as long as the task runs.
async fn take_answers(shared: &Shared) {
    let mut completions: Vec<Completion> = Vec::new();
    loop {
        shared.producer.completions(&mut completions).await;
        for completion in completions.drain(..) {
            match completion.result {
                Ok(_) => shared.written(completion.token),
                Err(error) => shared.could_not_write(completion.token, from_kafka(&error)),
            }
        }
        shared.append_waiting();
        shared.answered.notify_waiters();
        shared.answered.notify_one();
    }
}

/// Java lists the topics first as well: a principal may be allowed to write to a topic and not to create one.
async fn ensure_topic(id: &TaskId, spec: &DeadLetterSpec, env: &Env) -> Result<(), protocol::Error> {
    let admin = Admin::new(Cluster::new(env.clone(), spec.admin.clone()));
    let described = admin.describe_topics(&[&spec.topic]).await?.pop();
    match described {
        Some(Ok(_)) => return Ok(()),
        Some(Err(error)) if error.code() != Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => return Err(error),
        _ => {}
    }
    info!(task = %id, topic = spec.topic, "the topic of the dead letter queue does not exist: creating it");
    let topic = NewTopic::new(&spec.topic, 1).with_replication_factor(spec.replication_factor);
    match admin.create_topics(&[topic]).await.pop() {
        // Another task of the connector was faster.
        Some(Err(error)) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Err(error),
        _ => Ok(()),
    }
}

/// What Kafka said, under the name of Java's exception.
pub(crate) fn from_kafka(error: &protocol::Error) -> Error {
    let class = java_class_of_kafka(error);
    Error::fatal(error.to_string()).with_java_class(class)
}

/// Why the producer did not even take a record, in Java's terms.
pub(crate) fn not_sent(error: AppendError) -> Error {
    let class = match &error {
        AppendError::TooLarge { .. } => "org.apache.kafka.common.errors.RecordTooLargeException",
        _ => "org.apache.kafka.common.KafkaException",
    };
    Error::fatal(error.to_string()).with_java_class(class)
}

/// A cell of a raw column.
fn raw(column: &api::Column, row: usize) -> Option<&[u8]> {
    match &column.data {
        api::Data::Raw(bytes) => crate::pipeline::cell(bytes, row),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a partition that left with dead letters on their way and came back is not committed at where it once was: another member may
    /// have committed more meanwhile. Late answers release nothing that is held anew.
    #[test]
    fn what_left_holds_nothing_back_when_it_returns() {
        let partition = |partition| TopicPartition { topic: Arc::from("t"), partition };
        let (stays, leaves) = (partition(0), partition(1));
        let mut state = State::default();
        let first = state.hold(&leaves, 100);
        state.hold(&leaves, 101);
        state.hold(&stays, 7);
        state.forget(|partition| *partition == leaves);
        assert_eq!((state.limit(&stays), state.limit(&leaves)), (Some(7), None));
        let anew = state.hold(&leaves, 100);
        state.release(first);
        assert_eq!(state.limit(&leaves), Some(100));
        state.release(anew);
        assert_eq!(state.limit(&leaves), None);
    }
}
