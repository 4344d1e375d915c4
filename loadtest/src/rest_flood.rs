//! What bad sinks and a flood of REST requests do to REST and to running tasks.
//!
//! Method: one worker process with a datagen source that fills a topic at a given rate and a blackhole sink that reads it. Four phases of
//! equal length: a calm one; one that begins with four more sinks, of which one fails, one panics, one never returns from `put` and one
//! blocks its core; the flood, with these still there; and a calm one again. Requests leave on a schedule (see `rest`). The tasks' throughput is
//! that of the topic's end offset and of the sink's committed offset over the phase. A calm phase has a few requests per second, for its
//! latency to compare with.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::time::Instant;

use crate::cluster::Kafka;
use crate::options::Common;
use crate::output::print;
use crate::rest::{Client, Request, load};
use crate::worker::Worker;

/// What the bad sinks do.
const FAULTS: [&str; 4] = ["fail", "panic", "wait", "hang"];

/// Requests per second of a calm phase.
const CALM_RATE: u32 = 20;

/// How long the tasks run before they are measured.
const WARM_UP: Duration = Duration::from_secs(5);

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Requests per second of the flood
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Connections that share them
    #[arg(long, default_value_t = 100)]
    connections: u32,
    /// Records per second that the source makes; negative for as many as it can
    #[arg(long, default_value_t = 50_000, allow_hyphen_values = true)]
    task_rate: i64,
    /// Seconds of each phase
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

/// Runs the phases and prints a line for each.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kafka = Kafka::connect(&options.common.bootstrap)?;
    let dir = tempfile::tempdir()?;
    let topic = format!("rest-flood-{}", std::process::id());
    kafka.create_topic(&topic, "producer").await?;
    let raw = "key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
               value.converter=org.apache.kafka.connect.storage.StringConverter\n";
    let source = format!(
        "name=source\nconnector.class=DatagenSource\ntopic={topic}\nrate={}\nrecord.bytes={}\n",
        options.task_rate, options.common.record_bytes
    );
    let worker = Worker::start(
        &options.common.binary,
        dir.path(),
        &kafka.bootstrap,
        raw,
        std::slice::from_ref(&source),
    )?;
    let sink = format!(
        r#"{{"name":"{topic}","config":{{"connector.class":"BlackholeSink","topics":"{topic}","tier":"index"}}}}"#
    );
    let created = Client::connect(worker.port).await?.send("POST", "/connectors", &sink).await?.0;
    ensure!(created == 201, "the sink was not created: {created}");
    tokio::time::sleep(WARM_UP).await;

    let phase = Duration::from_secs(options.seconds);
    print(
        "phase   requests/s   p50 ms   p99 ms   max ms  refused  failed  source rec/s  sink rec/s  worker CPU",
    );
    for (name, rate, connections) in [
        ("calm", CALM_RATE, 1),
        ("faults", CALM_RATE, 1),
        ("flood", options.rate, options.connections),
        ("calm", CALM_RATE, 1),
    ] {
        if name == "faults" {
            for fault in FAULTS {
                let sink = format!(
                    r#"{{"name":"{fault}","config":{{"connector.class":"BlackholeSink","topics":"{topic}","tier":"index","fault":"{fault}"}}}}"#
                );
                let created = Client::connect(worker.port).await?.send("POST", "/connectors", &sink).await?.0;
                ensure!(created == 201, "the sink that is to {fault} was not created: {created}");
            }
        }
        let group = format!("connect-{topic}");
        let before =
            (kafka.end_offset(&topic).await?, kafka.committed(&group, &topic).await?, worker.usage()?);
        let started = Instant::now();
        let connector = topic.clone();
        let outcome =
            load(worker.port, move |turn| request(&connector, turn), rate, connections, phase).await?;
        let seconds = started.elapsed().as_secs_f64();
        let after =
            (kafka.end_offset(&topic).await?, kafka.committed(&group, &topic).await?, worker.usage()?);
        print(&format!(
            "{name:6} {:11.0} {:8.2} {:8.2} {:8.2} {:8} {:7} {:13.0} {:11.0} {:10.0}%",
            outcome.latencies.len() as f64 / seconds,
            outcome.ms(0.5),
            outcome.ms(0.99),
            outcome.ms(1.0),
            outcome.refused,
            outcome.failed,
            (after.0 - before.0) as f64 / seconds,
            (after.1 - before.1) as f64 / seconds,
            (after.2.cpu - before.2.cpu).as_secs_f64() / seconds * 100.0,
        ));
    }
    let peak = worker.usage()?.peak_resident_bytes as f64 / 1e6;
    print(&format!("peak resident {peak:.1} MB"));
    Ok(())
}

/// One request of the mix: what dashboards and scripts ask, and now and then one that is wrong.
fn request(connector: &str, turn: u32) -> Request {
    match turn % 10 {
        0..=2 => ("GET", format!("/connectors/{connector}/status"), ""),
        3 => ("GET", format!("/connectors/{connector}/config"), ""),
        4 => ("GET", "/connectors".to_owned(), ""),
        5 => ("GET", "/connectors?expand=status&expand=info".to_owned(), ""),
        6 => ("GET", "/".to_owned(), ""),
        7 => ("GET", "/connector-plugins".to_owned(), ""),
        8 => ("GET", "/connectors/nobody/status".to_owned(), ""),
        _ => (
            "POST",
            "/connectors".to_owned(),
            r#"{"name":"bad","config":{"connector.class":"BlackholeSink","tasks.max":"many"}}"#,
        ),
    }
}
