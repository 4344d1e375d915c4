//! What a class name in a configuration stands for, and whether it will do where it stands (`Utils#ensureConcreteSubclass`).

use super::plugins::{ListedPlugin, PluginKind, Plugins};
use super::versions::VersionRange;

/// Classes that are no plug-ins and which Java finds all the same, with what kind of plug-in they are the interface of.
const OTHERS: [(&str, Option<PluginKind>); 6] = [
    ("java.lang.String", None),
    ("java.lang.Object", None),
    ("org.apache.kafka.connect.storage.Converter", Some(PluginKind::Converter)),
    ("org.apache.kafka.connect.storage.HeaderConverter", Some(PluginKind::HeaderConverter)),
    ("org.apache.kafka.connect.transforms.Transformation", Some(PluginKind::Transformation)),
    ("org.apache.kafka.connect.transforms.predicates.Predicate", Some(PluginKind::Predicate)),
];

/// The full name of a class that is named by it or by an alias.
pub(super) fn full_name(plugins: &Plugins, name: &str) -> Option<String> {
    if let Some(plugin) = plugins.find(name) {
        return Some(plugin.class.to_owned());
    }
    let is_known = OTHERS.iter().any(|(other, _)| *other == name) || !nested(plugins, name).is_empty();
    is_known.then(|| name.to_owned())
}

/// The plug-in of this kind and class.
///
/// # Errors
/// Java's message where the class is of another kind, or abstract.
pub(super) fn of_kind(plugins: &Plugins, class: &str, kind: PluginKind) -> Result<ListedPlugin, String> {
    if let Some(plugin) = plugins.listed().find(|plugin| plugin.class == class && plugin.kind == kind) {
        return Ok(plugin);
    }
    let nested = nested(plugins, class);
    let of_interface = OTHERS.iter().find(|(other, _)| *other == class).and_then(|(_, kind)| *kind);
    if of_interface == Some(kind) || nested.iter().any(|nested| nested.kind == kind) {
        let mut message = "This class is abstract and cannot be created.".to_owned();
        if !nested.is_empty() {
            let names: Vec<_> = nested.iter().map(|nested| nested.class).collect();
            message.push_str(&format!(" Did you mean {}?", names.join(", ")));
        }
        return Err(message);
    }
    let noun = if of_interface.is_some() { "interface" } else { "class" };
    let interface = match kind {
        PluginKind::Sink | PluginKind::Source => "Connector",
        PluginKind::Transformation => "Transformation",
        PluginKind::Predicate => "Predicate",
        PluginKind::Converter => "Converter",
        PluginKind::HeaderConverter => "HeaderConverter",
    };
    Err(format!("Class {noun} {class} does not implement the {interface} interface"))
}

/// Checks that a plug-in is of the version that is asked for.
///
/// # Errors
/// Java's message where it is not, or where the requirement is none.
pub(crate) fn check_version(plugins: &Plugins, plugin: &ListedPlugin, asked: &str) -> Result<(), BadVersion> {
    match VersionRange::parse(asked).map_err(BadVersion::Syntax)? {
        Some(range) if !range.contains(plugin.version) => {
            let available: Vec<_> = plugins
                .listed()
                .filter(|other| other.class == plugin.class)
                .map(|other| other.version)
                .collect();
            Err(BadVersion::Missing(format!(
                "Plugin {} not found that matches the version range {range}, available versions: [{}]",
                plugin.class,
                available.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

/// Why a version will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadVersion {
    /// The requirement can't be read.
    Syntax(String),
    /// There is no such version.
    Missing(String),
}

impl BadVersion {
    pub(crate) fn message(&self) -> &str {
        match self {
            BadVersion::Syntax(message) | BadVersion::Missing(message) => message,
        }
    }
}

/// Whether Java finds a class of that name which is no plug-in that REST shows.
pub(crate) fn is_other_class(plugins: &Plugins, name: &str) -> bool {
    plugins.find(name).is_none() && full_name(plugins, name).is_some()
}

/// The nested classes of an abstract one, such as `Cast$Key` and `Cast$Value` of `Cast`.
fn nested(plugins: &Plugins, class: &str) -> Vec<ListedPlugin> {
    let is_nested =
        |plugin: &ListedPlugin| plugin.class.strip_prefix(class).is_some_and(|rest| rest.starts_with('$'));
    if class.is_empty() { Vec::new() } else { plugins.listed().filter(is_nested).collect() }
}
