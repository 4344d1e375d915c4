//! Connector files of the standalone command line: a flat JSON object, `{"name":…,"config":…}`, or properties, tried in that
//! order as Java does.

use std::path::Path;

use api::Props;
use serde_json::{Map, Value};

use super::java_order;
use super::properties::{self, PropertiesError};
use super::{NewConnector, TargetState};

/// Why a connector file could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorFileError {
    /// It can't be read, or is malformed as properties.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    /// Java's message.
    #[error("Connector configuration at '{path}' is missing the mandatory 'name' configuration")]
    NameMissing {
        /// Which file.
        path: String,
    },
    /// Java's message.
    #[error("Connector name configuration in 'config' doesn't match the one specified in 'name' at '{path}'")]
    NamesDiffer {
        /// Which file.
        path: String,
    },
    /// `initial_state` is none of the three.
    #[error("initial_state '{state}' at '{path}' is none of RUNNING, PAUSED, STOPPED")]
    InitialState {
        /// Which file.
        path: String,
        /// As given.
        state: String,
    },
}

impl TargetState {
    /// Reads `initial_state`.
    pub fn from_initial(text: &str) -> Option<TargetState> {
        match text.to_ascii_uppercase().as_str() {
            "RUNNING" => Some(TargetState::Started),
            "PAUSED" => Some(TargetState::Paused),
            "STOPPED" => Some(TargetState::Stopped),
            _ => None,
        }
    }
}

/// Reads a connector file.
///
/// # Errors
/// With Java's messages.
pub fn read_connector_file(path: &Path) -> Result<NewConnector, ConnectorFileError> {
    parse(&properties::read_file(path)?, &path.display().to_string())
}

pub(super) fn parse(bytes: &[u8], path: &str) -> Result<NewConnector, ConnectorFileError> {
    let name_missing = || ConnectorFileError::NameMissing { path: path.to_owned() };
    if let Ok(Value::Object(object)) = serde_json::from_slice(bytes) {
        if let Some(config) = flat(&object) {
            let name = config.get("name").cloned().ok_or_else(name_missing)?;
            return Ok(NewConnector { name, config, initial_state: TargetState::Started });
        }
        if let Some(new) = nested(&object, path)? {
            return Ok(new);
        }
    }
    let config = java_order(properties::parse(bytes)?);
    let name = config.get("name").cloned().ok_or_else(name_missing)?;
    Ok(NewConnector { name, config, initial_state: TargetState::Started })
}

/// An object whose values are all scalars; Java turns numbers and booleans into strings.
fn flat(object: &Map<String, Value>) -> Option<Props> {
    let mut props = Props::new();
    for (key, value) in object {
        match scalar(value)? {
            Some(text) => drop(props.insert(key.clone(), text)),
            None => drop(props.shift_remove(key)),
        }
    }
    Some(props)
}

/// `{"name":…,"config":{…},"initial_state":…}`; other fields are ignored here, unlike in REST.
fn nested(object: &Map<String, Value>, path: &str) -> Result<Option<NewConnector>, ConnectorFileError> {
    let Some(mut config) = object.get("config").and_then(Value::as_object).and_then(flat) else {
        return Ok(None);
    };
    let name = match object.get("name").and_then(scalar).flatten() {
        Some(name) => name,
        None => return Err(ConnectorFileError::NameMissing { path: path.to_owned() }),
    };
    if config.get("name").is_some_and(|other| *other != name) {
        return Err(ConnectorFileError::NamesDiffer { path: path.to_owned() });
    }
    config.insert("name".to_owned(), name.clone());
    let initial_state = match object.get("initial_state") {
        None | Some(Value::Null) => TargetState::Started,
        Some(state) => {
            let state = state.as_str().map_or_else(|| state.to_string(), str::to_owned);
            TargetState::from_initial(&state)
                .ok_or_else(|| ConnectorFileError::InitialState { path: path.to_owned(), state })?
        }
    };
    Ok(Some(NewConnector { name, config, initial_state }))
}

/// A JSON scalar as Java's string coercion gives it: `None` for arrays and objects, `Some(None)` for null.
fn scalar(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Some(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, configuration, initial state.
    type Parsed<'a> = (&'a str, &'a [(&'a str, &'a str)], TargetState);

    #[track_caller]
    fn check(text: &str, expected: Result<Parsed<'_>, &str>) {
        let parsed = parse(text.as_bytes(), "/c");
        match (parsed, expected) {
            (Ok(new), Ok((name, config, state))) => {
                let found: Vec<_> =
                    new.config.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                assert_eq!((new.name.as_str(), found.as_slice(), new.initial_state), (name, config, state));
            }
            (Err(error), Err(message)) => assert_eq!(error.to_string(), message),
            (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn takes_three_forms() {
        let started = TargetState::Started;
        check(
            r#"{"name":"a","n":1,"b":true}"#,
            Ok(("a", &[("name", "a"), ("n", "1"), ("b", "true")], started)),
        );
        check(
            r#"{"name":"a","config":{"k":"v"},"initial_state":"paused","more":[]}"#,
            Ok(("a", &[("k", "v"), ("name", "a")], TargetState::Paused)),
        );
        check("name=a\nk=v", Ok(("a", &[("name", "a"), ("k", "v")], started)));
    }

    #[test]
    fn has_javas_messages() {
        let missing = "Connector configuration at '/c' is missing the mandatory 'name' configuration";
        check(r#"{"k":"v"}"#, Err(missing));
        check(r#"{"config":{"k":"v"}}"#, Err(missing));
        check("k=v", Err(missing));
        check(
            r#"{"name":"a","config":{"name":"b"}}"#,
            Err("Connector name configuration in 'config' doesn't match the one specified in 'name' at '/c'"),
        );
    }
}
