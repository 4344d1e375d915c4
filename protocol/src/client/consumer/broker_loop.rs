//! One broker's loop: positions that need looking up or checking, then one fetch after the other.
//!
//! The next fetch leaves as soon as the last response is sorted, so the broker works while the user does. Errors of the connection
//! back off here and hold up no other broker.
//!
//! A consumer that has had nothing for a while lets the broker hold its fetches back for longer than `fetch.max.wait.ms` says: data still end
//! the wait at once, and a thousand idle consumers ask ten times less often. If something else is wanted meanwhile, the connection
//! with the waiting fetch is given up for a new one, because brokers answer the requests of a connection one after the other.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;
use uuid::Uuid;

use super::budget::FLOOR_BYTES;
use super::metrics::Amount;
use super::offset_requests::{check_epochs, find_offsets};
use super::partitions::Ready;
use super::plan::Plan;
use super::response::{Judge, Outcome};
use super::session::{FetchSession, PartitionFetch, SessionRequest};
use super::shared::Shared;
use crate::client::TopicPartition;
use crate::cluster::{Leader, RetryPolicy};
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use crate::wire::messages::fetch_response::FetchResponse;
use crate::wire::messages::{ApiKey, FetchRequest, StrBytes, TopicName, VersionRange};
use crate::wire::versions::{FETCH_MAX_BY_ID, negotiate, supported};
use crate::{Error, ErrorCode};

/// The first version with fetch sessions.
const SESSIONS_SINCE: i16 = 7;
/// The first version that says where the client is (KIP-392).
const RACK_SINCE: i16 = 11;
/// The first version that names topics by id, so that nobody mistakes a recreated topic for its namesake (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// The first wait of a fetch that leaves partitions out for the budget.
const HOLDING_BACK_WAIT_MS: i32 = 10;

/// Empty answers in a row before the broker may wait for longer.
const EMPTY_ANSWERS_MIN: u32 = 10;
/// How long a broker may hold back the fetch of an idle consumer. A broker that died silently is noticed so much later than the request
/// timeout: short beside Java's 30 s.
const IDLE_WAIT_MS: i32 = 10_000;
/// Idle fetches end at multiples of this, so that a process with many idle consumers wakes for all of them at once.
const IDLE_STEP_MS: i32 = 500;

/// Runs until `node` leads nothing that is assigned.
pub(super) async fn run(shared: Rc<Shared>, node: i32) {
    let mut broker = BrokerLoop {
        node,
        session: FetchSession::new(),
        failure_count: 0,
        holding_back_wait_ms: HOLDING_BACK_WAIT_MS,
        empty_answers: 0,
        expected_bytes: 0,
    };
    loop {
        let notified = shared.fetchers.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let plan = {
            if shared.take_over_metadata() {
                // A leader may have no loop yet; the supervisor starts it.
                shared.wake_all();
            }
            let mut partitions = shared.partitions.borrow_mut();
            let node_count = shared.fetching_nodes.borrow().len();
            partitions.plan(node, node_count, &shared.config, Instant::now())
        };
        let outcome = match plan {
            Plan::FindOffsets(queries) => find_offsets(&shared, node, queries).await,
            Plan::CheckEpochs(queries) => check_epochs(&shared, node, queries).await,
            Plan::Fetch { wanted, bytes_max, is_holding_back } => {
                let wait_ms = broker.wait_ms(&shared, is_holding_back);
                let enough = broker.expected_bytes.max(FLOOR_BYTES);
                let bytes_max = bytes_max.min(i32::try_from(enough).unwrap_or(i32::MAX));
                if wait_ms <= shared.config.fetch_max_wait_ms {
                    broker.fetch(&shared, wanted, bytes_max, wait_ms).await
                } else {
                    broker.fetch_idle(&shared, wanted, bytes_max, wait_ms).await
                }
            }
            Plan::Wait(None) => {
                notified.await;
                Ok(())
            }
            Plan::Wait(Some(until)) => {
                tokio::select! { () = notified => {}, () = sleep_until(until) => {} }
                Ok(())
            }
            Plan::Done => {
                shared.fetching_nodes.borrow_mut().remove(&node);
                return;
            }
        };
        match outcome {
            Ok(()) => broker.failure_count = 0,
            Err(error) => broker.recover(&shared, error).await,
        }
    }
}

