//! What came of each step: the line when it ends, the table at the end, the exit code.

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::runner::Tally;
use crate::output::say;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is well; so many tests ran.
    Passed(Tally),
    /// Something is wrong; what, was printed where it happened.
    Failed(Tally),
    /// It could not run here, and why. In CI that is a failure: a check that silently stopped running checks nothing.
    Skipped(String),
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    entries: Vec<Entry>,
}

impl Report {
    /// Runs one step and prints its beginning and end.
    pub(super) fn run(
        &mut self,
        number: usize,
        count: usize,
        name: &'static str,
        step: impl FnOnce() -> Result<Outcome>,
    ) {
        say(format_args!("\n[{number}/{count}] {name}"));
        let start = Instant::now();
        let outcome = step().unwrap_or_else(|error| {
            say(format_args!("error: {error:#}"));
            Outcome::Failed(Tally::default())
        });
        let entry = Entry { name, outcome, took: start.elapsed() };
        say(format_args!("[{number}/{count}] {}", entry.line()));
        self.entries.push(entry);
    }

    /// Prints the table and the closing line, and says whether all is well.
    pub(super) fn close(&self) -> ExitCode {
        let total: Duration = self.entries.iter().map(|entry| entry.took).sum();
        say("\nsummary");
        for entry in &self.entries {
            say(format_args!("  {}", entry.line()));
        }
        say(format_args!("  {:<10} {:>7.1} s\n", "total", total.as_secs_f64()));
        say(self.closing_line());
        let is_ci = env::var("CI").is_ok_and(|ci| ci == "true");
        if self.is_success(is_ci) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Alone on its line and in this form it is read by CI as the count of tests.
    fn closing_line(&self) -> String {
        let tally: Tally = self.entries.iter().map(Entry::tally).sum();
        format!("{} passed, {} failed", tally.passed, tally.failed)
    }

    fn is_success(&self, is_ci: bool) -> bool {
        self.entries.iter().all(|entry| match entry.outcome {
            Outcome::Passed(_) => true,
            Outcome::Failed(_) => false,
            Outcome::Skipped(_) => !is_ci,
        })
    }
}

impl Entry {
    fn tally(&self) -> Tally {
        match self.outcome {
            Outcome::Passed(tally) | Outcome::Failed(tally) => tally,
            Outcome::Skipped(_) => Tally::default(),
        }
    }

    fn line(&self) -> String {
        let word = match &self.outcome {
            Outcome::Passed(_) => "ok",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        };
        let mut line = format!("{:<10} {:>7.1} s  {word:<7}", self.name, self.took.as_secs_f64());
        let tally = self.tally();
        if tally != Tally::default() {
            line.push_str(&format!("  {} tests, {} failed", tally.passed + tally.failed, tally.failed));
        }
        if let Outcome::Skipped(reason) = &self.outcome {
            line.push_str(&format!("  {reason}"));
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        let entry = |outcome: &Outcome| Entry {
            name: "step",
            outcome: outcome.clone(),
            took: Duration::from_secs(1),
        };
        Report { entries: outcomes.iter().map(entry).collect() }
    }

    fn tally(passed: usize, failed: usize) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn closing_line_sums_over_steps() {
        let report = report(&[
            Outcome::Passed(tally(3, 0)),
            Outcome::Skipped("no Java".to_owned()),
            Outcome::Failed(tally(4, 1)),
        ]);
        assert_eq!(report.closing_line(), "7 passed, 1 failed");
    }

    #[test]
    fn a_skipped_step_fails_only_in_ci() {
        let report = report(&[Outcome::Skipped("no Java".to_owned())]);
        assert!(report.is_success(false));
        assert!(!report.is_success(true));
    }

    #[test]
    fn a_step_that_cannot_run_is_a_failure() {
        let mut report = Report::default();
        report.run(1, 1, "step", || anyhow::bail!("broken"));
        assert!(!report.is_success(false));
    }
}
