//! Which plug-ins there are, and the names they answer to.

use std::sync::Arc;

use api::config_def::ConfigDef;
use api::plugin::{
    ConnectorPlugin, ConverterPlugin, HeaderConverterPlugin, PredicatePlugin, TransformPlugin,
};
use api::provider::ProviderPlugin;

/// The plug-ins a worker is built with. A custom worker adds its own to the built-in ones.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Connectors.
    pub connectors: Vec<ConnectorPlugin>,
    /// Converters.
    pub converters: Vec<ConverterPlugin>,
    /// Header converters.
    pub header_converters: Vec<HeaderConverterPlugin>,
    /// Transforms.
    pub transforms: Vec<TransformPlugin>,
    /// Predicates.
    pub predicates: Vec<PredicatePlugin>,
    /// Configuration providers.
    pub providers: Vec<ProviderPlugin>,
}

/// Plug-ins in the order that REST lists them, found by full class name, simple class name or pruned name. Clones share them.
#[derive(Debug, Clone)]
pub struct Plugins {
    connectors: Arc<[ConnectorPlugin]>,
    converters: Arc<[ConverterPlugin]>,
    header_converters: Arc<[HeaderConverterPlugin]>,
    transforms: Arc<[TransformPlugin]>,
    predicates: Arc<[PredicatePlugin]>,
    providers: Arc<[ProviderPlugin]>,
}

/// The kinds of plug-ins that REST lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginKind {
    /// A sink connector.
    Sink,
    /// A source connector.
    Source,
    /// A transform.
    Transformation,
    /// A predicate.
    Predicate,
    /// A converter.
    Converter,
    /// A header converter.
    HeaderConverter,
}

impl PluginKind {
    /// The name that REST answers use.
    pub fn name(self) -> &'static str {
        match self {
            PluginKind::Sink => "sink",
            PluginKind::Source => "source",
            PluginKind::Transformation => "transformation",
            PluginKind::Predicate => "predicate",
            PluginKind::Converter => "converter",
            PluginKind::HeaderConverter => "header_converter",
        }
    }

    /// The end of class names that a pruned name leaves out.
    fn suffix(self) -> &'static str {
        match self {
            PluginKind::Sink | PluginKind::Source => "Connector",
            PluginKind::Transformation => "Transformation",
            PluginKind::Predicate => "Predicate",
            PluginKind::Converter => "Converter",
            PluginKind::HeaderConverter => "HeaderConverter",
        }
    }
}

/// A plug-in of any kind that REST lists.
#[derive(Debug, Clone, Copy)]
pub struct ListedPlugin {
    /// Which kind.
    pub kind: PluginKind,
    /// Full Java class name.
    pub class: &'static str,
    /// Version.
    pub version: &'static str,
    /// Its own configuration table, keys without prefix.
    pub config_def: fn() -> ConfigDef,
}

macro_rules! listed {
    ($plugins:expr, $kind:expr) => {
        $plugins.iter().map(|plugin| ListedPlugin {
            kind: $kind,
            class: plugin.class,
            version: plugin.version,
            config_def: plugin.config_def,
        })
    };
}

/// No connector answers to a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownConnector {
    message: String,
}

impl Plugins {
    /// Sorts a registry.
    pub fn new(registry: Registry) -> Plugins {
        let Registry {
            mut connectors,
            mut converters,
            mut header_converters,
            mut transforms,
            mut predicates,
            mut providers,
        } = registry;
        // Java lists sinks first.
        connectors.sort_by_key(|plugin| (plugin.is_source(), plugin.class));
        converters.sort_by_key(|plugin| plugin.class);
        header_converters.sort_by_key(|plugin| plugin.class);
        transforms.sort_by_key(|plugin| plugin.class);
        predicates.sort_by_key(|plugin| plugin.class);
        providers.sort_by_key(|plugin| plugin.class);
        Plugins {
            connectors: connectors.into(),
            converters: converters.into(),
            header_converters: header_converters.into(),
            transforms: transforms.into(),
            predicates: predicates.into(),
            providers: providers.into(),
        }
    }

    /// All connectors: sinks, then sources, each by class name.
    pub fn connectors(&self) -> &[ConnectorPlugin] {
        &self.connectors
    }

    /// All converters by class name.
    pub fn converters(&self) -> &[ConverterPlugin] {
        &self.converters
    }

