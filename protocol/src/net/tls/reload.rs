//! Something made from files, made again when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::{info, warn};

use super::config::{Store, TlsConfig};
use crate::{Error, Result};

/// What tells one content of a file from the next without reading it.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// A value with the stamp of the files that it was made from.
pub(super) struct Reload<T> {
    config: TlsConfig,
    make: fn(&TlsConfig) -> Result<T>,
    current: Mutex<Option<(Stamp, Arc<T>)>>,
}

impl<T: Send + Sync + 'static> Reload<T> {
    pub(super) fn new(config: TlsConfig, make: fn(&TlsConfig) -> Result<T>) -> Self {
        Self { config, make, current: Mutex::new(None) }
    }

    pub(super) fn config(&self) -> &TlsConfig {
        &self.config
    }

    /// The value of the files as they are now. Where they cannot be used, which may be so in the middle of a change, that of
    /// before, with a warning. Reads files and computes, so it runs where it delays nobody.
    pub(super) async fn get(self: Arc<Self>) -> Result<Arc<T>> {
        let stopped = |error| Error::internal("load certificates", error);
        tokio::task::spawn_blocking(move || self.get_blocking()).await.map_err(stopped)?
    }

    /// As [`get`](Self::get), on the calling thread.
    pub(super) fn get_blocking(&self) -> Result<Arc<T>> {
        // Taken before the files are read: what changes meanwhile is read again next time.
        let stamp = self.stamp();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, value)) = &*current
            && *known == stamp
        {
            return Ok(Arc::clone(value));
        }
        match ((self.make)(&self.config), &*current) {
            (Ok(value), known) => {
                if known.is_some() {
                    info!("certificates changed on disk; new connections use the new ones");
                }
                let value = Arc::new(value);
                *current = Some((stamp, Arc::clone(&value)));
                Ok(value)
            }
            (Err(error), Some((_, value))) => {
                warn!(%error, "certificates changed on disk and cannot be used; new connections use the old ones");
                Ok(Arc::clone(value))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn stamp(&self) -> Stamp {
        let path = |store: &Option<Store>| match store {
            Some(Store::File { location, .. }) => Some(location.clone()),
            _ => None,
        };
        let stamp = |path: PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [&self.config.truststore, &self.config.keystore].into_iter().filter_map(path).map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::config::StoreFormat;
    use super::*;

    #[test]
    fn changes_are_seen_and_bad_ones_are_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let location = dir.path().join("store");
        let config = TlsConfig {
            keystore: Some(Store::File {
                location: location.clone(),
                format: StoreFormat::Pem,
                password: None,
            }),
            ..TlsConfig::default()
        };
        let reload = Reload::new(config, |config| {
            let Some(Store::File { location, .. }) = &config.keystore else {
                unreachable!("it was just set")
            };
            let text = fs::read_to_string(location).map_err(|error| Error::config("read", error))?;
            if text.starts_with("bad") { Err(Error::config("read", "bad")) } else { Ok(text) }
        });
        assert!(reload.get_blocking().is_err());
        fs::write(&location, "one").unwrap();
        let first = reload.get_blocking().unwrap();
        assert!(Arc::ptr_eq(&first, &reload.get_blocking().unwrap()));
        fs::write(&location, "bad one").unwrap();
        assert!(Arc::ptr_eq(&first, &reload.get_blocking().unwrap()));
        fs::write(&location, "the second").unwrap();
        assert_eq!(*reload.get_blocking().unwrap(), "the second");
    }
}
