//! Tables of metrics: the name, unit and words of each beside how it is read, and who is told when somebody reads them.

use std::fmt;
use std::ops::Deref;

use tokio::time::Instant;

/// Which client a metric is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
    /// An admin client.
    Admin,
    /// A member of a group that is no consumer.
    Member(MemberGroups),
}

/// What the groups of a member's metrics are called: that depends on what the group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberGroups {
    /// What is counted of all connections.
    pub all: &'static str,
    /// The same per broker.
    pub node: &'static str,
    /// What is counted of the membership.
    pub coordinator: &'static str,
}

impl Client {
    /// The group of what is counted for the client as a whole.
    pub fn group(self) -> &'static str {
        match self {
            Self::Producer => "producer-metrics",
            Self::Consumer => "consumer-metrics",
            Self::Admin => "admin-client-metrics",
            Self::Member(groups) => groups.all,
        }
    }

    /// The group of what is counted per broker.
    pub fn node_group(self) -> &'static str {
        match self {
            Self::Producer => "producer-node-metrics",
            Self::Consumer => "consumer-node-metrics",
            Self::Admin => "admin-client-node-metrics",
            Self::Member(groups) => groups.node,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Admin => "admin",
            Self::Member(_) => "member",
        })
    }
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Things per second.
    PerSecond,
    /// Things per hour.
    PerHour,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Nanoseconds.
    Nanos,
    /// A share of one.
    Ratio,
    /// The number of a node.
    Node,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::PerSecond => "1/s",
            Self::PerHour => "1/h",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes/s",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Nanos => "ns",
            Self::Ratio => "ratio",
            Self::Node => "node id",
        })
    }
}

/// What a metric is called and what it means, whatever its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Whose it is.
    pub client: Client,
    /// Java's group: the `type` of an MBean.
    pub group: &'static str,
    /// Java's name. Names that end with `-total` only ever grow.
    pub name: &'static str,
    /// What tells its values apart, in order.
    pub tags: &'static [&'static str],
    /// What it counts.
    pub unit: Unit,
    /// What it means.
    pub doc: &'static str,
}

/// One tag of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// For example `topic`.
    pub name: &'static str,
    /// For example a topic's name.
    pub value: &'a str,
}

/// A metric as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    /// Java's group.
    pub group: &'static str,
    /// Java's name.
    pub name: &'static str,
    /// In the order of its [`Definition`]; `client-id` is the first.
    pub tags: &'a [Tag<'a>],
    /// What the value counts.
    pub unit: Unit,
    /// What the metric means.
    pub doc: &'static str,
    /// The value; NaN where there is nothing to average or to compare, as in Java.
    pub value: f64,
}

/// A line of a table of what `S` knows.
pub(crate) struct Row<S> {
    name: &'static str,
    unit: Unit,
    doc: &'static str,
    read: fn(&S, Instant) -> f64,
}

pub(crate) const fn row<S>(
    name: &'static str,
    unit: Unit,
    doc: &'static str,
    read: fn(&S, Instant) -> f64,
) -> Row<S> {
    Row { name, unit, doc, read }
}

/// The definitions of a table.
pub(crate) fn define<S>(
    client: Client,
    group: &'static str,
    tags: &'static [&'static str],
    rows: &'static [Row<S>],
) -> impl Iterator<Item = Definition> {
    rows.iter().map(move |row| Definition {
        client,
        group,
        name: row.name,
        tags,
        unit: row.unit,
        doc: row.doc,
    })
}

/// One reading of all metrics of a client.
pub(crate) struct Report<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) now: Instant,
    visit: &'a mut dyn FnMut(&Metric<'_>),
    values: Vec<f64>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(client_id: &'a str, visit: &'a mut dyn FnMut(&Metric<'_>)) -> Self {
        Self { client_id, now: Instant::now(), visit, values: Vec::new() }
    }

    /// Reads a whole table, then tells it: the visitor may use the client, so nothing of it stays borrowed.
    pub(crate) fn table<S>(
        &mut self,
        group: &'static str,
        more_tags: &[Tag<'_>],
        rows: &[Row<S>],
        stats: impl Deref<Target = S>,
    ) {
        self.values.clear();
        self.values.extend(rows.iter().map(|row| (row.read)(&stats, self.now)));
        drop(stats);
        let mut tags = vec![Tag { name: "client-id", value: self.client_id }];
        tags.extend_from_slice(more_tags);
        for (row, value) in rows.iter().zip(&self.values) {
            (self.visit)(&Metric {
                group,
                name: row.name,
                tags: &tags,
                unit: row.unit,
                doc: row.doc,
                value: *value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_visitor_may_change_what_it_reads() {
        let cell = RefCell::new(1.0);
        let rows = [row("first", Unit::Count, "", |v, _| *v), row("second", Unit::Count, "", |v, _| *v)];
        let mut seen = Vec::new();
        let mut visit = |metric: &Metric<'_>| {
            cell.replace(7.0);
            seen.push((metric.name, metric.tags.len(), metric.value));
        };
        let mut report = Report::new("id", &mut visit);
        report.table("group", &[Tag { name: "topic", value: "t" }], &rows, cell.borrow());
        assert_eq!(seen, [("first", 2, 1.0), ("second", 2, 1.0)]);
    }
}
