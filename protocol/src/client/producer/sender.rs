//! The send task of a producer: groups ready partitions by leader, keeps requests in flight, feeds answers back to the queues.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indexmap::IndexMap;
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::accumulator::Accumulator;
use super::finished::Finished;
use super::queue::Identity;
use super::request::{ProduceHead, TopicBatches, encode};
use super::topic::{Partition, TopicHandle};
use super::{Acks, IMPLICIT_ADD_VERSION, ProducerConfig, transaction};
use crate::cluster::{Cluster, Metadata, RetryPolicy, Target};
use crate::net::{Connection, LocalBoxFuture};
use crate::{Error, ErrorCode, Result};

/// Runs until the producer is closed; then everything that is left fails with `Closed`.
pub(super) async fn run(accumulator: Rc<Accumulator>) {
    let mut sender = Sender::new(accumulator);
    while !sender.accumulator.is_closed.get() {
        let now = Instant::now();
        let expiry = sender.expire(now);
        sender.perform_transaction();
        let timer = earlier(expiry, sender.send_ready(now));
        // Partitions that have to be added first have turned up.
        sender.perform_transaction();
        tokio::select! {
            Some(event) = sender.events.next(), if !sender.events.is_empty() => sender.handle(event),
            () = sender.accumulator.wake.notified() => {}
            () = sleep_until(timer.unwrap_or(now)), if timer.is_some() => {}
        }
    }
    sender.fail_all(&Error::closed("produce"));
}

pub(super) struct Sender {
    pub(super) accumulator: Rc<Accumulator>,
    pub(super) cluster: Cluster,
    pub(super) retries: RetryPolicy,
    links: IndexMap<i32, Link>,
    /// The producer id; None until it is fetched, and always None without idempotence.
    pub(super) identity: Option<Identity>,
    is_fetching_identity: bool,
    is_refreshing: bool,
    /// Whether something could not be sent for want of newer metadata.
    pub(super) wants_metadata: bool,
    seen_generation: u64,
    pub(super) events: FuturesUnordered<LocalBoxFuture<'static, Event>>,
    pub(super) finished: Vec<Finished>,
}

/// What the sender knows of one leader.
#[derive(Default)]
struct Link {
    in_flight_count: usize,
    is_dialing: bool,
    /// After a connection that could not be made: what refuses at once must not make us spin.
    not_before: Option<Instant>,
}

pub(super) enum Event {
    Answered { node: i32, sent: SentRequest, took: Option<Duration>, outcome: Result<ProduceResponse> },
    Dialled { node: i32, outcome: Result<()> },
    Identified(Result<Identity>),
    Refreshed(Result<()>),
    Transaction(transaction::Event),
}

/// What a request carries, in the order in which it carries it.
#[derive(Default)]
pub(super) struct SentRequest {
    pub(super) topics: IndexMap<TopicKey, SentTopic>,
    bytes: usize,
    record_count: u64,
}

/// Topics are told apart by where their state lies: cheaper than by name, and stable as long as it is held.
pub(super) type TopicKey = usize;

pub(super) struct SentTopic {
    pub(super) topic: TopicHandle,
    pub(super) batches: TopicBatches,
    pub(super) sent: Vec<(Rc<Partition>, u64)>,
}

impl Sender {
    fn new(accumulator: Rc<Accumulator>) -> Self {
        let config = &accumulator.config;
        Self {
            cluster: accumulator.cluster.clone(),
            retries: RetryPolicy {
                first: Duration::from_millis(config.retry_backoff_ms),
                max: Duration::from_millis(config.retry_backoff_max_ms),
            },
            links: IndexMap::new(),
            identity: None,
            is_fetching_identity: false,
            is_refreshing: false,
            wants_metadata: false,
            seen_generation: 0,
            events: FuturesUnordered::new(),
            finished: Vec::new(),
            accumulator,
        }
    }

    pub(super) fn config(&self) -> &ProducerConfig {
        &self.accumulator.config
    }

