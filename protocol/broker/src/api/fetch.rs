//! `Fetch`: stored batches as they are, at once or as soon as enough was appended.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::wire::messages::{FetchRequest, FetchResponse, TopicName, VersionRange};
use tokio::time::{Instant, timeout_at};

use super::call::{Answer, Api, Call, versions};
use super::fetch_response::{DivergingEpoch, FetchAnswer, Leader, PartitionAnswer};
use crate::cluster::{Cluster, FetchSession, FetchWatch, Node, Reported, SessionPartition, TopicRef};
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::text;

/// Session epoch of a request that wants no session (and closes the one that it names).
const NO_SESSION: i32 = -1;
/// Session epoch of a request that names all partitions and wants a new session.
const NEW_SESSION: i32 = 0;

/// See the module.
#[derive(Debug)]
pub(super) struct Fetch;

impl Api for Fetch {
    type Request = FetchRequest;

    const VERSIONS: VersionRange = versions(4, 18);

    async fn handle(call: &Call, request: FetchRequest) -> Answer<FetchResponse> {
        let now = Instant::now();
        let prepared = prepare(&mut call.shared.cluster.borrow_mut(), call, &request, now);
        let (session, is_full) = match prepared {
            Ok(prepared) => prepared,
            Err(code) => return Self::refuse(call.version, request, code).into(),
        };
        let read = Read {
            node_id: call.node_id,
            bytes_max: usize::try_from(request.max_bytes)
                .unwrap_or(0)
                .min(call.shared.config.fetch_bytes_max),
            is_full,
            is_committed_only: request.isolation_level == 1,
        };
        let mut answer = read.run(&mut call.shared.cluster.borrow_mut(), &mut session.borrow_mut());
        let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0).min(read.bytes_max);
        let deadline = now + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let has_partitions = !session.borrow().partitions.is_empty();
        // Woken early where only an open transaction grew, or the partition was compacted: then it waits on.
        while answer.record_bytes < bytes_min
            && !answer.has_error
            && has_partitions
            && Instant::now() < deadline
        {
            let watching = Watching::start(&call.shared, &session, bytes_min - answer.record_bytes);
            // What was found so far is read again, with what came since.
            drop(answer);
            // Running out of time is not a failure: the client gets what there is.
            let _elapsed = timeout_at(deadline, watching.watch.woken()).await;
            drop(watching);
            answer = read.run(&mut call.shared.cluster.borrow_mut(), &mut session.borrow_mut());
        }
        read.report(&answer, &mut session.borrow_mut());
        answer.session_id = session.borrow().id;
        let cluster = call.shared.cluster.borrow();
        let nodes: Vec<&Node> = cluster.running_nodes().collect();
        Answer::Frame(answer.encode(call.version, call.correlation_id, &nodes))
    }

    fn refuse(version: i16, request: FetchRequest, code: ErrorCode) -> FetchResponse {
        if version >= 7 {
            return FetchResponse::default().with_error_code(code.0);
        }
        let topics = request.topics.into_iter().map(|topic| {
            let failed = topic.partitions.iter().map(|partition| {
                PartitionData::default()
                    .with_partition_index(partition.partition)
                    .with_error_code(code.0)
                    .with_high_watermark(-1)
                    .with_records(Some(Bytes::new()))
            });
            FetchableTopicResponse::default().with_partitions(failed.collect()).with_topic(topic.topic)
        });
        FetchResponse::default().with_responses(topics.collect())
    }
}

/// Finds or makes the session; the flag says whether every partition has to be in the answer.
fn prepare(
    cluster: &mut Cluster,
    call: &Call,
    request: &FetchRequest,
    now: Instant,
) -> Result<(Rc<RefCell<FetchSession>>, bool), ErrorCode> {
    let uses_topic_ids = call.version >= 13;
    // Versions without sessions leave both fields at defaults that mean "none".
    let (id, epoch) =
        if call.version >= 7 { (request.session_id, request.session_epoch) } else { (0, NO_SESSION) };
    if matches!(epoch, NO_SESSION | NEW_SESSION) {
        cluster.sessions.close(id);
        let mut session = FetchSession::transient(uses_topic_ids, now);
        apply(&mut session, &request.topics, epoch == NEW_SESSION);
        let session = Rc::new(RefCell::new(session));
        if epoch == NEW_SESSION {
            let Cluster { sessions, random, .. } = cluster;
            sessions.open(&session, random, now);
        }
        return Ok((session, true));
    }
    let session = cluster.sessions.resume(id, epoch, uses_topic_ids, now)?;
    {
        let mut state = session.borrow_mut();
        for topic in &request.forgotten_topics_data {
            let topic_ref = topic_ref(uses_topic_ids, &topic.topic, topic.topic_id);
            for index in &topic.partitions {
                state.partitions.shift_remove(&(topic_ref.clone(), *index));
            }
        }
        apply(&mut state, &request.topics, true);
        if state.partitions.len() > call.shared.config.partition_count_max {
            return Err(ErrorCode::INVALID_REQUEST);
        }
    }
    Ok((session, false))
}

