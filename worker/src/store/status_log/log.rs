//! The statuses, and which writes of a worker may be made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::keys::{Key, Subject, topic_key};
use super::{StoredStatus, TopicStatus};
use crate::herd::State;
use crate::store::LogRecord;

/// The status topic as far as it was read, and the writes that are on their way.
#[derive(Debug, Default)]
pub struct StatusLog {
    connectors: BTreeMap<Arc<str>, Slot>,
    tasks: BTreeMap<Arc<str>, BTreeMap<u32, Slot>>,
    topics: HashMap<Arc<str>, BTreeMap<Arc<str>, TopicStatus>>,
    slot_count: u64,
}

/// Is told of a connector, and of the tasks of it of which there is a status.
pub type VisitSaid<'a> = dyn FnMut(&Arc<str>, &mut dyn Iterator<Item = u32>) + 'a;

/// A status, and the writes of it. A status that was deleted and comes back has another slot.
#[derive(Debug)]
struct Slot {
    id: u64,
    value: Option<StoredStatus>,
    /// Writes so far.
    sequence: u64,
}

/// A write that may be made, and made again while [`StatusLog::may_retry`] says so.
#[derive(Debug, Clone)]
pub struct Write {
    /// What to write.
    pub record: LogRecord,
    purpose: Purpose,
}

#[derive(Debug, Clone)]
enum Purpose {
    /// `by`: the worker that says it; none for one that takes the status away.
    Status {
        subject: Subject,
        slot: u64,
        sequence: u64,
        generation: i32,
        by: Option<Arc<str>>,
    },
    Topic,
}

impl Slot {
    /// Whether nobody else has said anything newer.
    fn is_safe_for(&self, worker_id: &str, generation: i32) -> bool {
        self.value
            .as_ref()
            .is_none_or(|status| *status.worker_id == *worker_id || status.generation <= generation)
    }
}

impl StatusLog {
    /// Before the first record.
    pub fn new() -> StatusLog {
        StatusLog::default()
    }

    /// Takes in a record. What nobody understands is logged and changes nothing.
    pub fn apply(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let text = String::from_utf8_lossy(key.unwrap_or_default());
        match (Key::parse(&text), value) {
            (None, _) => tracing::warn!("Discarding record with invalid key {text}"),
            (Some(Key::Status(subject)), None) => self.remove(&subject),
            (Some(Key::Status(subject)), Some(value)) => match StoredStatus::read(value) {
                Ok(status) => self.put(&subject, status),
                Err(reason) => tracing::error!("Failed to parse status with key {text}: {reason}"),
            },
            (Some(Key::Topic { topic, connector }), None) => {
                if let Some(topics) = self.topics.get_mut(&connector) {
                    topics.remove(&topic);
                }
            }
            (Some(Key::Topic { topic, connector }), Some(value)) => match TopicStatus::read(value) {
                Ok(status) => drop(self.topics.entry(connector).or_default().insert(topic, status)),
                Err(reason) => tracing::error!("Failed to parse topic status with key {text}: {reason}"),
            },
        }
    }

    /// What a connector is doing.
    pub fn connector(&self, connector: &str) -> Option<&StoredStatus> {
        self.connectors.get(connector)?.value.as_ref()
    }

    /// What a task is doing.
    pub fn task(&self, connector: &str, task: u32) -> Option<&StoredStatus> {
        self.tasks.get(connector)?.get(&task)?.value.as_ref()
    }

    /// What the tasks of a connector are doing, by number.
    pub fn tasks(&self, connector: &str) -> impl Iterator<Item = (u32, &StoredStatus)> {
        let tasks = self.tasks.get(connector).into_iter().flatten();
        tasks.filter_map(|(task, slot)| Some((*task, slot.value.as_ref()?)))
    }

