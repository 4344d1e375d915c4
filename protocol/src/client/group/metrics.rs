//! What a membership counts. Written on the control thread and read on the user's, hence the lock: it is taken once per heartbeat, join,
//! sync and commit, never per record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Group;
use crate::Error;
use crate::metrics::{
    Client, Definition, MemberGroups, Metric, MetricsConfig, Report, Row, Stat, Unit, define, millis, row,
};
use crate::net::ConnectionMetrics;

/// Seconds of an hour, in which rebalances are counted.
const HOUR: f64 = 3_600.0;

#[derive(Debug)]
pub(super) struct GroupMetrics {
    stats: Mutex<GroupStats>,
}

#[derive(Debug)]
pub(super) struct GroupStats {
    commit: Stat,
    heartbeat: Stat,
    join: Stat,
    sync: Stat,
    rebalance: Stat,
    failed_rebalance: Stat,
    last_heartbeat: Option<Instant>,
    last_rebalance: Option<Instant>,
    /// When the first join of the rebalance under way was sent.
    rebalancing_since: Option<Instant>,
}

impl GroupMetrics {
    pub(super) fn new(config: MetricsConfig) -> Self {
        let stat = || Stat::new(config);
        let stats = GroupStats {
            commit: stat(),
            heartbeat: stat(),
            join: stat(),
            sync: stat(),
            rebalance: stat(),
            failed_rebalance: stat(),
            last_heartbeat: None,
            last_rebalance: None,
            rebalancing_since: None,
        };
        Self { stats: Mutex::new(stats) }
    }

    /// Statistics stay usable whatever became of the thread that wrote them.
    pub(super) fn lock(&self) -> MutexGuard<'_, GroupStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupStats {
    pub(super) fn committed(&mut self, sent_at: Instant) {
        self.commit.answered(sent_at);
    }

    pub(super) fn heartbeat_sent(&mut self, now: Instant) {
        self.last_heartbeat = Some(now);
    }

    pub(super) fn heartbeat_answered(&mut self, sent_at: Instant) {
        self.heartbeat.answered(sent_at);
    }

    pub(super) fn join_sent(&mut self, now: Instant) {
        self.rebalancing_since.get_or_insert(now);
    }

    pub(super) fn joined(&mut self, sent_at: Instant) {
        self.join.answered(sent_at);
    }

    pub(super) fn synced(&mut self, sent_at: Instant) {
        self.sync.answered(sent_at);
    }

    /// A join or a sync failed; the next one may go better.
    pub(super) fn rebalance_failed(&mut self) {
        self.failed_rebalance.record(1.0, Instant::now());
    }

    /// The member has its assignment.
    pub(super) fn rebalanced(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.rebalancing_since.take() {
            self.rebalance.record(millis(now.duration_since(since)), now);
        }
        self.last_rebalance = Some(now);
    }

    /// There is no membership any more that a rebalance could give an assignment.
    pub(super) fn ended(&mut self) {
        self.rebalancing_since = None;
    }
}

impl Stat {
    fn answered(&mut self, sent_at: Instant) {
        let now = Instant::now();
        self.record(millis(now.duration_since(sent_at)), now);
    }
}

impl Group {
    /// Reports what the membership and its commits count, under `group`.
    pub(crate) fn report(&self, group: &'static str, report: &mut Report<'_>) {
        report.table(group, &[], COMMITS, self.metrics.lock());
        report.table(group, &[], MEMBERSHIP, self.metrics.lock());
    }

    /// Has `add` told every metric of a membership that commits nothing, and of its connections, where these live: on the control thread.
    ///
    /// # Errors
    /// `Closed` when the actor is gone.
    pub async fn observe<T: Default + Send + 'static>(
        &self,
        groups: MemberGroups,
        add: fn(&mut T, &Metric<'_>),
    ) -> Result<T, Error> {
        let metrics = Arc::clone(&self.metrics);
        self.look(move |cluster| {
            let mut seen = T::default();
            let mut visit = |metric: &Metric<'_>| add(&mut seen, metric);
            let mut report = Report::new(&cluster.config().client_id, &mut visit);
            cluster.report(Client::Member(groups), &mut report);
            report.table(groups.coordinator, &[], MEMBERSHIP, metrics.lock());
            seen
        })
        .await
    }

