//! The line of rates: redrawn in place on a terminal, now and then as a line of its own elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use engine::rt::clock::{self, Instant};

/// How often the line is redrawn.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
const PLAIN_INTERVAL: Duration = Duration::from_secs(1);

/// Where the pipeline stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// Lines in the input file.
    pub(super) written: u64,
    /// Bytes in the input file.
    pub(super) bytes: u64,
    /// Records that the sink has taken.
    pub(super) delivered: u64,
}

/// Shows [`Position`]s.
#[derive(Debug)]
pub(super) struct Progress {
    is_terminal: bool,
    last: Option<(Instant, Position)>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { is_terminal: io::stdout().is_terminal(), last: None }
    }

    pub(super) fn interval(&self) -> Duration {
        if self.is_terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL }
    }

    /// Shows where it stands, with rates since the last time.
    pub(super) fn show(&mut self, position: Position) -> io::Result<()> {
        let now = clock::now();
        let (per_second, elapsed) = match self.last.replace((now, position)) {
            Some((before, last)) => (position.delivered - last.delivered, (now - before).as_secs_f64()),
            None => return Ok(()),
        };
        let records_per_second = per_second as f64 / elapsed.max(1e-3);
        let record_bytes = position.bytes as f64 / position.written.max(1) as f64;
        let line = format!(
            "{:>11} records moved  {:>11} records/s  {:>7.1} MB/s  lag {}",
            grouped(position.delivered),
            grouped(records_per_second as u64),
            records_per_second * record_bytes / 1e6,
            grouped(position.written.saturating_sub(position.delivered)),
        );
        let mut out = io::stdout().lock();
        if self.is_terminal {
            write!(out, "\r\x1b[2K{line}")?
        } else {
            writeln!(out, "{line}")?
        }
        out.flush()
    }

    /// Leaves the line alone from now on.
    pub(super) fn end(&self) -> io::Result<()> {
        if self.is_terminal && self.last.is_some() { writeln!(io::stdout()) } else { Ok(()) }
    }
}

/// A number with commas between groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        assert_eq!(
            [0, 999, 1_000, 123_456, 1_234_567].map(grouped),
            ["0", "999", "1,000", "123,456", "1,234,567"]
        );
    }
}
