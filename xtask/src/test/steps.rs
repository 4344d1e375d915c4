//! The steps: what each one runs, with which environment, for how long at most.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::report::Outcome;
use super::runner::{self, Tally};
use crate::kafka::{BOOTSTRAP_VARIABLE, Broker, LIBS_VARIABLE, Libs};
use crate::output::say;
use crate::{bench, cargo, fuzz, paths, process, tidy, tools};

/// The worker that tests start as a process of its own.
const BIN_VARIABLE: &str = "AQUEDUCT_BIN";
/// The `kcat` program, where there is one.
const KCAT_VARIABLE: &str = "AQUEDUCT_KCAT";
/// The Python that can import `confluent_kafka` and `kafka`.
const PYTHON_VARIABLE: &str = "AQUEDUCT_PYTHON";

/// The packages whose integration tests run a second time, on real Kafka or (the embedded broker's) with Kafka's own tools.
const ON_REAL_KAFKA: &[&str] = &["xtask", "protocol", "broker", "engine", "worker"];

/// No compile takes this long on two cores; a test that waits for ever is ended well within CI's 90 minutes.
const BUILD_DEADLINE: Duration = Duration::from_secs(20 * 60);
const TESTS_DEADLINE: Duration = Duration::from_secs(25 * 60);
const CLUSTERS_DEADLINE: Duration = Duration::from_secs(10 * 60);
const QUICKSTART_DEADLINE: Duration = Duration::from_secs(2 * 60);

/// Loom explores every interleaving with at most this many preemptions; a bug that needs more is rare, the time is not.
const LOOM_PREEMPTIONS_MAX: &str = "3";

/// How long each fuzz target searches: enough to run all that is committed and to find what is easy to find.
const FUZZ_SECONDS: u32 = 10;

/// One thing that must hold.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    /// Part of `--fast`.
    pub(super) is_fast: bool,
    /// Runs tests that a name filter can select.
    pub(super) takes_filter: bool,
    pub(super) run: fn(&Session) -> Result<Outcome>,
}

/// Cheap checks first; what needs a JVM last.
pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", is_fast: true, takes_filter: false, run: fmt },
    Step { name: "tidy", is_fast: true, takes_filter: false, run: own_checks },
    Step { name: "clippy", is_fast: true, takes_filter: false, run: clippy },
    Step { name: "doc", is_fast: false, takes_filter: false, run: doc },
    Step { name: "deny", is_fast: false, takes_filter: false, run: deny },
    Step { name: "tools", is_fast: false, takes_filter: false, run: install_tools },
    Step { name: "tests", is_fast: true, takes_filter: true, run: tests },
    Step { name: "example", is_fast: false, takes_filter: false, run: example },
    Step { name: "benches", is_fast: false, takes_filter: false, run: benches },
    Step { name: "planted", is_fast: false, takes_filter: true, run: planted },
    Step { name: "loom", is_fast: false, takes_filter: true, run: loom },
    Step { name: "fuzz", is_fast: false, takes_filter: false, run: fuzz_targets },
    Step { name: "worker", is_fast: false, takes_filter: true, run: worker },
    Step { name: "cost", is_fast: false, takes_filter: false, run: cost },
    Step { name: "kafka", is_fast: false, takes_filter: true, run: kafka },
    Step { name: "clusters", is_fast: false, takes_filter: false, run: clusters },
    Step { name: "quickstart", is_fast: false, takes_filter: false, run: quickstart },
];

/// What the steps share.
#[derive(Debug)]
pub(super) struct Session {
    filter: Option<String>,
}

impl Session {
    pub(super) fn new(filter: Option<String>) -> Self {
        Self { filter }
    }

    /// `cargo test` on what `packages` says, with no trace of a real broker that the caller's shell may know.
    fn cargo_test(&self) -> Command {
        let mut command = cargo::command("test");
        command.arg("--no-fail-fast").env_remove(BOOTSTRAP_VARIABLE).env_remove(LIBS_VARIABLE);
        command
    }

    fn run_tests(&self, mut command: Command) -> Result<Outcome> {
        command.args(&self.filter);
        runner::run(&mut command, TESTS_DEADLINE)
    }
}

fn fmt(_: &Session) -> Result<Outcome> {
    runner::run(cargo::command("fmt").args(["--all", "--check"]), BUILD_DEADLINE)
}

