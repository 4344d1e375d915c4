//! Client properties are Java's: the tables hold the keys that Kafka 4.3's own clients define, and what is accepted, refused and
//! warned about is what they accept, refuse and warn about, in their words (`java/ClientConfigs.java`, recorded in
//! `golden/client_configs.tsv`). The page `docs/clients.md` shows the same tables.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use protocol::client::consumer::ConsumerConfig;
use protocol::client::producer::ProducerConfig;
use protocol::client::properties::{ADMIN, AdminConfig, CONSUMER, Default, Effect, Key, PRODUCER, Table};

const TABLES: [Table; 3] = [PRODUCER, CONSUMER, ADMIN];

/// Where we answer otherwise than Java on purpose: client, properties, a part of our answer.
const DIFFERENT: [(&str, &str, &str); 5] = [
    // Java says so when the consumer subscribes.
    (
        "consumer",
        "partition.assignment.strategy=&group.id=g",
        "Must configure at least one partition assigner class",
    ),
    (
        "consumer",
        "group.protocol=consumer&group.id=g&session.timeout.ms=45000",
        "Invalid value consumer for configuration group.protocol: Not supported: ",
    ),
    (
        "consumer",
        "group.protocol=consumer&group.id=g&heartbeat.interval.ms=1&partition.assignment.strategy=x",
        "Invalid value consumer for configuration group.protocol: Not supported: ",
    ),
    (
        "admin",
        "bootstrap.controllers=127.0.0.1:1",
        "for configuration bootstrap.controllers: Not supported: ",
    ),
    // Java names 0 in place of the default.
    ("admin", "request.timeout.ms=70000", "ok"),
];

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn recorded() -> String {
    fs::read_to_string(manifest("tests/golden/client_configs.tsv")).unwrap()
}

/// The fields of the rows of one kind.
fn rows<'a>(recorded: &'a str, kind: &str) -> Vec<Vec<String>> {
    let unescape = |field: &'a str| {
        let mut text = String::new();
        let mut chars = field.chars();
        while let Some(c) = chars.next() {
            text.push(match c {
                '\\' => match chars.next() {
                    Some('t') => '\t',
                    Some('n') => '\n',
                    other => other.unwrap(),
                },
                other => other,
            });
        }
        text
    };
    let rows = recorded.lines().map(|line| line.split('\t').map(unescape).collect::<Vec<_>>());
    rows.filter(|fields| fields[0] == kind).map(|fields| fields[1..].to_vec()).collect()
}

fn table(client: &str) -> Table {
    TABLES.into_iter().find(|table| table.client == client).unwrap()
}

