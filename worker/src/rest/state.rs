//! What REST shows of the worker, and how its handlers reach the herder.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::rt::clock;
use tokio::sync::watch;

use super::error::RestError;
use crate::group::MembershipMetrics;
use crate::herd::{Command, CommandKind, Herder, Outcome};
use crate::logs::Time;
use crate::metrics::Scraper;

/// How long the herder may take (Java: `RestServer.DEFAULT_REST_REQUEST_TIMEOUT_MS`).
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// What REST shows of the worker, filled in as the worker starts.
#[derive(Debug)]
pub struct RestState {
    /// Set once the cluster has been asked.
    cluster_id: watch::Sender<Option<Arc<str>>>,
    /// Set once connectors can be created.
    herder: watch::Sender<Option<Herder>>,
    scraper: Rc<Scraper>,
    /// What the starting worker is at, and since when in ms since the epoch.
    stage: RefCell<Option<(String, i64)>>,
}

impl RestState {
    /// Nothing is known yet.
    pub fn new() -> Rc<RestState> {
        Rc::new(RestState {
            cluster_id: watch::channel(None).0,
            herder: watch::channel(None).0,
            scraper: Rc::new(Scraper::new()),
            stage: RefCell::default(),
        })
    }

    /// Says what the starting worker is at from now on: whoever waits for it is told.
    pub fn begin_stage(&self, stage: impl Into<String>) {
        *self.stage.borrow_mut() = Some((stage.into(), clock::unix_ms()));
    }

    /// What the starting worker is at, as a sentence.
    pub(super) fn stage(&self) -> Option<String> {
        self.stage.borrow().as_ref().map(sentence)
    }

    /// The answer to a request that has waited too long.
    pub(super) fn timed_out(&self, connector: Option<&str>) -> RestError {
        let herder = self.herder.borrow();
        let stage =
            herder.as_ref().zip(connector).and_then(|(herder, name)| herder.look(|herd| herd.stage(name)));
        let stage = stage.as_ref().map(sentence);
        RestError::TimedOut { stage: if self.is_ready() { stage } else { stage.or_else(|| self.stage()) } }
    }

    /// Answers requests for the root resource from now on.
    pub fn set_cluster_id(&self, cluster_id: Arc<str>) {
        self.cluster_id.send_replace(Some(cluster_id));
    }

    /// Shows at `/metrics` what is counted of the worker's membership from now on.
    pub fn show_membership(&self, metrics: MembershipMetrics) {
        self.scraper.show_membership(metrics);
    }

    /// Answers requests about connectors from now on.
    pub fn set_herder(&self, herder: Herder) {
        self.herder.send_replace(Some(herder));
    }

    /// Whether every connector of the command line has been created.
    pub(super) fn is_ready(&self) -> bool {
        self.herder.borrow().as_ref().is_some_and(|herder| herder.look(|herd| herd.is_ready()))
    }

    pub(super) async fn cluster_id(&self) -> Result<Arc<str>, RestError> {
        self.available(&self.cluster_id).await
    }

    pub(super) fn scraper(&self) -> &Rc<Scraper> {
        &self.scraper
    }

    pub(super) async fn herder(&self) -> Result<Herder, RestError> {
        self.available(&self.herder).await
    }

    /// Has the herder do something to a connector.
    pub(super) async fn command(&self, connector: &str, kind: CommandKind) -> Result<Outcome, RestError> {
        let herder = self.herder().await?;
        let command = Command { connector: connector.into(), kind };
        match tokio::time::timeout(REQUEST_TIMEOUT, herder.command(command)).await {
            Ok(result) => Ok(result?),
            Err(_elapsed) => Err(self.timed_out(Some(connector))),
        }
    }

    /// Waits for something that the starting worker has yet to provide.
    async fn available<T: Clone>(&self, source: &watch::Sender<Option<T>>) -> Result<T, RestError> {
        let mut receiver = source.subscribe();
        let value = tokio::time::timeout(REQUEST_TIMEOUT, receiver.wait_for(Option::is_some)).await;
        let value = value.map_err(|_elapsed| self.timed_out(None))?;
        value.ok().and_then(|value| value.clone()).ok_or_else(|| self.timed_out(None))
    }
}

/// Java's words.
fn sentence((stage, since_ms): &(String, i64)) -> String {
    format!("The worker is currently {stage}, which began at {}.", Time(*since_ms))
}
