//! Levels of loggers through REST. Expected answers were recorded from Java Connect 4.3.0. One test: levels are the process's.

use super::{Setup, check, check_error};

#[test]
fn levels_are_shown_and_set_as_in_java() {
    let setup = Setup::new();
    let rest = setup.rest();
    let path = |name: &str| format!("/admin/loggers/{name}");
    let sink = "org.apache.kafka.connect.runtime.WorkerSinkTask";
    let untouched = r#"{"level":"INFO","last_modified":null}"#;
    for name in ["root", "ROOT", sink] {
        check(rest, "GET", &path(name), "", 200, untouched);
    }
    check_error(rest, "GET", &path("no.such"), "", 404, "Logger no.such not found.");
    let set = |name: &str, body: &str, status, expected: &str| {
        check(rest, "PUT", &path(name), body, status, expected);
    };
    let missing = "Desired 'level' parameter was not specified in request.";
    check_error(rest, "PUT", &path("x"), "{}", 400, missing);
    check_error(rest, "PUT", &path("x"), r#"{"level":null}"#, 400, missing);
    check_error(rest, "PUT", &path("x"), r#"{"level":"NOPE"}"#, 404, "invalid log level 'NOPE'.");
    check_error(rest, "PUT", &path("x"), r#"{"level":5}"#, 404, "invalid log level '5'.");
    check_error(rest, "PUT", &path("x"), r#"{"level":""}"#, 500, "Illegal null or empty Level name.");
    assert_eq!(rest.send("PUT", &path("x"), Some("[]")).status, 500);
    set("x", r#"{"level":"debug","z":1}"#, 200, r#"["x"]"#);
    set("x", r#"{"level":"DEBUG"}"#, 200, "[]");
    set("no.such", r#"{"level":" INFO "}"#, 200, "[]");
    check(rest, "GET", &path("no.such"), "", 200, untouched);
    set("no.such?scope=cluster", r#"{"level":"WARN"}"#, 204, "");
    set("no.such?scope=other", r#"{"level":"INFO"}"#, 200, r#"["no.such"]"#);
    let changed = rest.send("PUT", &path("org.apache.kafka.connect"), Some(r#"{"level":"WARN"}"#)).json();
    assert!(changed.as_array().unwrap().iter().any(|name| name == sink), "{changed}");
    let shown = rest.get(&path(sink)).json();
    assert_eq!((shown["level"].as_str(), shown["last_modified"].is_i64()), (Some("WARN"), true));
    let listed = rest.get("/admin/loggers").json();
    let names: Vec<_> = listed.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(names.is_sorted() && names.contains(&"root") && names.contains(&sink) && names.contains(&"x"));
    set("org.apache.kafka.connect", r#"{"level":"OFF"}"#, 200, &changed.to_string());
    let listed = rest.get("/admin/loggers").json();
    assert!(listed.get(sink).is_none() && listed.get("root").is_some(), "those that are off are not listed");
    for method in ["POST", "DELETE"] {
        check_error(rest, method, &path("x"), "", 405, "HTTP 405 Method Not Allowed");
    }
}