fn own_checks(_: &Session) -> Result<Outcome> {
    let findings = tidy::check(paths::root(), &cargo::packages()?)?;
    findings.iter().for_each(say);
    Ok(if findings.is_empty() { passed() } else { failed() })
}

fn clippy(_: &Session) -> Result<Outcome> {
    let mut command = cargo::command("clippy");
    command.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    runner::run(&mut command, BUILD_DEADLINE)
}

fn doc(_: &Session) -> Result<Outcome> {
    let mut command = cargo::command("doc");
    command.args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    runner::run(&mut command, BUILD_DEADLINE)
}

/// Licences, bans and sources are decided by files of this repository. Advisories come from a database that changes by the
/// day and lives where a build machine may have no way to: they are checked wherever it can be fetched, and where it cannot,
/// that is said and is no failure, or the same commit would pass here and fail there.
fn deny(_: &Session) -> Result<Outcome> {
    tools::cargo_deny()?;
    let check = |what: &[&str]| {
        let mut command = cargo::command("deny");
        runner::run(command.args(["--log-level", "error", "check"]).args(what), BUILD_DEADLINE)
    };
    let outcome = check(&["bans", "licenses", "sources"])?;
    if process::run_quiet(cargo::command("deny").args(["fetch", "db"])).is_err() {
        say("advisories not checked: their database cannot be fetched from this machine");
        return Ok(outcome);
    }
    let advisories = check(&["--disable-fetch", "advisories"])?;
    Ok(if outcome == passed() { advisories } else { outcome })
}

/// The other people's clients and the real broker that the later steps use, in one place, so that what is missing is said
/// once. The tests themselves only look whether a tool is there.
fn install_tools(_: &Session) -> Result<Outcome> {
    let looked_for = [
        ("kcat", tools::kcat().map(drop)),
        ("confluent-kafka and kafka-python", tools::python_clients().map(drop)),
        ("Java", tools::java().map(drop)),
        ("Apache Kafka", Libs::fetch().map(drop)),
    ];
    let mut missing = Vec::new();
    for (tool, found) in looked_for {
        if let Err(error) = found {
            say(format_args!("no {tool}: {}", one_line(error)));
            missing.push(tool);
        }
    }
    Ok(if missing.is_empty() {
        passed()
    } else {
        Outcome::Skipped(format!("missing: {}", missing.join(", ")))
    })
}

/// Unit tests, property tests and integration tests on the embedded broker, with the worker of the same build.
fn tests(session: &Session) -> Result<Outcome> {
    let mut command = session.cargo_test();
    command.arg("--workspace").env(BIN_VARIABLE, cargo::target_dir()?.join("debug/aqueduct"));
    name_other_clients(&mut command);
    session.run_tests(command)
}

/// The worker with plug-ins of its own, which is no member of the workspace: what somebody else's crate sees of ours.
fn example(session: &Session) -> Result<Outcome> {
    let mut command = session.cargo_test();
    let manifest = paths::root().join("examples/custom-worker/Cargo.toml");
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(cargo::target_dir()?);
    runner::run(&mut command, TESTS_DEADLINE)
}

/// Each benchmark once with the smallest input, so that none rots.
fn benches(session: &Session) -> Result<Outcome> {
    let packages = cargo::packages()?;
    let packages: Vec<&str> = names(&packages, |package| !package.bench_targets.is_empty()).collect();
    if packages.is_empty() {
        say("no benchmarks");
        return Ok(passed());
    }
    let mut command = session.cargo_test();
    command.args(["--bench", "*"]).args(packages.iter().flat_map(|package| ["--package", package]));
    runner::run(&mut command, TESTS_DEADLINE)
}

/// Bugs that are there on purpose are found by the simulator: they take a build of their own, optimised, since it takes some worlds.
fn planted(session: &Session) -> Result<Outcome> {
    let mut command = session.cargo_test();
    command.args([
        "--package",
        "sim",
        "--features",
        "planted-bugs",
        "--test",
        "planted",
        "--profile",
        "fast",
    ]);
    session.run_tests(command)
}

/// The models need every atomic replaced, hence another cfg and a target folder of their own: in the shared one each change
/// of flags would rebuild everything.
fn loom(session: &Session) -> Result<Outcome> {
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let preemptions =
        env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_unset| LOOM_PREEMPTIONS_MAX.to_owned());
    let mut command = session.cargo_test();
    command
        .args(["--package", "queues", "--lib", "--profile", "fast", "--target-dir"])
        .arg(cargo::target_dir()?.join("loom"))
        .env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start())
        .env("LOOM_MAX_PREEMPTIONS", preemptions);
    session.run_tests(command)
}

