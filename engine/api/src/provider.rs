//! Configuration providers: where the text behind `${provider:path:key}` comes from.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::config_def::{ConfigDef, Secret};
use crate::connector::Props;
use crate::error::Result;

/// Looks up configuration values that stand elsewhere: in files, in the environment, in a vault.
///
/// A provider is asked from a thread that may block. What it gives is treated as a secret: it is shown nowhere.
pub trait ConfigProvider: Send + Sync + Sized + 'static {
    /// Full Java class name, which `config.providers.<name>.class` chooses it by.
    const CLASS: &'static str;
    /// Version to report.
    const VERSION: &'static str;

    /// Its settings: the keys of `config.providers.<name>.param.`, prefix taken off.
    fn config_def() -> ConfigDef;

    /// Makes one from its settings, when the worker starts.
    ///
    /// # Errors
    /// What is wrong with the settings; the worker does not start then.
    fn configure(props: &Props) -> Result<Self>;

    /// The values of `keys` under `path`, which is empty in `${provider:key}`. A key that is not found is left out: its
    /// variable stays as it is.
    ///
    /// # Errors
    /// Why nothing can be looked up there. The message must not repeat what was found.
    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided>;
}

/// What a provider found under one path.
#[derive(Debug, Default)]
pub struct Provided {
    /// Values by key.
    pub values: HashMap<String, Secret>,
    /// How long they are good for: a connector that uses them is restarted then, unless it has
    /// `config.action.reload=none`.
    pub ttl: Option<Duration>,
}

/// A configured provider of any kind.
pub trait AnyProvider: Send + Sync {
    /// See [`ConfigProvider::get`].
    ///
    /// # Errors
    /// As the provider's.
    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided>;
}

impl<P: ConfigProvider> AnyProvider for P {
    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided> {
        ConfigProvider::get(self, path, keys)
    }
}

/// One line of the provider registry.
#[derive(Clone, Copy)]
pub struct ProviderPlugin {
    /// Full Java class name.
    pub class: &'static str,
    /// Version to report.
    pub version: &'static str,
    /// Its configuration table, keys without prefix.
    pub config_def: fn() -> ConfigDef,
    /// Makes one from its settings, keys without prefix.
    pub configure: fn(&Props) -> Result<Box<dyn AnyProvider>>,
}

impl ProviderPlugin {
    /// The registry line of a provider.
    pub const fn of<P: ConfigProvider>() -> ProviderPlugin {
        ProviderPlugin {
            class: P::CLASS,
            version: P::VERSION,
            config_def: P::config_def,
            configure: |props| Ok(Box::new(P::configure(props)?)),
        }
    }
}

impl fmt::Debug for ProviderPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderPlugin").field("class", &self.class).finish_non_exhaustive()
    }
}
