//! The worker's keys with Java's types, defaults and validators (`WorkerConfig`, `StandaloneConfig`).

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, Validator, validators};

const NON_NEGATIVE: Validator = validators::at_least::<0>;
const POSITIVE: Validator = validators::at_least::<1>;

/// Name, type, default, validator, importance, documentation.
type Row = (&'static str, ConfigType, Default, Option<Validator>, Importance, &'static str);

/// The keys of a standalone worker.
pub(super) fn standalone() -> ConfigDef {
    use ConfigType::{Boolean, Class, Int, List, Long, String};
    use Default::{Null, Required, Value};
    use Importance::{High, Low, Medium};
    let rows: &[Row] = &[
        (
            "bootstrap.servers",
            List,
            Value("localhost:9092"),
            None,
            High,
            "Brokers to start from, as host:port.",
        ),
        (
            "client.dns.lookup",
            String,
            Value("use_all_dns_ips"),
            Some(dns_lookup),
            Medium,
            "How bootstrap names are resolved.",
        ),
        (
            "key.converter",
            Class,
            Required,
            None,
            High,
            "Converter of record keys for connectors that name none.",
        ),
        (
            "value.converter",
            Class,
            Required,
            None,
            High,
            "Converter of record values for connectors that name none.",
        ),
        (
            "header.converter",
            Class,
            Value("org.apache.kafka.connect.storage.SimpleHeaderConverter"),
            None,
            Low,
            "Converter of header values for connectors that name none.",
        ),
        (
            "task.shutdown.graceful.timeout.ms",
            Long,
            Value("5000"),
            None,
            Low,
            "How long all tasks that stop together may take.",
        ),
        (
            "offset.flush.interval.ms",
            Long,
            Value("60000"),
            None,
            Low,
            "Time between two offset commits of a task.",
        ),
        (
            "offset.flush.timeout.ms",
            Long,
            Value("5000"),
            None,
            Low,
            "How long a commit may take before it is given up and tried again later.",
        ),
        (
            "plugin.path",
            List,
            Null,
            None,
            Low,
            "Directories with Java plug-ins. Accepted and not used: plug-ins are compiled in.",
        ),
        (
            "plugin.discovery",
            String,
            Value("hybrid_warn"),
            Some(discovery),
            Low,
            "How Java plug-ins are found. Accepted and not used.",
        ),
        (
            "metrics.sample.window.ms",
            Long,
            Value("30000"),
            Some(NON_NEGATIVE),
            Low,
            "Window of a metrics sample.",
        ),
        ("metrics.num.samples", Int, Value("2"), Some(POSITIVE), Low, "Samples kept per metric."),
        (
            "aqueduct.watchdog.interval.ms",
            Long,
            Value("5000"),
            Some(NON_NEGATIVE),
            Low,
            "How often tasks are looked at that run but may not move; 0 for never.",
        ),
        (
            "aqueduct.watchdog.call.ms",
            Long,
            Value("60000"),
            Some(POSITIVE),
            Low,
            "How long one put, commit or conversion, or the wait for Kafka to take records, may last before the task counts as stuck.",
        ),
        (
            "aqueduct.watchdog.stall.ms",
            Long,
            Value("60000"),
            Some(POSITIVE),
            Low,
            "How long a sink task may take nothing while there are records for it before it counts as stuck.",
        ),
        (
            "metrics.recording.level",
            String,
            Value("INFO"),
            Some(recording_level),
            Low,
            "Highest recording level of metrics.",
        ),
        (
            "metric.reporters",
            List,
            Value("org.apache.kafka.common.metrics.JmxReporter"),
            None,
            Low,
            "Java classes. Accepted and not used.",
        ),
        ("config.providers", List, Value(""), None, Low, "Names of configuration providers."),
        (
            "connector.client.config.override.policy",
            String,
            Value("All"),
            None,
            Medium,
            "Which client settings a connector may override: All, None, Principal or Allowlist.",
        ),
        (
            super::overrides::ALLOWLIST,
            List,
            Value(""),
            None,
            Medium,
            "The client settings that a connector may override where the policy is Allowlist.",
        ),
        (
            "topic.creation.enable",
            Boolean,
            Value("true"),
            None,
            Low,
            "Whether source connectors may say how topics are created.",
        ),
        (
            "topic.tracking.enable",
            Boolean,
            Value("true"),
            None,
            Low,
            "Whether the topics that connectors use are tracked.",
        ),
        (
            "topic.tracking.allow.reset",
            Boolean,
            Value("true"),
            None,
            Low,
            "Whether tracked topics may be reset.",
        ),
        (
            "listeners",
            List,
            Value("http://:8083"),
            None,
            Low,
            "Where REST listens: protocol://host:port, comma separated.",
        ),
        ("rest.advertised.host.name", String, Null, None, Low, "Host that other workers are told."),
        ("rest.advertised.port", Int, Null, None, Low, "Port that other workers are told."),
        ("rest.advertised.listener", String, Null, None, Low, "Protocol that other workers are told."),
        ("access.control.allow.origin", String, Value(""), None, Low, "CORS origins."),
        ("access.control.allow.methods", String, Value(""), None, Low, "CORS methods."),
        ("admin.listeners", List, Null, None, Low, "Where the admin resources listen."),
        (
            "rest.extension.classes",
            List,
            Value(""),
            None,
            Low,
            "REST extensions, such as basic authentication.",
        ),
        ("response.http.headers.config", String, Value(""), None, Low, "Rules for response headers."),
        (
            "ssl.client.auth",
            String,
            Value("none"),
            Some(client_auth),
            Low,
            "Whether REST clients show a certificate.",
        ),
        (
            "offset.storage.file.filename",
            String,
            Required,
            None,
            High,
            "The file that source offsets are kept in.",
        ),
    ];
    rows.iter().fold(ConfigDef::default(), |def, &(name, kind, default, validator, importance, doc)| {
        let key = ConfigKey::new(name, kind, default, importance, doc);
        def.key(match validator {
            Some(validator) => key.checked(validator),
            None => key,
        })
    })
}

fn dns_lookup(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of(value, &["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])
}

fn discovery(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of_any_case(value, &["ONLY_SCAN", "HYBRID_WARN", "HYBRID_FAIL", "SERVICE_LOAD"])
}

fn recording_level(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of(value, &["INFO", "DEBUG"])
}

fn client_auth(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of(value, &["required", "requested", "none"])
}
