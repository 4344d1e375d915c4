//! `cargo xtask kafka`: a real broker at hand, kept between commands in a small state file of this checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{BOOTSTRAP_VARIABLE, Broker, LIBS_VARIABLE, Libs};
use crate::process::{self, Signal};
use crate::{output, paths};

/// A broker closes its log in well under this; then it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// What to do; without a word, `start`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch the jars into the cache and print their folder
    Fetch,
    /// Start a broker in the background, or find the running one, and print its address
    Start,
    /// Stop the broker that `start` started
    Stop,
    /// Print the running broker's environment as shell exports
    Env,
    /// Run a command with a broker of its own, ended afterwards
    Run {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// Carries out one `cargo xtask kafka` command.
///
/// # Errors
/// Kafka cannot be had, no broker runs where one is needed, or the state file cannot be written.
pub fn run(options: &Options) -> Result<ExitCode> {
    let state = paths::root().join("target/xtask/kafka.json");
    match options.action.as_ref().unwrap_or(&Action::Start) {
        Action::Fetch => output::say(Libs::fetch()?.runtime().display()),
        Action::Start => start(&state)?,
        Action::Stop => stop(&state)?,
        Action::Env => {
            let running =
                Running::load(&state).context("no broker runs: start one by `cargo xtask kafka start`")?;
            output::say(format_args!("export {BOOTSTRAP_VARIABLE}={}", running.bootstrap));
            output::say(format_args!("export {LIBS_VARIABLE}={}", running.libs.display()));
        }
        Action::Run { command } => return run_with_broker(command),
    }
    Ok(ExitCode::SUCCESS)
}

fn start(state: &Path) -> Result<()> {
    if let Some(running) = Running::load(state) {
        output::say(format_args!("{BOOTSTRAP_VARIABLE}={}", running.bootstrap));
        return Ok(());
    }
    let libs = Libs::fetch()?;
    let broker = Broker::start_in_background(&libs)?;
    let bootstrap = broker.bootstrap().to_owned();
    let (pid, dir) = broker.detach();
    let running = Running { pid, dir, bootstrap, libs: libs.runtime() };
    running.save(state)?;
    output::say(format_args!("{BOOTSTRAP_VARIABLE}={}", running.bootstrap));
    Ok(())
}

fn stop(state: &Path) -> Result<()> {
    let Some(running) = Running::load(state) else {
        output::say("no broker runs");
        return Ok(());
    };
    process::signal(Signal::Term, &[running.pid])?;
    let stopped =
        process::wait_for("a clean stop", STOP_DEADLINE, || Ok((!running.is_alive()).then_some(())));
    if stopped.is_err() {
        process::signal(Signal::Kill, &[running.pid])?;
    }
    fs::remove_dir_all(&running.dir).with_context(|| format!("remove {}", running.dir.display()))?;
    fs::remove_file(state).context("remove the state file")
}

fn run_with_broker(command: &[String]) -> Result<ExitCode> {
    let [program, arguments @ ..] = command else { bail!("no command given") };
    let libs = Libs::fetch()?;
    let broker = Broker::start(&libs)?;
    output::say(format_args!("{BOOTSTRAP_VARIABLE}={}", broker.bootstrap()));
    let status = Command::new(program)
        .args(arguments)
        .env(BOOTSTRAP_VARIABLE, broker.bootstrap())
        .env(LIBS_VARIABLE, libs.runtime())
        .status()
        .with_context(|| format!("start {program}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A broker that an earlier `start` left running.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    pid: u32,
    dir: PathBuf,
    bootstrap: String,
    libs: PathBuf,
}

impl Running {
    /// The broker of the state file, if it still runs.
    fn load(state: &Path) -> Option<Self> {
        let value: Value = serde_json::from_str(&fs::read_to_string(state).ok()?).ok()?;
        let text = |field: &str| value[field].as_str().map(str::to_owned);
        let running = Self {
            pid: value["pid"].as_u64()?.try_into().ok()?,
            dir: text("dir")?.into(),
            bootstrap: text("bootstrap")?,
            libs: text("libs")?.into(),
        };
        running.is_alive().then_some(running)
    }

    fn save(&self, state: &Path) -> Result<()> {
        let value = json!({"pid": self.pid, "dir": self.dir, "bootstrap": self.bootstrap, "libs": self.libs});
        let folder = state.parent().context("the state file has no folder")?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        fs::write(state, format!("{value:#}\n")).with_context(|| format!("write {}", state.display()))
    }

    /// Pids are used again: only a process whose command line names this broker's own folder is this broker.
    fn is_alive(&self) -> bool {
        let arguments = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(&*self.dir.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(pid: u32, dir: &Path) -> Running {
        Running { pid, dir: dir.to_owned(), bootstrap: "127.0.0.1:9".to_owned(), libs: "/libs".into() }
    }

    #[test]
    fn a_foreign_process_with_the_same_pid_is_not_our_broker() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("deep/kafka.json");
        running(std::process::id(), dir.path()).save(&state).unwrap();
        assert_eq!(Running::load(&state), None);
    }

    #[test]
    fn finds_the_broker_that_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("kafka.json");
        let file = dir.path().join("server.properties");
        fs::write(&file, "").unwrap();
        let mut child = Command::new("tail").arg("-f").arg(&file).spawn().unwrap();
        let saved = running(child.id(), dir.path());
        saved.save(&state).unwrap();
        // The system shows an empty command line for a moment after the start.
        let found = process::wait_for("the start", Duration::from_secs(10), || Ok(Running::load(&state)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.unwrap(), saved);
    }
}
