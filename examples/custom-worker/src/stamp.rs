//! A transform: a header that says where records come from. It touches neither keys nor values, so nothing is decoded for it, and the header
//! is one for all records of a run.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{Column, Plugin, Records, Result, Touches, Transform, Transformed};
use arrow_array::StringViewArray;

const SITE: &str = "site";

/// `com.example.Stamp`.
#[derive(Debug)]
pub struct Stamp {
    key: Arc<[u8]>,
    value: Column,
}

impl Plugin for Stamp {
    const CLASS: &'static str = "com.example.Stamp";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(
            ConfigKey::new(
                SITE,
                ConfigType::String,
                Default::Required,
                Importance::High,
                "Name of the site, the value of the header `site`.",
            )
            .checked(validators::non_empty),
        )
    }

    fn create(config: Config) -> Result<Stamp> {
        let value = Column::strings(StringViewArray::from_iter_values([config.string(SITE)]));
        Ok(Stamp { key: Arc::from(&b"site"[..]), value })
    }
}

impl Transform for Stamp {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        records.columns.headers.push_same(Arc::clone(&self.key), self.value.clone());
        out.push(records);
        Ok(())
    }
}