    /// Sends everything that may be sent at `now`; gives the time at which to look again if nothing happens before.
    fn send_ready(&mut self, now: Instant) -> Option<Instant> {
        let mut timer = self.accumulator.end_lingering(now);
        self.follow_metadata();
        if self.accumulator.ready.borrow().is_empty() {
            return timer;
        }
        if self.config().idempotence && self.identity.is_none() {
            if self.accumulator.transaction.is_none() {
                self.fetch_identity();
            }
            return timer;
        }
        for (node, mut partitions) in self.group_by_leader(now, &mut timer) {
            let resting = self.links.get(&node).and_then(|link| link.not_before).filter(|until| *until > now);
            if resting.is_some() {
                timer = earlier(timer, resting);
            } else if let Some(connection) = self.link(node) {
                match connection.throttled_until() {
                    Some(until) => timer = earlier(timer, Some(until)),
                    None => self.send_to(node, &connection, &mut partitions, now),
                }
            }
            let mut ready = self.accumulator.ready.borrow_mut();
            for partition in partitions {
                partition.is_ready.set(true);
                ready.push_back(partition);
            }
        }
        if self.wants_metadata || self.cluster.is_metadata_old() {
            self.refresh();
        }
        timer
    }

    /// Takes the ready partitions that have something to send, by the node that leads them now. Those that have to wait stay
    /// ready, and `timer` is set where they wait for a time.
    fn group_by_leader(
        &mut self,
        now: Instant,
        timer: &mut Option<Instant>,
    ) -> IndexMap<i32, VecDeque<Rc<Partition>>> {
        let metadata = self.cluster.metadata();
        let mut groups: IndexMap<i32, VecDeque<Rc<Partition>>> = IndexMap::new();
        let mut ready = self.accumulator.ready.borrow_mut();
        for _ in 0..ready.len() {
            let Some(partition) = ready.pop_front() else { break };
            let Some(topic) = partition.topic.upgrade() else { continue };
            let state = partition.state.borrow();
            if !state.queue.has_sendable() && !state.open.as_ref().is_some_and(|open| open.is_due) {
                partition.is_ready.set(false);
                continue;
            }
            let backoff_until = state.queue.backoff_until(now);
            drop(state);
            if let Some(transaction) = &self.accumulator.transaction
                && !transaction.has_admitted(&partition)
            {
                transaction.want(partition);
                continue;
            }
            match metadata.leader(&topic.name, partition.index) {
                _ if backoff_until.is_some() => {
                    *timer = earlier(*timer, backoff_until);
                    ready.push_back(partition);
                }
                Some(leader) => groups.entry(leader.node).or_default().push_back(partition),
                None => {
                    // It may have been idle for so long that it is not asked about any more.
                    self.cluster.note_use(&topic.name);
                    self.wants_metadata = true;
                    ready.push_back(partition);
                }
            }
        }
        groups
    }

    /// The live connection to `node`; otherwise one is being made.
    fn link(&mut self, node: i32) -> Option<Connection> {
        let link = self.links.entry(node).or_default();
        if let Some(connection) = self.cluster.open_connection(node) {
            return Some(connection);
        }
        if !link.is_dialing {
            link.is_dialing = true;
            let cluster = self.cluster.clone();
            self.events.push(Box::pin(async move {
                Event::Dialled { node, outcome: cluster.connection(node).await.map(|_| ()) }
            }));
        }
        None
    }

    /// Sends to one leader until it has as many requests in flight as it may, or nothing is left to send. What remains in
    /// `partitions` is still ready.
    fn send_to(
        &mut self,
        node: i32,
        connection: &Connection,
        partitions: &mut VecDeque<Rc<Partition>>,
        now: Instant,
    ) {
        let is_v2 = self.accumulator.transaction.as_ref().is_some_and(|transaction| transaction.is_v2());
        let versions = connection.versions();
        let version = match versions.version_for::<ProduceRequest>() {
            Ok(_) if is_v2 && versions.speaks::<ProduceRequest>(IMPLICIT_ADD_VERSION) => IMPLICIT_ADD_VERSION,
            Ok(version) => version,
            Err(error) => return self.fail_partitions(partitions, &error),
        };
        while self
            .links
            .get(&node)
            .is_some_and(|link| link.in_flight_count < self.accumulator.config.in_flight_max)
        {
            let sent = self.collect(node, partitions, now);
            if sent.topics.is_empty() {
                return;
            }
            self.send(node, connection, version, sent, now);
        }
    }

