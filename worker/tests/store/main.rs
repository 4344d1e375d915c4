//! The internal topics on a broker: what is written survives a restart, compaction and another leader; Java reads ours, we read Java's.
//!
//! On the Kafka that `AQUEDUCT_KAFKA` names, else on an embedded broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod golden;

mod java;

mod stores;

use std::time::Duration;

use api::Props;
use protocol::client::admin::Admin;
use protocol::net::Env;
use worker::config::{DistributedConfig, Plugins, RawConfig, WorkerConfig};
use worker::store::topic_log::shared_admin;

/// What a test of a store is given: a worker's configuration, on topics of its own.
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) worker: WorkerConfig,
    pub(crate) admin: Admin,
}

impl World {
    /// A worker of the group; workers of one group share their topics.
    pub(crate) fn new(bootstrap: &str, group: &str, more: &support::Properties<'_>) -> World {
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let defaults = [
            ("bootstrap.servers", bootstrap.to_owned()),
            ("key.converter", string.to_owned()),
            ("value.converter", string.to_owned()),
            ("group.id", group.to_owned()),
            ("config.storage.topic", format!("{group}-configs")),
            ("offset.storage.topic", format!("{group}-offsets")),
            ("status.storage.topic", format!("{group}-status")),
            ("config.storage.replication.factor", "1".to_owned()),
            ("offset.storage.replication.factor", "1".to_owned()),
            ("status.storage.replication.factor", "1".to_owned()),
            ("offset.storage.partitions", "3".to_owned()),
        ];
        let mut props: Props = defaults.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        props.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let worker = WorkerConfig::distributed(props, &Plugins::new(worker::built_in())).unwrap();
        let env = Env::real();
        let admin = shared_admin(&env, &worker, worker.distributed.as_deref().unwrap()).unwrap();
        World { env, worker, admin }
    }

    pub(crate) fn distributed(&self) -> &DistributedConfig {
        self.worker.distributed.as_deref().unwrap()
    }
}

pub(crate) fn raw(entries: &[(&str, &str)]) -> RawConfig {
    entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

/// Runs a test's future as the control thread does.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// Waits until the condition holds; others of this thread go on meanwhile.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
    let what = what.to_owned();
    async move {
        while !condition() {
            assert!(tokio::time::Instant::now() < deadline, "waited too long for {what}");
            // This sleep is the interval of a poll.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
