//! A sink that drops what it gets: the far end of benchmarks, and a way to see what a pipeline costs without a system behind.
//!
//! `tier` says how far records are taken apart before they are dropped, which is what is then measured: `bytes` (batches are
//! checked, nothing is parsed), `index` (keys and values as bytes), `columns` (converted, as for any usual sink).

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{Batch, Props, Result, SinkConnector, SinkContext, SinkOffsetChange, SinkTask, Tier};

const TIER: &str = "tier";
const TIERS: &[&str] = &["bytes", "index", "columns"];

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
        ConfigDef::default().key(
            ConfigKey::new(
                TIER,
                ConfigType::String,
                Default::Value("columns"),
                Importance::Medium,
                "How far records are taken apart before they are dropped: bytes, index or columns",
            )
            .checked(|value| validators::one_of(value, TIERS)),
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
        let tier = match Self::config_def().parse(props)?.string(TIER) {
            "bytes" => Tier::Bytes,
            "index" => Tier::Index,
            _ => Tier::Columns,
        };
        Ok(BlackholeSinkTask { tier })
    }
}

/// Drops batches.
#[derive(Debug)]
pub struct BlackholeSinkTask {
    tier: Tier,
}

impl SinkTask for BlackholeSinkTask {
    fn tier(&self) -> Tier {
        self.tier
    }

    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }
}
