//! The table of one connector: the framework's keys with what this worker offers, and the keys of each transform and predicate that the
//! configuration names (`ConnectorConfig#enrichedConfigDef`, `#enrich`).

use std::sync::Arc;

use api::config_def::{
    ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, Placement, Values, Width,
};

use super::classes;
use super::connector::RawConfig;
use super::connector_table::{self, CONNECTOR_VERSION};
use super::plugins::{ListedPlugin, PluginKind, Plugins};
use super::stages::DEFAULT_HEADER_CONVERTER;
use super::worker::WorkerConfig;

/// The converter keys of a connector, and what they name.
pub(super) const CONVERTERS: [(&str, PluginKind); 3] = [
    ("key.converter", PluginKind::Converter),
    ("value.converter", PluginKind::Converter),
    ("header.converter", PluginKind::HeaderConverter),
];

/// What follows the key of a converter, a transform or a predicate to say which version of it is meant.
pub(super) const VERSION: &str = "plugin.version";

/// Transforms or predicates.
struct Stage {
    list: &'static str,
    kind: PluginKind,
    group: &'static str,
    label: &'static str,
}

const STAGES: [Stage; 2] = [
    Stage {
        list: "transforms",
        kind: PluginKind::Transformation,
        group: "Transforms",
        label: "Transformation",
    },
    Stage { list: "predicates", kind: PluginKind::Predicate, group: "Predicates", label: "Predicate" },
];

/// The framework's keys as `/connector-plugins/{p}/config` shows them: with the plug-in's version, without the worker's converters.
pub(crate) fn of_plugin(is_source: bool, version: &'static str) -> ConfigDef {
    connector_table::table(is_source).map_keys(|mut key, placement| {
        if key.name == CONNECTOR_VERSION {
            key.default = Default::Value(version);
        }
        (key, placement)
    })
}

/// The keys that a configuration of this connector is checked by.
pub(super) fn of_connector(
    is_source: bool,
    version: &'static str,
    plugins: &Plugins,
    worker: &WorkerConfig,
    raw: &RawConfig,
) -> ConfigDef {
    let def = of_plugin(is_source, version).map_keys(|key, placement| {
        let Some(placement) = placement else { return (key, placement) };
        if key.name == CONNECTOR_VERSION {
            return (key, Some(placement.recommending(move |_| vec![version.to_owned()])));
        }
        for (name, kind) in CONVERTERS {
            if key.name == name {
                let (key, placement) = converter(key, placement, kind, plugins, worker);
                return (key, Some(placement));
            }
            if key.name.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches('.') == VERSION) {
                let (key, placement) = converter_version(key, placement, (name, kind), plugins, worker, raw);
                return (key, Some(placement));
            }
        }
        (key, Some(placement))
    });
    STAGES.iter().fold(def, |def, stage| stages(def, stage, plugins, raw))
}

/// The keys of the framework alone, where the connector's version does not exist: with nothing that depends on it.
pub(super) fn without_connector(version: &'static str, plugins: &Plugins) -> ConfigDef {
    connector_table::common().map_keys(|mut key, placement| {
        if CONVERTERS.iter().any(|(name, _)| key.name == *name) {
            let finding = plugins.clone();
            return (key.of_classes(Arc::new(move |name| classes::full_name(&finding, name))), placement);
        }
        if key.name == CONNECTOR_VERSION {
            key.default = Default::Value(version);
            let placement = placement.map(|it| it.recommending(move |_| vec![version.to_owned()]));
            return (key, placement);
        }
        let of = CONVERTERS.iter().find(|(name, _)| {
            key.name.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches('.') == VERSION)
        });
        match of {
            Some(&(name, _)) => {
                (key, placement.map(|it| it.visible_if(move |values| value(values, name).is_some())))
            }
            None => (key, placement),
        }
    })
}

