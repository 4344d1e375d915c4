//! Follows a cluster's status topic, the one place where Java's workers and ours say the same about their tasks.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig, Fetched, OffsetReset, Polled};
use protocol::wire::records::{BufferPool, Decompressor, RecordRef};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::timeline::{Happened, Task, Timeline, What};
use crate::cluster::Kafka;

/// Of the topic, by default of Java's workers and ours.
const PARTITIONS: i32 = 5;

const POLL: Duration = Duration::from_millis(500);

/// Nothing has changed for so long: the cluster has settled.
pub(super) const QUIET: Duration = Duration::from_secs(2);

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// An unpacked batch larger than this is not one of statuses.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Ms since the epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// What is known so far.
#[derive(Debug, Default)]
struct Seen {
    events: Vec<Happened>,
    /// In the order in which events were read.
    now: Timeline,
    changed_at: Option<Instant>,
}

impl Seen {
    fn add(&mut self, event: Happened) {
        self.now.apply(&event);
        self.events.push(event);
        self.changed_at = Some(Instant::now());
    }
}

/// Follows the topic until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Rc<RefCell<Seen>>,
    follower: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// With connections of its own: a broker answers what comes on one in turn, and a reader's question may be held back for seconds.
    pub(super) fn start(bootstrap: &str, group: &str) -> Result<Watch> {
        let cluster = Kafka::connect(bootstrap)?.cluster();
        let seen = Rc::<RefCell<Seen>>::default();
        let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() };
        let consumer = Consumer::new(cluster, config);
        let topic = format!("{group}-status");
        consumer.assign(
            (0..PARTITIONS).map(|partition| TopicPartition::new(topic.as_str(), partition)).collect(),
        );
        let follower = tokio::task::spawn_local(follow(consumer, Rc::clone(&seen)));
        Ok(Watch { seen, follower })
    }

    /// Tells of what the topic does not: a worker was killed or frozen.
    pub(super) fn down(&self, worker: &Rc<str>) {
        self.seen.borrow_mut().add(Happened { at_ms: now_ms(), what: What::Down(Rc::clone(worker)) });
    }

    /// Something was done that the topic tells of later: it is not quiet.
    pub(super) fn touch(&self) {
        self.seen.borrow_mut().changed_at = Some(Instant::now());
    }

    /// A look at what is known so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Timeline) -> T) -> T {
        look(&self.seen.borrow().now)
    }

    /// How long nothing has happened.
    pub(super) fn quiet_for(&self) -> Duration {
        self.seen.borrow().changed_at.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// Everything in the order in which it happened.
    pub(super) fn timeline(&self) -> Timeline {
        Timeline::of(&self.seen.borrow().events)
    }

    /// The same as text, a line each, in the order in which it was heard of.
    pub(super) fn told(&self) -> String {
        self.seen.borrow().events.iter().map(|event| format!("{event}\n")).collect()
    }

    pub(super) async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        mut is_so: impl FnMut(&Timeline) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        let mut looked_at = None;
        loop {
            // Thousands of tasks are not looked through again while nothing has changed.
            let count = self.seen.borrow().events.len();
            if looked_at.replace(count) != Some(count) && self.look(&mut is_so) {
                return Ok(());
            }
            if begun.elapsed() > limit {
                anyhow::bail!("{what} did not happen within {limit:?}");
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until every one of these tasks runs.
    pub(super) async fn wait_until_all_run(&self, expected: &HashSet<Task>, limit: Duration) -> Result<()> {
        self.wait_until("that every task runs", limit, |timeline| timeline.all_run(expected)).await
    }

    /// Waits until every one of these tasks runs and nothing changes any more.
    pub(super) async fn settle(&self, expected: &HashSet<Task>, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.wait_until_all_run(expected, limit).await?;
            let quiet_for = self.quiet_for();
            if quiet_for >= QUIET {
                return Ok(());
            }
            ensure!(begun.elapsed() < limit, "the cluster did not settle within {limit:?}");
            sleep(QUIET - quiet_for).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn follow(consumer: Consumer, seen: Rc<RefCell<Seen>>) {
    let mut decompressor = Decompressor::new(BufferPool::default(), BATCH_BYTES_MAX);
    loop {
        match consumer.poll(POLL).await {
            Ok(Polled::Records(fetched)) => {
                for fetched in fetched {
                    if let Err(error) = take(&fetched, &mut decompressor, &mut seen.borrow_mut()) {
                        crate::output::print(&format!("the status topic cannot be read: {error:#}"));
                    }
                }
            }
            Ok(_) => {}
            // The broker is away while it restarts.
            Err(_) => sleep(POLL).await,
        }
    }
}

fn take(fetched: &Fetched, decompressor: &mut Decompressor, seen: &mut Seen) -> Result<()> {
    each_record(fetched, decompressor, |record| {
        let key = std::str::from_utf8(record.key.unwrap_or_default())?;
        if let Some(what) = read(key, record.value)? {
            seen.add(Happened { at_ms: record.timestamp, what });
        }
        Ok(())
    })
}

/// Gives every committed record that was asked for.
pub(super) fn each_record(
    fetched: &Fetched,
    decompressor: &mut Decompressor,
    mut take: impl FnMut(RecordRef<'_>) -> Result<()>,
) -> Result<()> {
    for batch in fetched.committed_batches(decompressor)? {
        let payload = batch.payload(decompressor)?;
        for record in batch.records(&payload) {
            let record = record?;
            if batch.header().base_offset + i64::from(record.offset_delta) >= fetched.first_wanted_offset {
                take(record)?;
            }
        }
    }
    Ok(())
}

/// What a record says of a task; none where it is about something else, or of a state between two others.
fn read(key: &str, value: Option<&[u8]>) -> Result<Option<What>> {
    let Some((connector, number)) = key.strip_prefix("status-task-").and_then(|task| task.rsplit_once('-'))
    else {
        return Ok(None);
    };
    let task: Task = (Rc::from(connector), number.parse()?);
    let Some(value) = value else { return Ok(Some(What::Removed(task))) };
    let status: Value = serde_json::from_slice(value)?;
    let text = |field: &str| status[field].as_str().with_context(|| format!("a status without {field}"));
    let worker = Rc::from(text("worker_id")?);
    Ok(match text("state")? {
        "RUNNING" => Some(What::Runs(task, worker)),
        "UNASSIGNED" => Some(What::Ended { task, worker, has_failed: false }),
        "FAILED" => Some(What::Ended { task, worker, has_failed: true }),
        _ => None,
    })
}
