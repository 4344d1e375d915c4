//! Arguments to commands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engine::rt::clock;

use super::{broker, quickstart, standalone};
use crate::config::Registry;

/// What Java's script is called; a link of this name to the program behaves like it.
const JAVA_STANDALONE: &str = "connect-standalone";

#[derive(Debug, Parser)]
#[command(name = "aqueduct", version, about = "A Kafka Connect worker", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a standalone worker with Java Connect's configuration files
    #[command(alias = JAVA_STANDALONE)]
    Standalone {
        /// The worker's properties; as in Java, an empty argument means none
        worker: Option<OsString>,
        /// Connector configurations: properties or JSON
        connectors: Vec<PathBuf>,
    },
    /// Run the embedded broker: in memory, for trying things out
    Broker(broker::Options),
    /// See data flow: a broker, a worker and a small pipeline in one process
    Quickstart(quickstart::Options),
}

/// Runs the program: parses its arguments and does what they say.
pub fn run(registry: Registry) -> ExitCode {
    let started = clock::now();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().map(Path::new).and_then(Path::file_stem);
    if name.is_some_and(|name| name == JAVA_STANDALONE) {
        arguments.insert(1, "standalone".into());
    }
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let _output_closed = error.print();
            // Java exits with 1 on any usage error; asking for help or the version is none.
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    match parsed.command {
        Command::Standalone { worker, connectors } => {
            standalone::run(registry, worker.map(PathBuf::from), &connectors, started)
        }
        Command::Broker(options) => broker::run(&options),
        Command::Quickstart(options) => quickstart::run(registry, &options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn takes_javas_command_name() {
        let parsed = Arguments::try_parse_from(["aqueduct", "connect-standalone", "w", "a", "b"]).unwrap();
        let Command::Standalone { worker, connectors } = parsed.command else { panic!("{parsed:?}") };
        assert_eq!((worker, connectors.len()), (Some("w".into()), 2));
    }
}
