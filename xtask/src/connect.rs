//! Java's Connect worker, standalone or distributed, as an oracle beside ours: the same properties, the same connectors.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::java::{self, Jvm, Program};
use crate::kafka::Libs;

/// A start takes 5–7 s, twice that on a busy machine, and 90 s were seen on two cores with a load of 38.
const READY_DEADLINE: Duration = Duration::from_secs(180);

/// The JVM that comparisons use, so that a test and a benchmark speak of the same worker. Memory beyond the heap: a worker that starts 100
/// source tasks exactly once has as many consumers that read the offsets topic, and the 2 GB that follow from the heap were not enough
/// (`Cannot reserve ... bytes of direct buffer memory`; tasks stayed FAILED).
const JVM_OPTIONS: &[&str] =
    &["-Xms256m", "-Xmx2g", "-XX:MaxDirectMemorySize=6g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];

/// Properties as pairs of key and value.
pub type Properties<'a> = [(&'a str, &'a str)];

/// A running Java worker. Dropping it ends its process at once, as a crash would.
#[derive(Debug)]
pub struct JavaWorker {
    // Declared before the folder: the process must be gone when its files are removed.
    jvm: Jvm,
    _dir: TempDir,
    rest: String,
}

impl JavaWorker {
    /// Starts `connect-standalone` on the broker at `bootstrap` with source offsets in `offsets_file`, and waits until its
    /// REST interface serves. Its connectors are created after that: see [`JavaWorker::wait_for_log`].
    ///
    /// `worker` adds to and overrides the properties set here (string converters, a free REST port).
    ///
    /// # Errors
    /// Java is missing, or the worker ended or did not come up in time; the error carries the end of its log.
    pub fn standalone(
        libs: &Libs,
        bootstrap: &str,
        offsets_file: &Path,
        worker: &Properties<'_>,
        connectors: &[&Properties<'_>],
    ) -> Result<Self> {
        let offsets_file = offsets_file.display().to_string();
        let defaults = [("offset.storage.file.filename", offsets_file.as_str())];
        let class = "org.apache.kafka.connect.cli.ConnectStandalone";
        let ready = ["Kafka Connect started"];
        Self::start(libs, &[], class, bootstrap, &[&defaults, worker].concat(), connectors, &ready)
    }

    /// As [`JavaWorker::standalone`] without connectors, with the jars of these folders on its class path as well: connectors that are
    /// not part of a Kafka distribution, such as [`Libs::test_plugins`].
    ///
    /// # Errors
    /// As [`JavaWorker::standalone`].
    pub fn standalone_with_plugins(
        libs: &Libs,
        bootstrap: &str,
        offsets_file: &Path,
        worker: &Properties<'_>,
        plugins: &[&Path],
    ) -> Result<Self> {
        let offsets_file = offsets_file.display().to_string();
        let defaults = [("offset.storage.file.filename", offsets_file.as_str())];
        let (class, ready) = ("org.apache.kafka.connect.cli.ConnectStandalone", ["Kafka Connect started"]);
        Self::start(libs, plugins, class, bootstrap, &[&defaults, worker].concat(), &[], &ready)
    }

    /// Starts one `connect-distributed` worker of the cluster `group_id` and waits until it has joined and serves REST.
    ///
    /// # Errors
    /// As [`JavaWorker::standalone`].
    pub fn distributed(
        libs: &Libs,
        bootstrap: &str,
        group_id: &str,
        worker: &Properties<'_>,
    ) -> Result<Self> {
        Self::distributed_with(libs, &[], bootstrap, group_id, worker)
    }

    /// As [`JavaWorker::distributed`], with Connect's mock and verifiable connectors on its class path.
    ///
    /// # Errors
    /// As [`JavaWorker::standalone`].
    pub fn distributed_with_test_plugins(
        libs: &Libs,
        bootstrap: &str,
        group_id: &str,
        worker: &Properties<'_>,
    ) -> Result<Self> {
        Self::distributed_with(libs, &[&libs.test_plugins()], bootstrap, group_id, worker)
    }

    fn distributed_with(
        libs: &Libs,
        plugins: &[&Path],
        bootstrap: &str,
        group_id: &str,
        worker: &Properties<'_>,
    ) -> Result<Self> {
        let topic = |store: &str| format!("{group_id}-{store}");
        let (configs, offsets, status) = (topic("configs"), topic("offsets"), topic("status"));
        let defaults = [
            ("group.id", group_id),
            ("config.storage.topic", configs.as_str()),
            ("offset.storage.topic", offsets.as_str()),
            ("status.storage.topic", status.as_str()),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.replication.factor", "1"),
        ];
        let class = "org.apache.kafka.connect.cli.ConnectDistributed";
        let ready = ["Kafka Connect started", "Finished starting connectors and tasks"];
        Self::start(libs, plugins, class, bootstrap, &[&defaults, worker].concat(), &[], &ready)
    }

    fn start(
        libs: &Libs,
        plugins: &[&Path],
        class: &str,
        bootstrap: &str,
        worker: &Properties<'_>,
        connectors: &[&Properties<'_>],
        ready: &[&str],
    ) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("aqueduct-connect-")
            .tempdir()
            .context("create a worker's folder")?;
        let port = java::free_ports(1)?[0];
        let listener = format!("http://127.0.0.1:{port}");
        let converter = "org.apache.kafka.connect.storage.StringConverter";
        let defaults = [
            ("bootstrap.servers", bootstrap),
            ("listeners", listener.as_str()),
            ("key.converter", converter),
            ("value.converter", converter),
        ];
        let write = |name: String, text: String| -> Result<_> {
            let path = dir.path().join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        // Java takes the last of two equal keys, which is how `worker` overrides.
        let worker = java::properties(&[&defaults, worker].concat());
        let mut arguments = vec![write("worker.properties".to_owned(), worker)?];
        for (index, connector) in connectors.iter().enumerate() {
            arguments.push(write(format!("connector-{index}.properties"), java::properties(connector))?);
        }

        let runtime = libs.runtime();
        let class_path = [&[runtime.as_path()], plugins].concat();
        let program = Program { name: "connect", class, class_path: &class_path, jvm_options: JVM_OPTIONS };
        let mut jvm = Jvm::start(program, &arguments, dir.path())?;
        jvm.wait_for("the worker's start", READY_DEADLINE, |log| {
            ready.iter().all(|line| log.contains(line)).then_some(())
        })?;
        Ok(Self { jvm, _dir: dir, rest: listener })
    }

    /// Where its REST interface listens: `http://127.0.0.1:PORT`, unless `listeners` was overridden.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.jvm.pid()
    }

    /// The file with all that it logged; gone when it is dropped.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.jvm.log()
    }

    /// Waits until its log contains `text`, for instance `Created connector NAME`.
    ///
    /// # Errors
    /// The worker ended or `deadline` passed; the error carries the end of its log.
    pub fn wait_for_log(&mut self, text: &str, deadline: Duration) -> Result<()> {
        self.jvm.wait_for(text, deadline, |log| log.contains(text).then_some(()))
    }

    /// Stops it as an operator would (SIGTERM: tasks stop, offsets are committed) and waits.
    ///
    /// # Errors
    /// It had to be killed after `deadline`.
    pub fn stop(self, deadline: Duration) -> Result<()> {
        self.jvm.stop(deadline)
    }
}
