//! What the send task does for transactions: performs the state machine's actions and feeds it what comes of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::requests::Coordinator;
use super::state::{Action, Event};
use crate::client::producer::sender::{self, Sender};
use crate::client::producer::topic::{Partition, TopicHandle};
use crate::net::LocalBoxFuture;
use crate::{Error, ErrorKind};

impl Sender {
    /// Performs what the transaction asks for until it asks for nothing more.
    pub(in crate::client::producer) fn perform_transaction(&mut self) {
        let accumulator = Rc::clone(&self.accumulator);
        let Some(transaction) = &accumulator.transaction else { return };
        loop {
            if transaction.has_wanted() {
                transaction.step(Event::PartitionsWanted);
            }
            if transaction.is_draining() && self.is_idle() {
                transaction.step(Event::Drained);
            }
            let actions = transaction.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.perform(action);
            }
        }
        if let Some(cause) = transaction.refusal() {
            // What was in flight and may be sent again must not be.
            self.drop_unsent(&cause);
        }
    }

    fn perform(&mut self, action: Action) {
        let accumulator = Rc::clone(&self.accumulator);
        let Some(transaction) = &accumulator.transaction else { return };
        let config = &accumulator.config;
        let coordinator = |limit_ms: u64| Coordinator {
            cluster: accumulator.cluster.clone(),
            id: Arc::clone(transaction.id()),
            deadline: Instant::now() + Duration::from_millis(limit_ms),
        };
        let block = || coordinator(config.max_block_ms);
        let is_v2 = transaction.is_v2();
        match action {
            // Taken by the caller already.
            Action::Refuse(_) => {}
            Action::Adopt(identity) => self.identity = Some(identity),
            Action::Flush => {
                accumulator.begin_flush();
            }
            Action::DropUnsent(cause) => self.drop_unsent(&cause),
            Action::AdmitWanted => self.admit(transaction.take_wanted()),
            Action::AdmitAdded => {
                let added = std::mem::take(&mut *transaction.adding.borrow_mut());
                self.admit(added);
            }
            Action::Initialize { bump } => {
                let timeout_ms = i32::try_from(config.transaction_timeout_ms).unwrap_or(i32::MAX);
                let request = block().initialize(timeout_ms, bump);
                self.spawn_transactional(async move { Event::Initialized(request.await) });
            }
            Action::AddPartitions => {
                let wanted = transaction.take_wanted();
                let request = transaction
                    .identity()
                    .map(|id| coordinator(config.delivery_timeout_ms).add_partitions(id, by_topic(&wanted)));
                transaction.adding.borrow_mut().extend(wanted);
                self.spawn_transactional(async move { Event::PartitionsAdded(answer(request).await) });
            }
            Action::AddOffsets => {
                let (id, offsets) = (transaction.identity(), transaction.offsets.borrow().clone());
                let request = id.zip(offsets).map(|(id, offsets)| block().add_offsets(id, offsets));
                self.spawn_transactional(async move { Event::OffsetsAdded(answer(request).await) });
            }
            Action::CommitOffsets => {
                let (id, offsets) = (transaction.identity(), transaction.offsets.borrow_mut().take());
                let request = id.zip(offsets).map(|(id, offsets)| block().commit_offsets(id, offsets, is_v2));
                self.spawn_transactional(async move { Event::OffsetsCommitted(answer(request).await) });
            }
            Action::End { commit } => {
                let request = transaction.identity().map(|id| block().end(id, commit, is_v2));
                self.spawn_transactional(async move { Event::Ended(answer(request).await) });
            }
        }
    }

    fn spawn_transactional(&self, event: impl Future<Output = Event> + 'static) {
        let event: LocalBoxFuture<'static, sender::Event> =
            Box::pin(async move { sender::Event::Transaction(event.await) });
        self.events.push(event);
    }

    fn admit(&self, partitions: Vec<Rc<Partition>>) {
        let Some(transaction) = &self.accumulator.transaction else { return };
        for partition in partitions {
            transaction.admit(&partition);
            partition.is_ready.set(false);
            self.accumulator.mark_ready(&partition);
        }
    }

    fn drop_unsent(&mut self, cause: &Error) {
        let Some(transaction) = self.accumulator.transaction.clone() else { return };
        let waiting = transaction.take_wanted().into_iter().chain(transaction.adding.take());
        for partition in waiting {
            partition.is_ready.set(false);
        }
        if self.accumulator.is_drained() {
            return;
        }
        self.for_each_partition(|sender, topic, partition| {
            let mut state = partition.state.borrow_mut();
            state.queue.fail_unsent(cause, &mut sender.finished);
            sender.accumulator.fail_open_batch(topic, partition, &mut state, cause, &mut sender.finished);
        });
    }
}

async fn answer<T>(request: Option<impl Future<Output = crate::Result<T>>>) -> crate::Result<T> {
    match request {
        Some(request) => request.await,
        // The state machine asks for nothing before it has an identity.
        None => Err(Error::new(ErrorKind::Internal, "use a transaction without a producer id")),
    }
}

fn by_topic(partitions: &[Rc<Partition>]) -> Vec<(StrBytes, Vec<i32>)> {
    let mut topics: Vec<(TopicHandle, Vec<i32>)> = Vec::new();
    for partition in partitions {
        let Some(state) = partition.topic.upgrade() else { continue };
        let topic = TopicHandle { state };
        match topics.iter_mut().find(|(known, _)| *known == topic) {
            Some((_, indexes)) => indexes.push(partition.index),
            None => topics.push((topic, vec![partition.index])),
        }
    }
    topics.into_iter().map(|(topic, indexes)| (topic.state.wire_name.clone(), indexes)).collect()
}
