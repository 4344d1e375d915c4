//! `FileConfigProvider`: values in properties files.

use std::collections::HashMap;

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, Secret};
use api::provider::{ConfigProvider, Provided};
use api::{Error, Props, Result};

use super::allowed::{self, AllowedPaths};
use crate::config::properties;
use crate::version;

/// Reads the file named by the path, anew each time.
#[derive(Debug)]
pub(super) struct FileProvider {
    allowed: AllowedPaths,
}

/// The one setting of providers that read files.
pub(super) fn config_def() -> ConfigDef {
    ConfigDef::default().key(ConfigKey::new(
        allowed::KEY,
        ConfigType::List,
        Default::Null,
        Importance::Medium,
        "Folders and files that may be read, comma separated and absolute; everything where it is not set.",
    ))
}

impl ConfigProvider for FileProvider {
    const CLASS: &'static str = "org.apache.kafka.common.config.provider.FileConfigProvider";
    const VERSION: &'static str = version::COMPATIBLE;

    fn config_def() -> ConfigDef {
        config_def()
    }

    fn configure(props: &Props) -> Result<FileProvider> {
        Ok(FileProvider { allowed: AllowedPaths::configure(props)? })
    }

    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided> {
        let mut provided = Provided::default();
        if path.is_empty() {
            return Ok(provided);
        }
        let Some(real) = self.allowed.real(path) else { return Ok(provided) };
        let unreadable = || Error::config(format!("Could not read properties from file {path}"));
        // Waiting on a pipe would take a thread with it.
        let is_file = std::fs::metadata(&real).map_err(|error| unreadable().with_source(error))?.is_file();
        if !is_file {
            return Err(unreadable());
        }
        let bytes = properties::read_file(&real).map_err(|error| unreadable().with_source(error))?;
        // UTF-8 here, unlike the worker's own file.
        let text = std::str::from_utf8(&bytes).map_err(|error| unreadable().with_source(error))?;
        let mut props = properties::parse_text(text).map_err(|error| {
            Error::config("Malformed \\uxxxx encoding.")
                .with_java_class("java.lang.IllegalArgumentException")
                .with_source(error)
        })?;
        let found =
            keys.iter().filter_map(|key| Some(((*key).to_owned(), Secret::new(props.swap_remove(*key)?))));
        provided.values = found.collect::<HashMap<_, _>>();
        Ok(provided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_properties_in_utf_8() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let provider = FileProvider::configure(&Props::new()).unwrap();
        let good = at("good", "a = x:y\numlaut=ä\\u20ac\nlong=1\\\n  2\n".as_bytes());
        let found = provider.get(&good, &["a", "umlaut", "long", "missing"]).unwrap();
        let value = |key| found.values.get(key).map(Secret::reveal);
        assert_eq!((value("a"), value("umlaut")), (Some("x:y"), Some("ä€")));
        assert_eq!((value("long"), value("missing")), (Some("12"), None));
        assert!(!format!("{found:?}").contains("x:y"));
        assert!(provider.get("", &["a"]).unwrap().values.is_empty());

        let message = |path: &str| provider.get(path, &["a"]).unwrap_err().message().to_owned();
        for path in [&at("latin-1", b"a=\xe4"), "/no/such/file", dir.path().to_str().unwrap(), "/dev/zero"] {
            assert_eq!(message(path), format!("Could not read properties from file {path}"));
        }
        assert_eq!(message(&at("bad", br"a=\u12")), "Malformed \\uxxxx encoding.");
    }
}
