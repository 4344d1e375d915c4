//! What a distributed worker runs with beyond what every worker has (`DistributedConfig`).

use std::time::Duration;

use api::config_def::Config;
use api::{Error, Props, Result};

use crate::group::ConnectProtocol;

/// How source tasks write (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// At least once.
    Disabled,
    /// At least once, while the leader writes to the config topic in transactions already.
    Preparing,
    /// Records and offsets in one transaction.
    Enabled,
}

impl ExactlyOnceSupport {
    /// Whether the leader writes to the config topic in transactions.
    pub fn has_transactional_leader(self) -> bool {
        self != ExactlyOnceSupport::Disabled
    }
}

/// A topic that the worker keeps something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalTopic {
    /// Its name.
    pub name: String,
    /// The key that names it.
    pub key: &'static str,
    /// Partitions where it has to be created; none for the broker's default.
    pub partitions: Option<i32>,
    /// Replicas where it has to be created; none for the broker's default.
    pub replication_factor: Option<i16>,
    /// Settings where it has to be created, beside `cleanup.policy`.
    pub settings: Vec<(String, String)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct DistributedConfig {
    /// `group.id`.
    pub group_id: String,
    /// `client.id`; empty where it is not given.
    pub client_id: String,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `rebalance.timeout.ms`.
    pub rebalance_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `exactly.once.source.support`.
    pub exactly_once: ExactlyOnceSupport,
    /// `worker.sync.timeout.ms`.
    pub worker_sync_timeout: Duration,
    /// `worker.unsync.backoff.ms`.
    pub worker_unsync_backoff: Duration,
    /// `scheduled.rebalance.max.delay.ms`.
    pub scheduled_rebalance_max_delay: Duration,
    /// `connect.protocol`.
    pub protocol: ConnectProtocol,
    /// `config.storage.*`.
    pub config_topic: InternalTopic,
    /// `offset.storage.*`.
    pub offset_topic: InternalTopic,
    /// `status.storage.*`.
    pub status_topic: InternalTopic,
    /// `inter.worker.key.ttl.ms`; zero: keys last for ever.
    pub key_ttl: Duration,
    /// `inter.worker.key.generation.algorithm`.
    pub key_algorithm: String,
    /// `inter.worker.key.size`.
    pub key_bits: Option<u32>,
    /// `inter.worker.signature.algorithm`.
    pub signature_algorithm: String,
    /// `aqueduct.rest.queue.during.rebalance`: changes wait for a rebalance instead of being refused.
    pub queues_during_rebalance: bool,
    /// `inter.worker.verification.algorithms`.
    pub verification_algorithms: Vec<String>,
}

impl DistributedConfig {
    /// What the names of the worker's own clients begin with.
    pub fn client_id_base(&self) -> String {
        if self.client_id.is_empty() {
            format!("{}-", self.group_id)
        } else {
            format!("{}-{}-", self.group_id, self.client_id)
        }
    }

    /// The `transactional.id` with which the leader writes to the config topic.
    pub fn transactional_id(&self) -> String {
        format!("connect-cluster-{}", self.group_id)
    }

    /// Bytes of a session key.
    pub fn key_length(&self) -> usize {
        // As many as Java's generators make of themselves.
        let default_bits = match self.key_algorithm.as_str() {
            "HmacSHA256" => 256,
            "HmacSHA384" => 384,
            _ => 512,
        };
        (self.key_bits.unwrap_or(default_bits) as usize).div_ceil(8)
    }

    /// The `transactional.id` with which a source task writes, with exactly-once support (`Worker#taskTransactionalId`).
    pub fn task_transactional_id(&self, connector: &str, task: u32) -> String {
        format!("{}-{connector}-{task}", self.group_id)
    }

