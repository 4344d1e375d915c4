//! A fetch session with one broker (KIP-227), as a pure state machine: what to send, given what the broker remembers.
//!
//! The first request names every partition and asks for a session. Later ones name what was added, changed or dropped, and the broker
//! answers with what has data or news. Whenever the two sides may disagree, the next request names every partition again.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use uuid::Uuid;

use crate::ErrorCode;
use crate::client::TopicPartition;

/// What the broker is told about one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartitionFetch {
    pub(super) offset: i64,
    pub(super) bytes_max: i32,
    pub(super) leader_epoch: i32,
    /// The topic that the offset belongs to; nil where no broker said it.
    pub(super) topic_id: Uuid,
}

/// The parts of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionRequest {
    pub(super) session_id: i32,
    pub(super) epoch: i32,
    pub(super) send: Vec<(TopicPartition, PartitionFetch)>,
    /// With the topic ids that the broker knows them by.
    pub(super) forget: Vec<(TopicPartition, Uuid)>,
}

/// No session yet, or none granted.
const NO_SESSION: i32 = 0;
/// Asks for a new session with everything in it.
const FULL: i32 = 0;

#[derive(Debug)]
pub(super) struct FetchSession {
    id: i32,
    epoch: i32,
    /// What the broker knows, with the number of the request that last wanted it.
    known: IndexMap<TopicPartition, (PartitionFetch, u64)>,
    request_number: u64,
    /// Whether topics are named by id (version 13 on): a session has one way for its whole life.
    uses_topic_ids: bool,
    /// Names of the topics in the session, where it names them by id.
    names: HashMap<Uuid, Arc<str>>,
}

impl FetchSession {
    pub(super) fn new() -> Self {
        Self {
            id: NO_SESSION,
            epoch: FULL,
            known: IndexMap::new(),
            request_number: 0,
            uses_topic_ids: false,
            names: HashMap::new(),
        }
    }

    /// The request that leaves the broker wanting exactly `wanted`.
    pub(super) fn request(
        &mut self,
        wanted: Vec<(TopicPartition, PartitionFetch)>,
        uses_topic_ids: bool,
    ) -> SessionRequest {
        self.request_number += 1;
        let number = self.request_number;
        if self.uses_topic_ids != uses_topic_ids {
            self.uses_topic_ids = uses_topic_ids;
            self.epoch = FULL;
        }
        let (session_id, epoch) = (self.id, self.epoch);
        if uses_topic_ids {
            if epoch == FULL {
                self.names.clear();
            }
            for (tp, fetch) in &wanted {
                self.names.entry(fetch.topic_id).or_insert_with(|| Arc::clone(&tp.topic));
            }
        }
        if epoch == FULL {
            self.known.clear();
            self.known.extend(wanted.iter().map(|(tp, fetch)| (tp.clone(), (*fetch, number))));
            return SessionRequest { session_id, epoch, send: wanted, forget: Vec::new() };
        }
        let mut send = wanted;
        let mut forget = Vec::new();
        let mut place = 0;
        send.retain(|(tp, fetch)| match find(&mut self.known, &mut place, tp) {
            Some((known, seen)) => {
                *seen = number;
                if uses_topic_ids && known.topic_id != fetch.topic_id {
                    forget.push((tp.clone(), known.topic_id));
                }
                let changed = known != fetch;
                *known = *fetch;
                changed
            }
            None => {
                self.known.insert(tp.clone(), (*fetch, number));
                true
            }
        });
        if self.known.values().any(|(_, seen)| *seen != number) {
            self.known.retain(|tp, (fetch, seen)| {
                let keep = *seen == number;
                if !keep {
                    forget.push((tp.clone(), fetch.topic_id));
                }
                keep
            });
        }
        if !forget.is_empty() && uses_topic_ids {
            let known = &self.known;
            self.names.retain(|id, _| known.values().any(|(fetch, _)| fetch.topic_id == *id));
        }
        SessionRequest { session_id, epoch, send, forget }
    }

