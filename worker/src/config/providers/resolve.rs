//! The providers of a worker, and what becomes of a configuration that they have filled in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::provider::AnyProvider;
use api::{Error, Props, Result};
use indexmap::IndexMap;
use tokio::sync::Semaphore;

use super::variables::{Found, Variable, contains_variables, replace, variables};
use crate::config::{Invalid, Plugins, RawConfig, below};
use crate::redact;

/// How long providers may take for one configuration.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// Lookups at one time: each may block a thread.
const LOOKUPS_MAX: usize = 16;

/// Never filled in: where plug-ins are is known before there are providers.
const PLUGIN_PATH: &str = "plugin.path";

/// The providers that a worker declares, by name. Clones share them.
#[derive(Clone)]
pub struct Providers {
    by_name: Arc<IndexMap<String, Box<dyn AnyProvider>>>,
    lookups: Arc<Semaphore>,
}

/// A configuration with its variables replaced. Holds secrets, so it does not print.
#[derive(Clone)]
pub struct Resolved {
    /// What to work with.
    pub props: Props,
    /// How long what was found under a path is good for, where its provider says so.
    pub lives: Vec<(String, Duration)>,
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("lives", &self.lives).finish_non_exhaustive()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Providers").field(&self.by_name.keys().collect::<Vec<_>>()).finish()
    }
}

