//! `sim`: whole workers of one Connect cluster and the embedded broker on one thread, in virtual time, under one seed.
//!
//! ```text
//!  seed ─▶ faults, operator ──▶ hosts (a LocalSet per worker: polled, suspended, dropped) ◀──▶ network ◀──▶ broker
//!                                 │ plug-ins of the world                                                   │
//!                                 ▼                                                                         ▼
//!                               ledger ───────────────────▶ checks ◀──────────────────────────────────── tail
//! ```
//!
//! The workers are the real ones, with their REST, stores, memberships, clients and tasks. Replaced are sockets (`network`), clocks
//! (`clock`), chance (`chance`) and threads (`engine::rt::Executors::here`). docs/simulation.md says what is checked.

mod chance;

mod clock;

mod log;

mod network;

mod host;

mod properties;

mod ledger;

mod source;

mod sink;

mod operator;

mod faults;

mod tail;

mod configs;

mod checks;

mod world;

mod batch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Simulates Aqueduct clusters with faults and checks what must stay true.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Options {
    /// Simulate the world of one seed and print its log
    #[arg(long)]
    seed: Option<u64>,
    /// How long a world lives, in minutes of its own time
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Source tasks write in transactions
    #[arg(long)]
    exactly_once: bool,
    /// With a seed: leave the log out
    #[arg(long)]
    quiet: bool,
    /// With a seed: print what workers log from this level on as well
    #[arg(long)]
    workers: Option<tracing::level_filters::LevelFilter>,
    /// With a seed: have workers misbehave: early-commit, missed-fence or lost-revocation
    #[cfg(feature = "planted-bugs")]
    #[arg(long, requires = "seed", value_parser = bug)]
    plant: Option<engine::planted::Bug>,
    /// Simulate as many worlds as give so many hours
    #[arg(long, conflicts_with = "seed")]
    hours: Option<u64>,
    /// Seed of the first of them
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Worlds at a time, each a process
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match (options.seed, options.hours) {
        (Some(seed), _) => one(seed, &options),
        (None, hours) => batch::run(hours.unwrap_or(1), &options),
    }
}

#[cfg(feature = "planted-bugs")]
fn bug(name: &str) -> Result<engine::planted::Bug, String> {
    use engine::planted::Bug;
    match name {
        "early-commit" => Ok(Bug::EarlyCommit),
        "missed-fence" => Ok(Bug::MissedFence),
        "lost-revocation" => Ok(Bug::LostRevocation),
        _ => Err("no such bug".to_owned()),
    }
}

fn one(seed: u64, options: &Options) -> ExitCode {
    chance::seed_process(seed);
    #[cfg(feature = "planted-bugs")]
    options.plant.into_iter().for_each(engine::planted::plant);
    let length = Duration::from_secs(60 * options.minutes);
    let (prints, workers, exactly_once) = (!options.quiet, options.workers, options.exactly_once);
    // On a thread of its own: its thread locals have drawn nothing yet.
    let world = std::thread::Builder::new().name("world".to_owned()).stack_size(16 << 20).spawn(move || {
        fastrand::seed(seed);
        if prints {
            log::print();
        }
        let _lines = workers.map(log::print_workers);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let report = tokio::task::LocalSet::new().block_on(&runtime, world::run(seed, length, exactly_once));
        batch::show(seed, &report, log::digest());
        if !report.violations.is_empty() && !prints {
            log::last().iter().for_each(|line| log::say(&format!("  {line}")));
        }
        std::io::Result::Ok(report.violations.is_empty())
    });
    let is_well = world.map(|world| world.join());
    match is_well {
        Ok(Ok(Ok(true))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
