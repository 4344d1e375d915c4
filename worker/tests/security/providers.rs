//! `${provider:path:key}` from the worker's file to a task, and what is shown of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::config_def::Secret;
use api::provider::{ConfigProvider, Provided, ProviderPlugin};
use api::{ConfigDef, Props, Result};

use crate::support::{Broker, InProcess, Rest, complete_lines, unique, wait_for, worker_properties};
use crate::{Setup, owned};

const FILE: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";

/// A worker with a provider for everything and one for the folder `allowed`.
fn provided() -> Setup {
    Setup::start(|dir| {
        let allowed = dir.path().join("allowed");
        std::fs::create_dir(&allowed).unwrap();
        owned(&[
            ("config.providers", "file, safe,env"),
            ("config.providers.file.class", FILE),
            ("config.providers.safe.class", "FileConfigProvider"),
            ("config.providers.safe.param.allowed.paths", allowed.to_str().unwrap()),
            ("config.providers.env.class", "EnvVar"),
            ("config.providers.env.param.allowlist.pattern", "PATH|AQ_.*"),
        ])
    })
}

fn raw(rest: &Rest, path: &str) -> serde_json::Value {
    rest.get(path).json()
}

#[test]
fn tasks_work_with_values_and_rest_shows_variables() {
    let setup = provided();
    let (rest, topic) = (&setup.worker.rest, unique("provided"));
    let (input, output) = (setup.write("in.txt", "one\ntwo\n"), setup.path("out.txt"));
    let secrets = setup.write("s.properties", &format!("topic={topic}\ninput={input}\noutput={output}\n"));
    let variable = |key: &str| format!("${{file:{secrets}:{key}}}");
    let source = [
        ("connector.class", "FileStreamSource"),
        ("topic", &variable("topic")),
        ("file", &variable("input")),
    ];
    let sink = [
        ("connector.class", "FileStreamSink"),
        ("topics", &variable("topic")),
        ("file", &variable("output")),
    ];
    for (name, config) in [("source", &source), ("sink", &sink)] {
        let answer = rest.create(name, config);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(!answer.body.contains(&topic) && answer.body.contains(&variable("topic")), "{answer:?}");
    }
    wait_for("the lines", || (complete_lines(output.as_ref()).len() == 2).then_some(()));
    for name in ["source", "sink"] {
        let config = raw(rest, &format!("/connectors/{name}/config"));
        let tasks = raw(rest, &format!("/connectors/{name}/tasks"));
        let everything = format!("{config} {tasks}");
        assert!(!everything.contains(&topic) && !everything.contains("out.txt"), "{everything}");
        assert!(tasks.to_string().contains("${file:"), "task configurations are turned back: {tasks}");
    }
    // A value that changed is found by the next start.
    let other = setup.path("other.txt");
    setup.write("s.properties", &format!("topic={topic}\ninput={input}\noutput={other}\n"));
    assert_eq!(rest.send("POST", "/connectors/sink/tasks/0/restart", None).status, 204);
    rest.wait_for_states("sink", "RUNNING: RUNNING");
    std::fs::write(&input, "one\ntwo\nthree\n").unwrap();
    wait_for("the line", || complete_lines(other.as_ref()).contains(&"three".to_owned()).then_some(()));
}

/// Status and message as recorded from Java Connect 4.3.0; the last two are stricter here, where Java follows links.
#[test]
fn what_cannot_be_found_stays_or_fails_as_in_java() {
    let setup = provided();
    let rest = &setup.worker.rest;
    let good = setup.write("allowed/s.properties", "topic=t\n");
    let outside = setup.write("outside.properties", "topic=t\n");
    let bad = setup.write("bad.properties", "topic=\\u12\n");
    let (link, folder) = (setup.path("allowed/link"), setup.path("allowed"));
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let create = |variable: &str| {
        let name = unique("c");
        let answer = rest.create(&name, &[("connector.class", "BlackholeSink"), ("topics", variable)]);
        let message = answer.json()["message"].as_str().unwrap_or("").to_owned();
        let known = rest.get(&format!("/connectors/{name}")).status == 200;
        assert_eq!(known, answer.status == 201, "{answer:?}");
        (answer.status, message)
    };
    let fails = |variable: &str, message: String| assert_eq!(create(variable), (500, message), "{variable}");
    fails("${file:/no/such/file:k}", "Could not read properties from file /no/such/file".to_owned());
    fails(&format!("${{file:{folder}:k}}"), format!("Could not read properties from file {folder}"));
    fails(&format!("${{file:{bad}:topic}}"), "Malformed \\uxxxx encoding.".to_owned());
    fails("${env:/x:PATH}", "Path is not supported for EnvVarConfigProvider, invalid value '/x'".to_owned());
    assert_eq!(create(&format!("${{safe:{good}:topic}}")).0, 201);
    for verbatim in [
        "${nobody:/x:y}".to_owned(),
        "${env:NOT_SET_AT_ALL}".to_owned(),
        "${env:HOME}".to_owned(),
        "${file::k}".to_owned(),
        format!("${{file:{good}:missing}}"),
        format!("${{safe:{outside}:topic}}"),
        format!("${{safe:{folder}/../outside.properties:topic}}"),
        format!("${{safe:{link}:topic}}"),
        format!("${{safe:{folder}-too/s.properties:topic}}"),
    ] {
        // A topic of that name is none that Kafka takes, but nothing has looked at it yet.
        assert_eq!(create(&verbatim).0, 201, "{verbatim}");
    }
}

