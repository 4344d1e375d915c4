//! The embedded broker as a process of its own: what it spends while it is read from.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::usage::Usage;

/// A running `aqueduct broker`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct EmbeddedBroker {
    child: Child,
    pub(crate) bootstrap: String,
}

impl EmbeddedBroker {
    /// Starts it on a free port and waits until it says where it listens. It takes as many connections as thousands of tasks have.
    pub(crate) fn start(binary: &Path) -> Result<EmbeddedBroker> {
        let mut child = Command::new(binary)
            .args(["broker", "--listen", "127.0.0.1:0", "--override", "max.connections=20000"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let stdout = child.stdout.take().context("its output was asked for")?;
        let mut output = BufReader::new(stdout);
        let mut broker = EmbeddedBroker { child, bootstrap: String::new() };
        for line in output.by_ref().lines() {
            let line = line?;
            let after = line.split("bootstrap.servers=").nth(1);
            if let Some(servers) = after.and_then(|rest| rest.split(',').next()) {
                servers.clone_into(&mut broker.bootstrap);
                // A broker whose log nobody reads would wait for a reader sooner or later. The thread ends with it.
                std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
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
