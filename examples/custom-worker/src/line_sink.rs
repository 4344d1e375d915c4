//! A sink: one line per record in a file, with where the record came from.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{
    Batch, Body, Error, Origin, Props, Result, SinkConnector, SinkContext, SinkOffsets, SinkTask, java_text,
};

const FILE: &str = "file";

/// The connector.
#[derive(Debug)]
pub struct LineSink {
    props: Props,
}

impl SinkConnector for LineSink {
    type Task = LineSinkTask;
    const CLASS: &'static str = "com.example.LineSinkConnector";
    const TASK_CLASS: &'static str = "com.example.LineSinkTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(
            ConfigKey::new(
                FILE,
                ConfigType::String,
                Default::Required,
                Importance::High,
                "File that lines are appended to.",
            )
            .checked(validators::non_empty),
        )
    }

    fn start(config: Config) -> Result<LineSink> {
        Ok(LineSink { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); tasks_max])
    }

    fn create_task(props: &Props) -> Result<LineSinkTask> {
        let config = LineSink::config_def().parse(props)?;
        Ok(LineSinkTask { path: config.string(FILE).to_owned(), file: None, lines: Vec::new() })
    }
}

/// The task.
#[derive(Debug)]
pub struct LineSinkTask {
    path: String,
    file: Option<File>,
    lines: Vec<u8>,
}

impl SinkTask for LineSinkTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        self.file = Some(file.map_err(|error| self.failed("open", error))?);
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        self.lines.clear();
        for run in &batch.runs {
            let (Body::Columns(columns), Origin::Kafka { from, offsets }) = (&run.body, &run.origin) else {
                return Err(Error::fatal("a sink of tier Columns gets columns of Kafka records"));
            };
            for row in 0..run.record_count() {
                let place = format!("{}-{}@{} ", from.topic, from.partition, offsets.get(row));
                self.lines.extend_from_slice(place.as_bytes());
                java_text::write(&mut self.lines, columns.value.row(row));
                self.lines.push(b'\n');
            }
        }
        let Some(file) = &mut self.file else { return Err(Error::fatal("the task was not started")) };
        file.write_all(&self.lines).map_err(|error| self.failed("write to", error))
    }

    /// What this returns is committed, so it has to be on disk.
    async fn pre_commit(&mut self, offsets: SinkOffsets) -> Result<SinkOffsets> {
        if let Some(file) = &self.file {
            file.sync_data().map_err(|error| self.failed("sync", error))?;
        }
        Ok(offsets)
    }

    async fn stop(&mut self) -> Result<()> {
        self.file = None;
        Ok(())
    }
}

impl LineSinkTask {
    /// A full disk is worth another attempt with the same batch.
    fn failed(&self, doing: &str, error: std::io::Error) -> Error {
        let message = format!("failed to {doing} {}: {error}", self.path);
        match error.kind() {
            std::io::ErrorKind::StorageFull => Error::retriable(message),
            _ => Error::fatal(message),
        }
        .with_source(error)
    }
}