fn converter(
    mut key: ConfigKey,
    placement: Placement,
    kind: PluginKind,
    plugins: &Plugins,
    worker: &WorkerConfig,
) -> (ConfigKey, Placement) {
    if let Some(of_worker) = of_worker(&key.name, plugins, worker) {
        key.default = Default::Value(of_worker.class);
    }
    let key = of_kind(key, kind, plugins);
    let offered: Vec<String> = offered(plugins, kind);
    (key, placement.recommending(move |_| offered.clone()))
}

fn converter_version(
    mut key: ConfigKey,
    placement: Placement,
    (converter, kind): (&'static str, PluginKind),
    plugins: &Plugins,
    worker: &WorkerConfig,
    raw: &RawConfig,
) -> (ConfigKey, Placement) {
    let named = move |plugins: &Plugins, class: &str| {
        let class = classes::full_name(plugins, class)?;
        classes::of_kind(plugins, &class, kind).ok()
    };
    let given = raw.get(converter).and_then(Option::as_deref).map(|class| named(plugins, class.trim()));
    if let Some(plugin) = given.unwrap_or_else(|| of_worker(converter, plugins, worker)) {
        key.default = Default::Value(plugin.version);
    }
    let plugins = plugins.clone();
    let placement = placement
        .recommending(move |values| {
            let plugin = value(values, converter).and_then(|class| named(&plugins, class));
            plugin.map(|plugin| plugin.version.to_owned()).into_iter().collect()
        })
        .visible_if(move |values| value(values, converter).is_some());
    (key, placement)
}

/// The converter that the worker's configuration names under the same key.
fn of_worker(key: &str, plugins: &Plugins, worker: &WorkerConfig) -> Option<ListedPlugin> {
    let default = (key == "header.converter").then_some(DEFAULT_HEADER_CONVERTER);
    plugins.find(worker.originals.get(key).map(|class| class.trim()).or(default)?)
}

/// The same key, for classes of one kind.
fn of_kind(key: ConfigKey, kind: PluginKind, plugins: &Plugins) -> ConfigKey {
    let (finding, checking) = (plugins.clone(), plugins.clone());
    let key = key.of_classes(Arc::new(move |name| classes::full_name(&finding, name)));
    key.checked_with(move |value| match value {
        ConfigValue::String(class) => classes::of_kind(&checking, class, kind).map(|_is_fine| ()),
        _ => Ok(()),
    })
}

/// Classes of one kind by name.
fn offered(plugins: &Plugins, kind: PluginKind) -> Vec<String> {
    let of_kind = plugins.listed().filter(|plugin| plugin.kind == kind);
    let mut offered: Vec<_> = of_kind.map(|plugin| plugin.class.to_owned()).collect();
    offered.sort();
    offered
}

fn value<'a>(values: Values<'a>, name: &str) -> Option<&'a str> {
    match values.iter().find(|(key, _)| key == name) {
        Some((_, ConfigValue::String(text))) => Some(text),
        _ => None,
    }
}

/// The keys of every transform or predicate that is named.
fn stages(mut def: ConfigDef, stage: &Stage, plugins: &Plugins, raw: &RawConfig) -> ConfigDef {
    let listed = raw.get(stage.list).and_then(Option::as_deref).unwrap_or_default();
    // As a list key is read.
    let listed = ConfigDef::default()
        .key(ConfigKey::new("list", ConfigType::List, Default::Null, Importance::Low, ""))
        .parse(&api::Props::from_iter([("list".to_owned(), listed.to_owned())]));
    let aliases = listed.map(|config| config.list("list").to_vec()).unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    for alias in aliases {
        // Each adds keys: the number is the operator's, and bounded as the request is.
        if !seen.contains(&alias) {
            def = one_stage(def, stage, &alias, plugins, raw);
            seen.push(alias);
        }
    }
    def
}

