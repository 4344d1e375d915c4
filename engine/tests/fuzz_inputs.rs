//! Every input that the fuzz targets begin with, and every one that they once found something with, without a fuzzer.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of a package of its own, too")]
mod fuzz;

#[test]
fn every_committed_input_passes_its_target() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    xtask::fuzz::run_committed(&folder, fuzz::TARGETS).unwrap();
}
