//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, on the toolchain that everything else is built with.
//!
//! What cargo-fuzz does on nightly is a handful of compiler flags, all of them stable: coverage counters and traced
//! comparisons from LLVM's own pass. No sanitizer of memory goes with them; the targets count what they allocate, and
//! overflows and broken assertions are findings as well.
//!
//! ```text
//! corpus/ (committed) ──┐
//! regressions/ ─────────┼──► target ──► fuzz/inputs/ below cargo's folder (what was found to reach further)
//!                       │       └──────► regressions/<target>/ (what was found)
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::output::say;
use crate::{cargo, paths, process};

/// Crates that have fuzz targets, by their folders; each in a package of its own, `fuzz/` below it.
const PACKAGES: &[&str] = &["engine", "protocol"];

/// Every branch counts, and what it compares guides the search.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing";

/// Inputs take microseconds, or milliseconds at the worst: what takes longer hangs.
const INPUT_SECONDS_MAX: u32 = 20;
/// What the fuzzer keeps of its own included.
const RESIDENT_MIB_MAX: u32 = 2048;
const INPUT_BYTES_MAX: u32 = 8192;

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub struct Options {
    /// Only this target
    #[arg(long)]
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// A program that feeds a part of a crate.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    /// The crate.
    of: &'static str,
    name: String,
}

/// What a target did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    runs: u64,
    runs_per_second: u64,
    /// Inputs that reach something which no other does.
    corpus: u64,
    /// Edges that were reached.
    coverage: u64,
    /// The file of the input that it ended with.
    finding: Option<PathBuf>,
}

/// Builds the targets and runs them one after the other. The exit code is a failure if there was a finding.
///
/// # Errors
/// They do not build, one cannot be started, or the name is none of a target.
pub fn run(options: &Options) -> Result<ExitCode> {
    let known = targets()?;
    let is_wanted = |target: &&Target| options.target.as_ref().is_none_or(|wanted| *wanted == target.name);
    let chosen: Vec<&Target> = known.iter().filter(is_wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
        bail!(
            "no target is called {}: there are {}",
            options.target.as_deref().unwrap_or("that"),
            names.join(", ")
        );
    }
    Ok(if fuzz(&chosen, options.seconds)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All targets for a short time, as CI does; whether nothing was found.
///
/// # Errors
/// As [`run`].
pub fn run_all(seconds: u32) -> Result<bool> {
    let known = targets()?;
    fuzz(&known.iter().collect::<Vec<_>>(), seconds)
}

fn fuzz(targets: &[&Target], seconds: u32) -> Result<bool> {
    let programs = build(targets)?;
    let mut is_clean = true;
    for target in targets {
        let outcome = run_target(&programs, target, seconds)?;
        let name = &target.name;
        say(format_args!(
            "{name:<12} {:>9} runs, {:>6} a second, {:>5} edges, {:>4} inputs{}",
            outcome.runs,
            outcome.runs_per_second,
            outcome.coverage,
            outcome.corpus,
            if outcome.finding.is_some() { ", a FINDING" } else { "" }
        ));
        if let Some(finding) = outcome.finding {
            is_clean = false;
            let shown = finding.strip_prefix(paths::root()).unwrap_or(&finding).display();
            say(format_args!(
                "error: {name} fails with {shown}, to be kept once it is fixed; to see it again:"
            ));
            say(format_args!("    {} {shown}", programs.join(name).display()));
            say(format_args!("    cargo test -p {} --test fuzz_inputs", target.of));
        }
    }
    Ok(is_clean)
}

/// The programs of all packages, sorted by package and name: one file each.
fn targets() -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for of in PACKAGES {
        let folder = package(of).join("fuzz_targets");
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            targets.extend(name.map(|name| Target { of, name }));
        }
    }
    targets.sort();
    Ok(targets)
}

/// What a fuzz target does with an input.
pub type Run = fn(&[u8]);

