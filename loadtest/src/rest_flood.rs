//! What bad sinks and a flood of REST requests do to REST and to running tasks.
//!
//! Method: one worker process with a datagen source that fills a topic at a given rate and a blackhole sink that reads it. Four phases of
//! equal length: a calm one; one that begins with four more sinks, of which one fails, one panics, one never returns from `put` and one
//! blocks its core; the flood, with these still there; and a calm one again: requests leave on a fixed schedule whatever the answers do, over
//! connections that are kept, and a request's latency runs from the moment it was due, so that a late answer makes those behind it
//! late as well (no coordinated omission). The tasks' throughput is that of the topic's end offset and of the sink's
//! committed offset over the phase. A calm phase has a few requests per second, for its latency to compare with.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cluster::Kafka;
use crate::options::Common;
use crate::output::print;
use crate::worker::Worker;

/// What the bad sinks do.
const FAULTS: [&str; 4] = ["fail", "panic", "wait", "hang"];

/// Requests per second of a calm phase.
const CALM_RATE: u32 = 20;

/// How long one answer may take until it counts as none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer larger than this is not one of ours.
const ANSWER_BYTES_MAX: usize = 16 << 20;

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
    let worker = Worker::start(&options.common.binary, dir.path(), &kafka.bootstrap, raw, &source)?;
    let sink = format!(
        r#"{{"name":"{topic}","config":{{"connector.class":"BlackholeSink","topics":"{topic}","tier":"index"}}}}"#
    );
    let created = Client::connect(worker.port).await?.send("POST", "/connectors", &sink).await?;
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
                let created = Client::connect(worker.port).await?.send("POST", "/connectors", &sink).await?;
                ensure!(created == 201, "the sink that is to {fault} was not created: {created}");
            }
        }
        let group = format!("connect-{topic}");
        let before =
            (kafka.end_offset(&topic).await?, kafka.committed(&group, &topic).await?, worker.usage()?);
        let started = Instant::now();
        let outcome = load(worker.port, &topic, rate, connections, phase).await?;
        let seconds = started.elapsed().as_secs_f64();
        let after =
            (kafka.end_offset(&topic).await?, kafka.committed(&group, &topic).await?, worker.usage()?);
        let Outcome { mut latencies, refused, failed } = outcome;
        latencies.sort();
        let ms = |quantile: f64| {
            let index = (latencies.len() as f64 * quantile) as usize;
            latencies
                .get(index.min(latencies.len().saturating_sub(1)))
                .map_or(0.0, |taken| taken.as_secs_f64() * 1e3)
        };
        print(&format!(
            "{name:6} {:11.0} {:8.2} {:8.2} {:8.2} {refused:8} {failed:7} {:13.0} {:11.0} {:10.0}%",
            latencies.len() as f64 / seconds,
            ms(0.5),
            ms(0.99),
            ms(1.0),
            (after.0 - before.0) as f64 / seconds,
            (after.1 - before.1) as f64 / seconds,
            (after.2.cpu() - before.2.cpu()).as_secs_f64() / seconds * 100.0,
        ));
    }
    let peak = worker.usage()?.peak_resident_bytes as f64 / 1e6;
    print(&format!("peak resident {peak:.1} MB"));
    Ok(())
}

/// What became of a phase's requests.
#[derive(Debug, Default)]
struct Outcome {
    /// Of every request that was answered, from when it was due.
    latencies: Vec<Duration>,
    /// Answers that the worker is too busy.
    refused: u64,
    /// Requests without an answer.
    failed: u64,
}

/// Requests on a schedule, spread over connections.
async fn load(port: u16, connector: &str, rate: u32, connections: u32, length: Duration) -> Result<Outcome> {
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let start = Instant::now() + Duration::from_millis(50);
    let gap = Duration::from_secs(1) / rate * connections;
    let senders = (0..connections).map(|number| {
        let (outcome, connector) = (Rc::clone(&outcome), connector.to_owned());
        let first = start + Duration::from_secs(1) / rate * number;
        tokio::task::spawn_local(async move {
            let mut client = None;
            let mut due = first;
            for turn in number.. {
                if due >= start + length {
                    break;
                }
                sleep_until(due).await;
                let answered = timeout(ANSWER_TIMEOUT, ask(&mut client, port, &connector, turn)).await;
                let mut outcome = outcome.borrow_mut();
                match answered {
                    Ok(Ok(status)) => {
                        outcome.latencies.push(due.elapsed());
                        outcome.refused += u64::from(status == 503);
                    }
                    Ok(Err(_)) | Err(_) => {
                        outcome.failed += 1;
                        client = None;
                    }
                }
                due += gap;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.context("a sender of requests panicked")?;
    }
    Ok(outcome.take())
}

/// One request of the mix: what dashboards and scripts ask, and now and then one that is wrong.
async fn ask(client: &mut Option<Client>, port: u16, connector: &str, turn: u32) -> Result<u16> {
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(port).await?),
    };
    let status = format!("/connectors/{connector}/status");
    let config = format!("/connectors/{connector}/config");
    let (method, path, body) = match turn % 10 {
        0..=2 => ("GET", status.as_str(), ""),
        3 => ("GET", config.as_str(), ""),
        4 => ("GET", "/connectors", ""),
        5 => ("GET", "/connectors?expand=status&expand=info", ""),
        6 => ("GET", "/", ""),
        7 => ("GET", "/connector-plugins", ""),
        8 => ("GET", "/connectors/nobody/status", ""),
        _ => (
            "POST",
            "/connectors",
            r#"{"name":"bad","config":{"connector.class":"BlackholeSink","tasks.max":"many"}}"#,
        ),
    };
    client.send(method, path, body).await
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn connect(port: u16) -> Result<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a request, reads the answer whole and gives its status.
    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<u16> {
        let content_type = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{content_type}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status line")?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        if length > ANSWER_BYTES_MAX {
            bail!("an answer of {length} bytes");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(status)
    }
}
