//! The worker's keys with Java's types, defaults and validators (`WorkerConfig`, `StandaloneConfig`).

use api::config_def::{
    Check, ConfigDef, ConfigKey, ConfigType, Default, Importance, ListRule, Validator, validators,
};

const NON_NEGATIVE: Validator = validators::at_least::<0>;
const POSITIVE: Validator = validators::at_least::<1>;
/// Less is what a busy machine takes now and then.
const HANG_LIMIT: Validator = validators::at_least::<100>;

/// Name, type, default, validator, importance, documentation.
type Row = (&'static str, ConfigType, Default, Option<Check>, Importance, &'static str);

/// The keys of a standalone worker.
pub(super) fn standalone() -> ConfigDef {
    common().key(ConfigKey::new(
        "offset.storage.file.filename",
        ConfigType::String,
        Default::Required,
        Importance::High,
        "The file that source offsets are kept in.",
    ))
}

/// The keys of every worker.
pub(super) fn common() -> ConfigDef {
    use ConfigType::{Boolean, Class, Int, List, Long, String};
    use Default::{Null, Required, Value};
    use Importance::{High, Low, Medium};
    let list = |rule| Some(Check::List(rule));
    let rows: Vec<Row> = vec![
        (
            "bootstrap.servers",
            List,
            Required,
            list(ListRule::NON_EMPTY),
            High,
            "Brokers to start from, as host:port.",
        ),
        (
            "client.dns.lookup",
            String,
            Value("use_all_dns_ips"),
            Some(Check::Value(dns_lookup)),
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
            "key.converter.plugin.version",
            String,
            Null,
            None,
            Low,
            "Version of that converter's plug-in. Accepted and not used: there is one of each.",
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
            "value.converter.plugin.version",
            String,
            Null,
            None,
            Low,
            "Version of that converter's plug-in. Accepted and not used: there is one of each.",
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
            "header.converter.plugin.version",
            String,
            Null,
            None,
            Low,
            "Version of that converter's plug-in. Accepted and not used: there is one of each.",
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
            list(ListRule::NON_EMPTY_OR_NULL),
            Low,
            "Directories with Java plug-ins. Accepted and not used: plug-ins are compiled in.",
        ),
        (
            "plugin.discovery",
            String,
            Value("hybrid_warn"),
            Some(Check::Value(discovery)),
            Low,
            "How Java plug-ins are found. Accepted and not used.",
        ),
        (
            "metrics.sample.window.ms",
            Long,
            Value("30000"),
            Some(Check::Value(NON_NEGATIVE)),
            Low,
            "Window of a metrics sample.",
        ),
        (
            "metrics.num.samples",
            Int,
            Value("2"),
            Some(Check::Value(POSITIVE)),
            Low,
            "Samples kept per metric.",
        ),
        (
            "aqueduct.consumer.buffer.memory",
            Long,
            Value("134217728"),
            Some(Check::Value(POSITIVE)),
            Medium,
            "Bytes that all sink tasks of the worker together may have fetched ahead. Beyond it a task fetches 128 KB whenever it has \
             worked off what it had.",
        ),
        (
            "aqueduct.hang.limit.ms",
            Long,
            Value("2000"),
            Some(Check::Value(HANG_LIMIT)),
            Low,
            "How long one call of a plug-in may keep a thread that other tasks share, before these are started on another; time in which \
             the thread waits for its core does not count.",
        ),
        (
            "aqueduct.watchdog.interval.ms",
            Long,
            Value("5000"),
            Some(Check::Value(NON_NEGATIVE)),
            Low,
            "How often tasks are looked at that run but may not move; 0 for never.",
        ),
        (
            "aqueduct.watchdog.call.ms",
            Long,
            Value("60000"),
            Some(Check::Value(POSITIVE)),
            Low,
            "How long one put, commit or conversion, or the wait for Kafka to take records, may last before the task counts as stuck.",
        ),
        (
            "aqueduct.watchdog.stall.ms",
            Long,
            Value("60000"),
            Some(Check::Value(POSITIVE)),
            Low,
            "How long a sink task may take nothing while there are records for it before it counts as stuck.",
        ),
        (
            "metrics.recording.level",
            String,
            Value("INFO"),
            Some(Check::Value(recording_level)),
            Low,
            "Highest recording level of metrics.",
        ),
        (
            "metric.reporters",
            List,
            Value("org.apache.kafka.common.metrics.JmxReporter"),
            list(ListRule::ANY),
            Low,
            "Java classes. Accepted and not used.",
        ),
        ("config.providers", List, Value(""), list(ListRule::ANY), Low, "Names of configuration providers."),
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
            list(ListRule::ANY),
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
        (
            "admin.listeners",
            List,
            Null,
            list(ListRule::ANY_OR_NULL),
            Low,
            "Where the admin resources listen.",
        ),
        (
            "rest.extension.classes",
            List,
            Value(""),
            list(ListRule::ANY),
            Low,
            "REST extensions, such as basic authentication.",
        ),
        ("response.http.headers.config", String, Value(""), None, Low, "Rules for response headers."),
        (
            "ssl.client.auth",
            String,
            Value("none"),
            Some(Check::Value(client_auth)),
            Low,
            "Whether REST clients show a certificate.",
        ),
    ];
    let rows = rows.into_iter().chain(tls_rows());
    rows.fold(ConfigDef::default(), |def, (name, kind, default, check, importance, doc)| {
        let mut key = ConfigKey::new(name, kind, default, importance, doc);
        key.check = check;
        def.key(key)
    })
}

