//! `cargo xtask test`: the one test command. Numbered steps, every one of them run even when an earlier one failed, a
//! summary, and a closing line with the count of tests.
//!
//! ```text
//! steps (what is checked) ──► runner (one program, its deadline, its libtest lines) ──► report (table, totals, exit code)
//! ```

mod report;
mod runner;
mod steps;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use report::Report;
use steps::{STEPS, Session, Step};

/// Which part of the checks to run.
#[derive(Debug, Args)]
pub struct Options {
    /// Leave out what takes minutes: docs, deny, planted bugs, loom, fuzzing, benches, real Kafka, quickstart
    #[arg(long)]
    fast: bool,
    /// Run only these steps (comma-separated names, as the summary prints them)
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
    /// Run only tests whose name contains this; the steps that run no tests are left out
    filter: Option<String>,
}

/// Runs the selected steps. The exit code is a failure if one of them failed or, with `CI` set, was skipped for want of a
/// tool.
///
/// # Errors
/// The options name a step that does not exist.
pub fn run(options: &Options) -> Result<ExitCode> {
    let selected = options.selected()?;
    let session = Session::new(options.filter.clone());
    let mut report = Report::default();
    for (index, step) in selected.iter().enumerate() {
        report.run(index + 1, selected.len(), step.name, || (step.run)(&session));
    }
    Ok(report.close())
}

impl Options {
    fn selected(&self) -> Result<Vec<&'static Step>> {
        if let Some(unknown) = self.only.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
            let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            bail!("no step is called {unknown}: there are {}", names.join(", "));
        }
        let is_selected = |step: &&Step| {
            if !self.only.is_empty() {
                return self.only.iter().any(|name| name == step.name);
            }
            (step.is_fast || !self.fast) && (step.takes_filter || self.filter.is_none())
        };
        Ok(STEPS.iter().filter(is_selected).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fast: bool, only: &[&str], filter: Option<&str>) -> Vec<&'static str> {
        let only = only.iter().map(|name| (*name).to_owned()).collect();
        let options = Options { fast, only, filter: filter.map(str::to_owned) };
        options.selected().unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn without_options_everything_runs() {
        assert_eq!(names(false, &[], None).len(), STEPS.len());
    }

    #[test]
    fn fast_needs_no_jvm() {
        let fast = names(true, &[], None);
        assert!(fast.contains(&"tests") && !fast.contains(&"kafka"), "{fast:?}");
    }

    #[test]
    fn a_filter_leaves_only_steps_with_tests() {
        assert!(!names(false, &[], Some("offset")).contains(&"clippy"));
        assert_eq!(names(true, &[], Some("offset")), ["tests"]);
    }

    #[test]
    fn a_misspelt_step_is_an_error() {
        let options = Options { fast: false, only: vec!["clipy".to_owned()], filter: None };
        assert!(options.selected().unwrap_err().to_string().contains("clippy"));
    }
}
