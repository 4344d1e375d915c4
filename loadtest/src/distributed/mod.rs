//! Whole clusters of real worker processes, Java's and ours mixed: replaced, killed, frozen and reconfigured while they work.
//!
//! Method: three workers (or as many as the mix names) on a Kafka of their own, started one after another so that the first one leads.
//! Source tasks number their records, so that every record that is missing or comes again is seen, in Kafka and in the files of sinks. When
//! a task began to run, and ended, and where, is read from the status topic, which Java's workers and ours write alike, by the time that
//! the worker put on the record; tasks of a worker that was killed or frozen are idle from that moment. Rebalances are read from logs.
//!
//! ```text
//! Cluster ──► Member (process, log) ──► Rebalances ─┐
//!    │   ──► Watch (status topic) ──► Timeline ─────┼─► Step ──► table, JSON
//!    └─────► Work (connectors, records) ──► Outcome ┘
//! ```

mod brokers;
mod cluster;
mod member;
mod rebalances;
mod report;
pub(crate) mod scale;
mod scenario;
mod timeline;
mod watch;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::json;
use xtask::kafka::Libs;

use self::brokers::Brokers;
use self::cluster::Cluster;
use self::member::{Kind, Settings};
use self::scenario::{Extent, Scenario, play};
use self::watch::now_ms;
use self::work::Work;
use crate::output::{keep, print};

/// What a cluster has beyond session timeout and delay until every task of a lost worker runs again.
const RECOVERY_MS: u64 = 2_000;

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The program `aqueduct`
    #[arg(long, env = "AQUEDUCT_BIN", default_value = "target/release/aqueduct")]
    binary: PathBuf,
    /// The workers in the order of their start: j is Java's, a is Aqueduct
    #[arg(long, default_value = "jjj")]
    mix: String,
    /// What is done, in this order; everything that the mix and the broker allow without it
    #[arg(long, value_enum, value_delimiter = ',')]
    scenarios: Vec<Scenario>,
    /// Sources, each with a topic of its own
    #[arg(long, default_value_t = 40)]
    sources: u32,
    /// Sinks that write a source's topic to a file
    #[arg(long, default_value_t = 10)]
    sinks: u32,
    /// Tasks of each connector
    #[arg(long, default_value_t = 4)]
    tasks: u32,
    /// Records per second of each source task
    #[arg(long, default_value_t = 5)]
    rate: u32,
    /// Kills at random moments
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Seed of what is random
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// `session.timeout.ms` of the workers
    #[arg(long, default_value_t = 10_000)]
    session_timeout_ms: u64,
    /// `scheduled.rebalance.max.delay.ms` of the workers
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Workers with `exactly.once.source.support=enabled`
    #[arg(long)]
    exactly_once: bool,
    /// On the embedded broker; only where no Java worker takes part
    #[arg(long)]
    embedded: bool,
    /// A folder that stays, for properties and logs of workers, files of sinks, and `statuses.log`, what workers said of tasks
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the result goes as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// End with an error where a record was lost, a task that does not move was restarted, or under exactly-once a record came twice
    #[arg(long)]
    check: bool,
}

/// Where the files of a cluster are.
#[derive(Debug)]
enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn new(kept: Option<&Path>) -> Result<Folder> {
        Ok(match kept {
            None => Folder::Temporary(tempfile::tempdir()?),
            Some(kept) => {
                std::fs::create_dir_all(kept).with_context(|| format!("create {}", kept.display()))?;
                Folder::Kept(kept.to_owned())
            }
        })
    }

    fn path(&self) -> &Path {
        match self {
            Folder::Temporary(dir) => dir.path(),
            Folder::Kept(dir) => dir,
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Java => "java",
            Kind::Ours => "aqueduct",
        }
    }
}

impl Options {
    fn kinds(&self) -> Result<Vec<Kind>> {
        let kind = |letter| match letter {
            'j' => Ok(Kind::Java),
            'a' => Ok(Kind::Ours),
            other => bail!("--mix: a worker is j or a, not {other}"),
        };
        let kinds: Vec<Kind> = self.mix.chars().map(kind).collect::<Result<_>>()?;
        ensure!(!kinds.is_empty(), "--mix: a cluster has a worker");
        ensure!(!self.embedded || !kinds.contains(&Kind::Java), "--embedded is for mixes without Java");
        Ok(kinds)
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let all = [
            Scenario::Storm,
            Scenario::Rolling,
            Scenario::Kill,
            Scenario::Freeze,
            Scenario::KillAtRandom,
            Scenario::Broker,
        ];
        if !self.scenarios.is_empty() {
            return self.scenarios.clone();
        }
        all.into_iter().filter(|scenario| !self.embedded || *scenario != Scenario::Broker).collect()
    }

