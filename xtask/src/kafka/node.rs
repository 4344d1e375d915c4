//! One KRaft node: broker and controller in one JVM, on free ports, in a folder of its own, gone when its guard is dropped.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Libs;
use crate::java::{self, Jvm, Program};
use crate::output;

/// Tells tests which real broker to use besides the embedded one: `host:port`.
pub const BOOTSTRAP_VARIABLE: &str = "AQUEDUCT_KAFKA";

/// A start takes 3 s; a busy two-core machine has been seen to need five times as long.
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// Ports are chosen before the JVM binds them, so somebody else may be faster.
const START_ATTEMPTS: usize = 3;

const CONFIG_FILE: &str = "server.properties";

/// Any valid id does: the node is alone.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

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
    port: u16,
    bootstrap: String,
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
        let dir = tempfile::Builder::new()
            .prefix("aqueduct-kafka-")
            .tempdir()
            .context("create the broker's folder")?;
        let [port, controller_port] = java::free_ports()?;
        let config = dir.path().join(CONFIG_FILE);
        fs::write(&config, server_properties(port, controller_port, &dir.path().join("data")))
            .context("write server.properties")?;

        let runtime = libs.runtime();
        let format = ["format", "-t", CLUSTER_ID, "--ignore-formatted", "-c"].map(PathBuf::from);
        java::run(
            Program {
                name: "format",
                class: "kafka.tools.StorageTool",
                class_path: &[&runtime],
                jvm_options: &["-XX:TieredStopAtLevel=1"],
            },
            &[&format[..], from_ref(&config)].concat(),
            dir.path(),
        )?;
        Node { libs: libs.clone(), dir, port, bootstrap: format!("127.0.0.1:{port}") }.start_by(spawn)
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
        &self.node.bootstrap
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
}

impl Node {
    /// Starts the node again, on the same data and ports.
    ///
    /// # Errors
    /// As [`Broker::start`]; also where somebody has taken its port meanwhile.
    pub fn start(self) -> Result<Broker> {
        self.start_by(Jvm::start)
    }

    fn start_by(self, spawn: impl FnOnce(Program<'_>, &[PathBuf], &Path) -> Result<Jvm>) -> Result<Broker> {
        let runtime = self.libs.runtime();
        let program = Program {
            name: "kafka",
            class: "kafka.Kafka",
            class_path: &[&runtime],
            jvm_options: &["-Xms256m", "-Xmx768m", "-XX:+UseG1GC"],
        };
        let mut jvm = spawn(program, &[self.dir.path().join(CONFIG_FILE)], self.dir.path())?;
        jvm.wait_for("the broker's start", READY_DEADLINE, |log| {
            let is_ready =
                log.contains("Kafka Server started") && TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            is_ready.then_some(())
        })?;
        Ok(Broker { jvm, node: self })
    }
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    let is_taken = format!("{error:#}").contains("Address already in use");
    if is_taken {
        output::say("a port was taken by somebody else, trying others");
    }
    is_taken
}

fn server_properties(port: u16, controller_port: u16, data: &Path) -> String {
    let listener = format!("PLAINTEXT://127.0.0.1:{port}");
    let entries = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller_port}")),
        ("listeners", format!("{listener},CONTROLLER://127.0.0.1:{controller_port}")),
        ("advertised.listeners", listener),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("log.dirs", data.display().to_string()),
        // One node cannot hold three copies.
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("share.coordinator.state.topic.replication.factor", "1".to_owned()),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
        // Fewer partitions to create before the first group or transaction works, and no wait for more members.
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // Tests wait for compaction.
        ("log.cleaner.backoff.ms", "200".to_owned()),
        // So that access control lists can be kept. Nobody is refused anything that no list is about.
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
        ("super.users", "User:ANONYMOUS".to_owned()),
        ("allow.everyone.if.no.acl.found", "true".to_owned()),
    ];
    java::properties(&entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_names_both_ports_and_the_folder() {
        let text = server_properties(9, 8, Path::new("/data"));
        assert!(text.contains("\nlisteners=PLAINTEXT://127.0.0.1:9,CONTROLLER://127.0.0.1:8\n"));
        assert!(text.contains("\nadvertised.listeners=PLAINTEXT://127.0.0.1:9\n"));
        assert!(text.contains("\nlog.dirs=/data\n"));
    }

    #[test]
    fn only_a_taken_port_is_worth_another_try() {
        assert!(is_port_taken(
            &anyhow::anyhow!("java.net.BindException: Address already in use").context("start")
        ));
        assert!(!is_port_taken(&anyhow::anyhow!("no disk left")));
    }
}
