//! Goal: the commands that look at files and plug-ins say all that an operator needs, on the right stream, with the right status.
//! Method: the program as a process, its output compared as a whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn aqueduct(arguments: &[&str]) -> Ran {
    let program = std::env::var("AQUEDUCT_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_aqueduct").to_owned());
    let output = Command::new(program).args(arguments).env_remove("KAFKA_OPTS").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Writes files, validates them in a folder of their own, and gives what was said without that folder.
fn validate(files: &[(&str, &str)], options: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let paths = files.iter().map(|(name, content)| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    });
    let paths: Vec<_> = paths.collect();
    let arguments: Vec<_> = ["validate"]
        .into_iter()
        .chain(options.iter().copied())
        .chain(paths.iter().map(String::as_str))
        .collect();
    let ran = aqueduct(&arguments);
    assert_eq!(ran.stderr, "");
    (ran.status, ran.stdout.replace(&format!("{}/", dir.path().display()), ""))
}

const WORKER: &str = "bootstrap.servers=localhost:9092\n\
                      key.converter=org.apache.kafka.connect.json.JsonConverter\n\
                      value.converter=org.apache.kafka.connect.json.JsonConverter\n\
                      key.converter.schemas.enable=true\n\
                      offset.storage.file.filename=/tmp/connect.offsets\n\
                      producer.compression.type=lz4\n\
                      group.id=of-a-distributed-worker\n";

#[test]
fn good_files_pass() {
    let sink = r#"{"name":"s","config":{"connector.class":"FileStreamSink","topics":"t","file":"/tmp/x","tasks.max":1}}"#;
    let source = "name=c\nconnector.class=FileStreamSource\ntopic=${file:/no/such:topic}\nfile=/tmp/in\n";
    let (status, said) = validate(
        &[("worker.properties", WORKER), ("sink.json", sink), ("source.properties", source)],
        &["--strict"],
    );
    assert_eq!((status, said.as_str()), (Some(0), "3 files, 0 errors, 0 warnings\n"));
    let (status, said) = validate(&[("sink.json", sink)], &[]);
    assert_eq!((status, said.as_str()), (Some(0), "1 file, 0 errors, 0 warnings\n"));
}

#[test]
fn a_file_with_a_group_is_a_distributed_workers() {
    let worker = "bootstrap.servers=localhost:9092\n\
                  key.converter=org.apache.kafka.connect.json.JsonConverter\n\
                  value.converter=org.apache.kafka.connect.json.JsonConverter\n\
                  group.id=g\n\
                  connect.protocol=lazy\n\
                  offset.storage.topic=offsets\n\
                  config.storage.topic=configs\n\
                  config.storage.replication.factor=0\n\
                  inter.worker.signature.algorithm=HmacSHA512\n\
                  scheduled.rebalance.max.delay=1\n";
    let (status, said) = validate(&[("w.properties", worker)], &[]);
    assert_eq!(status, Some(2), "{said}");
    for line in [
        "w.properties:5: error: Invalid value lazy for configuration connect.protocol: Invalid Connect protocol compatibility",
        "w.properties: error: Missing required configuration \"status.storage.topic\" which has no default value.",
        "w.properties:9: error: Invalid value HmacSHA512 for configuration inter.worker.signature.algorithm: Signature algorithm must be \
         present in inter.worker.verification.algorithms list",
        "w.properties:10: warning: the key 'scheduled.rebalance.max.delay' has no meaning here; did you mean \
         'scheduled.rebalance.max.delay.ms'?",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\nnot in\n{said}");
    }
    assert!(
        said.contains(
            "w.properties:8: error: Invalid value 0 for configuration config.storage.replication.factor"
        ),
        "{said}"
    );
    assert!(!said.contains("offset.storage.file.filename"), "{said}");
}

