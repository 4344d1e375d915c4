//! Log lines for people: `2026-11-21T10:09:18.123Z INFO  [my-sink|task-0] message key=value`.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::filter::{Levels, start_at};
use crate::redact;

/// Names the variable that sets the level: `error`, `warn`, `info` (default), `debug`, `trace` or `off`.
const LEVEL_VARIABLE: &str = "AQUEDUCT_LOG";

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, as Java's worker.
    Stdout,
    /// Standard error: standard output is for something else.
    Stderr,
}

/// Starts logging for the process. A second call does nothing.
pub fn start(output: Output, level_default: LevelFilter) {
    let level = std::env::var(LEVEL_VARIABLE)
        .ok()
        .and_then(|level| level.trim().parse().ok())
        .unwrap_or(level_default);
    let colours = match output {
        Output::Stdout => io::stdout().is_terminal(),
        Output::Stderr => io::stderr().is_terminal(),
    };
    start_at(level);
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).event_format(Lines);
    let subscriber = tracing_subscriber::registry();
    let _started_before = match output {
        Output::Stdout => subscriber.with(lines.with_writer(io::stdout)).with(Levels).try_init(),
        Output::Stderr => subscriber.with(lines.with_writer(io::stderr)).with(Levels).try_init(),
    };
}

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let (colour, reset) = match (out.has_ansi_escapes(), *event.metadata().level()) {
            (false, _) => ("", ""),
            (true, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
            (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
            (true, Level::INFO) => ("\x1b[32m", "\x1b[0m"),
            (true, _) => ("\x1b[2m", "\x1b[0m"),
        };
        let time = Time(engine::rt::clock::unix_ms());
        write!(out, "{time} {colour}{:<5}{reset} ", event.metadata().level().as_str())?;
        parts.write_context(&mut out)?;
        writeln!(out, "{}{}", redact::hide(&parts.message), redact::hide(&parts.fields))
    }
}

/// The fields of an event, sorted by what they are for.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
    connector: Option<String>,
    task: Option<String>,
}

impl Parts {
    /// Java's `connector.context`: `[name|task-0] `, `[name|worker] ` or nothing.
    fn write_context(&self, out: &mut Writer<'_>) -> fmt::Result {
        match (&self.connector, &self.task) {
            (Some(connector), Some(task)) => write!(out, "[{connector}|task-{task}] "),
            (Some(connector), None) => write!(out, "[{connector}|worker] "),
            // The engine names tasks as a whole.
            (None, Some(id)) => match id.rsplit_once('-') {
                Some((connector, task)) => write!(out, "[{connector}|task-{task}] "),
                None => write!(out, "[{id}] "),
            },
            // A connector speaks from a thread of its own, named after it.
            (None, None) => {
                match std::thread::current().name().and_then(|name| name.strip_prefix("connector ")) {
                    Some(connector) => write!(out, "[{connector}|worker] "),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            "connector" => self.connector = Some(one_line(text)),
            "task" => self.task = Some(one_line(text)),
            name => {
                write!(self.fields, " {name}={}", one_line(text)).expect("writing to a string does not fail");
            }
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// A field may be what a client has sent, which must not pass for a line of ours. Messages are ours, and may have several lines.
fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Milliseconds since the epoch as ISO 8601 in UTC.
pub(crate) struct Time(pub(crate) i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", ms % 1_000)
    }
}

/// Year, month and day of a count of days since 1970-01-01 (Howard Hinnant's `civil_from_days`).
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_field_is_no_line_of_its_own() {
        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Lines)
            .with_writer(move || writer.clone());
        let forged = "a\n2026-11-28T15:00:00.000Z INFO  stopped\u{1b}[2K";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::error!(connector = forged, logger = forged, path = %forged, "two\nlines");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let escaped = "a\\n2026-11-28T15:00:00.000Z INFO  stopped\\u{1b}[2K";
        let (_, line) = text.split_once("ERROR").unwrap();
        assert_eq!(line, format!(" [{escaped}|worker] two\nlines logger={escaped} path={escaped}\n"));
    }

    #[test]
    fn prints_utc() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Time(951_827_696_789).to_string(), "2000-02-29T12:34:56.789Z");
        assert_eq!(Time(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
