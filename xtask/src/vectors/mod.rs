//! `cargo xtask vectors`: what Java's own converters give for generated schemas and values, and its assignors for generated clusters,
//! written down for our tests.
//!
//! The programs in `java/` and `group/` drive the classes of the Kafka release that everything is compared with. They have fixed seeds, so that
//! the files only change with them or with the release.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::java::{self, Program};
use crate::kafka::Libs;
use crate::output::say;
use crate::paths;

/// The vectors of one program may take so much room in the repository.
const BYTES_MAX: u64 = 6 << 20;

/// A program and what it makes.
struct Set {
    /// Its folder beside this file.
    sources: &'static str,
    /// The class with `main`.
    class: &'static str,
    /// Where its vectors belong.
    target: &'static str,
}

const SETS: [Set; 2] = [
    Set { sources: "java", class: "Vectors", target: "engine/tests/vectors" },
    Set {
        sources: "group",
        class: "org.apache.kafka.connect.runtime.distributed.GroupStates",
        target: "worker/tests/vectors",
    },
];

/// Nothing to choose but whether to look only.
#[derive(Debug, Args)]
pub struct Options {
    /// Write nothing: fail if the committed vectors are not what Java gives
    #[arg(long)]
    check: bool,
}

/// Makes the vectors, or compares them with what they would be.
///
/// # Errors
/// Java or its jars are missing, or the program fails.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut is_same = true;
    for set in &SETS {
        is_same &= run_set(set, options)?;
    }
    if options.check && !is_same {
        say(format_args!("run `cargo xtask vectors` and look at what changed"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells whether the set's vectors are what they were.
fn run_set(set: &Set, options: &Options) -> Result<bool> {
    let made = tempfile::tempdir().context("create a folder for the vectors")?;
    make(set, made.path())?;
    let committed = paths::root().join(set.target);
    let mut bytes = 0;
    let mut is_same = true;
    for path in files(made.path())? {
        let name = path.file_name().context("name a file of vectors")?;
        let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        bytes += content.len() as u64;
        let target = committed.join(name);
        if fs::read(&target).is_ok_and(|known| known == content) {
            continue;
        }
        is_same = false;
        if options.check {
            say(format_args!("{} is not what Java gives now", target.display()));
        } else {
            fs::write(&target, content).with_context(|| format!("write {}", target.display()))?;
            say(format_args!("wrote {}", target.display()));
        }
    }
    if bytes > BYTES_MAX {
        bail!("the vectors take {bytes} bytes, more than {BYTES_MAX}: make fewer or shorter cases");
    }
    Ok(is_same)
}

fn make(set: &Set, dir: &Path) -> Result<()> {
    let libs = Libs::fetch()?;
    let jars = java::compile(&paths::root().join("xtask/src/vectors").join(set.sources), &libs.runtime())?;
    let work = tempfile::tempdir().context("create a folder for Java")?;
    let program = Program {
        name: "vectors",
        class: set.class,
        class_path: &[jars.path(), &libs.runtime()],
        jvm_options: &["-Xmx512m"],
    };
    // What Kafka's classes log stands between the counts of cases.
    for line in java::run(program, &[dir], work.path())?.lines() {
        if let Some((_, count)) = line.split_once(' ')
            && count.parse::<u32>().is_ok()
        {
            say(format_args!("{line} cases"));
        }
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(dir)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("list {}", dir.display()))?;
    files.sort();
    Ok(files)
}
