//! `cargo xtask bench stages`: every converter and transform on columns, row by row, and in Java, in one table.
//!
//! `benches/stages_compared` writes records, cases and its own figures into a folder; the program in `java/` measures Kafka's classes
//! on the same records right after it.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};

use crate::java::{self, Program};
use crate::kafka::{Libs, VERSION};
use crate::output::say;
use crate::{cargo, paths, process};

/// Measures, and prints the table.
pub(super) fn run(profile: &str, arguments: &[String]) -> Result<()> {
    let files = tempfile::tempdir().context("create a folder for records")?;
    let mut bench = cargo::command("bench");
    bench
        .args(["--package", "benches", "--bench", "stages_compared", "--profile", profile])
        .args(arguments)
        .arg("--")
        .arg("--files");
    process::run(bench.arg(files.path()))?;
    let ours = fs::read_to_string(files.path().join("ours")).context("read what was measured")?;

    let libs = Libs::fetch()?;
    let jars = java::compile(&paths::root().join("xtask/src/bench/java"), &libs.runtime())?;
    let program = Program {
        name: "stages",
        class: "Stages",
        class_path: &[jars.path(), &libs.runtime()],
        jvm_options: &["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"],
    };
    let work = tempfile::tempdir().context("create a folder for Java")?;
    let printed = java::run(program, &[files.path()], work.path())?;
    let java: HashMap<&str, f64> = printed.lines().filter_map(java_line).collect();

    say(format_args!(
        "ns of CPU per record on one thread; medians of 11 rounds; the same records in one run; Java's classes are of Kafka {VERSION}, warm"
    ));
    say(format_args!("| case | columns | row by row | Java | ours : row by row : Java |"));
    say(format_args!("| --- | ---: | ---: | ---: | --- |"));
    for line in ours.lines() {
        let mut parts = line.split('\t');
        let (Some(name), Some(columns), Some(by_row)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let columns: f64 = columns.parse().with_context(|| format!("read {line}"))?;
        let by_row: f64 = by_row.parse().with_context(|| format!("read {line}"))?;
        let java = *java.get(name).with_context(|| format!("Java did not measure {name}"))?;
        say(format_args!(
            "| {name} | {columns:.1} | {by_row:.1} | {java:.1} | 1 : {:.1} : {:.1} |",
            by_row / columns,
            java / columns
        ));
    }
    Ok(())
}

/// `case`, name, ns.
fn java_line(line: &str) -> Option<(&str, f64)> {
    let mut parts = line.split('\t');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("case"), Some(name), Some(ns)) => Some((name, ns.parse().ok()?)),
        _ => None,
    }
}
