//! Many worlds, each in a process of its own, and what they come to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::Options;
use crate::log::say;
use crate::world::Report;

/// Prints what came of a world: lines that [`run`] adds up.
pub(crate) fn show(seed: u64, report: &Report, digest: u64) {
    for violation in &report.violations {
        say(&format!("violation: seed {seed}: {violation}"));
    }
    for failed in &report.failed_tasks {
        say(&format!("failed: seed {seed}: {failed}"));
    }
    let mut counts: Vec<(String, u64)> = Vec::new();
    counts.extend(report.faults.iter().map(|(what, count)| (format!("fault: {what}"), *count)));
    counts.extend(report.requests.iter().map(|(what, count)| (format!("request: {what}"), *count)));
    counts.push(("seconds".to_owned(), report.simulated.as_secs()));
    counts.push(("records".to_owned(), report.records));
    counts.push(("records twice".to_owned(), report.twice));
    counts.push(("records after a newer instance's".to_owned(), report.late));
    counts.push(("offset commits of less than before".to_owned(), report.steps_back));
    counts.push(("task instances".to_owned(), report.instances));
    counts.push(("tasks failed and restarted".to_owned(), report.failed_tasks.len() as u64));
    for (what, count) in counts {
        say(&format!("count: {count} {what}"));
    }
    say(&format!("longest until all ran again: {} ms", report.healed_within.as_millis()));
    say(&format!("seed {seed}: {} violations, log {digest:016x}", report.violations.len()));
}

/// Simulates worlds until they have lived for so many hours together.
pub(crate) fn run(hours: u64, options: &Options) -> ExitCode {
    let worlds = (hours * 60).div_ceil(options.minutes.max(1));
    let jobs = options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let mut total = Total::default();
    let mut seeds = options.first_seed..options.first_seed + worlds;
    let mut running: Vec<(u64, Child)> = Vec::new();
    loop {
        while running.len() < jobs
            && let Some(seed) = seeds.next()
        {
            match begin(seed, options) {
                Ok(child) => running.push((seed, child)),
                Err(error) => {
                    say(&format!("failed to start the world of seed {seed}: {error}"));
                    return ExitCode::FAILURE;
                }
            }
        }
        if running.is_empty() {
            break;
        }
        let (seed, child) = running.remove(0);
        total.take_in(seed, child);
        // A long run should show that it goes on.
        if total.worlds.is_multiple_of(worlds.div_ceil(10)) && total.worlds < worlds {
            let bad = total.bad_seeds.len();
            say(&format!(
                "{} of {worlds} worlds after {} s, {bad} bad",
                total.worlds,
                began.elapsed().as_secs()
            ));
        }
    }
    total.show(began.elapsed());
    if total.bad_seeds.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn begin(seed: u64, options: &Options) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--quiet", "--seed", &seed.to_string(), "--minutes", &options.minutes.to_string()]);
    if options.exactly_once {
        command.arg("--exactly-once");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

#[derive(Default)]
struct Total {
    worlds: u64,
    counts: BTreeMap<String, u64>,
    healed_within: Duration,
    bad_seeds: Vec<u64>,
}

impl Total {
    fn take_in(&mut self, seed: u64, mut child: Child) {
        self.worlds += 1;
        let output = child.stdout.take().map(BufReader::new);
        for line in output.into_iter().flat_map(|output| output.lines().map_while(Result::ok)) {
            if let Some((count, what)) = line.strip_prefix("count: ").and_then(|count| count.split_once(' '))
            {
                *self.counts.entry(what.to_owned()).or_default() += count.parse::<u64>().unwrap_or(0);
            } else if let Some(ms) = line.strip_prefix("longest until all ran again: ") {
                let ms = ms.trim_end_matches(" ms").parse().unwrap_or(0);
                self.healed_within = self.healed_within.max(Duration::from_millis(ms));
            } else if line.starts_with("violation: ") || line.starts_with("failed: ") {
                say(&line);
            }
        }
        if !child.wait().is_ok_and(|status| status.success()) {
            say(&format!("seed {seed} is bad: sim --seed {seed} shows its log"));
            self.bad_seeds.push(seed);
        }
    }

    fn show(&self, took: Duration) {
        for (what, count) in &self.counts {
            say(&format!("{count:>10} {what}"));
        }
        let seconds = self.counts.get("seconds").copied().unwrap_or(0);
        say(&format!("longest until all ran again: {} ms", self.healed_within.as_millis()));
        say(&format!(
            "{} worlds, {:.1} simulated hours in {:.0} s, {} bad seeds {:?}",
            self.worlds,
            seconds as f64 / 3_600.0,
            took.as_secs_f64(),
            self.bad_seeds.len(),
            self.bad_seeds
        ));
    }
}
