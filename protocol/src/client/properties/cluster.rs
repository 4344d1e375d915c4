//! The keys that all clients have: where the brokers are, time limits, security.

use std::sync::Arc;

use super::error::PropertyError;
use super::table::Parsed;
use crate::cluster::{ClusterConfig, HostPort};
use crate::metrics::MetricsConfig;
use crate::net::{Security, SocketBuffers};

/// What a map of properties says.
#[derive(Debug, Clone)]
pub struct Configured<T> {
    /// How the client reaches its brokers.
    pub cluster: ClusterConfig,
    /// The client's own settings.
    pub client: T,
    /// What whoever wrote the properties should be told; each a sentence, none with a secret.
    pub warnings: Vec<String>,
}

/// Reads what is common to all tables. Opens the files that `ssl.*` keys name.
pub(super) fn cluster(parsed: &mut Parsed) -> Result<ClusterConfig, PropertyError> {
    let security = security(parsed)?;
    let (retry_backoff_ms, retry_backoff_max_ms) =
        growing(parsed, "retry.backoff.ms", "retry.backoff.max.ms", "backoff");
    let (connection_setup_timeout_ms, connection_setup_timeout_max_ms) = growing(
        parsed,
        "socket.connection.setup.timeout.ms",
        "socket.connection.setup.timeout.max.ms",
        "connection setup timeout",
    );
    let (reconnect_backoff_ms, reconnect_backoff_max_ms) = reconnect_backoff(parsed);
    let servers = parsed.list("bootstrap.servers").iter();
    let bootstrap = servers
        .map(|text| HostPort::parse_server(text))
        .collect::<Result<_, _>>()
        .map_err(PropertyError::new)?;
    let defaults = ClusterConfig::new(bootstrap);
    let client_id = parsed.text("client.id").filter(|id| !id.is_empty());
    Ok(ClusterConfig {
        client_id: client_id.map_or_else(|| Arc::clone(&defaults.client_id), Into::into),
        request_timeout_ms: parsed.count("request.timeout.ms"),
        metadata_max_age_ms: parsed.count("metadata.max.age.ms"),
        rebootstraps: !parsed
            .text("metadata.recovery.strategy")
            .is_some_and(|it| it.eq_ignore_ascii_case("none")),
        reconnect_backoff_ms,
        reconnect_backoff_max_ms,
        retry_backoff_ms,
        retry_backoff_max_ms,
        connection_setup_timeout_ms,
        connection_setup_timeout_max_ms,
        socket_buffers: SocketBuffers {
            send_bytes: buffer(parsed, "send.buffer.bytes"),
            receive_bytes: buffer(parsed, "receive.buffer.bytes"),
        },
        security,
        metrics: MetricsConfig {
            sample_window_ms: parsed.count("metrics.sample.window.ms"),
            sample_count: usize::try_from(parsed.count("metrics.num.samples")).unwrap_or(usize::MAX),
        },
        ..defaults
    })
}

/// The size that was asked for; -1 asks for none.
fn buffer(parsed: &Parsed, key: &str) -> Option<u32> {
    if parsed.is_given(key) { u32::try_from(parsed.integer(key)).ok() } else { None }
}

fn security(parsed: &Parsed) -> Result<Security, PropertyError> {
    let protocol = parsed.text("security.protocol").unwrap_or_default().to_ascii_uppercase();
    if protocol.starts_with("SASL_") && parsed.text("sasl.mechanism").is_none_or(str::is_empty) {
        return Err(PropertyError::invalid(
            "sasl.mechanism",
            "null",
            "When the security.protocol configuration enables SASL, mechanism must be non-null and non-empty string.",
        ));
    }
    Security::from_properties(|key| parsed.given(key)).map_err(|error| PropertyError::new(error.to_string()))
}

/// A time that doubles from the first key's to the second's; the first one must not be longer
/// (`CommonClientConfigs#warnDisablingExponentialBackoff`).
fn growing(parsed: &mut Parsed, first: &str, max: &str, what: &str) -> (u64, u64) {
    let (first_ms, max_ms) = (parsed.integer(first), parsed.integer(max));
    if first_ms > max_ms {
        parsed.warnings.push(format!(
            "Configuration '{first}' with value '{first_ms}' is greater than configuration '{max}' with value '{max_ms}'. \
             A static {what} with value '{max_ms}' will be applied."
        ));
    }
    (parsed.count(first).min(parsed.count(max)), parsed.count(max))
}

/// Whoever sets the first pause alone means every pause (`CommonClientConfigs#postProcessReconnectBackoffConfigs`).
fn reconnect_backoff(parsed: &mut Parsed) -> (u64, u64) {
    const FIRST: &str = "reconnect.backoff.ms";
    const MAX: &str = "reconnect.backoff.max.ms";
    let (first_ms, max_ms) = (parsed.count(FIRST), parsed.count(MAX));
    if parsed.is_given(FIRST) && !parsed.is_given(MAX) {
        parsed.warnings.push(format!(
            "Disabling exponential reconnect backoff because {FIRST} is set, but {MAX} is not."
        ));
        return (first_ms, first_ms);
    }
    (first_ms.min(max_ms), max_ms)
}
