//! What many connectors that have nothing to do cost: CPU and memory of the worker process, REST and `/metrics` among them, start-up.
//!
//! Method: one worker process without connectors, then with so many, by default half of them sources of an empty file and half of them sinks of
//! one empty topic, each with a consumer group of its own. CPU is that of the process over a phase of the given length in which nobody asks
//! it anything (offsets are committed at the default interval of 60 s); memory is the resident set at its end, and what a connector costs is the difference. Then requests on a schedule (see
//! `rest`), the whole of `/metrics` and of the expanded list one after another, and a second worker that is given all of them at its start.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::cluster::Kafka;
use crate::options::Common;
use crate::output::print;
use crate::rest::{Client, Request, load};
use crate::worker::Worker;

/// How often it is looked whether all run.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long everything may take to run.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the worker is left alone before a phase of idleness: consumer groups settle.
const SETTLE: Duration = Duration::from_secs(5);

/// How often each large page is asked for.
const PAGES: u32 = 20;

const CONVERTERS: &str = "key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
                          value.converter=org.apache.kafka.connect.storage.StringConverter\n\
                          offset.flush.interval.ms=60000\n";

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Connectors
    #[arg(long, default_value_t = 1_000)]
    count: u32,
    /// Of which kind they are
    #[arg(long, value_enum, default_value_t = Kinds::Both)]
    kinds: Kinds,
    /// Requests per second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Connections that share them
    #[arg(long, default_value_t = 20)]
    connections: u32,
    /// Seconds of each phase
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

/// Kinds of connectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kinds {
    Both,
    Source,
    Sink,
}

/// Runs the phases and prints what each found.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kafka = Kafka::connect(&options.common.bootstrap)?;
    let dir = tempfile::tempdir()?;
    let topic = format!("connectors-{}", std::process::id());
    kafka.create_topic(&topic, "producer").await?;
    let file = dir.path().join("empty.txt");
    std::fs::write(&file, "")?;
    let configs: Vec<String> = (0..options.count)
        .map(|number| {
            let is_source = match options.kinds {
                Kinds::Both => number % 2 == 0,
                kinds => kinds == Kinds::Source,
            };
            let rest = if is_source {
                format!("connector.class=FileStreamSource\ntopic={topic}\nfile={}\n", file.display())
            } else {
                format!("connector.class=BlackholeSink\ntopics={topic}\ntier=index\n")
            };
            format!("name=c{number}-{}\n{rest}", std::process::id())
        })
        .collect();
    let phase = Duration::from_secs(options.seconds);
    let start = |connectors: &[String]| {
        Worker::start(&options.common.binary, dir.path(), &kafka.bootstrap, CONVERTERS, connectors)
    };

    let worker = start(&[])?;
    sleep(SETTLE).await;
    let alone = idle(&worker, phase).await?;
    print(&format!(
        "no connectors: idle CPU {:.2} % of a core, {:.1} MB resident",
        alone.cpu_percent,
        alone.resident / 1e6
    ));

    let begun = Instant::now();
    let mut client = Client::connect(worker.port).await?;
    for config in &configs {
        let (status, body) = client.send("POST", "/connectors", &as_json(config)).await?;
        ensure!(status == 201, "not created: {status} {}", String::from_utf8_lossy(&body));
    }
    let posted = begun.elapsed();
    wait_until_running(&mut client, options.count, LOOK_INTERVAL).await?;
    print(&format!(
        "{} connectors: created by requests in {:.2} s, all run after {:.2} s",
        options.count,
        posted.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    ));
    sleep(SETTLE).await;
    let idle = idle(&worker, phase).await?;
    print(&format!(
        "{} connectors: idle CPU {:.2} % of a core, {:.1} MB resident, {:.1} KB each",
        options.count,
        idle.cpu_percent,
        idle.resident / 1e6,
        (idle.resident - alone.resident) / 1e3 / f64::from(options.count)
    ));

    let (id, count) = (std::process::id(), options.count);
    let outcome =
        load(worker.port, move |turn| request(id, count, turn), options.rate, options.connections, phase)
            .await?;
    print(&format!(
        "requests at {}/s: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, {} refused, {} failed",
        options.rate,
        outcome.ms(0.5),
        outcome.ms(0.99),
        outcome.ms(1.0),
        outcome.refused,
        outcome.failed
    ));
    // The worker has closed the one that was idle for so long.
    client = Client::connect(worker.port).await?;
    for path in ["/metrics", "/connectors?expand=status&expand=info"] {
        let cpu = worker.usage()?.cpu;
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..PAGES {
            let asked = Instant::now();
            let (status, body) = client.send("GET", path, "").await?;
            ensure!(status == 200, "GET {path}: {status}");
            took.push(asked.elapsed());
            bytes = body.len();
        }
        took.sort();
        print(&format!(
            "GET {path}: {:.2} MB, median {:.1} ms, max {:.1} ms, worker CPU {:.1} ms each",
            bytes as f64 / 1e6,
            took[took.len() / 2].as_secs_f64() * 1e3,
            took[took.len() - 1].as_secs_f64() * 1e3,
            (worker.usage()?.cpu - cpu).as_secs_f64() * 1e3 / f64::from(PAGES)
        ));
    }
    drop(worker);

    let begun = Instant::now();
    let worker = start(&configs)?;
    let answers = begun.elapsed();
    let mut client = Client::connect(worker.port).await?;
    wait_until_running(&mut client, options.count, LOOK_INTERVAL).await?;
    print(&format!(
        "started with {} connectors: REST answers after {:.0} ms, all run after {:.2} s, worker CPU {:.2} s, peak resident {:.1} MB",
        options.count,
        answers.as_secs_f64() * 1e3,
        begun.elapsed().as_secs_f64(),
        worker.usage()?.cpu.as_secs_f64(),
        worker.usage()?.peak_resident_bytes as f64 / 1e6
    ));
    Ok(())
}