/// How long a broker may hold back an idle fetch that is sent now, by the wall clock.
fn idle_wait_ms(now_ms: i64) -> i32 {
    IDLE_WAIT_MS - now_ms.rem_euclid(i64::from(IDLE_STEP_MS)) as i32
}

struct BrokerLoop {
    node: i32,
    session: FetchSession,
    failure_count: u32,
    holding_back_wait_ms: i32,
    /// How many answers in a row had no data.
    empty_answers: u32,
    /// How much the next fetch may bring: twice what the last one brought. It asks for no more, or for [`FLOOR_BYTES`]: one that has got less
    /// than it may is not short of it, and a thousand that begin at the same time do not bring a thousand times as much as each may have.
    expected_bytes: usize,
}

impl BrokerLoop {
    /// How long the broker may hold the fetch back. While partitions are left out for the budget, the wait starts short and doubles: the
    /// user may take their data at any time, and then they must not wait longer for this fetch than the user was busy.
    fn wait_ms(&mut self, shared: &Shared, is_holding_back: bool) -> i32 {
        let config = &shared.config;
        let wait_ms_max = config.fetch_max_wait_ms;
        if !is_holding_back {
            self.holding_back_wait_ms = HOLDING_BACK_WAIT_MS;
            // With a larger minimum the wait is also how late a small amount of data may come.
            let is_idle = self.empty_answers >= EMPTY_ANSWERS_MIN && config.fetch_min_bytes <= 1;
            if !is_idle {
                return wait_ms_max;
            }
            return wait_ms_max.max(idle_wait_ms(shared.cluster.env().clock.now_ms()));
        }
        let wait_ms = self.holding_back_wait_ms.min(wait_ms_max);
        self.holding_back_wait_ms = self.holding_back_wait_ms.saturating_mul(2);
        wait_ms
    }

    /// As [`fetch`](Self::fetch), but given up as soon as something else is to be fetched than `wanted`.
    async fn fetch_idle(
        &mut self,
        shared: &Rc<Shared>,
        wanted: Vec<(TopicPartition, PartitionFetch)>,
        bytes_max: i32,
        wait_ms: i32,
    ) -> Result<(), Error> {
        let node = self.node;
        tokio::select! {
            biased;
            fetched = self.fetch(shared, wanted.clone(), bytes_max, wait_ms) => return fetched,
            () = changed(shared, node, &wanted) => {}
        }
        self.empty_answers = 0;
        self.session.on_failure();
        if let Some(connection) = shared.cluster.open_connection(node) {
            connection.close(Error::disconnected("fetch", "given up for another fetch"));
        }
        Ok(())
    }

    async fn fetch(
        &mut self,
        shared: &Rc<Shared>,
        wanted: Vec<(TopicPartition, PartitionFetch)>,
        bytes_max: i32,
        wait_ms: i32,
    ) -> Result<(), Error> {
        // Not what it asks for: of those that get a few records now and then others would have nothing left.
        let mut under_way = shared.config.prefetch_budget.share();
        under_way.add(self.expected_bytes.min(usize::try_from(bytes_max).unwrap_or(0)));
        let sent = self.exchange(shared, wanted, bytes_max, wait_ms).await;
        let response = sent.inspect_err(|_| self.session.on_failure())?;
        // From here on it counts as untaken.
        drop(under_way);
        let code = ErrorCode(response.error_code);
        if !self.session.on_response(code, response.session_id) {
            if matches!(
                code,
                ErrorCode::FETCH_SESSION_ID_NOT_FOUND
                    | ErrorCode::INVALID_FETCH_SESSION_EPOCH
                    | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
            ) {
                debug!(node = self.node, %code, "fetch session is gone, starting another");
                return Ok(());
            }
            return Err(Error::broker("fetch", code));
        }
        self.sort(shared, response);
        Ok(())
    }

