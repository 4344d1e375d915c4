//! The admin handle, and the cluster as a whole.

use std::collections::HashSet;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::cluster::{Cluster, Metadata, Node, RetryAction, Target};
use crate::metrics::{Client, Metric, Report};
use crate::{Error, Result};

/// Administrative operations on one cluster.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(super) cluster: Cluster,
    timeout: Duration,
}

/// The cluster as a whole.
#[derive(Debug, Clone)]
pub struct ClusterDescription {
    /// The cluster's id, where it has one.
    pub cluster_id: Option<Arc<str>>,
    /// The node that answers controller requests.
    pub controller: Option<i32>,
    /// All live brokers.
    pub nodes: Vec<Node>,
}

impl Admin {
    /// Operations through `cluster` with Java's `default.api.timeout.ms` of one minute.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, timeout: Duration::from_secs(60) }
    }

    /// The same with another time limit per operation.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The cluster that this works on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Tells `visit` every metric of this client's connections: cheap enough for every few seconds.
    pub fn visit_metrics(&self, visit: &mut dyn FnMut(&Metric<'_>)) {
        let mut report = Report::new(&self.cluster.config().client_id, visit);
        self.cluster.report(Client::Admin, &mut report);
    }

    /// Cluster id, controller and nodes, asked for now.
    ///
    /// # Errors
    /// When no broker answered in time.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription> {
        let seen_generation = self.cluster.metadata().generation;
        let view: Rc<Metadata> = self
            .cluster
            .retrying(&Target::Any, self.deadline(), async || self.cluster.refresh(seen_generation).await)
            .await?;
        Ok(ClusterDescription {
            cluster_id: view.cluster_id.clone(),
            controller: view.controller,
            nodes: view.nodes.clone(),
        })
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Runs `attempt` on the items that are still open until each has a final result or the deadline passes. `attempt` gets their
    /// indices and gives one result per index; those that `decide_item` would retry stay open.
    ///
    /// Items of one `key` are never in one attempt: Kafka refuses a request that names something twice, or answers once.
    pub(super) async fn per_item<T, K: Hash + Eq>(
        &self,
        target: &Target,
        item_count: usize,
        key: impl Fn(usize) -> K,
        decide_item: fn(&Error) -> RetryAction,
        mut attempt: impl AsyncFnMut(&[usize]) -> Result<Vec<(usize, Result<T>)>>,
    ) -> Vec<Result<T>> {
        let mut results: Vec<Option<Result<T>>> = (0..item_count).map(|_| None).collect();
        let deadline = self.deadline();
        let outcome = self
            .cluster
            .retrying(target, deadline, async || {
                let mut open: Vec<usize> =
                    (0..item_count).filter(|index| is_open(&results[*index], decide_item)).collect();
                let mut retriable = None;
                while !open.is_empty() {
                    let mut seen = HashSet::new();
                    let (round, later) = open.iter().partition(|index| seen.insert(key(**index)));
                    let round: Vec<usize> = round;
                    let answered = timeout_at(deadline, attempt(&round))
                        .await
                        .unwrap_or_else(|_elapsed| Err(Error::timeout("complete request")))?;
                    for (index, result) in answered {
                        if let Err(error) = &result
                            && decide_item(error) != RetryAction::Fail
                        {
                            retriable = Some(error.clone());
                        }
                        if let Some(slot) = results.get_mut(index) {
                            *slot = Some(result);
                        }
                    }
                    open = later;
                }
                retriable.map_or(Ok(()), Err)
            })
            .await;
        let missing =
            outcome.err().unwrap_or_else(|| Error::malformed("match answers to items", "an item is missing"));
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(missing.clone()))).collect()
    }
}

fn is_open<T>(result: &Option<Result<T>>, decide_item: fn(&Error) -> RetryAction) -> bool {
    match result {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => decide_item(error) != RetryAction::Fail,
    }
}

/// The broker's error with the broker's own words, where it gave any.
pub(super) fn item_error(doing: &'static str, code: i16, item: &str, message: Option<&str>) -> Result<()> {
    Error::check(doing, code).map_err(|error| match message {
        Some(message) if !message.is_empty() => error.with_source(format!("{item}: {message}")),
        _ => error.with_source(item.to_owned()),
    })
}
