//! Starting other programs and ending exactly those: finding them, one-line errors, signals by pid, deadlines.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a condition of another process is looked at: short beside a JVM's start, long beside one look.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The path of `program` on `PATH`, if it is there and may be executed.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Whether this process may install system packages.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// Runs `command` to its end with its output on ours.
///
/// # Errors
/// It could not be started or ended with another code than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("start {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// Runs `command` silently; what it printed becomes part of the error.
///
/// # Errors
/// It could not be started or ended with another code than 0.
pub fn run_quiet(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {program}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        bail!("{program} ended with {}: {}\n{}", output.status, text(&output.stderr), text(&output.stdout));
    }
    Ok(text(&output.stdout))
}

/// Looks at `done` until it gives a value.
///
/// # Errors
/// The look itself failed, or `deadline` passed; `what` says what was waited for.
pub fn wait_for<T>(what: &str, deadline: Duration, mut done: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = done()? {
            return Ok(value);
        }
        if start.elapsed() >= deadline {
            bail!("{what} did not happen within {} s", deadline.as_secs());
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// A signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ask it to stop in good order.
    Term,
    /// End it at once, as a crash would.
    Kill,
}

/// Sends `signal` to `pids`. One that has already ended is no error.
///
/// # Errors
/// The `kill` program could not be started.
pub fn signal(signal: Signal, pids: &[u32]) -> Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let name = match signal {
        Signal::Term => "-TERM",
        Signal::Kill => "-KILL",
    };
    Command::new("kill")
        .arg(name)
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()
        .context("start kill")?;
    Ok(())
}

/// Whether a process with this pid runs (a zombie does not).
#[must_use]
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

/// Ends `pid` and everything that it started, youngest generation included: cargo does not take its test binaries along.
pub fn kill_tree(pid: u32) {
    let mut pids = vec![pid];
    pids.extend(descendants(pid));
    signal(Signal::Kill, &pids).ok();
}

fn descendants(ancestor: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.push(child);
            open.push(child);
        }
    }
    found
}

struct Stat {
    state: char,
    parent: u32,
}

/// State and parent follow the program's name, which stands in parentheses and may itself contain any of them.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some(Stat { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_on_the_path_only() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
    }

    #[test]
    fn failure_carries_what_was_printed() {
        let error = run_quiet(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("broken") && text.contains('3'), "{text}");
    }

    #[test]
    fn waiting_ends_at_its_deadline() {
        let error = wait_for("the moon", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert_eq!(error.to_string(), "the moon did not happen within 0 s");
    }

    #[test]
    fn kills_grandchildren_too() {
        let mut child =
            Command::new("sh").args(["-c", "sh -c 'exec tail -f /dev/null' & wait"]).spawn().unwrap();
        let grandchildren = wait_for("a grandchild", Duration::from_secs(10), || {
            Ok(Some(descendants(child.id())).filter(|found| !found.is_empty()))
        })
        .unwrap();
        kill_tree(child.id());
        child.wait().unwrap();
        wait_for("the grandchild's end", Duration::from_secs(10), || {
            Ok(grandchildren.iter().all(|pid| !is_running(*pid)).then_some(()))
        })
        .unwrap();
    }
}
