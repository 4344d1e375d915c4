//! Kafka's own command-line tools, unmodified: what an operator types against any Kafka works against the embedded broker.
//!
//! `cargo xtask test` runs them in its step `kafka`, which names the folder of jars in `AQUEDUCT_KAFKA_LIBS`. A JVM takes a
//! second to start, so each test goes through a whole story.

use std::process::Output;

use broker::BrokerHandle;

use super::{output, run, start};

/// A broker, and the tools to work on it.
struct Tools {
    broker: BrokerHandle,
    class_path: String,
}

impl Tools {
    /// None, and a line that says so, where there are no jars.
    fn start() -> Option<Self> {
        let Ok(libs) = std::env::var("AQUEDUCT_KAFKA_LIBS") else {
            eprintln!("skipped: AQUEDUCT_KAFKA_LIBS names no jars");
            return None;
        };
        Some(Self { broker: start(), class_path: format!("{libs}/*") })
    }

    fn with_command<T>(&self, class: &str, arguments: &str, run: impl FnOnce(&[&str]) -> T) -> T {
        let bootstrap = self.broker.bootstrap_servers();
        let mut command = vec![
            "java",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.apache.logging.log4j.level=OFF",
            "-cp",
            &self.class_path,
            class,
            "--bootstrap-server",
            &bootstrap,
        ];
        command.extend(arguments.split_whitespace());
        run(&command)
    }

    /// What a tool printed, given these arguments (none of which has a space in it) and this input.
    fn run_with(&self, class: &str, arguments: &str, input: &str) -> String {
        self.with_command(class, arguments, |command| run(command, input))
    }

    fn run(&self, class: &str, arguments: &str) -> String {
        self.run_with(class, arguments, "")
    }

    /// How a tool ended that is expected to fail.
    fn fail(&self, class: &str, arguments: &str) -> Output {
        self.with_command(class, arguments, |command| output(command, ""))
    }

    /// The positions that `kafka-get-offsets` prints, as `topic:partition:offset`, in order.
    fn offsets(&self, arguments: &str) -> Vec<String> {
        let printed = self.run("org.apache.kafka.tools.GetOffsetShell", arguments);
        printed.lines().map(str::to_owned).collect()
    }
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

#[test]
fn java_tools_administrate_topics_and_configurations() {
    let Some(tools) = Tools::start() else { return };
    tools.run(TOPICS, "--create --topic t --partitions 2 --config retention.ms=1000000");
    let described = tools.run(TOPICS, "--describe --topic t");
    for expected in ["PartitionCount: 2", "ReplicationFactor: 1", "retention.ms=1000000", "Leader: 1"] {
        assert!(described.contains(expected), "{expected}: {described}");
    }
    tools.run(TOPICS, "--alter --topic t --partitions 3");
    assert!(tools.run(TOPICS, "--describe --topic t").contains("PartitionCount: 3"));
    let again = tools.fail(TOPICS, "--create --topic t");
    assert!(String::from_utf8_lossy(&again.stdout).contains("already exists"), "{again:?}");

    tools.run(
        CONFIGS,
        "--alter --entity-type topics --entity-name t --add-config cleanup.policy=compact,max.message.bytes=20000",
    );
    let described = tools.run(CONFIGS, "--describe --entity-type topics --entity-name t");
    assert!(described.contains("  cleanup.policy=compact sensitive=false"), "{described}");
    assert!(described.contains("DYNAMIC_TOPIC_CONFIG:max.message.bytes=20000"), "{described}");
    tools.run(CONFIGS, "--alter --entity-type topics --entity-name t --delete-config cleanup.policy");
    let described = tools.run(CONFIGS, "--describe --entity-type topics --entity-name t");
    assert!(!described.contains("  cleanup.policy"), "{described}");
    let described = tools.run(CONFIGS, "--describe --all --entity-type brokers --entity-name 1");
    assert!(described.contains("message.max.bytes=1048588"), "{described}");
    tools.run(CONFIGS, "--describe --entity-type clients");

    tools.run(TOPICS, "--delete --topic t");
    assert_eq!(tools.run(TOPICS, "--list").trim(), "");
}

#[test]
fn java_console_clients_produce_consume_and_share_groups() {
    let Some(tools) = Tools::start() else { return };
    let lines: String = (0..200).map(|i| format!("k{i}:v{i}\n")).collect();
    let keyed = "--topic t --reader-property parse.key=true --reader-property key.separator=:";
    tools.run(TOPICS, "--create --topic t --partitions 3");
    tools.run_with(PRODUCER, &format!("{keyed} --compression-codec lz4"), &lines);
    let printed = "--formatter-property print.key=true --formatter-property key.separator=:";
    let read = tools.run(CONSUMER, &format!("--topic t --from-beginning --max-messages 200 {printed}"));
    assert_eq!(sorted(&read), sorted(&lines));

    let of_group = "--topic t --group g --from-beginning --timeout-ms 20000 --max-messages";
    assert_eq!(tools.run(CONSUMER, &format!("{of_group} 200")).lines().count(), 200);
    tools.run_with(PRODUCER, keyed, "k0:one-more\n");
    // What the group has committed is not read again.
    assert_eq!(tools.run(CONSUMER, &format!("{of_group} 1")), "one-more\n");

    assert!(tools.run(GROUPS, "--list --state").contains("Empty"));
    let described = tools.run(GROUPS, "--describe --group g");
    let lags = described.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|lag| *lag == "0");
    assert_eq!(lags.count(), 3, "{described}");
    tools.run(GROUPS, "--describe --group g --members --verbose");
    let reset = tools.run(GROUPS, "--reset-offsets --group g --topic t --to-earliest --execute");
    assert!(reset.lines().filter(|line| line.starts_with('g')).all(|line| line.trim_end().ends_with(" 0")));
    let described = tools.run(GROUPS, "--describe --group g");
    let lag: u64 =
        described.lines().filter_map(|line| line.split_whitespace().nth(5)?.parse::<u64>().ok()).sum();
    assert_eq!(lag, 201, "{described}");
    tools.run(GROUPS, "--delete-offsets --group g --topic t:0");
    tools.run(GROUPS, "--delete --group g");
    assert!(!tools.run(GROUPS, "--list").lines().any(|line| line == "g"));
}

