//! The erased side of the plug-in surface: what the engine and the registry see of a plug-in.
//!
//! Every kind has a registry line that is a constant, made from the author's type:
//!
//! ```text
//! ConnectorPlugin::source::<MySource>()   ConverterPlugin::of::<MyConverter>()         TransformPlugin::of::<MyTransform>()
//! ConnectorPlugin::sink::<MySink>()       HeaderConverterPlugin::of::<MyHeaders>()     PredicatePlugin::of::<MyPredicate>()
//! ```

mod connectors;
mod lines;

pub use connectors::{AlterOffsets, AnyConnector, AnySinkTask, AnySourceTask, ConnectorPlugin, CreateTask};
pub use lines::{
    ConverterPlugin, ConverterRole, HeaderConverterPlugin, Plugin, PredicatePlugin, TransformPlugin,
};
