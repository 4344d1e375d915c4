//! The loops that move batches, one for sources and one for sinks, and the stages between Kafka's bytes and columns.
//!
//! A pipeline is planned once, when its task starts: the sink says how far records must be taken apart ([`api::Tier`]) and no
//! stage does more. Inside, work is by batch: branches are taken per run, loops go over rows, and a row that fails is data
//! ([`api::RowError`]) that [`policy`] decides upon in one place.

mod decode;
mod encode;
mod index;
mod policy;
mod sink;
mod source;

pub(crate) use sink::SinkPipeline;
pub(crate) use source::SourcePipeline;