#[test]
fn the_tables_are_javas() {
    let recorded = rows(&recorded(), "key");
    let ours = TABLES.iter().flat_map(|table| table.keys().map(move |key| (table.client, key)));
    let ours: Vec<Vec<String>> = ours
        .map(|(client, key)| {
            let default = match key.default {
                Default::Required => "required".to_owned(),
                Default::Null => "null".to_owned(),
                Default::Value(text) => format!("={text}"),
            };
            let is_any = key.valid == protocol::client::properties::Valid::Any;
            let valid = if is_any { "null".to_owned() } else { key.valid.to_string() };
            [client, key.name, &key.kind.to_string(), &default, &valid, &key.importance.to_string()]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    assert!(recorded.len() > 300, "{}", recorded.len());
    for (ours, javas) in ours.iter().zip(&recorded) {
        assert_eq!(ours, javas);
    }
    assert_eq!(ours.len(), recorded.len());
}

#[test]
fn each_value_is_read_as_java_reads_it() {
    let recorded = rows(&recorded(), "value");
    assert!(recorded.len() > 500, "{}", recorded.len());
    for row in recorded {
        let [client, name, text, javas] = row.as_slice() else { panic!("{row:?}") };
        let key = table(client).find(name).unwrap();
        let ours = match key.parse(text) {
            Ok(value) => format!("={value}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(&ours, javas, "{client} {name}={text:?}");
    }
}

#[test]
fn combinations_are_judged_as_java_judges_them() {
    let recorded = rows(&recorded(), "props");
    assert!(recorded.len() > 100, "{}", recorded.len());
    let mut different = 0;
    for row in recorded {
        let (client, props, javas, warnings) = (&row[0], &row[1], &row[2], &row[3..]);
        let mut all = BTreeMap::from([("bootstrap.servers", "127.0.0.1:1")]);
        all.extend(props.split('&').filter_map(|pair| pair.split_once('=')));
        let answer = match client.as_str() {
            "producer" => ProducerConfig::from_properties(&all).map(|configured| configured.warnings),
            "consumer" => ConsumerConfig::from_properties(&all).map(|configured| configured.warnings),
            _ => AdminConfig::from_properties(&all).map(|configured| configured.warnings),
        };
        let (ours, said) = match answer {
            // What has no effect here is our own matter.
            Ok(said) => (
                "ok".to_owned(),
                said.into_iter().filter(|line| !line.contains(" has no effect here: ")).collect(),
            ),
            Err(error) => (error.to_string(), Vec::new()),
        };
        if let Some((.., expected)) = DIFFERENT.iter().find(|(c, p, _)| c == client && p == props) {
            different += 1;
            assert!(ours.contains(expected), "{client} {props}: {ours}");
            continue;
        }
        assert_eq!(&ours, javas, "{client} {props}");
        assert_eq!(said, warnings, "{client} {props}");
    }
    assert_eq!(different, DIFFERENT.len(), "an exception is not needed any more");
}

/// Where Kafka's jars are at hand, the record is compared with what they say now.
#[test]
fn the_record_is_what_java_says() {
    let Ok(libs) = std::env::var("AQUEDUCT_KAFKA_LIBS") else {
        eprintln!("skipped: AQUEDUCT_KAFKA_LIBS is not set");
        return;
    };
    let java = Command::new("java")
        .args(["-cp", &format!("{libs}/*")])
        .arg(manifest("tests/java/ClientConfigs.java"))
        .output()
        .unwrap();
    let said = String::from_utf8(java.stdout).unwrap();
    assert!(java.status.success(), "{}", String::from_utf8_lossy(&java.stderr));
    let recorded = recorded();
    for (said, recorded) in said.lines().zip(recorded.lines()) {
        assert_eq!(said, recorded);
    }
    assert_eq!(said.lines().count(), recorded.lines().count());
}

/// The tables as a page shows them: what we do not do first said by type of effect, then one row per key.
fn page() -> String {
    let mut page = String::from(
        "| Key | Clients | Type | Default | Valid | Here | What it is |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut seen: Vec<(&Key, Vec<&str>)> = Vec::new();
    let is_same = |a: &Key, b: &Key| {
        (a.name, a.kind, a.default, a.effect, a.doc) == (b.name, b.kind, b.default, b.effect, b.doc)
            && a.valid.to_string() == b.valid.to_string()
    };
    for table in TABLES {
        for key in table.keys() {
            match seen.iter_mut().find(|(other, _)| is_same(other, key)) {
                Some((_, clients)) => clients.push(table.client),
                None => seen.push((key, vec![table.client])),
            }
        }
    }
    seen.sort_by_key(|(key, _)| key.name);
    for (key, clients) in seen {
        let default = match key.default {
            Default::Required => "required".to_owned(),
            Default::Null | Default::Value("") => String::new(),
            Default::Value(text) => {
                let words: Vec<_> = text.split(',').map(|word| format!("`{}`", short(word))).collect();
                words.join(", ")
            }
        };
        let effect = match key.effect {
            Effect::Applied => "applied".to_owned(),
            Effect::Needless(why) => format!("not needed: {why}"),
            Effect::Ignored(why) => format!("**no effect**: {why}"),
            Effect::Refused(why) => format!("**refused**: {why}"),
            Effect::Only(allowed, why) => format!("only `{allowed}`: {why}"),
        };
        let kind = key.kind.to_string().to_lowercase();
        let (valid, clients) = (key.valid, clients.join(", "));
        writeln!(
            page,
            "| `{}` | {clients} | {kind} | {default} | {valid} | {effect} | {} |",
            key.name, key.doc
        )
        .unwrap();
    }
    page
}

/// A class without its package.
fn short(word: &str) -> &str {
    if word.starts_with("org.apache.kafka.") { word.rsplit('.').next().unwrap_or(word) } else { word }
}

#[test]
fn the_page_shows_the_tables() {
    const BEGIN: &str = "<!-- The table is made by protocol/tests/client_properties.rs. -->\n";
    let path = manifest("../docs/clients.md");
    let found = fs::read_to_string(&path).unwrap();
    let (text, _) = found.split_once(BEGIN).unwrap();
    let expected = format!("{text}{BEGIN}\n{}", page());
    if std::env::var_os("AQUEDUCT_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(found == expected, "docs/clients.md is old: run this test with AQUEDUCT_WRITE_DOCS=1");
    }
}

#[test]
fn secrets_are_not_told() {
    let canary = "canary";
    for table in TABLES {
        for key in table.keys().filter(|key| key.kind == protocol::client::properties::Type::Password) {
            let value = key.parse(canary).unwrap();
            assert!(!format!("{value} {value:?}").contains(canary), "{}", key.name);
        }
    }
    let props = [
        ("bootstrap.servers", "a:1"),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        (
            "sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=u password=canary;",
        ),
        ("ssl.keystore.key", canary),
        ("sasl.oauthbearer.client.credentials.client.secret", canary),
        ("some.other.password", canary),
    ];
    let configured = ProducerConfig::from_properties(props).unwrap();
    assert!(configured.cluster.security.sasl.is_some());
    assert_eq!(configured.warnings.len(), 1, "{:?}", configured.warnings);
    assert!(!format!("{configured:?}").contains(canary), "{configured:?}");
    let broken = props.map(|(key, value)| match key {
        "sasl.jaas.config" => (key, "org.example.LoginModule required password=canary;"),
        _ => (key, value),
    });
    let error = ProducerConfig::from_properties(broken).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(canary), "{error}");
}

#[test]
fn what_is_given_reaches_the_client() {
    let configured = ProducerConfig::from_properties([
        ("bootstrap.servers", "a:1,b:2"),
        ("acks", "1"),
        ("linger.ms", "7"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "5"),
        ("client.id", "me"),
        ("partitioner.ignore.keys", "true"),
        ("partitioner.adaptive.partitioning.enable", "false"),
        ("metadata.recovery.strategy", "NONE"),
        ("socket.connection.setup.timeout.max.ms", "11000"),
        ("reconnect.backoff.ms", "7"),
        ("send.buffer.bytes", "-1"),
        ("receive.buffer.bytes", "1000000"),
    ])
    .unwrap();
    let (cluster, client) = (configured.cluster, configured.client);
    assert_eq!((client.acks.as_i16(), client.idempotence, client.linger_ms), (1, false, 7));
    assert_eq!(client.compression_level, Some(5));
    assert!(client.partitioner_ignores_keys && !client.partitioner_is_adaptive);
    assert_eq!((&*cluster.client_id, cluster.bootstrap.len(), cluster.rebootstraps), ("me", 2, false));
    assert_eq!(cluster.connection_setup_timeout_max_ms, 11_000);
    let buffers = cluster.socket_buffers;
    assert_eq!((buffers.send_bytes, buffers.receive_bytes), (None, Some(1_000_000)));
    assert_eq!((cluster.reconnect_backoff_ms, cluster.reconnect_backoff_max_ms), (7, 7));

    let configured = ConsumerConfig::from_properties([
        ("bootstrap.servers", "a:1"),
        ("group.id", "g"),
        ("auto.offset.reset", "by_duration:PT1H"),
        ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.StickyAssignor"),
        ("check.crcs", "true"),
        ("exclude.internal.topics", "false"),
        ("allow.auto.create.topics", "false"),
        ("enable.auto.commit", "true"),
        ("max.poll.records", "20"),
    ])
    .unwrap();
    assert!(!configured.cluster.allow_auto_create_topics);
    let client = configured.client;
    assert!(client.check_crcs && !client.exclude_internal_topics);
    assert_eq!((client.group_id.as_deref(), client.assignors.len()), (Some("g"), 1));
    let said = configured.warnings.join("\n");
    assert!(
        said.contains("enable.auto.commit=true has no effect") && said.contains("max.poll.records has no")
    );
    assert_eq!(configured.warnings.len(), 2, "{said}");

    let configured =
        AdminConfig::from_properties([("bootstrap.servers", "a:1"), ("default.api.timeout.ms", "40000")])
            .unwrap();
    assert_eq!(configured.client.api_timeout.as_millis(), 40_000);
    assert!(configured.warnings.is_empty(), "{:?}", configured.warnings);
}

/// Without properties the settings are those of the types by themselves.
#[test]
fn the_defaults_are_one() {
    let servers = [("bootstrap.servers", "a:1")];
    let producer = ProducerConfig::from_properties(servers).unwrap().client;
    let expected = ProducerConfig {
        // The level that the codec takes anyway.
        compression_level: producer.compression_level,
        ..ProducerConfig::default()
    };
    assert_eq!(format!("{producer:?}"), format!("{expected:?}"));
    let consumer = ConsumerConfig::from_properties(servers).unwrap();
    assert_eq!(format!("{:?}", consumer.client), format!("{:?}", ConsumerConfig::new()));
    let cluster = protocol::cluster::ClusterConfig::new(consumer.cluster.bootstrap.clone());
    assert_eq!(format!("{:?}", consumer.cluster), format!("{cluster:?}"));
}

#[test]
fn a_refused_key_says_why() {
    for (client, key, value) in [
        (PRODUCER, "partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"),
        (PRODUCER, "transaction.two.phase.commit.enable", "true"),
        (PRODUCER, "sasl.login.callback.handler.class", "x"),
        (CONSUMER, "group.protocol", "Consumer"),
        (CONSUMER, "ssl.engine.factory.class", "x"),
    ] {
        let error = client.check([(key, value)]).unwrap_err().to_string();
        let expected = format!("Invalid value {value} for configuration {key}: Not supported: ");
        assert!(error.starts_with(&expected), "{error}");
    }
    assert!(CONSUMER.check([("group.protocol", "CLASSIC"), ("no.such.key", "x")]).is_ok());
    let fetches = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
    assert!(PRODUCER.check([("sasl.login.callback.handler.class", fetches)]).is_ok());
}