    /// The definition of everything that [`observe`](Self::observe) tells.
    pub fn definitions(groups: MemberGroups) -> impl Iterator<Item = Definition> {
        let client = Client::Member(groups);
        let own = define(client, groups.coordinator, &["client-id"], MEMBERSHIP);
        ConnectionMetrics::definitions(client).chain(own)
    }
}

pub(crate) fn definitions(client: Client, group: &'static str) -> impl Iterator<Item = Definition> {
    let commits = define(client, group, &["client-id"], COMMITS);
    commits.chain(define(client, group, &["client-id"], MEMBERSHIP))
}

fn seconds_ago(at: Option<Instant>, now: Instant) -> f64 {
    at.map_or(-1.0, |at| now.duration_since(at).as_secs_f64())
}

const COMMITS: &[Row<GroupStats>] = &[
    row("commit-rate", Unit::PerSecond, "Commits that succeeded.", |s, now| s.commit.count_rate(now)),
    row("commit-total", Unit::Count, "Commits that succeeded.", |s, _| s.commit.count()),
    row("commit-latency-avg", Unit::Millis, "How long a commit took, retries included.", |s, now| {
        s.commit.avg(now)
    }),
    row("commit-latency-max", Unit::Millis, "The longest that a commit took.", |s, now| s.commit.max(now)),
];

const MEMBERSHIP: &[Row<GroupStats>] = &[
    row("heartbeat-rate", Unit::PerSecond, "Heartbeats answered.", |s, now| s.heartbeat.count_rate(now)),
    row("heartbeat-total", Unit::Count, "Heartbeats answered.", |s, _| s.heartbeat.count()),
    row(
        "heartbeat-response-time-max",
        Unit::Millis,
        "The longest that the answer to a heartbeat took.",
        |s, now| s.heartbeat.max(now),
    ),
    row(
        "last-heartbeat-seconds-ago",
        Unit::Seconds,
        "Time since the last heartbeat was sent; -1 before the first.",
        |s, now| seconds_ago(s.last_heartbeat, now),
    ),
    row("join-rate", Unit::PerSecond, "Joins that succeeded.", |s, now| s.join.count_rate(now)),
    row("join-total", Unit::Count, "Joins that succeeded.", |s, _| s.join.count()),
    row(
        "join-time-avg",
        Unit::Millis,
        "How long a join took, the wait for other members included.",
        |s, now| s.join.avg(now),
    ),
    row("join-time-max", Unit::Millis, "The longest that a join took.", |s, now| s.join.max(now)),
    row("sync-rate", Unit::PerSecond, "Syncs that succeeded.", |s, now| s.sync.count_rate(now)),
    row("sync-total", Unit::Count, "Syncs that succeeded.", |s, _| s.sync.count()),
    row(
        "sync-time-avg",
        Unit::Millis,
        "How long a sync took, the wait for the leader included.",
        |s, now| s.sync.avg(now),
    ),
    row("sync-time-max", Unit::Millis, "The longest that a sync took.", |s, now| s.sync.max(now)),
    row("rebalance-rate-per-hour", Unit::PerHour, "Rebalances that succeeded.", |s, now| {
        s.rebalance.count_rate(now) * HOUR
    }),
    row("rebalance-total", Unit::Count, "Rebalances that succeeded.", |s, _| s.rebalance.count()),
    row(
        "rebalance-latency-avg",
        Unit::Millis,
        "Time from the first join of a rebalance to the assignment.",
        |s, now| s.rebalance.avg(now),
    ),
    row(
        "rebalance-latency-max",
        Unit::Millis,
        "The longest time from a first join to the assignment.",
        |s, now| s.rebalance.max(now),
    ),
    row("rebalance-latency-total", Unit::Millis, "All such times together.", |s, _| s.rebalance.total()),
    row("failed-rebalance-rate-per-hour", Unit::PerHour, "Joins and syncs that failed.", |s, now| {
        s.failed_rebalance.count_rate(now) * HOUR
    }),
    row("failed-rebalance-total", Unit::Count, "Joins and syncs that failed.", |s, _| {
        s.failed_rebalance.count()
    }),
    row(
        "last-rebalance-seconds-ago",
        Unit::Seconds,
        "Time since the last assignment; -1 before the first.",
        |s, now| seconds_ago(s.last_rebalance, now),
    ),
];
