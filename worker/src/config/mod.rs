//! Everything an operator writes: properties files, worker and connector configurations, plug-in names, client settings.
//!
//! ```text
//! file ─ properties ─▶ Props ─ worker ─▶ WorkerConfig ─┬─ clients ─▶ producer, consumer, cluster settings of a task
//! file ─ connector_file ─▶ NewConnector ─ connector ───┘
//!                              plugins: names and aliases to registry lines
//! request ─ validation ─▶ Report    the framework's keys (connector_table, enrich), the connector's own, its clients' (overrides)
//! ```

pub mod check;

pub mod properties;

pub mod providers;

mod worker;

mod worker_table;

mod distributed;

mod distributed_table;

mod tables;

mod listener;

mod rest;

mod response_headers;

mod jaas_file;

mod plugins;
mod stages;

mod connector;

mod connector_table;

mod aqueduct_table;

mod enrich;

mod validation;

mod exactly_once;

mod report;

mod classes;

mod versions;

mod topic_creation;

mod overrides;

mod connector_file;

mod clients;

mod java_order;

mod prefix;

mod restart;

pub(crate) use classes::{BadVersion, check_version, is_other_class};
pub use clients::{ClientSpec, admin_client, client_specs, connector_admin, producer};
pub(crate) use clients::{offsets_consumer, own_admin, own_consumer, own_producer, transactional_producer};
pub use connector::{ConnectorConfig, DeadLetters, Invalid, RawConfig, resolve_and_validate, validate};
pub use connector_file::{ConnectorFileError, read_connector_file};
pub use distributed::{DistributedConfig, ExactlyOnceSupport, InternalTopic};
pub(crate) use enrich::of_plugin;
pub(crate) use java_order::{java_copy_order, java_order};
pub(crate) use listener::bracketed;
pub use listener::{Listener, ListenerError, Protocol};
pub use overrides::OverridePolicy;
pub use plugins::{ListedPlugin, PluginKind, Plugins, Registry, UnknownConnector};
pub(crate) use prefix::below;
pub use report::{Definition, Entry, Found, Report};
pub use response_headers::{HeaderAction, HeaderRule};
pub use rest::{AdminListeners, CorsConfig, RestConfig, TlsSettings};
pub use restart::RestartPolicy;
pub use tables::{Documented, documented};
pub use topic_creation::TopicRules;
pub use validation::examine;
pub use worker::{TopicTracking, WatchdogLimits, WorkerConfig, is_secret};

/// State that a connector is created in (`initial_state`) and asked to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetState {
    /// Instance and tasks run.
    #[default]
    Started,
    /// Tasks are kept, nothing moves.
    Paused,
    /// No tasks.
    Stopped,
}

/// A connector to create.
#[derive(Clone)]
pub struct NewConnector {
    /// Its name.
    pub name: String,
    /// Its configuration, `name` included. May hold secrets, so it does not print.
    pub config: api::Props,
    /// What to start it as.
    pub initial_state: TargetState,
}

impl std::fmt::Debug for NewConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewConnector").field("name", &self.name).finish_non_exhaustive()
    }
}
