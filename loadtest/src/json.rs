//! JSON through three transforms: what the worker process spends per record.
//!
//! Method: a topic of one partition is filled with JSON objects of about 140 bytes without a schema. Then, for each round, a fresh worker
//! reads all of it through JsonConverter, InsertField, ReplaceField and Cast into a `BlackholeSink`; and another one makes as many records
//! (`DatagenSource`, structs, about 60 bytes as JSON) and writes them through the same transforms and JsonConverter to Kafka. CPU time is that
//! of the whole process
//! (user and system, from `/proc/<pid>/stat`), start-up included: of the first until its group has committed the end offset, of the second
//! until all records are in the topic. There is no connector yet that reads one topic and writes another, so the two halves are apart.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Args;
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};

use crate::cluster::Kafka;
use crate::customers::record;
use crate::options::Common;
use crate::output::print;
use crate::usage::Usage;
use crate::worker::Worker;

/// What design.md lists for this path to Kafka, lazy slices; to null it says "under" that.
const FLOOR_NS: f64 = 214.0;

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
}

const CONVERTERS: &str = "key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter.schemas.enable=false\n";

/// A field more, one less, one renamed, and a number as text.
fn transforms(exclude: &str, rename: &str) -> String {
    let package = "org.apache.kafka.connect.transforms";
    format!(
        "transforms=insert,replace,cast\n\
         transforms.insert.type={package}.InsertField$Value\n\
         transforms.insert.static.field=source\n\
         transforms.insert.static.value=shop\n\
         transforms.replace.type={package}.ReplaceField$Value\n\
         transforms.replace.exclude={exclude}\n\
         transforms.replace.renames={rename}\n\
         transforms.cast.type={package}.Cast$Value\n\
         transforms.cast.spec=id:string\n"
    )
}

/// Fills, measures, prints.
pub(crate) async fn run(options: Options) -> Result<()> {
    let common = &options.common;
    let kafka = Kafka::connect(&common.bootstrap)?;
    let topic = format!("json-{}", std::process::id());
    kafka.create_topic(&topic, "producer").await?;
    fill(&kafka, &topic, common.records).await?;
    let bytes = record(0).len();
    print(&format!("{} records of {bytes} bytes are in {topic}", common.records));
    print("case        round  ns/record  (user + system)  records/s  peak RSS");
    let (mut sinks, mut sources) = (Vec::new(), Vec::new());
    for round in 1..=common.rounds {
        let dir = tempfile::tempdir()?;
        let group = format!("{topic}-{round}");
        let connector = format!(
            "name={group}\nconnector.class=BlackholeSink\ntopics={topic}\ntasks.max=1\n{}",
            transforms("city", "mail:email")
        );
        let started = Instant::now();
        let worker = start(common, dir.path(), &kafka, &connector)?;
        kafka.wait_for_commit(&format!("connect-{group}"), &topic, common.records).await?;
        sinks.push(report("to null", round, common.records, started.elapsed(), worker.usage()?));
        drop(worker);

        let dir = tempfile::tempdir()?;
        let made = format!("{topic}-made-{round}");
        kafka.create_topic(&made, "producer").await?;
        let connector = format!(
            "name={made}\nconnector.class=DatagenSource\ntopic={made}\nformat=struct\nrate=-1\nrecords={}\n\
             producer.override.batch.size=262144\n{}",
            common.records,
            transforms("ok", "user:customer")
        );
        let started = Instant::now();
        let worker = start(common, dir.path(), &kafka, &connector)?;
        kafka.wait_for_records(&made, common.records).await?;
        sources.push(report("to Kafka", round, common.records, started.elapsed(), worker.usage()?));
    }
    for (name, mut costs) in [("to null", sinks), ("to Kafka", sources)] {
        costs.sort_by(f64::total_cmp);
        let median = costs[costs.len() / 2];
        print(&format!(
            "{name:9} median {median:10.1}, {:.1}x of design.md's {FLOOR_NS} ns",
            median / FLOOR_NS
        ));
    }
    Ok(())
}

fn start(common: &Common, dir: &std::path::Path, kafka: &Kafka, connector: &str) -> Result<Worker> {
    Worker::start(&common.binary, dir, &kafka.bootstrap, CONVERTERS, &[connector.to_owned()])
}

/// Prints a round; gives its ns per record.
fn report(name: &str, round: usize, records: i64, took: Duration, usage: Usage) -> f64 {
    let ns = |time: Duration| time.as_nanos() as f64 / records as f64;
    print(&format!(
        "{name:9} {round:6} {:10.1}  ({:5.1} + {:5.1}) {:12.0} {:6.1} MB",
        ns(usage.cpu),
        ns(usage.user),
        ns(usage.system),
        records as f64 / took.as_secs_f64(),
        usage.peak_resident_bytes as f64 / 1e6
    ));
    ns(usage.cpu)
}

async fn fill(kafka: &Kafka, topic: &str, records: i64) -> Result<()> {
    let config = ProducerConfig { batch_bytes: 256 << 10, ..ProducerConfig::default() };
    let producer = Producer::new(kafka.cluster(), config)?;
    let to = producer.topic(topic).await?;
    // Kafka deletes what is older than its retention, by the times of the records.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    for number in 0..records {
        let value = record(number);
        let record =
            ProduceRecord { timestamp_ms: now_ms, key: None, value: Some(value.as_bytes()), headers: &[] };
        while producer.append(&to, Some(0), &record, 0).is_err() {
            producer.ready().await;
        }
    }
    producer.flush().await?;
    producer.close(Duration::from_secs(30), &mut Vec::new()).await.context("hand over the last records")?;
    Ok(())
}
