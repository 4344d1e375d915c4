//! One KRaft node: a JVM on free ports, in a folder of its own, gone when its guard is dropped.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::config::{CONTROLLER_ID, Place};
use super::{ClusterConfig, Libs};
use crate::java::{self, Jvm, Program};
use crate::output;

/// Tells tests which real broker to use besides the embedded one: `host:port`.
pub const BOOTSTRAP_VARIABLE: &str = "AQUEDUCT_KAFKA";

/// A start takes 3 s; a busy two-core machine has been seen to need five times as long.
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// Logged once per start.
const READY_LINE: &str = "Kafka Server started";

/// Ports are chosen before the JVM binds them, so somebody else may be faster.
pub(super) const START_ATTEMPTS: usize = 3;

const CONFIG_FILE: &str = "server.properties";

/// Any valid id does: the nodes know their controller by its address.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// The JVM of a broker that is alone, and that benchmarks measure with.
const JVM_OPTIONS: &[&str] = &["-Xms256m", "-Xmx768m", "-XX:+UseG1GC"];

/// A running broker. Dropping it ends its process, and no other, and removes its data.
#[derive(Debug)]
pub struct Broker {
    // Declared before the node: the process must be gone when its data is removed.
    jvm: Jvm,
    node: Node,
}

/// What stays while the process is down: data, configuration and ports.
#[derive(Debug)]
pub struct Node {
    libs: Libs,
    dir: TempDir,
    addresses: Vec<String>,
    jvm_options: &'static [&'static str],
    start_count: usize,
}

impl Broker {
    /// Starts a node and waits until it serves.
    ///
    /// # Errors
    /// Java is missing, the node ended or did not come up in time; the error carries the end of its log.
    pub fn start(libs: &Libs) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(libs, Jvm::start) {
                Err(error) if attempt < START_ATTEMPTS && is_port_taken(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    /// Like [`Broker::start`] for a broker that is to outlive us, see [`Broker::detach`].
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_in_background(libs: &Libs) -> Result<Self> {
        Self::start_once(libs, Jvm::start_in_background)
    }

    fn start_once(
        libs: &Libs,
        spawn: impl FnOnce(Program<'_>, &[PathBuf], &Path) -> Result<Jvm>,
    ) -> Result<Self> {
        let ports = java::free_ports(2)?;
        let config = ClusterConfig::default();
        let node = Node::format(libs, &config, CONTROLLER_ID, &ports[..1], ports[1], JVM_OPTIONS)?;
        let mut broker = node.spawn_by(spawn)?;
        broker.wait_until_ready()?;
        Ok(broker)
    }

    /// Ends its process at once, as a crash would. Everything else stays for [`Node::start`].
    #[must_use]
    pub fn kill(self) -> Node {
        self.jvm.kill();
        self.node
    }

    /// Its address, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.node.addresses[0]
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.jvm.pid()
    }

    /// Leaves it running; gives its pid and its folder, which the caller now owns.
    #[must_use]
    pub fn detach(self) -> (u32, PathBuf) {
        (self.jvm.detach(), self.node.dir.keep())
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let node = &self.node;
        self.jvm.wait_for("the broker's start", READY_DEADLINE, |log| {
            // The log goes on from start to start.
            let is_ready = log.matches(READY_LINE).count() >= node.start_count
                && node.addresses.iter().all(|address| TcpStream::connect(address).is_ok());
            is_ready.then_some(())
        })
    }
}

impl Node {
    /// Writes configuration and an empty storage. `ports` are one per listener, the open one first.
    pub(super) fn format(
        libs: &Libs,
        config: &ClusterConfig,
        id: usize,
        ports: &[u16],
        controller_port: u16,
        jvm_options: &'static [&'static str],
    ) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("aqueduct-kafka-")
            .tempdir_in(config.folder())
            .context("create the broker's folder")?;
        let file = dir.path().join(CONFIG_FILE);
        let place = Place { id, ports, controller_port, data: &dir.path().join("data") };
        fs::write(&file, config.server_properties(&place)).context("write server.properties")?;

        let runtime = libs.runtime();
        let mut arguments = ["format", "-t", CLUSTER_ID, "--ignore-formatted"].map(str::to_owned).to_vec();
        arguments.extend(config.format_options());
        arguments.extend(["-c".to_owned(), file.display().to_string()]);
        let program = Program {
            name: "format",
            class: "kafka.tools.StorageTool",
            class_path: &[&runtime],
            jvm_options: &["-XX:TieredStopAtLevel=1"],
        };
        java::run(program, &arguments, dir.path())?;
        let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        Ok(Self { libs: libs.clone(), dir, addresses, jvm_options, start_count: 0 })
    }

    /// Starts the node again, on the same data and ports, and waits until it serves.
    ///
    /// # Errors
    /// As [`Broker::start`]; also where somebody has taken its ports meanwhile.
    pub fn start(self) -> Result<Broker> {
        let mut broker = self.spawn()?;
        broker.wait_until_ready()?;
        Ok(broker)
    }

    /// Starts the node's process, which does not serve yet.
    pub(super) fn spawn(self) -> Result<Broker> {
        self.spawn_by(Jvm::start)
    }

    fn spawn_by(
        mut self,
        spawn: impl FnOnce(Program<'_>, &[PathBuf], &Path) -> Result<Jvm>,
    ) -> Result<Broker> {
        let runtime = self.libs.runtime();
        let program = Program {
            name: "kafka",
            class: "kafka.Kafka",
            class_path: &[&runtime],
            jvm_options: self.jvm_options,
        };
        self.start_count += 1;
        let jvm = spawn(program, &[self.dir.path().join(CONFIG_FILE)], self.dir.path())?;
        Ok(Broker { jvm, node: self })
    }

    /// The address of a listener, the open one first.
    pub(super) fn address(&self, listener: usize) -> String {
        self.addresses.get(listener).cloned().unwrap_or_default()
    }
}

pub(super) fn is_port_taken(error: &anyhow::Error) -> bool {
    let is_taken = format!("{error:#}").contains("Address already in use");
    if is_taken {
        output::say("a port was taken by somebody else, trying others");
    }
    is_taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_taken_port_is_worth_another_try() {
        assert!(is_port_taken(
            &anyhow::anyhow!("java.net.BindException: Address already in use").context("start")
        ));
        assert!(!is_port_taken(&anyhow::anyhow!("no disk left")));
    }
}
