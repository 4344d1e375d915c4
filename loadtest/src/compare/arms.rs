//! The workers that take turns: Java's, ours, and ours once more, which shows what differs by chance.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use xtask::connect::JavaWorker;
use xtask::kafka::Libs;

use super::cases::{Case, Path as CasePath};
use crate::rest::Client;
use crate::usage::Usage;
use crate::worker::Worker;

/// How long a fresh worker is left alone before its resident memory is that of an idle one.
const SETTLE: Duration = Duration::from_secs(3);

/// How long Java's worker may take to log that a task has stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Java,
    Ours,
    OursAgain,
}

impl Side {
    pub(super) const ALL: [Side; 3] = [Side::Java, Side::Ours, Side::OursAgain];

    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Java => "java",
            Side::Ours => "ours",
            Side::OursAgain => "again",
        }
    }
}

#[derive(Debug)]
enum Process {
    Java(Box<JavaWorker>),
    Ours(Worker),
}

/// A running worker of one side. Ended when dropped.
#[derive(Debug)]
pub(super) struct Arm {
    pub(super) side: Side,
    process: Process,
    port: u16,
    rounds: usize,
    /// From the start of the process until its REST serves.
    pub(super) ready_after: Duration,
    pub(super) idle_resident_bytes: u64,
    // Declared after the process, which must be gone when its files are removed.
    dir: TempDir,
}

impl Arm {
    /// Starts a worker without connectors and waits until it is idle. `plugins` is the folder with the Java classes of ours, `settings` go
    /// into its properties file.
    pub(super) async fn start(
        side: Side,
        binary: &Path,
        bootstrap: &str,
        libs: &Libs,
        plugins: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Arm> {
        let dir = tempfile::tempdir()?;
        let started = Instant::now();
        let converter = "org.apache.kafka.connect.converters.ByteArrayConverter";
        let converters = [("key.converter", converter), ("value.converter", converter)];
        let properties = [&converters, settings].concat();
        let (process, port, ready_after) = match side {
            Side::Java => {
                let offsets = dir.path().join("offsets");
                let worker =
                    JavaWorker::standalone_with_plugins(libs, bootstrap, &offsets, &properties, &[plugins])
                        .context("start Java's worker")?;
                let port = worker.rest().rsplit(':').next().and_then(|port| port.parse().ok());
                let port = port.context("Java's worker has no port")?;
                (Process::Java(Box::new(worker)), port, started.elapsed())
            }
            Side::Ours | Side::OursAgain => {
                let properties: String =
                    properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
                let worker = Worker::start(binary, dir.path(), bootstrap, &properties, &[])?;
                let (port, ready_after) = (worker.port, worker.ready_after);
                (Process::Ours(worker), port, ready_after)
            }
        };
        let mut arm = Arm { side, process, port, rounds: 0, ready_after, idle_resident_bytes: 0, dir };
        sleep(SETTLE).await;
        arm.idle_resident_bytes = arm.usage()?.resident_bytes;
        Ok(arm)
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of(match &self.process {
            Process::Java(worker) => worker.pid(),
            Process::Ours(worker) => worker.pid(),
        })
    }

    /// The number of the round that begins now.
    pub(super) fn next_round(&mut self) -> usize {
        self.rounds += 1;
        self.rounds
    }

    /// Where a sink of this round writes.
    pub(super) fn output(&self, round: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("out-{round}"))
    }

    pub(super) async fn create(&self, connector: &Value) -> Result<()> {
        let (status, body) = self.send("POST", "/connectors", &connector.to_string()).await?;
        ensure!(
            status == 201,
            "{} refuses the connector: {status} {}",
            self.side.name(),
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }

    /// An error if a task has failed.
    pub(super) async fn check(&self, connector: &str) -> Result<()> {
        let (_, body) = self.send("GET", &format!("/connectors/{connector}/status"), "").await?;
        let body = String::from_utf8_lossy(&body);
        ensure!(!body.contains(r#""FAILED""#), "the connector failed in {}: {body}", self.side.name());
        Ok(())
    }

    /// Deletes the connector, and checks where records leave no trace that its sink was given each of them once.
    pub(super) async fn delete(&mut self, case: &Case, connector: &str) -> Result<()> {
        let is_null = case.path == CasePath::KafkaToNull;
        if is_null && matches!(self.process, Process::Ours(_)) {
            let given = self.records_given(connector).await?;
            ensure!(given == case.records, "the sink was given {given} records instead of {}", case.records);
        }
        self.remove(connector).await?;
        match &mut self.process {
            Process::Java(worker) if is_null => {
                let told = format!("blackhole {connector} took {} records", case.records);
                worker.wait_for_log(&told, STOP_TIMEOUT)
            }
            _ => Ok(()),
        }
    }

    /// Deletes a connector.
    pub(super) async fn remove(&self, connector: &str) -> Result<()> {
        let (status, body) = self.send("DELETE", &format!("/connectors/{connector}"), "").await?;
        ensure!(status == 204, "not deleted: {status} {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// What our worker has counted.
    async fn records_given(&self, connector: &str) -> Result<i64> {
        let (_, body) = self.send("GET", "/metrics", "").await?;
        let mut records = 0.0;
        for line in String::from_utf8_lossy(&body).lines() {
            if line.starts_with("kafka_connect_sink_task_metrics_sink_record_send_total{")
                && line.contains(&format!(r#""{connector}""#))
            {
                let value = line.rsplit(' ').next().unwrap_or_default();
                records += value.parse::<f64>().with_context(|| format!("read {line}"))?;
            }
        }
        Ok(records as i64)
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        Client::connect(self.port).await?.send(method, path, body).await
    }
}
