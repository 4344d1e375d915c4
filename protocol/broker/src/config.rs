//! What a broker can be told before it starts: identity, defaults for topics, and the limit of everything that grows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::net::sasl::Mechanism;
use protocol::net::tls::TlsServer;

use crate::Broker;
use crate::cluster::Overrides;
use crate::security::Users;

/// Settings of a [`Broker`]; every field has a default that suits tests and the quickstart.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) node_id: i32,
    pub(crate) node_count: usize,
    pub(crate) racks: Vec<String>,
    /// Broker configurations that topics inherit, as they were set at the start.
    pub(crate) defaults: Overrides,
    pub(crate) advertised_host: String,
    pub(crate) advertised_port: Option<u16>,
    pub(crate) cluster_id: Option<String>,
    pub(crate) partitions_default: i32,
    pub(crate) auto_create_topics: bool,
    pub(crate) memory_bytes_max: usize,
    pub(crate) frame_bytes_max: usize,
    pub(crate) fetch_bytes_max: usize,
    pub(crate) message_bytes_max: usize,
    pub(crate) connection_count_max: usize,
    pub(crate) partition_count_max: usize,
    pub(crate) group_count_max: usize,
    pub(crate) group_member_count_max: usize,
    pub(crate) group_offset_count_max: usize,
    pub(crate) fetch_session_count_max: usize,
    pub(crate) group_initial_rebalance_delay: Duration,
    pub(crate) group_session_timeout_min: Duration,
    pub(crate) group_session_timeout_max: Duration,
    pub(crate) transactional_id_count_max: usize,
    pub(crate) transaction_timeout_max: Duration,
    pub(crate) retention_check_interval: Duration,
    pub(crate) log_cleaner_backoff: Duration,
    pub(crate) tls: Option<TlsServer>,
    pub(crate) users: Option<Users>,
    pub(crate) seed: Option<u64>,
    pub(crate) wall_clock_ms: fn() -> i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_id: 1,
            node_count: 1,
            racks: Vec::new(),
            defaults: Overrides::new(),
            advertised_host: "127.0.0.1".to_owned(),
            advertised_port: None,
            cluster_id: None,
            partitions_default: 1,
            auto_create_topics: true,
            memory_bytes_max: 1 << 30,
            frame_bytes_max: 100 << 20,
            fetch_bytes_max: 55 << 20,
            message_bytes_max: 1_048_588,
            connection_count_max: 4096,
            partition_count_max: 100_000,
            group_count_max: 10_000,
            group_member_count_max: 1000,
            group_offset_count_max: 1_000_000,
            fetch_session_count_max: 1000,
            group_initial_rebalance_delay: Duration::ZERO,
            group_session_timeout_min: Duration::from_secs(6),
            group_session_timeout_max: Duration::from_mins(30),
            transactional_id_count_max: 10_000,
            transaction_timeout_max: Duration::from_mins(15),
            retention_check_interval: Duration::from_mins(5),
            log_cleaner_backoff: Duration::from_secs(15),
            tls: None,
            users: None,
            seed: None,
            wall_clock_ms: system_clock_ms,
        }
    }
}

/// Collects the settings of a [`Broker`]. Made by [`Broker::builder`].
#[derive(Debug, Clone, Default)]
pub struct Builder {
    pub(crate) config: Config,
}

impl Builder {
    /// Id of the (first) node; default 1.
    #[must_use]
    pub fn node_id(mut self, id: i32) -> Self {
        self.config.node_id = id;
        self
    }

    /// How many nodes the cluster has, with consecutive ids from [`Builder::node_id`] on; default 1. They share one
    /// process and one state; leaders and coordinators are spread over them.
    #[must_use]
    pub fn node_count(mut self, count: usize) -> Self {
        self.config.node_count = count.max(1);
        self
    }

    /// Racks of the nodes (`broker.rack`), in the order of their ids and from the beginning again where there are more nodes;
    /// default none. Clients that say their rack are then told to fetch from a replica there (KIP-392, Kafka's
    /// `RackAwareReplicaSelector`).
    #[must_use]
    pub fn racks(mut self, racks: &[&str]) -> Self {
        self.config.racks = racks.iter().map(|rack| (*rack).to_owned()).collect();
        self
    }

    /// Host that clients are told to connect to; default `127.0.0.1`.
    #[must_use]
    pub fn advertised_host(mut self, host: impl Into<String>) -> Self {
        self.config.advertised_host = host.into();
        self
    }

    /// Port that clients are told to connect to; by default that of the listener. For a cluster of several nodes it
    /// is that of the first, and the others follow.
    #[must_use]
    pub fn advertised_port(mut self, port: u16) -> Self {
        self.config.advertised_port = Some(port);
        self
    }