    async fn exchange(
        &mut self,
        shared: &Rc<Shared>,
        wanted: Vec<(TopicPartition, PartitionFetch)>,
        bytes_max: i32,
        wait_ms: i32,
    ) -> Result<FetchResponse, Error> {
        let connection = shared.cluster.connection(self.node).await?;
        if let Some(until) = connection.throttled_until() {
            sleep_until(until).await;
        }
        let ours = VersionRange {
            max: FETCH_MAX_BY_ID,
            ..supported(ApiKey::Fetch as i16).unwrap_or(VersionRange { min: 4, max: 12 })
        };
        let theirs = connection.versions().range(ApiKey::Fetch as i16);
        let version = theirs.and_then(|theirs| negotiate(ours, theirs)).ok_or_else(|| {
            Error::unsupported("fetch", format!("node {} speaks no version that we do", self.node))
        })?;
        let uses_topic_ids =
            version >= TOPIC_IDS_SINCE && wanted.iter().all(|(_, fetch)| !fetch.topic_id.is_nil());
        let version = if uses_topic_ids { version } else { version.min(TOPIC_IDS_SINCE - 1) };
        let request = self.session.request(wanted, uses_topic_ids);
        let message = fetch_request(shared, request, version, bytes_max, wait_ms);
        let limit = Duration::from_millis(shared.cluster.config().request_timeout_ms)
            + Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        let sent_at = Instant::now();
        let response = connection.send_within(version, &message, limit)?.await?;
        let now = Instant::now();
        let took = now.duration_since(sent_at);
        connection.metrics().answered(took, now);
        shared.metrics.borrow_mut().answered(took, response.throttle_time_ms, now);
        connection.throttle(response.throttle_time_ms);
        Ok(response)
    }

    fn sort(&mut self, shared: &Rc<Shared>, response: FetchResponse) {
        let policy = RetryPolicy::requests(shared.cluster.config());
        let backoff = |failure_count| policy.backoff(shared.cluster.env(), failure_count);
        let judge = judge(shared, self.node, &backoff);
        let mut all = Amount::default();
        let mut is_ready = false;
        let mut is_stale = false;
        for topic in response.responses {
            let mut of_topic: Option<(Arc<str>, Amount)> = None;
            let by_id = self.session.name_of(topic.topic_id);
            let name: &str = by_id.map_or(&topic.topic, |name| name);
            for data in topic.partitions {
                let Some(sent) = self.session.known(name, data.partition_index) else { continue };
                let index = data.partition_index;
                let leader =
                    Leader { node: data.current_leader.leader_id.0, epoch: data.current_leader.leader_epoch };
                let mut partitions = shared.partitions.borrow_mut();
                let outcome = partitions.on_fetched(name, sent, data, &judge);
                if let (Outcome::Ready, Some(Ready::Data(fetched))) = (&outcome, partitions.ready.back()) {
                    let amount = Amount { bytes: fetched.bytes, record_count: fetched.record_count };
                    of_topic
                        .get_or_insert_with(|| (Arc::clone(&fetched.topic), Amount::default()))
                        .1
                        .add(amount);
                    all.add(amount);
                }
                drop(partitions);
                match outcome {
                    Outcome::Nothing => {}
                    Outcome::Ready => is_ready = true,
                    Outcome::StaleLeader => {
                        is_stale = true;
                        if leader.node >= 0 {
                            shared.cluster.note_leader(name, index, leader);
                        }
                    }
                    Outcome::Report(error) => shared.report(error),
                }
            }
            if let Some((topic, amount)) = of_topic {
                shared.metrics.borrow_mut().topic_fetched(&topic, amount, judge.now);
            }
        }
        if is_ready {
            shared.metrics.borrow_mut().fetched(all, judge.now);
            shared.user.notify_one();
        }
        if is_stale {
            shared.wake_all();
        }
        self.expected_bytes = all.bytes.saturating_mul(2);
        self.empty_answers = if is_ready || is_stale { 0 } else { self.empty_answers.saturating_add(1) };
    }

    /// The broker could not be asked: its partitions may be led by another one by now.
    async fn recover(&mut self, shared: &Rc<Shared>, error: Error) {
        self.failure_count = self.failure_count.saturating_add(1);
        debug!(node = self.node, %error, failure_count = self.failure_count, "failed to fetch from broker");
        if !error.is_retriable() {
            shared.report(error);
        }
        let generation = shared.cluster.metadata().generation;
        for partition in shared.partitions.borrow_mut().map.values_mut() {
            if partition.leader.is_some_and(|leader| leader.node == self.node) {
                partition.stale_generation = Some(generation);
            }
            partition.preferred_replica.take_if(|(node, _)| *node == self.node);
        }
        shared.wake_all();
        let policy = RetryPolicy::requests(shared.cluster.config());
        sleep(policy.backoff(shared.cluster.env(), self.failure_count)).await;
    }
}

