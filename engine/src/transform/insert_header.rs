//! InsertHeader: adds a fixed header to every record (KIP-145).

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{Column, Plugin, Records, Result, Touches, Transform, Transformed};

use crate::convert::values;

const HEADER: &str = "header";
const VALUE_LITERAL: &str = "value.literal";

/// `org.apache.kafka.connect.transforms.InsertHeader`.
#[derive(Debug)]
pub(super) struct InsertHeader {
    key: Arc<[u8]>,
    /// Of one row.
    value: Column,
}

impl Plugin for InsertHeader {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.InsertHeader";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        let required = |name, doc| {
            ConfigKey::new(name, ConfigType::String, Default::Required, Importance::High, doc)
                .checked(validators::non_null)
        };
        ConfigDef::default().key(required(HEADER, "Name of the header.")).key(required(
            VALUE_LITERAL,
            "Value of the header: a number, a boolean, a list and so on where the text looks like one, else the text.",
        ))
    }

    fn create(config: Config) -> Result<InsertHeader> {
        let value = match values::parse(config.string(VALUE_LITERAL)) {
            None => Column::null(1),
            Some(parsed) => {
                let mut builder = values::builder(parsed.schema);
                builder.push(parsed.value.as_value_ref())?;
                builder.finish()?
            }
        };
        Ok(InsertHeader { key: config.string(HEADER).as_bytes().into(), value })
    }
}

impl Transform for InsertHeader {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        records.columns.headers.push_same(Arc::clone(&self.key), self.value.clone());
        out.push(records);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use api::{HeaderValueRef, Type, Value};

    use super::*;
    use crate::transform::support::{create, records_of, refusal};

    #[test]
    fn every_record_gets_the_value_that_the_text_stands_for() {
        let inserted = |literal: &str| {
            let mut out = Transformed::default();
            let mut transform =
                create("InsertHeader", &[("header", "h"), ("value.literal", literal)]).unwrap();
            let mut records = records_of(Column::null(3), 0);
            records.columns.headers.push_same((*b"h").into(), Column::null(1));
            transform.apply(records, &mut out).unwrap();
            let (pieces, _) = out.into_parts();
            let headers: Vec<_> = pieces[0].columns.headers.iter(2).collect();
            assert_eq!(headers.iter().map(|header| header.key).collect::<Vec<_>>(), [b"h", b"h"]);
            match headers[1].value {
                HeaderValueRef::Connect(schema, value) => {
                    (schema.map(|schema| schema.kind.clone()), value.to_owned())
                }
                raw => panic!("{raw:?}"),
            }
        };
        assert_eq!(inserted("17"), (Some(Type::Int8), Value::Int8(17)));
        assert_eq!(inserted("text"), (Some(Type::String), Value::String("text".to_owned())));
        assert_eq!(inserted("null"), (None, Value::Null));
        let list = inserted("[1,\"a\"]").1;
        assert_eq!(list, Value::Array(vec![Value::Int8(1), Value::String("a".to_owned())]));
    }

    #[test]
    fn both_settings_are_required() {
        assert_eq!(
            refusal("InsertHeader", &[("header", "h")]),
            "Missing required configuration \"value.literal\" which has no default value."
        );
    }
}
