//! The clients of an internal topic.

use std::time::Duration;

use protocol::client::admin::{Admin, IsolationLevel};
use protocol::client::consumer::{Consumer, ConsumerConfig};
use protocol::client::producer::{Producer, ProducerConfig, TransactionError};
use protocol::cluster::{Cluster, ClusterConfig};
use protocol::net::Env;

use super::StoreError;
use crate::config::{DistributedConfig, WorkerConfig, own_admin, own_consumer, own_producer};

/// How the clients of one topic are set up.
#[derive(Debug)]
pub struct LogSettings {
    /// Of the consumer.
    pub consumer: (ClusterConfig, ConsumerConfig),
    /// Of the producer.
    pub producer: (ClusterConfig, ProducerConfig),
}

/// The clients of one topic.
#[derive(Debug)]
pub struct LogClients {
    pub(super) admin: Admin,
    pub(super) admin_timeout: Duration,
    pub(super) retry_backoff: Duration,
    pub(super) isolation: IsolationLevel,
    pub(super) consumer: Consumer,
    pub(super) producer: Producer,
    pub(super) env: Env,
}

impl LogSettings {
    /// The worker's own: its properties as they are, but for what the topic's consistency rests on. `suffix` ends the clients' names; the
    /// consumer reads only what was committed where `is_committed_only`. `producer` comes last.
    ///
    /// # Errors
    /// The first key that is wrong, with Java's message.
    pub fn of_worker(
        worker: &WorkerConfig,
        distributed: &DistributedConfig,
        suffix: &str,
        is_committed_only: bool,
        producer: &[(&str, &str)],
    ) -> api::Result<LogSettings> {
        let id = format!("{}{suffix}", distributed.client_id_base());
        let mut of_consumer = vec![
            ("client.id", id.as_str()),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
        ];
        if is_committed_only {
            of_consumer.push(("isolation.level", "read_committed"));
        }
        // One in flight: without idempotence a second could overtake the first when that is sent again.
        let of_producer = [
            ("client.id", id.as_str()),
            ("acks", "all"),
            ("max.in.flight.requests.per.connection", "1"),
            ("enable.idempotence", "false"),
        ];
        Ok(LogSettings {
            consumer: own_consumer(worker, &of_consumer)?,
            producer: own_producer(worker, &[&of_producer, producer].concat())?,
        })
    }
}

impl LogClients {
    /// Connects nothing yet. Within a `LocalSet`.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn new(env: &Env, admin: &Admin, settings: LogSettings) -> Result<LogClients, StoreError> {
        let LogSettings { consumer: (cluster, consumer), producer: (producer_cluster, producer) } = settings;
        let retry_backoff = Duration::from_millis(cluster.retry_backoff_ms);
        let failed = |error: protocol::Error| StoreError::Config(error.to_string());
        Ok(LogClients {
            admin: admin.clone(),
            admin_timeout: Duration::from_millis(consumer.api_timeout_ms),
            retry_backoff,
            isolation: consumer.isolation_level,
            consumer: Consumer::new(Cluster::new(env.clone(), cluster), consumer),
            producer: Producer::new(Cluster::new(env.clone(), producer_cluster), producer).map_err(failed)?,
            env: env.clone(),
        })
    }

    /// Takes over the producer's `transactional.id`: whoever wrote under it before is shut out, and what it left open aborted.
    ///
    /// # Errors
    /// The coordinator refuses it.
    pub async fn init_transactions(&self) -> Result<(), TransactionError> {
        self.producer.init_transactions().await
    }
}

/// The admin client that all internal topics of a worker share.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn shared_admin(env: &Env, worker: &WorkerConfig, distributed: &DistributedConfig) -> api::Result<Admin> {
    let id = format!("{}shared-admin", distributed.client_id_base());
    let (cluster, admin) = own_admin(worker, &[("client.id", &id)])?;
    Ok(Admin::new(Cluster::new(env.clone(), cluster)).with_timeout(admin.api_timeout))
}
