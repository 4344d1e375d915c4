//! Starting it all, watching it, and saying in the end what was moved.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use api::Props;
use clap::Args;
use engine::metrics::TaskMetrics;
use engine::rt::clock;
use tracing::level_filters::LevelFilter;

use super::check::{self, Found};
use super::feed::{self, Written};
use super::progress::{Position, Progress, grouped};
use crate::cli::signals::Signals;
use crate::config::{NewConnector, Plugins, Registry, TargetState, WorkerConfig};
use crate::logs;
use crate::worker::{Worker, WorkerOptions};

const TOPIC: &str = "quickstart";
const SOURCE: &str = "quickstart-source";
const SINK: &str = "quickstart-sink";

/// Where REST listens if it can, as in Java.
const REST_PORT: u16 = 8083;

/// With `--records`: no record within this time means that none will come any more.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What the command takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Move this many records, check that all have arrived, and end
    #[arg(long)]
    records: Option<u64>,
    /// Port of the REST interface; 0 for any free one [default: 8083 if it is free]
    #[arg(long, value_name = "PORT")]
    rest: Option<u16>,
    /// Where input, output and offsets are kept [default: a new folder for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(in crate::cli) fn run(registry: Registry, options: &Options) -> ExitCode {
    logs::start(logs::Output::Stderr, LevelFilter::WARN);
    match start(registry, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _output_closed = writeln!(io::stderr(), "quickstart failed: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn start(registry: Registry, options: &Options) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let moved = tokio::task::LocalSet::new().block_on(&runtime, move_records(registry, options));
    runtime.shutdown_background();
    moved
}

/// The files of one run.
struct Files {
    folder: PathBuf,
    input: PathBuf,
    output: PathBuf,
    offsets: PathBuf,
}

impl Files {
    /// Prepares the folder; what an earlier run left there is removed.
    fn prepare(dir: Option<&Path>) -> anyhow::Result<Files> {
        let folder = match dir {
            Some(dir) => dir.to_owned(),
            None => std::env::temp_dir().join(format!("aqueduct-quickstart-{}", std::process::id())),
        };
        std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let files = Files {
            input: folder.join("quickstart-input.jsonl"),
            output: folder.join("quickstart-output.txt"),
            offsets: folder.join("quickstart.offsets"),
            folder,
        };
        for file in [&files.input, &files.output, &files.offsets] {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("failed to remove {}", file.display()));
                }
                _ => {}
            }
        }
        Ok(files)
    }
}

async fn move_records(registry: Registry, options: &Options) -> anyhow::Result<bool> {
    let mut signals = Signals::catch()?;
    let files = Files::prepare(options.dir.as_deref())?;
    let broker = broker::Broker::builder().spawn_thread("127.0.0.1:0")?;
    let rest_port = options.rest.unwrap_or_else(free_rest_port);
    let worker = start_worker(registry, &broker.bootstrap_servers(), rest_port, &files).await?;
    introduce(&worker, &broker.bootstrap_servers(), &files)?;
    let started = clock::now();
    let cpu_before = process_cpu();
    let written = feed::start(&files.input, options.records)?;
    for new in [source(&files), sink(&files)] {
        worker.create(new).await.map_err(anyhow::Error::msg)?;
    }
    worker.set_ready();
    let reached_end = watch(&worker, &written, options.records, &mut signals).await?;
    let took = clock::now() - started;
    let cpu = process_cpu().saturating_sub(cpu_before);
    written.stop();
    signals.or_exit(worker.stop()).await;
    conclude(&files, &written, options.records, reached_end, took, cpu)
}

async fn start_worker(
    registry: Registry,
    servers: &str,
    rest_port: u16,
    files: &Files,
) -> anyhow::Result<Worker> {
    let props = props(&[
        ("bootstrap.servers", servers),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("offset.storage.file.filename", &files.offsets.display().to_string()),
        ("offset.flush.interval.ms", "1000"),
        ("listeners", &format!("http://127.0.0.1:{rest_port}")),
    ]);
    let plugins = Plugins::new(registry);
    let config = WorkerConfig::standalone(props, &plugins)?;
    Ok(Worker::start(WorkerOptions { config, plugins, data_core_count: None, is_pinned: true }).await?)
}

/// Reads the input file into the topic, each line as it is.
fn source(files: &Files) -> NewConnector {
    connector(
        SOURCE,
        &[
            ("connector.class", "FileStreamSource"),
            ("file", &files.input.display().to_string()),
            ("topic", TOPIC),
        ],
    )
}

/// Parses the topic's records as JSON and writes them to the output file.
fn sink(files: &Files) -> NewConnector {
    connector(
        SINK,
        &[
            ("connector.class", "FileStreamSink"),
            ("topics", TOPIC),
            ("file", &files.output.display().to_string()),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
        ],
    )
}

fn connector(name: &str, entries: &[(&str, &str)]) -> NewConnector {
    let mut config = props(&[("name", name)]);
    config.extend(props(entries));
    NewConnector { name: name.to_owned(), config, initial_state: TargetState::Started }
}

