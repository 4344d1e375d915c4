//! `aqueduct standalone worker.properties [connector files…]` and `aqueduct distributed worker.properties`: Java's `connect-standalone` and
//! `connect-distributed`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::rt::clock::{self, Instant};
use tracing::level_filters::LevelFilter;

use super::signals::Signals;
use crate::config::{Plugins, Registry, WorkerConfig, properties, read_connector_file};
use crate::logs;
use crate::worker::{StartError, Worker, WorkerOptions};

/// Java's exit codes.
const USAGE: u8 = 1;
const NOT_CONFIGURED: u8 = 2;
const NOT_STARTED: u8 = 3;

/// Data cores, where not all are to be used.
const CORES_VARIABLE: &str = "AQUEDUCT_CORES";

/// How a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Standalone,
    Distributed,
}

pub(super) fn run(
    registry: Registry,
    mode: Mode,
    worker: Option<PathBuf>,
    connectors: &[PathBuf],
    started: Instant,
) -> ExitCode {
    let Some(worker) = worker else {
        let usage = match mode {
            Mode::Standalone => {
                "Usage: aqueduct standalone worker.properties [connector1.properties connector2.json ...]"
            }
            Mode::Distributed => "Usage: aqueduct distributed worker.properties",
        };
        let _output_closed = writeln!(std::io::stderr(), "{usage}");
        return ExitCode::from(USAGE);
    };
    logs::start(logs::Output::Stdout, LevelFilter::INFO);
    tracing::info!(version = crate::version::AQUEDUCT, "Aqueduct worker initializing ...");
    let options = match options(registry, mode, &worker) {
        Ok(options) => options,
        Err(error) => {
            tracing::error!("Stopping due to error: {error:#}");
            return ExitCode::from(NOT_CONFIGURED);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Stopping due to error: {error}");
            return ExitCode::from(NOT_CONFIGURED);
        }
    };
    let code = tokio::task::LocalSet::new().block_on(&runtime, serve(options, connectors, started));
    // A plug-in that hangs in a thread of its own must not keep the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

fn options(registry: Registry, mode: Mode, path: &Path) -> anyhow::Result<WorkerOptions> {
    // As in Java, an empty argument means no properties.
    let props = if path.as_os_str().is_empty() {
        api::Props::new()
    } else {
        properties::parse(&properties::read_file(path)?)?
    };
    let plugins = Plugins::new(registry);
    let config = match mode {
        Mode::Standalone => WorkerConfig::standalone(props, &plugins)?,
        Mode::Distributed => WorkerConfig::distributed(props, &plugins)?,
    };
    let data_core_count = std::env::var(CORES_VARIABLE).ok().and_then(|count| count.parse().ok());
    Ok(WorkerOptions { config, plugins, data_core_count, is_pinned: data_core_count.is_none() })
}

async fn serve(options: WorkerOptions, connectors: &[PathBuf], started: Instant) -> u8 {
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!("Stopping due to error: {error}");
            return NOT_CONFIGURED;
        }
    };
    let starting = tokio::select! {
        starting = Worker::start(options) => starting,
        _ = signals.next() => {
            tracing::info!("stopped while starting");
            return 0;
        }
    };
    let worker = match starting {
        Ok(worker) => worker,
        Err(error) => {
            let code = match error {
                StartError::Bind(_) | StartError::Cluster { .. } | StartError::Config(_) => NOT_CONFIGURED,
                StartError::Offsets(_) | StartError::Stores(_) | StartError::Threads(_) => NOT_STARTED,
            };
            tracing::error!("Stopping due to error: {error}");
            return code;
        }
    };
    let creating = tokio::select! {
        creating = create(&worker, connectors) => creating,
        _ = signals.next() => {
            signals.or_exit(worker.stop()).await;
            return 0;
        }
    };
    if !creating {
        tracing::error!("Stopping after connector error");
        signals.or_exit(worker.stop()).await;
        return NOT_STARTED;
    }
    worker.set_ready();
    tracing::info!("{}", ready(&worker, started));
    signals.next().await;
    tracing::info!("stopping");
    let stopping = clock::now();
    signals.or_exit(worker.stop()).await;
    tracing::info!(took_ms = (clock::now() - stopping).as_millis() as u64, "stopped");
    0
}

/// Creates the connectors of the command line, in order; false as soon as one fails, what is wrong has been logged then.
async fn create(worker: &Worker, paths: &[PathBuf]) -> bool {
    for path in paths {
        if let Err(error) = create_one(worker, path).await {
            tracing::error!("Failed to create connector for {}: {error}", path.display());
            return false;
        }
    }
    true
}

async fn create_one(worker: &Worker, path: &Path) -> anyhow::Result<()> {
    let new = read_connector_file(path)?;
    let name = new.name.clone();
    worker.create(new).await.map_err(anyhow::Error::msg)?;
    tracing::info!("Created connector {name}");
    Ok(())
}

/// The line that says what runs.
fn ready(worker: &Worker, started: Instant) -> String {
    let (cluster, brokers) = worker.cluster();
    let names: Vec<_> = worker.herder().look(|herd| herd.names().iter().map(ToString::to_string).collect());
    let connectors =
        if names.is_empty() { "none".to_owned() } else { format!("{} ({})", names.len(), names.join(", ")) };
    format!(
        "Aqueduct {} ready in {} ms: REST {}, cluster {cluster} ({brokers} broker{}), connectors: {connectors}",
        crate::version::AQUEDUCT,
        (clock::now() - started).as_millis(),
        worker.urls().join(" "),
        if brokers == 1 { "" } else { "s" },
    )
}
