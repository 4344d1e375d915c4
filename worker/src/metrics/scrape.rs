//! One reading of everything, as a page.
//!
//! Its cost is bounded: scrapes come one after the other, equal ones that come meanwhile share the answer, and the control thread and
//! the executors serve others between any two metrics and any two tasks. An executor that does not answer in time is left out and
//! said to be silent.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use engine::metrics::{Look, Stage};
use engine::rt::clock;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::clients::ClientSamples;
use super::page::{Format, Kind, Page, name};
use super::tables::{self, ConnectorSample, Row, StartupSample, TaskSample, Value, WorkerSample};
use crate::group::{METRIC_GROUPS, MembershipMetrics};
use crate::herd::Herder;
use crate::version;

/// How long the executors may take. A scraper's own patience is 10 s by default.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// Java's JMX domain of the worker's metrics, and ours.
pub(crate) const DOMAIN: &str = "kafka.connect";
pub(crate) const OWN: &str = "aqueduct_task_";

/// What a page is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) format: Format,
    /// Names; none for all.
    pub(crate) names: Vec<String>,
}

/// Makes pages.
#[derive(Debug)]
pub(crate) struct Scraper {
    /// The scrape under way.
    current: RefCell<Option<(Wanted, watch::Receiver<Option<Bytes>>)>>,
    turn: Rc<Semaphore>,
    started_ms: u64,
    /// Of a worker in a cluster.
    membership: RefCell<Option<MembershipMetrics>>,
}

impl Scraper {
    pub(crate) fn new() -> Scraper {
        Scraper {
            current: RefCell::new(None),
            turn: Rc::new(Semaphore::new(1)),
            started_ms: u64::try_from(clock::unix_ms()).unwrap_or(0),
            membership: RefCell::new(None),
        }
    }

    /// Shows what is counted of the worker's membership from now on.
    pub(crate) fn show_membership(&self, metrics: MembershipMetrics) {
        *self.membership.borrow_mut() = Some(metrics);
    }

    /// A page as of now, or as of the scrape that is under way.
    pub(crate) async fn page(self: &Rc<Scraper>, herder: &Herder, wanted: Wanted) -> Option<Bytes> {
        let shared = match &*self.current.borrow() {
            Some((current, page)) if *current == wanted && page.borrow().is_none() => Some(page.clone()),
            _ => None,
        };
        if let Some(mut page) = shared
            && let Ok(page) = page.wait_for(Option::is_some).await
        {
            return page.clone();
        }
        let (sender, mut page) = watch::channel(None);
        *self.current.borrow_mut() = Some((wanted.clone(), page.clone()));
        let (scraper, herder) = (Rc::clone(self), herder.clone());
        // Of its own, so that a scraper that goes away does not take the page from the others.
        tokio::task::spawn_local(async move {
            let turn = scraper.turn.acquire();
            let _turn = tokio::select! {
                turn = turn => turn,
                // Whoever asked has gone, and nobody shares it: a page that nobody reads must not keep others waiting.
                () = sender.closed() => return,
            };
            let text = scraper.scrape(&herder, wanted).await;
            let is_current = |page: &watch::Receiver<Option<Bytes>>| sender.subscribe().same_channel(page);
            sender.send_replace(Some(text.into()));
            // Nobody needs it any more once those who waited have it.
            scraper.current.borrow_mut().take_if(|(_, page)| is_current(page));
        });
        page.wait_for(Option::is_some).await.ok()?.clone()
    }

