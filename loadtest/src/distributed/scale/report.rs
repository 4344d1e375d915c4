//! What the changes brought, in lines and as JSON.

use anyhow::Result;
use serde_json::json;

use super::super::report::Spread;
use super::Options;
use super::asking::Asked;
use crate::output::{keep, print};
use crate::rest::Outcome;
use crate::usage::Scheduled;

/// What a change brought.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) what: &'static str,
    pub(super) rebalance_ms: i64,
    pub(super) rounds: usize,
    /// When the first worker joined for it.
    pub(super) begun_ms: i64,
    /// From the first worker that joined for it, and from its cause, until every task ran.
    pub(super) all_run_ms: i64,
    pub(super) all_run_after_cause_ms: i64,
    pub(super) moved: usize,
}

impl Change {
    pub(super) fn line(&self) -> String {
        format!(
            "{:<10} rebalance {:>6} ms in {} rounds, all tasks run {:>6} ms after its begin and {:>6} ms after its cause, {:>5} moved",
            self.what,
            self.rebalance_ms,
            self.rounds,
            self.all_run_ms,
            self.all_run_after_cause_ms,
            self.moved,
        )
    }
}

/// Says how long answers took.
pub(super) fn print_asked(when: &str, asked: &Asked) {
    print_answers(when, "worker", &asked.worker);
    print_answers(when, "idle server", &asked.idle);
}

/// Says what the asked worker's main thread did.
pub(super) fn print_scheduled(when: &str, scheduled: Scheduled) {
    print(&format!(
        "{when}: the asked worker's main thread ran {:.2} s and waited {:.2} s for a core",
        scheduled.ran.as_secs_f64(),
        scheduled.waited.as_secs_f64()
    ));
}

fn print_answers(when: &str, whose: &str, outcome: &Outcome) {
    print(&format!(
        "REST, {when}: {whose}: {} requests, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, {} refused, {} failed",
        outcome.latencies.len(),
        outcome.ms(0.5),
        outcome.ms(0.99),
        outcome.ms(1.0),
        outcome.refused,
        outcome.failed
    ));
}

/// Of all changes together.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// From their causes until the cluster had settled.
    pub(super) changes: Asked,
    /// From the first worker that joined until every task ran.
    pub(super) rebalances: Asked,
}

pub(super) fn report(options: &Options, changes: &[Change], calm: &Asked, busy: &Busy) -> Result<()> {
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
    print_asked("while changes settle", &busy.changes);
    print_asked("while the group rebalances and tasks start", &busy.rebalances);
    if let Some(path) = &options.json {
        let p99 = |asked: &Asked| json!({ "worker": asked.worker.ms(0.99), "idle": asked.idle.ms(0.99) });
        let result = json!({
            "workers": options.workers,
            "connectors": options.connectors,
            "tasks": options.connectors * options.tasks,
            "embedded": options.embedded,
            "rebalance_ms": of(None, |change| change.rebalance_ms).json(),
            "all_run_ms": of(None, |change| change.all_run_ms).json(),
            "rest_p99_ms": { "calm": p99(calm), "changes": p99(&busy.changes), "rebalances": p99(&busy.rebalances) },
        });
        keep(path, &result)?;
    }
    Ok(())
}