#[test]
fn every_error_is_said_at_once_with_its_line() {
    let worker = "# a worker\n\
                  bootstrap.servers=localhost:9092\n\
                  key.converter=org.apache.kafka.connect.json.JsonConvertor\n\
                  offset.flush.interval.ms=soon\n\
                  offset.storage.file.filename=/tmp/o\n\
                  offset.storage.file.filename=/tmp/p\n\
                  listeners=ftp://:1\n\
                  rest.extension.classes=com.example.Guard\n\
                  response.http.headers.config=set X\n\
                  producer.linger.ms=later\n\
                  consumer.max.pol.records=1\n\
                  offset.flush.timout.ms=1\n\
                  internal.key.converter=x\n\
                  connect.protocol=eager\n\
                  aqueduct.watchdog.intervall.ms=1\n";
    let (status, said) = validate(&[("w.properties", worker)], &[]);
    assert_eq!(status, Some(2), "{said}");
    for line in [
        "w.properties:4: error: Invalid value soon for configuration offset.flush.interval.ms: Not a number of type LONG",
        "w.properties:3: error: Invalid value org.apache.kafka.connect.json.JsonConvertor for configuration key.converter: Class org.apache.kafka.connect.json.JsonConvertor could not be found.",
        "w.properties: error: Missing required configuration \"value.converter\" which has no default value.",
        "w.properties:10: error: producer.linger.ms: Invalid value later for configuration linger.ms: Not a number of type LONG",
        "w.properties:6: warning: 'offset.storage.file.filename' stands on line 5 already; this one counts",
        "w.properties:11: warning: the key 'consumer.max.pol.records' has no meaning here; did you mean 'consumer.max.poll.records'?",
        "w.properties:12: warning: the key 'offset.flush.timout.ms' has no meaning here; did you mean 'offset.flush.timeout.ms'?",
        "w.properties:15: warning: the key 'aqueduct.watchdog.intervall.ms' has no meaning here; did you mean 'aqueduct.watchdog.interval.ms'?",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\nnot in\n{said}");
    }
    for known in ["internal.key.converter' has", "connect.protocol' has"] {
        assert!(!said.contains(known), "{said}");
    }
    for part in [
        "w.properties:7: error: Invalid value [ftp://:1] for configuration listeners: Listener protocol must be either",
        "w.properties:8: error: Failed to find any class that implements interface org.apache.kafka.connect.rest.ConnectRestExtension",
        "error: Invalid format of header name and header value pair 'X'",
    ] {
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
}

#[test]
fn connectors_are_checked_in_every_form() {
    let sink = "{\n  \"name\": \"s\",\n  \"config\": {\n    \"connector.class\": \"FileStreamSink\",\n    \"topcis\": \"t\",\n    \"tasks.max\": \"many\",\n    \"errors.tolerence\": \"all\"\n  }\n}";
    let (status, said) = validate(&[("s.json", sink)], &[]);
    assert_eq!(status, Some(2), "{said}");
    for line in [
        "s.json:6: error: Invalid value many for configuration tasks.max: Not a number of type INT",
        "s.json:5: warning: the key 'topcis' has no meaning here; did you mean 'topics'?",
        "s.json:7: warning: the key 'errors.tolerence' has no meaning here; did you mean 'errors.tolerance'?",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\nnot in\n{said}");
    }
    assert!(said.contains("Must configure one of topics or topics.regex"), "{said}");
    for (name, content, expected) in [
        ("b.json", "{\n\"name\": }", "b.json:2: error: this is not JSON"),
        ("n.json", "{\"connector.class\":\"x\"}", "is missing the mandatory 'name' configuration"),
        (
            "u.properties",
            "name=c\nconnector.class=Nope",
            "u.properties:2: error: Failed to find any class that implements Connector",
        ),
        ("p.properties", "name=\\u12", "p.properties: error: Malformed \\uxxxx encoding. (logical line 1)"),
    ] {
        let (status, said) = validate(&[(name, content)], &[]);
        assert!(status == Some(2) && said.contains(expected), "{expected}\nnot in\n{said}");
    }
    let missing = aqueduct(&["validate", "/no/such/file"]);
    assert!(
        missing.status == Some(2) && missing.stdout.contains("/no/such/file: error:"),
        "{}",
        missing.stdout
    );
}

#[test]
fn warnings_fail_only_where_that_is_wanted_and_secrets_are_not_repeated() {
    let connector = "name=c\nconnector.class=BlackholeSink\ntopics=t\napi.token=canary\npasswrd=canary\n\
                     consumer.override.sasl.jaas.config=canary\n";
    let (status, said) = validate(&[("c.properties", connector)], &[]);
    assert!(said.contains("'api.token'") && said.contains("'passwrd'"), "{said}");
    assert!(!said.contains("canary"), "{said}");
    let quiet = connector.replace("consumer.override.sasl.jaas.config=canary\n", "");
    assert_eq!(validate(&[("c.properties", &quiet)], &[]).0, Some(0), "{status:?}");
    assert_eq!(validate(&[("c.properties", &quiet)], &["--strict"]).0, Some(2));
}

#[test]
fn plugins_are_listed_for_people_and_programs() {
    let table = aqueduct(&["plugins"]);
    assert_eq!(table.status, Some(0));
    let row = |class: &str| {
        let row = table
            .stdout
            .lines()
            .find(|line| line.starts_with(class))
            .unwrap_or_else(|| panic!("{}", table.stdout));
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("CLASS"), ["CLASS", "ALIASES", "KIND", "VERSION"]);
    let sink = row("org.apache.kafka.connect.file.FileStreamSinkConnector");
    assert_eq!(sink[1..], ["FileStreamSinkConnector, FileStreamSink", "sink", "4.3.0"]);
    let provider = row("org.apache.kafka.common.config.provider.FileConfigProvider");
    assert_eq!(provider[1..3], ["FileConfigProvider, File", "config_provider"]);

    let json = aqueduct(&["plugins", "--json", "--keys", "filestreamsink"]);
    let listed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let file = listed[0]["keys"].as_array().unwrap().iter().find(|key| key["name"] == "file").unwrap();
    assert_eq!((&file["type"], &file["required"]), (&"STRING".into(), &false.into()), "{file}");
    let keys = aqueduct(&["plugins", "--keys", "FileConfigProvider"]).stdout;
    assert!(keys.contains("    allowed.paths (list, no default):"), "{keys}");
}

#[test]
fn shells_and_manual_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = aqueduct(&["completions", shell]);
        assert_eq!(ran.status, Some(0));
        for word in ["standalone", "validate", "plugins", "strict"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    let manual = aqueduct(&["man"]);
    assert_eq!(manual.status, Some(0));
    assert!(
        manual.stdout.starts_with(".ie") || manual.stdout.starts_with(".TH"),
        "{}",
        &manual.stdout[..200]
    );
    for word in ["AQUEDUCT VALIDATE", "AQUEDUCT STANDALONE", "\\-\\-strict", "Exit status"] {
        assert!(manual.stdout.contains(word), "{word}\nnot in\n{}", manual.stdout);
    }
}

#[test]
fn wrong_usage_says_what_is_right() {
    let ran = aqueduct(&["validate"]);
    assert!(ran.status == Some(1) && ran.stderr.contains("<FILE>"), "{}", ran.stderr);
    let ran = aqueduct(&["valdate", "x"]);
    assert!(ran.status == Some(1) && ran.stderr.contains("validate"), "{}", ran.stderr);
    assert_eq!(aqueduct(&[]).status, Some(1));
    assert_eq!(aqueduct(&["--version"]).status, Some(0));
}
