//! What was seen of a connector under load, second by second, and what it comes to.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::endpoint::{Kind, Status};
use super::kafka::Offsets;
use super::offer::Offered;

/// One look.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Since the load began: for a source, since it was created.
    pub(super) at: Duration,
    /// Records that were sent to a sink so far.
    pub(super) offered: u64,
    pub(super) offsets: Offsets,
    pub(super) status: Status,
}

/// All looks.
#[derive(Debug)]
pub(super) struct Watch {
    kind: Kind,
    connector: String,
    first: Offsets,
    last: Option<Sample>,
    /// Records per second between two looks.
    rates: Vec<f64>,
    /// Records per second that were sent to a sink between the last two looks.
    offered_rate: f64,
    lag_max: i64,
    /// By task: on which worker it ran last.
    ran_on: BTreeMap<u64, String>,
    moves: u64,
    interruptions: u64,
    failures: Vec<String>,
    offered: Option<Offered>,
    is_interrupted: bool,
}

impl Watch {
    pub(super) fn new(kind: Kind, connector: &str, first: Offsets) -> Watch {
        Watch {
            kind,
            connector: connector.to_owned(),
            first,
            last: None,
            rates: Vec::new(),
            offered_rate: 0.0,
            lag_max: 0,
            ran_on: BTreeMap::new(),
            moves: 0,
            interruptions: 0,
            failures: Vec::new(),
            offered: None,
            is_interrupted: false,
        }
    }

    /// Takes in what was seen now.
    pub(super) fn add(&mut self, sample: Sample) {
        let before = self.last.as_ref();
        let (at, delivered, offered) = before
            .map_or((Duration::ZERO, self.progress(&self.first), 0), |before| {
                (before.at, self.progress(&before.offsets), before.offered)
            });
        let seconds = (sample.at - at).as_secs_f64();
        if seconds > 0.0 {
            self.rates.push((self.progress(&sample.offsets) - delivered) as f64 / seconds);
            self.offered_rate = sample.offered.saturating_sub(offered) as f64 / seconds;
        }
        self.lag_max = self.lag_max.max(sample.offsets.lag());
        self.follow(&sample.status);
        self.last = Some(sample);
    }

    fn follow(&mut self, status: &Status) {
        let before = self.last.as_ref().map(|last| last.status.tasks.as_slice()).unwrap_or_default();
        for task in &status.tasks {
            let runs = task.is_running();
            let ran = before.iter().any(|before| before.id == task.id && before.is_running());
            if ran && !runs {
                self.interruptions += 1;
                if task.has_failed() {
                    let trace = task.trace.as_deref().unwrap_or("without a trace");
                    self.failures.push(format!("task {} failed on {}: {trace}", task.id, task.worker));
                }
            }
            if runs {
                let former = self.ran_on.insert(task.id, task.worker.clone());
                self.moves += u64::from(former.is_some_and(|former| former != task.worker));
            }
        }
    }

    /// What was sent in the end.
    pub(super) fn offered(&mut self, offered: Offered) {
        self.offered = Some(offered);
    }

    /// The user has ended it early.
    pub(super) fn interrupted(&mut self) {
        self.is_interrupted = true;
    }

    /// Records that are through, from wherever they count.
    fn progress(&self, offsets: &Offsets) -> i64 {
        match self.kind {
            Kind::Source => offsets.written(),
            Kind::Sink => offsets.delivered(),
        }
    }

    pub(super) fn lag(&self) -> i64 {
        self.last.as_ref().map_or(0, |last| last.offsets.lag())
    }

    /// Records through since the load began.
    pub(super) fn delivered(&self) -> i64 {
        self.last.as_ref().map_or(0, |last| self.progress(&last.offsets) - self.progress(&self.first))
    }

    pub(super) fn at(&self) -> Duration {
        self.last.as_ref().map_or(Duration::ZERO, |last| last.at)
    }

    /// Of the last second: records that went in (a sink's), and records through.
    pub(super) fn rates_now(&self) -> (f64, f64) {
        (self.offered_rate, self.rates.last().copied().unwrap_or(0.0))
    }

    pub(super) fn offered_count(&self) -> u64 {
        let running = self.last.as_ref().map_or(0, |last| last.offered);
        self.offered.as_ref().map_or(running, |offered| offered.records)
    }

    /// Tasks that run, tasks that there are, interruptions and moves.
    pub(super) fn tasks(&self) -> (usize, usize, u64, u64) {
        let tasks = self.last.as_ref().map(|last| last.status.tasks.as_slice()).unwrap_or_default();
        (tasks.iter().filter(|task| task.is_running()).count(), tasks.len(), self.interruptions, self.moves)
    }

    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