    /// Takes over the response's own error and session. False where the response says nothing about partitions.
    pub(super) fn on_response(&mut self, code: ErrorCode, session_id: i32) -> bool {
        if code.is_error() {
            if code == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
                self.id = NO_SESSION;
            }
            self.epoch = FULL;
            return false;
        }
        if self.epoch == FULL {
            self.id = session_id;
            self.epoch = if session_id == NO_SESSION { FULL } else { 1 };
        } else if session_id != self.id {
            // The broker closed the session with this response; its partitions are still good.
            self.id = NO_SESSION;
            self.epoch = FULL;
        } else {
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        }
        true
    }

    /// The request may or may not have reached the broker: begin anew, in place of the old session.
    pub(super) fn on_failure(&mut self) {
        self.epoch = FULL;
    }

    /// The topic that the broker's answer means by `id`.
    pub(super) fn name_of(&self, id: Uuid) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    /// What the broker was last told about a partition: its answer is about that.
    pub(super) fn known(&self, topic: &str, partition: i32) -> Option<PartitionFetch> {
        self.known.get(&PartitionRef { topic, partition }).map(|(fetch, _)| *fetch)
    }
}

/// What is known of a partition. Most often the partitions are wanted in the order in which they are known, and then each is at the `place`
/// behind the one before: with thousands of them their hashes would be most of what a fetch costs.
fn find<'a, T>(
    known: &'a mut IndexMap<TopicPartition, T>,
    place: &mut usize,
    tp: &TopicPartition,
) -> Option<&'a mut T> {
    let index = match known.get_index(*place) {
        Some((at_place, _)) if at_place == tp => *place,
        _ => known.get_index_of(tp)?,
    };
    *place = index + 1;
    known.get_index_mut(index).map(|(_, known)| known)
}

/// A borrowed [`TopicPartition`], with the same hash.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct PartitionRef<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
}