    /// Takes the worker's properties apart, which its table has read. `warnings` gets what has no effect.
    pub(super) fn new(config: &Config, warnings: &mut Vec<String>) -> Result<DistributedConfig> {
        let millis = |key| Duration::from_millis(config.long(key).max(0).unsigned_abs());
        let text = |key| config.string(key).to_owned();
        let signature_algorithm = text("inter.worker.signature.algorithm");
        let verification_algorithms = config.list("inter.worker.verification.algorithms").to_vec();
        if !verification_algorithms.contains(&signature_algorithm) {
            return Err(Error::config(format!(
                "Invalid value {signature_algorithm} for configuration inter.worker.signature.algorithm: Signature algorithm must be \
                 present in inter.worker.verification.algorithms list"
            )));
        }
        let key_algorithm = text("inter.worker.key.generation.algorithm");
        let key_bits = config.long_or_null("inter.worker.key.size");
        if key_bits.is_some_and(|bits| bits < KEY_BITS_MIN) {
            // Java's key generator has these words.
            return Err(Error::config(format!(
                "Unable to create key generator with algorithm {key_algorithm} and key size {}: Key length must be at least 40 bits",
                key_bits.unwrap_or_default()
            )));
        }
        Ok(DistributedConfig {
            group_id: text("group.id"),
            client_id: text("client.id"),
            session_timeout: millis("session.timeout.ms"),
            rebalance_timeout: millis("rebalance.timeout.ms"),
            heartbeat_interval: millis("heartbeat.interval.ms"),
            exactly_once: match text("exactly.once.source.support").to_ascii_lowercase().as_str() {
                "enabled" => ExactlyOnceSupport::Enabled,
                "preparing" => ExactlyOnceSupport::Preparing,
                _ => ExactlyOnceSupport::Disabled,
            },
            worker_sync_timeout: millis("worker.sync.timeout.ms"),
            worker_unsync_backoff: millis("worker.unsync.backoff.ms"),
            scheduled_rebalance_max_delay: millis("scheduled.rebalance.max.delay.ms"),
            protocol: match config.string("connect.protocol") {
                "eager" => ConnectProtocol::Eager,
                "compatible" => ConnectProtocol::Compatible,
                _ => ConnectProtocol::Sessioned,
            },
            config_topic: topic(config, "config.storage.", "config.storage.topic", warnings)?,
            offset_topic: topic(config, "offset.storage.", "offset.storage.topic", warnings)?,
            status_topic: topic(config, "status.storage.", "status.storage.topic", warnings)?,
            key_ttl: millis("inter.worker.key.ttl.ms"),
            key_algorithm,
            key_bits: key_bits.and_then(|bits| bits.try_into().ok()),
            signature_algorithm,
            queues_during_rebalance: config.boolean("aqueduct.rest.queue.during.rebalance"),
            verification_algorithms,
        })
    }
}

const KEY_BITS_MIN: i64 = 40;

