//! One world under one seed: a cluster, what befalls it, and what must be true of it when nothing does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use fastrand::Rng;
use protocol::client::admin::{Admin, NewTopic};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::{Env, SpawnHere};
use tokio::time::Instant;

use crate::chance::Seeded;
use crate::checks::{self, come_true};
use crate::clock::{self, WallClock};
use crate::faults::{Faults, NODES};
use crate::host::{Doing, Host, take_away_the_ended};
use crate::ledger::{self, violation};
use crate::log;
use crate::network::{BROKER_PORT, Network, Peer};
use crate::operator::{Operator, SOURCES, Target, Wanted};
use crate::properties::{self, FLUSH_MS, GROUP, SESSION_MS, Settings};
use crate::tail::{PARTITIONS, Tail};

/// What a worker may take beyond its session and the delay until all runs again: rounds, retries with their pauses, statuses.
const ROUNDS: Duration = Duration::from_secs(120);
/// `task.shutdown.graceful.timeout.ms`, with the way out of the group.
const STOP_LIMIT: Duration = Duration::from_secs(12);
/// `transaction.timeout.ms`, and how long a connection attempt from before the faults ceased still takes to be given up.
const TRANSACTIONS_EXPIRE: Duration = Duration::from_secs(60 + 40);
/// How long paused tasks are watched for moving.
const PAUSE_WATCH: Duration = Duration::from_secs(25);

/// What came of a world.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) simulated: Duration,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) records: u64,
    pub(crate) twice: u64,
    pub(crate) late: u64,
    pub(crate) steps_back: u64,
    pub(crate) instances: u64,
    pub(crate) failed_tasks: Vec<String>,
    /// The longest that it took until all ran again.
    pub(crate) healed_within: Duration,
}

/// A world.
struct World {
    random: Rng,
    settings: Settings,
    hosts: Vec<Host>,
    faults: Faults,
    operator: Operator,
    tail: Option<Tail>,
    env: Env,
    report: Report,
}

fn cluster() -> ClusterConfig {
    let bootstrap = (0..NODES as u16).map(|node| HostPort::new("broker", BROKER_PORT + node)).collect();
    ClusterConfig::new(bootstrap)
}

/// Lives through a world for as long as told. Within a `LocalSet`, on a paused clock.
pub(crate) async fn run(seed: u64, length: Duration, exactly_once: bool) -> Report {
    clock::begin();
    ledger::expect_exactly_once(exactly_once);
    take_away_the_ended();
    let mut random = Rng::with_seed(seed);
    let settings = Settings {
        delay_ms: [0, 20_000, 60_000][random.usize(..3)],
        protocol: if random.u32(..5) == 0 { "compatible" } else { "sessioned" },
        exactly_once: if exactly_once { "enabled" } else { ["disabled", "preparing"][random.usize(..2)] },
        queues: random.bool(),
    };
    log::event(format_args!("seed {seed}: {settings:?}"));
    let broker = Broker::builder()
        .node_count(NODES as usize)
        .advertised_host("broker")
        .advertised_port(BROKER_PORT)
        .auto_create_topics(false)
        .seed(random.u64(..))
        .wall_clock_ms(clock::true_ms)
        .build();
    let network = Network::default();
    network.set_broker(broker.dialer());
    let env = Env {
        dialer: network.dialer(Peer::User),
        clock: Arc::new(WallClock::default()),
        random: Arc::new(Seeded::new(random.u64(..))),
        control: Arc::new(SpawnHere),
    };
    let plugins = properties::plugins();
    let hosts: Vec<Host> = (0..random.usize(2..5))
        .map(|number| {
            let plugins = plugins.clone();
            Host::new(number, random.u64(..), network.clone(), move || {
                let config = properties::worker(number, settings, &plugins);
                (config.expect("the world's own configuration"), plugins.clone())
            })
        })
        .collect();
    let mut topics: Vec<String> = SOURCES.iter().map(|topic| (*topic).to_owned()).collect();
    topics.extend(["configs", "offsets", "status"].map(|kind| format!("{GROUP}-{kind}")));
    let faults = Faults::new(hosts.clone(), network.clone(), broker, topics);
    let operator = Operator::new(&network, hosts.len());
    let mut world =
        World { random, settings, hosts, faults, operator, tail: None, env, report: Report::default() };
    world.live(length).await;
    world.report()
}

impl World {
    async fn live(&mut self, length: Duration) {
        self.create_topics().await;
        for host in &self.hosts {
            host.start();
        }
        while !self.is_wrong() {
            self.settle().await;
            if clock::elapsed() >= length || self.is_wrong() {
                return;
            }
            self.calm().await;
            if self.is_wrong() {
                return;
            }
            self.storm().await;
        }
    }

    /// One violation is enough: what follows from it says nothing.
    fn is_wrong(&self) -> bool {
        ledger::with(|ledger| !ledger.violations.is_empty())
    }

