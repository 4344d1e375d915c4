//! One secret in every place that a secret can stand, a worker put through requests and failures, and everything that it said
//! searched. What a connector's own configuration holds as plain text is shown by the answers that show configurations, as in Java;
//! nothing else may be found anywhere.

use std::fmt::Write as _;

use crate::support::{Broker, Process, Rest, unique, worker_properties, write_properties};

const EXTENSION: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
/// In every secret that nobody may see.
const HIDDEN: &str = "canary-hidden";
/// In the secrets that stand in a connector's own configuration.
const SHOWN: &str = "canary-shown";
const ALICE: &str = "Authorization: Basic YWxpY2U6Y2FuYXJ5LWhpZGRlbi11c2Vy\r\n";

struct Searched {
    rest: Rest,
    /// Everything that was answered, but for answers that show configurations.
    answers: String,
    /// Answers that show configurations.
    configurations: String,
}

impl Searched {
    fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        let length = body.len();
        let answer = self.rest.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ));
        let shows_configuration = answer.status < 300
            && (path.ends_with("/config") || path.contains("expand=info") || path.contains("/tasks") || {
                matches!(path.matches('/').count(), 1 | 2) && path.starts_with("/connectors")
            });
        let kept = if shows_configuration { &mut self.configurations } else { &mut self.answers };
        writeln!(kept, "{method} {path}: {answer:?}").unwrap();
        answer.status
    }

    fn create(&mut self, name: &str, config: &[(&str, &str)]) -> u16 {
        let config: serde_json::Map<_, _> =
            config.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let body = serde_json::json!({ "name": name, "config": config }).to_string();
        self.send(
            "PUT",
            "/connector-plugins/FileStreamSink/config/validate",
            ALICE,
            &serde_json::json!(config).to_string(),
        );
        self.send("POST", "/connectors", ALICE, &body)
    }
}

