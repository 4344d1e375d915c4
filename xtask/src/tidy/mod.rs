//! Our own checks: what no compiler or lint sees. Each is a pure function of names and text, so that each has tests.
//!
//! ```text
//! walk (files of the checkout) ──► sources (one file at a time) ─┐
//!                                  documents (paths they name)  ─┼─► findings, one line each
//! cargo metadata ────────────────► layers (who may use whom)    ─┘
//! ```

mod documents;
mod layers;
mod sources;
mod walk;

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cargo::Package;

/// The documents whose paths must exist.
const MAPS: &[&str] = &["ARCHITECTURE.md", "README.md"];

/// Something that has to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the repository's root.
    pub file: String,
    /// Counted from 1; 0 speaks of the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file, self.message),
            line => write!(out, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Checks the checkout at `root` with the members `packages`.
///
/// # Errors
/// A file cannot be read.
pub fn check(root: &Path, packages: &[Package]) -> Result<Vec<Finding>> {
    let mut findings = layers::check(packages);
    for file in walk::rust_files(root)? {
        let text = fs::read_to_string(root.join(&file)).with_context(|| format!("read {file}"))?;
        findings.extend(sources::check(&file, &text));
    }
    findings.extend(sources::stale_ratchet(|file| fs::read_to_string(root.join(file)).ok()));
    for map in MAPS {
        let Ok(text) = fs::read_to_string(root.join(map)) else {
            findings.push(Finding { file: (*map).to_owned(), line: 0, message: "is missing".to_owned() });
            continue;
        };
        findings.extend(documents::check(map, &text, |path| root.join(path).exists()));
    }
    Ok(findings)
}
