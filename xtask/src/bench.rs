//! `cargo xtask bench NAME`: which program measures what. The measuring itself lives in `benches` and `loadtest`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{cargo, process};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// `micro` for the criterion benchmarks, else a name that `loadtest` knows
    name: String,
    /// Handed on to the benchmark
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs one benchmark in the foreground, always as a release build.
///
/// # Errors
/// It does not build or fails.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut command = if options.name == "micro" {
        let mut bench = cargo::command("bench");
        bench.args(["--package", "benches", "--bench", "*"]);
        if !options.arguments.is_empty() {
            bench.arg("--");
        }
        bench
    } else {
        let mut run = cargo::command("run");
        run.args(["--release", "--package", "loadtest", "--", &options.name]);
        run
    };
    process::run(command.args(&options.arguments))?;
    Ok(ExitCode::SUCCESS)
}