#[test]
fn a_task_that_starts_while_its_file_is_gone_fails_and_can_be_restarted() {
    let setup = provided();
    let rest = &setup.worker.rest;
    let secrets = setup.write("s.properties", &format!("topic={}\n", unique("gone")));
    let topics = format!("${{file:{secrets}:topic}}");
    assert_eq!(rest.create("c", &[("connector.class", "BlackholeSink"), ("topics", &topics)]).status, 201);
    rest.wait_for_states("c", "RUNNING: RUNNING");
    let content = std::fs::read(&secrets).unwrap();
    std::fs::remove_file(&secrets).unwrap();
    assert_eq!(rest.send("POST", "/connectors/c/tasks/0/restart", None).status, 204);
    rest.wait_for_states("c", "RUNNING: FAILED");
    let trace = raw(rest, "/connectors/c/status")["tasks"][0]["trace"].to_string();
    assert!(trace.contains("ConfigException: Could not read properties from file"), "{trace}");
    std::fs::write(&secrets, content).unwrap();
    assert_eq!(rest.send("POST", "/connectors/c/tasks/0/restart", None).status, 204);
    rest.wait_for_states("c", "RUNNING: RUNNING");
}

#[test]
fn the_workers_own_configuration_is_filled_in() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("w.properties");
    std::fs::write(&file, format!("servers={}\n", broker.bootstrap)).unwrap();
    let servers = format!("${{f:{}:servers}}", file.display());
    let properties = worker_properties(
        &servers,
        dir.path(),
        &[("config.providers", "f"), ("config.providers.f.class", FILE)],
    );
    let worker = InProcess::start(&properties, worker::built_in());
    assert_eq!(worker.rest.get("/").status, 200);
}

/// Hands out a value that is good for a moment only.
struct ShortLived;

static ASKED: AtomicU32 = AtomicU32::new(0);
static BLOCKED: Mutex<()> = Mutex::new(());

impl ConfigProvider for ShortLived {
    const CLASS: &'static str = "test.ShortLivedConfigProvider";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn configure(_: &Props) -> Result<ShortLived> {
        Ok(ShortLived)
    }

    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided> {
        if path == "/blocked" {
            drop(BLOCKED.lock());
        } else {
            ASKED.fetch_add(1, Ordering::Relaxed);
        }
        let values = keys.iter().map(|key| ((*key).to_owned(), Secret::new("short-lived-topic"))).collect();
        Ok(Provided { values, ttl: Some(Duration::from_millis(50)) })
    }
}

fn with_short_lived() -> Setup {
    let mut registry = worker::built_in();
    registry.providers.push(ProviderPlugin::of::<ShortLived>());
    Setup::with(registry, |_| owned(&[("config.providers", "v"), ("config.providers.v.class", "ShortLived")]))
}

#[test]
fn values_that_end_restart_the_connector_and_slow_providers_delay_nobody() {
    let setup = with_short_lived();
    let rest = setup.worker.rest.clone();
    let create = |name: &str, more: &[(&str, &str)]| {
        let config = [&[("connector.class", "BlackholeSink"), ("topics", "${v:/vault:k}")], more].concat();
        assert_eq!(rest.create(name, &config).status, 201);
    };
    create("kept", &[("config.action.reload", "none")]);
    rest.wait_for_states("kept", "RUNNING: RUNNING");
    create("restarted", &[]);
    let before = ASKED.load(Ordering::Relaxed);
    wait_for("restarts", || (ASKED.load(Ordering::Relaxed) >= before + 6).then_some(()));
    assert_eq!(rest.send("DELETE", "/connectors/restarted", None).status, 204);

    let held = BLOCKED.lock().unwrap();
    let creating = {
        let rest = rest.clone();
        std::thread::spawn(move || {
            rest.create("slow", &[("connector.class", "BlackholeSink"), ("topics", "${v:/blocked:k}")])
        })
    };
    for _ in 0..10 {
        assert_eq!(rest.get("/connectors").status, 200);
    }
    assert!(!creating.is_finished());
    drop(held);
    assert_eq!(creating.join().unwrap().status, 201);
}

#[test]
fn a_worker_with_a_wrong_provider_does_not_start() {
    let message = |settings: &[(&str, &str)]| {
        let dir = tempfile::tempdir().unwrap();
        let properties = worker_properties("127.0.0.1:1", dir.path(), settings);
        let plugins = worker::config::Plugins::new(worker::built_in());
        let parsed = worker::config::WorkerConfig::standalone(properties.into_iter().collect(), &plugins);
        parsed.unwrap_err().message().to_owned()
    };
    assert!(message(&[("config.providers", "a")]).contains("config.providers.a.class is not set"));
    let unknown = message(&[("config.providers", "a"), ("config.providers.a.class", "com.x.Y")]);
    assert!(unknown.contains("Class com.x.Y could not be found") && unknown.contains(FILE), "{unknown}");
    let file = [("config.providers", "a"), ("config.providers.a.class", FILE)];
    let relative = message(&[&file[..], &[("config.providers.a.param.allowed.paths", "etc")]].concat());
    assert!(relative.contains("Path etc is not absolute"), "{relative}");
    let missing = message(&[&file[..], &[("producer.acks", "${a:/no/such/file:k}")]].concat());
    assert_eq!(missing, "Could not read properties from file /no/such/file");
}