    /// One request: at most one batch of each partition, within `max.request.size`.
    fn collect(&mut self, node: i32, partitions: &mut VecDeque<Rc<Partition>>, now: Instant) -> SentRequest {
        let accumulator = Rc::clone(&self.accumulator);
        let config = &accumulator.config;
        let mut request = SentRequest::default();
        for _ in 0..partitions.len() {
            let Some(partition) = partitions.pop_front() else { break };
            let Some(topic) = partition.topic.upgrade() else { continue };
            let topic = TopicHandle { state: topic };
            let mut state = partition.state.borrow_mut();
            if state.queue.may_send(node, config.idempotence, config.in_flight_max, now) {
                if !state.queue.has_sendable()
                    && let Err(error) = accumulator.close_batch(&topic, &partition, &mut state)
                {
                    warn!(topic = %topic.name(), partition = partition.index, %error, "failed to close a record batch");
                }
                let size = state.queue.next_bytes();
                let fits = request.bytes == 0 || request.bytes + size <= config.request_bytes_max;
                if fits && let Some((id, wire)) = state.queue.take(node, partition.index, self.identity) {
                    request.bytes += size;
                    accumulator.queue_moved();
                    if let Some(batch) = state.queue.sent(id) {
                        request.record_count += u64::try_from(batch.header.record_count).unwrap_or(0);
                        let waited = (now + config.delivery_timeout()).duration_since(batch.deadline);
                        let mut topic = topic.state.metrics.borrow_mut();
                        accumulator.metrics.borrow_mut().batch_sent(&mut topic, batch, waited, now);
                    }
                    let key = Rc::as_ptr(&topic.state) as TopicKey;
                    let entry = request.topics.entry(key).or_insert_with(|| SentTopic {
                        batches: TopicBatches { name: topic.state.wire_name.clone(), partitions: Vec::new() },
                        topic,
                        sent: Vec::new(),
                    });
                    entry.batches.partitions.push(wire);
                    entry.sent.push((Rc::clone(&partition), id));
                }
            }
            let has_more = state.queue.has_sendable() || state.open.as_ref().is_some_and(|open| open.is_due);
            drop(state);
            if has_more {
                partitions.push_back(partition);
            } else {
                partition.is_ready.set(false);
            }
        }
        request
    }

