//! What the user's handle and the background tasks of one consumer share. One thread, so a `RefCell` and never across an await.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tracing::warn;

use super::ConsumerConfig;
use super::metrics::ConsumerStats;
use super::partitions::Partitions;
use crate::Error;
use crate::client::group::Group;
use crate::cluster::Cluster;

/// Errors that wait for a poll; more of them would only repeat the story.
const ERRORS_MAX: usize = 16;

/// Whether a topic of this name is wanted.
pub(super) type IsWanted = Rc<dyn Fn(&str) -> bool>;

/// Topics that a consumer wants by what they are called.
#[derive(Default)]
pub(super) struct Pattern {
    /// None where the subscription names its topics.
    pub(super) is_wanted: Option<IsWanted>,
    /// The topics that there were when somebody looked last; None before that.
    last: Option<Vec<Arc<str>>>,
    /// The same, where a poll has not taken them over yet.
    pub(super) found: Option<Vec<Arc<str>>>,
}

impl Pattern {
    pub(super) fn new(is_wanted: IsWanted) -> Self {
        Self { is_wanted: Some(is_wanted), last: None, found: None }
    }

    /// Takes in the topics that `is_wanted` means; whether that is news. The subscription may have changed since it was asked.
    pub(super) fn on_listed(&mut self, is_wanted: &IsWanted, found: Vec<Arc<str>>) -> bool {
        let is_current = self.is_wanted.as_ref().is_some_and(|current| Rc::ptr_eq(current, is_wanted));
        if !is_current || self.last.as_ref() == Some(&found) {
            return false;
        }
        self.last = Some(found.clone());
        self.found = Some(found);
        true
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").field("found", &self.found).finish_non_exhaustive()
    }
}

pub(super) struct Shared {
    pub(super) cluster: Cluster,
    pub(super) config: ConsumerConfig,
    pub(super) group: Option<Group>,
    pub(super) partitions: RefCell<Partitions>,
    pub(super) pattern: RefCell<Pattern>,
    pub(super) metrics: RefCell<ConsumerStats>,
    errors: RefCell<VecDeque<Error>>,
    /// Nodes with a running broker loop.
    pub(super) fetching_nodes: RefCell<HashSet<i32>>,
    /// Wakes the poll.
    pub(super) user: Notify,
    /// Wakes the broker loops.
    pub(super) fetchers: Notify,
    /// Wakes the supervisor and the resolver, which look at every partition.
    pub(super) background: Notify,
    /// Wakes the watcher of patterns; a wake-up is kept for it while it is busy.
    pub(super) pattern_changed: Notify,
}

impl Shared {
    pub(super) fn new(cluster: Cluster, config: ConsumerConfig, group: Option<Group>) -> Self {
        let metrics = cluster.config().metrics;
        Self {
            cluster,
            partitions: RefCell::new(Partitions::new(metrics, &config.prefetch_budget)),
            config,
            group,
            metrics: RefCell::new(ConsumerStats::new(metrics)),
            pattern: RefCell::default(),
            errors: RefCell::default(),
            fetching_nodes: RefCell::default(),
            user: Notify::new(),
            fetchers: Notify::new(),
            background: Notify::new(),
            pattern_changed: Notify::new(),
        }
    }

    /// Hands `error` to the next poll.
    pub(super) fn report(&self, error: Error) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < ERRORS_MAX {
            errors.push_back(error);
        } else {
            warn!(%error, "consumer error dropped, too many wait for a poll");
        }
        self.user.notify_one();
    }

    pub(super) fn take_error(&self) -> Option<Error> {
        self.errors.borrow_mut().pop_front()
    }

    /// Takes over what the cluster looks like now; whether that is news.
    pub(super) fn take_over_metadata(&self) -> bool {
        let metadata = self.cluster.metadata();
        let reset = self.config.auto_offset_reset;
        let (is_news, errors) = self.partitions.borrow_mut().update_leaders(&metadata, reset);
        errors.into_iter().for_each(|error| self.report(error));
        is_news
    }

    /// Drops what is counted of topics that are not assigned any more.
    pub(super) fn forget_topics(&self) {
        self.metrics.borrow_mut().retain_topics(&self.partitions.borrow());
    }

    /// Something may be fetchable that was not.
    pub(super) fn wake_fetchers(&self) {
        self.fetchers.notify_waiters();
    }

    /// Partitions, leaders or needs have changed.
    pub(super) fn wake_all(&self) {
        self.background.notify_waiters();
        self.fetchers.notify_waiters();
    }
}
