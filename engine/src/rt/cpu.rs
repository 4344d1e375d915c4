//! Cores and threads as Linux sees them: which cores we may use, pinning to one, and a thread's CPU time seen from outside.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::getpid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

/// A thread, by the kernel's number.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadId(i32);

impl ThreadId {
    pub(super) fn current() -> ThreadId {
        ThreadId(gettid().as_raw_nonzero().get())
    }

    /// What the thread has had of a core; `None` when it has ended or `/proc` is not there.
    ///
    /// Read from outside and not by the thread itself, which could not answer while a task hogs it: just then it matters.
    pub(super) fn times(self) -> Option<ThreadTimes> {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.0)).ok()?;
        let mut fields = stat.split_ascii_whitespace().map(|field| field.parse().map(Duration::from_nanos));
        Some(ThreadTimes { busy: fields.next()?.ok()?, starved: fields.next()?.ok()? })
    }
}

/// A thread's times since it began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ThreadTimes {
    /// CPU time that it has used.
    pub(super) busy: Duration,
    /// Time in which it could have run and others had its core.
    pub(super) starved: Duration,
}

/// The cores that this process may run on: those of its main thread, which we never pin.
pub(super) fn allowed_cores() -> Vec<usize> {
    match sched_getaffinity(Some(getpid())) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
        Err(_unknown) => Vec::new(),
    }
}

/// Binds the calling thread to `core`.
pub(super) fn pin(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets the calling thread run on every allowed core: a thread inherits the pin of the one that starts it.
pub(super) fn unpin() {
    // Not worth a failure: the thread works as well where it is, only with a neighbour.
    let _still_pinned = sched_getaffinity(Some(getpid())).and_then(|set| sched_setaffinity(None, &set));
}
