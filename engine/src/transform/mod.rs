//! The built-in transforms and predicates, one file each (contract section 8).
//!
//! Each is one line of [`TRANSFORMS`] or [`PREDICATES`]. Some change only the place that records go to, or whether they go, and make the
//! engine decode nothing. Those that are about fields share what is in `field`.

mod cast;
mod drop_headers;
mod extract_field;
mod field;
mod filter;
mod flatten;
mod has_header_key;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod mask_field;
mod objects;
mod record_is_tombstone;
mod regex_router;
mod replace_field;
mod replacement;
mod set_schema_metadata;
mod texts;
mod timestamp_converter;
mod timestamp_router;
mod topic_name_matches;
mod value_to_key;

use api::plugin::{PredicatePlugin, TransformPlugin};

use field::{OnKey, OnValue};

/// Version that they report: that of the Java release whose behaviour they follow.
const VERSION: &str = "4.3.0";

/// All transforms, sorted by class name.
pub const TRANSFORMS: &[TransformPlugin] = &[
    TransformPlugin::of::<OnKey<cast::Cast>>(),
    TransformPlugin::of::<OnValue<cast::Cast>>(),
    TransformPlugin::of::<drop_headers::DropHeaders>(),
    TransformPlugin::of::<OnKey<extract_field::ExtractField>>(),
    TransformPlugin::of::<OnValue<extract_field::ExtractField>>(),
    TransformPlugin::of::<filter::Filter>(),
    TransformPlugin::of::<OnKey<flatten::Flatten>>(),
    TransformPlugin::of::<OnValue<flatten::Flatten>>(),
    TransformPlugin::of::<OnKey<header_from::HeaderFrom>>(),
    TransformPlugin::of::<OnValue<header_from::HeaderFrom>>(),
    TransformPlugin::of::<OnKey<hoist_field::HoistField>>(),
    TransformPlugin::of::<OnValue<hoist_field::HoistField>>(),
    TransformPlugin::of::<OnKey<insert_field::InsertField>>(),
    TransformPlugin::of::<OnValue<insert_field::InsertField>>(),
    TransformPlugin::of::<insert_header::InsertHeader>(),
    TransformPlugin::of::<OnKey<mask_field::MaskField>>(),
    TransformPlugin::of::<OnValue<mask_field::MaskField>>(),
    TransformPlugin::of::<regex_router::RegexRouter>(),
    TransformPlugin::of::<OnKey<replace_field::ReplaceField>>(),
    TransformPlugin::of::<OnValue<replace_field::ReplaceField>>(),
    TransformPlugin::of::<OnKey<set_schema_metadata::SetSchemaMetadata>>(),
    TransformPlugin::of::<OnValue<set_schema_metadata::SetSchemaMetadata>>(),
    TransformPlugin::of::<OnKey<timestamp_converter::TimestampConverter>>(),
    TransformPlugin::of::<OnValue<timestamp_converter::TimestampConverter>>(),
    TransformPlugin::of::<timestamp_router::TimestampRouter>(),
    TransformPlugin::of::<value_to_key::ValueToKey>(),
];

/// All predicates, sorted by class name.
pub const PREDICATES: &[PredicatePlugin] = &[
    PredicatePlugin::of::<has_header_key::HasHeaderKey>(),
    PredicatePlugin::of::<record_is_tombstone::RecordIsTombstone>(),
    PredicatePlugin::of::<topic_name_matches::TopicNameMatches>(),
];

#[cfg(test)]
mod support;
#[cfg(test)]
mod tests;
