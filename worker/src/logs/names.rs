//! From where a line is written to the names of its loggers: those that Java has for the same part, and our own.

const CONNECT: &str = "org.apache.kafka.connect.";
const CLIENTS: &str = "org.apache.kafka.clients.";
const COMMON: &str = "org.apache.kafka.common.";

/// Paths of modules and Java's names for what they do; the longest path that fits counts.
const JAVA: &[(&str, &str, &[&str])] = &[
    ("connector_file::sink", CONNECT, &["file.FileStreamSinkConnector", "file.FileStreamSinkTask"]),
    ("connector_file::source", CONNECT, &["file.FileStreamSourceConnector", "file.FileStreamSourceTask"]),
    ("engine::connector", CONNECT, &["runtime.WorkerConnector"]),
    ("engine::offset", CONNECT, &["storage.OffsetStorageReaderImpl", "storage.OffsetStorageWriter"]),
    ("engine::pipeline::errors", CONNECT, &["runtime.errors.RetryWithToleranceOperator"]),
    ("engine::pipeline::errors::dead_letters", CONNECT, &["runtime.errors.DeadLetterQueueReporter"]),
    ("engine::pipeline::errors::log", CONNECT, &["runtime.errors.LogReporter"]),
    ("engine::pipeline::sink", CONNECT, &["runtime.WorkerSinkTask"]),
    ("engine::pipeline::source", CONNECT, &["runtime.AbstractWorkerSourceTask", "runtime.WorkerSourceTask"]),
    (
        "engine::pipeline::source::commits",
        CONNECT,
        &["runtime.SourceTaskOffsetCommitter", "runtime.WorkerSourceTask"],
    ),
    ("engine::rt", CONNECT, &["runtime.Worker"]),
    ("engine::task", CONNECT, &["runtime.WorkerTask"]),
    ("protocol::client::admin", CLIENTS, &["admin.KafkaAdminClient"]),
    (
        "protocol::client::consumer",
        CLIENTS,
        &["FetchSessionHandler", "consumer.KafkaConsumer", "consumer.internals.ClassicKafkaConsumer"],
    ),
    (
        "protocol::client::consumer::resets",
        CLIENTS,
        &["consumer.internals.OffsetFetcher", "consumer.internals.SubscriptionState"],
    ),
    (
        "protocol::client::group",
        CLIENTS,
        &["consumer.internals.AbstractCoordinator", "consumer.internals.ConsumerCoordinator"],
    ),
    (
        "protocol::client::producer",
        CLIENTS,
        &["producer.KafkaProducer", "producer.internals.RecordAccumulator", "producer.internals.Sender"],
    ),
    ("protocol::client::producer::transaction", CLIENTS, &["producer.internals.TransactionManager"]),
    ("protocol::cluster", CLIENTS, &["ClusterConnectionStates", "Metadata", "NetworkClient"]),
    ("protocol::net", COMMON, &["network.Selector", "network.SslTransportLayer"]),
    ("protocol::net::sasl", COMMON, &["security.authenticator.SaslClientAuthenticator"]),
    ("protocol::net::tls", COMMON, &["security.ssl.DefaultSslEngineFactory", "security.ssl.SslFactory"]),
    ("worker::cli", CONNECT, &["cli.AbstractConnectCli", "cli.ConnectStandalone"]),
    ("worker::config", CONNECT, &["runtime.ConnectorConfig", "runtime.WorkerConfig"]),
    ("worker::config::plugins", CONNECT, &["runtime.isolation.Plugins"]),
    ("worker::config::providers", CONNECT, &["runtime.WorkerConfigTransformer"]),
    (
        "worker::herd",
        CONNECT,
        &["runtime.AbstractHerder", "runtime.Worker", "runtime.standalone.StandaloneHerder"],
    ),
    ("worker::logs", CONNECT, &["runtime.Loggers"]),
    (
        "worker::rest",
        CONNECT,
        &[
            "runtime.rest.RestServer",
            "runtime.rest.resources.ConnectorsResource",
            "runtime.rest.HerderRequestHandler",
        ],
    ),
    (
        "worker::rest::auth",
        CONNECT,
        &[
            "rest.basic.auth.extension.BasicAuthSecurityRestExtension",
            "rest.basic.auth.extension.JaasBasicAuthFilter",
        ],
    ),
    ("worker::rest::loggers", CONNECT, &["runtime.rest.resources.LoggingResource"]),
    ("worker::store", CONNECT, &["storage.FileOffsetBackingStore"]),
    ("worker::worker", CONNECT, &["runtime.Connect", "runtime.WorkerInfo"]),
];

/// Our crates; their own names begin with `io.aqueduct.`, others with the name of the crate.
const OURS: &[&str] = &["api", "broker", "connectors", "engine", "protocol", "queues", "worker"];

/// Every name that Java has for a part of ours.
pub(super) fn java_names() -> impl Iterator<Item = String> {
    JAVA.iter().flat_map(|(_, prefix, names)| names.iter().map(move |name| format!("{prefix}{name}")))
}

/// The loggers that a module's lines belong to.
pub(super) fn of_target(target: &str) -> Vec<String> {
    let fits =
        |path: &str| target.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let longest = JAVA.iter().filter(|(path, ..)| fits(path)).max_by_key(|(path, ..)| path.len());
    let mut names: Vec<String> = longest
        .into_iter()
        .flat_map(|(_, prefix, names)| names.iter().map(move |name| format!("{prefix}{name}")))
        .collect();
    let package = target.split("::").next().unwrap_or(target);
    let is_ours = OURS.contains(&package) || package.starts_with("connector_");
    let path = target.replace("::", ".");
    names.push(if is_ours { format!("io.aqueduct.{path}") } else { path });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_has_javas_names_and_its_own() {
        assert_eq!(
            of_target("engine::pipeline::sink::put"),
            ["org.apache.kafka.connect.runtime.WorkerSinkTask", "io.aqueduct.engine.pipeline.sink.put"]
        );
        assert_eq!(
            of_target("engine::pipeline::errors::log")[0],
            "org.apache.kafka.connect.runtime.errors.LogReporter"
        );
        assert_eq!(of_target("engine::pipelines"), ["io.aqueduct.engine.pipelines"]);
        assert_eq!(of_target("hyper::proto"), ["hyper.proto"]);
    }
}
