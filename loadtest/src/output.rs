//! Where reports go.

/// One line of a report.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}
