//! What the herder is told of a record.

use std::fmt;
use std::sync::Arc;

use super::SessionKey;

/// Something changed (`ConfigBackingStore.UpdateListener`). The snapshot has it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigEvent {
    /// A connector is new, or has another configuration.
    ConnectorUpdated {
        /// Which.
        connector: Arc<str>,
    },
    /// A connector was deleted.
    ConnectorRemoved {
        /// Which.
        connector: Arc<str>,
    },
    /// A set of task configurations was committed.
    TasksUpdated {
        /// Whose.
        connector: Arc<str>,
        /// Those that were written, in order; none where they did not make up a complete set.
        tasks: Vec<u32>,
    },
    /// A connector was asked to be in another state.
    TargetStateChanged {
        /// Which.
        connector: Arc<str>,
    },
    /// Requests between workers are signed with this key from now on.
    SessionKeyUpdated(SessionKey),
    /// A connector is to be restarted.
    RestartRequested(RestartRequest),
    /// A logger is to have this level on every worker.
    LoggerLevelUpdated {
        /// The logger.
        namespace: Arc<str>,
        /// The level as it was asked for.
        level: Arc<str>,
    },
}

/// A restart of a connector that was asked for over REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRequest {
    /// Which connector.
    pub connector: Arc<str>,
    /// Only what is FAILED.
    pub only_failed: bool,
    /// Its tasks as well.
    pub include_tasks: bool,
}

impl fmt::Display for RestartRequest {
    /// As Java's messages show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RestartRequest { connector, only_failed, include_tasks } = self;
        write!(
            f,
            "restart request for {{connectorName='{connector}', onlyFailed={only_failed}, includeTasks={include_tasks}}}"
        )
    }
}
