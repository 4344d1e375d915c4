//! Which topics a connector has used: what its running tasks say, and what was kept of those that have ended.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use api::java_map;
use engine::topics::ActiveTopics;

use super::super::herder::Herder;
use super::super::view::View;

/// What tasks used that have ended. A connector that is deleted is forgotten.
#[derive(Default)]
pub(super) struct PastTopics(HashMap<Arc<str>, BTreeSet<Arc<str>>>);

impl PastTopics {
    /// Takes over what a task used.
    pub(super) fn keep(&mut self, connector: &Arc<str>, topics: &ActiveTopics) {
        self.0.entry(Arc::clone(connector)).or_default().extend(topics.get());
    }

    /// Forgets connectors that are no more.
    pub(super) fn retain(&mut self, herd: &dyn View) {
        self.0.retain(|connector, _| herd.contains(connector));
    }
}

impl Herder {
    /// The topics that a connector has used since the last reset, in the order of Java's answer. None for an unknown connector.
    pub fn topics(&self, connector: &str) -> Vec<Arc<str>> {
        let running = self.shared.running.borrow();
        let mut topics = running.past_topics.0.get(connector).cloned().unwrap_or_default();
        for task in running.tasks.values().filter(|task| &*task.id.connector == connector) {
            topics.extend(task.handle.metrics().topics.get());
        }
        if let Some(shell) = self.cluster_shell() {
            topics.extend(shell.topics(connector));
        }
        let mut topics: Vec<_> = topics.into_iter().collect();
        java_map::sort(&mut topics, |topic| java_map::string_hash(topic));
        topics
    }

    /// Forgets which topics a connector has used; those that it goes on using come again.
    pub fn reset_topics(&self, connector: &str) {
        if let Some(shell) = self.cluster_shell() {
            shell.reset_topics(connector);
        }
        let mut running = self.shared.running.borrow_mut();
        running.past_topics.0.remove(connector);
        for task in running.tasks.values().filter(|task| &*task.id.connector == connector) {
            task.handle.metrics().topics.reset();
        }
    }
}