fn topic(
    config: &Config,
    prefix: &str,
    key: &'static str,
    warnings: &mut Vec<String>,
) -> Result<InternalTopic> {
    let name = config.string(key).to_owned();
    if name.trim().is_empty() {
        return Err(Error::config(match key {
            "config.storage.topic" => "Must specify topic for connector configuration.",
            "offset.storage.topic" => "Offset storage topic must be specified",
            _ => "Must specify topic for connector status.",
        }));
    }
    let is_config = key == "config.storage.topic";
    let mut settings: Props = config.with_prefix(prefix);
    let partitions = settings.shift_remove("partitions");
    if let Some(given) = partitions.filter(|_| is_config) {
        warnings.push(format!(
            "Ignoring '{prefix}partitions={given}' setting, since config topic partitions is always 1"
        ));
    }
    if let Some(given) = settings.shift_remove("cleanup.policy") {
        warnings.push(format!(
            "Ignoring '{prefix}cleanup.policy={given}' setting, since compaction is always used"
        ));
    }
    // A key of a standalone worker.
    for own in ["topic", "replication.factor", "file.filename"] {
        settings.shift_remove(own);
    }
    let number = |name: &str| Some(config.long(&format!("{prefix}{name}"))).filter(|number| *number >= 0);
    Ok(InternalTopic {
        name,
        key,
        partitions: if is_config { Some(1) } else { number("partitions").and_then(|n| n.try_into().ok()) },
        replication_factor: number("replication.factor").and_then(|n| n.try_into().ok()),
        settings: settings.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Plugins, WorkerConfig};

    fn parse(more: &[(&str, &str)]) -> Result<WorkerConfig> {
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let required = [
            ("bootstrap.servers", "a:1"),
            ("key.converter", string),
            ("value.converter", string),
            ("group.id", "g"),
            ("config.storage.topic", "configs"),
            ("offset.storage.topic", "offsets"),
            ("status.storage.topic", "status"),
        ];
        let props = required.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        WorkerConfig::distributed(props.collect(), &Plugins::new(crate::built_in()))
    }

    #[test]
    fn defaults_and_names_are_javas() {
        let worker = parse(&[]).unwrap();
        let config = worker.distributed.unwrap();
        assert_eq!(
            (config.client_id_base().as_str(), config.transactional_id().as_str()),
            ("g-", "connect-cluster-g")
        );
        assert_eq!(
            (config.protocol, config.exactly_once),
            (ConnectProtocol::Sessioned, ExactlyOnceSupport::Disabled)
        );
        assert_eq!(config.scheduled_rebalance_max_delay, Duration::from_secs(300));
        assert_eq!((config.config_topic.partitions, config.offset_topic.partitions), (Some(1), Some(25)));
        assert_eq!(
            (config.status_topic.partitions, config.status_topic.replication_factor),
            (Some(5), Some(3))
        );
        let more = [
            ("client.id", "me"),
            ("exactly.once.source.support", "Preparing"),
            ("connect.protocol", "eager"),
        ];
        let config = parse(&more).unwrap().distributed.unwrap();
        assert_eq!((config.client_id_base().as_str(), config.protocol), ("g-me-", ConnectProtocol::Eager));
        assert!(config.exactly_once.has_transactional_leader());
    }

    #[test]
    fn other_settings_of_a_topic_are_for_its_creation() {
        let worker = parse(&[
            ("config.storage.partitions", "3"),
            ("config.storage.cleanup.policy", "delete"),
            ("config.storage.min.insync.replicas", "2"),
            ("offset.storage.partitions", "-1"),
            ("offset.storage.replication.factor", "-1"),
        ])
        .unwrap();
        let config = worker.distributed.unwrap();
        assert_eq!(config.config_topic.settings, [("min.insync.replicas".to_owned(), "2".to_owned())]);
        assert_eq!(config.config_topic.partitions, Some(1));
        assert_eq!((config.offset_topic.partitions, config.offset_topic.replication_factor), (None, None));
        let warned = |text: &str| worker.warnings.iter().any(|warning| warning == text);
        assert!(warned(
            "Ignoring 'config.storage.partitions=3' setting, since config topic partitions is always 1"
        ));
        assert!(warned(
            "Ignoring 'config.storage.cleanup.policy=delete' setting, since compaction is always used"
        ));
    }

    #[test]
    fn refuses_what_java_refuses_in_its_words() {
        for (key, value, message) in [
            ("status.storage.topic", " ", "Must specify topic for connector status."),
            ("offset.storage.topic", "", "Offset storage topic must be specified"),
            (
                "inter.worker.signature.algorithm",
                "HmacSHA512",
                "Invalid value HmacSHA512 for configuration inter.worker.signature.algorithm: Signature algorithm must be present in \
                 inter.worker.verification.algorithms list",
            ),
            (
                "inter.worker.verification.algorithms",
                "",
                "Invalid value [] for configuration inter.worker.verification.algorithms: At least one signature verification algorithm \
                 must be provided",
            ),
            (
                "inter.worker.key.size",
                "8",
                "Unable to create key generator with algorithm HmacSHA256 and key size 8: Key length must be at least 40 bits",
            ),
        ] {
            assert_eq!(parse(&[(key, value)]).unwrap_err().message(), message, "{key}");
        }
    }
}