/// Resolves when `node` should be asked for something else than `wanted`.
async fn changed(shared: &Shared, node: i32, wanted: &[(TopicPartition, PartitionFetch)]) {
    loop {
        let notified = shared.fetchers.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        // Leaders may have changed, too.
        if shared.take_over_metadata() {
            shared.wake_all();
        }
        let node_count = shared.fetching_nodes.borrow().len();
        let plan = shared.partitions.borrow_mut().plan(node, node_count, &shared.config, Instant::now());
        if !matches!(plan, Plan::Fetch { wanted: now, is_holding_back: false, .. } if now == wanted) {
            return;
        }
        notified.await;
    }
}

pub(super) fn judge<'a>(shared: &'a Shared, node: i32, backoff: &'a dyn Fn(u32) -> Duration) -> Judge<'a> {
    Judge {
        config: &shared.config,
        node,
        generation: shared.cluster.metadata().generation,
        now: Instant::now(),
        preferred_replica_age_max: Duration::from_millis(shared.cluster.config().metadata_max_age_ms),
        backoff,
    }
}

fn fetch_request(
    shared: &Shared,
    request: SessionRequest,
    version: i16,
    bytes_max: i32,
    wait_ms: i32,
) -> FetchRequest {
    let config = &shared.config;
    let uses_topic_ids = version >= TOPIC_IDS_SINCE;
    // Grouped by name and id: both namesakes of a recreated topic may be in one request.
    let mut topics: IndexMap<(Arc<str>, Uuid), Vec<FetchPartition>> = IndexMap::new();
    for (tp, fetch) in request.send {
        let partition = FetchPartition::default()
            .with_partition(tp.partition)
            .with_fetch_offset(fetch.offset)
            .with_partition_max_bytes(fetch.bytes_max);
        let partition =
            if version >= 9 { partition.with_current_leader_epoch(fetch.leader_epoch) } else { partition };
        topics.entry((tp.topic, fetch.topic_id)).or_default().push(partition);
    }
    let topics = topics
        .into_iter()
        .map(|((topic, id), partitions)| {
            let named = if uses_topic_ids {
                FetchTopic::default().with_topic_id(id)
            } else {
                FetchTopic::default().with_topic(topic_name(&topic))
            };
            named.with_partitions(partitions)
        })
        .collect();
    let mut message = FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(config.fetch_min_bytes)
        .with_max_bytes(bytes_max)
        .with_isolation_level(config.isolation_level_wire())
        .with_topics(topics);
    if version >= SESSIONS_SINCE {
        let mut forgotten: IndexMap<(Arc<str>, Uuid), Vec<i32>> = IndexMap::new();
        for (tp, id) in request.forget {
            forgotten.entry((tp.topic, id)).or_default().push(tp.partition);
        }
        let forgotten = forgotten.into_iter().map(|((topic, id), partitions)| {
            let named = if uses_topic_ids {
                ForgottenTopic::default().with_topic_id(id)
            } else {
                ForgottenTopic::default().with_topic(topic_name(&topic))
            };
            named.with_partitions(partitions)
        });
        message = message
            .with_session_id(request.session_id)
            .with_session_epoch(request.epoch)
            .with_forgotten_topics_data(forgotten.collect());
    }
    if version >= RACK_SINCE
        && let Some(rack) = &config.client_rack
    {
        message = message.with_rack_id(StrBytes::from_string(rack.to_string()));
    }
    message
}

pub(super) fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_fetches_that_begin_at_different_times_end_together_and_none_lasts_longer_than_the_limit() {
        for now_ms in [0, 1, 499, 500, 1_795_957_262_349, -1] {
            let wait_ms = idle_wait_ms(now_ms);
            assert_eq!((now_ms + i64::from(wait_ms)) % i64::from(IDLE_STEP_MS), 0, "{now_ms}");
            assert!((IDLE_WAIT_MS - IDLE_STEP_MS + 1..=IDLE_WAIT_MS).contains(&wait_ms), "{now_ms}");
        }
    }
}
