//! The event log: what happened, when, in one order. Two runs of one seed give the same bytes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::{clock, network};

thread_local! {
    static IS_PRINTED: Cell<bool> = const { Cell::new(false) };
    static DIGEST: Cell<u64> = const { Cell::new(0xCBF2_9CE4_8422_2325) };
    static LAST: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Lines that are kept to be shown with a violation.
const LAST_LINES: usize = 60;

/// Prints the log to standard output from now on.
pub(crate) fn print() {
    IS_PRINTED.set(true);
}

/// Something has happened.
pub(crate) fn event(what: fmt::Arguments<'_>) {
    let line = format!("{:>12.3} {what}", clock::elapsed().as_secs_f64());
    take_in(line.as_bytes());
    if IS_PRINTED.get() {
        say(&line);
    }
    LAST.with_borrow_mut(|last| {
        if last.len() >= 2 * LAST_LINES {
            last.drain(..LAST_LINES);
        }
        last.push(line);
    });
}

/// What happened last.
pub(crate) fn last() -> Vec<String> {
    LAST.with_borrow(|last| last[last.len().saturating_sub(LAST_LINES)..].to_vec())
}

/// Adds to the digest of everything that the log holds, without a line of its own: for what happens too often to be written.
pub(crate) fn take_in(bytes: &[u8]) {
    let hash =
        bytes.iter().fold(DIGEST.get(), |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3));
    DIGEST.set(hash);
}

/// What the log amounts to so far.
pub(crate) fn digest() -> u64 {
    DIGEST.get()
}

/// A line of output.
pub(crate) fn say(line: &str) {
    let _closed = writeln!(io::stdout().lock(), "{line}");
}

/// Has the workers' own log lines come at their virtual time, between the events.
pub(crate) fn print_workers(level: tracing::level_filters::LevelFilter) -> tracing::subscriber::DefaultGuard {
    let lines = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_timer(Virtual)
        .with_max_level(level)
        .with_writer(Out)
        .finish();
    tracing::subscriber::set_default(lines)
}

struct Virtual;

impl FormatTime for Virtual {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{:>12.3}", clock::elapsed().as_secs_f64())?;
        network::current().map_or(Ok(()), |worker| write!(w, " w{worker}"))
    }
}

struct Out;

impl<'a> MakeWriter<'a> for Out {
    type Writer = io::Stdout;

    fn make_writer(&'a self) -> io::Stdout {
        io::stdout()
    }
}
