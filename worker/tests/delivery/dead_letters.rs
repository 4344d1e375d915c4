//! Goal: I9 from outside: whenever the worker is killed, every record is with the sink or in the dead letter queue afterwards. Method: lines
//! of which some are no JSON, through a topic, into a sink that reads JSON; a second sink empties the queue into a file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Pipeline;
use crate::support::{Broker, Process, complete_lines, wait_for, write_properties};

const COUNT: usize = 30_000;

fn is_bad(number: usize) -> bool {
    number.is_multiple_of(97) || (12_000..12_400).contains(&number)
}

/// The source of `pipeline`, a sink of JSON with a dead letter queue, and a sink that reads the queue.
fn connectors(pipeline: &Pipeline, queue: &str) -> Vec<PathBuf> {
    let path = |name: &str| pipeline.dir.path().join(name);
    let (output, dead) = (pipeline.output().display().to_string(), path("dead.txt").display().to_string());
    let json = write_properties(
        &path("json.properties"),
        &[
            ("name", &format!("json-{}", pipeline.topic)),
            ("connector.class", "FileStreamSink"),
            ("file", &output),
            ("topics", &pipeline.topic),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("errors.tolerance", "all"),
            ("errors.log.enable", "true"),
            ("errors.deadletterqueue.topic.name", queue),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ],
    );
    let reader = write_properties(
        &path("dead.properties"),
        &[
            ("name", &format!("dead-{}", pipeline.topic)),
            ("connector.class", "FileStreamSink"),
            ("file", &dead),
            ("topics", queue),
            ("consumer.override.metadata.max.age.ms", "500"),
        ],
    );
    vec![pipeline.source.clone(), json, reader]
}

/// The numbers at the end of lines such as `{n=5}`, or in lines such as `{"n":5`.
fn numbers(path: &std::path::Path, separator: char) -> Vec<usize> {
    let number = |line: &String| line.trim_end_matches('}').split(separator).nth(1)?.parse().ok();
    complete_lines(path).iter().filter_map(number).collect()
}

#[test]
fn no_record_is_neither_delivered_nor_dead_though_the_worker_is_killed() {
    let broker = Broker::start();
    let pipeline = Pipeline::new(&broker);
    let queue = format!("{}-dead", pipeline.topic);
    let connectors = connectors(&pipeline, &queue);
    let line = |number: usize| format!("{{\"n\":{number}{}\n", if is_bad(number) { "" } else { "}" });
    pipeline.append(&(0..COUNT / 2).map(line).collect::<String>());
    let dead = pipeline.dir.path().join("dead.txt");
    for kill in 1..=3 {
        let before = numbers(&pipeline.output(), '=').len();
        pipeline.append(&(COUNT / 2..COUNT).skip(kill - 1).step_by(3).map(line).collect::<String>());
        let mut worker = Process::standalone(&pipeline.worker, &connectors);
        wait_for("some progress", || (numbers(&pipeline.output(), '=').len() > before + 500).then_some(()));
        if kill == 1 {
            // Of the very first record.
            worker.wait_for_output(
                "Executing stage 'VALUE_CONVERTER' with class 'org.apache.kafka.connect.json.JsonConverter'.",
            );
        }
        worker.kill();
    }
    let worker = Process::standalone(&pipeline.worker, &connectors);
    let good: BTreeSet<usize> = (0..COUNT).filter(|number| !is_bad(*number)).collect();
    let bad: BTreeSet<usize> = (0..COUNT).filter(|number| is_bad(*number)).collect();
    let is_there = |path: &std::path::Path, separator, expected: &BTreeSet<usize>| {
        numbers(path, separator).into_iter().collect::<BTreeSet<_>>() == *expected
    };
    wait_for("all good records", || is_there(&pipeline.output(), '=', &good).then_some(()));
    wait_for("all bad records", || is_there(&dead, ':', &bad).then_some(()));
    assert_eq!(worker.terminate(), Some(0));
}
