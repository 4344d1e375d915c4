//! RecordIsTombstone: records without a value.

use api::config_def::{Config, ConfigDef};
use api::{Data, Matches, Plugin, Predicate, Records, Result, Tested, Touches};
use arrow_array::Array as _;
use arrow_buffer::BooleanBuffer;

/// `org.apache.kafka.connect.transforms.predicates.RecordIsTombstone`.
#[derive(Debug)]
pub(super) struct RecordIsTombstone;

impl Plugin for RecordIsTombstone {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<RecordIsTombstone> {
        Ok(RecordIsTombstone)
    }
}

impl Predicate for RecordIsTombstone {
    /// Whether a value is null is for its converter to say: the JSON text `null` is.
    fn touches(&self) -> Touches {
        Touches::VALUE
    }

    fn test(&mut self, records: &Records) -> Result<Tested> {
        let nulls = match &records.columns.value.data {
            Data::Null(_) => return Ok(Matches::All.into()),
            Data::Raw(bytes) => bytes.logical_nulls(),
            Data::Array(array) => array.logical_nulls(),
            Data::Rows(rows) => {
                let is_null = |row| rows.row(row).is_null();
                return Ok(Matches::each(BooleanBuffer::collect_bool(rows.len(), is_null)).into());
            }
        };
        Ok(nulls.map_or(Matches::None, |nulls| Matches::each(!nulls.inner())).into())
    }
}
