//! One program of a step: its lines shown without the noise, its tests counted, its time bounded.

use std::io::{BufRead, BufReader};
use std::iter::Sum;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::report::Outcome;
use crate::output::say;
use crate::process;

/// How often a silent program is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long the output of a program that has ended may stay open.
const LEFT_OPEN_MAX: Duration = Duration::from_secs(2);

/// Tests that ran, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, tally| Self {
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
        })
    }
}

/// Runs `command`, counting libtest's results on its standard output. What still runs after `deadline` is ended with all
/// that it started, so that a test which waits for ever says so instead of using up CI's time.
///
/// # Errors
/// It could not be started.
pub(super) fn run(command: &mut Command, deadline: Duration) -> Result<Outcome> {
    run_into(command, deadline, |line| say(line))
}

fn run_into(command: &mut Command, deadline: Duration, mut show: impl FnMut(&str)) -> Result<Outcome> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let lines = lines_of(child.stdout.take().context("standard output is piped")?);

    let mut tally = Tally::default();
    let mut is_late = false;
    let mut ended: Option<Instant> = None;
    loop {
        match lines.recv_timeout(LOOK_INTERVAL) {
            Ok(line) => {
                if let Some(result) = libtest_result(&line) {
                    tally = [tally, result].into_iter().sum();
                }
                if !is_noise(&line) {
                    show(&line);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                if ended.is_none()
                    && child.try_wait().with_context(|| format!("look after {program}"))?.is_some()
                {
                    ended = Some(Instant::now());
                }
                if ended.is_some_and(|ended| ended.elapsed() > LEFT_OPEN_MAX) {
                    show("warning: a process that a test left behind holds the output open");
                    break;
                }
            }
        }
        if !is_late && ended.is_none() && start.elapsed() > deadline {
            is_late = true;
            show(&format!("error: not done after {} s, ended", deadline.as_secs()));
            process::kill_tree(child.id());
        }
    }
    let status = child.wait().with_context(|| format!("wait for {program}"))?;
    Ok(if status.success() && !is_late { Outcome::Passed(tally) } else { Outcome::Failed(tally) })
}

/// What is read, line by line, until the last holder of the other end is gone. That may be a process which outlives the one
/// we started, so the reading has a thread of its own and nobody waits for it.
fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for bytes in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&bytes).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

/// The counts of `test result: ok. 3 passed; 0 failed; 0 ignored; ...`.
fn libtest_result(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?;
    let count = |word: &str| -> Option<usize> {
        let (before, _) = counts.split_once(word)?;
        before.split_whitespace().next_back()?.parse().ok()
    };
    Some(Tally { passed: count(" passed;")?, failed: count(" failed;")? })
}

/// A thousand lines of `ok` hide the one that matters; the counts stay.
fn is_noise(line: &str) -> bool {
    let is_ok =
        line.starts_with("test ") && (line.ends_with(" ... ok") || line.ends_with(" - should panic ... ok"));
    let is_empty_run = line.starts_with("test result: ok. 0 passed; 0 failed;");
    let is_bench = line == "Success";
    is_ok || is_empty_run || is_bench || line.starts_with("running ") || line.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str =
        "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";

    #[test]
    fn reads_libtest_counts() {
        assert_eq!(libtest_result(RESULT), Some(Tally { passed: 12, failed: 3 }));
        assert_eq!(libtest_result("test result: ok. many passed; 0 failed;"), None);
        assert_eq!(libtest_result("test results_are_counted ... ok"), None);
    }

    #[test]
    fn shows_failures_and_hides_successes() {
        assert!(is_noise("test wire::reads ... ok"));
        assert!(!is_noise("test wire::reads ... FAILED"));
        assert!(!is_noise("test wire::reads has been running for over 60 seconds"));
        assert!(!is_noise(RESULT));
    }

    fn shell(script: &str, deadline: Duration) -> Outcome {
        // Nothing is shown: whoever counts the results of this test run would count these too.
        run_into(Command::new("sh").args(["-c", script]), deadline, |_line| ()).unwrap()
    }

    #[test]
    fn sums_all_binaries_of_a_run() {
        let script = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; echo 'test result: ok. 3 passed; 0 failed;'";
        assert_eq!(shell(script, Duration::from_secs(60)), Outcome::Passed(Tally { passed: 5, failed: 0 }));
    }

    #[test]
    fn a_failed_program_is_a_failed_step() {
        assert_eq!(shell("exit 1", Duration::from_secs(60)), Outcome::Failed(Tally::default()));
    }

    #[test]
    fn what_never_ends_is_ended() {
        let outcome = shell("sh -c 'exec tail -f /dev/null'; exit 0", Duration::from_millis(200));
        assert_eq!(outcome, Outcome::Failed(Tally::default()));
    }

    #[test]
    fn what_a_test_leaves_behind_does_not_hold_us_up() {
        // It ends by itself, long after we have gone on.
        let outcome = shell("timeout 10 tail -f /dev/null & exit 0", Duration::from_secs(60));
        assert_eq!(outcome, Outcome::Passed(Tally::default()));
    }
}
