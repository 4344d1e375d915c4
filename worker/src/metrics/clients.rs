//! The metrics of all Kafka clients on one executor, written where the clients live.

use std::collections::BTreeMap;

use protocol::metrics::{Metric, Unit};

use super::page::{self, Kind};

/// Samples by metric: Java's group and name.
#[derive(Debug, Default)]
pub(crate) struct ClientSamples(pub(crate) BTreeMap<(&'static str, &'static str), ClientFamily>);

/// One metric of many clients.
#[derive(Debug)]
pub(crate) struct ClientFamily {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) lines: String,
}

impl ClientSamples {
    /// Takes in one metric.
    pub(crate) fn add(&mut self, metric: &Metric<'_>) {
        let family = self.0.entry((metric.group, metric.name)).or_insert_with(|| ClientFamily {
            name: name(metric.group, metric.name),
            kind: kind(metric.name, metric.unit),
            doc: metric.doc,
            lines: String::new(),
        });
        let labels = metric.tags.iter().map(|tag| (tag.name, tag.value));
        page::sample(&mut family.lines, &family.name, labels, metric.value);
    }

    /// Takes in what another executor has.
    pub(crate) fn merge(&mut self, other: ClientSamples) {
        for (key, family) in other.0 {
            match self.0.entry(key) {
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(family)),
                std::collections::btree_map::Entry::Occupied(mut known) => {
                    known.get_mut().lines.push_str(&family.lines);
                }
            }
        }
    }
}

/// The name of a client's metric in Prometheus.
pub(crate) fn name(group: &str, name: &str) -> String {
    let domain = match group {
        group if group.starts_with("producer-") => "kafka.producer",
        group if group.starts_with("consumer-") => "kafka.consumer",
        group if group.starts_with("connect-") => "kafka.connect",
        _ => "kafka.admin.client",
    };
    page::name(domain, group, name)
}

/// How a client's metric moves: totals only ever grow.
pub(crate) fn kind(name: &str, unit: Unit) -> Kind {
    let is_total = name.ends_with("-total") && unit != Unit::PerSecond;
    if is_total { Kind::Counter } else { Kind::Gauge }
}
