//! What the fuzz targets do with their bytes, one function each, from public parts of `protocol` and `broker` only.
//!
//! `cargo xtask fuzz` runs them under libFuzzer. `protocol/tests/fuzz_inputs.rs` compiles this file as a module and runs
//! every committed input through them, so that a finding stays a test where nobody fuzzes.

mod auth;
mod broker;
mod decompress;
mod frame;
mod group;
mod keystore;
mod record_set;

#[path = "../../tests/hostile_memory/allocator.rs"]
mod allocator;

pub use auth::auth;
pub use broker::broker;
pub use decompress::decompress;
pub use frame::frame;
pub use group::group;
pub use keystore::keystore;
pub use record_set::record_set;

/// What is done with one input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its program and of its folders of inputs.
pub const TARGETS: &[(&str, Target)] = &[
    ("auth", auth),
    ("broker", broker),
    ("decompress", decompress),
    ("frame", frame),
    ("group", group),
    ("keystore", keystore),
    ("record_set", record_set),
];

/// Runs `work`, which may allocate that much at a time.
fn within<T>(bytes_max: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak) = allocator::peak_of(work);
    assert!(peak <= bytes_max, "{peak} bytes were allocated, {bytes_max} are allowed");
    result
}