    fn properties(&self) -> Vec<(String, String)> {
        let session = self.session_timeout_ms.to_string();
        let heartbeat = (self.session_timeout_ms * 3 / 10).to_string();
        let delay = self.delay_ms.to_string();
        let support = if self.exactly_once { "enabled" } else { "disabled" };
        let pairs = [
            ("exactly.once.source.support", support),
            ("session.timeout.ms", session.as_str()),
            ("heartbeat.interval.ms", heartbeat.as_str()),
            ("scheduled.rebalance.max.delay.ms", delay.as_str()),
            // A minute by default: that much would come twice after each kill.
            ("offset.flush.interval.ms", "1000"),
            ("consumer.isolation.level", "read_committed"),
            ("consumer.session.timeout.ms", "6000"),
            ("consumer.heartbeat.interval.ms", "1000"),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
    }
}

/// Runs the scenarios and prints what each brought.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kinds = options.kinds()?;
    let scenarios = options.scenarios();
    let libs = if options.embedded { None } else { Some(Libs::fetch()?) };
    let brokers = match &libs {
        Some(libs) => Brokers::kafka(libs.clone()).await?,
        None => Brokers::embedded(&options.binary)?,
    };
    let dir = Folder::new(options.dir.as_deref())?;
    let group = format!("cluster-{}", std::process::id());
    let settings = Settings {
        libs,
        binary: options.binary.clone(),
        dir: dir.path().to_owned(),
        bootstrap: brokers.bootstrap().to_owned(),
        group: group.clone(),
        properties: options.properties(),
    };
    let work = Work {
        group,
        dir: dir.path().to_owned(),
        sources: options.sources,
        sinks: options.sinks,
        tasks: options.tasks,
        rate: options.rate,
    };
    let random = fastrand::Rng::with_seed(options.seed);
    let mut cluster = Cluster::start(brokers, settings, work, &kinds, random).await?;
    let from_ms = now_ms();
    cluster.create_all().await?;
    let connectors = options.sources + options.sinks;
    cluster.settle().await?;
    cluster.note("create", format!("{connectors} connectors"), from_ms);
    let extent =
        Extent { kills: options.kills, session_timeout: Duration::from_millis(options.session_timeout_ms) };
    let mut played = Ok(());
    for scenario in scenarios {
        played = play(&mut cluster, scenario, extent).await.with_context(|| format!("scenario {scenario:?}"));
        if let Err(error) = &played {
            // What the records say until here is worth to be known.
            print(&format!("{error:#}"));
            break;
        }
    }
    let (steps, outcome) = cluster.finish().await?;

    let delivery = if options.exactly_once { "exactly once" } else { "at least once" };
    print(&format!(
        "workers {}, {connectors} connectors, {} tasks, {delivery}",
        options.mix,
        connectors * options.tasks
    ));
    print(report::HEADER);
    for step in &steps {
        print(&step.line());
        for restart in &step.restarted {
            print(&format!("          {restart}"));
        }
    }
    if let Some(longest) = report::recovered_ms_max(&steps) {
        let limit = options.session_timeout_ms + options.delay_ms + RECOVERY_MS;
        print(&format!(
            "after a worker was lost every task ran again within {longest} ms; session timeout, delay and 2 s are {limit} ms"
        ));
    }
    print(&outcome.line());
    if let Some(path) = &options.json {
        let result = json!({
            "mix": options.mix,
            "exactly_once": options.exactly_once,
            "embedded": options.embedded,
            "connectors": connectors,
            "tasks": connectors * options.tasks,
            "session_timeout_ms": options.session_timeout_ms,
            "steps": steps.iter().map(report::Step::json).collect::<Vec<_>>(),
            "records": outcome.json(),
        });
        keep(path, &result)?;
    }
    played?;
    if options.check {
        ensure!(outcome.lost == 0 && outcome.lines_missing == 0, "records were lost");
        // A worker that cannot reach the broker for a session gives its tasks up.
        let restarted: usize =
            steps.iter().filter(|step| step.scenario != "broker").map(|step| step.restarted.len()).sum();
        ensure!(restarted == 0, "{restarted} tasks that did not move were restarted");
        ensure!(!options.exactly_once || outcome.duplicates.is_empty(), "records came twice");
    }
    Ok(())
}
