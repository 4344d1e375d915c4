//! The plug-in surface: everything that a connector, converter or transform sees of Aqueduct, and nothing else.
//!
//! A plug-in works on whole [`Batch`]es. A batch is an ordered list of [`Run`]s; a run is a stretch of consecutive
//! records that share topic, partition and schema and is held as columns in Apache Arrow memory:
//!
//! ```text
//! Batch ─┬─ Run  topic, partition, origin (Kafka offsets | source partition and offsets)
//!        │   └─ Body::Packed   a Kafka record batch nobody has looked into yet
//!        │      Body::Columns  key │ value │ headers │ timestamps
//!        │                      └ Column = Connect schema + Data { Null │ Raw │ Array (Arrow) │ Rows (tape) }
//!        └─ Run …
//! ```
//!
//! Authors implement the typed traits ([`SourceConnector`], [`SourceTask`], [`SinkConnector`], [`SinkTask`],
//! [`Converter`], [`HeaderConverter`], [`Transform`], [`Predicate`], the last four with [`Plugin`]); the engine sees the erased forms in
//! [`plugin`], made by one blanket implementation. A row that
//! cannot be handled is data ([`RowError`]), never a reason to drop the rest of the batch.
#![warn(missing_docs)]

pub mod acknowledged;
pub mod batch;
pub mod column;
pub mod column_builder;
pub mod config_def;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod connector;
pub mod converter;
pub mod decimal;
pub mod errant;
pub mod error;
pub mod headers;
pub mod java_map;
pub mod java_regex;
pub mod java_text;
pub mod offsets;
pub mod plugin;
pub mod projector;
pub mod provider;
pub mod rows;
pub mod schema;
pub mod transaction;
pub mod transform;
mod validate;
pub mod value;
pub mod views;

pub use acknowledged::{Acknowledged, Placed, RecordMetadata};
pub use batch::{Batch, Body, Columns, KafkaOffsets, Origin, Packed, Run, Timestamps};
pub use column::{Column, Data};
pub use column_builder::ColumnBuilder;
pub use config_def::{Config, ConfigDef, ConfigKey};
pub use connector::{
    ConnectorContext, OffsetReader, Props, SinkConnector, SinkContext, SinkOffsetChange, SinkOffsets,
    SinkTask, SourceConnector, SourceContext, SourceOffsetChange, SourceTask, Tier, TopicPartition,
};
pub use converter::{Converter, Decoded, DecodedHeaders, Encoded, HeaderConverter, RowError, Segment};
pub use errant::{ErrantRecordReporter, ErrantRecords};
pub use error::{Error, Kind, Result};
pub use headers::{
    ConnectHeaders, HeaderColumns, HeaderPart, HeaderRef, HeaderValueRef, HeaderValues, Headers,
};
pub use offsets::{SourceOffset, SourceOffsets, SourcePartition};
pub use plugin::Plugin;
pub use provider::{ConfigProvider, Provided};
pub use rows::{Rows, RowsBuilder};
pub use schema::{Field, Schema, SchemaRef, Type};
pub use transaction::{BoundaryRequests, ExactlyOnceSupport, TransactionContext};
pub use transform::{Matches, Predicate, Records, Tested, Touches, Transform, Transformed};
pub use value::{Value, ValueRef};
