//! `cargo xtask bench instructions`: instructions per record of every pipeline and stage, held against a committed table.
//!
//! ```text
//! count (callgrind runs the programs of `benches`, writes what each phase cost) ──► table (expected figures, what is dearer than it may be)
//! ```
//!
//! Time says little on a machine that does other work too; the number of instructions is the same there. It depends on the compiler and its
//! settings, so the programs are always built with the profile that the table is of.

mod count;
mod table;

use anyhow::{Result, bail};

use self::table::Table;
use crate::output::say;
use crate::{paths, tools};

/// The table, from the root of the repository.
const TABLE: &str = "benches/instructions.tsv";

/// Counts, and shows the figures beside what is expected. Whether no case is dearer than it may be.
///
/// # Errors
/// There is no valgrind, a program does not build or fails, or the arguments are others than `--bless`.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let blesses = match arguments {
        [] => false,
        [bless] if bless == "--bless" => true,
        _ => bail!("bench instructions takes --bless and nothing else"),
    };
    let valgrind = tools::valgrind()?;
    let counted = count::all(&valgrind)?;
    let file = paths::root().join(TABLE);
    if blesses {
        Table::of(&counted).write(&file)?;
        say(format_args!("written: {TABLE}, {} cases", counted.len()));
        return Ok(true);
    }
    let verdict = Table::read(&file)?.judge(&counted);
    verdict.lines.iter().for_each(say);
    Ok(verdict.is_good)
}