#[test]
fn no_secret_is_found_in_anything_that_a_worker_says() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let write = |name: &str, content: String| std::fs::write(at(name), content).unwrap();
    write("users.properties", format!("alice={HIDDEN}-user\n"));
    write(
        "jaas.conf",
        format!(
            "KafkaConnect {{ org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required file=\"{}\" \
             debug=\"{HIDDEN}-jaas\"; }};",
            at("users.properties")
        ),
    );
    let topic = unique("canary");
    let scram = format!("{SCRAM} required username=\"u\" password=\"{HIDDEN}-scram\";");
    write(
        "s.properties",
        format!(
            "password={HIDDEN}-file\nfolder=/no/such/{HIDDEN}-folder\njaas={}\n",
            scram.replace('"', "\\\"")
        ),
    );
    let secret = |key: &str| format!("${{f:{}:{key}}}", at("s.properties"));
    let (password, folder, jaas) = (secret("password"), secret("folder"), secret("jaas"));
    let login = format!("{SCRAM} required username=\"u\" password=\"{HIDDEN}-worker-scram\";");
    let properties = worker_properties(
        &broker.bootstrap,
        dir.path(),
        &[
            ("rest.extension.classes", EXTENSION),
            ("aqueduct.jaas.file", &at("jaas.conf")),
            ("config.providers", "f,e"),
            ("config.providers.f.class", "FileConfigProvider"),
            ("config.providers.f.param.token", "canary-hidden-param"),
            ("config.providers.e.class", "EnvVarConfigProvider"),
            ("sasl.jaas.config", &login),
            ("ssl.key.password", "canary-hidden-worker"),
            ("producer.ssl.keystore.password", &password),
            ("consumer.sasl.jaas.config", &login),
            ("admin.ssl.truststore.password", "canary-hidden-admin"),
            ("my.own.secret", "canary-hidden-unknown"),
        ],
    );
    let properties: Vec<_> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let file = write_properties(&dir.path().join("worker.properties"), &properties);
    let arguments = ["standalone", file.to_str().unwrap()];
    let mut process = Process::start_with(
        &arguments,
        &[("AQUEDUCT_LOG", "trace"), ("CANARY_ENV", "canary-hidden-environment")],
    );
    process.wait_for_output("ready in");
    let mut searched =
        Searched { rest: process.rest(), answers: String::new(), configurations: String::new() };

    let shown = format!("{SCRAM} required username=\"u\" password=\"{SHOWN}-scram\";");
    let sink = [("connector.class", "FileStreamSink"), ("topics", topic.as_str())];
    let (out, out2) = (at("out"), at("out2"));
    let good = [
        &sink[..],
        &[
            ("file", out.as_str()),
            ("consumer.override.sasl.jaas.config", &shown),
            ("api.token", "canary-shown-token"),
        ],
    ]
    .concat();
    assert_eq!(searched.create("good", &good), 201);
    let resolved =
        [&sink[..], &[("file", out2.as_str()), ("consumer.override.sasl.jaas.config", &jaas)]].concat();
    assert_eq!(searched.create("resolved", &resolved), 201);
    // Fails in its task, with the path in the error.
    let file = format!("{folder}/out");
    assert_eq!(searched.create("failing", &[&sink[..], &[("file", &file)]].concat()), 201);
    let failing = |rest: &Rest| {
        let answer = rest.raw(&format!(
            "GET /connectors/failing/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{ALICE}\r\n"
        ));
        answer.body.contains("FAILED").then_some(())
    };
    crate::support::wait_for("the failure", || failing(&searched.rest));

    // Refused, with the value in Java's message.
    let environment = "${e:CANARY_ENV}";
    for (key, value) in [
        ("tasks.max", password.as_str()),
        ("tasks.max", environment),
        ("errors.tolerance", &password),
        ("connector.class", &password),
        ("key.converter", environment),
        ("consumer.override.max.poll.records", &password),
        ("consumer.override.security.protocol", environment),
        ("consumer.override.sasl.jaas.config", "canary-shown-broken"),
        ("producer.override.acks", &password),
        ("transforms", environment),
        ("topics.regex", environment),
    ] {
        let config = [&sink[..], &[("file", "/tmp/never"), (key, value)]].concat();
        let config: std::collections::BTreeMap<_, _> = config.into_iter().collect();
        searched.create("refused", &config.into_iter().collect::<Vec<_>>());
        searched.send("DELETE", "/connectors/refused", ALICE, "");
    }
    for body in [
        format!("{{\"password\": \"{HIDDEN}-body\""),
        format!("[\"{HIDDEN}-body\"]"),
        format!("{HIDDEN}-body"),
    ] {
        searched.send("POST", "/connectors", ALICE, &body);
        searched.send("PUT", "/connectors/x/config", ALICE, &body);
    }
    // Strangers.
    searched.send("GET", "/connectors", "Authorization: Basic YWxpY2U6Y2FuYXJ5LWhpZGRlbi13cm9uZw==\r\n", "");
    searched.send("GET", "/connectors", "Authorization: Basic canary-hidden-header\r\n", "");
    searched.send("POST", "/connectors", "Authorization: Bearer canary-hidden-bearer\r\n", "{}");
    for path in [
        "/",
        "/health",
        "/connectors",
        "/connectors?expand=status",
        "/connectors?expand=info",
        "/connector-plugins",
        "/metrics",
        "/admin/loggers",
    ] {
        searched.send("GET", path, ALICE, "");
    }
    for name in ["good", "resolved", "failing"] {
        for path in ["", "/config", "/status", "/tasks", "/tasks/0/status", "/topics", "/offsets"] {
            searched.send("GET", &format!("/connectors/{name}{path}"), ALICE, "");
        }
        for path in ["/restart?includeTasks=true", "/tasks/0/restart", "/pause", "/resume", "/stop"] {
            let method = if path.contains("restart") { "POST" } else { "PUT" };
            searched.send(method, &format!("/connectors/{name}{path}"), ALICE, "");
        }
        searched.send("PATCH", &format!("/connectors/{name}/config"), ALICE, r#"{"tasks.max":"2"}"#);
        searched.send("DELETE", &format!("/connectors/{name}"), ALICE, "");
    }
    let log = process.output();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log has its details");
    process.terminate();

    assert!(searched.configurations.contains(SHOWN), "as in Java: {}", searched.configurations);
    assert!(searched.answers.contains("${f:"), "messages show the variable: {}", searched.answers);
    assert_eq!(lines(&searched.configurations, HIDDEN), [""; 0]);
    for (what, text) in [("answers", &searched.answers), ("log", &log)] {
        assert_eq!((what, lines(text, HIDDEN)), (what, Vec::<&str>::new()));
        assert_eq!((what, lines(text, SHOWN)), (what, Vec::<&str>::new()));
    }
}

fn lines<'a>(text: &'a str, canary: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(canary)).collect()
}
