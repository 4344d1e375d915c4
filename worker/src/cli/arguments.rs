//! Arguments to commands.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use engine::rt::clock;

use super::serve::{self, Mode};
use super::{broker, offsets, plugins, quickstart, validate};
use crate::config::Registry;

/// What Java's scripts are called; a link of such a name to the program behaves like it.
const JAVA_STANDALONE: &str = "connect-standalone";
const JAVA_DISTRIBUTED: &str = "connect-distributed";

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
    /// Run a worker of a cluster with Java Connect's configuration file
    #[command(alias = JAVA_DISTRIBUTED)]
    Distributed {
        /// The worker's properties; as in Java, an empty argument means none
        worker: Option<OsString>,
        /// As in Java, further arguments mean nothing
        #[arg(hide = true)]
        others: Vec<OsString>,
    },
    /// Check configuration files: all errors at once, with their lines, without a worker or Kafka
    Validate(validate::Options),
    /// List the plug-ins that are built in, and their configuration keys
    Plugins(plugins::Options),
    /// See, change, keep and bring back the offsets of source connectors
    Offsets(offsets::Options),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, in roff
    Man,
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
    let command = [(JAVA_STANDALONE, "standalone"), (JAVA_DISTRIBUTED, "distributed")]
        .into_iter()
        .find(|(java, _)| name.is_some_and(|name| name == *java));
    if let Some((_, command)) = command {
        arguments.insert(1, command.into());
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
            serve::run(registry, Mode::Standalone, worker.map(PathBuf::from), &connectors, started)
        }
        Command::Distributed { worker, others: _ } => {
            serve::run(registry, Mode::Distributed, worker.map(PathBuf::from), &[], started)
        }
        Command::Validate(options) => validate::run(registry, &options),
        Command::Plugins(options) => plugins::run(registry, &options),
        Command::Offsets(options) => offsets::run(&options),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "aqueduct", &mut script);
            print(&script)
        }
        Command::Man => print(&manual()),
        Command::Broker(options) => broker::run(&options),
        Command::Quickstart(options) => quickstart::run(registry, &options),
    }
}

/// Standard output may be closed: nobody is left to be told.
fn print(bytes: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_output_closed) => ExitCode::from(1),
    }
}

/// One page for the program and all its commands.
fn manual() -> Vec<u8> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let mut render = || -> std::io::Result<()> {
        let whole = clap_mangen::Man::new(command.clone());
        whole.render_title(&mut page)?;
        whole.render_name_section(&mut page)?;
        whole.render_synopsis_section(&mut page)?;
        whole.render_description_section(&mut page)?;
        for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
            // A section for each command, in the place of pages of their own.
            writeln!(page, ".SH \"AQUEDUCT {}\"", subcommand.get_name().to_uppercase())?;
            let part = clap_mangen::Man::new(subcommand.clone());
            let mut sections = Vec::new();
            part.render_description_section(&mut sections)?;
            part.render_options_section(&mut sections)?;
            part.render_extra_section(&mut sections)?;
            let sections = String::from_utf8_lossy(&sections);
            page.extend_from_slice(
                sections.replace(".SH DESCRIPTION\n", "").replace(".SH ", ".SS ").as_bytes(),
            );
        }
        whole.render_version_section(&mut page)
    };
    render().expect("writing to a vector does not fail");
    page
}

#[cfg(test)]
mod tests {
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
