//! Where reports go, and how far long work is.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// One line of a report.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}

/// Keeps a result as a file, in a folder that is made where it is missing.
pub(crate) fn keep(path: &Path, result: &Value) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(path, format!("{result:#}\n")).with_context(|| format!("write {}", path.display()))
}

/// How far long work is: a line on a terminal, below what is printed; nothing elsewhere.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many steps.
    pub(crate) fn new(steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64);
        let template = "{elapsed_precise} {wide_bar} {pos}/{len}, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// What is done now.
    pub(crate) fn doing(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// One line of a report, above the bar.
    pub(crate) fn print(&self, line: &str) {
        self.0.suspend(|| print(line));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