/// Runs every committed input of each target in `folder`, a crate's `fuzz/`, without a fuzzer: what the targets begin with, and what they
/// once found something with.
///
/// # Errors
/// A target has nothing to begin with, or an input cannot be read.
#[expect(clippy::print_stdout, reason = "what the test harness shows of a test that failed")]
pub fn run_committed(folder: &Path, targets: &[(&str, Run)]) -> Result<()> {
    for (name, run) in targets {
        let corpus = inputs(&folder.join("corpus").join(name))?;
        if corpus.is_empty() {
            bail!("{name} has nothing to begin with");
        }
        for path in corpus.into_iter().chain(inputs(&folder.join("regressions").join(name))?) {
            // The last line before a failure names the input.
            println!("{}", path.display());
            run(&fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    Ok(())
}

/// The files of a folder, in order; none where there is no such folder.
fn inputs(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Builds the targets; gives the folder of their programs. The folder is one of its own, because every crate is built
/// with other flags; and a target triple keeps the flags away from build scripts, which have no fuzzer to report to.
fn build(targets: &[&Target]) -> Result<PathBuf> {
    let triple = host_triple()?;
    let folder = cargo::target_dir()?.join("fuzz");
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    for of in PACKAGES {
        let names: Vec<&str> =
            targets.iter().filter(|target| target.of == *of).map(|target| target.name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let mut command = cargo::command("build");
        command
            .args(["--quiet", "--release", "--target", &triple, "--target-dir"])
            .arg(&folder)
            .args(names.iter().flat_map(|name| ["--bin", *name]))
            .current_dir(package(of))
            .env("RUSTFLAGS", format!("{flags} {FLAGS}").trim_start());
        process::run(&mut command).context("build the fuzz targets")?;
    }
    Ok(folder.join(triple).join("release"))
}

fn host_triple() -> Result<String> {
    let version = process::run_quiet(Command::new("rustc").args(["--version", "--verbose"]))?;
    let triple = version.lines().find_map(|line| line.strip_prefix("host: "));
    triple.map(str::to_owned).context("rustc does not say for what it builds")
}

fn run_target(programs: &Path, target: &Target, seconds: u32) -> Result<Outcome> {
    let Target { of, name: target } = target;
    let inputs = cargo::target_dir()?.join("fuzz/inputs").join(target);
    let regressions = package(of).join("regressions").join(target);
    fs::create_dir_all(&inputs).with_context(|| format!("create {}", inputs.display()))?;
    fs::create_dir_all(&regressions).with_context(|| format!("create {}", regressions.display()))?;
    let mut command = Command::new(programs.join(target));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={RESIDENT_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", regressions.display()))
        .args(["-print_final_stats=1", "-use_value_profile=1"])
        // What is found to reach further goes to the first folder.
        .args([&inputs, &package(of).join("corpus").join(target), &regressions])
        .current_dir(paths::root())
        .stdin(Stdio::null());
    let output = command.output().with_context(|| format!("start {target}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let mut outcome = read(&text);
    if !output.status.success() {
        // The panic and where it was, without the fuzzer's progress.
        let interesting =
            text.lines().skip_while(|line| !(line.contains("panicked") || line.contains("ERROR")));
        interesting.take(12).for_each(say);
        let named = outcome.finding.take();
        outcome.finding = Some(named.unwrap_or_else(|| regressions.clone()));
    }
    // Folders that hold something stay.
    fs::remove_dir(&regressions).and_then(|()| fs::remove_dir(package(of).join("regressions"))).ok();
    Ok(outcome)
}

/// Reads what libFuzzer prints.
fn read(text: &str) -> Outcome {
    let number = |line: &str, before: &str| -> Option<u64> {
        let digits = line.split_once(before)?.1.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    };
    let mut outcome = Outcome::default();
    for line in text.lines() {
        if line.starts_with('#') {
            outcome.coverage = number(line, " cov: ").unwrap_or(outcome.coverage);
            outcome.corpus = number(line, " corp: ").unwrap_or(outcome.corpus);
        }
        outcome.runs = number(line, "stat::number_of_executed_units:").unwrap_or(outcome.runs);
        outcome.runs_per_second =
            number(line, "stat::average_exec_per_sec:").unwrap_or(outcome.runs_per_second);
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            outcome.finding = Some(PathBuf::from(path.trim()));
        }
    }
    outcome
}

/// The package of the targets of a crate.
fn package(of: &str) -> PathBuf {
    paths::root().join(of).join("fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_fuzzer_says() {
        let text = "INFO: Seed: 1\n#2\tINITED cov: 10 ft: 11 corp: 1/5b exec/s: 0 rss: 30Mb\n\
                    #900\tDONE   cov: 120 ft: 300 corp: 17/90b lim: 4 exec/s: 300 rss: 40Mb\n\
                    stat::number_of_executed_units: 900\nstat::average_exec_per_sec:     300\n";
        let expected = Outcome { runs: 900, runs_per_second: 300, corpus: 17, coverage: 120, finding: None };
        assert_eq!(read(text), expected);
        let crash = "artifact_prefix='x/'; Test unit written to x/crash-da39\n";
        assert_eq!(read(crash).finding, Some(PathBuf::from("x/crash-da39")));
    }

    #[test]
    fn every_target_has_something_to_begin_with() {
        let targets = targets().unwrap();
        assert!(targets.len() > 1);
        for Target { of, name } in targets {
            assert!(package(of).join("corpus").join(&name).is_dir(), "{name}");
        }
    }
}
