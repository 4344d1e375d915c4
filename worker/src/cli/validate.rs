//! `aqueduct validate FILE...`: what a worker would say of its files, all of it and before it starts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::check::{Finding, LocatedFile, check_connector, check_worker, worker_for_checks};
use crate::config::{Plugins, Registry, properties};

/// A file is wrong or can't be read.
const INVALID: u8 = 2;

/// What `aqueduct validate` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 if a worker would take the files, 2 if not, 1 for wrong usage.\n\
                        Nothing is asked of Kafka; variables such as ${file:...} are taken as they are.")]
pub(super) struct Options {
    /// A worker's properties, and connectors' files: properties or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Treat warnings, such as unknown keys, as errors
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(registry: Registry, options: &Options) -> ExitCode {
    let plugins = Plugins::new(registry);
    let (report, is_valid) = report(options, &plugins);
    let _output_closed = std::io::stdout().write_all(report.as_bytes());
    if is_valid { ExitCode::SUCCESS } else { ExitCode::from(INVALID) }
}

/// The lines to print, and whether everything is right.
fn report(options: &Options, plugins: &Plugins) -> (String, bool) {
    let parsed: Vec<_> = options
        .files
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            let unreadable = |message: String| Finding { line: None, is_error: true, message };
            let file = properties::read_file(path).map_err(|error| unreadable(error.to_string())).and_then(
                |bytes| {
                    LocatedFile::parse(&bytes, &name).map_err(|malformed| Finding {
                        line: malformed.line,
                        is_error: true,
                        message: malformed.message,
                    })
                },
            );
            (name, file)
        })
        .collect();
    let workers = parsed.iter().filter_map(|(_, file)| file.as_ref().ok()).find(|file| !file.is_connector);
    let worker = worker_for_checks(workers, plugins);
    let (mut text, mut errors, mut warnings) = (String::new(), 0, 0);
    for (name, file) in &parsed {
        let mut findings = match (file, &worker) {
            (Err(finding), _) => vec![finding.clone()],
            (Ok(file), Ok(worker)) if file.is_connector => check_connector(file, plugins, worker),
            (Ok(file), Err(error)) if file.is_connector => {
                vec![Finding { line: None, is_error: true, message: error.message().to_owned() }]
            }
            (Ok(file), _) => check_worker(file, plugins),
        };
        findings.sort_by_key(|finding| finding.line.unwrap_or(0));
        for Finding { line, is_error, message } in findings {
            let line = line.map_or_else(String::new, |line| format!("{line}:"));
            let kind = if is_error { "error" } else { "warning" };
            *(if is_error { &mut errors } else { &mut warnings }) += 1;
            // Messages of several lines, such as those of regular expressions, stay together.
            let message = message.trim_end().replace('\n', "\n    ");
            writeln!(text, "{name}:{line} {kind}: {message}").expect("writing to a string does not fail");
        }
    }
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let summary =
        [count(parsed.len(), "file"), count(errors, "error"), count(warnings, "warning")].join(", ");
    writeln!(text, "{summary}").expect("writing to a string does not fail");
    (text, errors == 0 && (warnings == 0 || !options.strict))
}
