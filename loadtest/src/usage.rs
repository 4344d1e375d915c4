//! What a process has used so far, and what its main thread has waited for, as the kernel accounts it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system, to the nanosecond.
    pub(crate) cpu: Duration,
    /// Of it, in ticks of the kernel's clock (10 ms).
    pub(crate) user: Duration,
    /// The same.
    pub(crate) system: Duration,
    /// Largest resident set so far, in bytes.
    pub(crate) peak_resident_bytes: u64,
    /// Resident set, in bytes.
    pub(crate) resident_bytes: u64,
}

impl Usage {
    /// Of the process with this id, all its threads together.
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
        let stat = fs::read_to_string(proc.join("stat"))?;
        // The command name, in parentheses, may hold anything; fields are counted from behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| -> Result<Duration> {
            let ticks: u64 = fields.get(index).context("a short /proc/<pid>/stat")?.parse()?;
            Ok(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
        };
        let status = fs::read_to_string(proc.join("status"))?;
        let bytes = |name: &str| -> Result<u64> {
            let size = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let size = size.with_context(|| format!("no {name} in /proc/<pid>/status"))?;
            Ok(size.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
        };
        Ok(Usage {
            cpu: Duration::from(clock.now()?),
            user: ticks(11)?,
            system: ticks(12)?,
            peak_resident_bytes: bytes("VmHWM")?,
            resident_bytes: bytes("VmRSS")?,
        })
    }
}

/// What a thread has done so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scheduled {
    pub(crate) ran: Duration,
    /// It could have run, but other threads had the cores.
    pub(crate) waited: Duration,
}

impl Scheduled {
    /// The main thread of the process with this id.
    pub(crate) fn main_thread_of(pid: u32) -> Result<Scheduled> {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || -> Result<Duration> {
            Ok(Duration::from_nanos(numbers.next().context("a short /proc/<pid>/schedstat")??))
        };
        Ok(Scheduled { ran: next()?, waited: next()? })
    }

    pub(crate) fn since(self, earlier: Scheduled) -> Scheduled {
        Scheduled { ran: self.ran - earlier.ran, waited: self.waited - earlier.waited }
    }
}
