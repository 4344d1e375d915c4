//! Fetch sessions (KIP-227): the broker remembers which partitions a client fetches, so that requests name only what
//! changed and answers hold only what is new.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::wire::messages::TopicName;
use tokio::time::Instant;
use uuid::Uuid;

/// A session that was used this recently is not given up for another one.
const MIN_AGE_FOR_EVICTION: Duration = Duration::from_mins(2);

/// A topic as the client named it: by id from fetch version 13 on, by name before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef {
    Name(TopicName),
    Id(Uuid),
}

/// What is fetched from one partition.
#[derive(Debug, Clone)]
pub(crate) struct SessionPartition {
    pub(crate) fetch_offset: i64,
    pub(crate) bytes_max: usize,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    /// What the last answer said; `None` if it has to be said (again).
    pub(crate) reported: Option<Reported>,
}

/// What an answer says about a partition apart from records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

/// The partitions of one fetch: of a session, or of a single request (then `id` is 0).
#[derive(Debug)]
pub(crate) struct FetchSession {
    pub(crate) id: i32,
    /// The epoch that the next request must carry.
    pub(crate) next_epoch: i32,
    pub(crate) uses_topic_ids: bool,
    pub(crate) partitions: IndexMap<(TopicRef, i32), SessionPartition>,
    /// Where the next answer starts to look for records, so that partitions take turns when not all fit.
    pub(crate) first: usize,
    last_used: Instant,
}

impl FetchSession {
    /// For a single request.
    pub(crate) fn transient(uses_topic_ids: bool, now: Instant) -> Self {
        Self { id: 0, next_epoch: 0, uses_topic_ids, partitions: IndexMap::new(), first: 0, last_used: now }
    }
}

/// All sessions of the broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    sessions: HashMap<i32, Rc<RefCell<FetchSession>>>,
    count_max: usize,
}

impl FetchSessions {
    pub(crate) fn new(count_max: usize) -> Self {
        Self { sessions: HashMap::new(), count_max }
    }

    /// Keeps `session` under a new id if there is room for it; else it stays without.
    pub(crate) fn open(
        &mut self,
        session: &Rc<RefCell<FetchSession>>,
        random: &mut fastrand::Rng,
        now: Instant,
    ) {
        if self.sessions.len() >= self.count_max && !self.evict_one(now) {
            return;
        }
        let id = loop {
            let id = random.i32(1..=i32::MAX);
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        {
            let mut session = session.borrow_mut();
            session.id = id;
            session.next_epoch = 1;
            session.last_used = now;
        }
        self.sessions.insert(id, Rc::clone(session));
    }

    /// The session of an incremental request, moved on to its next epoch.
    pub(crate) fn resume(
        &mut self,
        id: i32,
        epoch: i32,
        uses_topic_ids: bool,
        now: Instant,
    ) -> Result<Rc<RefCell<FetchSession>>, ErrorCode> {
        let session = self.sessions.get(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        {
            let mut state = session.borrow_mut();
            if state.next_epoch != epoch {
                return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
            }
            if state.uses_topic_ids != uses_topic_ids {
                return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
            }
            state.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
            state.last_used = now;
        }
        Ok(Rc::clone(session))
    }

    pub(crate) fn close(&mut self, id: i32) {
        self.sessions.remove(&id);
    }

    fn evict_one(&mut self, now: Instant) -> bool {
        let oldest = self.sessions.iter().map(|(id, session)| (session.borrow().last_used, *id)).min();
        match oldest {
            Some((last_used, id)) if now.duration_since(last_used) >= MIN_AGE_FOR_EVICTION => {
                self.sessions.remove(&id);
                true
            }
            _ => false,
        }
    }
}