/// Each fuzz target for a short time; `cargo xtask fuzz --seconds 600` is the long way.
fn fuzz_targets(_: &Session) -> Result<Outcome> {
    Ok(if fuzz::run_all(FUZZ_SECONDS)? { passed() } else { failed() })
}

/// The optimised worker that the next steps run.
fn worker(_: &Session) -> Result<Outcome> {
    let mut command = cargo::command("build");
    command.args(["--profile", "fast", "--package", "worker", "--bin", "aqueduct"]);
    runner::run(&mut command, BUILD_DEADLINE)
}

/// What a record costs in instructions, held against the committed table.
fn cost(_: &Session) -> Result<Outcome> {
    if let Err(error) = tools::valgrind() {
        return Ok(Outcome::Skipped(one_line(error)));
    }
    Ok(if bench::instructions::run(&[])? { passed() } else { failed() })
}

/// The integration tests once more, on a real broker and beside real Java workers.
fn kafka(session: &Session) -> Result<Outcome> {
    let libs = match tools::java().and_then(|_java| Libs::fetch()) {
        Ok(libs) => libs,
        Err(error) => return Ok(Outcome::Skipped(one_line(error))),
    };
    let packages = cargo::packages()?;
    let is_meant = |package: &cargo::Package| {
        ON_REAL_KAFKA.contains(&package.name.as_str()) && !package.test_targets.is_empty()
    };
    let packages: Vec<&str> = names(&packages, is_meant).collect();
    if packages.is_empty() {
        return Ok(Outcome::Skipped(format!("no integration tests in {}", ON_REAL_KAFKA.join(", "))));
    }
    let broker = Broker::start(&libs)?;
    let mut command = session.cargo_test();
    command
        .args(["--test", "*"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .env(BOOTSTRAP_VARIABLE, broker.bootstrap())
        .env(LIBS_VARIABLE, libs.runtime())
        .env(BIN_VARIABLE, optimised_worker()?);
    name_other_clients(&mut command);
    session.run_tests(command)
}

/// A small cluster of one Java worker and one of ours with exactly-once sources, reconfigured, killed one by one, and rolled both ways: nothing
/// lost, nothing twice, and no task restarted that does not move. `aqueduct-loadtest cluster` alone is the long way.
fn clusters(_: &Session) -> Result<Outcome> {
    if let Err(error) = tools::java().and_then(|_java| Libs::fetch()) {
        return Ok(Outcome::Skipped(one_line(error)));
    }
    let mut command = cargo::command("run");
    command
        .args(["--package", "loadtest", "--", "cluster", "--mix", "ja", "--exactly-once", "--check"])
        .args(["--sources", "6", "--sinks", "2", "--tasks", "3", "--session-timeout-ms", "6000"])
        .args(["--scenarios", "storm,kill,rolling"])
        .env(BIN_VARIABLE, optimised_worker()?);
    runner::run(&mut command, CLUSTERS_DEADLINE)
}

/// The README's first command, in an empty folder.
fn quickstart(_: &Session) -> Result<Outcome> {
    let dir = tempfile::tempdir().context("create an empty folder")?;
    let mut command = Command::new(optimised_worker()?);
    command.args(["quickstart", "--records", "100000"]).current_dir(dir.path());
    runner::run(&mut command, QUICKSTART_DEADLINE)
}

fn optimised_worker() -> Result<PathBuf> {
    Ok(cargo::target_dir()?.join("fast/aqueduct"))
}

/// Tells tests where the clients are that are not ours.
fn name_other_clients(command: &mut Command) {
    if let Ok(kcat) = tools::kcat() {
        command.env(KCAT_VARIABLE, kcat);
    }
    if let Some(python) = tools::python_with_clients() {
        command.env(PYTHON_VARIABLE, python);
    }
}

fn names(
    packages: &[cargo::Package],
    is_meant: impl Fn(&cargo::Package) -> bool,
) -> impl Iterator<Item = &str> {
    packages.iter().filter(move |package| is_meant(package)).map(|package| package.name.as_str())
}

fn one_line(error: anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

fn passed() -> Outcome {
    Outcome::Passed(Tally::default())
}

fn failed() -> Outcome {
    Outcome::Failed(Tally::default())
}