/// TLS of REST, and of the worker's own connections to Kafka.
fn tls_rows() -> Vec<Row> {
    use ConfigType::{Class, List, Password, String};
    use Default::{Null, Value};
    use Importance::{High, Low, Medium};
    let any = || Some(Check::List(ListRule::ANY));
    vec![
        (
            "ssl.protocol",
            String,
            Value("TLSv1.3"),
            None,
            Medium,
            "Accepted; versions are ssl.enabled.protocols.",
        ),
        ("ssl.provider", String, Null, None, Medium, "Accepted and not used: a Java class."),
        (
            "ssl.cipher.suites",
            List,
            Value(""),
            any(),
            Low,
            "Cipher suites that may be used; all where it is empty.",
        ),
        (
            "ssl.enabled.protocols",
            List,
            Value("TLSv1.2,TLSv1.3"),
            any(),
            Medium,
            "Versions of TLS that may be used.",
        ),
        ("ssl.keystore.type", String, Value("JKS"), None, Medium, "JKS, PKCS12 or PEM."),
        (
            "ssl.keystore.location",
            String,
            Null,
            None,
            High,
            "File with the private key and its certificates.",
        ),
        ("ssl.keystore.password", Password, Null, None, High, "Password of that file."),
        ("ssl.key.password", Password, Null, None, High, "Password of the private key."),
        ("ssl.keystore.key", Password, Null, None, High, "The private key itself, as PEM."),
        ("ssl.keystore.certificate.chain", Password, Null, None, High, "Its certificates, as PEM."),
        ("ssl.truststore.certificates", Password, Null, None, High, "Certificates to trust, as PEM."),
        ("ssl.truststore.type", String, Value("JKS"), None, Medium, "JKS, PKCS12 or PEM."),
        ("ssl.truststore.location", String, Null, None, High, "File with the certificates to trust."),
        ("ssl.truststore.password", Password, Null, None, High, "Password of that file."),
        ("ssl.keymanager.algorithm", String, Value("SunX509"), None, Low, "Accepted and not used: of Java."),
        ("ssl.trustmanager.algorithm", String, Value("PKIX"), None, Low, "Accepted and not used: of Java."),
        (
            "ssl.endpoint.identification.algorithm",
            String,
            Value("https"),
            None,
            Low,
            "Whether a broker's certificate has to name its host: https, or empty for not.",
        ),
        ("ssl.secure.random.implementation", String, Null, None, Low, "Accepted and not used: of Java."),
        ("ssl.engine.factory.class", Class, Null, None, Low, "Refused: a Java class."),
    ]
}

fn dns_lookup(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of(value, &["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])
}

fn discovery(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of_any_case(value, &["ONLY_SCAN", "SERVICE_LOAD", "HYBRID_WARN", "HYBRID_FAIL"])
}

fn recording_level(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of(value, &["INFO", "DEBUG"])
}

fn client_auth(value: &api::config_def::ConfigValue) -> Result<(), String> {
    validators::one_of(value, &["required", "requested", "none"])
}
