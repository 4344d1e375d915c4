//! Basic authentication, CORS and response headers on a running worker.

use crate::support::{Answer, Broker, Process, Rest, worker_properties, write_properties};
use crate::{Setup, owned};

const EXTENSION: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

fn login_file(users: &str) -> String {
    format!(
        "KafkaConnect {{\n  org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required\n  file=\"{users}\";\n}};\n"
    )
}

/// A worker that knows Alice.
fn protected(more: &[(&str, &str)]) -> Setup {
    Setup::start(|dir| {
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(at("users.properties"), "alice=wonderland\n").unwrap();
        std::fs::write(at("jaas.conf"), login_file(&at("users.properties"))).unwrap();
        let mut all =
            owned(&[("rest.extension.classes", EXTENSION), ("aqueduct.jaas.file", &at("jaas.conf"))]);
        all.extend(owned(more));
        all
    })
}

fn send(rest: &Rest, method: &str, path: &str, headers: &str) -> Answer {
    let address = &rest.address;
    rest.raw(&format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"))
}

const ALICE: &str = "Authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n";

#[test]
fn who_is_not_known_gets_401_and_who_is_gets_answers() {
    let setup = protected(&[]);
    let rest = &setup.worker.rest;
    assert_eq!(send(rest, "GET", "/connectors", ALICE).status, 200);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/connectors"),
        ("POST", "/connectors"),
        ("OPTIONS", "/connectors"),
        ("DELETE", "/connectors/c"),
        ("GET", "/connectors/c/tasks"),
        ("POST", "/connectors/c/tasks/0/restart"),
        ("GET", "/connector-plugins"),
    ] {
        let answer = send(rest, method, path, "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (401, "User cannot access the resource."),
            "{method} {path}"
        );
        assert_eq!(answer.header("WWW-Authenticate"), None);
    }
    // What has no resource behind it needs nobody's name.
    assert_eq!(send(rest, "GET", "/nosuch", "").status, 404);
    assert_eq!(send(rest, "POST", "/connectors/c/pause", "").status, 405);
    // Internal requests are signed instead, but nobody's signature counts with a worker that stands alone.
    for path in ["/connectors/c/fence", "/connectors/c/fence/"] {
        let signed = "X-Connect-Authorization: AAAA\r\nX-Connect-Request-Signature-Algorithm: HmacSHA256\r\n";
        for headers in ["", signed] {
            assert_eq!(send(rest, "PUT", path, headers).status, 401, "{path}");
        }
        assert_eq!(send(rest, "PUT", path, ALICE).status, 500, "{path}");
    }
    for path in
        ["/connectors/c/tasks?x=/fence", "/connectors/c/fence/x", "/connectors/fence", "//connectors/c/fence"]
    {
        let status = send(rest, "PUT", path, "").status;
        assert!([401, 404, 405].contains(&status), "{path}: {status}");
    }
}

/// The order of headers is Java's, the values were recorded from it.
#[test]
fn cors_and_header_rules_are_on_every_answer() {
    let rules = "set X-Frame-Options:DENY, \"add Cache-Control: no-cache, no-store\",set Content-Type:text/x";
    let setup = protected(&[
        ("access.control.allow.origin", r"http://a.example,https://.*\.b\.example"),
        ("access.control.allow.methods", "GET,PUT,DELETE"),
        ("response.http.headers.config", rules),
    ]);
    let rest = &setup.worker.rest;
    let allowed = send(rest, "GET", "/", &format!("{ALICE}Origin: https://x.b.example\r\n"));
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("Access-Control-Allow-Origin"), Some("https://x.b.example"));
    let evil = send(rest, "GET", "/", &format!("{ALICE}Origin: http://evil\r\n"));
    assert_eq!((evil.status, evil.header("Access-Control-Allow-Origin")), (200, None));
    let preflight = "Origin: http://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
    let preflight = send(rest, "OPTIONS", "/connectors", &format!("{ALICE}{preflight}"));
    assert_eq!(preflight.status, 200);
    for (name, value) in [
        ("Access-Control-Allow-Methods", "GET,PUT,DELETE"),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Max-Age", "60"),
        ("Content-Type", "text/plain"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{preflight:?}");
    }
    for answer in
        [&allowed, &evil, &preflight, &send(rest, "GET", "/", ""), &send(rest, "GET", "/nosuch", "")]
    {
        assert_eq!(answer.header("Vary"), Some("Origin"));
        assert_eq!(answer.header("X-Frame-Options"), Some("DENY"));
        assert_eq!(answer.header("Cache-Control"), Some("no-cache, no-store"));
    }
    assert_eq!(allowed.header("Content-Type"), Some("application/json"), "the resource's own wins");
}

/// The environment that Java's start script hands on.
#[test]
fn the_login_configuration_is_found_where_java_finds_it() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("users.properties"), "alice=wonderland\n").unwrap();
    std::fs::write(at("jaas.conf"), login_file(&at("users.properties"))).unwrap();
    let start = |listeners: &str, options: &str| {
        let properties = worker_properties(
            &broker.bootstrap,
            dir.path(),
            &[("rest.extension.classes", EXTENSION), ("listeners", listeners)],
        );
        let properties: Vec<_> =
            properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let file = write_properties(&dir.path().join("worker.properties"), &properties);
        Process::start_with(&["standalone", file.to_str().unwrap()], &[("KAFKA_OPTS", options)])
    };
    let option = format!("-Xmx1g -Djava.security.auth.login.config={}", at("jaas.conf"));
    // Beyond loopback, and yet there is nothing to warn of: it asks who somebody is.
    let mut worker = start("http://0.0.0.0:0", &option);
    worker.wait_for_output("ready in");
    let port = worker.rest().address.rsplit_once(':').unwrap().1.to_owned();
    let rest = Rest::new(&format!("http://127.0.0.1:{port}/"));
    assert_eq!((send(&rest, "GET", "/", "").status, send(&rest, "GET", "/", ALICE).status), (401, 200));
    assert!(!worker.output().contains("asks nobody"), "{}", worker.output());
    assert_eq!(worker.terminate(), Some(0));

    let mut worker = start("http://127.0.0.1:0", "");
    assert_eq!(worker.wait(), Some(2));
    assert!(
        worker.output().contains("KAFKA_OPTS=-Djava.security.auth.login.config=FILE"),
        "{}",
        worker.output()
    );
    let mut worker = start("http://127.0.0.1:0", &option.replace("jaas", "missing"));
    assert_eq!(worker.wait(), Some(2));
    assert!(worker.output().contains("missing.conf"), "{}", worker.output());
}
