//! Keys of an admin client alone, and the order of all of them (Java: `AdminClientConfig`).

use super::common::*;
use crate::client::properties::key::Default::Value;
use crate::client::properties::key::Effect::{Applied, Ignored, Refused};
use crate::client::properties::key::Importance::{High, Low};
use crate::client::properties::key::Type::{Int, List};
use crate::client::properties::key::{Key, key};
use crate::client::properties::valid::Valid;

pub(super) const BEFORE_SECURITY: [Key; 24] = [
    key("bootstrap.servers", List, Value(""), Valid::List, High, Applied, BOOTSTRAP_SERVERS.doc),
    key("bootstrap.controllers", List, Value(""), Valid::List, High,
        Refused("controllers are reached through the brokers; use bootstrap.servers"),
        "the controllers to ask instead of brokers (KIP-919)"),
    CLIENT_ID,
    METADATA_MAX_AGE_MS,
    SEND_BUFFER_BYTES,
    RECEIVE_BUFFER_BYTES,
    RECONNECT_BACKOFF_MS,
    RECONNECT_BACKOFF_MAX_MS,
    RETRY_BACKOFF_MS,
    RETRY_BACKOFF_MAX_MS,
    ENABLE_METRICS_PUSH.with_default("false"),
    REQUEST_TIMEOUT_MS,
    SOCKET_CONNECTION_SETUP_TIMEOUT_MS,
    SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS,
    CONNECTIONS_MAX_IDLE_MS.with_default("300000"),
    key("retries", Int, Value("2147483647"), Valid::Between(0, 2_147_483_647), Low,
        Ignored("operations are tried until default.api.timeout.ms is over"),
        "how often an operation is tried again"),
    DEFAULT_API_TIMEOUT_MS,
    METRICS_SAMPLE_WINDOW_MS,
    METRICS_NUM_SAMPLES,
    METRIC_REPORTERS,
    METRICS_RECORDING_LEVEL,
    CLIENT_DNS_LOOKUP,
    SECURITY_PROVIDERS,
    SECURITY_PROTOCOL,
];

pub(super) const AFTER_SECURITY: [Key; 3] = [
    METADATA_RECOVERY_STRATEGY,
    METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS,
    CONFIG_PROVIDERS,
];