/// What a worker uses while nobody asks it anything.
struct Idle {
    cpu_percent: f64,
    resident: f64,
}

async fn idle(worker: &Worker, phase: Duration) -> Result<Idle> {
    let (before, begun) = (worker.usage()?, Instant::now());
    sleep(phase).await;
    let after = worker.usage()?;
    Ok(Idle {
        cpu_percent: (after.cpu - before.cpu).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0,
        resident: after.resident_bytes as f64,
    })
}

/// Until every connector and its task are RUNNING; the cluster is asked after each `pause`.
pub(crate) async fn wait_until_running(client: &mut Client, count: u32, pause: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        let (_, body) = client.send("GET", "/connectors?expand=status", "").await?;
        let running = String::from_utf8_lossy(&body).matches(r#""state":"RUNNING""#).count();
        if running >= count as usize * 2 {
            return Ok(());
        }
        ensure!(begun.elapsed() < START_TIMEOUT, "{running} of {} run after {START_TIMEOUT:?}", count * 2);
        sleep(pause).await;
    }
}

/// The lines of a properties file as the body of a request.
fn as_json(config: &str) -> String {
    let pairs = |line: &str| line.split_once('=').map(|(key, value)| format!(r#""{key}":"{value}""#));
    let config: Vec<String> = config.lines().filter_map(pairs).collect();
    let name = config.first().map_or("", String::as_str);
    format!(r#"{{{name},"config":{{{}}}}}"#, config.join(","))
}

/// What a dashboard asks.
fn request(id: u32, count: u32, turn: u32) -> Request {
    let name = format!("c{}-{id}", turn % count);
    match turn % 200 {
        0 => ("GET", "/metrics".to_owned(), ""),
        1..=9 => ("GET", "/connectors?expand=status".to_owned(), ""),
        10..=39 => ("GET", "/connectors".to_owned(), ""),
        40..=99 => ("GET", format!("/connectors/{name}"), ""),
        _ => ("GET", format!("/connectors/{name}/status"), ""),
    }
}
