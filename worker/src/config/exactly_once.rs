//! What a source says to exactly-once delivery when its configuration is checked (`DistributedHerder#validateSourceConnectorConfig`).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use api::plugin::ConnectorPlugin;
use api::{ExactlyOnceSupport as Support, Props};

use super::connector::RawConfig;
use super::distributed::ExactlyOnceSupport;
use super::worker::WorkerConfig;

const NOT_ENABLED: &str = "This worker does not have exactly-once source support enabled.";

const NOT_IMPLEMENTED: &str = "The connector does not implement the API required for preflight validation of exactly-once source support. Please \
     consult the documentation for the connector to determine whether it supports exactly-once semantics, and then consider reconfiguring \
     the connector to use the value \"requested\" for this property (which will disable this preflight check and allow the connector to be \
     created).";

const UNSUPPORTED: &str =
    "The connector does not support exactly-once semantics with the provided configuration.";

const NO_BOUNDARIES: &str = "The connector does not support connector-defined transaction boundaries with the given configuration. Please \
     reconfigure it to use a different transaction boundary definition.";

/// What is wrong with `exactly.once.support=required`. A standalone worker cannot give it at all; Java's takes it and gives less.
pub(super) fn required(plugin: &ConnectorPlugin, raw: &RawConfig, worker: &WorkerConfig) -> Vec<String> {
    let Some(distributed) = &worker.distributed else { return vec![NOT_ENABLED.to_owned()] };
    let is_enabled = distributed.exactly_once == ExactlyOnceSupport::Enabled;
    let mut errors = if is_enabled { Vec::new() } else { vec![NOT_ENABLED.to_owned()] };
    match asked(raw, plugin.exactly_once_support) {
        Ok(Some(Support::Supported)) => {}
        Ok(Some(Support::Unsupported)) => errors.push(UNSUPPORTED.to_owned()),
        Ok(None) => errors.push(NOT_IMPLEMENTED.to_owned()),
        Err(message) => errors.push(message),
    }
    errors
}

/// What is wrong with `transaction.boundary=connector`.
pub(super) fn own_boundaries(
    plugin: &ConnectorPlugin,
    raw: &RawConfig,
    worker: &WorkerConfig,
) -> Option<String> {
    worker.distributed.as_ref()?;
    match asked(raw, plugin.can_define_transaction_boundaries) {
        Ok(true) => None,
        Ok(false) => Some(NO_BOUNDARIES.to_owned()),
        Err(message) => Some(message),
    }
}

/// Asks the connector, which may panic over a configuration that nobody has checked yet.
fn asked<T>(raw: &RawConfig, ask: fn(&Props) -> T) -> Result<T, String> {
    let props: Props = raw.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    catch_unwind(AssertUnwindSafe(|| ask(&props))).map_err(|panic| {
        tracing::error!("Failed while validating what a connector says of exactly-once delivery");
        match said(&*panic) {
            Some(message) => format!("An unexpected error occurred during validation: {message}"),
            None => {
                "An unexpected error occurred during validation; please see the worker logs for more details."
                    .to_owned()
            }
        }
    })
}

fn said(panic: &(dyn Any + Send)) -> Option<&str> {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{Plugins, Report, examine};
    use super::*;

    fn plugin(
        exactly_once_support: fn(&Props) -> Option<Support>,
        can_define_transaction_boundaries: fn(&Props) -> bool,
    ) -> ConnectorPlugin {
        let file = Plugins::new(crate::built_in()).connector("FileStreamSource").unwrap();
        ConnectorPlugin { exactly_once_support, can_define_transaction_boundaries, ..file }
    }

    fn worker(support: Option<&str>) -> WorkerConfig {
        let plugins = Plugins::new(crate::built_in());
        let mut props: Props = [
            ("bootstrap.servers", "h:1"),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
        let Some(support) = support else {
            props.insert("offset.storage.file.filename".to_owned(), "/nowhere".to_owned());
            return WorkerConfig::standalone(props, &plugins).unwrap();
        };
        for (key, value) in [
            ("group.id", "g"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
            ("exactly.once.source.support", support),
        ] {
            props.insert(key.to_owned(), value.to_owned());
        }
        WorkerConfig::distributed(props, &plugins).unwrap()
    }

    fn errors(plugin: ConnectorPlugin, worker: &WorkerConfig, key: &str, value: &str) -> Vec<String> {
        let registry = crate::Registry { connectors: vec![plugin], ..crate::built_in() };
        let raw: RawConfig = [("connector.class", plugin.class), ("name", "n"), ("topic", "t"), (key, value)]
            .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
            .into_iter()
            .collect();
        let (_, report): (_, Report) = examine(&raw, &Plugins::new(registry), worker).unwrap();
        assert_eq!(report.error_count, report.messages().count());
        report.messages().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_required_is_asked_of_worker_and_connector() {
        const REQUIRED: (&str, &str) = ("exactly.once.support", "Required");
        let yes = plugin(|_| Some(Support::Supported), |_| false);
        let no = plugin(|_| Some(Support::Unsupported), |_| false);
        let silent = plugin(|_| None, |_| false);
        let enabled = worker(Some("enabled"));
        let found = |plugin, worker: &WorkerConfig| errors(plugin, worker, REQUIRED.0, REQUIRED.1);
        assert_eq!(found(yes, &enabled), [""; 0]);
        assert_eq!(found(no, &enabled), [UNSUPPORTED]);
        assert_eq!(found(silent, &enabled), [NOT_IMPLEMENTED]);
        assert_eq!(found(no, &worker(Some("preparing"))), [NOT_ENABLED, UNSUPPORTED]);
        assert_eq!(found(yes, &worker(None)), [NOT_ENABLED]);
        assert_eq!(errors(silent, &enabled, REQUIRED.0, "requested"), [""; 0]);
    }

    #[test]
    fn boundaries_are_the_connectors_only_where_it_can_say_them() {
        const CONNECTOR: (&str, &str) = ("transaction.boundary", "CONNECTOR");
        let found = |plugin, worker: &WorkerConfig| errors(plugin, worker, CONNECTOR.0, CONNECTOR.1);
        assert_eq!(found(plugin(|_| None, |_| true), &worker(Some("enabled"))), [""; 0]);
        assert_eq!(found(plugin(|_| None, |_| false), &worker(Some("disabled"))), [NO_BOUNDARIES]);
        assert_eq!(found(plugin(|_| None, |_| false), &worker(None)), [""; 0], "it has no effect there");
    }

    #[test]
    fn a_connector_that_panics_over_its_configuration_is_an_error_of_the_key() {
        let broken = plugin(|_| panic!(" odd "), |_| panic!("{}", ""));
        let enabled = worker(Some("enabled"));
        assert_eq!(
            errors(broken, &enabled, "exactly.once.support", "required"),
            ["An unexpected error occurred during validation: odd"]
        );
        assert_eq!(
            errors(broken, &enabled, "transaction.boundary", "connector"),
            ["An unexpected error occurred during validation; please see the worker logs for more details."]
        );
    }
}
