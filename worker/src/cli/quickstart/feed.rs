//! The input: a thread that writes JSON lines to a file.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engine::rt::blocking;
use engine::rt::clock;

/// Lines per second while nobody says how many there should be.
const LINES_PER_SECOND: u64 = 5_000;

/// Then it ends as well: neither disk nor the broker's memory is to fill up while nobody looks.
pub(super) const LINES_MAX: u64 = 5_000_000;

/// Lines written between two looks at the clock.
const BURST: u64 = 100;

/// What has been written so far. Written by the feed, read by whoever shows progress.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) lines: AtomicU64,
    pub(super) bytes: AtomicU64,
    is_stopped: AtomicBool,
}

impl Written {
    /// Asks the feed to end.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// Starts to write: `count` lines as fast as possible, or at a steady rate until stopped.
pub(super) fn start(path: &Path, count: Option<u64>) -> io::Result<Arc<Written>> {
    let file = File::create(path)?;
    let written = Arc::new(Written::default());
    let shared = Arc::clone(&written);
    blocking::run("quickstart feed", move || {
        if let Err(error) = write(file, count, &shared) {
            tracing::error!(%error, "failed to write the input file");
        }
    })?;
    Ok(written)
}

fn write(file: File, count: Option<u64>, written: &Written) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 << 10, file);
    let started = clock::now();
    let mut line = Vec::new();
    let mut next = 0;
    while next < count.unwrap_or(LINES_MAX) && !written.is_stopped.load(Ordering::Relaxed) {
        let mut bytes = 0;
        let end = (next + BURST).min(count.unwrap_or(LINES_MAX));
        for sequence in next..end {
            line.clear();
            write_line(&mut line, sequence)?;
            out.write_all(&line)?;
            bytes += line.len() as u64;
        }
        let lines = end - next;
        next = end;
        if count.is_none() {
            // Whole lines are there to be read at once.
            out.flush()?;
        }
        written.lines.fetch_add(lines, Ordering::Relaxed);
        written.bytes.fetch_add(bytes, Ordering::Relaxed);
        if count.is_none() {
            let due = Duration::from_millis(next * 1_000 / LINES_PER_SECOND);
            // The thread is the feed's own: nothing else waits behind it.
            std::thread::sleep(due.saturating_sub(clock::now() - started));
        }
    }
    out.flush()
}

/// One reading of a sensor, about 140 bytes; `seq` tells whether any was lost.
fn write_line(out: &mut Vec<u8>, sequence: u64) -> io::Result<()> {
    let sensor = sequence % 64;
    let temperature = 15.0 + (sequence % 200) as f64 / 10.0;
    let status = if sequence.is_multiple_of(97) { "check" } else { "ok" };
    writeln!(
        out,
        r#"{{"seq":{sequence},"sensor":"sensor-{sensor:02}","site":"building 7, floor {}","temperature":{temperature:.1},"humidity":{},"status":"{status}","note":"periodic reading"}}"#,
        sensor / 8,
        30 + sequence % 40,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_of_the_size_promised() {
        for sequence in [0, 97, 4_999_999] {
            let mut line = Vec::new();
            write_line(&mut line, sequence).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["seq"], sequence);
            assert!((115..160).contains(&line.len()), "{}", line.len());
        }
    }
}
