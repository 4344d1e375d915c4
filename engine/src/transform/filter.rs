//! Filter: drops every record that it gets; a predicate says which (KIP-585).

use api::config_def::{Config, ConfigDef};
use api::{Plugin, Records, Result, Touches, Transform, Transformed};

/// `org.apache.kafka.connect.transforms.Filter`.
#[derive(Debug)]
pub(super) struct Filter;

impl Plugin for Filter {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.Filter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<Filter> {
        Ok(Filter)
    }
}

impl Transform for Filter {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, _dropped: Records, _out: &mut Transformed) -> Result<()> {
        Ok(())
    }
}