impl Default for Providers {
    fn default() -> Providers {
        Providers { by_name: Arc::default(), lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Providers {
    /// Makes the providers that a worker's properties declare.
    ///
    /// # Errors
    /// A provider without class, of an unknown class, or with wrong settings.
    pub fn configure(props: &Props, plugins: &Plugins) -> Result<Providers> {
        let mut by_name: IndexMap<_, Box<dyn AnyProvider>> = IndexMap::new();
        let names = props.get("config.providers").map_or("", String::as_str).split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            let key = format!("config.providers.{name}.class");
            let class = props.get(&key).map(|class| class.trim()).filter(|class| !class.is_empty());
            let class = class.ok_or_else(|| {
                Error::config(format!(
                    "config.providers names '{name}', and {key} is not set: name its class, such as \
                     org.apache.kafka.common.config.provider.FileConfigProvider"
                ))
            })?;
            let plugin = plugins.provider(class).ok_or_else(|| {
                let known: Vec<_> = plugins.providers().iter().map(|plugin| plugin.class).collect();
                let known = known.join(", ");
                Error::config(format!(
                    "Invalid value {class} for configuration {key}: Class {class} could not be found. Available are: {known}"
                ))
            })?;
            let prefix = format!("config.providers.{name}.param.");
            let params = below(props, &prefix);
            (plugin.config_def)().parse(&params)?;
            let provider = (plugin.configure)(&params).map_err(|error| {
                Error::config(format!("{} (configuration provider '{name}')", error.message()))
                    .with_source(error)
            })?;
            by_name.insert(name.to_owned(), provider);
        }
        Ok(Providers { by_name: Arc::new(by_name), ..Providers::default() })
    }

    /// Fills in the worker's own configuration, while it starts.
    ///
    /// # Errors
    /// The first provider's that cannot look something up.
    pub fn resolve_worker(&self, props: &Props) -> Result<Props> {
        let (resolved, found) = self.look_up(props)?;
        let mut resolved = resolved.props;
        if let Some(path) = props.get(PLUGIN_PATH) {
            if contains_variables(path) {
                tracing::warn!("variables in {PLUGIN_PATH} are not replaced");
            }
            resolved.insert(PLUGIN_PATH.to_owned(), path.clone());
        }
        // Only secrets: an address that the environment gives may be shown.
        let secrets = props.iter().filter(|(key, _)| crate::config::is_secret(key));
        for variable in secrets.flat_map(|(_, value)| variables(value)) {
            remember(&variable, &found);
        }
        Ok(resolved)
    }

    /// Fills in the configuration of a connector or task. Providers may block, so they are asked on a thread of their own.
    ///
    /// # Errors
    /// The first provider's that cannot look something up, or that they take too long.
    pub async fn resolve(&self, props: &Props) -> Result<Resolved> {
        if self.by_name.is_empty() || !props.values().any(|value| contains_variables(value)) {
            return Ok(Resolved { props: props.clone(), lives: Vec::new() });
        }
        let (providers, props) = (self.clone(), props.clone());
        let looking_up = async move {
            let permit = Arc::clone(&providers.lookups).acquire_owned().await;
            let looked_up = tokio::task::spawn_blocking(move || {
                let looked_up = providers.look_up(&props);
                drop(permit);
                let (resolved, found) = looked_up?;
                for variable in props.values().flat_map(|value| variables(value)) {
                    remember(&variable, &found);
                }
                Ok(resolved)
            });
            looked_up.await.unwrap_or_else(|panicked| {
                Err(Error::fatal("a configuration provider panicked").with_source(panicked))
            })
        };
        match tokio::time::timeout(LOOKUP_TIMEOUT, looking_up).await {
            Ok(resolved) => resolved,
            Err(_elapsed) => Err(Error::retriable(format!(
                "configuration providers did not answer within {} s",
                LOOKUP_TIMEOUT.as_secs()
            ))),
        }
    }

    /// Fills in a configuration as a request carries it, for validation.
    ///
    /// # Errors
    /// As [`Providers::resolve`], in the form that Java answers with.
    pub async fn resolve_raw(&self, raw: &RawConfig) -> Result<RawConfig, Invalid> {
        let given = raw.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let resolved = self.resolve(&given.collect()).await;
        let mut resolved = resolved.map_err(Invalid::config)?.props;
        Ok(raw.keys().map(|key| (key.clone(), resolved.get_mut(key).map(std::mem::take))).collect())
    }

    /// Asks each provider once for each path (`ConfigTransformer`).
    fn look_up(&self, props: &Props) -> Result<(Resolved, Found)> {
        let mut wanted: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for variable in props.values().flat_map(|value| variables(value)) {
            if self.by_name.contains_key(variable.provider) {
                let keys = wanted.entry((variable.provider, variable.path)).or_default();
                if !keys.contains(&variable.key) {
                    keys.push(variable.key);
                }
            }
        }
        let mut found = Found::new();
        let mut lives = Vec::new();
        for ((name, path), keys) in wanted {
            let Some(provider) = self.by_name.get(name) else { continue };
            let provided = provider.get(path, &keys)?;
            lives.extend(provided.ttl.map(|ttl| (path.to_owned(), ttl)));
            for (key, value) in provided.values {
                found.insert((name.to_owned(), path.to_owned(), key), value.reveal().to_owned());
            }
        }
        let filled = props.iter().map(|(key, value)| (key.clone(), replace(value, &found)));
        let resolved = Resolved { props: filled.collect(), lives };
        Ok((resolved, found))
    }
}

/// From now on messages show the variable in the place of its value.
fn remember(variable: &Variable<'_>, found: &Found) {
    let Variable { provider, path, key, .. } = variable;
    let id = ((*provider).to_owned(), (*path).to_owned(), (*key).to_owned());
    if let Some(value) = found.get(&id) {
        redact::remember(value, &shown(provider, path, key));
    }
}

/// A task's configuration as it is kept and shown: where it repeats a key whose value the connector's configuration gives by
/// variables, those come back (`ConfigTransformer`'s reverse in `AbstractHerder#reverseTransform`).
pub(crate) fn reverse(connector: &Props, mut task: Props) -> Props {
    for (key, raw) in connector {
        if contains_variables(raw)
            && let Some(value) = task.get_mut(key)
        {
            raw.clone_into(value);
        }
    }
    task
}

fn shown(provider: &str, path: &str, key: &str) -> String {
    if path.is_empty() { format!("${{{provider}:{key}}}") } else { format!("${{{provider}:{path}:{key}}}") }
}
