//! Many workers with thousands of tasks on one machine: how long rebalances take, and what REST does meanwhile.
//!
//! Method: so many of our workers on one broker, sources of which a few flow and the others idle after their first record, and some sinks.
//! Then, in turn and several times: one more worker joins, a worker is killed, a connector is added, a worker stops. A rebalance is timed
//! from the first worker that joined for it to the last that had started what it was given, as their logs have it; beside it stands the
//! time from its cause until every task ran (which after a kill begins with the session timeout). Requests leave on a schedule all the time
//! (see `rest`), to the worker that has been there longest.

use std::collections::HashSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use xtask::kafka::Libs;

use super::Folder;
use super::brokers::Brokers;
use super::member::{Kind, Member, Settings};
use super::rebalances::{Logged, Phase, read, within};
use super::report::Spread;
use super::timeline::Task;
use super::watch::{QUIET, Watch, now_ms};
use crate::cluster::Kafka;
use crate::output::print;
use crate::rest::{Client, Outcome, Request, load};

const PATIENCE: Duration = Duration::from_secs(300);

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Records per second of a task that flows.
const FLOW_RATE: u32 = 2;

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

/// What a change brought.
struct Change {
    what: &'static str,
    rebalance_ms: i64,
    rounds: usize,
    /// From the first worker that joined for it, and from its cause, until every task ran.
    all_run_ms: i64,
    all_run_after_cause_ms: i64,
    moved: usize,
    /// Of the requests meanwhile: p99 and the longest.
    rest_ms: (f64, f64),
}

struct Fleet {
    options: Options,
    settings: Settings,
    members: Vec<Member>,
    watch: Watch,
    expected: HashSet<Task>,
    /// Connectors that were added.
    added: u32,
    logged: Vec<Logged>,
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
    let watch = Watch::start(kafka.cluster(), &settings.group);
    while members.len() < options.workers {
        members.push(Member::start(Kind::Ours, &settings).await?);
    }
    let mut fleet =
        Fleet { options, settings, members, watch, expected: HashSet::new(), added: 0, logged: Vec::new() };
    fleet.create_all().await?;
    fleet.settle().await?;
    fleet.print_usage("settled")?;
    let (rounds, rate, connections, connectors) = {
        let options = &fleet.options;
        (options.rounds, options.rate, options.connections, options.connectors)
    };
    let port = fleet.members[0].port;
    let requests = move |turn: u32| request(turn, connectors);
    let calm = load(port, requests, rate, connections, Duration::from_secs(15)).await?;
    print_rest("calm", &calm);

    let mut changes = Vec::new();
    let mut rest = Vec::new();
    for round in 0..rounds {
        for what in ["join", "kill", "connector", "stop"] {
            let from_ms = now_ms();
            // The requests go on for as long as anything moves.
            let (done, ended) = tokio::sync::oneshot::channel();
            let asking = tokio::task::spawn_local(ask_until(port, requests, rate, connections, ended));
            let index = 1 + (round as usize) % (fleet.members.len() - 1);
            match what {
                "join" => fleet.add().await?,
                "kill" => {
                    let member = fleet.members.remove(index);
                    fleet.watch.down(&member.id);
                    fleet.logged.extend(read(&member.kill()?));
                    fleet.wait_for_joining(from_ms).await?;
                }
                "connector" => fleet.add_connector(0).await?,
                _ => {
                    let member = fleet.members.remove(index);
                    fleet.logged.extend(read(&member.stop().await?));
                    // The next round begins with as many workers again.
                    fleet.add().await?;
                }
            }
            fleet.settle().await?;
            let _asked = done.send(());
            let asked = asking.await.context("the requests panicked")??;
            let change = fleet.measure(what, from_ms, (asked.ms(0.99), asked.ms(1.0)))?;
            rest.push(asked);
            print(&change.line());
            changes.push(change);
        }
    }
    fleet.print_usage("at the end")?;
    report(&fleet, &changes, &calm, rest)
}

/// Requests until somebody says that it is enough.
async fn ask_until(
    port: u16,
    request: impl Fn(u32) -> Request + Copy + 'static,
    rate: u32,
    connections: u32,
    mut ended: tokio::sync::oneshot::Receiver<()>,
) -> Result<Outcome> {
    let mut all = Outcome::default();
    while ended.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
        let some = load(port, request, rate, connections, Duration::from_secs(1)).await?;
        all.latencies.extend(some.latencies);
        all.refused += some.refused;
        all.failed += some.failed;
    }
    all.latencies.sort();
    Ok(all)
}

