//! `aqueduct-loadtest drive`: a connector of the user's on any Connect cluster, under load: created, watched while records are offered or counted, reported
//! and removed again.
//!
//! Method: an open loop. Records for a sink are due at the rate that is asked for whatever the cluster does with them; what is late is sent
//! late, and how late is reported. Once a second Kafka is asked for end offsets and for what the sink's group has committed, and the cluster
//! for the states of connector and tasks. What a sink has delivered is what its group has committed, so that it advances in steps of the
//! worker's `offset.flush.interval.ms`; what a source has delivered is what its topics have gained since before it was created.

mod endpoint;
mod kafka;
mod offer;
mod view;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Map, Value};
use tokio::time::{Instant, interval};

use self::endpoint::{Endpoint, Kind};
use self::kafka::{Offsets, Topics};
use self::offer::Offer;
use self::view::View;
use self::watch::{Sample, Watch};
use crate::output::{keep, print};

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);

/// How long the connector and its first task may take to run.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The connector, as JSON: `{"name": ..., "config": {...}}`, or the configuration alone with a `name` in it
    connector: PathBuf,
    /// The Connect cluster's REST, `host:port` of any worker, without TLS
    #[arg(long, env = "AQUEDUCT_CONNECT", default_value = "localhost:8083")]
    connect: String,
    /// The cluster's Kafka, `host:port`
    #[arg(long, env = "AQUEDUCT_KAFKA")]
    bootstrap: String,
    /// Topics to fill or to count; those of the connector's `topics`, `topic` or `kafka.topic` without it
    #[arg(long, value_delimiter = ',')]
    topics: Vec<String>,
    /// Partitions of topics that are not there yet
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Records per second for a sink; as fast as Kafka takes them without it
    #[arg(long)]
    rate: Option<u64>,
    /// Bytes of each record's value
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    /// A file whose lines are the values, in turn, instead
    #[arg(long)]
    lines: Option<PathBuf>,
    /// Seconds of load: for a source from its creation on, for a sink once it runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds that a sink may take for the rest after them
    #[arg(long, default_value_t = 120)]
    drain_seconds: u64,
    /// Leave the connector, its group and new topics where they are
    #[arg(long)]
    keep: bool,
    /// Write the report as JSON as well
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What is under test.
struct Connector {
    name: String,
    config: Map<String, Value>,
}

/// Drives the connector, and removes it whatever comes of that. Fails where a task failed or records did not arrive.
pub(crate) async fn run(options: Options) -> Result<()> {
    let connector = read(&options.connector)?;
    let names = topics_of(&options.topics, &connector)?;
    let mut endpoint = Endpoint::new(&options.connect);
    let mut topics = Topics::open(&options.bootstrap, names, options.partitions).await?;
    let group = group_of(&connector);
    let is_new_group = topics.is_new_group(&group).await?;
    let before = (Instant::now(), topics.look(None).await?);
    let created = endpoint.create(&connector.name, &connector.config).await;
    let outcome = match created {
        Ok(kind) => {
            let driven = drive(&options, &connector, kind, &mut endpoint, &topics, before).await;
            if !options.keep {
                endpoint.delete(&connector.name).await.context("remove the connector")?;
                if kind == Kind::Sink && is_new_group {
                    topics.delete_group(&group).await?;
                }
            }
            driven
        }
        Err(error) => Err(error),
    };
    if !options.keep {
        topics.delete_new().await?;
    }
    let watch = outcome?;
    watch.report(&options.connect).into_iter().for_each(|line| print(&line));
    if let Some(path) = &options.json {
        keep(path, &watch.json())?;
    }
    watch.verdict()
}

