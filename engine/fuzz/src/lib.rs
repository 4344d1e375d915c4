//! What the fuzz targets do with their bytes, one function each.
//!
//! `cargo xtask fuzz` runs them under libFuzzer. `engine/tests/fuzz_inputs.rs` compiles this file as a module and runs every committed
//! input through them, so that a finding stays a test where nobody fuzzes.

mod converters;
mod json;

pub use converters::converters;
pub use json::{envelope, json};

/// What is done with one input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its program and of its folders of inputs.
pub const TARGETS: &[(&str, Target)] = &[("converters", converters), ("envelope", envelope), ("json", json)];

/// The records of an input: its lines, of which an empty one is a tombstone.
fn records(data: &[u8]) -> Vec<Option<&[u8]>> {
    data.split(|byte| *byte == b'\n').map(|line| (!line.is_empty()).then_some(line)).collect()
}
