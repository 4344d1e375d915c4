//! The connector's thread: finds topics, creates what the target lacks, copies settings and access control entries, and does all of it
//! again from time to time (`MirrorSourceConnector#start`, `Scheduler`).
//!
//! Nothing that goes wrong here fails the connector: it is logged, and the next round tries again.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use api::config_def::Config;
use api::{ConnectorContext, Error, Result};
use protocol::client::TopicPartition;
use protocol::client::admin::Admin;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clients::{Clients, Side};
use crate::source::{syncs_location, syncs_topic};
use crate::topics::{self, Counts, Selection};
use crate::{acls, config, configs};

/// Stops its thread when it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    known: Arc<Mutex<Counts>>,
    /// The worker, which waits for the first round before it can be told anything.
    context: Arc<OnceLock<ConnectorContext>>,
    _stop: oneshot::Sender<()>,
}

impl Watcher {
    /// Starts the thread and waits until the first round is over: for each of its jobs `admin.timeout.ms` at most.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(crate) fn start(config: Config) -> Result<Watcher> {
        let known = Arc::new(Mutex::new(Counts::new()));
        let (stop, stopped) = oneshot::channel();
        let (report, started): (Sender<Result<()>>, Receiver<Result<()>>) = channel();
        let shared = Arc::clone(&known);
        let context = Arc::new(OnceLock::new());
        let asks = Arc::clone(&context);
        let name = config.originals().get("name").map_or("", String::as_str);
        let thread = std::thread::Builder::new().name(format!("mirror {name}"));
        let failed = |error: std::io::Error| {
            Error::fatal("failed to start the watcher of a mirror").with_source(error)
        };
        thread
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => {
                        LocalSet::new().block_on(&runtime, run(config, shared, asks, report, stopped))
                    }
                    Err(error) => drop(report.send(Err(failed(error)))),
                }
            })
            .map_err(failed)?;
        let gone = |error| Error::fatal("the watcher of a mirror has ended").with_source(error);
        started.recv().map_err(gone)??;
        Ok(Watcher { known, context, _stop: stop })
    }

    /// From now on the worker is told when tasks have to change.
    pub(crate) fn tell(&self, context: ConnectorContext) {
        // There is one for each instance, and this is called once.
        let _first = self.context.set(context);
    }

    /// The partitions of the source that are copied, in order.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        topics::partitions(&lock(&self.known))
    }
}

/// What the thread works with.
struct Work {
    selection: Selection,
    source_admin: Admin,
    target_admin: Admin,
    syncs: Option<Syncs>,
    known: Arc<Mutex<Counts>>,
    context: Arc<OnceLock<ConnectorContext>>,
    /// Copies on the target.
    remote: Counts,
    job_time: Duration,
    schedule: Schedule,
}

/// The topic of offset syncs.
struct Syncs {
    admin: Admin,
    topic: String,
    replication_factor: i16,
}

/// When what is due next; `None` for what is off.
#[derive(Debug)]
struct Schedule {
    refresh: Option<Timer>,
    configs: Option<Timer>,
    acls: Option<Timer>,
}

#[derive(Debug)]
struct Timer {
    due: Instant,
    period: Duration,
}

impl Timer {
    fn new(config: &Config, enabled: &str, seconds: &str, first: First) -> Option<Timer> {
        let period = Duration::from_secs(u64::try_from(config.long(seconds)).ok().filter(|it| *it > 0)?);
        let now = Instant::now();
        let due = match first {
            First::Now => now,
            First::Later => now + period,
        };
        config.boolean(enabled).then_some(Timer { due, period })
    }

    /// Whether it is due; it then is again a period later.
    fn take(timer: &mut Option<Timer>, now: Instant) -> bool {
        let Some(timer) = timer.as_mut().filter(|timer| timer.due <= now) else { return false };
        timer.due = now + timer.period;
        true
    }
}

enum First {
    Now,
    Later,
}

