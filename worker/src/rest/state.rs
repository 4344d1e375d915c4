//! What REST shows of the worker, and how its handlers reach the herder.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::RestError;
use crate::herd::{Command, CommandKind, Herder, Outcome};
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
}

impl RestState {
    /// Nothing is known yet.
    pub fn new() -> Rc<RestState> {
        Rc::new(RestState {
            cluster_id: watch::channel(None).0,
            herder: watch::channel(None).0,
            scraper: Rc::new(Scraper::new()),
        })
    }

    /// Answers requests for the root resource from now on.
    pub fn set_cluster_id(&self, cluster_id: Arc<str>) {
        self.cluster_id.send_replace(Some(cluster_id));
    }

    /// Answers requests about connectors from now on.
    pub fn set_herder(&self, herder: Herder) {
        self.herder.send_replace(Some(herder));
    }

    /// Whether every connector of the command line has been created.
    pub(super) fn is_ready(&self) -> bool {
        self.herder.borrow().as_ref().is_some_and(|herder| herder.look(crate::herd::Herd::is_ready))
    }

    pub(super) async fn cluster_id(&self) -> Result<Arc<str>, RestError> {
        available(&self.cluster_id).await
    }

    pub(super) fn scraper(&self) -> &Rc<Scraper> {
        &self.scraper
    }

    pub(super) async fn herder(&self) -> Result<Herder, RestError> {
        available(&self.herder).await
    }

    /// Has the herder do something to a connector.
    pub(super) async fn command(&self, connector: &str, kind: CommandKind) -> Result<Outcome, RestError> {
        let herder = self.herder().await?;
        let command = Command { connector: connector.into(), kind };
        match tokio::time::timeout(REQUEST_TIMEOUT, herder.command(command)).await {
            Ok(result) => Ok(result?),
            Err(_elapsed) => Err(RestError::TimedOut),
        }
    }
}

/// Waits for something that the starting worker has yet to provide.
async fn available<T: Clone>(source: &watch::Sender<Option<T>>) -> Result<T, RestError> {
    let mut receiver = source.subscribe();
    let value = tokio::time::timeout(REQUEST_TIMEOUT, receiver.wait_for(Option::is_some)).await;
    let value = value.map_err(|_elapsed| RestError::TimedOut)?;
    value.ok().and_then(|value| value.clone()).ok_or(RestError::TimedOut)
}
