//! What a process has used so far, as the kernel accounts it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Largest resident set so far, in bytes.
    pub(crate) peak_resident_bytes: u64,
}

impl Usage {
    /// Of the process with this id, all its threads together.
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(proc.join("stat"))?;
        // The command name, in parentheses, may hold anything; fields are counted from behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| -> Result<Duration> {
            let ticks: u64 = fields.get(index).context("a short /proc/<pid>/stat")?.parse()?;
            Ok(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
        };
        let status = fs::read_to_string(proc.join("status"))?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .context("no VmHWM in /proc/<pid>/status")?;
        let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(Usage { user: ticks(11)?, system: ticks(12)?, peak_resident_bytes: peak_kib << 10 })
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }
}
