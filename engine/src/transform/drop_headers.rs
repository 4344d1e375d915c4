//! DropHeaders: removes headers by name.

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, ListRule};
use api::{Plugin, Records, Result, Touches, Transform, Transformed};

const HEADERS: &str = "headers";

/// `org.apache.kafka.connect.transforms.DropHeaders`.
#[derive(Debug)]
pub(super) struct DropHeaders {
    names: Vec<String>,
}

impl Plugin for DropHeaders {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.DropHeaders";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(
            ConfigKey::new(
                HEADERS,
                ConfigType::List,
                Default::Required,
                Importance::High,
                "Names of the headers to remove.",
            )
            .listed(ListRule::NON_EMPTY),
        )
    }

    fn create(config: Config) -> Result<DropHeaders> {
        Ok(DropHeaders { names: config.list(HEADERS).to_vec() })
    }
}

impl Transform for DropHeaders {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        let is_dropped = |key: &[u8]| self.names.iter().any(|name| name.as_bytes() == key);
        records.columns.headers.retain(|key| !is_dropped(key));
        out.push(records);
        Ok(())
    }
}
