//! HasHeaderKey: records that have a header of a certain name.

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{HeaderPart, Matches, Plugin, Predicate, Records, Result, Tested, Touches};
use arrow_buffer::BooleanBuffer;

const NAME: &str = "name";

/// `org.apache.kafka.connect.transforms.predicates.HasHeaderKey`.
#[derive(Debug)]
pub(super) struct HasHeaderKey {
    name: String,
}

impl Plugin for HasHeaderKey {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.predicates.HasHeaderKey";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(
            ConfigKey::new(
                NAME,
                ConfigType::String,
                Default::Required,
                Importance::Medium,
                "Name of the header that a record needs.",
            )
            .checked(validators::non_empty),
        )
    }

    fn create(config: Config) -> Result<HasHeaderKey> {
        Ok(HasHeaderKey { name: config.string(NAME).to_owned() })
    }
}

impl Predicate for HasHeaderKey {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn test(&mut self, records: &Records) -> Result<Tested> {
        let name = self.name.as_bytes();
        let mut found: Option<BooleanBuffer> = None;
        for part in records.columns.headers.parts() {
            match part {
                HeaderPart::Same { key, .. } if **key == *name => return Ok(Matches::All.into()),
                HeaderPart::Same { .. } => {}
                HeaderPart::Each(headers) => {
                    let has = |row| headers.range(row).any(|index| headers.keys().value(index) == name);
                    let here = BooleanBuffer::collect_bool(records.len(), has);
                    found = Some(found.map_or(here.clone(), |before| &before | &here));
                }
            }
        }
        Ok(found.map_or(Matches::None, Matches::each).into())
    }
}