/// Adds or changes partitions. What is kept must not pin the request.
fn apply(session: &mut FetchSession, topics: &[FetchTopic], is_kept: bool) {
    for topic in topics {
        let mut topic_ref = topic_ref(session.uses_topic_ids, &topic.topic, topic.topic_id);
        if let TopicRef::Name(name) = &mut topic_ref
            && is_kept
        {
            *name = TopicName(text::detached(name));
        }
        for partition in &topic.partitions {
            let wanted = session_partition(partition);
            session
                .partitions
                .entry((topic_ref.clone(), partition.partition))
                .and_modify(|known| *known = SessionPartition { reported: known.reported, ..wanted.clone() })
                .or_insert(wanted);
        }
    }
}

fn session_partition(partition: &FetchPartition) -> SessionPartition {
    SessionPartition {
        fetch_offset: partition.fetch_offset,
        bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
        reported: None,
    }
}

fn topic_ref(uses_topic_ids: bool, name: &TopicName, id: uuid::Uuid) -> TopicRef {
    if uses_topic_ids { TopicRef::Id(id) } else { TopicRef::Name(name.clone()) }
}

/// One pass over the partitions of a fetch.
struct Read {
    node_id: i32,
    bytes_max: usize,
    /// Whether partitions without news are in the answer too.
    is_full: bool,
    is_committed_only: bool,
}

impl Read {
    fn run(&self, cluster: &mut Cluster, session: &mut FetchSession) -> FetchAnswer {
        let mut answer = FetchAnswer { is_committed_only: self.is_committed_only, ..FetchAnswer::default() };
        let count = session.partitions.len();
        let first = if session.first < count { session.first } else { 0 };
        for step in 0..count {
            let index = (first + step) % count;
            let Some(((topic, partition), wanted)) = session.partitions.get_index(index) else {
                continue;
            };
            let read = self.partition(cluster, topic, *partition, wanted, &mut answer);
            answer.has_error |= read.code != ErrorCode::NONE || read.diverging.is_some();
            let is_news = !read.records.is_empty()
                || read.code != ErrorCode::NONE
                || read.diverging.is_some()
                || wanted.reported != Some(read.reported());
            if self.is_full || is_news {
                answer.partitions.push(read);
            }
        }
        answer
    }

    fn partition(
        &self,
        cluster: &mut Cluster,
        topic: &TopicRef,
        index: i32,
        wanted: &SessionPartition,
        answer: &mut FetchAnswer,
    ) -> PartitionAnswer {
        let mut read = PartitionAnswer::new(topic.clone(), index);
        if let Err(refusal) = self.read_partition(cluster, topic, index, wanted, answer, &mut read) {
            read.code = refusal.code;
            if refusal.code == ErrorCode::NOT_LEADER_OR_FOLLOWER
                || refusal.code == ErrorCode::FENCED_LEADER_EPOCH
            {
                read.leader = leader_of(cluster, topic, index);
            }
        }
        read
    }

