//! The built-in transforms and predicates, one file each (contract section 8): those that need no field of a record.
//!
//! Each is one line of [`TRANSFORMS`] or [`PREDICATES`]. What they change is the place that records go to, or whether they go; none of
//! them makes the engine decode anything, but for `RecordIsTombstone`: whether a value is null
//! is for its converter to say.

mod drop_headers;
mod filter;
mod has_header_key;
mod record_is_tombstone;
mod regex_router;
mod replacement;
mod topic_name_matches;

use api::plugin::{PredicatePlugin, TransformPlugin};

/// Version that they report: that of the Java release whose behaviour they follow.
const VERSION: &str = "4.3.0";

/// All transforms, sorted by class name.
pub const TRANSFORMS: &[TransformPlugin] = &[
    TransformPlugin::of::<drop_headers::DropHeaders>(),
    TransformPlugin::of::<filter::Filter>(),
    TransformPlugin::of::<regex_router::RegexRouter>(),
];

/// All predicates, sorted by class name.
pub const PREDICATES: &[PredicatePlugin] = &[
    PredicatePlugin::of::<has_header_key::HasHeaderKey>(),
    PredicatePlugin::of::<record_is_tombstone::RecordIsTombstone>(),
    PredicatePlugin::of::<topic_name_matches::TopicNameMatches>(),
];

#[cfg(test)]
mod tests;
