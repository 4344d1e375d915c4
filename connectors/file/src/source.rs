//! The source: opens the file, tails it, emits lines.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use api::config_def::{Config, ConfigDef};
use api::{
    Batch, Body, Column, Columns, Error, ExactlyOnceSupport, Headers, Origin, Props, Result, Run,
    SourceConnector, SourceContext, SourceOffset, SourceOffsetChange, SourceOffsets, SourcePartition,
    SourceTask, Timestamps, Value,
};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::config;
use crate::lines::{Emitted, Lines};

/// Bytes asked of the file at a time: what fits into the L2 cache beside the batch made of it.
const CHUNK_BYTES: usize = 256 << 10;

/// The same of what has no length, a pipe, a device or an empty file: as much as a pipe holds.
const PIPE_CHUNK_BYTES: usize = 64 << 10;

/// Chunks of standard input read ahead of the pipeline.
const STDIN_CHUNKS_MAX: usize = 4;

/// The only key of a source partition.
const FILENAME_FIELD: &str = "filename";

/// The only key of a source offset: bytes from the start of the file.
const POSITION_FIELD: &str = "position";

/// How long to wait for a file that does not exist yet (Java waits as long).
const MISSING_FILE_WAIT: Duration = Duration::from_secs(1);

/// At the end of the file the waits grow from the first to the last, which is Java's: a busy file is tailed closely, an idle one costs nothing.
const IDLE_WAIT_MIN: Duration = Duration::from_millis(2);
const IDLE_WAIT_MAX: Duration = Duration::from_secs(1);

/// `org.apache.kafka.connect.file.FileStreamSourceConnector`: always one task.
#[derive(Debug)]
pub struct FileStreamSource {
    props: Props,
}

impl SourceConnector for FileStreamSource {
    type Task = FileStreamSourceTask;
    const CLASS: &'static str = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.file.FileStreamSourceTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        config::source()
    }

    fn start(config: Config) -> Result<FileStreamSource> {
        match config.string_or_null(config::FILE) {
            Some(file) if !file.is_empty() => info!(file, "starting file source connector"),
            _ => info!("starting file source connector reading from standard input"),
        }
        Ok(FileStreamSource { props: config.originals().clone() })
    }

    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }

    fn create_task(props: &Props) -> Result<FileStreamSourceTask> {
        let config = config::source().parse(props)?;
        let file = config.string_or_null(config::FILE).filter(|file| !file.is_empty()).map(str::to_owned);
        let partition = match &file {
            Some(file) => SourcePartition::new([(Arc::from(FILENAME_FIELD), Value::String(file.clone()))]),
            None => SourcePartition::none(),
        };
        Ok(FileStreamSourceTask {
            topic: Arc::from(config.string(config::TOPIC)),
            // As in Java a size below one is taken, and would never emit: one is the least that makes sense.
            batch_records_max: config.int(config::BATCH_SIZE).max(1) as usize,
            partition,
            position_field: Arc::from(POSITION_FIELD),
            input: match file {
                Some(path) => Input::Missing { path, is_warned: false },
                None => Input::NotStarted,
            },
            lines: Lines::starting_at(0),
            idle_wait: IDLE_WAIT_MIN,
        })
    }

    /// As Java's: standard input cannot be read again.
    fn exactly_once_support(props: &Props) -> Option<ExactlyOnceSupport> {
        let names_a_file = props.get(config::FILE).is_some_and(|file| !file.is_empty());
        Some(if names_a_file { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported })
    }

    /// As Java's: offsets have to look like its own, whatever file they name.
    fn alter_offsets(props: &Props, offsets: &[SourceOffsetChange]) -> Result<bool> {
        let config = config::source().parse(props)?;
        if config.string_or_null(config::FILE).is_none_or(str::is_empty) {
            return Err(Error::fatal(
                "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input \
                 and offsets are not tracked.",
            ));
        }
        for (partition, offset) in offsets {
            if let Some(offset) = offset {
                check_partition(partition)?;
                check_offset(offset)?;
            }
        }
        Ok(true)
    }
}

fn check_partition(partition: &SourcePartition) -> Result<()> {
    let entries = partition.entries().ok_or_else(|| Error::fatal("Partition objects cannot be null"))?;
    if entries.iter().any(|(key, _)| **key == *FILENAME_FIELD) {
        Ok(())
    } else {
        Err(Error::fatal("Partition objects should contain the key 'filename'"))
    }
}

fn check_offset(offset: &SourceOffset) -> Result<()> {
    match offset.iter().find(|(key, _)| **key == *POSITION_FIELD) {
        None => Err(Error::fatal("Offset objects should either be null or contain the key 'position'")),
        Some((_, Value::Int64(position))) if *position >= 0 => Ok(()),
        Some((_, Value::Int64(_))) => {
            Err(Error::fatal("The value for the 'position' key in the offset should be a non-negative value"))
        }
        Some(_) => {
            Err(Error::fatal("The value for the 'position' key in the offset is expected to be a Long value"))
        }
    }
}

/// Reads one file or standard input.
#[derive(Debug)]
pub struct FileStreamSourceTask {
    topic: Arc<str>,
    batch_records_max: usize,
    partition: SourcePartition,
    position_field: Arc<str>,
    input: Input,
    lines: Lines,
    idle_wait: Duration,
}

/// Where bytes come from.
#[derive(Debug)]
enum Input {
    /// Standard input before the task has started.
    NotStarted,
    /// The file was not there when last looked for.
    Missing { path: String, is_warned: bool },
    /// The open file; `length_seen` is how far it reached when last read.
    File { path: String, file: File, is_truncation_warned: bool },
    /// Chunks from the thread that reads standard input: a blocked read must not block the core.
    Stdin(mpsc::Receiver<std::io::Result<Vec<u8>>>),
    /// Standard input has ended.
    Ended,
}