    fn read_partition(
        &self,
        cluster: &mut Cluster,
        topic: &TopicRef,
        index: i32,
        wanted: &SessionPartition,
        answer: &mut FetchAnswer,
        read: &mut PartitionAnswer,
    ) -> Result<(), Refusal> {
        let name = match topic {
            TopicRef::Name(name) => name.clone(),
            TopicRef::Id(id) => cluster.name_of(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?.clone(),
        };
        let partition = cluster.led_partition(self.node_id, &name, index)?;
        partition.check_epoch(wanted.current_leader_epoch)?;
        let log = &mut partition.log;
        if wanted.last_fetched_epoch >= 0 {
            // KIP-320: the client's log may have gone another way than ours.
            let end = log.end_of_epoch(wanted.last_fetched_epoch, partition.leader_epoch);
            let (epoch, end_offset) = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
            if epoch < wanted.last_fetched_epoch || end_offset < wanted.fetch_offset {
                read.diverging = Some(DivergingEpoch { epoch, end_offset });
            }
        }
        let offset = wanted.fetch_offset;
        if offset < log.start_offset() || offset > log.end_offset() {
            if read.diverging.is_none() {
                return Err(ErrorCode::OFFSET_OUT_OF_RANGE.into());
            }
        } else if read.diverging.is_none() {
            // The first records of an answer come whatever their size, so that a client always gets on (KIP-74).
            let is_first = answer.record_bytes == 0;
            let room = wanted.bytes_max.min(self.bytes_max.saturating_sub(answer.record_bytes));
            let end_offset = if self.is_committed_only { log.stable_offset() } else { log.end_offset() };
            let (bytes, read_to) = log.read(offset, end_offset, room, is_first, &mut read.records);
            read.record_bytes = bytes;
            answer.record_bytes += bytes;
            if self.is_committed_only && bytes > 0 {
                read.aborted = log.aborted_in(offset, read_to);
            }
        }
        read.high_watermark = log.end_offset();
        read.stable_offset = log.stable_offset();
        read.log_start_offset = log.start_offset();
        Ok(())
    }

    /// Remembers what the answer says, and lets other partitions go first next time.
    fn report(&self, answer: &FetchAnswer, session: &mut FetchSession) {
        if session.id == 0 {
            return;
        }
        let count = session.partitions.len();
        for read in &answer.partitions {
            let key = (read.topic.clone(), read.index);
            let Some((index, _, known)) = session.partitions.get_full_mut(&key) else {
                continue;
            };
            // An error is said again until it goes away.
            known.reported = (read.code == ErrorCode::NONE).then_some(read.reported());
            if read.record_bytes > 0 {
                session.first = (index + 1) % count;
            }
        }
    }
}

impl PartitionAnswer {
    fn reported(&self) -> Reported {
        Reported { high_watermark: self.high_watermark, log_start_offset: self.log_start_offset }
    }
}

fn leader_of(cluster: &Cluster, topic: &TopicRef, index: i32) -> Option<Leader> {
    let name = match topic {
        TopicRef::Name(name) => name,
        TopicRef::Id(id) => cluster.name_of(id)?,
    };
    let partition = cluster.topic(name)?.partitions.get(usize::try_from(index).ok()?)?;
    (partition.leader >= 0).then_some(Leader { id: partition.leader, epoch: partition.leader_epoch })
}

/// Keeps a watch on all partitions of a session, and takes it off again even if the connection goes away.
struct Watching {
    shared: Rc<Shared>,
    watch: Rc<FetchWatch>,
    partitions: Vec<(TopicName, i32)>,
}

impl Watching {
    fn start(shared: &Rc<Shared>, session: &Rc<RefCell<FetchSession>>, missing_bytes: usize) -> Self {
        let watch = FetchWatch::new(missing_bytes as i64);
        let mut cluster = shared.cluster.borrow_mut();
        let mut partitions = Vec::new();
        for (topic, index) in session.borrow().partitions.keys() {
            let name = match topic {
                TopicRef::Name(name) => Some(name.clone()),
                TopicRef::Id(id) => cluster.name_of(id).cloned(),
            };
            let found = name.and_then(|name| {
                let topic = cluster.topic_mut(&name)?;
                Some((name, topic.partitions.get_mut(usize::try_from(*index).ok()?)?))
            });
            if let Some((name, partition)) = found {
                partition.watches.add(&watch);
                partitions.push((name, *index));
            }
        }
        Self { shared: Rc::clone(shared), watch, partitions }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut cluster = self.shared.cluster.borrow_mut();
        for (name, index) in &self.partitions {
            let partition = cluster
                .topic_mut(name)
                .and_then(|topic| topic.partitions.get_mut(usize::try_from(*index).ok()?));
            if let Some(partition) = partition {
                partition.watches.remove(&self.watch);
            }
        }
    }
}