    /// Cluster id; by default a random one in Kafka's form (22 characters of URL-safe base64).
    #[must_use]
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.config.cluster_id = Some(id.into());
        self
    }

    /// Partitions of a topic that is created without a count (`num.partitions`); default 1.
    #[must_use]
    pub fn partitions_default(mut self, count: i32) -> Self {
        self.config.partitions_default = count.max(1);
        self
    }

    /// Whether asking for the metadata of an unknown topic creates it (`auto.create.topics.enable`); default true.
    #[must_use]
    pub fn auto_create_topics(mut self, enabled: bool) -> Self {
        self.config.auto_create_topics = enabled;
        self
    }

    /// Most bytes that all logs may take together; default 1 GiB. A segment is closed at 1/64 of it at the latest. When it is reached, produce requests are refused with
    /// `POLICY_VIOLATION` and a message that names this limit.
    #[must_use]
    pub fn memory_bytes_max(mut self, bytes: usize) -> Self {
        self.config.memory_bytes_max = bytes;
        self
    }

    /// Largest request (`socket.request.max.bytes`); default 100 MiB. A larger one closes its connection.
    #[must_use]
    pub fn frame_bytes_max(mut self, bytes: usize) -> Self {
        self.config.frame_bytes_max = bytes;
        self
    }

    /// Most record bytes in one fetch response (`fetch.max.bytes`); default 55 MiB.
    #[must_use]
    pub fn fetch_bytes_max(mut self, bytes: usize) -> Self {
        self.config.fetch_bytes_max = bytes;
        self
    }

    /// Largest record batch unless a topic says otherwise (`message.max.bytes`); default 1,048,588.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.config.message_bytes_max = bytes;
        self
    }

    /// Most connections at a time; default 4,096. Further ones are closed at once.
    #[must_use]
    pub fn connection_count_max(mut self, count: usize) -> Self {
        self.config.connection_count_max = count;
        self
    }

    /// Most partitions of all topics together; default 100,000.
    #[must_use]
    pub fn partition_count_max(mut self, count: usize) -> Self {
        self.config.partition_count_max = count;
        self
    }

    /// Most groups; default 10,000.
    #[must_use]
    pub fn group_count_max(mut self, count: usize) -> Self {
        self.config.group_count_max = count;
        self
    }

    /// Most members of one group (`group.max.size`); default 1,000.
    #[must_use]
    pub fn group_member_count_max(mut self, count: usize) -> Self {
        self.config.group_member_count_max = count;
        self
    }

    /// How long an empty group waits for more members before its first rebalance
    /// (`group.initial.rebalance.delay.ms`); default 0.
    #[must_use]
    pub fn group_initial_rebalance_delay(mut self, delay: Duration) -> Self {
        self.config.group_initial_rebalance_delay = delay;
        self
    }

    /// Shortest session timeout that a member may ask for (`group.min.session.timeout.ms`); default 6 s as in Kafka.
    /// Tests of failure detection set it lower.
    #[must_use]
    pub fn group_session_timeout_min(mut self, timeout: Duration) -> Self {
        self.config.group_session_timeout_min = timeout;
        self
    }

    /// Most transactional ids that are remembered; default 10,000. Above it the one that was not used for longest is
    /// forgotten, as Kafka does after `transactional.id.expiration.ms`.
    #[must_use]
    pub fn transactional_id_count_max(mut self, count: usize) -> Self {
        self.config.transactional_id_count_max = count;
        self
    }

    /// Longest transaction timeout that a producer may ask for (`transaction.max.timeout.ms`); default 15 minutes.
    #[must_use]
    pub fn transaction_timeout_max(mut self, timeout: Duration) -> Self {
        self.config.transaction_timeout_max = timeout;
        self
    }

    /// How often records that are older than `retention.ms` are looked for (`log.retention.check.interval.ms`); default 5
    /// minutes as in Kafka.
    #[must_use]
    pub fn retention_check_interval(mut self, interval: Duration) -> Self {
        self.config.retention_check_interval = interval;
        self
    }

    /// How long to wait when no log needs compaction (`log.cleaner.backoff.ms`); default 15 s as in Kafka.
    #[must_use]
    pub fn log_cleaner_backoff(mut self, backoff: Duration) -> Self {
        self.config.log_cleaner_backoff = backoff;
        self
    }

    /// Listeners speak TLS, and nothing else. Pipes within the process stay as they are.
    #[must_use]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.config.tls = Some(tls);
        self
    }

    /// Adds a user. With the first one, clients of listeners must authenticate by SASL; pipes within the process need not.
    /// OAUTHBEARER takes any unsecured token that is not expired: this broker is for tests.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.config.users.get_or_insert_default().set(name, password);
        self
    }

    /// The SASL mechanisms that are offered (`sasl.enabled.mechanisms`); default all: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512,
    /// OAUTHBEARER.
    #[must_use]
    pub fn sasl_mechanisms(mut self, mechanisms: &[Mechanism]) -> Self {
        self.config.users.get_or_insert_default().mechanisms = mechanisms.to_vec();
        self
    }

    /// How long a client is believed before it has to authenticate again (`connections.max.reauth.ms`); default without end.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.users.get_or_insert_default().session_lifetime = Some(lifetime);
        self
    }

    /// Makes ids (cluster, topics, members, sessions) come out the same on every run.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// The wall clock in milliseconds since the Unix epoch, for what is compared with timestamps of records: `LogAppendTime`,
    /// retention, the lags of compaction. Timers follow tokio's clock.
    #[must_use]
    pub fn wall_clock_ms(mut self, clock: fn() -> i64) -> Self {
        self.config.wall_clock_ms = clock;
        self
    }

    /// The broker, which lives on the calling thread; see [`Builder::spawn_thread`](Self::spawn_thread) for one of its own.
    pub fn build(self) -> Broker {
        Broker::new(self.config)
    }
}

/// The operating system's wall clock; a clock before 1970 reads as 0.
fn system_clock_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
