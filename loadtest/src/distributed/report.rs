//! What the scenarios found, as a table and as JSON.

use serde_json::{Value, json};

use super::rebalances::Rebalance;
use super::work::Outcome;

/// Numbers of which quantiles are told.
#[derive(Debug, Default)]
pub(super) struct Spread(Vec<i64>);

impl Spread {
    pub(super) fn of(mut values: Vec<i64>) -> Spread {
        values.sort_unstable();
        Spread(values)
    }

    /// The value that so many did not exceed, of 1; 0 of none.
    pub(super) fn at(&self, quantile: f64) -> i64 {
        let index = (self.0.len() as f64 * quantile).ceil() as usize;
        self.0.get(index.saturating_sub(1)).copied().unwrap_or(0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn json(&self) -> Value {
        json!({ "count": self.len(), "p50": self.at(0.5), "p99": self.at(0.99), "max": self.at(1.0) })
    }
}

/// One thing that was done to a cluster, and what came of it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) scenario: &'static str,
    pub(super) what: String,
    /// A worker was killed or frozen: the group learns of it when the session is over.
    pub(super) is_loss: bool,
    /// From when to when, in ms since the epoch.
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    /// Until every task ran again, from when it was done.
    pub(super) recovered_ms: i64,
    /// How long tasks ran nowhere, in ms.
    pub(super) idle_ms: Spread,
    /// Started again where they were, though nothing was changed of them: which, where and when.
    pub(super) restarted: Vec<String>,
    pub(super) failed: usize,
    pub(super) rebalance: Option<Rebalance>,
    pub(super) duplicates: usize,
}

pub(super) const HEADER: &str = "scenario  what                          idle tasks   p50 ms   p99 ms   max ms  all run after  restarted  failed  rebalance ms  rounds  duplicates";

impl Step {
    pub(super) fn line(&self) -> String {
        format!(
            "{:<9} {:<29} {:>10} {:>8} {:>8} {:>8} {:>14} {:>10} {:>7} {:>13} {:>7} {:>11}",
            self.scenario,
            self.what,
            self.idle_ms.len(),
            self.idle_ms.at(0.5),
            self.idle_ms.at(0.99),
            self.idle_ms.at(1.0),
            self.recovered_ms,
            self.restarted.len(),
            self.failed,
            self.rebalance.map_or(0, |rebalance| rebalance.took_ms),
            self.rebalance.map_or(0, |rebalance| rebalance.rounds),
            self.duplicates,
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "what": self.what,
            "is_loss": self.is_loss,
            "idle_ms": self.idle_ms.json(),
            "all_run_after_ms": self.recovered_ms,
            "restarted_in_place": self.restarted.len(),
            "failed": self.failed,
            "rebalance_ms": self.rebalance.map(|rebalance| rebalance.took_ms),
            "rounds": self.rebalance.map(|rebalance| rebalance.rounds),
            "duplicates": self.duplicates,
        })
    }
}

/// The longest time until every task ran again after a worker was lost; none where none was.
pub(super) fn recovered_ms_max(steps: &[Step]) -> Option<i64> {
    steps.iter().filter(|step| step.is_loss).map(|step| step.recovered_ms).max()
}

impl Outcome {
    pub(super) fn line(&self) -> String {
        format!(
            "{} records: {} lost, {} twice, {} not committed after a clean stop; {} lines of sinks: {} missing, {} twice",
            self.records,
            self.lost,
            self.duplicates.len(),
            self.uncommitted,
            self.lines,
            self.lines_missing,
            self.lines_twice
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "records": self.records,
            "lost": self.lost,
            "duplicates": self.duplicates.len(),
            "uncommitted": self.uncommitted,
            "sink_lines": self.lines,
            "sink_lines_missing": self.lines_missing,
            "sink_lines_twice": self.lines_twice,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let spread = Spread::of((1..=100).rev().collect());
        assert_eq!((spread.at(0.5), spread.at(0.99), spread.at(1.0)), (50, 99, 100));
        assert_eq!(Spread::default().at(0.99), 0);
    }
}
