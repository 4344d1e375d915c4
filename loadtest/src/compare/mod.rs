//! Aqueduct and Java's Connect worker side by side: the same connector, the same records, what each worker process spends.
//!
//! Method, for each case of the table in `cases`:
//!
//! - Three workers start, each alone on an idle core: Java's (2 GB of heap, G1, the settings of `cases::TUNING`), ours with the same
//!   settings, and ours once more. Time until REST serves and resident memory without connectors are taken.
//! - First each of them does the work for nothing: ours once, Java's until two rounds in a row were not a tenth cheaper than the cheapest
//!   before, because the JVM compiles what it runs often and takes up to ten rounds for it. Processes stay for all rounds of a case, and a case
//!   has processes of its own, so that no other case's profile is in the compiled code.
//! - Then they take turns, in another order each round: a connector is created by REST, with the same JSON, and reads all records from the
//!   beginning. CPU is what the kernel accounts to the process, user and system, from before the request until the broker knows the last
//!   record (sources) or its offset is committed (sinks, every 200 ms). So it has the creation of connector and task, the group's join and the
//!   last commit in it, for all sides alike.
//! - The kernel's time is to the nanosecond. Before each round free memory is touched (`memory`): pages that a virtual machine has given back
//!   to its host come back at a price that has nothing to do with who touches them first.
//! - After each round it is checked that every record has arrived once and whole: by a sum of hashes that knows no order over the file's lines or
//!   the topic's values, and for a sink that drops everything by its own count.
//! - Reported are medians. `again` beside `ours` shows how far two figures of one program lie apart on this machine.
//!
//! Java has no sink that drops everything and no cheap generator: `loadtest/java` has both, as cheap as Java can have them, under the class
//! names of ours.

mod arms;
mod cases;
mod input;
pub(crate) mod latency;
pub(crate) mod machine;
pub(crate) mod memory;
mod plot;
mod records;
mod report;
mod round;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;
use xtask::kafka::Libs;

use self::arms::{Arm, Side};
use self::cases::{Case, TUNING};
use self::input::Input;
use self::records::Sum;
use self::report::Reports;
use self::round::Spent;
use crate::cluster::Kafka;
use crate::output::{Progress, print};

/// Rounds for which the JVM may compile.
const WARM_UP_ROUNDS_MAX: usize = 10;
/// A round is no cheaper than those before it where it costs this much of the cheapest of them.
const NO_CHEAPER: f64 = 0.9;
/// The JVM is warm after so many such rounds in a row.
const NO_CHEAPER_ROUNDS: usize = 2;

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Cases, by name, or by the beginning of several; all without any
    cases: Vec<String>,
    /// Kafka to use, `host:port`
    #[arg(long, env = "AQUEDUCT_KAFKA", required_unless_present = "report")]
    bootstrap: Option<String>,
    /// The program `aqueduct`
    #[arg(long, env = "AQUEDUCT_BIN", default_value = "target/release/aqueduct")]
    binary: PathBuf,
    /// Rounds that count, after those in which a worker warms up
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Records of each case, in percent of what its line in the table says
    #[arg(long, default_value_t = 100)]
    percent: i64,
    /// Where results are kept: a case that is measured again replaces its former figures
    #[arg(long, default_value = "loadtest/results")]
    results: PathBuf,
    /// Measure nothing: table and picture of what is kept
    #[arg(long)]
    report: bool,
}

/// Measures the cases and reports them beside those that were measured before.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut reports = Reports::load(&options.results)?;
    let failed = if options.report { Vec::new() } else { measure(&options, &mut reports).await? };
    for line in reports.table() {
        print(&line);
    }
    for path in reports.publish()? {
        print(&format!("written: {}", path.display()));
    }
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Gives the cases that failed.
async fn measure(options: &Options, reports: &mut Reports) -> Result<Vec<&'static str>> {
    let chosen = cases::chosen(&options.cases)?;
    let libs = Libs::fetch()?;
    let plugins = xtask::java::compile(&xtask::paths::root().join("loadtest/java"), &libs.runtime())?;
    let kafka = Kafka::connect(options.bootstrap.as_deref().context("--bootstrap is missing")?)?;
    let turns = Side::ALL.len() * options.rounds;
    let progress = Progress::new(chosen.len() * turns);
    let mut failed = Vec::new();
    for case in chosen {
        let case = Case { records: case.records * options.percent / 100, ..*case };
        progress.doing(case.name);
        match measure_case(options, &kafka, &libs, plugins.path(), &case, &progress).await {
            Ok(report) => reports.add(report)?,
            // Half an hour of other cases should not be lost with it.
            Err(error) => {
                progress.print(&format!("case {} failed: {error:#}", case.name));
                failed.push(case.name);
            }
        }
    }
    Ok(failed)
}

async fn measure_case(
    options: &Options,
    kafka: &Kafka,
    libs: &Libs,
    plugins: &std::path::Path,
    case: &Case,
    progress: &Progress,
) -> Result<Value> {
    progress.print(&format!("{}: {}, {} records", case.name, case.title(), case.records));
    let machine = machine::facts(&options.binary);
    let input = Input::fill(kafka, case).await.context("make the records")?;
    let mut expected = input.expected;
    let mut arms = Vec::new();
    for side in Side::ALL {
        arms.push(Arm::start(side, &options.binary, &kafka.bootstrap, libs, plugins, TUNING).await?);
    }
    let mut measured = Measured { kafka, case, input: &input, expected: &mut expected, progress };
    for arm in &mut arms {
        measured.warm_up(arm).await?;
    }
    let mut spent = vec![Vec::new(); arms.len()];
    for round in 0..options.rounds {
        for turn in 0..arms.len() {
            let index = (turn + round) % arms.len();
            spent[index].push(measured.round(&mut arms[index], "").await?);
            progress.step();
        }
    }
    let mut sides = Vec::new();
    for (arm, rounds) in arms.iter().zip(&spent) {
        sides.push((arm.side.name(), report::side(arm, case, rounds)?));
    }
    drop(arms);
    if !input.topic.is_empty() {
        kafka.delete_topic(&input.topic).await?;
    }
    Ok(report::case(case, machine, sides))
}

/// What all rounds of a case share.
struct Measured<'a> {
    kafka: &'a Kafka,
    case: &'a Case,
    input: &'a Input,
    expected: &'a mut Option<Sum>,
    progress: &'a Progress,
}

impl Measured<'_> {
    /// Rounds that do not count.
    async fn warm_up(&mut self, arm: &mut Arm) -> Result<()> {
        let rounds_max = if arm.side == Side::Java { WARM_UP_ROUNDS_MAX } else { 1 };
        let (mut least, mut no_cheaper) = (Duration::MAX, 0);
        for _ in 0..rounds_max {
            let cpu = self.round(arm, "  (warming up)").await?.cpu;
            no_cheaper = if cpu < least.mul_f64(NO_CHEAPER) { 0 } else { no_cheaper + 1 };
            if no_cheaper == NO_CHEAPER_ROUNDS {
                break;
            }
            least = least.min(cpu);
        }
        Ok(())
    }

    async fn round(&mut self, arm: &mut Arm, note: &str) -> Result<Spent> {
        let spent = round::run(self.kafka, self.case, self.input, arm, self.expected).await?;
        self.progress.print(&format!(
            "  {:5} {:8.1} ns/record  {:6.2} s{note}",
            arm.side.name(),
            spent.cpu.as_nanos() as f64 / self.case.records as f64,
            spent.took.as_secs_f64(),
        ));
        Ok(spent)
    }
}
