//! librdkafka's side of the comparison: a small C program, compiled when it is needed, so that no build depends on the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const SOURCE: &str = include_str!("rdkafka.c");

/// The compiled program.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
}

impl Program {
    /// Compiles it into `dir` by the system's C compiler.
    pub(super) fn compile(dir: &Path) -> Result<Program> {
        let source = dir.join("rdkafka.c");
        let path = dir.join("rdkafka");
        fs::write(&source, SOURCE)?;
        let output = Command::new("cc")
            .arg("-O2")
            .arg("-o")
            .args([&path, &source])
            .arg("-lrdkafka")
            .output()
            .context("start the C compiler `cc`")?;
        if !output.status.success() {
            bail!(
                "the C compiler failed; librdkafka with its header is needed (Debian: librdkafka-dev): {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(Program { path })
    }

    pub(super) fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(what);
        command
    }

    /// The library's name and version.
    pub(super) fn version(&self) -> Result<String> {
        let output = self.command("version").output()?;
        Ok(format!("librdkafka {}", String::from_utf8_lossy(&output.stdout).trim()))
    }
}
