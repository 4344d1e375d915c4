//! The sink: appends values as lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use api::config_def::{Config, ConfigDef};
use api::java_text::ColumnText;
use api::{
    Batch, Body, Column, Data, Error, Props, Result, SinkConnector, SinkContext, SinkOffsetChange,
    SinkOffsets, SinkTask,
};
use arrow_array::StringViewArray;
use arrow_array::cast::AsArray;
use tracing::{info, warn};

use crate::config;

/// Lines are gathered up to this many bytes before they are written: one system call per so much, from memory still in cache.
const WRITE_BYTES: usize = 256 << 10;

/// `org.apache.kafka.connect.file.FileStreamSinkConnector`: `tasks.max` tasks with the same configuration.
#[derive(Debug)]
pub struct FileStreamSink {
    props: Props,
}

impl SinkConnector for FileStreamSink {
    type Task = FileStreamSinkTask;
    const CLASS: &'static str = "org.apache.kafka.connect.file.FileStreamSinkConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.file.FileStreamSinkTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        config::sink()
    }

    fn start(config: Config) -> Result<FileStreamSink> {
        match config.string_or_null(config::FILE) {
            Some(file) if !file.is_empty() => info!(file, "starting file sink connector"),
            _ => info!("starting file sink connector writing to standard output"),
        }
        Ok(FileStreamSink { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); tasks_max])
    }

    fn create_task(props: &Props) -> Result<FileStreamSinkTask> {
        let config = config::sink().parse(props)?;
        Ok(FileStreamSinkTask {
            path: config.string_or_null(config::FILE).filter(|file| !file.is_empty()).map(str::to_owned),
            output: Output::Closed,
            gathered: Vec::new(),
            is_synced: true,
        })
    }

    /// It keeps no offsets beside those of its group.
    fn alter_offsets(_props: &Props, _offsets: &[SinkOffsetChange]) -> Result<bool> {
        Ok(true)
    }
}

/// Appends to one file or standard output.
#[derive(Debug)]
pub struct FileStreamSinkTask {
    path: Option<String>,
    output: Output,
    /// Lines not yet written.
    gathered: Vec<u8>,
    /// Whether everything written is known to be on disk.
    is_synced: bool,
}

/// Whether the file has bytes and the last one ends no line. Pipes and devices have no end to look at.
/// Java's exceptions for these two say nothing but the path.
fn of_path(error: io::Error, path: &str) -> io::Error {
    match error.kind() {
        kind @ (io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            io::Error::new(kind, path.to_owned())
        }
        _ => error,
    }
}

fn ends_inside_line(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.read_exact_at(&mut last, metadata.len() - 1)?;
    Ok(last != *b"\n")
}

#[derive(Debug)]
enum Output {
    Closed,
    File(File),
    Stdout,
}

impl SinkTask for FileStreamSinkTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        let Some(path) = &self.path else {
            self.output = Output::Stdout;
            return Ok(());
        };
        let file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(|error| {
            Error::fatal(format!("Couldn't find or create file '{path}' for FileStreamSinkTask"))
                .with_source(of_path(error, path))
        })?;
        // A worker that was killed in the middle of a write leaves the beginning of a line. That line is delivered again, but
        // glued to its torn beginning it would be lost, so what follows starts on a line of its own.
        if ends_inside_line(&file).map_err(|error| self.failed("read the end of", error))? {
            warn!(file = path, "the file ends inside a line: ending that line before appending");
            self.gathered.push(b'\n');
        }
        self.output = Output::File(file);
        self.write()
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        for run in &batch.runs {
            let Body::Columns(columns) = &run.body else {
                return Err(Error::fatal("the file sink needs converted values and got a packed batch"));
            };
            self.append(&columns.value)?;
        }
        self.write()
    }

    async fn pre_commit(&mut self, offsets: SinkOffsets) -> Result<SinkOffsets> {
        self.write()?;
        if let (Output::File(file), false) = (&self.output, self.is_synced) {
            file.sync_data().map_err(|error| self.failed("sync", error))?;
            self.is_synced = true;
        }
        Ok(offsets)
    }

    async fn stop(&mut self) -> Result<()> {
        let written = self.write();
        self.output = Output::Closed;
        written
    }
}

impl FileStreamSinkTask {
    fn append(&mut self, values: &Column) -> Result<()> {
        match &values.data {
            Data::Array(array) if let Some(lines) = array.as_string_view_opt() => self.append_text(lines),
            _ => {
                let text = ColumnText::of(values);
                for row in 0..values.len() {
                    text.write(&mut self.gathered, row);
                    self.end_line()?;
                }
                Ok(())
            }
        }
    }

    /// The usual case: strings are copied once, from the fetched buffer into the output.
    fn append_text(&mut self, lines: &StringViewArray) -> Result<()> {
        for line in lines.iter() {
            self.gathered.extend_from_slice(line.unwrap_or("null").as_bytes());
            self.end_line()?;
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<()> {
        self.gathered.push(b'\n');
        if self.gathered.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        match &mut self.output {
            Output::File(file) => file.write_all(&self.gathered),
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&self.gathered).and_then(|()| stdout.flush())
            }
            Output::Closed => return Err(Error::fatal("the file sink was not started")),
        }
        .map_err(|error| self.failed("write to", error))?;
        self.gathered.clear();
        self.is_synced = false;
        Ok(())
    }

    fn failed(&self, doing: &str, error: io::Error) -> Error {
        let what = self.path.as_deref().unwrap_or("standard output");
        Error::fatal(format!("failed to {doing} {what}: {error}")).with_source(error)
    }
}