    async fn create_topics(&self) {
        let admin = Admin::new(Cluster::new(self.env.clone(), cluster()));
        let new: Vec<_> = SOURCES
            .iter()
            .map(|topic| NewTopic::new(topic, PARTITIONS).with_replication_factor(NODES as i16))
            .collect();
        for created in admin.create_topics(&new).await {
            if let Err(error) = created {
                violation(format!("the topics of the world are not there: {error}"));
            }
        }
    }

    /// Things go wrong, and people go on working.
    async fn storm(&mut self) {
        let ends = Instant::now() + Duration::from_secs(self.random.u64(60..400));
        log::event(format_args!("a storm begins"));
        while Instant::now() < ends {
            let next = Instant::now() + Duration::from_millis(self.random.u64(200..12_000));
            loop {
                let due = self.faults.next_end().map_or(next, |end| end.min(next));
                tokio::time::sleep_until(due).await;
                self.faults.end_due();
                if due >= next {
                    break;
                }
            }
            if self.random.u32(..3) == 0 {
                self.operator.act(&mut self.random);
            } else {
                self.faults.strike(&mut self.random);
            }
            checks::no_task_runs_twice(&self.hosts);
        }
        self.faults.cease();
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(SESSION_MS + self.settings.delay_ms) + ROUNDS
    }

    /// Nothing is wrong any more: everything has to come right.
    async fn settle(&mut self) {
        let limit = self.limit();
        let began = Instant::now();
        let hosts = self.hosts.clone();
        // A worker that was stopping when the storm ended is started once it has ended.
        let up = come_true(limit, || {
            hosts.iter().filter(|host| host.doing() == Doing::Down).for_each(Host::start);
            hosts
                .iter()
                .find(|host| host.doing() != Doing::Up)
                .map(|host| format!("w{} is not up", host.number()))
        });
        if let Err(what) = up.await {
            return violation(format!("I23 {what}"));
        }
        if !self.operator.make_certain(&mut self.random, limit).await {
            return violation("I17 requests are not carried out though nothing is wrong".to_owned());
        }
        let wanted = self.operator.wanted();
        self.restart_what_failed(&wanted).await;
        if let Err(what) = come_true(limit, || checks::differs(&wanted)).await {
            return violation(format!("I19 after {:?}: {what}", began.elapsed()));
        }
        self.report.healed_within = self.report.healed_within.max(began.elapsed());
        log::event(format_args!("everything runs again after {:?}", began.elapsed()));
        let is_exactly_once = self.settings.exactly_once == "enabled";
        if is_exactly_once {
            // A transaction that could not be ended while things went wrong may expire only now, and fails its task, as in Java.
            tokio::time::sleep_until(began + TRANSACTIONS_EXPIRE).await;
            self.restart_what_failed(&wanted).await;
            if let Err(what) = come_true(limit, || checks::differs(&wanted)).await {
                return violation(format!("I19 after all transactions have expired: {what}"));
            }
        }
        self.say_the_same(&wanted).await;
        if self.tail.is_none() {
            let admin = Admin::new(Cluster::new(self.env.clone(), cluster()));
            self.tail = Some(Tail::new(&self.env, cluster(), admin, is_exactly_once));
        }
        let Some(tail) = &self.tail else { return };
        // A commit of source offsets and one of sinks, at least.
        tokio::time::sleep(Duration::from_millis(2 * FLUSH_MS)).await;
        if !tail.catch_up().await {
            return violation("what was written can't be read though nothing is wrong".to_owned());
        }
        checks::nothing_is_lost(tail);
        checks::sinks_hold_what_they_committed(tail, &wanted).await;
        checks::no_task_runs_twice(&self.hosts);
        let records = tail.look(|seen| seen.records.clone());
        if let Err(what) = come_true(limit, || checks::undelivered(&records, &wanted)).await {
            violation(format!("I19 {what}"));
        }
    }

