//! `DirectoryConfigProvider`: values in files of their own, as containers mount secrets.

use api::config_def::{ConfigDef, Secret};
use api::provider::{ConfigProvider, Provided};
use api::{Error, Props, Result};

use super::allowed::AllowedPaths;
use super::file;
use crate::config::properties;
use crate::version;

/// Reads the file `key` of the folder named by the path, anew each time.
#[derive(Debug)]
pub(super) struct DirectoryProvider {
    allowed: AllowedPaths,
}

impl ConfigProvider for DirectoryProvider {
    const CLASS: &'static str = "org.apache.kafka.common.config.provider.DirectoryConfigProvider";
    const VERSION: &'static str = version::COMPATIBLE;

    fn config_def() -> ConfigDef {
        file::config_def()
    }

    fn configure(props: &Props) -> Result<DirectoryProvider> {
        Ok(DirectoryProvider { allowed: AllowedPaths::configure(props)? })
    }

    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided> {
        let mut provided = Provided::default();
        if path.is_empty() {
            return Ok(provided);
        }
        let Some(folder) = self.allowed.real(path) else { return Ok(provided) };
        if !folder.is_dir() {
            tracing::warn!(
                path,
                "a configuration refers to a folder that is none; its variables stay as they are"
            );
            return Ok(provided);
        }
        for key in keys {
            // A name, not a way out of the folder.
            if key.is_empty() || key.contains('/') || *key == ".." || *key == "." {
                continue;
            }
            let file = folder.join(key);
            // Mounted secrets are links within the folder; a link to elsewhere needs that place to be allowed as well.
            let Some(real) = file.to_str().and_then(|file| self.allowed.real(file)) else { continue };
            if !real.is_file() {
                continue;
            }
            let unreadable =
                || Error::config(format!("Could not read file {} for property {key}", file.display()));
            let bytes = properties::read_file(&real).map_err(|error| unreadable().with_source(error))?;
            let text = String::from_utf8(bytes).map_err(|_shows_bytes| unreadable())?;
            provided.values.insert((*key).to_owned(), Secret::new(text));
        }
        Ok(provided)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn reads_whole_files_of_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("mounted/..data")).unwrap();
        std::fs::create_dir(path("mounted/folder")).unwrap();
        std::fs::write(path("mounted/..data/password"), " s\n").unwrap();
        std::fs::write(path("outside"), "x").unwrap();
        symlink("..data/password", path("mounted/password")).unwrap();
        symlink(path("outside"), path("mounted/link")).unwrap();
        let mounted = path("mounted").display().to_string();
        let keys = ["password", "folder", "missing", "../outside", "..", "", "link"];

        let found = |props: &[(&str, &str)]| {
            let props = props.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let provider = DirectoryProvider::configure(&props).unwrap();
            let found = provider.get(&mounted, &keys).unwrap().values;
            let mut found: Vec<_> =
                found.iter().map(|(key, value)| format!("{key}={}", value.reveal())).collect();
            found.sort();
            found
        };
        assert_eq!(found(&[("allowed.paths", &mounted)]), ["password= s\n"]);
        assert_eq!(found(&[]), ["link=x", "password= s\n"]);
        let provider = DirectoryProvider::configure(&Props::new()).unwrap();
        assert!(provider.get("/no/such/folder", &["a"]).unwrap().values.is_empty());
    }
}
