//! What is compared: each converter in both directions, each transform with and without schemas, and three of them in a row.

use super::rows::{self, Transform};

/// What the classes of transforms begin with.
pub(crate) const TRANSFORMS: &str = "org.apache.kafka.connect.transforms.";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Settings of a plug-in.
pub(crate) type Settings = &'static [(&'static str, &'static str)];

/// What the records hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    Schemaless,
    Enveloped,
    Text,
    /// So many bytes each.
    Fixed(usize),
    /// One byte, 0 or 1.
    Flag,
}

impl Data {
    pub(crate) const ALL: [Data; 7] = [
        Data::Schemaless,
        Data::Enveloped,
        Data::Text,
        Data::Fixed(2),
        Data::Fixed(4),
        Data::Fixed(8),
        Data::Flag,
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Data::Schemaless => "json".to_owned(),
            Data::Enveloped => "enveloped".to_owned(),
            Data::Text => "text".to_owned(),
            Data::Fixed(bytes) => format!("fixed{bytes}"),
            Data::Flag => "flag".to_owned(),
        }
    }

    pub(crate) fn record(self, row: usize) -> Vec<u8> {
        match self {
            Data::Schemaless => payload(row).into_bytes(),
            Data::Enveloped => format!(r#"{{"schema":{SCHEMA},"payload":{}}}"#, payload(row)).into_bytes(),
            Data::Text => format!("{row:0>100}").into_bytes(),
            Data::Fixed(bytes) => (row as u64 * 977).to_be_bytes()[8 - bytes..].to_vec(),
            Data::Flag => vec![row as u8 & 1],
        }
    }
}

/// Of `customers::record`.
const SCHEMA: &str = include_str!("../../loadtest/src/customers.schema.json").trim_ascii_end();

/// About 140 bytes.
fn payload(row: usize) -> String {
    let (id, price, active) = (100_000 + row, row % 977, row.is_multiple_of(2));
    let created = 1_700_000_000_000_i64 + row as i64 * 61_003;
    format!(
        r#"{{"id":{id},"name":"customer-{row:06}","mail":"customer-{row:06}@example.org","price":{price}.25,"active":{active},"created":{created},"city":"Trondheim"}}"#
    )
}

/// One converter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conversion {
    pub(crate) class: &'static str,
    pub(crate) settings: Settings,
    pub(crate) data: Data,
    pub(crate) read: fn(&[u8], &mut rows::Known) -> rows::Row,
    pub(crate) write: fn(&rows::Row, &mut rows::Known) -> Vec<u8>,
}

const fn scalar(
    class: &'static str,
    data: Data,
    read: fn(&[u8], &mut rows::Known) -> rows::Row,
) -> Conversion {
    Conversion { class, settings: &[], data, read, write: rows::write_scalar }
}

pub(crate) const SCHEMALESS: Conversion = Conversion {
    class: JSON,
    settings: &[("schemas.enable", "false")],
    data: Data::Schemaless,
    read: rows::read_schemaless,
    write: rows::write_json,
};
pub(crate) const ENVELOPED: Conversion = Conversion {
    class: JSON,
    settings: &[("schemas.enable", "true")],
    data: Data::Enveloped,
    read: rows::read_enveloped,
    write: rows::write_json,
};

pub(crate) const CONVERSIONS: &[Conversion] = &[
    SCHEMALESS,
    ENVELOPED,
    scalar("org.apache.kafka.connect.storage.StringConverter", Data::Text, rows::read_text),
    scalar("org.apache.kafka.connect.converters.ByteArrayConverter", Data::Text, rows::read_bytes),
    scalar("org.apache.kafka.connect.converters.BooleanConverter", Data::Flag, rows::read_boolean),
    scalar("org.apache.kafka.connect.converters.ShortConverter", Data::Fixed(2), rows::read_number),
    scalar("org.apache.kafka.connect.converters.IntegerConverter", Data::Fixed(4), rows::read_number),
    scalar("org.apache.kafka.connect.converters.LongConverter", Data::Fixed(8), rows::read_number),
    scalar("org.apache.kafka.connect.converters.FloatConverter", Data::Fixed(4), rows::read_float),
    scalar("org.apache.kafka.connect.converters.DoubleConverter", Data::Fixed(8), rows::read_float),
];

/// One transform, or several after one another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    /// Class, without its package, and settings.
    pub(crate) stages: &'static [(&'static str, Settings)],
    pub(crate) by_row: &'static [Transform],
    /// Whether it works on records without schemas, too.
    pub(crate) takes_schemaless: bool,
}

const fn one(
    name: &'static str,
    stages: &'static [(&'static str, Settings)],
    by_row: &'static [Transform],
) -> Chain {
    Chain { name, stages, by_row, takes_schemaless: true }
}

const INSERT: (&str, Settings) =
    ("InsertField$Value", &[("static.field", "source"), ("static.value", "shop")]);
const REPLACE: (&str, Settings) = ("ReplaceField$Value", &[("exclude", "city"), ("renames", "mail:email")]);
const CAST: (&str, Settings) = ("Cast$Value", &[("spec", "id:string")]);

/// A field more, one less, one renamed, and a number as text.
pub(crate) const THREE: Chain = one(
    "InsertField, ReplaceField, Cast",
    &[INSERT, REPLACE, CAST],
    &[rows::insert, rows::replace, rows::cast],
);

pub(crate) const CHAINS: &[Chain] = &[
    THREE,
    one("Cast", &[CAST], &[rows::cast]),
    one("DropHeaders", &[("DropHeaders", &[("headers", "none")])], &[|row, _| row.clone()]),
    one("ExtractField", &[("ExtractField$Value", &[("field", "mail")])], &[rows::extract]),
    one("Flatten", &[("Flatten$Value", &[])], &[rows::flatten]),
    one(
        "HeaderFrom",
        &[("HeaderFrom$Value", &[("fields", "mail"), ("headers", "mail"), ("operation", "copy")])],
        &[rows::header_from],
    ),
    one("HoistField", &[("HoistField$Value", &[("field", "record")])], &[rows::hoist]),
    one("InsertField", &[INSERT], &[rows::insert]),
    one(
        "InsertHeader",
        &[("InsertHeader", &[("header", "source"), ("value.literal", "shop")])],
        &[rows::insert_header],
    ),
    one("MaskField", &[("MaskField$Value", &[("fields", "mail")])], &[rows::mask]),
    one(
        "RegexRouter",
        &[("RegexRouter", &[("regex", "(.*)-(\\d+)"), ("replacement", "$2-$1")])],
        &[rows::route],
    ),
    one("ReplaceField", &[REPLACE], &[rows::replace]),
    Chain {
        name: "SetSchemaMetadata",
        stages: &[("SetSchemaMetadata$Value", &[("schema.name", "org.example.Order")])],
        by_row: &[rows::rename_schema],
        takes_schemaless: false,
    },
    one(
        "TimestampConverter",
        &[(
            "TimestampConverter$Value",
            &[("field", "created"), ("target.type", "string"), ("format", "yyyy-MM-dd HH:mm:ss")],
        )],
        &[rows::date_text],
    ),
    one("TimestampRouter", &[("TimestampRouter", &[])], &[rows::route_by_time]),
    one("ValueToKey", &[("ValueToKey", &[("fields", "id")])], &[rows::value_to_key]),
];
