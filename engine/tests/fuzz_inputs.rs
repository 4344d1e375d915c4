//! Every input that the fuzz targets begin with, and every one that they once found something with, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of a package of its own, too")]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a folder, in order; none where there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_committed_input_passes_its_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, run) in fuzz::TARGETS {
        let inputs = files(&root.join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name} has nothing to begin with");
        for path in inputs.into_iter().chain(files(&root.join("regressions").join(name))) {
            // The last line before a failure names the input.
            println!("{}", path.display());
            run(&fs::read(&path).unwrap());
        }
    }
}