async fn run(
    config: Config,
    known: Arc<Mutex<Counts>>,
    context: Arc<OnceLock<ConnectorContext>>,
    report: Sender<Result<()>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut work = match Work::new(&config, known, context) {
        Ok(work) => work,
        Err(error) => return drop(report.send(Err(error))),
    };
    tokio::select! {
        () = work.begin() => {}
        _ = &mut stopped => return,
    }
    if report.send(Ok(())).is_err() {
        return;
    }
    loop {
        let next = work.schedule.next();
        tokio::select! {
            // Sent never: it ends when the connector does.
            _ = &mut stopped => return,
            () = at(next) => {}
        }
        tokio::select! {
            _ = &mut stopped => return,
            () = work.perform(Instant::now()) => {}
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Schedule {
    fn next(&self) -> Option<Instant> {
        [&self.refresh, &self.configs, &self.acls].into_iter().flatten().map(|timer| timer.due).min()
    }
}

impl Work {
    fn new(
        config: &Config,
        known: Arc<Mutex<Counts>>,
        context: Arc<OnceLock<ConnectorContext>>,
    ) -> Result<Work> {
        let clients = Clients::of(config);
        let selection = Selection::of(config)?;
        let syncs = config.boolean(config::EMIT_OFFSET_SYNCS).then(|| {
            let side = syncs_location(config);
            let role = match side {
                Side::Source => "offset-syncs-source-admin",
                Side::Target => "offset-syncs-target-admin",
            };
            let factor = config.long(config::OFFSET_SYNCS_REPLICATION_FACTOR);
            Ok(Syncs {
                admin: clients.admin(side, role)?,
                topic: syncs_topic(config, &selection.policy),
                replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            })
        });
        Ok(Work {
            source_admin: clients.admin(Side::Source, "replication-source-admin")?,
            target_admin: clients.admin(Side::Target, "replication-target-admin")?,
            syncs: syncs.transpose()?,
            selection,
            known,
            context,
            remote: Counts::new(),
            job_time: Duration::from_millis(config.long(config::ADMIN_TIMEOUT).max(0).unsigned_abs()),
            schedule: Schedule {
                refresh: Timer::new(config, config::REFRESH, config::REFRESH_INTERVAL, First::Later),
                configs: Timer::new(config, config::SYNC_CONFIGS, config::SYNC_CONFIGS_INTERVAL, First::Now),
                acls: Timer::new(config, config::SYNC_ACLS, config::SYNC_ACLS_INTERVAL, First::Now),
            },
        })
    }

    /// What has to be there before tasks are. Each job has its time; what takes longer is given up, and the start goes on.
    async fn begin(&mut self) {
        let limit = self.job_time;
        let job = |what: &'static str, outcome: Result<(), tokio::time::error::Elapsed>| {
            if outcome.is_err() {
                tracing::error!(limit_ms = limit.as_millis() as u64, "timed out running task: {what}");
            }
        };
        if let Some(Syncs { admin, topic, replication_factor }) = &self.syncs {
            let create = topics::create_compacted(admin, topic, *replication_factor);
            job("creating upstream offset-syncs topic", timeout(limit, create).await);
        }
        job("loading initial set of topic-partitions", timeout(limit, self.load()).await);
        job("creating downstream topic-partitions", timeout(limit, self.create()).await);
        job("refreshing known target topics", timeout(limit, self.load_target()).await);
    }

    /// Does what is due.
    async fn perform(&mut self, now: Instant) {
        if Timer::take(&mut self.schedule.acls, now) {
            match acls::sync(&self.selection, &self.source_admin, &self.target_admin).await {
                Ok(true) => {}
                Ok(false) => self.schedule.acls = None,
                Err(error) => tracing::error!(%error, "failed to copy access control entries"),
            }
        }
        if Timer::take(&mut self.schedule.configs, now) {
            self.sync_configs().await;
        }
        if Timer::take(&mut self.schedule.refresh, now) {
            self.refresh().await;
        }
    }

    async fn sync_configs(&self) {
        let known = lock(&self.known).clone();
        let both = topics::known_on_both(&known, &self.remote, &self.selection);
        let synced = configs::sync(&self.selection, &self.source_admin, &self.target_admin, both).await;
        if let Err(error) = synced {
            let target = &self.selection.target;
            tracing::error!(
                %error,
                "the target cluster '{target}' is not compatible with IncrementalAlterConfigs API"
            );
        }
    }

    async fn load(&mut self) {
        match self.selection.of_source(&self.source_admin).await {
            Ok(found) => *lock(&self.known) = found,
            Err(error) => tracing::error!(%error, "failed to find the topics of the source cluster"),
        }
        self.load_target().await;
    }

    async fn load_target(&mut self) {
        match self.selection.of_target(&self.target_admin).await {
            Ok(found) => self.remote = found,
            Err(error) => tracing::error!(%error, "failed to find the topics of the target cluster"),
        }
    }

    async fn create(&self) {
        let known = lock(&self.known).clone();
        self.selection.create(&self.source_admin, &self.target_admin, &known, &self.remote).await;
    }

    async fn refresh(&mut self) {
        let before = lock(&self.known).clone();
        self.load().await;
        let known = lock(&self.known).clone();
        if !topics::has_changed(&before, &known, &self.remote, &self.selection) {
            return;
        }
        tracing::info!(topics = known.len(), "the topics to copy have changed");
        self.create().await;
        self.load_target().await;
        if let Some(context) = self.context.get() {
            context.request_task_reconfiguration();
        }
    }
}

fn lock(known: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
