//! Which topics a task has used: records acknowledged by Kafka, or taken by the sink (Java: `TopicStatus`).

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A task that uses more topics than this is not tracked further.
const TOPICS_MAX: usize = 10_000;

/// The topics of one task; read and reset by anyone.
#[derive(Debug, Default)]
pub struct ActiveTopics {
    topics: Mutex<BTreeSet<Arc<str>>>,
    /// Changes with each reset: what the task remembers of having told is void then.
    resets: AtomicU64,
}

impl ActiveTopics {
    /// The topics used since the last reset.
    pub fn get(&self) -> BTreeSet<Arc<str>> {
        self.lock().clone()
    }

    /// Forgets them; what is used from now on comes again.
    pub fn reset(&self) {
        let mut topics = self.lock();
        topics.clear();
        self.resets.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        // A set is whole after each insertion, whoever panicked.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's own memory of what it has told, so that a batch costs it a load and a comparison.
#[derive(Debug, Default)]
pub(crate) struct TopicNotes {
    last: Option<Arc<str>>,
    told: HashSet<Arc<str>>,
    resets: u64,
}

impl TopicNotes {
    /// A batch of this topic has arrived where it should.
    pub(crate) fn note(&mut self, active: &ActiveTopics, topic: &Arc<str>) {
        let resets = active.resets.load(Ordering::Acquire);
        if resets != self.resets {
            self.told.clear();
            self.last = None;
            self.resets = resets;
        }
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, topic)) {
            return;
        }
        self.last = Some(Arc::clone(topic));
        if self.told.len() < TOPICS_MAX && self.told.insert(Arc::clone(topic)) {
            active.lock().insert(Arc::clone(topic));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_come_again_after_a_reset() {
        let active = ActiveTopics::default();
        let mut notes = TopicNotes::default();
        let [a, b]: [Arc<str>; 2] = ["a".into(), "b".into()];
        for topic in [&a, &a, &b, &a] {
            notes.note(&active, topic);
        }
        assert_eq!(active.get(), BTreeSet::from([Arc::clone(&a), b]));
        active.reset();
        assert!(active.get().is_empty());
        notes.note(&active, &a);
        notes.note(&active, &a);
        assert_eq!(active.get(), BTreeSet::from([a]));
    }

    #[test]
    fn names_that_are_made_up_for_ever_fill_nothing() {
        let active = ActiveTopics::default();
        let mut notes = TopicNotes::default();
        for n in 0..TOPICS_MAX + 100 {
            notes.note(&active, &n.to_string().into());
        }
        assert_eq!((active.get().len(), notes.told.len()), (TOPICS_MAX, TOPICS_MAX));
    }
}