/// Load for as long as was asked for, and the wait for the rest. Ctrl-C ends it early, with its report.
async fn drive(
    options: &Options,
    connector: &Connector,
    kind: Kind,
    endpoint: &mut Endpoint,
    topics: &Topics,
    before: (Instant, Offsets),
) -> Result<Watch> {
    let group = (kind == Kind::Sink).then(|| group_of(connector));
    wait_until_it_runs(endpoint, &connector.name).await?;
    let length = Duration::from_secs(options.seconds);
    let (began, first) = match kind {
        // What it has written before it was seen to run counts, and so does the time.
        Kind::Source => before,
        Kind::Sink => (Instant::now(), topics.look(group.as_deref()).await?),
    };
    let mut watch = Watch::new(kind, &connector.name, first);
    let view = View::new(kind, &connector.name, length);
    let mut offer = match kind {
        Kind::Sink => Some(Offer::start(options, topics, length).await?),
        Kind::Source => None,
    };
    let limit = match kind {
        Kind::Sink => length + Duration::from_secs(options.drain_seconds),
        Kind::Source => length,
    };
    let mut looks = interval(LOOK);
    looks.tick().await;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            interrupt = &mut interrupted => {
                interrupt.context("wait for Ctrl-C")?;
                watch.interrupted();
                break;
            }
        }
        if let Some(running) = offer.take_if(|offer| offer.is_finished()) {
            watch.offered(running.finish().await?);
        }
        watch.add(Sample {
            at: began.elapsed(),
            offered: offer.as_ref().map_or(0, Offer::count),
            offsets: topics.look(group.as_deref()).await?,
            status: endpoint.status(&connector.name).await?,
        });
        view.show(&watch);
        let is_drained = kind == Kind::Source || offer.is_none() && watch.lag() == 0;
        if began.elapsed() >= limit || began.elapsed() >= length && is_drained {
            break;
        }
    }
    view.clear();
    if let Some(running) = offer {
        watch.offered(running.finish().await?);
    }
    Ok(watch)
}

async fn wait_until_it_runs(endpoint: &mut Endpoint, connector: &str) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let status = endpoint.status(connector).await?;
        if let Some(failure) = status.failure() {
            bail!("{connector} does not start: {failure}");
        }
        if status.is_running() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{connector} does not run within {START_LIMIT:?}: {status:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn read(path: &Path) -> Result<Connector> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is no connector", path.display()))
}

fn parse(text: &str) -> Result<Connector> {
    let Value::Object(mut whole) = serde_json::from_str(text)? else { bail!("it is no JSON object") };
    let config = match whole.remove("config") {
        Some(Value::Object(config)) => config,
        Some(_) => bail!("its \"config\" is no object"),
        None => whole.clone(),
    };
    let name = whole.get("name").or_else(|| config.get("name")).and_then(Value::as_str);
    let name = name.context("it has no \"name\"")?.to_owned();
    Ok(Connector { name, config })
}

/// Which topics the connector reads or writes.
fn topics_of(wanted: &[String], connector: &Connector) -> Result<Vec<String>> {
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let said = ["topics", "topic", "kafka.topic"].iter().find_map(|key| connector.config.get(*key)?.as_str());
    let said = said.context(
        "the connector's configuration names no topics (`topics`, `topic` or `kafka.topic`): say them with --topics",
    )?;
    Ok(said.split(',').map(|topic| topic.trim().to_owned()).filter(|topic| !topic.is_empty()).collect())
}

/// A sink's consumer group.
fn group_of(connector: &Connector) -> String {
    let own = connector.config.get("consumer.override.group.id").and_then(Value::as_str);
    own.map_or_else(|| format!("connect-{}", connector.name), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_are_read_in_both_forms() {
        let posted =
            parse(r#"{"name":"a","config":{"topics":"t, u","consumer.override.group.id":"g"}}"#).unwrap();
        assert_eq!((posted.name.as_str(), group_of(&posted).as_str()), ("a", "g"));
        assert_eq!(topics_of(&[], &posted).unwrap(), ["t", "u"]);
        let flat = parse(r#"{"name":"b","kafka.topic":"t"}"#).unwrap();
        assert_eq!((flat.name.as_str(), group_of(&flat).as_str()), ("b", "connect-b"));
        assert_eq!(topics_of(&[], &flat).unwrap(), ["t"]);
        assert_eq!(topics_of(&["v".to_owned()], &flat).unwrap(), ["v"]);
        let nameless = parse(r#"{"config":{}}"#).err().unwrap();
        assert_eq!(nameless.to_string(), "it has no \"name\"");
        let silent = parse(r#"{"name":"c"}"#).unwrap();
        assert!(topics_of(&[], &silent).unwrap_err().to_string().contains("--topics"));
    }
}
