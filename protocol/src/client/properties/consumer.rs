//! `ConsumerConfig` from properties (Java: `ConsumerConfig#postProcessParsedConfig`, `ClassicKafkaConsumer`, `Heartbeat`).

use super::CONSUMER;
use super::cluster::{Configured, cluster};
use super::error::PropertyError;
use super::table::{Parsed, no_effect};
use crate::client::consumer::{ConsumerConfig, IsolationLevel, OffsetReset};
use crate::client::group::assignor::Assignor;

const ASSIGNORS: &str = "partition.assignment.strategy";
/// `Topic#MAX_NAME_LENGTH`, which holds for members' names too.
const INSTANCE_ID_CHARS_MAX: usize = 249;

impl ConsumerConfig {
    /// Reads Java's properties of a consumer, and the files that `ssl.*` keys name.
    ///
    /// # Errors
    /// The first one that is missing, wrong, refused, or contradicts another one.
    pub fn from_properties(
        props: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Configured<Self>, PropertyError> {
        let mut parsed = CONSUMER.parse(props)?;
        let mut cluster = cluster(&mut parsed)?;
        cluster.allow_auto_create_topics = parsed.boolean("allow.auto.create.topics");
        check_group(&parsed)?;
        if parsed.is_given("enable.auto.commit") && parsed.boolean("enable.auto.commit") {
            let why = "offsets are committed when the program says so, never by themselves";
            parsed.warnings.push(no_effect("enable.auto.commit=true", why));
        }
        let client = Self {
            group_id: parsed.text("group.id").map(Into::into),
            group_instance_id: parsed.text("group.instance.id").map(Into::into),
            auto_offset_reset: offset_reset(&parsed)?,
            fetch_min_bytes: parsed.int("fetch.min.bytes"),
            fetch_max_bytes: parsed.int("fetch.max.bytes"),
            max_partition_fetch_bytes: parsed.int("max.partition.fetch.bytes"),
            fetch_max_wait_ms: parsed.int("fetch.max.wait.ms"),
            client_rack: parsed.text("client.rack").filter(|rack| !rack.is_empty()).map(Into::into),
            isolation_level: match parsed.text("isolation.level") {
                Some("read_committed") => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            },
            session_timeout_ms: parsed.count("session.timeout.ms"),
            heartbeat_interval_ms: parsed.count("heartbeat.interval.ms"),
            max_poll_interval_ms: parsed.count("max.poll.interval.ms"),
            api_timeout_ms: parsed.count("default.api.timeout.ms"),
            // Whoever asks for it gets it; by itself it would be done twice, see `ConsumerConfig::check_crcs`.
            check_crcs: parsed.is_given("check.crcs") && parsed.boolean("check.crcs"),
            exclude_internal_topics: parsed.boolean("exclude.internal.topics"),
            assignors: assignors(&parsed)?,
            ..Self::new()
        };
        Ok(Configured { cluster, client, warnings: parsed.into_warnings() })
    }
}

/// Checks what concerns the group, in Java's order.
fn check_group(parsed: &Parsed) -> Result<(), PropertyError> {
    let fail = |message: &str| Err(PropertyError::new(message));
    if let Some(id) = parsed.text("group.instance.id") {
        check_instance_id(id)?;
    }
    let group_id = parsed.text("group.id");
    if group_id.is_none() && parsed.is_given("enable.auto.commit") && parsed.boolean("enable.auto.commit") {
        return fail("enable.auto.commit cannot be set to true when default group id (null) is used.");
    }
    if parsed.text("group.remote.assignor").is_some_and(|name| !name.is_empty()) {
        return fail("group.remote.assignor cannot be set when group.protocol=CLASSIC");
    }
    if group_id.is_some_and(str::is_empty) {
        return fail("The configured group.id should not be an empty string or whitespace.");
    }
    if group_id.is_some() && parsed.integer("heartbeat.interval.ms") >= parsed.integer("session.timeout.ms") {
        return fail("Heartbeat must be set lower than the session timeout");
    }
    if group_id.is_some() && parsed.list(ASSIGNORS).is_empty() {
        return fail(
            "Must configure at least one partition assigner class name to partition.assignment.strategy configuration property",
        );
    }
    Ok(())
}

/// `JoinGroupRequest#validateGroupInstanceId`.
fn check_instance_id(id: &str) -> Result<(), PropertyError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let detail = match id {
        "." | ".." => format!("'{id}' is not allowed"),
        _ if id.chars().count() > INSTANCE_ID_CHARS_MAX => {
            format!("the length of '{id}' is longer than the max allowed length {INSTANCE_ID_CHARS_MAX}")
        }
        _ if !id.chars().all(is_allowed) => {
            format!("'{id}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return Ok(()),
    };
    Err(PropertyError::new(format!("Group instance id is invalid: {detail}")))
}

fn offset_reset(parsed: &Parsed) -> Result<OffsetReset, PropertyError> {
    const KEY: &str = "auto.offset.reset";
    let text = parsed.text(KEY).unwrap_or_default();
    text.parse().map_err(|error| PropertyError::invalid(KEY, text, error))
}

fn assignors(parsed: &Parsed) -> Result<Vec<Assignor>, PropertyError> {
    let known = "there are RangeAssignor, RoundRobinAssignor, StickyAssignor and CooperativeStickyAssignor";
    let assignor = |name: &String| {
        name.parse().map_err(|_unknown: crate::Error| {
            let detail =
                format!("Class {name} could not be found: {known} of org.apache.kafka.clients.consumer");
            PropertyError::invalid(ASSIGNORS, name, detail)
        })
    };
    parsed.list(ASSIGNORS).iter().map(assignor).collect()
}