    fn rate(&self, quantile: f64) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        let index = (rates.len() as f64 * quantile) as usize;
        rates.get(index.min(rates.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    fn mean_rate(&self) -> f64 {
        let seconds = self.at().as_secs_f64();
        if seconds > 0.0 { self.delivered() as f64 / seconds } else { 0.0 }
    }

    /// The figures for a reader.
    pub(super) fn report(&self, cluster: &str) -> Vec<String> {
        let (running, tasks, interruptions, moves) = self.tasks();
        let kind = if self.kind == Kind::Sink { "sink" } else { "source" };
        let mut lines = vec![format!(
            "{kind} {} at {cluster}: {:.0} s, {tasks} tasks, {running} of them run",
            self.connector,
            self.at().as_secs_f64()
        )];
        if let Some(offered) = &self.offered {
            let rate = offered.records as f64 / offered.took.as_secs_f64().max(1e-3);
            let mut line = format!("  offered    {:>12} records, {rate:.0}/s", offered.records);
            if !offered.lateness.is_empty() {
                let late = |quantile| offered.lateness.value_at_quantile(quantile) as f64 / 1e3;
                let (p50, p99, max) = (late(0.5), late(0.99), late(1.0));
                line += &format!("; sent late by p50 {p50:.1} ms, p99 {p99:.1} ms, at most {max:.1} ms");
            }
            lines.push(line);
        }
        lines.push(format!(
            "  delivered  {:>12} records, {:.0}/s; in a second p10 {:.0}, p50 {:.0}, p90 {:.0}",
            self.delivered(),
            self.mean_rate(),
            self.rate(0.1),
            self.rate(0.5),
            self.rate(0.9)
        ));
        if self.kind == Kind::Sink {
            lines.push(format!(
                "  lag        {:>12} records at the end, at most {} (behind committed offsets)",
                self.lag(),
                self.lag_max
            ));
        }
        lines.push(format!(
            "  tasks      {interruptions:>12} interruptions seen, {moves} moves to another worker"
        ));
        lines.extend(self.failures.iter().map(|failure| format!("  {failure}")));
        lines
    }

    pub(super) fn json(&self) -> Value {
        let (running, tasks, interruptions, moves) = self.tasks();
        json!({
            "connector": self.connector,
            "kind": if self.kind == Kind::Sink { "sink" } else { "source" },
            "seconds": self.at().as_secs_f64(),
            "offered": self.offered.as_ref().map(|offered| offered.records),
            "sent_late_ms_p99": self.offered.as_ref().map(|offered| offered.lateness.value_at_quantile(0.99) as f64 / 1e3),
            "delivered": self.delivered(),
            "records_per_second": {"mean": self.mean_rate(), "p10": self.rate(0.1), "p50": self.rate(0.5), "p90": self.rate(0.9)},
            "lag": self.lag(), "lag_max": self.lag_max,
            "tasks": tasks, "running": running, "interruptions": interruptions, "moves": moves,
            "failures": self.failures,
        })
    }

    /// # Errors
    /// A task failed, or a sink has not delivered all and was given the time for it.
    pub(super) fn verdict(&self) -> Result<()> {
        ensure!(self.failures.is_empty(), "{} tasks of {} failed", self.failures.len(), self.connector);
        ensure!(
            self.kind == Kind::Source || self.is_interrupted || self.lag() == 0,
            "{} records were not delivered in time: a longer --drain-seconds, or a shorter `offset.flush.interval.ms` of the worker",
            self.lag()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: u64, written: i64, committed: i64, states: &[(&str, &str)]) -> Sample {
        let at = ("t".to_owned(), 0);
        let tasks: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(id, (state, worker))| json!({"id": id, "state": state, "worker_id": worker, "trace": "why\nat"}))
            .collect();
        let status = json!({"connector": {"state": "RUNNING"}, "tasks": tasks});
        let mut offsets = Offsets::default();
        offsets.ends.insert(at.clone(), (0, written));
        offsets.committed.insert(at, committed);
        Sample {
            at: Duration::from_secs(second),
            offered: written as u64,
            offsets,
            status: Status::parse(&status),
        }
    }

    #[test]
    fn a_sink_is_measured_by_what_its_group_commits() {
        let mut watch = Watch::new(Kind::Sink, "c", sample(0, 100, 100, &[]).offsets);
        watch.add(sample(1, 300, 100, &[("RUNNING", "a"), ("RUNNING", "b")]));
        watch.add(sample(3, 500, 400, &[("UNASSIGNED", "a"), ("RUNNING", "b")]));
        assert_eq!((watch.delivered(), watch.lag(), watch.lag_max), (300, 100, 200));
        assert_eq!(watch.rates_now(), (100.0, 150.0));
        watch.add(sample(4, 500, 500, &[("RUNNING", "b"), ("FAILED", "b")]));
        assert_eq!(watch.tasks(), (1, 2, 2, 1), "one was interrupted and moved, the other failed");
        assert_eq!(watch.failures(), ["task 1 failed on b: why"]);
        assert_eq!(watch.verdict().unwrap_err().to_string(), "1 tasks of c failed");
    }

    #[test]
    fn what_is_left_of_a_sink_is_a_failure_and_a_source_has_nothing_left() {
        let running = [("RUNNING", "a")];
        let mut sink = Watch::new(Kind::Sink, "c", Offsets::default());
        sink.add(sample(1, 10, 4, &running));
        assert!(sink.verdict().unwrap_err().to_string().starts_with("6 records were not delivered in time"));
        let mut source = Watch::new(Kind::Source, "c", Offsets::default());
        source.add(sample(2, 10, 0, &running));
        assert_eq!((source.delivered(), source.mean_rate()), (10, 5.0));
        source.verdict().unwrap();
    }
}