impl SourceTask for FileStreamSourceTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        if let Input::NotStarted = self.input {
            self.input = Input::Stdin(read_stdin()?);
            return Ok(());
        }
        if let Some(offset) = context.offset(&self.partition).await? {
            let stored = offset.iter().find(|(field, _)| **field == *self.position_field);
            match stored {
                Some((_, Value::Int64(position))) if *position >= 0 => {
                    info!(position, "going on at the stored position");
                    self.lines = Lines::starting_at(*position);
                }
                Some((_, Value::Null)) | None => {}
                Some(_) => return Err(Error::fatal("Offset position is the incorrect type")),
            }
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        loop {
            if let Some(emitted) = self.lines.take(self.batch_records_max)? {
                self.idle_wait = IDLE_WAIT_MIN;
                return Ok(self.batch(emitted));
            }
            if self.read().await? == 0 {
                return Ok(Batch::default());
            }
        }
    }

    async fn stop(&mut self) -> Result<()> {
        self.input = Input::Ended;
        Ok(())
    }
}

impl FileStreamSourceTask {
    fn batch(&self, Emitted { lines, positions }: Emitted) -> Batch {
        let columns = Columns {
            key: Column::null(positions.len()),
            value: Column::strings(lines),
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let offsets = match self.partition.entries() {
            Some(_) => SourceOffsets::Long { field: Arc::clone(&self.position_field), values: positions },
            None => SourceOffsets::None,
        };
        let origin = Origin::Source { partition: self.partition.clone(), offsets };
        let run =
            Run { topic: Arc::clone(&self.topic), partition: None, origin, body: Body::Columns(columns) };
        Batch { runs: vec![run] }
    }

    /// Reads on into a new chunk. Returns 0 after having waited a little when there is nothing now. Cancel safe: bytes are taken
    /// from the input and put into the chunk without an await in between.
    async fn read(&mut self) -> Result<usize> {
        match &mut self.input {
            Input::Missing { path, is_warned } => {
                match File::open(&*path) {
                    Ok(mut file) => {
                        file.seek(SeekFrom::Start(self.lines.position() as u64))
                            .map_err(|error| failed("seek in", path, error))?;
                        let path = std::mem::take(path);
                        self.input = Input::File { path, file, is_truncation_warned: false };
                        return Ok(1);
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        if !*is_warned {
                            warn!(file = path, "couldn't find the file, waiting for it to be created");
                            *is_warned = true;
                        }
                    }
                    Err(error) => return Err(failed("open", path, error)),
                }
                tokio::time::sleep(MISSING_FILE_WAIT).await;
                Ok(0)
            }
            Input::File { path, file, is_truncation_warned } => {
                let unfinished = self.lines.unfinished();
                let read_to = self.lines.position() + unfinished.len() as i64;
                let length = file.metadata().map_err(|error| failed("look at", path, error))?.len() as i64;
                // A file that has not grown costs no chunk, and none is kept while it is waited for.
                if length != read_to || length == 0 {
                    let room_min = if length == 0 { PIPE_CHUNK_BYTES } else { CHUNK_BYTES };
                    let mut chunk = Vec::with_capacity(room_min.max(2 * unfinished.len()));
                    chunk.extend_from_slice(unfinished);
                    let room = (chunk.capacity() - chunk.len()) as u64;
                    let read = file
                        .by_ref()
                        .take(room)
                        .read_to_end(&mut chunk)
                        .map_err(|error| failed("read", path, error))?;
                    if read > 0 {
                        self.lines.refill(chunk)?;
                        return Ok(read);
                    }
                }
                if length < read_to && !*is_truncation_warned {
                    warn!(
                        file = path,
                        length,
                        read_to,
                        "the file is shorter than what was read of it: it was truncated; waiting until it has grown beyond"
                    );
                }
                *is_truncation_warned = length < read_to;
                tokio::time::sleep(self.idle_wait).await;
                self.idle_wait = (self.idle_wait * 2).min(IDLE_WAIT_MAX);
                Ok(0)
            }
            Input::Stdin(chunks) => match chunks.recv().await {
                Some(Ok(bytes)) => {
                    self.lines.refill([self.lines.unfinished(), &bytes].concat())?;
                    Ok(bytes.len())
                }
                Some(Err(error)) => Err(failed("read", "standard input", error)),
                None => {
                    info!("standard input has ended");
                    self.input = Input::Ended;
                    Ok(0)
                }
            },
            // Nothing will ever come again; the task idles until it is stopped, as in Java.
            Input::NotStarted | Input::Ended => std::future::pending().await,
        }
    }
}

fn failed(doing: &str, what: &str, error: std::io::Error) -> Error {
    Error::fatal(format!("failed to {doing} {what}: {error}")).with_source(error)
}

/// Reads standard input on a thread of its own. The thread ends with its input or when nobody listens any more; a read that
/// blocks for ever holds up nobody.
fn read_stdin() -> Result<mpsc::Receiver<std::io::Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel(STDIN_CHUNKS_MAX);
    let read_on = move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = stdin.read(&mut chunk).map(|len| {
                chunk.truncate(len);
                chunk
            });
            let is_last = read.as_ref().map_or(true, Vec::is_empty);
            if matches!(&read, Ok(chunk) if chunk.is_empty())
                || sender.blocking_send(read).is_err()
                || is_last
            {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read_on)
        .map_err(|error| failed("start a thread for", "standard input", error))?;
    Ok(receiver)
}
