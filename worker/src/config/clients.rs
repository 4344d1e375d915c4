//! Client settings of a connector's tasks: framework defaults, then the worker's `producer.*` or `consumer.*`, then the
//! connector's `producer.override.*` or `consumer.override.*`; the last one wins.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use api::config_def::{
    Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, Validator, validators,
};
use api::{Error, Props, Result};
use protocol::client::admin::IsolationLevel;
use protocol::client::consumer::{ConsumerConfig, OffsetReset};
use protocol::client::producer::{Acks, ProducerConfig};
use protocol::cluster::{ClusterConfig, HostPort};
use protocol::net::sasl::JaasConfig;
use protocol::net::{SECURITY_KEYS, Security};
use protocol::wire::records::Codec;

use super::worker::WorkerConfig;

/// Prefixes of connector keys that override client settings, and what they are about.
pub(super) const OVERRIDES: [(&str, &str); 3] = [
    ("producer.override.", "producer"),
    ("consumer.override.", "consumer"),
    ("admin.override.", "admin client"),
];

/// Batches fill to this size where nobody sets `batch.size`: Java's 16 KB costs several times the CPU per record, and a batch
/// that is not full leaves as soon as the source is idle all the same.
const BATCH_BYTES: &str = "262144";

/// The client of a task, and how it reaches the brokers.
#[derive(Debug, Clone)]
pub enum ClientSpec {
    /// Of a source task.
    Producer(ClusterConfig, ProducerConfig),
    /// Of a sink task.
    Consumer(ClusterConfig, ConsumerConfig),
}

/// The settings of one task's client.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn client_specs(
    worker: &WorkerConfig,
    connector: &str,
    props: &Props,
    task: u32,
    is_source: bool,
) -> Result<ClientSpec> {
    let kind = if is_source { "producer" } else { "consumer" };
    let mut layered = Props::new();
    let servers: Vec<_> = worker.bootstrap.iter().map(ToString::to_string).collect();
    layered.insert("bootstrap.servers".to_owned(), servers.join(","));
    layered.insert("client.id".to_owned(), format!("connector-{kind}-{connector}-{task}"));
    let base: &[(&str, &str)] = if is_source {
        &[
            ("acks", "all"),
            ("batch.size", BATCH_BYTES),
            ("max.block.ms", "9223372036854775807"),
            ("delivery.timeout.ms", "2147483647"),
        ]
    } else {
        &[("auto.offset.reset", "earliest")]
    };
    layered.extend(base.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    if !is_source {
        layered.insert("group.id".to_owned(), format!("connect-{connector}"));
    }
    layered.extend(worker.client_props(&format!("{kind}.")));
    let own = overrides(props, &format!("{kind}.override."));
    refuse_token_file(&own)?;
    layered.extend(own);
    if is_source {
        let (cluster, producer) = producer(&layered)?;
        Ok(ClientSpec::Producer(cluster, producer))
    } else {
        let (cluster, consumer) = consumer(&layered)?;
        Ok(ClientSpec::Consumer(cluster, consumer))
    }
}

/// Checks the overrides of a connector by themselves, as creating it does in Java.
///
/// # Errors
/// The first value of a wrong type or out of range.
pub(super) fn check_overrides(props: &Props, is_source: bool) -> Result<()> {
    let (prefix, table) = if is_source {
        ("producer.override.", producer_table())
    } else {
        ("consumer.override.", consumer_table())
    };
    let own = overrides(props, prefix);
    refuse_token_file(&own)?;
    table.parse(&own).map(drop)
}

/// How any client reaches the brokers.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn cluster_config(bootstrap: &str, props: &Props) -> Result<ClusterConfig> {
    let mut props = props.clone();
    props.entry("bootstrap.servers".to_owned()).or_insert_with(|| bootstrap.to_owned());
    cluster(&connection_table(ConfigDef::default()).parse(&props)?)
}

fn overrides(props: &Props, prefix: &str) -> Props {
    let stripped =
        props.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())));
    stripped.collect()
}

