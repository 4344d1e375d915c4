//! `aqueduct-loadtest`: measures whole worker processes from outside, on a Kafka cluster of the caller's choice. `cargo xtask bench`
//! starts a real Kafka for it.

mod blackhole;
mod clients;
mod cluster;
mod compare;
mod connectors;
mod customers;
mod distributed;
mod drive;
mod json;
mod options;
mod output;
mod picture;
mod relay;
mod rest;
mod rest_flood;
mod scaling;
mod usage;
mod worker;

use clap::{Parser, Subcommand};

/// Measures Aqueduct worker processes on a Kafka cluster.
#[derive(Debug, Parser)]
#[command(name = "aqueduct-loadtest", version)]
struct Arguments {
    #[command(subcommand)]
    case: Case,
}

#[derive(Debug, Subcommand)]
enum Case {
    /// Kafka to a sink that drops everything: CPU per record of the worker process for each tier
    Blackhole(blackhole::Options),
    /// JSON through three transforms, to a sink that drops everything and to Kafka: CPU per record of the worker process
    Json(json::Options),
    /// Bad sinks and a flood of REST requests on a worker with running tasks: latency, and the tasks' throughput in each phase
    RestFlood(rest_flood::Options),
    /// Many idle connectors: what they cost, what REST and metrics cost with them, and how long they take to start
    Connectors(connectors::Options),
    /// Our worker and Java's, side by side: the same connectors on the same records, checked, with a table and a picture
    Compare(compare::Options),
    /// Clusters of worker processes, Java's and ours mixed: replaced, killed, frozen and reconfigured while they work
    Cluster(distributed::Options),
    /// End to end at a fixed rate: from when a record is due at a producer until it is in a sink's file, in Java's worker and ours
    Latency(compare::latency::Options),
    /// Many workers with thousands of tasks on one machine: how long rebalances take, and REST meanwhile
    Scale(distributed::scale::Options),
    /// Any Connect cluster, Java's or ours: a connector of yours under load, with its lag, tasks and throughput as they are
    Drive(drive::Options),
    /// What the kernel takes for bytes that go from one socket to another: the floor of a mirror on this machine
    Relay(relay::Options),
    /// What a record costs with more partitions, tasks, bytes and changes of schema, and a start with more connectors
    Scaling(scaling::Options),
    /// Our producer and consumer beside librdkafka's: CPU per record of each process
    Clients(clients::Options),
    /// One process of `clients`
    #[command(subcommand, hide = true)]
    Client(clients::Child),
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match Arguments::parse().case {
        Case::Blackhole(options) => local.block_on(&runtime, blackhole::run(options)),
        Case::Json(options) => local.block_on(&runtime, json::run(options)),
        Case::RestFlood(options) => local.block_on(&runtime, rest_flood::run(options)),
        Case::Connectors(options) => local.block_on(&runtime, connectors::run(options)),
        Case::Compare(options) => local.block_on(&runtime, compare::run(options)),
        Case::Relay(options) => relay::run(&options),
        Case::Scaling(options) => local.block_on(&runtime, scaling::run(options)),
        Case::Scale(options) => local.block_on(&runtime, distributed::scale::run(options)),
        Case::Cluster(options) => local.block_on(&runtime, distributed::run(options)),
        Case::Drive(options) => local.block_on(&runtime, drive::run(options)),
        Case::Latency(options) => local.block_on(&runtime, compare::latency::run(options)),
        Case::Clients(options) => local.block_on(&runtime, clients::run(options)),
        Case::Client(child) => local.block_on(&runtime, clients::run_child(child)),
    }
}
