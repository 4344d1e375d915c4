//! The watchdog at work: looks at every running task once per interval, and says what is stuck and what moves again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::rt::clock::{self, Instant};
use engine::task::TaskId;

use super::watchdog::{Seen, Thread, Trouble, judge};
use crate::config::WatchdogLimits;
use crate::herd::{Herder, MeasuredTask, State};
use crate::logs::Time;

/// A task in trouble.
struct Stuck {
    trouble: Trouble,
    since: Instant,
    text: Arc<str>,
}

/// Watches until the herder is gone. Runs on the control thread, which nothing blocks.
pub(crate) async fn watch(herder: Herder, limits: WatchdogLimits) {
    if limits.interval.is_zero() {
        return;
    }
    let mut stuck: HashMap<TaskId, Stuck> = HashMap::new();
    let mut silent: HashMap<String, Instant> = HashMap::new();
    loop {
        tokio::time::sleep(limits.interval).await;
        for look in herder.engine().observer().refresh(limits.interval).await {
            match look.seen {
                Some(()) => drop(silent.remove(&look.executor)),
                None => drop(silent.entry(look.executor).or_insert_with(|| clock::now() - limits.interval)),
            }
        }
        let now = clock::now();
        let tasks = herder.measured_tasks();
        let had_stuck = !stuck.is_empty();
        let mut found = HashMap::new();
        for (task, state) in &tasks {
            let lag = task.metrics.lags.total();
            let trouble =
                if *state == State::Running { trouble(task, &tasks, &silent, now, &limits) } else { None };
            match (trouble, stuck.remove(&task.id)) {
                (Some(trouble), Some(known)) if known.trouble.is_same(&trouble) => {
                    found.insert(task.id.clone(), known);
                }
                (Some(trouble), _) => {
                    let since = now.checked_sub(trouble.lasts()).unwrap_or(now);
                    let text: Arc<str> = trouble.describe(lag, &wall_clock(trouble.lasts())).into();
                    tracing::warn!(connector = &*task.id.connector, task = task.id.task, "task is {text}");
                    found.insert(task.id.clone(), Stuck { trouble, since, text });
                }
                (None, Some(known)) => {
                    let secs = now.saturating_duration_since(known.since).as_secs();
                    tracing::info!(
                        connector = &*task.id.connector,
                        task = task.id.task,
                        "task moves again after {secs} s: it was {}",
                        known.text
                    );
                }
                (None, None) => {}
            }
        }
        stuck = found;
        // Most of the time there is nothing to tell.
        if had_stuck || !stuck.is_empty() {
            let texts = stuck.iter().map(|(id, stuck)| (id.clone(), Arc::clone(&stuck.text))).collect();
            herder.set_stuck(texts);
        }
    }
}

fn trouble(
    task: &MeasuredTask,
    tasks: &[(MeasuredTask, State)],
    silent: &HashMap<String, Instant>,
    now: Instant,
    limits: &WatchdogLimits,
) -> Option<Trouble> {
    let core = &task.core;
    let (stage, since) = task.metrics.stages.current();
    let blocker;
    let thread = match silent.get(core.executor()) {
        None => Thread::Answers,
        Some(silent) => {
            let silent = now.saturating_duration_since(*silent);
            let has_it = |other: &&(MeasuredTask, State)| {
                other.0.core.is_at_work() && other.0.core.executor() == core.executor()
            };
            match tasks.iter().find(has_it) {
                _ if core.is_at_work() => Thread::BlockedByIt(silent),
                Some((other, _)) => {
                    blocker = other.id.to_string();
                    Thread::BlockedBy(&blocker, silent)
                }
                // Something else has it, such as what a task has left behind.
                None => Thread::BlockedBy("another", silent),
            }
        }
    };
    let seen = Seen {
        stage,
        in_stage: now.saturating_duration_since(since),
        since_progress: now.saturating_duration_since(task.metrics.stages.progress()),
        lag: task.metrics.lags.total(),
        thread,
    };
    judge(&seen, limits)
}

/// The wall clock so long ago.
fn wall_clock(ago: Duration) -> String {
    Time(clock::unix_ms() - ago.as_millis() as i64).to_string()
}