    fn send(
        &mut self,
        node: i32,
        connection: &Connection,
        version: i16,
        mut sent: SentRequest,
        now: Instant,
    ) {
        let config = &self.accumulator.config;
        self.accumulator.metrics.borrow_mut().request_sent(sent.record_count, now);
        let acks = config.acks;
        let timeout_ms = i32::try_from(config.request_timeout_ms).unwrap_or(i32::MAX);
        let batches: Vec<TopicBatches> = sent
            .topics
            .values_mut()
            .map(|topic| TopicBatches {
                name: topic.batches.name.clone(),
                partitions: std::mem::take(&mut topic.batches.partitions),
            })
            .collect();
        let reply = connection.send_pieces::<ProduceRequest>(
            version,
            acks != Acks::None,
            |correlation_id, client_id, pieces| {
                let head = ProduceHead {
                    version,
                    correlation_id,
                    client_id,
                    transactional_id: config.transactional_id.as_deref(),
                    acks: acks.as_i16(),
                    timeout_ms,
                };
                encode(head, &batches, pieces)
            },
        );
        if let Some(link) = self.links.get_mut(&node) {
            link.in_flight_count += 1;
        }
        let connection = connection.clone();
        self.events.push(Box::pin(async move {
            let outcome = match reply {
                Err(error) => Err(error),
                Ok(mut reply) if acks == Acks::None => {
                    std::future::poll_fn(|cx| reply.poll_frame(cx)).await.map(|_| ProduceResponse::default())
                }
                Ok(reply) => reply.await,
            };
            let mut took = None;
            if let Ok(response) = &outcome
                && acks != Acks::None
            {
                let answered_at = Instant::now();
                let elapsed = answered_at.duration_since(now);
                connection.throttle(response.throttle_time_ms);
                connection.metrics().answered(elapsed, answered_at);
                took = Some(elapsed);
            }
            Event::Answered { node, sent, took, outcome }
        }));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Answered { node, sent, took, outcome } => {
                if let Some(link) = self.links.get_mut(&node) {
                    link.in_flight_count -= 1;
                }
                if let (Ok(response), Some(took)) = (&outcome, took) {
                    let mut metrics = self.accumulator.metrics.borrow_mut();
                    metrics.answered(took, response.throttle_time_ms, Instant::now());
                }
                self.answered(sent, outcome);
            }
            Event::Dialled { node, outcome } => {
                if let Some(link) = self.links.get_mut(&node) {
                    let pause = Duration::from_millis(self.cluster.config().reconnect_backoff_ms);
                    link.is_dialing = false;
                    link.not_before = outcome.is_err().then(|| Instant::now() + pause);
                }
                if let Err(error) = outcome {
                    debug!(node, %error, "failed to connect to the leader of partitions");
                    self.wants_metadata = true;
                }
            }
            Event::Identified(outcome) => {
                self.is_fetching_identity = false;
                match outcome {
                    Ok(identity) => self.identity = Some(identity),
                    // What was appended meanwhile fails; the next record makes us ask again.
                    Err(error) => self.fail_all(&error),
                }
            }
            Event::Transaction(event) => {
                if let Some(transaction) = &self.accumulator.transaction {
                    transaction.step(event);
                }
            }
            Event::Refreshed(outcome) => {
                self.is_refreshing = false;
                if let Err(error) = outcome {
                    debug!(%error, "failed to refresh metadata");
                }
            }
        }
    }

    fn fetch_identity(&mut self) {
        if std::mem::replace(&mut self.is_fetching_identity, true) {
            return;
        }
        let cluster = self.cluster.clone();
        let deadline = Instant::now() + self.config().delivery_timeout();
        self.events.push(Box::pin(async move {
            let fetched = cluster.retrying(&Target::Any, deadline, async || {
                let build = |_version| {
                    InitProducerIdRequest::default()
                        // The crate's default is an empty id, which Kafka refuses.
                        .with_transactional_id(None)
                        .with_transaction_timeout_ms(i32::MAX)
                };
                let (response, _) = cluster.call(&Target::Any, build).await?;
                Error::check("get a producer id", response.error_code)?;
                Ok(Identity {
                    producer_id: response.producer_id.0,
                    epoch: response.producer_epoch,
                    is_transactional: false,
                })
            });
            Event::Identified(fetched.await)
        }));
    }

    fn refresh(&mut self) {
        if std::mem::replace(&mut self.is_refreshing, true) {
            return;
        }
        self.wants_metadata = false;
        let cluster = self.cluster.clone();
        self.events.push(Box::pin(async move {
            let seen_generation = cluster.metadata().generation;
            Event::Refreshed(cluster.refresh(seen_generation).await.map(|_| ()))
        }));
    }

    /// Takes over new partitions and leaders from a newer view.
    fn follow_metadata(&mut self) {
        let metadata = self.cluster.metadata();
        if metadata.generation == self.seen_generation {
            return;
        }
        self.seen_generation = metadata.generation;
        self.links.retain(|node, link| {
            link.in_flight_count > 0 || link.is_dialing || metadata.node(*node).is_some()
        });
        self.forget_unused_topics(&metadata);
        for (name, topic) in self.accumulator.topics.borrow().iter() {
            if let Some(known) = metadata.topic(name)
                && known.error == ErrorCode::NONE
            {
                topic.update(known, self.cluster.pool(), self.accumulator.config.batch_bytes);
            }
        }
    }

    /// Drops topics that were idle for `metadata.max.idle.ms`, so that metadata no longer has them, and that nobody holds on to.
    ///
    /// With them goes what their last sequences were. A topic that comes back starts again at 0, so it must not do so under an epoch
    /// that it had before: the broker would take its first batch for a copy of an old one.
    fn forget_unused_topics(&mut self, metadata: &Metadata) {
        let accumulator = Rc::clone(&self.accumulator);
        accumulator.topics.borrow_mut().retain(|name, topic| {
            if metadata.topic(name).is_some() || Rc::strong_count(&topic.state) > 1 || !topic.state.is_idle()
            {
                return true;
            }
            let used = topic.state.identities();
            if accumulator.transaction.is_some() {
                // The coordinator gives the epochs: until it has given another one the sequences go on.
                return self.identity.is_some_and(|identity| used.contains(&identity));
            }
            let last_epoch = used
                .iter()
                .filter(|used| self.identity.is_some_and(|identity| used.producer_id == identity.producer_id))
                .map(|used| used.epoch)
                .max();
            if let (Some(last), Some(identity)) = (last_epoch, self.identity) {
                // With the last epoch used up a new producer id has to be fetched.
                self.identity =
                    last.checked_add(1).map(|next| Identity { epoch: identity.epoch.max(next), ..identity });
            }
            false
        });
    }

    /// Fails what has not been delivered in time; gives the time before which nothing else can expire.
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        let no_expiry_before = self.accumulator.no_expiry_before.get()?;
        if no_expiry_before > now {
            return Some(no_expiry_before);
        }
        let mut earliest: Option<Instant> = None;
        self.for_each_partition(|sender, topic, partition| {
            let mut state = partition.state.borrow_mut();
            if state.open.as_ref().is_some_and(|open| open.deadline <= now) {
                let cause = Error::timeout("deliver record batch");
                let finished = &mut sender.finished;
                sender.accumulator.fail_open_batch(topic, partition, &mut state, &cause, finished);
            }
            state.queue.expire(now, &mut sender.finished);
            let open = state.open.as_ref().map(|open| open.deadline);
            earliest = earlier(earliest, earlier(open, state.queue.earliest_deadline()));
        });
        self.accumulator.no_expiry_before.set(earliest);
        earliest
    }

    fn fail_all(&mut self, cause: &Error) {
        for partition in self.accumulator.ready.borrow_mut().drain(..) {
            partition.is_ready.set(false);
        }
        self.for_each_partition(|sender, topic, partition| {
            let mut state = partition.state.borrow_mut();
            state.queue.fail_all(cause, &mut sender.finished);
            sender.accumulator.fail_open_batch(topic, partition, &mut state, cause, &mut sender.finished);
        });
    }

    fn fail_partitions(&mut self, partitions: &mut VecDeque<Rc<Partition>>, cause: &Error) {
        for partition in partitions.drain(..) {
            partition.is_ready.set(false);
            let Some(topic) = partition.topic.upgrade() else { continue };
            let topic = TopicHandle { state: topic };
            {
                let mut state = partition.state.borrow_mut();
                state.queue.fail_all(cause, &mut self.finished);
                self.accumulator.fail_open_batch(&topic, &partition, &mut state, cause, &mut self.finished);
            }
            for finished in self.finished.drain(..) {
                self.accumulator.finish(&topic, partition.index, finished);
            }
        }
    }

    /// Whether nothing is buffered and nothing in flight, expired batches included.
    pub(super) fn is_idle(&self) -> bool {
        self.accumulator.is_drained() && self.links.values().all(|link| link.in_flight_count == 0)
    }

    /// Calls `visit` for every partition and reports what it finished.
    pub(super) fn for_each_partition(
        &mut self,
        mut visit: impl FnMut(&mut Self, &TopicHandle, &Rc<Partition>),
    ) {
        let topics: Vec<TopicHandle> = self.accumulator.topics.borrow().values().cloned().collect();
        for topic in topics {
            let partitions = topic.state.partitions.borrow().clone();
            for partition in &partitions {
                visit(self, &topic, partition);
                for finished in self.finished.drain(..) {
                    self.accumulator.finish(&topic, partition.index, finished);
                }
            }
        }
    }
}

fn earlier(left: Option<Instant>, right: Option<Instant>) -> Option<Instant> {
    left.into_iter().chain(right).min()
}
