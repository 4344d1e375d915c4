//! The one way in which xtask prints: whole lines on standard output, flushed, never a panic on a closed pipe.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints one line. A reader that went away (`| head`) is no error of ours.
#[expect(clippy::print_stdout, reason = "the only print that the test harness can capture")]
pub fn say(line: impl Display) {
    if cfg!(test) {
        println!("{line}");
        return;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}