impl Fleet {
    fn config(&self, number: u32) -> Value {
        let Options { sinks, flowing, tasks, .. } = self.options;
        let tasks = tasks.to_string();
        if number < sinks {
            json!({ "connector.class": "BlackholeSink", "topics": "flowing", "tier": "index", "tasks.max": tasks })
        } else {
            let is_flowing = number < sinks + flowing;
            json!({
                "connector.class": "DatagenSource",
                "topic": if is_flowing { "flowing" } else { "idle" },
                "tasks.max": tasks,
                "rate": FLOW_RATE.to_string(),
                "records": if is_flowing { "-1" } else { "1" },
            })
        }
    }

    async fn create_all(&mut self) -> Result<()> {
        let begun = Instant::now();
        for number in 0..self.options.connectors {
            self.put(number as usize, &name(number), &self.config(number)).await?;
            self.expect(&name(number));
        }
        print(&format!("created by requests in {:.1} s", begun.elapsed().as_secs_f64()));
        self.wait_until_all_run().await?;
        print(&format!("all run after {:.1} s", begun.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Starts a worker and waits until it has a share.
    async fn add(&mut self) -> Result<()> {
        let member = Member::start(Kind::Ours, &self.settings).await?;
        let id = Rc::clone(&member.id);
        self.members.push(member);
        self.watch
            .wait_until("a share for the new worker", PATIENCE, |timeline| timeline.count_of(&id) > 0)
            .await
    }

    async fn add_connector(&mut self, turn: usize) -> Result<()> {
        let name = format!("added-{}", self.added);
        self.added += 1;
        let config = self.config(self.options.connectors - 1);
        self.put(turn, &name, &config).await?;
        self.expect(&name);
        Ok(())
    }

    fn expect(&mut self, connector: &str) {
        let connector: Rc<str> = Rc::from(connector);
        self.expected.extend((0..self.options.tasks).map(|task| (Rc::clone(&connector), task)));
    }

    /// Until it is taken: a cluster answers 409 while it rebalances.
    async fn put(&self, turn: usize, name: &str, config: &Value) -> Result<()> {
        let begun = Instant::now();
        let (path, body) = (format!("/connectors/{name}/config"), config.to_string());
        for turn in turn.. {
            let port = self.members[turn % self.members.len()].port;
            let sent = async { Client::connect(port).await?.send("PUT", &path, &body).await };
            match tokio::time::timeout(PATIENCE, sent).await? {
                Ok((200..=299, _)) => break,
                answered if begun.elapsed() > PATIENCE => bail!("{name} was not taken: {answered:?}"),
                _ => sleep(LOOK_INTERVAL).await,
            }
        }
        Ok(())
    }

    /// Waits until every task runs.
    async fn wait_until_all_run(&self) -> Result<()> {
        self.watch.wait_until_all_run(&self.expected, PATIENCE).await
    }

    /// Waits until every task runs and nothing changes any more.
    async fn settle(&self) -> Result<()> {
        self.watch.settle(&self.expected, PATIENCE).await
    }

    /// Everything that the workers have logged of rebalances since a time.
    fn logged(&self, from_ms: i64) -> Result<Vec<Logged>> {
        let mut logged = self.logged.clone();
        for member in &self.members {
            logged.extend(read(&member.log()?));
        }
        logged.retain(|logged| logged.at_ms >= from_ms);
        Ok(logged)
    }

    async fn wait_for_joining(&self, from_ms: i64) -> Result<()> {
        let begun = Instant::now();
        while !self.logged(from_ms)?.iter().any(|logged| logged.what == Phase::Joining) {
            ensure!(begun.elapsed() < PATIENCE, "nobody joined again within {PATIENCE:?}");
            sleep(QUIET / 4).await;
        }
        Ok(())
    }

    fn measure(&self, what: &'static str, from_ms: i64, rest_ms: (f64, f64)) -> Result<Change> {
        let logged = self.logged(from_ms)?;
        let until_ms = now_ms();
        let rebalance = within(&logged, from_ms, until_ms).context("there was a rebalance")?;
        let joining = logged.iter().filter(|logged| logged.what == Phase::Joining);
        let first_ms = joining.map(|logged| logged.at_ms).min().unwrap_or(from_ms);
        let timeline = self.watch.timeline();
        let gaps = timeline.tasks.values().flat_map(|line| &line.gaps);
        let ends: Vec<i64> = gaps.map(|(_, end_ms)| *end_ms).filter(|end_ms| *end_ms >= from_ms).collect();
        let starts =
            timeline.tasks.values().filter_map(|line| line.since_ms).filter(|at_ms| *at_ms >= from_ms);
        let last_ms = starts.max().unwrap_or(from_ms);
        Ok(Change {
            what,
            rebalance_ms: rebalance.took_ms,
            rounds: rebalance.rounds,
            all_run_ms: (last_ms - first_ms).max(0),
            all_run_after_cause_ms: last_ms - from_ms,
            moved: ends.len(),
            rest_ms,
        })
    }

    fn print_usage(&self, when: &str) -> Result<()> {
        let (mut cpu, mut resident) = (Duration::ZERO, 0);
        let mut descriptors = 0;
        for member in &self.members {
            let usage = member.usage()?;
            cpu += usage.cpu();
            resident += usage.resident_bytes;
            descriptors += member.descriptors()?;
        }
        print(&format!(
            "{when}: {} workers, {:.1} s of CPU so far, {:.1} MB resident and {} descriptors each",
            self.members.len(),
            cpu.as_secs_f64(),
            resident as f64 / 1e6 / self.members.len() as f64,
            descriptors / self.members.len()
        ));
        Ok(())
    }
}

impl Change {
    fn line(&self) -> String {
        format!(
            "{:<10} rebalance {:>6} ms in {} rounds, all tasks run {:>6} ms after its begin and {:>6} ms after its cause, {:>5} moved; REST p99 {:.1} ms, max {:.1} ms",
            self.what,
            self.rebalance_ms,
            self.rounds,
            self.all_run_ms,
            self.all_run_after_cause_ms,
            self.moved,
            self.rest_ms.0,
            self.rest_ms.1
        )
    }
}

fn report(fleet: &Fleet, changes: &[Change], calm: &Outcome, rest: Vec<Outcome>) -> Result<()> {
    let of = |what: Option<&str>, value: fn(&Change) -> i64| {
        let wanted = changes.iter().filter(|change| what.is_none_or(|what| change.what == what));
        Spread::of(wanted.map(value).collect())
    };
    for what in [Some("join"), Some("kill"), Some("connector"), Some("stop"), None] {
        let rebalance = of(what, |change| change.rebalance_ms);
        let run = of(what, |change| change.all_run_ms);
        print(&format!(
            "{:<10} rebalance p50 {} ms, p99 {} ms, max {} ms; all tasks run after p50 {} ms, p99 {} ms",
            what.unwrap_or("all"),
            rebalance.at(0.5),
            rebalance.at(0.99),
            rebalance.at(1.0),
            run.at(0.5),
            run.at(0.99)
        ));
    }
    let mut busy = Outcome::default();
    for some in rest {
        busy.latencies.extend(some.latencies);
        busy.refused += some.refused;
        busy.failed += some.failed;
    }
    busy.latencies.sort();
    print_rest("rebalances", &busy);
    if let Some(path) = &fleet.options.json {
        let result = json!({
            "workers": fleet.options.workers,
            "connectors": fleet.options.connectors,
            "tasks": fleet.options.connectors * fleet.options.tasks,
            "embedded": fleet.options.embedded,
            "rebalance_ms": of(None, |change| change.rebalance_ms).json(),
            "all_run_ms": of(None, |change| change.all_run_ms).json(),
            "rest_p99_ms": { "calm": calm.ms(0.99), "rebalances": busy.ms(0.99) },
        });
        std::fs::write(path, format!("{result:#}\n")).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn print_rest(when: &str, outcome: &Outcome) {
    print(&format!(
        "REST ({when}): {} requests, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, {} refused, {} failed",
        outcome.latencies.len(),
        outcome.ms(0.5),
        outcome.ms(0.99),
        outcome.ms(1.0),
        outcome.refused,
        outcome.failed
    ));
}

fn name(number: u32) -> String {
    format!("c{number:04}")
}

/// What a dashboard asks.
fn request(turn: u32, connectors: u32) -> Request {
    let name = name(turn.wrapping_mul(7) % connectors);
    match turn % 20 {
        0 => ("GET", "/connectors".to_owned(), ""),
        1 => ("GET", "/".to_owned(), ""),
        2..=5 => ("GET", format!("/connectors/{name}"), ""),
        _ => ("GET", format!("/connectors/{name}/status"), ""),
    }
}
