//! The framework's keys are Java's: `golden/java-4.3.0-tables.tsv` is what `java/ConfigTables.java` prints of Connect 4.3.0. The page
//! `docs/configuration.md` shows the same tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use api::Props;
use api::config_def::{ConfigDef, ConfigKey, Default};
use worker::config::documented;

/// Keys whose values the worker looks at together, after the table; `listeners` may be several, each checked on its own.
const CHECKED_LATER: [&str; 3] = ["listeners", "response.http.headers.config", "admin.listeners"];

/// What Java says of an algorithm that it does not know lists all that its virtual machine does; ours lists ours.
const UNKNOWN_ALGORITHM: &str = ": the algorithm is not supported by this ";

/// Keys of ours in a table of Java's: read by Java's plug-ins beside it.
const OURS: [&str; 1] = ["connector.client.config.override.allowlist"];

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn recorded(kind: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(manifest("tests/golden/java-4.3.0-tables.tsv")).unwrap();
    let rows =
        text.lines().map(|line| line.split('\t').map(|field| field.replace("\\n", "\n")).collect::<Vec<_>>());
    rows.filter(|row| row[0] == kind).map(|row| row[1..].to_vec()).collect()
}

fn tables() -> BTreeMap<&'static str, ConfigDef> {
    documented().into_iter().map(|table| (table.name, table.def)).collect()
}

#[test]
fn the_tables_are_javas() {
    let tables = tables();
    let mut javas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in recorded("key") {
        let [table, name, kind, default, _valid, importance] = row.as_slice() else { panic!("{row:?}") };
        javas.entry(table.clone()).or_default().push(name.clone());
        let key = tables[table.as_str()].find(name).unwrap_or_else(|| panic!("{table} lacks {name}"));
        let ours = match key.default {
            Default::Required => "required".to_owned(),
            Default::Null => "null".to_owned(),
            Default::Value(text) => format!("={text}"),
        };
        assert_eq!(
            (key.kind.name(), ours.as_str(), key.importance.name()),
            (kind.as_str(), default.as_str(), importance.as_str()),
            "{table} {name}"
        );
    }
    for (table, names) in javas {
        let more = tables[table.as_str()].keys().iter().map(|key| key.name.as_ref());
        let is_ours = |name: &&str| name.starts_with("aqueduct.") || OURS.contains(name);
        let more: Vec<_> =
            more.filter(|name| !names.iter().any(|java| java == name) && !is_ours(name)).collect();
        assert!(more.is_empty(), "{table} has {more:?} more than Java");
    }
}

#[test]
fn each_value_is_read_as_java_reads_it() {
    let tables = tables();
    let rows = recorded("value");
    assert!(rows.len() > 1_000, "{}", rows.len());
    for row in rows {
        let [table, name, text, java] = row.as_slice() else { panic!("{row:?}") };
        if CHECKED_LATER.contains(&name.as_str()) {
            continue;
        }
        let key = tables[table.as_str()].find(name).unwrap();
        let given = Props::from_iter([(name.clone(), text.clone())]);
        let ours = match ConfigDef::default().key(key.clone()).parse(&given) {
            Ok(config) => format!("={}", config.get(name).shown().unwrap_or_default()),
            Err(error) => error.message().to_owned(),
        };
        if let Some((start, _)) = java.split_once(UNKNOWN_ALGORITHM) {
            assert!(
                ours.starts_with(&format!("{start}{UNKNOWN_ALGORITHM}")),
                "{table} {name}={text:?}: {ours}"
            );
            continue;
        }
        assert_eq!(&ours, java, "{table} {name}={text:?}");
    }
}

/// Where Kafka's jars are at hand, the record is compared with what they say now.
#[test]
fn the_record_of_the_tables_is_what_java_says() {
    let Ok(libs) = env::var("AQUEDUCT_KAFKA_LIBS") else {
        eprintln!("skipped: AQUEDUCT_KAFKA_LIBS is not set");
        return;
    };
    let java = Command::new("java")
        .args(["-cp", &format!("{libs}/*")])
        .arg(manifest("tests/java/ConfigTables.java"))
        .output()
        .unwrap();
    assert!(java.status.success(), "{}", String::from_utf8_lossy(&java.stderr));
    let said = String::from_utf8(java.stdout).unwrap();
    let said = said.lines().filter(|line| line.starts_with("key\t") || line.starts_with("value\t"));
    let recorded = fs::read_to_string(manifest("tests/golden/java-4.3.0-tables.tsv")).unwrap();
    assert!(said.eq(recorded.lines()), "the tables of this Kafka are others than those recorded");
}

fn row(key: &ConfigKey) -> String {
    let default = match key.default {
        Default::Required => "required".to_owned(),
        Default::Null | Default::Value("") => String::new(),
        Default::Value(text) => format!("`{text}`"),
    };
    let kind = key.kind.name().to_lowercase();
    format!("| `{}` | {kind} | {default} | {} |\n", key.name, key.doc)
}

fn page() -> String {
    const HEAD: &str = "| Key | Type | Default | What it is |\n| --- | --- | --- | --- |\n";
    let tables = tables();
    let (sink, source) = (&tables["sink"], &tables["source"]);
    let mut page = String::new();
    let mut section = |title: &str, keys: &mut dyn Iterator<Item = &ConfigKey>| {
        write!(page, "\n## {title}\n\n{HEAD}").unwrap();
        keys.for_each(|key| page.push_str(&row(key)));
    };
    section("Worker", &mut tables["worker"].keys().iter());
    section("Distributed workers, in addition", &mut tables["distributed"].keys().iter());
    section("Every connector", &mut sink.keys().iter().filter(|key| source.find(&key.name).is_some()));
    section("Sinks", &mut sink.keys().iter().filter(|key| source.find(&key.name).is_none()));
    section("Sources", &mut source.keys().iter().filter(|key| sink.find(&key.name).is_none()));
    section("Connectors, Aqueduct only", &mut tables["aqueduct"].keys().iter());
    page
}

#[test]
fn the_page_shows_the_tables() {
    const BEGIN: &str = "<!-- The tables are made by worker/tests/validate/tables.rs. -->\n";
    let path = manifest("../docs/configuration.md");
    let found = fs::read_to_string(&path).unwrap();
    let (text, _) = found.split_once(BEGIN).unwrap();
    let expected = format!("{text}{BEGIN}{}", page());
    if env::var_os("AQUEDUCT_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(found == expected, "docs/configuration.md is old: run this test with AQUEDUCT_WRITE_DOCS=1");
    }
}
