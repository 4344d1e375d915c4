//! Client settings of a connector's tasks: framework defaults, then the worker's `producer.*` or `consumer.*`, then the
//! connector's `producer.override.*` or `consumer.override.*`; the last one wins.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use api::{Error, Props, Result};
use protocol::client::consumer::ConsumerConfig;
use protocol::client::producer::ProducerConfig;
use protocol::client::properties::{ADMIN, AdminConfig, CONSUMER, PRODUCER, PropertyError, Table};
use protocol::cluster::ClusterConfig;
use protocol::net::sasl::{AllowedUrls, JaasConfig};

use super::below;
use super::worker::WorkerConfig;

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

/// The settings of one task's client. With a `transactional_id` it is a source task that writes exactly once.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn client_specs(
    worker: &WorkerConfig,
    connector: &str,
    props: &Props,
    task: u32,
    is_source: bool,
    transactional_id: Option<&str>,
) -> Result<ClientSpec> {
    if is_source {
        let id = format!("connector-producer-{connector}-{task}");
        let (cluster, producer) = match transactional_id {
            Some(transactional_id) => transactional_producer(worker, id, props, transactional_id)?,
            None => producer(worker, id, props)?,
        };
        return Ok(ClientSpec::Producer(cluster, producer));
    }
    let id = format!("connector-consumer-{connector}-{task}");
    let mut layers = worker_layers(worker, "consumer", id, &[("auto.offset.reset", "earliest")]);
    layers.entry("group.id".to_owned()).or_insert_with(|| format!("connect-{connector}"));
    layers.extend(allowed_overrides(worker, "consumer", props)?);
    let configured = ConsumerConfig::from_properties(&layers).map_err(refusal)?;
    warn_once("consumer", configured.warnings);
    let consumer = ConsumerConfig { prefetch_budget: worker.prefetch_budget.clone(), ..configured.client };
    Ok(ClientSpec::Consumer(configured.cluster, consumer))
}

/// The producer of a source task, or of a dead letter queue.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn producer(
    worker: &WorkerConfig,
    client_id: String,
    props: &Props,
) -> Result<(ClusterConfig, ProducerConfig)> {
    configured_producer(&producer_layers(worker, client_id, props)?)
}

/// The producer of a source task with exactly-once support, and of whoever writes offsets in its place
/// (`Worker#exactlyOnceSourceTaskProducerConfigs`).
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub(crate) fn transactional_producer(
    worker: &WorkerConfig,
    client_id: String,
    props: &Props,
    transactional_id: &str,
) -> Result<(ClusterConfig, ProducerConfig)> {
    let mut layers = producer_layers(worker, client_id, props)?;
    for (key, value) in [("enable.idempotence", "true"), ("transactional.id", transactional_id)] {
        let former = layers.insert(key.to_owned(), value.to_owned());
        if let Some(former) = former.filter(|former| !former.eq_ignore_ascii_case(value)) {
            let warning = format!(
                "The value '{former}' for the '{key}' property will be ignored as it cannot be overridden for connectors when \
                 exactly-once source support is enabled. The value '{value}' will be used instead."
            );
            warn_once("producer", vec![warning]);
        }
    }
    configured_producer(&layers)
}

fn producer_layers(worker: &WorkerConfig, client_id: String, props: &Props) -> Result<Props> {
    let base = [
        ("acks", "all"),
        ("batch.size", BATCH_BYTES),
        ("max.block.ms", "9223372036854775807"),
        ("delivery.timeout.ms", "2147483647"),
    ];
    let mut layers = worker_layers(worker, "producer", client_id, &base);
    layers.extend(allowed_overrides(worker, "producer", props)?);
    Ok(layers)
}

fn configured_producer(layers: &Props) -> Result<(ClusterConfig, ProducerConfig)> {
    let configured = ProducerConfig::from_properties(layers).map_err(refusal)?;
    warn_once("producer", configured.warnings);
    Ok((configured.cluster, configured.client))
}

/// The admin client of a connector, which makes its topics: unlike the other clients it has the worker's own keys, too.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn connector_admin(
    worker: &WorkerConfig,
    client_id: String,
    props: &Props,
) -> Result<(ClusterConfig, AdminConfig)> {
    let of_worker = worker.originals.iter().filter(|(key, _)| ADMIN.find(key).is_some());
    let mut layers: Props = of_worker.map(|(key, value)| (key.clone(), value.clone())).collect();
    layers.shift_remove("metric.reporters");
    layers.extend(worker_layers(worker, "admin", client_id, &[]));
    layers.extend(allowed_overrides(worker, "admin", props)?);
    let configured = AdminConfig::from_properties(&layers).map_err(refusal)?;
    warn_once("admin", configured.warnings);
    Ok((configured.cluster, configured.client))
}

