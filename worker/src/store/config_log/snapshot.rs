//! What the config topic says at one offset (`ClusterConfigState`).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::config::{RawConfig, TargetState};

/// The state at one offset. Always behind an `Arc`, and never changed once it was handed out: a record that comes while somebody reads
/// makes a copy, in which all connectors but the one at hand are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub(super) offset: i64,
    pub(super) session_key: Option<SessionKey>,
    /// Deleted ones as well: their target state, fencing record and generation outlive them.
    pub(super) connectors: BTreeMap<Arc<str>, Arc<Entry>>,
}

/// What is known of one name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) config: Option<Arc<RawConfig>>,
    pub(super) target: Option<TargetState>,
    /// Of the last commit, complete or not.
    pub(super) task_count: Option<i32>,
    pub(super) tasks: BTreeMap<u32, Arc<RawConfig>>,
    /// The connector's configuration when its tasks were committed.
    pub(super) applied: Option<Arc<RawConfig>>,
    /// How many complete sets of tasks have been committed before the present one.
    pub(super) generation: Option<i32>,
    /// Of the last fencing record.
    pub(super) task_count_record: Option<i32>,
    pub(super) is_pending_fencing: bool,
    pub(super) is_inconsistent: bool,
}

impl Entry {
    /// Whether the tasks at hand are the whole of the set that a commit of so many was for.
    pub(super) fn has_set_of(&self, count: i32) -> bool {
        count > 0
            && !self.is_inconsistent
            && self.task_count == Some(count)
            && (0..count.unsigned_abs()).all(|task| self.tasks.contains_key(&task))
    }
}

/// The key with which workers sign what they ask of each other. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The key itself.
    pub key: Arc<[u8]>,
    /// What it was made for, such as `HmacSHA256`.
    pub algorithm: Arc<str>,
    /// When, in milliseconds since the epoch.
    pub created_ms: i64,
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey")
            .field("algorithm", &self.algorithm)
            .field("created_ms", &self.created_ms)
            .finish_non_exhaustive()
    }
}

impl Default for Snapshot {
    fn default() -> Snapshot {
        Snapshot { offset: -1, session_key: None, connectors: BTreeMap::new() }
    }
}

/// The tasks of a connector that should run.
#[derive(Debug, Clone, Copy)]
pub struct WantedTasks<'a> {
    /// None where none should: the connector is stopped or is no more, or not all of its tasks are known.
    entry: Option<&'a Entry>,
    /// The state that the connector is asked to be in.
    pub target: TargetState,
}

impl<'a> WantedTasks<'a> {
    /// Whether a task is among them.
    pub fn includes(&self, task: u32) -> bool {
        self.configs(task).is_some()
    }

    /// The configurations, as they were written, of the connector and of a task that is among them.
    pub fn configs(&self, task: u32) -> Option<(&'a Arc<RawConfig>, &'a Arc<RawConfig>)> {
        let entry = self.entry?;
        let is_counted = entry.task_count.is_some_and(|count| i64::from(task) < i64::from(count));
        entry.config.as_ref().zip(entry.tasks.get(&task)).filter(|_| is_counted)
    }
}

impl Snapshot {
    /// What members of the group compare: one more than the offset of the last record that was read, -1 before the first. Transaction
    /// markers do not count.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The connectors that have a configuration, by name.
    pub fn connectors(&self) -> impl Iterator<Item = &Arc<str>> {
        self.connectors.iter().filter(|(_, entry)| entry.config.is_some()).map(|(name, _)| name)
    }

    /// Whether there is such a connector.
    pub fn contains(&self, connector: &str) -> bool {
        self.config(connector).is_some()
    }

    /// A connector's configuration as it was written, variables included.
    pub fn config(&self, connector: &str) -> Option<&Arc<RawConfig>> {
        self.entry(connector)?.config.as_ref()
    }

    /// The state that a connector is asked to be in.
    pub fn target_state(&self, connector: &str) -> Option<TargetState> {
        self.entry(connector)?.target
    }

    /// How many tasks the last commit spoke of, also where they are not all known; 0 without one.
    pub fn task_count(&self, connector: &str) -> u32 {
        self.entry(connector)
            .and_then(|entry| entry.task_count)
            .map_or(0, |count| count.max(0).unsigned_abs())
    }

    /// The numbers of a connector's tasks; none while its set is not complete.
    pub fn tasks(&self, connector: &str) -> Range<u32> {
        if self.is_inconsistent(connector) { 0..0 } else { 0..self.task_count(connector) }
    }

    /// Whether a connector's tasks are these.
    pub fn has_tasks(&self, connector: &str, tasks: &[RawConfig]) -> bool {
        self.tasks(connector).len() == tasks.len()
            && tasks.iter().zip(0..).all(|(task, number)| {
                self.task_config(connector, number).is_some_and(|written| **written == *task)
            })
    }

    /// A task's configuration as it was written.
    pub fn task_config(&self, connector: &str, task: u32) -> Option<&Arc<RawConfig>> {
        self.entry(connector)?.tasks.get(&task)
    }

    /// The configuration that the connector had when its tasks were committed.
    pub fn applied_config(&self, connector: &str) -> Option<&Arc<RawConfig>> {
        self.entry(connector)?.applied.as_ref()
    }

    /// Counts complete sets of tasks, from 0: a task of an older one must not write any more.
    pub fn task_config_generation(&self, connector: &str) -> Option<i32> {
        self.entry(connector)?.generation
    }

    /// How many tasks were allowed to write when producers were fenced last.
    pub fn task_count_record(&self, connector: &str) -> Option<i32> {
        self.entry(connector)?.task_count_record
    }

    /// Whether producers of earlier tasks have to be fenced before the present tasks may write.
    pub fn is_pending_fencing(&self, connector: &str) -> bool {
        self.entry(connector).is_some_and(|entry| entry.is_pending_fencing)
    }

    /// Whether the last commit spoke of tasks that are not known: compaction took them, or their writer died.
    pub fn is_inconsistent(&self, connector: &str) -> bool {
        self.entry(connector).is_some_and(|entry| entry.is_inconsistent)
    }

    /// The key of this hour; none before a leader has written one.
    pub fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }

    /// What is wanted of a connector's tasks: one look-up for all of them.
    pub fn wanted_tasks(&self, connector: &str) -> WantedTasks<'_> {
        let entry = self.entry(connector);
        let target = entry.and_then(|entry| entry.target).unwrap_or_default();
        let runs = |entry: &&Entry| {
            entry.config.is_some() && !entry.is_inconsistent && target != TargetState::Stopped
        };
        WantedTasks { entry: entry.filter(runs), target }
    }

    fn entry(&self, connector: &str) -> Option<&Entry> {
        self.connectors.get(connector).map(Arc::as_ref)
    }
}