fn props(entries: &[(&str, &str)]) -> Props {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn free_rest_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, REST_PORT)).map_or(0, |_probe| REST_PORT)
}

fn introduce(worker: &Worker, servers: &str, files: &Files) -> io::Result<()> {
    let rest = worker.urls().first().map_or("", String::as_str).trim_end_matches('/');
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Aqueduct {version} with an embedded broker at {servers} (in memory) and REST at {rest}

  {input}
      -> {SOURCE} -> topic {TOPIC} -> {SINK} (JSON)
      -> {output}

Try in another terminal:
  curl '{rest}/connectors?expand=status'
  curl -X PUT {rest}/connectors/{SINK}/pause
  curl -X PUT {rest}/connectors/{SINK}/resume
  curl -X POST '{rest}/connectors/{SOURCE}/restart?includeTasks=true'
  curl {rest}/connector-plugins
Ctrl-C ends it.
",
        version = crate::version::AQUEDUCT,
        input = files.input.display(),
        output = files.output.display(),
    )
}

/// Shows progress until the end; true when all records were delivered, or there is no such number and somebody ended it.
async fn watch(
    worker: &Worker,
    written: &Written,
    records: Option<u64>,
    signals: &mut Signals,
) -> anyhow::Result<bool> {
    let mut progress = Progress::new();
    let mut delivered = Delivered::default();
    let mut last_moved = (clock::now(), 0);
    let mut next_shown = clock::now();
    // Fine enough that a short run is not measured by its waiting.
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let outcome = loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = signals.next() => break records.is_none(),
        }
        let position = Position {
            written: written.lines.load(Ordering::Relaxed),
            bytes: written.bytes.load(Ordering::Relaxed),
            delivered: delivered.count(worker),
        };
        let now = clock::now();
        if now >= next_shown {
            progress.show(position)?;
            next_shown = now + progress.interval();
        }
        if position.delivered > last_moved.1 {
            last_moved = (now, position.delivered);
        }
        if records.is_some_and(|records| position.delivered >= records) {
            break true;
        }
        if let Some(trace) = failure(worker) {
            progress.end()?;
            anyhow::bail!("a task has failed: {trace}");
        }
        if records.is_some() && now - last_moved.0 > STALL_TIMEOUT {
            break false;
        }
    };
    progress.end()?;
    Ok(outcome)
}

/// Counts what the sink has taken, over restarts of its task.
#[derive(Default)]
struct Delivered {
    task: Option<Arc<TaskMetrics>>,
    before: u64,
}

impl Delivered {
    fn count(&mut self, worker: &Worker) -> u64 {
        if let Some(task) = worker.herder().metrics(SINK).into_iter().next() {
            match &self.task {
                Some(known) if Arc::ptr_eq(known, &task) => {}
                known => {
                    self.before += known.as_ref().map_or(0, |known| known.records_out.get());
                    self.task = Some(task);
                }
            }
        }
        self.before + self.task.as_ref().map_or(0, |task| task.records_out.get())
    }
}

/// The first line of why a task has failed.
fn failure(worker: &Worker) -> Option<String> {
    let statuses = worker.herder().look(|herd| [SOURCE, SINK].map(|name| herd.status(name)));
    let mut states = statuses.into_iter().flatten().flat_map(|status| status.tasks);
    let trace = states.find_map(|task| task.state.trace)?;
    trace.lines().next().map(str::to_owned)
}

fn conclude(
    files: &Files,
    written: &Written,
    records: Option<u64>,
    reached_end: bool,
    took: Duration,
    cpu: Duration,
) -> anyhow::Result<bool> {
    let found =
        check::check(&files.output).with_context(|| format!("failed to read {}", files.output.display()))?;
    let bytes = written.bytes.load(Ordering::Relaxed) as f64
        / written.lines.load(Ordering::Relaxed).max(1) as f64
        * found.lines as f64;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\nMoved {} records ({:.1} MB) from file to topic to file in {:.2} s: {} records/s, {} ns of CPU per record \
         for feed, broker and worker together.\nFiles are in {}",
        grouped(found.lines),
        bytes / 1e6,
        took.as_secs_f64(),
        grouped((found.lines as f64 / took.as_secs_f64()) as u64),
        grouped((cpu.as_nanos() as u64).checked_div(found.lines).unwrap_or(0)),
        files.folder.display(),
    )?;
    let Some(records) = records else { return Ok(reached_end) };
    if reached_end && found.is_complete(records) {
        writeln!(out, "All {} records arrived, each once and in order.", grouped(records))?;
        return Ok(true);
    }
    let Found { lines, missing, unexpected } = found;
    writeln!(
        out,
        "Expected {}, found {} lines: {} missing before the last, {} repeated or unreadable.",
        grouped(records),
        grouped(lines),
        grouped(missing),
        grouped(unexpected)
    )?;
    Ok(false)
}

/// CPU time of the whole process so far.
fn process_cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
}
