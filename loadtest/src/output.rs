//! Where reports go, and how far long work is.

use indicatif::{ProgressBar, ProgressStyle};

/// One line of a report.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
pub(crate) fn print(line: &str) {
    println!("{line}");
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