fn producer(props: &Props) -> Result<(ClusterConfig, ProducerConfig)> {
    let table = producer_table();
    warn_unknown("producer", props, &table);
    let config = table.parse(props)?;
    let acks = match config.string("acks") {
        "0" => Acks::None,
        "1" => Acks::Leader,
        _ => Acks::All,
    };
    let in_flight_max = size(&config, "max.in.flight.requests.per.connection");
    // As Java's producer does: idempotence is on where nothing speaks against it, and an error where it was asked for.
    let idempotence = match props.get("enable.idempotence") {
        Some(_) => config.boolean("enable.idempotence"),
        None => acks == Acks::All && in_flight_max <= 5,
    };
    let compression = match config.string("compression.type") {
        "gzip" => Codec::Gzip,
        "snappy" => Codec::Snappy,
        "lz4" => Codec::Lz4,
        "zstd" => Codec::Zstd,
        _ => Codec::None,
    };
    let level_key = format!("compression.{}.level", config.string("compression.type"));
    let has_level = matches!(compression, Codec::Gzip | Codec::Lz4 | Codec::Zstd);
    let level = if has_level { config.long_or_null(&level_key) } else { None };
    let producer = ProducerConfig {
        acks,
        idempotence,
        linger_ms: millis(&config, "linger.ms"),
        batch_bytes: size(&config, "batch.size"),
        request_bytes_max: size(&config, "max.request.size"),
        buffer_bytes: size(&config, "buffer.memory"),
        compression,
        compression_level: level.and_then(|level| i32::try_from(level).ok()),
        delivery_timeout_ms: millis(&config, "delivery.timeout.ms"),
        request_timeout_ms: millis(&config, "request.timeout.ms"),
        max_block_ms: millis(&config, "max.block.ms"),
        in_flight_max,
        retries: u32::try_from(config.int("retries")).unwrap_or(0),
        retry_backoff_ms: millis(&config, "retry.backoff.ms"),
        retry_backoff_max_ms: millis(&config, "retry.backoff.max.ms"),
        ..ProducerConfig::default()
    };
    producer.validate().map_err(|error| Error::config(error.to_string()))?;
    Ok((cluster(&config)?, producer))
}

fn consumer(props: &Props) -> Result<(ClusterConfig, ConsumerConfig)> {
    let table = consumer_table();
    warn_unknown("consumer", props, &table);
    let config = table.parse(props)?;
    let consumer = ConsumerConfig {
        group_instance_id: config.string_or_null("group.instance.id").map(Into::into),
        auto_offset_reset: config.string("auto.offset.reset").parse().map_err(client_setting)?,
        client_rack: Some(config.string("client.rack")).filter(|rack| !rack.is_empty()).map(Into::into),
        assignors: config
            .list("partition.assignment.strategy")
            .iter()
            .map(|name| name.parse().map_err(client_setting))
            .collect::<Result<_>>()?,
        fetch_min_bytes: config.int("fetch.min.bytes"),
        fetch_max_bytes: config.int("fetch.max.bytes"),
        max_partition_fetch_bytes: config.int("max.partition.fetch.bytes"),
        fetch_max_wait_ms: config.int("fetch.max.wait.ms"),
        isolation_level: match config.string("isolation.level") {
            "read_committed" => IsolationLevel::ReadCommitted,
            _ => IsolationLevel::ReadUncommitted,
        },
        session_timeout_ms: millis(&config, "session.timeout.ms"),
        heartbeat_interval_ms: millis(&config, "heartbeat.interval.ms"),
        max_poll_interval_ms: millis(&config, "max.poll.interval.ms"),
        api_timeout_ms: millis(&config, "default.api.timeout.ms"),
        ..ConsumerConfig::in_group(config.string("group.id"))
    };
    Ok((cluster(&config)?, consumer))
}

fn client_setting(error: protocol::Error) -> Error {
    Error::config(error.to_string())
}