/// The consumer of the topic that a connector's offsets are in. What is not committed may be seen only where nobody relies on it.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub(crate) fn offsets_consumer(
    worker: &WorkerConfig,
    client_id: String,
    props: &Props,
    is_exactly_once: bool,
) -> Result<(ClusterConfig, ConsumerConfig)> {
    const COMMITTED: (&str, &str) = ("isolation.level", "read_committed");
    let mut layers = worker_layers(worker, "consumer", client_id, &[COMMITTED]);
    layers.extend(allowed_overrides(worker, "consumer", props)?);
    let mut fixed = vec![("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")];
    if is_exactly_once {
        fixed.push(COMMITTED);
    }
    layers.extend(fixed.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    outside_groups(&mut layers);
    let configured = ConsumerConfig::from_properties(&layers).map_err(refusal)?;
    warn_once("consumer", configured.warnings);
    Ok((configured.cluster, configured.client))
}

/// Partitions of such a consumer are assigned by hand, and nothing is committed for a group.
fn outside_groups(props: &mut Props) {
    for of_group in ["group.id", "group.instance.id", "group.protocol"] {
        props.shift_remove(of_group);
    }
}

/// A producer of the worker's own: its properties as they are, but for `fixed`, which no one may change.
pub(crate) fn own_producer(
    worker: &WorkerConfig,
    fixed: &[(&str, &str)],
) -> Result<(ClusterConfig, ProducerConfig)> {
    let configured = ProducerConfig::from_properties(&own(worker, PRODUCER, fixed)).map_err(refusal)?;
    warn_once("producer", configured.warnings);
    Ok((configured.cluster, configured.client))
}

/// A consumer of the worker's own, likewise. It is a member of no group: `group.id` is the workers'.
pub(crate) fn own_consumer(
    worker: &WorkerConfig,
    fixed: &[(&str, &str)],
) -> Result<(ClusterConfig, ConsumerConfig)> {
    let mut props = own(worker, CONSUMER, fixed);
    outside_groups(&mut props);
    let configured = ConsumerConfig::from_properties(&props).map_err(refusal)?;
    warn_once("consumer", configured.warnings);
    Ok((configured.cluster, configured.client))
}

/// An admin client of the worker's own, likewise.
pub(crate) fn own_admin(
    worker: &WorkerConfig,
    fixed: &[(&str, &str)],
) -> Result<(ClusterConfig, AdminConfig)> {
    let configured = AdminConfig::from_properties(&own(worker, ADMIN, fixed)).map_err(refusal)?;
    warn_once("admin", configured.warnings);
    Ok((configured.cluster, configured.client))
}

/// Those of the worker's properties that a client knows, as Java's own clients have them (`WorkerConfig#originals`).
fn own(worker: &WorkerConfig, table: Table, fixed: &[(&str, &str)]) -> Props {
    let given =
        worker.originals.iter().filter(|(key, _)| *key != "metric.reporters" && table.find(key).is_some());
    let mut props: Props = given.map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in fixed {
        let former = props.insert((*key).to_owned(), (*value).to_owned());
        if let Some(former) =
            former.filter(|former| !former.eq_ignore_ascii_case(value) && *key != "client.id")
        {
            tracing::warn!(
                "The value '{former}' for the '{key}' property will be ignored as it cannot be overridden for the worker's internal \
                 topics. The value '{value}' will be used instead."
            );
        }
    }
    props
}

/// What a client has before its connector says anything.
fn worker_layers(worker: &WorkerConfig, kind: &str, client_id: String, base: &[(&str, &str)]) -> Props {
    let servers: Vec<_> = worker.bootstrap.iter().map(ToString::to_string).collect();
    let mut layers = Props::from_iter([
        ("bootstrap.servers".to_owned(), servers.join(",")),
        ("client.id".to_owned(), client_id),
    ]);
    layers.extend(base.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    layers.extend(worker.client_props(&format!("{kind}.")));
    layers
}

fn allowed_overrides(worker: &WorkerConfig, kind: &str, props: &Props) -> Result<Props> {
    let own = below(props, &format!("{kind}.override."));
    worker.override_policy.enforce(&own)?;
    refuse_reach(&own)?;
    Ok(own)
}

/// Checks the overrides of a connector by themselves, as creating it does in Java.
///
/// # Errors
/// The first value of a wrong type, out of range or not supported.
pub(super) fn check_overrides(props: &Props, is_source: bool) -> Result<()> {
    let (prefix, table) =
        if is_source { ("producer.override.", PRODUCER) } else { ("consumer.override.", CONSUMER) };
    let own = below(props, prefix);
    refuse_reach(&own)?;
    table.check(&own).map_err(refusal)
}

/// How the worker itself reaches the brokers: Java's admin client, made from what `props` hold for one. The rest is the worker's own, and
/// so is `metric.reporters`, which it warns about itself.
///
/// # Errors
/// The first key that is wrong, with Java's message.
pub fn admin_client(bootstrap: &str, props: &Props) -> Result<(ClusterConfig, AdminConfig)> {
    let mut props = props.clone();
    props.retain(|key, _| key != "metric.reporters" && ADMIN.find(key).is_some());
    props.entry("bootstrap.servers".to_owned()).or_insert_with(|| bootstrap.to_owned());
    let configured = AdminConfig::from_properties(&props).map_err(refusal)?;
    warn_once("admin", configured.warnings);
    Ok((configured.cluster, configured.client))
}

fn refusal(error: PropertyError) -> Error {
    Error::config(error.to_string())
}

/// A connector may send its brokers only what its author could have written down, not what a file of the worker's machine holds,
/// and have the worker ask only those token endpoints that its operator allows (CVE-2025-27817).
fn refuse_reach(overrides: &Props) -> Result<()> {
    let jaas = overrides.get("sasl.jaas.config").and_then(|text| JaasConfig::parse(text).ok());
    if jaas.is_some_and(|jaas| jaas.option("tokenFile").is_some()) {
        return Err(Error::config(
            "Option tokenFile of sasl.jaas.config is allowed in the worker's configuration only, not in a connector's.",
        ));
    }
    // An empty one is none: a connector may turn the worker's off.
    match overrides.get("sasl.oauthbearer.token.endpoint.url").map(|url| url.trim()) {
        None | Some("") => Ok(()),
        Some(url) => AllowedUrls::from_env().check(url).map_err(|error| Error::config(error.to_string())),
    }
}

/// Logs each warning once per process: the tasks of a connector have the same settings.
fn warn_once(client: &'static str, warnings: Vec<String>) {
    /// Whoever has that many has been warned enough.
    const WARNED_MAX: usize = 1_000;
    static WARNED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    for warning in warnings {
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        let warned = warned.get_or_insert_default();
        if warned.len() < WARNED_MAX && warned.insert(format!("{client}: {warning}")) {
            tracing::warn!(client, "{warning}");
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::client::consumer::OffsetReset;
    use protocol::client::producer::Acks;
    use protocol::wire::records::Codec;

    use super::*;
    use crate::config::plugins::{Plugins, Registry};

    fn props(entries: &[(&str, &str)]) -> Props {
        let mut props: Props = entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        props.insert("bootstrap.servers".to_owned(), "a:1,b:2".to_owned());
        props
    }

    fn worker(settings: &[(&str, &str)]) -> WorkerConfig {
        let converters = engine::convert::CONVERTERS.to_vec();
        let header_converters = engine::convert::HEADER_CONVERTERS.to_vec();
        let registry = Registry { converters, header_converters, ..Registry::default() };
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let mut worker = props(settings);
        for (key, value) in
            [("key.converter", string), ("value.converter", string), ("offset.storage.file.filename", "o")]
        {
            worker.insert(key.to_owned(), value.to_owned());
        }
        WorkerConfig::standalone(worker, &Plugins::new(registry)).unwrap()
    }

    fn producer(of_worker: &[(&str, &str)], of_connector: &[(&str, &str)]) -> Result<ClientSpec> {
        client_specs(&worker(of_worker), "c", &props(of_connector), 3, true, None)
    }

    #[test]
    fn the_connectors_settings_come_last() {
        let spec = producer(
            &[("producer.linger.ms", "7"), ("producer.acks", "0"), ("producer.compression.type", "zstd")],
            &[("producer.override.acks", "1"), ("consumer.override.linger.ms", "9")],
        );
        let ClientSpec::Producer(cluster, config) = spec.unwrap() else { panic!("a source produces") };
        assert_eq!((config.acks, config.idempotence, config.linger_ms), (Acks::Leader, false, 7));
        assert_eq!((config.compression, config.batch_bytes), (Codec::Zstd, 262_144));
        assert_eq!((cluster.client_id.as_ref(), cluster.bootstrap.len()), ("connector-producer-c-3", 2));
    }

    #[test]
    fn refuses_contradictions_with_javas_words() {
        let error = producer(&[("producer.acks", "1")], &[("producer.override.enable.idempotence", "true")]);
        assert_eq!(
            error.unwrap_err().message(),
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."
        );
        let error = producer(&[("producer.security.protocol", "TLS")], &[]).unwrap_err();
        assert!(error.message().contains("security.protocol"), "{error}");
    }

    /// With the consumer's own default, latest, a sink would miss what was written before it first joined its group.
    #[test]
    fn a_sink_starts_at_the_beginning_unless_told_otherwise() {
        let reset = |of_worker: &[(&str, &str)], connector: &[(&str, &str)]| match client_specs(
            &worker(of_worker),
            "c",
            &props(connector),
            0,
            false,
            None,
        )
        .unwrap()
        {
            ClientSpec::Consumer(_, consumer) => consumer.auto_offset_reset,
            ClientSpec::Producer(..) => panic!("a sink consumes"),
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
        let spec = producer(
            &[("producer.security.protocol", "SASL_PLAINTEXT"), ("producer.sasl.mechanism", "SCRAM-SHA-256")],
            &[("producer.override.sasl.jaas.config", &jaas)],
        );
        let ClientSpec::Producer(cluster, _) = spec.unwrap() else { panic!("a source produces") };
        assert!(cluster.security.sasl.is_some() && cluster.security.tls.is_none());
        assert!(!format!("{cluster:?}").contains("canary"));
        let error = producer(
            &[
                ("producer.security.protocol", "SASL_SSL"),
                ("producer.ssl.truststore.location", "/no/such/file"),
            ],
            &[],
        );
        let error = error.unwrap_err();
        assert!(error.message().contains("ssl.truststore.location=/no/such/file"), "{error}");
    }

    /// The worker's own properties are not a client's: what it has besides, and its secrets, are nobody's business.
    #[test]
    fn the_worker_connects_with_its_own_keys() {
        let all =
            props(&[("plugin.path", "/p"), ("request.timeout.ms", "70000"), ("metrics.num.samples", "3")]);
        let (cluster, admin) = admin_client("c:1", &all).unwrap();
        assert_eq!((cluster.request_timeout_ms, cluster.bootstrap.len()), (70_000, 2));
        assert_eq!(admin.api_timeout.as_secs(), 70, "at least one request's time");
        assert_eq!(admin_client("c:1", &Props::new()).unwrap().0.bootstrap.len(), 1);
        let error = admin_client("c", &Props::new()).unwrap_err();
        assert_eq!(error.message(), "Invalid url in bootstrap.servers: c");
    }

    #[test]
    fn a_connectors_admin_client_has_its_overrides() {
        let worker = worker(&[("request.timeout.ms", "70000"), ("admin.retry.backoff.ms", "7")]);
        let own =
            props(&[("admin.override.bootstrap.servers", "x:1"), ("admin.override.retry.backoff.ms", "9")]);
        let (cluster, _) = connector_admin(&worker, "id".to_owned(), &own).unwrap();
        assert_eq!((cluster.client_id.as_ref(), cluster.bootstrap.len()), ("id", 1));
        assert_eq!((cluster.request_timeout_ms, cluster.retry_backoff_ms), (70_000, 9));
        let error =
            connector_admin(&worker, "id".to_owned(), &props(&[("admin.override.request.timeout.ms", "x")]));
        assert!(error.unwrap_err().message().contains("request.timeout.ms"));
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
    fn a_connector_cannot_have_the_worker_call_any_url() {
        let key = "consumer.override.sasl.oauthbearer.token.endpoint.url";
        let own = props(&[(key, "http://169.254.169.254/latest")]);
        let error = check_overrides(&own, false).unwrap_err();
        assert!(error.message().contains(AllowedUrls::VARIABLE), "{error}");
        assert!(check_overrides(&own, true).is_ok());
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
        let refused = props(&[("producer.override.partitioner.class", "x")]);
        let error = check_overrides(&refused, true).unwrap_err();
        assert!(
            error.message().starts_with("Invalid value x for configuration partitioner.class:"),
            "{error}"
        );
    }
}
