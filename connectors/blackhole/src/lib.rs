//! A sink that drops what it gets: the far end of benchmarks, and a way to see what a pipeline costs without a system behind.
//!
//! `tier` says how far records are taken apart before they are dropped, which is what is then measured: `bytes` (batches are
//! checked, nothing is parsed), `index` (keys and values as bytes), `columns` (converted, as for any usual sink).
//!
//! `fault` makes it misbehave on purpose: to see what a bad sink does to its neighbours, and what an operator gets to see of it.

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{Batch, Error, Props, Result, SinkConnector, SinkContext, SinkOffsetChange, SinkTask, Tier};

const TIER: &str = "tier";
const TIERS: &[&str] = &["bytes", "index", "columns"];
const FAULT: &str = "fault";
const FAULTS: &[&str] = &["none", "fail", "panic", "wait", "hang"];
const FAULT_AFTER: &str = "fault.after.records";

/// `io.aqueduct.connect.BlackholeSinkConnector` (alias `BlackholeSink`).
#[derive(Debug)]
pub struct BlackholeSink {
    props: Props,
}

impl SinkConnector for BlackholeSink {
    type Task = BlackholeSinkTask;
    const CLASS: &'static str = "io.aqueduct.connect.BlackholeSinkConnector";
    const TASK_CLASS: &'static str = "io.aqueduct.connect.BlackholeSinkTask";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn config_def() -> ConfigDef {
        ConfigDef::default()
            .key(
                ConfigKey::new(
                    TIER,
                    ConfigType::String,
                    Default::Value("columns"),
                    Importance::Medium,
                    "How far records are taken apart before they are dropped: bytes, index or columns",
                )
                .checked(|value| validators::one_of(value, TIERS)),
            )
            .key(
                ConfigKey::new(
                    FAULT,
                    ConfigType::String,
                    Default::Value("none"),
                    Importance::Low,
                    "What its tasks do instead, for tests of everything around them: fail, panic, wait for ever (wait) or block the \
                     thread that they share with other tasks (hang)",
                )
                .checked(|value| validators::one_of(value, FAULTS)),
            )
            .key(
                ConfigKey::new(
                    FAULT_AFTER,
                    ConfigType::Long,
                    Default::Value("0"),
                    Importance::Low,
                    "Records that a task takes before its fault",
                )
                .checked(validators::at_least::<0>),
            )
    }

    fn start(config: Config) -> Result<BlackholeSink> {
        Ok(BlackholeSink { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); tasks_max])
    }

    /// It keeps no offsets beside those of its group.
    fn alter_offsets(_props: &Props, _offsets: &[SinkOffsetChange]) -> Result<bool> {
        Ok(true)
    }

    fn create_task(props: &Props) -> Result<BlackholeSinkTask> {
        let config = Self::config_def().parse(props)?;
        let tier = match config.string(TIER) {
            "bytes" => Tier::Bytes,
            "index" => Tier::Index,
            _ => Tier::Columns,
        };
        let fault = match config.string(FAULT) {
            "fail" => Some(Fault::Fail),
            "panic" => Some(Fault::Panic),
            "wait" => Some(Fault::Wait),
            "hang" => Some(Fault::Hang),
            _ => None,
        };
        Ok(BlackholeSinkTask { tier, fault, good_left: config.long(FAULT_AFTER) })
    }
}

/// What a task does instead of dropping a batch.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Fail,
    Panic,
    /// Never comes back, but lets others have the thread.
    Wait,
    /// Never gives the thread back.
    Hang,
}

impl Fault {
    async fn happen(self) -> Result<()> {
        match self {
            Fault::Fail => Err(Error::fatal("this sink was configured to fail")),
            Fault::Panic => panic!("this sink was configured to panic"),
            Fault::Wait => std::future::pending().await,
            Fault::Hang => loop {
                std::thread::park();
            },
        }
    }
}

/// Drops batches.
#[derive(Debug)]
pub struct BlackholeSinkTask {
    tier: Tier,
    fault: Option<Fault>,
    /// Records to take before the fault.
    good_left: i64,
}

impl SinkTask for BlackholeSinkTask {
    fn tier(&self) -> Tier {
        self.tier
    }

    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        let Some(fault) = self.fault.filter(|_| !batch.is_empty()) else { return Ok(()) };
        if self.good_left <= 0 {
            return fault.happen().await;
        }
        self.good_left -= batch.record_count() as i64;
        Ok(())
    }
}
