//! The Rust files of a checkout, committed or not yet.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Paths relative to `root`, sorted; build output and hidden folders left out.
pub(super) fn rust_files(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry.with_context(|| format!("list {}", dir.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_dir = entry.file_type().with_context(|| format!("look at {name}"))?.is_dir();
            if is_dir && name != "target" && !name.starts_with('.') {
                open.push(entry.path());
            } else if !is_dir && name.ends_with(".rs") {
                let path = entry.path();
                let relative = path.strip_prefix(root).unwrap_or(&path);
                files.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_build_output_and_hidden_folders() {
        let root = tempfile::tempdir().unwrap();
        for file in ["b/src/lib.rs", "a.rs", "target/debug/gen.rs", ".git/x.rs", "b/notes.md"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(rust_files(root.path()).unwrap(), ["a.rs", "b/src/lib.rs"]);
    }
}