    /// The connector with this class name or alias.
    ///
    /// # Errors
    /// Java's message when none or several answer to it.
    pub fn connector(&self, name: &str) -> Result<ConnectorPlugin, UnknownConnector> {
        let classes = self.connectors.iter().map(|plugin| plugin.class);
        match find(classes, name, "Connector") {
            Found::One(index) => Ok(self.connectors[index]),
            Found::Several(indexes) => {
                let classes = self.describe(indexes.into_iter());
                let message = format!(
                    "More than one connector matches alias {name}. Please use full package and class name instead. \
                     Classes found: {classes}"
                );
                Err(UnknownConnector { message })
            }
            Found::None => {
                let available = self.describe(0..self.connectors.len());
                let message = format!(
                    "Failed to find any class that implements Connector and which name matches {name}, available \
                     connectors are: {available}"
                );
                Err(UnknownConnector { message })
            }
        }
    }

    /// Every plug-in in the order of `/connector-plugins?connectorsOnly=false`. A class of two kinds comes twice.
    pub fn listed(&self) -> impl Iterator<Item = ListedPlugin> + Clone {
        let connectors = self.connectors.iter().map(|plugin| ListedPlugin {
            kind: if plugin.is_source() { PluginKind::Source } else { PluginKind::Sink },
            class: plugin.class,
            version: plugin.version,
            config_def: plugin.config_def,
        });
        connectors
            .chain(listed!(self.transforms, PluginKind::Transformation))
            .chain(listed!(self.predicates, PluginKind::Predicate))
            .chain(listed!(self.converters, PluginKind::Converter))
            .chain(listed!(self.header_converters, PluginKind::HeaderConverter))
    }

    /// The plug-in of any kind with this class name or alias; of a class of two kinds the first that is listed.
    pub fn find(&self, name: &str) -> Option<ListedPlugin> {
        let class = self.class_of(name)?;
        self.listed().find(|plugin| plugin.class == class)
    }

    /// The converter with this class name or alias.
    pub fn converter(&self, name: &str) -> Option<ConverterPlugin> {
        let class = self.class_of(name)?;
        self.converters.iter().find(|plugin| plugin.class == class).copied()
    }

    /// The header converter with this class name or alias.
    pub fn header_converter(&self, name: &str) -> Option<HeaderConverterPlugin> {
        let class = self.class_of(name)?;
        self.header_converters.iter().find(|plugin| plugin.class == class).copied()
    }

    /// The transform with this class name or alias.
    pub fn transform(&self, name: &str) -> Option<TransformPlugin> {
        let class = self.class_of(name)?;
        self.transforms.iter().find(|plugin| plugin.class == class).copied()
    }

    /// The predicate with this class name or alias.
    pub fn predicate(&self, name: &str) -> Option<PredicatePlugin> {
        let class = self.class_of(name)?;
        self.predicates.iter().find(|plugin| plugin.class == class).copied()
    }

    /// The class that a name stands for (`PluginUtils#computeAliases`). All kinds share one space of aliases, so `String` names the
    /// converter of strings among header converters, too; one that two classes claim names nothing.
    fn class_of(&self, name: &str) -> Option<&'static str> {
        if let Some(exact) = self.listed().find(|plugin| plugin.class == name) {
            return Some(exact.class);
        }
        let mut named = self.listed().filter(|plugin| is_alias(plugin.class, name, plugin.kind.suffix()));
        let class = named.next()?.class;
        named.all(|plugin| plugin.class == class).then_some(class)
    }

    /// All configuration providers by class name.
    pub fn providers(&self) -> &[ProviderPlugin] {
        &self.providers
    }

    /// The configuration provider with this class name or alias.
    pub fn provider(&self, name: &str) -> Option<ProviderPlugin> {
        match find(self.providers.iter().map(|plugin| plugin.class), name, "ConfigProvider") {
            Found::One(index) => Some(self.providers[index]),
            Found::None | Found::Several(_) => None,
        }
    }

    /// The shorter names that a class answers to.
    pub fn aliases(&self, class: &str) -> Vec<String> {
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
        let is_provider = self.providers.iter().any(|plugin| plugin.class == class);
        let kinds = self.listed().filter(|plugin| plugin.class == class).map(|plugin| plugin.kind.suffix());
        let suffixes: Vec<_> = kinds.chain(is_provider.then_some("ConfigProvider")).collect();
        let mut aliases: Vec<String> = Vec::new();
        for alias in std::iter::once(simple).chain(suffixes.iter().map(|suffix| pruned(simple, suffix))) {
            let found = if is_provider {
                self.provider(alias).map(|plugin| plugin.class)
            } else {
                self.class_of(alias)
            };
            if found == Some(class) && !aliases.iter().any(|known| known == alias) {
                aliases.push(alias.to_owned());
            }
        }
        aliases
    }

    fn describe(&self, indexes: impl Iterator<Item = usize>) -> String {
        // In the order of their classes, sinks and sources together.
        let mut plugins: Vec<_> = indexes.map(|index| &self.connectors[index]).collect();
        plugins.sort_by_key(|plugin| plugin.class);
        let descriptions = plugins.into_iter().map(|plugin| {
            let kind = if plugin.is_source() { "source" } else { "sink" };
            let (class, version) = (plugin.class, plugin.version);
            format!(
                "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, \
                 type={kind}, typeName='{kind}', location='classpath'}}"
            )
        });
        descriptions.collect::<Vec<_>>().join(", ")
    }
}

