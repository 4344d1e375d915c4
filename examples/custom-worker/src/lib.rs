//! Plug-ins of our own, and the registry of a worker that has them beside the built-in ones.

mod hex;
mod line_sink;
mod stamp;
mod tick_source;

pub use hex::HexConverter;
pub use line_sink::{LineSink, LineSinkTask};
pub use stamp::Stamp;
pub use tick_source::{TickSource, TickSourceTask};

use api::plugin::{ConnectorPlugin, ConverterPlugin, HeaderConverterPlugin, TransformPlugin};
use worker::Registry;

/// The version that our plug-ins report.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that this worker offers.
pub fn registry() -> Registry {
    let mut registry = worker::built_in();
    registry.connectors.push(ConnectorPlugin::source::<TickSource>());
    registry.connectors.push(ConnectorPlugin::sink::<LineSink>());
    registry.transforms.push(TransformPlugin::of::<Stamp>());
    registry.converters.push(ConverterPlugin::of::<HexConverter>());
    registry.header_converters.push(HeaderConverterPlugin::of_converter::<HexConverter>());
    registry
}