#[test]
fn java_tools_measure_and_inspect() {
    let Some(tools) = Tools::start() else { return };
    tools.run(TOPICS, "--create --topic t --partitions 1");
    let measured = tools.run(
        "org.apache.kafka.tools.ProducerPerformance",
        "--topic t --num-records 5000 --record-size 100 --throughput -1",
    );
    assert!(measured.contains("5000 records sent"), "{measured}");
    let measured = tools.run("org.apache.kafka.tools.ConsumerPerformance", "--topic t --num-records 5000");
    assert!(measured.contains(", 5000, "), "{measured}");
    assert_eq!(tools.offsets("--topic t"), ["t:0:5000"]);
    assert_eq!(tools.offsets("--topic t --time earliest"), ["t:0:0"]);
    assert_eq!(tools.offsets("--topic t --time max-timestamp").len(), 1);

    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("delete-records-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"partitions":[{"topic":"t","partition":0,"offset":4000}],"version":1}"#)
        .unwrap();
    let deleted = tools.run(
        "org.apache.kafka.tools.DeleteRecordsCommand",
        &format!("--offset-json-file {}", file.display()),
    );
    std::fs::remove_file(&file).unwrap();
    assert!(deleted.contains("low_watermark: 4000"), "{deleted}");
    assert_eq!(tools.offsets("--topic t --time earliest"), ["t:0:4000"]);

    let versions = tools.run("org.apache.kafka.tools.BrokerApiVersionsCommand", "");
    assert!(versions.contains("Fetch(1): 4 to 18 [usable: 18]"), "{versions}");
    let directories = tools.run("org.apache.kafka.tools.LogDirsCommand", "--describe --topic-list t");
    assert!(directories.contains(r#""partition":"t-0""#), "{directories}");
    tools.run(
        "org.apache.kafka.tools.LeaderElectionCommand",
        "--election-type preferred --all-topic-partitions",
    );
    let moving = tools.run("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--list");
    assert!(moving.contains("No partition reassignments found."), "{moving}");
    // As any Kafka without an authorizer.
    let acls = tools.fail("org.apache.kafka.tools.AclCommand", "--list");
    let printed = [acls.stdout, acls.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(printed.contains("No Authorizer is configured."), "{printed}");
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