    /// Everybody of whom there is a status, or of one of whose tasks, by name.
    pub fn connectors(&self) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        self.each(&mut |name, _| names.push(Arc::clone(name)));
        names
    }

    /// Visits all of [`StatusLog::connectors`], with the numbers of the tasks of which there is a status.
    pub fn each(&self, visit: &mut VisitSaid<'_>) {
        let (mut connectors, mut tasks) = (self.connectors.keys().peekable(), self.tasks.iter().peekable());
        let said = |(task, slot): (&u32, &Slot)| slot.value.is_some().then_some(*task);
        loop {
            let name = match (connectors.peek(), tasks.peek()) {
                (Some(connector), Some((owner, _))) => std::cmp::min(*connector, *owner),
                (Some(connector), None) => *connector,
                (None, Some((owner, _))) => *owner,
                (None, None) => return,
            };
            connectors.next_if_eq(&name);
            match tasks.next_if(|(owner, _)| *owner == name) {
                Some((_, tasks)) => visit(name, &mut tasks.iter().filter_map(said)),
                None => visit(name, &mut std::iter::empty()),
            }
        }
    }

    /// A topic that a connector uses.
    pub fn topic(&self, connector: &str, topic: &str) -> Option<&TopicStatus> {
        self.topics.get(connector)?.get(topic)
    }

    /// The topics that a connector uses, by name.
    pub fn topics(&self, connector: &str) -> impl Iterator<Item = &TopicStatus> {
        self.topics.get(connector).into_iter().flat_map(BTreeMap::values)
    }

    /// What to write for a status; `None` where it is to be safe and another worker, in a newer generation, has said something.
    pub fn write(&mut self, subject: Subject, status: &StoredStatus, is_safe: bool) -> Option<Write> {
        let slot = self.slot(&subject);
        if is_safe && !slot.is_safe_for(&status.worker_id, status.generation) {
            return None;
        }
        let record = LogRecord::new(subject.key(), status.write());
        Some(self.begin(subject, status.generation, Some(Arc::clone(&status.worker_id)), record))
    }

    /// What to write so that there is no status any more (Java: state DESTROYED).
    pub fn delete(&mut self, subject: Subject, generation: i32) -> Write {
        let record = LogRecord::tombstone(subject.key());
        self.begin(subject, generation, None, record)
    }

    /// What to write for a topic that is used.
    pub fn write_topic(&self, status: &TopicStatus) -> Write {
        let key = topic_key(&status.topic, &status.connector);
        Write { record: LogRecord::new(key, status.write()), purpose: Purpose::Topic }
    }

    /// What to write so that a topic is not used any more.
    pub fn delete_topic(&self, connector: &str, topic: &str) -> Write {
        Write { record: LogRecord::tombstone(topic_key(topic, connector)), purpose: Purpose::Topic }
    }

    /// Whether a write that failed still says something true: not where its status was deleted, this worker has said something else of the same
    /// since, or another one has in a newer generation. Java also gives up whatever a worker said in an older generation, although it says
    /// nothing again about what did not move.
    pub fn may_retry(&self, write: &Write) -> bool {
        let Purpose::Status { subject, slot: id, sequence, generation, by } = &write.purpose else {
            return true;
        };
        let Some(slot) = self.find(subject).filter(|slot| slot.id == *id) else { return false };
        slot.sequence == *sequence
            && by.as_deref().is_none_or(|worker_id| slot.is_safe_for(worker_id, *generation))
    }

    fn begin(&mut self, subject: Subject, generation: i32, by: Option<Arc<str>>, record: LogRecord) -> Write {
        let slot = self.slot(&subject);
        slot.sequence += 1;
        let (slot, sequence) = (slot.id, slot.sequence);
        Write { record, purpose: Purpose::Status { subject, slot, sequence, generation, by } }
    }

    fn put(&mut self, subject: &Subject, status: StoredStatus) {
        let slot = self.slot(subject);
        // The worker that lost something may say so after the one that got it has begun. Java sees that of tasks that are running only.
        let is_stale = status.state == State::Unassigned
            && slot.value.as_ref().is_some_and(|known| {
                let is_newer = known.generation > status.generation
                    || known.generation == status.generation && known.worker_id != status.worker_id;
                let is_running_task = matches!(subject, Subject::Task(..))
                    && known.state == State::Running
                    && known.generation >= status.generation;
                known.state != State::Unassigned && (is_newer || is_running_task)
            });
        if !is_stale {
            slot.value = Some(status);
        }
    }

    fn remove(&mut self, subject: &Subject) {
        match subject {
            Subject::Connector(connector) => {
                self.connectors.remove(connector);
                self.tasks.remove(connector);
            }
            Subject::Task(connector, task) => {
                if let Some(tasks) = self.tasks.get_mut(connector) {
                    tasks.remove(task);
                    if tasks.is_empty() {
                        self.tasks.remove(connector);
                    }
                }
            }
        }
    }

    fn find(&self, subject: &Subject) -> Option<&Slot> {
        match subject {
            Subject::Connector(connector) => self.connectors.get(connector),
            Subject::Task(connector, task) => self.tasks.get(connector)?.get(task),
        }
    }

    fn slot(&mut self, subject: &Subject) -> &mut Slot {
        let StatusLog { connectors, tasks, slot_count, .. } = self;
        let make = || {
            *slot_count += 1;
            Slot { id: *slot_count, value: None, sequence: 0 }
        };
        match subject {
            Subject::Connector(connector) => connectors.entry(Arc::clone(connector)).or_insert_with(make),
            Subject::Task(connector, task) => {
                tasks.entry(Arc::clone(connector)).or_default().entry(*task).or_insert_with(make)
            }
        }
    }
}
