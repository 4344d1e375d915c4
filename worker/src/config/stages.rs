//! The transforms, predicates and header converter that a connector's configuration names, for its tasks.

use api::{Error, Props, Result};
use engine::task::{HeaderConverterSpec, PredicateSpec, TransformSpec};

use super::below;
use super::plugins::Plugins;

/// What Java's workers convert headers with where nothing else is said.
pub(super) const DEFAULT_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

const HEADER_CONVERTER: &str = "header.converter";

/// The transforms of a connector in their order, each with the predicate that it names.
///
/// # Errors
/// The first class or predicate that does not exist.
pub(super) fn transforms(props: &Props, plugins: &Plugins) -> Result<Vec<TransformSpec>> {
    let transforms = aliases(props, "transforms").map(|alias| {
        let prefix = format!("transforms.{alias}.");
        let plugin = plugin(&prefix, props, |class| plugins.transform(class))?;
        let mut own = below(props, &prefix);
        let predicate = own.shift_remove("predicate");
        let is_negated =
            own.shift_remove("negate").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
        let predicate = predicate.map(|name| predicate_named(name.trim(), is_negated, props, plugins));
        Ok(TransformSpec { plugin, props: own, predicate: predicate.transpose()? })
    });
    transforms.collect()
}

fn predicate_named(name: &str, is_negated: bool, props: &Props, plugins: &Plugins) -> Result<PredicateSpec> {
    if !aliases(props, "predicates").any(|alias| alias == name) {
        // Java's message about a predicate that is not in the list.
        let message = format!("Unknown configuration 'predicates.{name}.plugin.version'");
        return Err(Error::fatal(format!("org.apache.kafka.common.config.ConfigException: {message}"))
            .with_source(Error::config(message)));
    }
    let prefix = format!("predicates.{name}.");
    let plugin = plugin(&prefix, props, |class| plugins.predicate(class))?;
    Ok(PredicateSpec { plugin, props: below(props, &prefix), is_negated })
}

fn plugin<P>(prefix: &str, props: &Props, find: impl Fn(&str) -> Option<P>) -> Result<P> {
    let key = format!("{prefix}type");
    let class = props.get(&key).map(|class| class.trim()).ok_or_else(|| {
        Error::config(format!("Missing required configuration \"{key}\" which has no default value."))
    })?;
    find(class).ok_or_else(|| not_found(&key, class))
}

/// The header converter in a worker's or a connector's properties; `None` where they name none.
///
/// # Errors
/// When there is no such class.
pub(super) fn header_converter(props: &Props, plugins: &Plugins) -> Result<Option<HeaderConverterSpec>> {
    let Some(class) = props.get(HEADER_CONVERTER).map(|class| class.trim()) else { return Ok(None) };
    let plugin = plugins.header_converter(class).ok_or_else(|| not_found(HEADER_CONVERTER, class))?;
    Ok(Some(HeaderConverterSpec { plugin, props: below(props, "header.converter.") }))
}

/// The header converter of a worker's properties, or Java's default.
///
/// # Errors
/// When there is no such class.
pub(super) fn header_converter_of_worker(props: &Props, plugins: &Plugins) -> Result<HeaderConverterSpec> {
    match header_converter(props, plugins)? {
        Some(named) => Ok(named),
        None => {
            let plugin = plugins.header_converter(DEFAULT_HEADER_CONVERTER);
            let plugin = plugin.ok_or_else(|| not_found(HEADER_CONVERTER, DEFAULT_HEADER_CONVERTER))?;
            Ok(HeaderConverterSpec { plugin, props: Props::new() })
        }
    }
}

fn aliases<'a>(props: &'a Props, list: &str) -> impl Iterator<Item = &'a str> {
    let aliases = props.get(list).map_or("", String::as_str).split(',');
    aliases.map(str::trim).filter(|alias| !alias.is_empty())
}

fn not_found(key: &str, class: &str) -> Error {
    Error::config(format!("Invalid value {class} for configuration {key}: Class {class} could not be found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[(&str, &str)]) -> Result<Vec<TransformSpec>> {
        let props = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        transforms(&props, &Plugins::new(crate::worker::built_in()))
    }

    const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";

    #[test]
    fn transforms_get_their_own_settings_and_the_predicate_that_they_name() {
        let parsed = parse(&[
            ("transforms", "route, drop"),
            ("transforms.route.type", "RegexRouter"),
            ("transforms.route.regex", "a"),
            ("transforms.drop.type", FILTER),
            ("transforms.drop.predicate", "empty"),
            ("transforms.drop.negate", "TRUE"),
            ("predicates", "empty"),
            ("predicates.empty.type", "RecordIsTombstone"),
        ])
        .unwrap();
        let classes: Vec<_> = parsed.iter().map(|spec| spec.plugin.class).collect();
        assert_eq!(classes, ["org.apache.kafka.connect.transforms.RegexRouter", FILTER]);
        assert_eq!(parsed[0].props.get("regex").map(String::as_str), Some("a"));
        assert!(parsed[0].predicate.is_none());
        let predicate = parsed[1].predicate.as_ref().unwrap();
        assert!(predicate.is_negated && !parsed[1].props.contains_key("negate"));
        assert!(predicate.plugin.class.ends_with(".RecordIsTombstone"));
    }

    #[test]
    fn what_does_not_exist_is_said_in_javas_words() {
        let message = |settings: &[(&str, &str)]| parse(settings).unwrap_err().message().to_owned();
        assert_eq!(
            message(&[("transforms", "t"), ("transforms.t.type", "x.Nope")]),
            "Invalid value x.Nope for configuration transforms.t.type: Class x.Nope could not be found."
        );
        assert_eq!(
            message(&[("transforms", "t"), ("transforms.t.type", FILTER), ("transforms.t.predicate", "p")]),
            "org.apache.kafka.common.config.ConfigException: Unknown configuration 'predicates.p.plugin.version'"
        );
    }
}