fn one_stage(def: ConfigDef, stage: &Stage, alias: &str, plugins: &Plugins, raw: &RawConfig) -> ConfigDef {
    let prefix = format!("{}.{alias}.", stage.list);
    let (type_key, version_key) = (format!("{prefix}type"), format!("{prefix}{VERSION}"));
    if def.find(&type_key).is_some() || def.find(&version_key).is_some() {
        return def;
    }
    let (group, kind) = (format!("{}: {alias}", stage.group), stage.kind);
    let given = |key: &str| raw.get(key).and_then(Option::as_deref).map(str::trim).map(str::to_owned);
    let (class, asked) = (given(&type_key), given(&version_key));
    let plugin = class
        .as_deref()
        .and_then(|class| classes::full_name(plugins, class))
        .and_then(|class| classes::of_kind(plugins, &class, kind).ok());
    let has_version = |plugin: &ListedPlugin| {
        asked.as_deref().is_none_or(|asked| classes::check_version(plugins, plugin, asked).is_ok())
    };

    let offered = offered(plugins, kind);
    let type_at =
        Placement::under(group.clone(), 0, Width::Long, format!("{} type for {alias}", stage.label))
            .recommending(move |_| offered.clone());
    let negated_without_predicate = (kind == PluginKind::Transformation
        && raw.contains_key(&format!("{prefix}negate"))
        && !raw.contains_key(&format!("{prefix}predicate")))
    .then(|| {
        format!(
            "Config '{prefix}negate' was provided but there is no config '{prefix}predicate' defining a predicate to be \
             negated."
        )
    });
    let (finding, checking) = (plugins.clone(), plugins.clone());
    let asked_too = asked.clone();
    let type_key = ConfigKey::new(
        "",
        ConfigType::Class,
        Default::Required,
        Importance::High,
        if kind == PluginKind::Predicate { "Class of the predicate." } else { "Class of the transform." },
    )
    .named(type_key)
    .of_classes(Arc::new(move |name| classes::full_name(&finding, name)))
    .checked_with(move |value| {
        if let Some(message) = &negated_without_predicate {
            return Err(message.clone());
        }
        let ConfigValue::String(class) = value else { return Ok(()) };
        let plugin = classes::of_kind(&checking, class, kind)?;
        match &asked_too {
            Some(asked) => {
                classes::check_version(&checking, &plugin, asked).map_err(|error| error.message().to_owned())
            }
            None => Ok(()),
        }
    });

    let version = plugin.map(|plugin| plugin.version);
    let version_at =
        Placement::under(group.clone(), 1, Width::Long, format!("{} version for {alias}", stage.label))
            .recommending(move |_| version.map(str::to_owned).into_iter().collect());
    let checking = plugins.clone();
    let version_key = ConfigKey::new(
        "",
        ConfigType::String,
        version.map_or(Default::Null, Default::Value),
        Importance::High,
        if kind == PluginKind::Predicate { "Version of the predicate." } else { "Version of the transform." },
    )
    .named(version_key)
    .checked_with(move |value| match (value, plugin) {
        (ConfigValue::String(asked), Some(plugin)) => {
            classes::check_version(&checking, &plugin, asked).map_err(|error| error.message().to_owned())
        }
        _ => Ok(()),
    });

    let def = def.key_at(type_at, type_key).key_at(version_at, version_key);
    match plugin.filter(has_version) {
        Some(plugin) => def.embed(&prefix, &group, 2, own_keys(kind, (plugin.config_def)())),
        None => def,
    }
}

/// The keys of a transform with those that every transform has; its own of these names are masked.
fn own_keys(kind: PluginKind, own: ConfigDef) -> ConfigDef {
    if kind != PluginKind::Transformation {
        return own;
    }
    let every = ConfigDef::default()
        .key(ConfigKey::new(
            "predicate",
            ConfigType::String,
            Default::Null,
            Importance::Medium,
            "Alias of the predicate that says which records are transformed.",
        ))
        .key(ConfigKey::new(
            "negate",
            ConfigType::Boolean,
            Default::Value("false"),
            Importance::Medium,
            "Whether records that the predicate does not hold for are transformed instead.",
        ));
    every.and(own)
}
