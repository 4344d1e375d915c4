//! The registry: every connector that this worker offers, one line each, by class name.

use api::plugin::ConnectorPlugin;

/// All connectors, sorted by class name.
pub const CONNECTORS: &[ConnectorPlugin] = &[
    ConnectorPlugin::sink::<connector_blackhole::BlackholeSink>(),
    ConnectorPlugin::source::<connector_datagen::DatagenSource>(),
    ConnectorPlugin::sink::<connector_file::FileStreamSink>(),
    ConnectorPlugin::source::<connector_file::FileStreamSource>(),
    ConnectorPlugin::source::<connector_mirror::MirrorSource>(),
    ConnectorPlugin::sink::<connector_verifiable::MockSink>(),
    ConnectorPlugin::source::<connector_verifiable::MockSource>(),
    ConnectorPlugin::source::<connector_verifiable::SchemaSource>(),
    ConnectorPlugin::sink::<connector_verifiable::VerifiableSink>(),
    ConnectorPlugin::source::<connector_verifiable::VerifiableSource>(),
];

#[cfg(test)]
mod tests {
    use super::CONNECTORS;

    #[test]
    fn classes_are_sorted_and_unique() {
        assert!(CONNECTORS.windows(2).all(|pair| pair[0].class < pair[1].class));
    }
}
