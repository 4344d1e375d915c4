//! `allowed.paths`: where a provider may read. Symbolic links are followed before the comparison, so none leads out.

use std::path::{Component, Path, PathBuf};

use api::{Error, Props, Result};

/// The setting's name.
pub(super) const KEY: &str = "allowed.paths";

/// Folders and files under which everything may be read; all of the file system where none is given.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowedPaths {
    roots: Option<Vec<Root>>,
}

#[derive(Debug, Clone)]
struct Root {
    /// As given, without `.` and `..`.
    written: PathBuf,
    /// With links followed.
    real: PathBuf,
}

impl AllowedPaths {
    /// Reads the setting.
    pub(super) fn configure(props: &Props) -> Result<AllowedPaths> {
        let Some(list) = props.get(KEY).filter(|list| !list.trim().is_empty()) else {
            return Ok(AllowedPaths::default());
        };
        let roots = list.split(',').map(|path| {
            let path = Path::new(path.trim());
            let shown = path.display();
            if !path.is_absolute() {
                return Err(Error::config(format!("Path {shown} is not absolute")));
            }
            let real = std::fs::canonicalize(path)
                .map_err(|error| Error::config(format!("Path {shown} does not exist")).with_source(error))?;
            Ok(Root { written: normalized(path), real })
        });
        Ok(AllowedPaths { roots: Some(roots.collect::<Result<_>>()?) })
    }

    /// The path to read for a requested one, links followed; `None`, with a warning, where it may not be read. What does not
    /// exist is given as it was written, for the error that reading it gives.
    pub(super) fn real(&self, path: &str) -> Option<PathBuf> {
        let written = normalized(Path::new(path));
        let real = std::fs::canonicalize(&written);
        let Some(roots) = &self.roots else { return Some(real.unwrap_or(written)) };
        let is_allowed = match &real {
            Ok(real) => roots.iter().any(|root| real.starts_with(&root.real)),
            Err(_missing) => roots.iter().any(|root| written.starts_with(&root.written)),
        };
        if is_allowed {
            return Some(real.unwrap_or(written));
        }
        tracing::warn!(
            path,
            "a configuration refers to a path outside of the provider's {KEY}; its variables stay as they are"
        );
        None
    }
}

/// The path without `.` and `..`, by its text alone (`Path#normalize`).
fn normalized(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normalized.pop()),
            other => normalized.push(other),
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn allowed(list: &str) -> Result<AllowedPaths> {
        AllowedPaths::configure(&Props::from_iter([(KEY.to_owned(), list.to_owned())]))
    }

    #[test]
    fn nothing_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path).display().to_string();
        for folder in ["in", "in-too", "out"] {
            std::fs::create_dir(at(folder)).unwrap();
            std::fs::write(at(&format!("{folder}/f")), "").unwrap();
        }
        symlink(at("out/f"), at("in/link-to-file")).unwrap();
        symlink(at("out"), at("in/link-to-folder")).unwrap();
        symlink(at("in/f"), at("out/link-back")).unwrap();
        symlink(at("in"), at("alias")).unwrap();
        for (root, path, is_allowed) in [
            ("in", "in/f", true),
            ("in", "in/./../in/f", true),
            ("in", "in/missing", true),
            ("in/f", "in/f", true),
            ("alias", "in/f", true),
            ("in", "alias/f", true),
            ("in", "out/link-back", true),
            ("in", "out/f", false),
            ("in", "in-too/f", false),
            ("in", "in/../out/f", false),
            ("in", "in/../out/missing", false),
            ("in", "in/link-to-file", false),
            ("in", "in/link-to-folder/f", false),
            ("in", "in/link-to-folder/../../out/f", false),
            ("in/f", "in/link-to-file", false),
        ] {
            let found = allowed(&at(root)).unwrap().real(&at(path));
            assert_eq!(found.is_some(), is_allowed, "{path} under {root}: {found:?}");
        }
        assert!(allowed(&at("in")).unwrap().real("in/f").is_none(), "relative paths are nowhere");
        assert!(
            allowed(&format!("{}, {}", at("in"), at("out"))).unwrap().real(&at("in/link-to-file")).is_some()
        );
        assert!(AllowedPaths::default().real(&at("in/link-to-file")).is_some());
    }

    #[test]
    fn roots_are_checked_at_the_start() {
        let message = |list| allowed(list).unwrap_err().message().to_owned();
        assert_eq!(message("etc"), "Path etc is not absolute");
        assert_eq!(message("/etc,/no/such/folder"), "Path /no/such/folder does not exist");
        assert!(allowed("  ").unwrap().roots.is_none());
    }
}
