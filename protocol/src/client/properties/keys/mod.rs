//! The tables: every key of Kafka 4.3's `ProducerConfig`, `ConsumerConfig` and `AdminClientConfig`, in their order.
//!
//! A row is name, type, default, valid values, importance, effect, and below it what the key is.

#[rustfmt::skip] // Rows of a table, not calls.
mod admin;

#[rustfmt::skip]
mod common;

#[rustfmt::skip]
mod consumer;

#[rustfmt::skip]
mod producer;

#[rustfmt::skip]
mod security;

use super::table::Table;

/// The keys of a producer.
pub const PRODUCER: Table = Table::new(
    "producer",
    &[&producer::BEFORE_SECURITY, &security::SSL, &security::SASL, &producer::AFTER_SECURITY],
);

/// The keys of a consumer.
pub const CONSUMER: Table = Table::new(
    "consumer",
    &[&consumer::BEFORE_SECURITY, &security::SSL, &security::SASL, &consumer::AFTER_SECURITY],
);

/// The keys of an admin client.
pub const ADMIN: Table =
    Table::new("admin", &[&admin::BEFORE_SECURITY, &security::SSL, &security::SASL, &admin::AFTER_SECURITY]);
