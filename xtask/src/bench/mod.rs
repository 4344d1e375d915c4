//! `cargo xtask bench NAME`: which program measures what. The measuring itself lives in `benches` and `loadtest`.

pub(crate) mod instructions;
mod stages;

use std::env;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;

use crate::kafka::{BOOTSTRAP_VARIABLE, Broker, Libs};
use crate::{cargo, process, tools};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// `micro` for the criterion benchmarks, `instructions` for what is counted and guarded, `stages` for converters and transforms beside
    /// Java's, else a name that `loadtest` knows
    name: String,
    /// Cargo's profile of what is measured; `fast` spares the long link. Instructions are always counted with `fast`
    #[arg(long, default_value = "release")]
    profile: String,
    /// Handed on to the benchmark
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs one benchmark in the foreground, as a release build unless told otherwise. Whole-process benchmarks run against the broker that
/// `AQUEDUCT_KAFKA` names, else against a real Kafka of their own.
///
/// # Errors
/// It does not build or fails, or there is no Kafka.
pub fn run(options: &Options) -> Result<ExitCode> {
    if options.name == "micro" {
        let mut bench = cargo::command("bench");
        bench.args(["--package", "benches", "--bench", "*", "--profile", &options.profile]);
        if !options.arguments.is_empty() {
            bench.arg("--");
        }
        process::run(bench.args(&options.arguments))?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.name == "instructions" {
        let is_good = instructions::run(&options.arguments)?;
        return Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if options.name == "stages" {
        stages::run(&options.profile, &options.arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.name == "clients" {
        tools::librdkafka()?;
    }
    process::run(cargo::command("build").args([
        "--profile",
        &options.profile,
        "--package",
        "worker",
        "--package",
        "loadtest",
    ]))?;
    let built = cargo::target_dir()?.join(&options.profile);
    let mut loadtest = Command::new(built.join("aqueduct-loadtest"));
    loadtest.arg(&options.name).args(&options.arguments).env("AQUEDUCT_BIN", built.join("aqueduct"));
    if env::var_os(BOOTSTRAP_VARIABLE).is_some() {
        process::run(&mut loadtest)?;
    } else {
        let broker = Broker::start(&Libs::fetch()?)?;
        process::run(loadtest.env(BOOTSTRAP_VARIABLE, broker.bootstrap()))?;
    }
    Ok(ExitCode::SUCCESS)
}
