//! Connectors that do nothing, or fail when they are told to.

use std::time::Duration;

use api::config_def::{Config, ConfigDef};
use api::{
    Batch, Error, Props, Result, SinkConnector, SinkContext, SinkTask, SourceConnector, SourceContext,
    SourceTask,
};
use tokio::time::Instant;
use tracing::debug;

use crate::numbers;

const MODE: &str = "mock_mode";
const DELAY_MS: &str = "delay_ms";
const DEFAULT_DELAY: Duration = Duration::from_secs(15);

/// How often a source that gives nothing says so.
const IDLE_WAIT: Duration = Duration::from_millis(250);

/// What Java's tasks throw.
fn failure() -> Error {
    Error::fatal("").with_java_class("java.lang.RuntimeException")
}

/// Fails the connector if that is what it is for. Java's does so after the delay, from a thread of its own.
fn start(config: &Config) -> Result<Props> {
    let props = config.originals();
    if props.get(MODE).map(String::as_str) == Some("connector-failure") {
        let _delay = delay(props)?;
        return Err(failure());
    }
    Ok(props.clone())
}

fn delay(props: &Props) -> Result<Duration> {
    let Some(text) = props.get(DELAY_MS) else { return Ok(DEFAULT_DELAY) };
    let millis: i64 = numbers::number(props, DELAY_MS, &format!("For input string: \"{text}\""))
        .map_err(|error| error.with_java_class("java.lang.NumberFormatException"))?;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// When a task is to fail.
#[derive(Debug)]
struct Fuse {
    delay: Option<Duration>,
    lit: Option<Instant>,
}

impl Fuse {
    fn new(props: &Props) -> Result<Fuse> {
        let fails = props.get(MODE).map(String::as_str) == Some("task-failure");
        Ok(Fuse { delay: if fails { Some(delay(props)?) } else { None }, lit: None })
    }

    fn light(&mut self) {
        self.lit = Some(Instant::now());
        debug!(delay = ?self.delay, "mock task started");
    }

    /// How long until the failure; `None`: never.
    fn left(&self) -> Option<Duration> {
        let (delay, lit) = (self.delay?, self.lit?);
        Some(delay.saturating_sub(lit.elapsed()))
    }
}

/// `org.apache.kafka.connect.tools.MockSourceConnector`.
#[derive(Debug)]
pub struct MockSource {
    props: Props,
}

impl SourceConnector for MockSource {
    type Task = MockSourceTask;
    const CLASS: &'static str = "org.apache.kafka.connect.tools.MockSourceConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.tools.MockSourceTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<MockSource> {
        Ok(MockSource { props: start(&config)? })
    }

    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }

    fn create_task(props: &Props) -> Result<MockSourceTask> {
        Ok(MockSourceTask { fuse: Fuse::new(props)? })
    }
}

/// Gives nothing.
#[derive(Debug)]
pub struct MockSourceTask {
    fuse: Fuse,
}

impl SourceTask for MockSourceTask {
    async fn start(&mut self, _context: &SourceContext) -> Result<()> {
        self.fuse.light();
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        let wait = self.fuse.left().map_or(IDLE_WAIT, |left| left.min(IDLE_WAIT));
        tokio::time::sleep(wait).await;
        if self.fuse.left() == Some(Duration::ZERO) { Err(failure()) } else { Ok(Batch::default()) }
    }
}

/// `org.apache.kafka.connect.tools.MockSinkConnector`.
#[derive(Debug)]
pub struct MockSink {
    props: Props,
}

impl SinkConnector for MockSink {
    type Task = MockSinkTask;
    const CLASS: &'static str = "org.apache.kafka.connect.tools.MockSinkConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.tools.MockSinkTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<MockSink> {
        Ok(MockSink { props: start(&config)? })
    }

    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }

    fn create_task(props: &Props) -> Result<MockSinkTask> {
        Ok(MockSinkTask { fuse: Fuse::new(props)? })
    }
}

/// Takes everything and keeps nothing.
#[derive(Debug)]
pub struct MockSinkTask {
    fuse: Fuse,
}

impl SinkTask for MockSinkTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        self.fuse.light();
        Ok(())
    }

    async fn put(&mut self, _batch: &Batch) -> Result<()> {
        if self.fuse.left() == Some(Duration::ZERO) { Err(failure()) } else { Ok(()) }
    }
}
