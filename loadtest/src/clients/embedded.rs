//! The embedded broker as a process of its own: what it spends while it is read from.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::usage::Usage;

/// A running `aqueduct broker`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct EmbeddedBroker {
    child: Child,
    /// Kept open: a broker whose log lines find no reader would complain about that.
    output: BufReader<ChildStdout>,
    pub(crate) bootstrap: String,
}

impl EmbeddedBroker {
    /// Starts it on a free port and waits until it says where it listens.
    pub(crate) fn start(binary: &Path) -> Result<EmbeddedBroker> {
        let mut child = Command::new(binary)
            .args(["broker", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let stdout = child.stdout.take().context("its output was asked for")?;
        let output = BufReader::new(stdout);
        let mut broker = EmbeddedBroker { child, output, bootstrap: String::new() };
        for line in broker.output.by_ref().lines() {
            let line = line?;
            let after = line.split("bootstrap.servers=").nth(1);
            if let Some(servers) = after.and_then(|rest| rest.split(',').next()) {
                servers.clone_into(&mut broker.bootstrap);
                return Ok(broker);
            }
        }
        bail!("the embedded broker ended without saying where it listens")
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
