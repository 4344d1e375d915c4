//! Where things are: the repository's root and the cache for what was downloaded.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Overrides the cache folder.
pub const CACHE_VARIABLE: &str = "AQUEDUCT_CACHE";

/// The folder of the root `Cargo.toml`.
#[must_use]
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// What was fetched once and serves every checkout: `$AQUEDUCT_CACHE`, else `~/.cache/aqueduct`. Outside `target`, so that
/// `cargo clean` does not fetch Kafka again.
///
/// # Errors
/// Neither `AQUEDUCT_CACHE` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    if let Some(dir) = env::var_os(CACHE_VARIABLE).filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    let home = env::var_os("HOME").context("find the cache folder: set AQUEDUCT_CACHE or HOME")?;
    Ok(Path::new(&home).join(".cache/aqueduct"))
}
