//! The `cargo xtask` command line: parses arguments, dispatches, turns an error into one printed chain.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{bench, fuzz, golden, kafka, output, sim, test, vectors};

/// Everything that is not plain cargo.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check and test, as CI does (with CI=true a missing tool is a failure, not a skip)
    Test(test::Options),
    /// Fetch, start and stop a real Apache Kafka
    Kafka(kafka::command::Options),
    /// Run a benchmark: `micro` (criterion) or one that `loadtest` knows, such as `blackhole`
    Bench(bench::Options),
    /// Record what the real Java worker answers to the transcript of worker/tests/golden
    Golden(golden::command::Options),
    /// Write down what Java's own converters and assignors give, for the tests
    Vectors(vectors::Options),
    /// Simulate clusters of workers with faults, under seeds
    Sim(sim::Options),
    /// Search for bytes that break a decoder
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            output::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Test(options) => test::run(&options),
        Command::Kafka(options) => kafka::command::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Golden(options) => golden::command::run(&options),
        Command::Vectors(options) => vectors::run(&options),
        Command::Sim(options) => sim::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
    }
}
