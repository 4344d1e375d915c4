//! Calling cargo from inside a program that cargo runs, and reading its metadata.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{paths, process};

/// A cargo command in the repository's root.
///
/// `cargo run` leaves the variables of the `xtask` package in our environment. Build scripts that watch them would rebuild
/// half of the tree whenever cargo is called from here and from a shell in turn, so they are taken out again.
#[must_use]
pub fn command(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).current_dir(paths::root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A workspace member, as far as the checks need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name in `Cargo.toml`.
    pub name: String,
    /// The members that its library or program links (dev-dependencies left out).
    pub own_dependencies: Vec<String>,
    /// The names of its integration test binaries.
    pub test_targets: Vec<String>,
    /// The names of its benchmark binaries.
    pub bench_targets: Vec<String>,
}

/// All workspace members.
///
/// # Errors
/// Cargo refuses the manifests.
pub fn packages() -> Result<Vec<Package>> {
    parse_packages(&metadata()?)
}

/// The folder that cargo builds into.
///
/// # Errors
/// Cargo refuses the manifests.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    metadata["target_directory"].as_str().map(PathBuf::from).context("cargo metadata has no target folder")
}

fn metadata() -> Result<Value> {
    let text = process::run_quiet(command("metadata").args(["--no-deps", "--format-version=1"]))?;
    serde_json::from_str(&text).context("read cargo metadata")
}

fn parse_packages(metadata: &Value) -> Result<Vec<Package>> {
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    Ok(packages.iter().map(package).collect())
}

fn package(value: &Value) -> Package {
    let list = |field: &str| value[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let targets = |kind: &str| {
        let is_kind =
            |target: &&Value| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind));
        list("targets").iter().filter(is_kind).map(|target| text(&target["name"])).collect()
    };
    let own = list("dependencies").iter().filter(|dep| dep["path"].is_string() && dep["kind"] != "dev");
    Package {
        name: text(&value["name"]),
        own_dependencies: own.map(|dep| text(&dep["name"])).collect(),
        test_targets: targets("test"),
        bench_targets: targets("bench"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_dependencies_and_targets() {
        let text = r#"{"packages": [{"name": "engine",
            "dependencies": [
                {"name": "api", "path": "/x/api", "kind": null},
                {"name": "broker", "path": "/x/broker", "kind": "dev"},
                {"name": "bytes", "kind": null}],
            "targets": [{"name": "engine", "kind": ["lib"]}, {"name": "delivery", "kind": ["test"]}]}]}"#;
        let expected = Package {
            name: "engine".to_owned(),
            own_dependencies: vec!["api".to_owned()],
            test_targets: vec!["delivery".to_owned()],
            bench_targets: vec![],
        };
        assert_eq!(parse_packages(&serde_json::from_str(text).unwrap()).unwrap(), [expected]);
    }
}
