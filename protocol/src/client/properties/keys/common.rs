//! Keys that more than one client has (Java: `CommonClientConfigs`).

use crate::client::properties::key::Default::{Null, Required, Value};
use crate::client::properties::key::Effect::{Applied, Ignored, Needless};
use crate::client::properties::key::Importance::{High, Low, Medium};
use crate::client::properties::key::Type::{Boolean, Class, Int, List, Long, String};
use crate::client::properties::key::{Effect, Key, key};
use crate::client::properties::valid::Valid;

pub(super) const JVM: Effect = Ignored("it is about the Java virtual machine");
pub(super) const NO_CLASSES: Effect = Effect::Refused("classes of Java cannot be loaded");
const CALLER: Effect = Needless("keys and values are bytes to the client");

pub(super) const BOOTSTRAP_SERVERS: Key = key("bootstrap.servers", List, Required, Valid::NonEmptyList, High, Applied,
    "the brokers to ask first who else there is, host:port each");
pub(super) const CLIENT_DNS_LOOKUP: Key = key("client.dns.lookup", String, Value("use_all_dns_ips"),
    Valid::OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), Medium,
    Ignored("every address of a name is tried, and names stay as they were written"),
    "what is made of host names that have several addresses");
pub(super) const CLIENT_ID: Key = key("client.id", String, Value(""), Valid::Any, Medium, Applied,
    "the name that brokers see in their logs and quotas");
pub(super) const SEND_BUFFER_BYTES: Key = key("send.buffer.bytes", Int, Value("131072"), Valid::AtLeast(-1), Medium, Applied,
    "the size of a socket's send buffer; unless it is given, and for -1, the operating system's");
pub(super) const RECEIVE_BUFFER_BYTES: Key = key("receive.buffer.bytes", Int, Value("65536"), Valid::AtLeast(-1), Medium, Applied,
    "the size of a socket's receive buffer; unless it is given, and for -1, the operating system's");
pub(super) const RECONNECT_BACKOFF_MS: Key = key("reconnect.backoff.ms", Long, Value("50"), Valid::AtLeast(0), Low, Applied,
    "the pause after the first failed connection to a broker");
pub(super) const RECONNECT_BACKOFF_MAX_MS: Key = key("reconnect.backoff.max.ms", Long, Value("1000"), Valid::AtLeast(0), Low, Applied,
    "the pause between connections to a broker doubles up to this");
pub(super) const RETRY_BACKOFF_MS: Key = key("retry.backoff.ms", Long, Value("100"), Valid::AtLeast(0), Low, Applied,
    "the pause before a failed request is sent again");
pub(super) const RETRY_BACKOFF_MAX_MS: Key = key("retry.backoff.max.ms", Long, Value("1000"), Valid::AtLeast(0), Low, Applied,
    "the pause between attempts of a request doubles up to this");
pub(super) const ENABLE_METRICS_PUSH: Key = key("enable.metrics.push", Boolean, Value("true"), Valid::Any, Low,
    Needless("metrics are never pushed to brokers (KIP-714)"),
    "whether brokers may ask the client for its metrics");
pub(super) const REQUEST_TIMEOUT_MS: Key = key("request.timeout.ms", Int, Value("30000"), Valid::AtLeast(0), Medium, Applied,
    "how long a broker may take to answer");
pub(super) const DEFAULT_API_TIMEOUT_MS: Key = key("default.api.timeout.ms", Int, Value("60000"), Valid::AtLeast(0), Medium, Applied,
    "how long an operation is tried that has no time limit of its own");
pub(super) const METADATA_MAX_AGE_MS: Key = key("metadata.max.age.ms", Long, Value("300000"), Valid::AtLeast(0), Low, Applied,
    "what is known of the cluster is asked for again after this long");
pub(super) const METRICS_SAMPLE_WINDOW_MS: Key = key("metrics.sample.window.ms", Long, Value("30000"), Valid::AtLeast(0), Low, Applied,
    "how long one sample of a metric collects");
pub(super) const METRICS_NUM_SAMPLES: Key = key("metrics.num.samples", Int, Value("2"), Valid::AtLeast(1), Low, Applied,
    "how many samples averages, maxima and rates are made of; 1,000 at most count");
pub(super) const METRICS_RECORDING_LEVEL: Key = key("metrics.recording.level", String, Value("INFO"),
    Valid::OneOf(&["INFO", "DEBUG", "TRACE"]), Low,
    Ignored("everything is measured always"),
    "how much is measured");
pub(super) const METRIC_REPORTERS: Key = key("metric.reporters", List, Value("org.apache.kafka.common.metrics.JmxReporter"),
    Valid::List, Low, Ignored("classes of Java cannot be loaded"),
    "classes that are told of metrics");
pub(super) const INTERCEPTOR_CLASSES: Key = key("interceptor.classes", List, Value(""), Valid::List, Low,
    Ignored("classes of Java cannot be loaded"),
    "classes that see every record on its way");
pub(super) const KEY_SERIALIZER: Key = key("key.serializer", Class, Required, Valid::Any, High, CALLER,
    "the class that turns keys into bytes");
pub(super) const VALUE_SERIALIZER: Key = key("value.serializer", Class, Required, Valid::Any, High, CALLER,
    "the class that turns values into bytes");
pub(super) const KEY_DESERIALIZER: Key = key("key.deserializer", Class, Required, Valid::Any, High, CALLER,
    "the class that turns bytes into keys");
pub(super) const VALUE_DESERIALIZER: Key = key("value.deserializer", Class, Required, Valid::Any, High, CALLER,
    "the class that turns bytes into values");
pub(super) const SOCKET_CONNECTION_SETUP_TIMEOUT_MS: Key = key("socket.connection.setup.timeout.ms", Long, Value("10000"),
    Valid::Any, Medium, Applied,
    "how long the first connection to a broker may take to be made");
pub(super) const SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS: Key = key("socket.connection.setup.timeout.max.ms", Long, Value("30000"),
    Valid::Any, Medium, Applied,
    "the time for a connection doubles with each failure up to this");
pub(super) const CONNECTIONS_MAX_IDLE_MS: Key = key("connections.max.idle.ms", Long, Value("540000"), Valid::Any, Medium,
    Ignored("idle connections are closed by the broker and made again when they are needed"),
    "connections that nobody used for this long are closed");
pub(super) const SECURITY_PROTOCOL: Key = key("security.protocol", String, Value("PLAINTEXT"),
    Valid::AnyCase(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"]), Medium, Applied,
    "whether connections are encrypted (SSL) and the client says who it is (SASL)");
pub(super) const SECURITY_PROVIDERS: Key = key("security.providers", String, Null, Valid::Any, Low, JVM,
    "classes that bring security algorithms");
pub(super) const METADATA_RECOVERY_STRATEGY: Key = key("metadata.recovery.strategy", String, Value("rebootstrap"),
    Valid::AnyCase(&["REBOOTSTRAP", "NONE"]), Low, Applied,
    "whether bootstrap.servers are asked again once no known broker answers (KIP-899)");
pub(super) const METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS: Key = key("metadata.recovery.rebootstrap.trigger.ms", Long,
    Value("300000"), Valid::AtLeast(0), Low, Needless("bootstrap servers are asked as soon as no known broker answers"),
    "how long metadata may fail to be refreshed before bootstrap.servers are asked again");
pub(super) const CONFIG_PROVIDERS: Key = key("config.providers", List, Value(""), Valid::List, Low,
    Ignored("references such as ${file:...} are resolved by whoever reads the configuration"),
    "names of classes that resolve references in values");