fn cluster(config: &Config) -> Result<ClusterConfig> {
    let bootstrap = HostPort::parse_list(&config.list("bootstrap.servers").join(",")).map_err(|error| {
        Error::config(format!(
            "Invalid value {} for configuration bootstrap.servers: {error}",
            config.get("bootstrap.servers")
        ))
    })?;
    let security = Security::from_properties(|key| config.string_or_null(key));
    let security = security.map_err(|error| Error::config(error.to_string()))?;
    let client_id = config.string("client.id");
    let defaults = ClusterConfig::new(bootstrap);
    Ok(ClusterConfig {
        client_id: if client_id.is_empty() { Arc::clone(&defaults.client_id) } else { client_id.into() },
        request_timeout_ms: millis(config, "request.timeout.ms"),
        metadata_max_age_ms: millis(config, "metadata.max.age.ms"),
        reconnect_backoff_ms: millis(config, "reconnect.backoff.ms"),
        reconnect_backoff_max_ms: millis(config, "reconnect.backoff.max.ms"),
        retry_backoff_ms: millis(config, "retry.backoff.ms"),
        retry_backoff_max_ms: millis(config, "retry.backoff.max.ms"),
        connection_setup_timeout_ms: millis(config, "socket.connection.setup.timeout.ms"),
        security,
        ..defaults
    })
}

/// A connector may send its brokers only what its author could have written down, not what a file of the worker's machine holds
/// (CVE-2025-27817).
fn refuse_token_file(overrides: &Props) -> Result<()> {
    let jaas = overrides.get("sasl.jaas.config").and_then(|text| JaasConfig::parse(text).ok());
    if jaas.is_some_and(|jaas| jaas.option("tokenFile").is_some()) {
        return Err(Error::config(
            "Option tokenFile of sasl.jaas.config is allowed in the worker's configuration only, not in a connector's.",
        ));
    }
    Ok(())
}

fn millis(config: &Config, key: &str) -> u64 {
    config.long(key).max(0).unsigned_abs()
}

fn size(config: &Config, key: &str) -> usize {
    usize::try_from(config.long(key).max(0)).unwrap_or(usize::MAX)
}

/// Says once per key and process that a setting has no effect.
fn warn_unknown(client: &'static str, props: &Props, table: &ConfigDef) {
    /// Settings that Java sets by itself or that have no meaning here: not worth a word.
    const SILENT: [&str; 8] = [
        "key.serializer",
        "value.serializer",
        "key.deserializer",
        "value.deserializer",
        "enable.auto.commit",
        "client.dns.lookup",
        "metric.reporters",
        "max.poll.records",
    ];
    /// Whoever has that many has been warned enough.
    const WARNED_MAX: usize = 1_000;
    static WARNED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let is_known = |key: &&String| {
        SILENT.contains(&key.as_str()) || table.keys().iter().any(|other| other.name == key.as_str())
    };
    for key in props.keys().filter(|key| !is_known(key)) {
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        let warned = warned.get_or_insert_default();
        if warned.len() < WARNED_MAX && warned.insert(format!("{client}.{key}")) {
            tracing::warn!(client, key, "client setting has no effect in this version");
        }
    }
}

