//! All metrics of all clients.

use super::{consumer, producer};
use crate::metrics::{Client, Definition};
use crate::net::ConnectionMetrics;

/// The definition of every metric that clients report, client by client.
pub fn metric_definitions() -> Vec<Definition> {
    let clients = producer::definitions().chain(consumer::definitions());
    clients.chain(ConnectionMetrics::definitions(Client::Admin)).collect()
}
