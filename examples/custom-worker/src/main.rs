//! The program: Aqueduct's command line with our plug-ins.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::run(custom_worker::registry())
}