    /// Every worker tells the same, and it is so.
    async fn say_the_same(&self, wanted: &[Wanted]) {
        for host in &self.hosts {
            let began = Instant::now();
            while let Some(what) = checks::misreported(&self.operator, host.number(), wanted).await {
                if began.elapsed() >= self.limit() {
                    violation(format!("{what}, after {:?}", began.elapsed()));
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// An operator looks after what has failed until nothing has.
    async fn restart_what_failed(&mut self, wanted: &[Wanted]) {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let failed = checks::restart_failed(&self.operator, 0, wanted).await;
            self.report.failed_tasks.extend(failed);
            if checks::differs(wanted).is_none() {
                return;
            }
        }
    }

    /// A worker leaves cleanly and comes back, with nothing wrong: the strictest of what can be asked.
    async fn calm(&mut self) {
        let wanted = self.operator.wanted();
        self.paused_do_not_move(&wanted).await;
        let leaving = self.hosts[self.random.usize(..self.hosts.len())].clone();
        if self.hosts.len() < 2 {
            return;
        }
        log::event(format_args!("in the calm w{} is told to stop", leaving.number()));
        let before = checks::living();
        leaving.stop();
        let stopped =
            come_true(STOP_LIMIT, || (leaving.doing() != Doing::Down).then(|| "it runs".to_owned())).await;
        if stopped.is_err() {
            return violation(format!("I23 w{} does not stop within {STOP_LIMIT:?}", leaving.number()));
        }
        self.same_as_before(&before, &wanted, "left", Some(leaving.number())).await;
        let before = checks::living();
        leaving.start();
        let joined =
            come_true(self.limit(), || (leaving.doing() != Doing::Up).then(|| "it is down".to_owned())).await;
        if joined.is_err() {
            return violation(format!("I19 w{} does not start", leaving.number()));
        }
        self.same_as_before(&before, &wanted, "joined", None).await;
    }

    /// I20: after a worker has come or gone, what did not have to move was not touched.
    async fn same_as_before(
        &self,
        before: &[(usize, ledger::Instance)],
        wanted: &[Wanted],
        how: &str,
        gone: Option<usize>,
    ) {
        // Long enough for the revocation round and the round after it, and for the work of the departed.
        tokio::time::sleep(Duration::from_millis(self.settings.delay_ms) + Duration::from_secs(10)).await;
        if let Err(what) = come_true(self.limit(), || checks::differs(wanted)).await {
            return violation(format!("I19 after a worker has {how}: {what}"));
        }
        let after = checks::living();
        for (number, was) in before.iter().filter(|(_, was)| Some(was.worker) != gone) {
            let same_task =
                |(_, is): &&(usize, ledger::Instance)| is.connector == was.connector && is.task == was.task;
            if let Some((is_number, is)) = after.iter().find(same_task)
                && is.worker == was.worker
                && is_number != number
            {
                violation(format!(
                    "I20 after a worker has {how}, {}-{} was restarted on w{} without need: instance {number}, then {is_number}",
                    was.connector, was.task, was.worker
                ));
            }
        }
        self.clean_stop_left_nothing_to_repeat(before, gone);
    }

    /// I23: a task that was stopped cleanly has committed all that it gave.
    fn clean_stop_left_nothing_to_repeat(&self, before: &[(usize, ledger::Instance)], gone: Option<usize>) {
        let Some(gone) = gone else { return };
        let stopped = before.iter().filter(|(_, was)| was.worker == gone && was.is_source);
        for (number, was) in stopped {
            ledger::with(|ledger| {
                let mut again = Vec::new();
                for ((connector, incarnation, partition), known) in &ledger.sources {
                    if (connector, incarnation) != (&was.connector, &was.incarnation) {
                        continue;
                    }
                    let run = known.runs.iter().find(|run| run.0 == *number);
                    let (Some(run), Some(stopped)) = (run, ledger.instances[*number].ended) else { continue };
                    // Not just the run after it: an earlier instance may have read only now where to begin, and ended unused.
                    let next = known.runs.iter().find(|run| ledger.instances[run.0].began >= stopped);
                    if let Some(next) = next
                        && next.1 != run.2
                    {
                        again.push(format!(
                            "I23 {connector}: partition {partition} went on at {} after a clean stop at {}",
                            next.1, run.2
                        ));
                    }
                }
                ledger.violations.extend(again);
            });
        }
    }

    /// I21.
    async fn paused_do_not_move(&self, wanted: &[Wanted]) {
        let moves = || -> BTreeMap<usize, u64> {
            let paused = |name: &str| {
                wanted.iter().any(|it| it.name == name && it.exists && it.target == Target::Paused)
            };
            checks::living()
                .into_iter()
                .filter(|(_, it)| paused(&it.connector))
                .map(|(n, it)| (n, it.moves))
                .collect()
        };
        let before = moves();
        tokio::time::sleep(PAUSE_WATCH).await;
        for (number, after) in moves() {
            if before.get(&number).is_some_and(|before| *before != after) {
                violation(format!("I21 instance {number} of a paused connector moves"));
            }
        }
    }

    fn report(self) -> Report {
        let mut report = self.report;
        report.simulated = clock::elapsed();
        report.faults = self.faults.counts().clone();
        report.requests = self.operator.counts();
        if let Some(tail) = &self.tail {
            tail.look(|seen| {
                report.records = seen.record_count;
                report.twice = seen.written.values().map(|written| written.twice).sum();
                report.late = seen.written.values().map(|written| written.late).sum();
                report.steps_back = seen.steps_back;
            });
        }
        ledger::with(|ledger| {
            report.violations = ledger.violations.clone();
            report.instances = ledger.instances.len() as u64;
        });
        for host in &self.hosts {
            host.kill();
        }
        report
    }
}