impl indexmap::Equivalent<TopicPartition> for PartitionRef<'_> {
    fn equivalent(&self, key: &TopicPartition) -> bool {
        self.partition == key.partition && self.topic == &*key.topic
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn wanted(partitions: &[(i32, i64)]) -> Vec<(TopicPartition, PartitionFetch)> {
        partitions
            .iter()
            .map(|&(partition, offset)| {
                (
                    TopicPartition::new("t", partition),
                    PartitionFetch { offset, bytes_max: 100, leader_epoch: 1, topic_id: Uuid::nil() },
                )
            })
            .collect()
    }

    #[test]
    fn names_only_what_changed_once_there_is_a_session() {
        let mut session = FetchSession::new();
        let request = session.request(wanted(&[(0, 5), (1, 5)]), false);
        assert_eq!((request.session_id, request.epoch, request.send.len()), (0, 0, 2));
        assert!(session.on_response(ErrorCode::NONE, 77));

        let request = session.request(wanted(&[(0, 5), (1, 6), (2, 0)]), false);
        assert_eq!((request.session_id, request.epoch), (77, 1));
        assert_eq!(request.send, wanted(&[(1, 6), (2, 0)]));
        assert!(session.on_response(ErrorCode::NONE, 77));

        let request = session.request(wanted(&[(2, 0)]), false);
        assert_eq!((request.epoch, request.send.len(), request.forget.len()), (2, 0, 2));
        assert_eq!(session.known("t", 2).unwrap().offset, 0);
        assert!(session.known("t", 0).is_none());
    }

    #[test]
    fn begins_anew_where_the_broker_forgot_or_may_have_missed_something() {
        let mut session = FetchSession::new();
        session.request(wanted(&[(0, 0)]), false);
        session.on_response(ErrorCode::NONE, 5);
        session.request(wanted(&[(0, 0)]), false);
        assert!(!session.on_response(ErrorCode::INVALID_FETCH_SESSION_EPOCH, 0));
        let request = session.request(wanted(&[(0, 0)]), false);
        assert_eq!(
            (request.session_id, request.epoch, request.send.len()),
            (5, 0, 1),
            "replaces the old session"
        );
        session.on_response(ErrorCode::NONE, 6);
        session.request(wanted(&[(0, 0)]), false);
        session.on_failure();
        assert_eq!(session.request(wanted(&[(0, 0)]), false).epoch, 0);
        assert!(!session.on_response(ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0));
        let request = session.request(wanted(&[(0, 0)]), false);
        assert_eq!((request.session_id, request.epoch), (0, 0));
    }

    #[test]
    fn works_where_no_session_is_granted() {
        let mut session = FetchSession::new();
        for _ in 0..3 {
            let request = session.request(wanted(&[(0, 0)]), false);
            assert_eq!((request.session_id, request.epoch, request.send.len()), (0, 0, 1));
            session.on_response(ErrorCode::NONE, 0);
        }
    }

    #[test]
    fn a_recreated_topic_takes_the_place_of_its_namesake() {
        let of = |id: u128| {
            let mut wanted = wanted(&[(0, 5)]);
            wanted[0].1.topic_id = Uuid::from_u128(id);
            wanted
        };
        let mut session = FetchSession::new();
        session.request(of(1), true);
        session.on_response(ErrorCode::NONE, 7);
        let request = session.request(of(2), true);
        assert_eq!((request.epoch, request.send), (1, of(2)));
        assert_eq!(request.forget, [(TopicPartition::new("t", 0), Uuid::from_u128(1))]);
        session.on_response(ErrorCode::NONE, 7);
        assert!(session.name_of(Uuid::from_u128(1)).is_none());
        assert_eq!(&**session.name_of(Uuid::from_u128(2)).unwrap(), "t");
        // A broker that knows no ids cannot go on with the same session.
        assert_eq!(session.request(of(2), false).epoch, FULL);
    }

    /// The broker's side: at most one session, which it may forget at any time.
    #[derive(Default)]
    struct ModelBroker {
        session: Option<(i32, i32, BTreeMap<TopicPartition, PartitionFetch>)>,
        next_id: i32,
    }

    impl ModelBroker {
        fn answer(&mut self, request: &SessionRequest) -> (ErrorCode, i32) {
            if request.epoch == FULL {
                self.next_id += 1;
                self.session = Some((self.next_id, 1, request.send.iter().cloned().collect()));
                return (ErrorCode::NONE, self.next_id);
            }
            let Some((id, epoch, known)) = &mut self.session else {
                return (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0);
            };
            if *id != request.session_id {
                return (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0);
            }
            if *epoch != request.epoch {
                return (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 0);
            }
            *epoch += 1;
            known.extend(request.send.iter().cloned());
            for (tp, _) in &request.forget {
                known.remove(tp);
            }
            (ErrorCode::NONE, *id)
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Answered,
        RequestLost,
        ResponseLost,
        SessionEvicted,
    }

    proptest! {
        /// Whatever gets lost, after each success the broker wants exactly what the client wants.
        #[test]
        fn broker_and_client_agree_after_every_success(
            rounds in prop::collection::vec(
                (
                    prop::collection::btree_map(0..6_i32, 0..3_i64, 0..6),
                    prop::sample::select(vec![
                        Fate::Answered, Fate::Answered, Fate::RequestLost, Fate::ResponseLost, Fate::SessionEvicted,
                    ]),
                ),
                1..40,
            )
        ) {
            let mut session = FetchSession::new();
            let mut broker = ModelBroker::default();
            for (partitions, fate) in rounds {
                let partitions: Vec<_> = partitions.into_iter().collect();
                if matches!(fate, Fate::SessionEvicted) {
                    broker.session = None;
                }
                let request = session.request(wanted(&partitions), false);
                if matches!(fate, Fate::RequestLost) {
                    session.on_failure();
                    continue;
                }
                let (code, session_id) = broker.answer(&request);
                if matches!(fate, Fate::ResponseLost) {
                    session.on_failure();
                    continue;
                }
                if session.on_response(code, session_id) {
                    let known = &broker.session.as_ref().unwrap().2;
                    prop_assert_eq!(known, &wanted(&partitions).into_iter().collect::<BTreeMap<_, _>>());
                }
            }
        }
    }
}
