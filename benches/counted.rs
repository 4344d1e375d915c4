//! The half of `cargo xtask bench instructions` that is in the measured program: which of its instructions belong to which case.
//!
//! Callgrind writes down what it has counted, and begins again at zero, whenever `phase_ends` is entered. The program says on its
//! standard output which phase each of these counts is of, in the order in which they are written. A case has two phases, which move few
//! and many records: what every phase costs that does not depend on records is in both, and the difference is of records alone.

/// The argument that makes a program count.
const ARGUMENT: &str = "--count";

/// Whether the program is to count its instructions.
#[must_use]
pub fn is_asked_for() -> bool {
    std::env::args().any(|argument| argument == ARGUMENT)
}

/// Whether a case is to run: one of those that arguments name, or any where none does.
#[must_use]
pub fn is_named(name: &str) -> bool {
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    names.peek().is_none() || names.any(|asked| asked == name)
}

/// Records of the two phases of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records {
    /// Of the first.
    pub few: u64,
    /// Of the second.
    pub many: u64,
}

/// A case: `run` moves as many records as it is told. It runs once before it counts, so that pools are filled and shapes learnt. Where
/// nothing is counted that is all.
pub fn case(name: &str, records: Records, run: &mut dyn FnMut(u64)) {
    run(records.few);
    if !is_asked_for() {
        return;
    }
    end_phase("", 0);
    for records in [records.few, records.many] {
        run(records);
        end_phase(name, records);
    }
}

#[expect(clippy::print_stdout, reason = "this is what `cargo xtask bench instructions` reads")]
fn end_phase(name: &str, records: u64) {
    println!("phase\t{name}\t{records}");
    phase_ends();
}

/// Callgrind knows it by its name.
#[inline(never)]
fn phase_ends() {
    std::hint::black_box(());
}
