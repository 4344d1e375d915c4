//! Many workers with thousands of tasks on one machine: how long rebalances take, and what REST does meanwhile.
//!
//! Method: so many of our workers on one broker, sources of which a few flow and the others idle after their first record, and some sinks.
//! Then, in turn and several times: a worker is killed, one joins, a connector is added, a worker stops, one joins. A rebalance is timed
//! from the first worker that joined for it to the last that had started what it was given, as their logs have it; beside it stands the
//! time from its cause until every task ran (which after a kill begins with the session timeout). Requests leave on a schedule all the time
//! (see `rest`), to the worker that has been there longest, and to a server that has nothing else to do (see `asking`).

mod asking;
mod fleet;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use xtask::kafka::Libs;

use self::asking::{Asking, Schedule, ask_for, idle_server};
use self::fleet::Fleet;
use self::report::{Busy, print_asked, print_scheduled, report};
use super::Folder;
use super::brokers::Brokers;
use super::member::{Kind, Member, Settings};
use super::watch::{Watch, now_ms};
use crate::cluster::Kafka;
use crate::output::print;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long requests are sent before anything changes.
const CALM: Duration = Duration::from_secs(15);

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The program `aqueduct`
    #[arg(long, env = "AQUEDUCT_BIN", default_value = "target/release/aqueduct")]
    binary: PathBuf,
    /// Workers
    #[arg(long, default_value_t = 10)]
    workers: usize,
    /// Connectors
    #[arg(long, default_value_t = 1_000)]
    connectors: u32,
    /// Tasks of each connector
    #[arg(long, default_value_t = 5)]
    tasks: u32,
    /// How many of the connectors are sinks
    #[arg(long, default_value_t = 10)]
    sinks: u32,
    /// How many of the connectors are sources that flow
    #[arg(long, default_value_t = 10)]
    flowing: u32,
    /// Times that each change is made
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Requests per second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Connections that share them
    #[arg(long, default_value_t = 10)]
    connections: u32,
    /// On the embedded broker instead of a real Kafka
    #[arg(long)]
    embedded: bool,
    /// A folder for properties and logs of the workers, which stays
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the result goes as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the changes and prints what each brought.
pub(crate) async fn run(options: Options) -> Result<()> {
    let libs = if options.embedded { None } else { Some(Libs::fetch()?) };
    let brokers = match &libs {
        Some(libs) => Brokers::kafka(libs.clone()).await?,
        None => Brokers::embedded(&options.binary)?,
    };
    let dir = Folder::new(options.dir.as_deref())?;
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let settings = Settings {
        libs,
        binary: options.binary.clone(),
        dir: dir.path().to_owned(),
        bootstrap: brokers.bootstrap().to_owned(),
        group: format!("scale-{}", std::process::id()),
        properties: vec![pair("scheduled.rebalance.max.delay.ms", "0")],
    };
    let kafka = Kafka::connect(brokers.bootstrap())?;
    for topic in ["flowing", "idle"] {
        kafka.create_topic(topic, "producer").await?;
    }
    let mut members = vec![Member::start(Kind::Ours, &settings).await?];
    let watch = Watch::start(brokers.bootstrap(), &settings.group)?;
    while members.len() < options.workers {
        members.push(Member::start(Kind::Ours, &settings).await?);
    }
    let mut fleet = Fleet::new(options, settings, members, watch);
    fleet.create_all().await?;
    fleet.settle().await?;
    fleet.print_usage("settled")?;
    let Options { rounds, rate, connections, connectors, .. } = fleet.options;
    let schedule = Schedule { rate, connections, connectors };
    let (port, idle) = (fleet.members[0].port, idle_server()?);
    let calm = ask_for(CALM, port, idle, schedule).await?;
    print_asked("calm", &calm);

    let (mut changes, mut busy) = (Vec::new(), Busy::default());
    let before = fleet.members[0].main_thread()?;
    for round in 0..rounds {
        for what in ["kill", "join", "connector", "stop", "join"] {
            let from_ms = now_ms();
            // The requests go on for as long as anything moves.
            let asking = Asking::begin(port, idle, schedule);
            match what {
                "kill" => fleet.kill(round).await?,
                "connector" => fleet.add_connector().await?,
                "stop" => fleet.stop(round).await?,
                _ => fleet.add().await?,
            }
            fleet.settle().await?;
            let asked = asking.end().await?;
            let change = fleet.measure(what, from_ms)?;
            print(&change.line());
            let rebalance = asked.between(change.begun_ms, change.begun_ms + change.all_run_ms);
            print_asked(what, &rebalance);
            changes.push(change);
            busy.rebalances.add(rebalance);
            busy.changes.add(asked);
        }
    }
    print_scheduled("during all changes", fleet.members[0].main_thread()?.since(before));
    fleet.print_usage("at the end")?;
    report(&fleet.options, &changes, &calm, &busy)
}
