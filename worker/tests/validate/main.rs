//! A configuration is judged as Java's worker judges it: `golden/java-4.3.0-validate.jsonl` holds what Java Connect 4.3.0 answered to
//! `PUT /connector-plugins/{p}/config/validate`, which is compared field by field except for the documentation, where our own words
//! stand. `AQUEDUCT_WRITE_GOLDEN` asks a Java worker again and writes the file; a new line needs `plugin` and `body` only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Map, Value, json};
use worker::config::{Plugins, RawConfig, WorkerConfig, examine};
use xtask::connect::JavaWorker;
use xtask::kafka::{BOOTSTRAP_VARIABLE, Libs};

#[path = "../support/mod.rs"]
mod support;

mod tables;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Where ours is better on purpose: a part of the request's body, and why.
const DIFFERENT: [(&str, &str); 5] = [
    (r#""exactly.once.support":"REQUIRED""#, "Java's standalone worker accepts it and gives less"),
    (r#""exactly.once.support":"required""#, "the same"),
    (r#""errors.deadletterqueue.topic.name":null"#, "a null pointer in Java; an error about the key here"),
    (r#"converter":" String ""#, "Java finds the class, then fails to load it under the untrimmed name"),
    (r#"Sink","body":{"connector.class":" FileStream"#, "Java does not find a class under an untrimmed name"),
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/java-4.3.0-validate.jsonl")
}

/// The worker that the recording was made with.
fn properties(bootstrap: &str) -> Vec<(&'static str, String)> {
    vec![
        ("bootstrap.servers", bootstrap.to_owned()),
        ("key.converter", STRING.to_owned()),
        ("value.converter", JSON.to_owned()),
        ("value.converter.schemas.enable", "false".to_owned()),
        ("offset.storage.file.filename", "unused".to_owned()),
    ]
}

fn worker(plugins: &Plugins) -> WorkerConfig {
    let properties = properties("127.0.0.1:1").into_iter();
    let properties = properties.map(|(key, value)| (key.to_owned(), value)).collect();
    WorkerConfig::standalone(properties, plugins).unwrap()
}

/// The lines of the record, entries put in the place of their numbers.
fn recorded() -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(golden()).unwrap();
    let (mut entries, mut cases) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut line: Map<String, Value> = serde_json::from_str(line).unwrap();
        if let Some(entry) = line.remove("entry") {
            entries.push(entry);
            continue;
        }
        if let Some(Value::Array(configs)) = line.get_mut("configs") {
            for config in configs {
                *config = entries[usize::try_from(config.as_u64().unwrap()).unwrap()].clone();
            }
        }
        cases.push(line);
    }
    cases
}

fn raw(body: &Value) -> RawConfig {
    let entries = body.as_object().unwrap().iter().map(|(key, value)| {
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        (key.clone(), value)
    });
    entries.collect()
}

/// Whether the case is about a plug-in of Java's that we lack.
fn needs_more(body: &Value, answer: &Map<String, Value>, classes: &HashSet<&str>) -> bool {
    let of_java = |key: &str| {
        let configs = answer.get("configs").and_then(Value::as_array);
        let entry = configs?.iter().find(|entry| entry["value"]["name"] == key)?;
        entry["value"]["value"].as_str().map(str::to_owned)
    };
    let is_stage = |key: &str| {
        (key.starts_with("transforms.") || key.starts_with("predicates.")) && key.ends_with(".type")
    };
    let is_class = |key: &&String| is_stage(key) || key.ends_with(".converter");
    body.as_object().unwrap().keys().filter(is_class).any(|key| {
        of_java(key).is_some_and(|class| {
            class.starts_with("org.apache.kafka.connect.") && !classes.contains(class.as_str())
        })
    })
}

/// Only what we have too is to be offered.
fn without_missing(entry: &mut Value, classes: &HashSet<&str>) {
    if let Some(offered) = entry["value"]["recommended_values"].as_array_mut() {
        offered.retain(|value| {
            let value = value.as_str().unwrap();
            !value.starts_with("org.apache.kafka.connect.") || classes.contains(value)
        });
    }
}

#[test]
fn configurations_are_judged_as_java_judges_them() {
    let plugins = Plugins::new(worker::built_in());
    let worker = worker(&plugins);
    let classes: HashSet<&str> = plugins.listed().map(|plugin| plugin.class).collect();
    let (mut compared, mut wrong) = (0, String::new());
    for mut case in recorded() {
        let body = case["body"].clone();
        let line = json!({"plugin": case["plugin"], "body": body}).to_string();
        let is_of_rest = case["status"] == 400;
        if is_of_rest
            || needs_more(&body, &case, &classes)
            || DIFFERENT.iter().any(|(part, _)| line.contains(part))
        {
            continue;
        }
        compared += 1;
        let ours = match examine(&raw(&body), &plugins, &worker) {
            Ok((_, report)) => serde_json::to_value(report).unwrap(),
            Err(invalid) => {
                let message = invalid.message_of_validate();
                let message = message.split("available connectors are: ").next().unwrap_or_default();
                json!({ "message": message })
            }
        };
        for entry in case.get_mut("configs").and_then(Value::as_array_mut).into_iter().flatten() {
            without_missing(entry, &classes);
        }
        case.retain(|key, _| !matches!(key.as_str(), "plugin" | "body" | "status"));
        compare(&line, ours, &Value::Object(case), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 200, "{compared}");
}

fn compare(line: &str, mut ours: Value, javas: &Value, wrong: &mut String) {
    for entry in ours.get_mut("configs").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(definition) = entry["definition"].as_object_mut() {
            definition.remove("documentation");
        }
    }
    if ours == *javas {
        return;
    }
    writeln!(wrong, "\n{line}").unwrap();
    let none = Vec::new();
    let of = |answer: &Value| -> Vec<Value> { answer["configs"].as_array().unwrap_or(&none).clone() };
    let name = |entry: &Value| entry["value"]["name"].as_str().unwrap_or_default().to_owned();
    let (our_entries, java_entries) = (of(&ours), of(javas));
    let names = |entries: &[Value]| entries.iter().map(name).collect::<Vec<_>>();
    if names(&our_entries) != names(&java_entries) {
        writeln!(wrong, "  keys {:?}\n  not  {:?}", names(&our_entries), names(&java_entries)).unwrap();
    }
    for (our, java) in our_entries.iter().zip(&java_entries).filter(|(our, java)| our != java) {
        writeln!(wrong, "  {our}\n  not {java}").unwrap();
    }
    for field in
        ["message", "name", "error_count", "groups"].into_iter().filter(|field| ours[field] != javas[field])
    {
        writeln!(wrong, "  {field} {} not {}", ours[field], javas[field]).unwrap();
    }
}

/// Where Kafka's jars are at hand, the record is compared with what Java says now, or made anew.
/// The cost of a check grows with their square, and nothing else is answered meanwhile.
#[test]
fn lists_that_bring_keys_are_limited() {
    let plugins = Plugins::new(worker::built_in());
    let worker = worker(&plugins);
    for list in ["transforms", "predicates", "topic.creation.groups"] {
        let judged = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("a{number}")).collect();
            let body = json!({ "connector.class": "FileStreamSource", list: names.join(",") });
            examine(&raw(&body), &plugins, &worker).map(|_| ()).map_err(|invalid| invalid.message())
        };
        assert_eq!(judged(256), Ok(()));
        let message = judged(257).unwrap_err();
        assert_eq!(message, format!("'{list}' names 257, and a connector may have at most 256 of them"));
    }
}

#[test]
fn the_record_is_what_java_says() {
    let (Ok(bootstrap), Some(libs)) = (env::var(BOOTSTRAP_VARIABLE), Libs::from_env()) else {
        eprintln!("skipped: no Kafka and no jars of it are named");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let properties = properties(&bootstrap);
    let more: Vec<_> = properties[1..4].iter().map(|(key, value)| (*key, value.as_str())).collect();
    let java = JavaWorker::standalone(&libs, &bootstrap, &dir.path().join("offsets"), &more, &[]).unwrap();
    let rest = support::Rest::new(java.rest());
    let (mut entries, mut lines) = (Vec::new(), String::new());
    for case in recorded() {
        let plugin = case["plugin"].as_str().unwrap();
        let path = format!("/connector-plugins/{plugin}/config/validate");
        let answer = rest.send("PUT", &path, Some(&case["body"].to_string()));
        let mut said = answer.json();
        let mut line = json!({"plugin": plugin, "body": case["body"], "status": answer.status});
        if answer.status == 200 {
            let mut numbers = Vec::new();
            for mut entry in said["configs"].as_array_mut().unwrap().drain(..) {
                if let Some(definition) = entry["definition"].as_object_mut() {
                    definition.shift_remove("documentation");
                }
                numbers.push(entries.iter().position(|other| *other == entry).unwrap_or_else(|| {
                    writeln!(lines, "{}", json!({ "entry": entry })).unwrap();
                    entries.push(entry);
                    entries.len() - 1
                }));
            }
            line["name"] = said["name"].take();
            line["error_count"] = said["error_count"].take();
            line["groups"] = said["groups"].take();
            line["configs"] = json!(numbers);
        } else {
            let message = said["message"].as_str().unwrap();
            line["message"] = json!(message.split("available connectors are: ").next());
        }
        writeln!(lines, "{line}").unwrap();
    }
    if env::var_os("AQUEDUCT_WRITE_GOLDEN").is_some() {
        fs::write(golden(), &lines).unwrap();
    }
    for (said, recorded) in lines.lines().zip(fs::read_to_string(golden()).unwrap().lines()) {
        assert_eq!(said, recorded);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    /// Whatever a request holds, it is judged: no panic, and the count is that of the messages at most.
    #[test]
    fn no_configuration_panics(
        entries in proptest::collection::vec((key(), proptest::option::of(value())), 0..12),
        is_source in proptest::bool::ANY,
    ) {
        let plugins = Plugins::new(worker::built_in());
        let worker = worker(&plugins);
        let mut raw: RawConfig = entries.into_iter().collect();
        let class = if is_source { "FileStreamSource" } else { "FileStreamSink" };
        raw.entry("connector.class".to_owned()).or_insert_with(|| Some(class.to_owned()));
        if let Ok((_, report)) = examine(&raw, &plugins, &worker) {
            assert!(report.error_count <= report.messages().count());
        }
    }
}

fn key() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let known: Vec<String> = worker::config::documented()
        .into_iter()
        .flat_map(|table| table.def.keys().iter().map(|key| key.name.to_string()).collect::<Vec<_>>())
        .chain(
            [
                "transforms.a.type",
                "transforms.a.predicate",
                "transforms.a.negate",
                "transforms.a.plugin.version",
                "predicates.p.type",
                "predicates.p.pattern",
                "key.converter.schemas.enable",
                "producer.override.linger.ms",
                "consumer.override.",
                "admin.override.x",
                "topic.creation.default.partitions",
                "topic.creation.a.include",
                "aqueduct.x",
                "transforms..type",
                "file",
                "topic",
            ]
            .map(str::to_owned),
        )
        .collect();
    prop_oneof![4 => proptest::sample::select(known), 1 => "[a-z.]{0,12}"]
}

fn value() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let known = [
        "",
        "a",
        "a,a",
        "a,b",
        ",",
        "p",
        "true",
        "x",
        "-1",
        "0",
        "1",
        "RegexRouter",
        "TopicNameMatches",
        "Json",
        "String",
        "Nope",
        "all",
        "[",
        "(a|b)*",
        "[1.0,2.0)",
        "[",
        "4.3.0",
        "latest",
        "org.apache.kafka.connect.transforms.Filter",
        "org.apache.kafka.connect.transforms.Cast",
        "required",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}
