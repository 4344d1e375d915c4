//! What a task does about records that fail, and how fast it may go, as its connector's configuration says (contract section 6).

use std::num::NonZeroU64;
use std::time::Duration;

use protocol::client::producer::ProducerConfig;
use protocol::cluster::ClusterConfig;

/// What becomes of records that a converter, a transform, the sink or Kafka refuses (`errors.tolerance`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tolerance {
    /// The task fails at the first one, its offset not advanced.
    #[default]
    None,
    /// They are counted, reported and skipped.
    All,
}

/// The `errors.*` settings of a connector. The default is Java's: no retry, no tolerance, no report.
#[derive(Debug, Clone)]
pub struct ErrorPolicy {
    /// `errors.tolerance`.
    pub tolerance: Tolerance,
    /// `errors.retry.timeout`: how long one operation that failed for now is tried again, from its first attempt on. `None` (-1)
    /// is for ever.
    pub retry_timeout: Option<Duration>,
    /// `errors.retry.delay.max.ms`: the longest pause between two attempts.
    pub retry_delay_max: Duration,
    /// `errors.log.enable`, and how.
    pub log: Option<ErrorLog>,
    /// Where records go that failed; of sinks only.
    pub dead_letters: Option<DeadLetterSpec>,
}

impl Default for ErrorPolicy {
    fn default() -> ErrorPolicy {
        ErrorPolicy {
            tolerance: Tolerance::None,
            retry_timeout: Some(Duration::ZERO),
            retry_delay_max: Duration::from_secs(60),
            log: None,
            dead_letters: None,
        }
    }
}

/// Every record that failed is an ERROR line (`errors.log.enable`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorLog {
    /// `errors.log.include.messages`: the line says which record it is; of a source record it holds the contents.
    pub include_messages: bool,
}

/// The dead letter queue of a sink connector (`errors.deadletterqueue.*`).
#[derive(Debug, Clone)]
pub struct DeadLetterSpec {
    /// `topic.name`. Created where it does not exist.
    pub topic: String,
    /// `topic.replication.factor`: of the topic, where it is created.
    pub replication_factor: i16,
    /// `context.headers.enable`: records carry headers that say what failed, where and why.
    pub context_headers: bool,
    /// How the producer reaches the brokers; its client id is `connector-dlq-producer-<connector>-<task>`.
    pub cluster: ClusterConfig,
    /// Settings of the producer: as of a source's.
    pub producer: ProducerConfig,
    /// How the admin client that creates the topic reaches the brokers; its client id is `connector-dlq-adminclient-`.
    pub admin: ClusterConfig,
}

/// The most that the tasks which one connector has on this worker may move together; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// `aqueduct.rate.limit.records.per.second`.
    pub records_per_second: Option<NonZeroU64>,
    /// `aqueduct.rate.limit.bytes.per.second`: bytes as fetched, compressed or not, of a sink; of keys and values of a source.
    pub bytes_per_second: Option<NonZeroU64>,
}