    async fn scrape(&self, herder: &Herder, wanted: Wanted) -> String {
        let membership = self.membership.borrow().clone();
        let looking = herder.engine().observer();
        let (looks, member) = tokio::join!(looking.look(LOOK_LIMIT, ClientSamples::add), async {
            timeout(LOOK_LIMIT, membership.as_ref()?.client(ClientSamples::add)).await.ok()?
        });
        let now = clock::now();
        let unix_secs = clock::unix_ms() as f64 / 1_000.0;
        let (connectors, tasks, mut worker) = herder.measured(|connectors, tasks, measured| {
            let worker = WorkerSample {
                connectors: connectors.len(),
                tasks: tasks.len(),
                connector_startups: StartupSample::new(&measured.connector_startups, now),
                task_startups: StartupSample::new(&measured.task_startups, now),
            };
            (connectors, tasks, worker)
        });
        let mut samples = Vec::with_capacity(tasks.len());
        for (task, state) in tasks {
            if let Ok(place) = connectors.binary_search_by(|connector| connector.name.cmp(&task.id.connector))
            {
                samples.push(TaskSample::new(task, state, &connectors[place], now, unix_secs));
            }
            if samples.len() % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        worker.tasks = samples.len();
        let mut page = Page::new(wanted.format, wanted.names.into_iter().collect::<HashSet<_>>());
        let member_id = membership.as_ref().map(MembershipMetrics::client_id);
        let clients_of_info: Vec<&str> = [herder.worker_id()].into_iter().chain(member_id).collect();
        self.app_info(&mut page, &clients_of_info);
        if let Some(membership) = &membership {
            show_membership(&mut page, membership);
        }
        for row in tables::WORKER {
            page.family(name(DOMAIN, "connect-worker-metrics", row.name), row.kind, row.doc);
            write(&mut page, row.name, &[], (row.read)(&worker));
        }
        let has_tasks = |connector: &ConnectorSample| !connector.task_states.is_empty();
        connectors_table(
            &mut page,
            "connect-worker-metrics",
            tables::CONNECTOR_TASKS,
            &connectors,
            has_tasks,
        )
        .await;
        connectors_table(&mut page, "connector-metrics", tables::CONNECTOR, &connectors, |_| true).await;
        let all = |_: &TaskSample| true;
        tasks_table(&mut page, "connector-task-metrics", tables::TASK, &samples, all).await;
        tasks_table(&mut page, "source-task-metrics", tables::SOURCE_TASK, &samples, |t| t.is_source).await;
        tasks_table(&mut page, "sink-task-metrics", tables::SINK_TASK, &samples, |t| !t.is_source).await;
        tasks_table(&mut page, "task-error-metrics", tables::TASK_ERRORS, &samples, all).await;
        own(&mut page, &samples).await;
        clients(&mut page, looks, member).await;
        page.finish()
    }

    /// Which versions run, for each of these client ids.
    fn app_info(&self, page: &mut Page, clients: &[&str]) {
        for row in tables::APP_INFO {
            page.family(name(DOMAIN, "app-info", row.name), row.kind, row.doc);
            for client in clients {
                write(page, row.name, &[("client-id", client)], (row.read)(&self.started_ms));
            }
        }
        page.family("aqueduct_info".to_owned(), Kind::Gauge, "The version of Aqueduct.");
        page.sample(&[("version", version::AQUEDUCT)], 1.0);
    }
}

fn show_membership(page: &mut Page, membership: &MembershipMetrics) {
    let sample = membership.sample();
    let client = [("client-id", membership.client_id())];
    for (group, labels, rows) in [
        ("connect-worker-rebalance-metrics", &[][..], tables::REBALANCES),
        (METRIC_GROUPS.coordinator, &client[..], tables::MEMBERSHIP),
    ] {
        for row in rows {
            page.family(name(DOMAIN, group, row.name), row.kind, row.doc);
            write(page, row.name, labels, (row.read)(&sample));
        }
    }
}

async fn connectors_table(
    page: &mut Page,
    group: &str,
    rows: &[Row<ConnectorSample>],
    connectors: &[ConnectorSample],
    is_shown: impl Fn(&ConnectorSample) -> bool,
) {
    for row in rows {
        if page.family(name(DOMAIN, group, row.name), row.kind, row.doc) {
            for connector in connectors.iter().filter(|connector| is_shown(connector)) {
                write(page, row.name, &[("connector", &connector.name)], (row.read)(connector));
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn tasks_table(
    page: &mut Page,
    group: &str,
    rows: &[Row<TaskSample>],
    tasks: &[TaskSample],
    is_shown: impl Fn(&TaskSample) -> bool,
) {
    for row in rows {
        if page.family(name(DOMAIN, group, row.name), row.kind, row.doc) {
            for task in tasks.iter().filter(|task| is_shown(task)) {
                write(page, row.name, &labels(task, &task.task.id.task.to_string()), (row.read)(task));
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Ours, of each task.
async fn own(page: &mut Page, tasks: &[TaskSample]) {
    for row in tables::OWN_TASK {
        if page.family(format!("{OWN}{}", row.name), row.kind, row.doc) {
            for task in tasks {
                write(page, row.name, &labels(task, &task.task.id.task.to_string()), (row.read)(task));
            }
            tokio::task::yield_now().await;
        }
    }
    if page.family(format!("{OWN}{}", tables::STAGE_NAME), Kind::Counter, tables::STAGE_DOC) {
        for task in tasks {
            let number = task.task.id.task.to_string();
            let [connector, task_label] = labels(task, &number);
            let not_its_own =
                if task.is_source { [Stage::Fetch, Stage::Put] } else { [Stage::Poll, Stage::Send] };
            for stage in Stage::ALL.into_iter().filter(|stage| !not_its_own.contains(stage)) {
                let spent = task.metrics().stages.spent(stage, task.now);
                page.sample(&[connector, task_label, ("stage", stage.name())], spent.as_secs_f64());
            }
        }
        tokio::task::yield_now().await;
    }
    if page.family(format!("{OWN}{}", tables::LAG_NAME), Kind::Gauge, tables::LAG_DOC) {
        for task in tasks {
            let number = task.task.id.task.to_string();
            let [connector, task_label] = labels(task, &number);
            for lag in task.metrics().lags.all() {
                let Some(records) = lag.lag() else { continue };
                let partition = lag.partition.to_string();
                let labels = [connector, task_label, ("topic", &*lag.topic), ("partition", &*partition)];
                page.sample(&labels, records as f64);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// What the executors answered: whether they did, and the metrics of their clients; and those of the group's client.
async fn clients(page: &mut Page, looks: Vec<Look<ClientSamples>>, member: Option<ClientSamples>) {
    page.family("aqueduct_executor_up".to_owned(), Kind::Gauge, EXECUTOR_DOC);
    let mut all = member.unwrap_or_default();
    for look in looks {
        page.sample(&[("executor", &look.executor)], f64::from(u8::from(look.seen.is_some())));
        all.merge(look.seen.unwrap_or_default());
        tokio::task::yield_now().await;
    }
    for family in all.0.into_values() {
        page.family(family.name, family.kind, family.doc);
        page.samples(&family.lines);
        tokio::task::yield_now().await;
    }
}

pub(crate) const EXECUTOR_DOC: &str = "1 where the executor has answered, 0 where a task blocks it: the metrics of its clients are missing then.";

fn labels<'a>(task: &'a TaskSample, number: &'a str) -> [(&'a str, &'a str); 2] {
    [("connector", &task.task.id.connector), ("task", number)]
}

fn write(page: &mut Page, name: &str, labels: &[(&str, &str)], value: Value) {
    match value {
        Value::Number(value) => page.sample(labels, value),
        Value::Text(text) => {
            let mut labels = labels.to_vec();
            labels.push((name, &text));
            page.sample(&labels, 1.0);
        }
        Value::Absent => {}
    }
}