enum Found {
    None,
    One(usize),
    Several(Vec<usize>),
}

/// Full class names go before aliases.
fn find(classes: impl Iterator<Item = &'static str> + Clone, name: &str, suffix: &str) -> Found {
    if let Some(index) = classes.clone().position(|class| class == name) {
        return Found::One(index);
    }
    let found: Vec<_> = classes
        .enumerate()
        .filter(|(_, class)| is_alias(class, name, suffix))
        .map(|(index, _)| index)
        .collect();
    match found.as_slice() {
        [] => Found::None,
        [index] => Found::One(*index),
        _ => Found::Several(found),
    }
}

/// Whether a class answers to its simple or pruned name. Nested classes have none of their own: the many `Key` and `Value` would only
/// take it from one another.
fn is_alias(class: &str, name: &str, suffix: &str) -> bool {
    let simple = class.rsplit('.').next().unwrap_or(class);
    !name.is_empty() && !simple.contains('$') && (simple == name || pruned(simple, suffix) == name)
}

/// The simple name cut at the last occurrence of the kind (`PluginUtils#prunedName`).
fn pruned<'a>(simple: &'a str, suffix: &str) -> &'a str {
    simple.rfind(suffix).map_or(simple, |at| &simple[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &[&str]) {
        const CLASSES: [&str; 4] = [
            "a.FileStreamSinkConnector",
            "a.FileStreamSourceConnector",
            "a.OtherSink",
            "b.OtherSinkConnector",
        ];
        let found: Vec<_> = match find(CLASSES.iter().copied(), name, "Connector") {
            Found::None => Vec::new(),
            Found::One(index) => vec![CLASSES[index]],
            Found::Several(indexes) => indexes.into_iter().map(|index| CLASSES[index]).collect(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn answers_to_full_simple_and_pruned_names() {
        check("a.FileStreamSinkConnector", &["a.FileStreamSinkConnector"]);
        check("FileStreamSinkConnector", &["a.FileStreamSinkConnector"]);
        check("FileStreamSink", &["a.FileStreamSinkConnector"]);
        check("OtherSink", &["a.OtherSink", "b.OtherSinkConnector"]);
        check("b.OtherSinkConnector", &["b.OtherSinkConnector"]);
        check("FileStream", &[]);
        check("", &[]);
    }

    #[test]
    fn kinds_share_one_space_of_aliases() {
        let plugins = Plugins::new(crate::worker::built_in());
        let class = |found: Option<ListedPlugin>| found.map(|plugin| plugin.class);
        let string = "org.apache.kafka.connect.storage.StringConverter";
        assert_eq!(plugins.header_converter("String").unwrap().class, string);
        assert_eq!(plugins.converter(string).unwrap().class, string);
        assert_eq!(class(plugins.find("StringConverter")), Some(string));
        assert!(plugins.transform("String").is_none());
        assert!(!is_alias("a.transforms.Cast$Key", "Key", "Transformation"));
        assert!(!is_alias("a.transforms.Cast$Key", "Cast", "Transformation"));
    }
}