type Row = (&'static str, ConfigType, Default, Option<Validator>);

fn with_rows(def: ConfigDef, rows: &[Row]) -> ConfigDef {
    rows.iter().fold(def, |def, &(name, kind, default, validator)| {
        def.key(ConfigKey {
            name,
            kind,
            default,
            validator,
            importance: Importance::Medium,
            doc: "See Kafka's documentation.",
        })
    })
}

const NOT_NEGATIVE: Option<Validator> = Some(validators::at_least::<0>);

fn connection_table(def: ConfigDef) -> ConfigDef {
    use ConfigType::{Int, List, Long, String};
    use Default::{Null, Required, Value};
    let security: Vec<Row> = SECURITY_KEYS.iter().map(|name| (*name, String, Null, None)).collect();
    let def = with_rows(def, &security);
    with_rows(
        def,
        &[
            ("bootstrap.servers", List, Required, None),
            ("client.id", String, Value(""), None),
            ("request.timeout.ms", Int, Value("30000"), NOT_NEGATIVE),
            ("metadata.max.age.ms", Long, Value("300000"), NOT_NEGATIVE),
            ("reconnect.backoff.ms", Long, Value("50"), NOT_NEGATIVE),
            ("reconnect.backoff.max.ms", Long, Value("1000"), NOT_NEGATIVE),
            ("retry.backoff.ms", Long, Value("100"), NOT_NEGATIVE),
            ("retry.backoff.max.ms", Long, Value("1000"), NOT_NEGATIVE),
            ("socket.connection.setup.timeout.ms", Long, Value("10000"), None),
        ],
    )
}

fn producer_table() -> ConfigDef {
    use ConfigType::{Boolean, Int, Long, String};
    use Default::Value;
    const COMPRESSION: Validator =
        |value| validators::one_of(value, &["none", "gzip", "snappy", "lz4", "zstd"]);
    const ACKS: Validator = |value| validators::one_of(value, &["all", "-1", "0", "1"]);
    let rows: &[Row] = &[
        ("acks", String, Value("all"), Some(ACKS)),
        ("enable.idempotence", Boolean, Value("true"), None),
        ("linger.ms", Long, Value("5"), NOT_NEGATIVE),
        ("batch.size", Int, Value("16384"), NOT_NEGATIVE),
        ("max.request.size", Int, Value("1048576"), NOT_NEGATIVE),
        ("buffer.memory", Long, Value("33554432"), NOT_NEGATIVE),
        ("compression.type", String, Value("none"), Some(COMPRESSION)),
        ("compression.gzip.level", Int, Value("-1"), None),
        ("compression.lz4.level", Int, Value("9"), Some(validators::between::<1, 17>)),
        ("compression.zstd.level", Int, Value("3"), Some(validators::between::<-131_072, 22>)),
        ("delivery.timeout.ms", Int, Value("120000"), NOT_NEGATIVE),
        ("max.block.ms", Long, Value("60000"), NOT_NEGATIVE),
        ("max.in.flight.requests.per.connection", Int, Value("5"), Some(validators::at_least::<1>)),
        ("retries", Int, Value("2147483647"), Some(validators::between::<0, 2_147_483_647>)),
    ];
    with_rows(optional_bootstrap(), rows)
}

fn consumer_table() -> ConfigDef {
    use ConfigType::{Int, List, String};
    use Default::{Null, Value};
    const RESET: Validator = |value| {
        match value {
        ConfigValue::String(text) if text.parse::<OffsetReset>().is_ok() => Ok(()),
        _ => Err("The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:PnDTnHnMn.nS'".to_owned()),
    }
    };
    const ISOLATION: Validator = |value| validators::one_of(value, &["read_committed", "read_uncommitted"]);
    let rows: &[Row] = &[
        ("group.id", String, Value(""), None),
        ("group.instance.id", String, Null, Some(validators::non_empty)),
        ("auto.offset.reset", String, Value("latest"), Some(RESET)),
        ("client.rack", String, Value(""), None),
        // Java's default has cooperative-sticky second, which no group comes to use as long as everybody has range first.
        (
            "partition.assignment.strategy",
            List,
            Value("org.apache.kafka.clients.consumer.RangeAssignor"),
            None,
        ),
        ("fetch.min.bytes", Int, Value("1"), NOT_NEGATIVE),
        ("fetch.max.bytes", Int, Value("52428800"), NOT_NEGATIVE),
        ("max.partition.fetch.bytes", Int, Value("1048576"), NOT_NEGATIVE),
        ("fetch.max.wait.ms", Int, Value("500"), NOT_NEGATIVE),
        ("isolation.level", String, Value("read_uncommitted"), Some(ISOLATION)),
        ("session.timeout.ms", Int, Value("45000"), None),
        ("heartbeat.interval.ms", Int, Value("3000"), None),
        ("max.poll.interval.ms", Int, Value("300000"), Some(validators::at_least::<1>)),
        ("default.api.timeout.ms", Int, Value("60000"), NOT_NEGATIVE),
    ];
    with_rows(optional_bootstrap(), rows)
}

/// The connection's keys for a table that is also used to check overrides by themselves.
fn optional_bootstrap() -> ConfigDef {
    let keys = connection_table(ConfigDef::default());
    keys.keys().iter().fold(ConfigDef::default(), |def, key| {
        let default = if key.default == Default::Required { Default::Value("") } else { key.default };
        def.key(ConfigKey { default, ..key.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::plugins::{Plugins, Registry};

    fn props(entries: &[(&str, &str)]) -> Props {
        let mut props: Props = entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        props.insert("bootstrap.servers".to_owned(), "a:1,b:2".to_owned());
        props
    }

    #[test]
    fn producer_settings_reach_the_client() {
        let (cluster, config) = producer(&props(&[
            ("acks", "1"),
            ("linger.ms", "7"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "5"),
            ("client.id", "me"),
        ]))
        .unwrap();
        assert_eq!((config.acks, config.idempotence, config.linger_ms), (Acks::Leader, false, 7));
        assert_eq!((config.compression, config.compression_level), (Codec::Zstd, Some(5)));
        assert_eq!((cluster.client_id.as_ref(), cluster.bootstrap.len()), ("me", 2));
    }

    #[test]
    fn refuses_contradictions_with_javas_words() {
        let error = producer(&props(&[("acks", "1"), ("enable.idempotence", "true")])).unwrap_err();
        assert!(
            error.message().contains("Must set acks to all in order to use the idempotent producer."),
            "{error}"
        );
        let error = consumer(&props(&[("fetch.min.bytes", "x")])).unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid value x for configuration fetch.min.bytes: Not a number of type INT"
        );
        let error = consumer(&props(&[("security.protocol", "TLS")])).unwrap_err();
        assert!(error.message().contains("security.protocol"), "{error}");
    }

    /// With the consumer's own default, latest, a sink would miss what was written before it first joined its group.
    #[test]
    fn a_sink_starts_at_the_beginning_unless_told_otherwise() {
        let registry = Registry { connectors: Vec::new(), converters: engine::convert::CONVERTERS.to_vec() };
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let reset = |worker: &[(&str, &str)], connector: &[(&str, &str)]| {
            let mut worker = props(worker);
            for (key, value) in [
                ("key.converter", string),
                ("value.converter", string),
                ("offset.storage.file.filename", "o"),
            ] {
                worker.insert(key.to_owned(), value.to_owned());
            }
            let worker = WorkerConfig::standalone(worker, &Plugins::new(registry.clone())).unwrap();
            match client_specs(&worker, "c", &props(connector), 0, false).unwrap() {
                ClientSpec::Consumer(_, consumer) => consumer.auto_offset_reset,
                ClientSpec::Producer(..) => panic!("a sink consumes"),
            }
        };
        let of_worker = [("consumer.auto.offset.reset", "latest")];
        assert_eq!(reset(&[], &[]), OffsetReset::Earliest);
        assert_eq!(reset(&of_worker, &[]), OffsetReset::Latest);
        assert_eq!(reset(&of_worker, &[("consumer.override.auto.offset.reset", "none")]), OffsetReset::None);
    }

    #[test]
    fn security_reaches_the_client_and_its_secrets_stay_hidden() {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
        let jaas = format!("{module} required username=\"u\" password=\"canary\";");
        let (cluster, _) = consumer(&props(&[
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.jaas.config", &jaas),
        ]))
        .unwrap();
        assert!(cluster.security.sasl.is_some() && cluster.security.tls.is_none());
        assert!(!format!("{cluster:?}").contains("canary"));
        let error = producer(&props(&[
            ("security.protocol", "SASL_SSL"),
            ("ssl.truststore.location", "/no/such/file"),
        ]))
        .unwrap_err();
        assert!(error.message().contains("ssl.truststore.location=/no/such/file"), "{error}");
    }

    #[test]
    fn a_connector_cannot_send_the_workers_files() {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let jaas = format!("{module} required tokenFile=\"/etc/passwd\";");
        let own = props(&[("producer.override.sasl.jaas.config", &jaas)]);
        assert!(check_overrides(&own, true).unwrap_err().message().contains("tokenFile"));
        assert!(check_overrides(&own, false).is_ok());
    }

    #[test]
    fn overrides_are_checked_when_a_connector_is_created() {
        let bad = props(&[("consumer.override.fetch.min.bytes", "x")]);
        let error = check_overrides(&bad, false).unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid value x for configuration fetch.min.bytes: Not a number of type INT"
        );
        assert!(check_overrides(&bad, true).is_ok());
    }
}
