//! The properties of the connector's own clients: which of its settings count for which (`MirrorConnectorConfig`).

use api::config_def::Config;
use api::{Error, Props, Result};
use protocol::client::admin::Admin;
use protocol::client::consumer::ConsumerConfig;
use protocol::client::producer::ProducerConfig;
use protocol::client::properties::{AdminConfig, Configured, PropertyError};
use protocol::cluster::Cluster;
use protocol::net::Env;

use crate::config;

/// Which of the two clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Source => "source",
            Side::Target => "target",
        }
    }
}

/// What a connector or task says of its clients.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    props: Props,
    /// `<source>-><target>|<connector>[-<task>]`.
    id: String,
}

impl Clients {
    /// Of a connector, or of the task that has an index.
    pub(crate) fn of(config: &Config) -> Clients {
        let props = config.originals();
        let name = props.get("name").map_or("", String::as_str);
        let task = props.get(config::TASK_INDEX).map(|index| format!("-{index}")).unwrap_or_default();
        let (source, target) = (config.string(config::SOURCE_ALIAS), config.string(config::TARGET_ALIAS));
        Clients { props: props.clone(), id: format!("{source}->{target}|{name}{task}") }
    }

    /// An admin client. Has to be made where it is used.
    ///
    /// # Errors
    /// What is wrong with its properties.
    pub(crate) fn admin(&self, side: Side, role: &str) -> Result<Admin> {
        let configured = said(side, AdminConfig::from_properties(self.of_kind(side, "admin", role)))?;
        Ok(Admin::new(Cluster::new(Env::real(), configured.cluster))
            .with_timeout(configured.client.api_timeout))
    }

    /// A producer's settings.
    ///
    /// # Errors
    /// What is wrong with its properties.
    pub(crate) fn producer(&self, side: Side, role: &str) -> Result<Configured<ProducerConfig>> {
        said(side, ProducerConfig::from_properties(self.of_kind(side, "producer", role)))
    }

    /// The settings of the consumer that reads the source.
    ///
    /// # Errors
    /// What is wrong with its properties.
    pub(crate) fn consumer(&self, role: &str) -> Result<Configured<ConsumerConfig>> {
        let props = self.consumer_props(role);
        let checks_crcs =
            props.get("check.crcs").is_none_or(|text| !text.trim().eq_ignore_ascii_case("false"));
        let mut configured = said(Side::Source, ConsumerConfig::from_properties(props))?;
        // Nobody looks at the batches after it, so it is the one who checks them.
        configured.client.check_crcs = checks_crcs;
        Ok(configured)
    }

    /// The properties of that consumer.
    pub(crate) fn consumer_props(&self, role: &str) -> Props {
        let mut props = self.of_kind(Side::Source, "consumer", role);
        props.insert("enable.auto.commit".to_owned(), "false".to_owned());
        props.entry("auto.offset.reset".to_owned()).or_insert_with(|| "earliest".to_owned());
        props
    }

    fn of_kind(&self, side: Side, kind: &str, role: &str) -> Props {
        let mut props = Props::new();
        let side = side.name();
        props.extend(self.with_prefix(&format!("{side}.cluster.")).filter(|(key, _)| is_of_cluster(key)));
        props.extend(self.with_prefix(&format!("{kind}.")));
        props.extend(self.with_prefix(&format!("{side}.{kind}.")));
        let own = props.get("client.id").map(|id| format!("{id}|")).unwrap_or_default();
        props.insert("client.id".to_owned(), format!("{own}{}|{role}", self.id));
        props
    }

    fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (String, String)> {
        self.props.iter().filter_map(move |(key, value)| {
            Some((key.strip_prefix(prefix).filter(|rest| !rest.is_empty())?.to_owned(), value.clone()))
        })
    }
}

/// What `source.cluster.` and `target.cluster.` may say: how to reach the brokers.
fn is_of_cluster(key: &str) -> bool {
    matches!(key, "bootstrap.servers" | "security.protocol")
        || key.starts_with("ssl.")
        || key.starts_with("sasl.")
}

fn said<T>(side: Side, configured: Result<Configured<T>, PropertyError>) -> Result<Configured<T>> {
    let configured = configured.map_err(|error| {
        let side = side.name();
        Error::config(error.to_string())
            .with_source(Error::config(format!("of a client of the {side} cluster")))
    })?;
    for warning in &configured.warnings {
        tracing::warn!(client = &*configured.cluster.client_id, "{warning}");
    }
    Ok(configured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;

    fn shown(given: &[(&str, &str)], side: Side, kind: &str) -> Vec<String> {
        let props = Clients::of(&parsed(given)).of_kind(side, kind, "r");
        let mut shown: Vec<_> = props.iter().map(|(key, value)| format!("{key}={value}")).collect();
        shown.sort();
        shown
    }

    #[test]
    fn the_more_particular_setting_counts() {
        let given = [
            ("source.cluster.bootstrap.servers", "s:1"),
            ("source.cluster.linger.ms", "9"),
            ("target.cluster.bootstrap.servers", "t:1"),
            ("producer.linger.ms", "1"),
            ("producer.acks", "1"),
            ("source.producer.linger.ms", "2"),
            ("target.producer.acks", "0"),
        ];
        let id = "client.id=a->b|m|r";
        assert_eq!(
            shown(&given, Side::Source, "producer"),
            ["acks=1", "bootstrap.servers=s:1", id, "linger.ms=2"]
        );
        assert_eq!(
            shown(&given, Side::Target, "producer"),
            ["acks=0", "bootstrap.servers=t:1", id, "linger.ms=1"]
        );
        assert_eq!(shown(&given, Side::Target, "admin"), ["bootstrap.servers=t:1", id]);
    }

    #[test]
    fn clients_say_whose_they_are() {
        let given = [("task.index", "3"), ("admin.client.id", "mine")];
        assert_eq!(shown(&given, Side::Source, "admin"), ["client.id=mine|a->b|m-3|r"]);
    }

    #[test]
    fn the_consumer_begins_at_the_beginning_and_checks_what_it_reads() {
        let server = ("source.cluster.bootstrap.servers", "s:1");
        let consumer = |given: &[(&str, &str)]| {
            let given: Vec<_> = given.iter().copied().chain([server]).collect();
            Clients::of(&parsed(&given)).consumer("r").unwrap().client
        };
        use protocol::client::consumer::OffsetReset;
        assert_eq!(consumer(&[]).auto_offset_reset, OffsetReset::Earliest);
        assert!(consumer(&[]).check_crcs && !consumer(&[("consumer.check.crcs", "false")]).check_crcs);
        assert_eq!(
            consumer(&[("source.consumer.auto.offset.reset", "latest")]).auto_offset_reset,
            OffsetReset::Latest
        );
    }
}
