//! `cargo xtask sim`: simulated clusters, optimised.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::cargo;

/// What `sim` is told.
#[derive(Debug, Args)]
pub struct Options {
    /// Such as `--hours 100`, or `--seed 7 --minutes 30`; `--help` after `--` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds it and runs it.
///
/// # Errors
/// Cargo cannot be started.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut command = cargo::command("run");
    command.args(["--quiet", "--profile", "fast", "--package", "sim", "--"]).args(&options.arguments);
    let status = command.status().context("start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
