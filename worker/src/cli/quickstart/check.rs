//! Whether everything has arrived: the sequence numbers in the output file.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// What the output file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Lines.
    pub(super) lines: u64,
    /// Sequence numbers below the highest that are missing or stand after a higher one.
    pub(super) missing: u64,
    /// Lines with a number that was there before, or with none.
    pub(super) unexpected: u64,
}

impl Found {
    /// Exactly `count` lines, each number once and in order.
    pub(super) fn is_complete(&self, count: u64) -> bool {
        *self == Found { lines: count, missing: 0, unexpected: 0 }
    }
}

/// Reads the output file.
pub(super) fn check(path: &Path) -> io::Result<Found> {
    scan(BufReader::with_capacity(256 << 10, File::open(path)?))
}

fn scan(mut input: impl BufRead) -> io::Result<Found> {
    let mut found = Found::default();
    let mut next = 0;
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        found.lines += 1;
        match sequence(&line) {
            Some(number) if number >= next => {
                found.missing += number - next;
                next = number + 1;
            }
            _ => found.unexpected += 1,
        }
        line.clear();
    }
    Ok(found)
}

/// The number behind `seq=` in a line such as `{seq=7, sensor=sensor-07}`.
fn sequence(line: &[u8]) -> Option<u64> {
    let at = line.windows(4).position(|four| four == b"seq=")? + 4;
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&line[at..at + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(text: &str, lines: u64, missing: u64, unexpected: u64) {
        assert_eq!(scan(text.as_bytes()).unwrap(), Found { lines, missing, unexpected });
    }

    #[test]
    fn tells_loss_from_duplicates() {
        found("{seq=0, a=1}\n{a=2, seq=1}\n", 2, 0, 0);
        found("{seq=0}\n{seq=2}\n", 2, 1, 0);
        found("{seq=0}\n{seq=1}\n{seq=0}\n{seq=2}\n", 4, 0, 1);
        found("garbage\n", 1, 0, 1);
        assert!(scan(&b"{seq=0}\n"[..]).unwrap().is_complete(1));
        assert!(!scan(&b""[..]).unwrap().is_complete(1));
    }
}
