//! Request bodies, read with Jackson's rules: scalars become strings, unknown fields are errors.

use serde_json::{Map, Value};

use super::error::RestError;
use crate::config::{RawConfig, TargetState};
use crate::herd::RequestedOffset;

/// `CreateConnectorRequest`.
#[derive(Debug)]
pub(super) struct CreateConnector {
    pub(super) name: String,
    pub(super) config: RawConfig,
    pub(super) initial_state: TargetState,
}

const CREATE_CLASS: &str = "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest";

/// Reads the body of `POST /connectors`.
pub(super) fn create_connector(body: &[u8]) -> Result<CreateConnector, RestError> {
    let mut fields = object(body, CREATE_CLASS)?;
    let name = match fields.remove("name") {
        None => String::new(),
        Some(name) => scalar(name)?.unwrap_or_default(),
    };
    let config = match fields.remove("config") {
        Some(Value::Object(config)) => raw_config(config)?,
        None | Some(Value::Null) => {
            return Err(malformed("The request has no connector configuration ('config')"));
        }
        Some(other) => {
            return Err(wrong_type("java.util.LinkedHashMap<java.lang.String,java.lang.String>", &other));
        }
    };
    let initial_state = match fields.remove("initial_state") {
        None | Some(Value::Null) => TargetState::Started,
        Some(state) => {
            let state = scalar(state)?.unwrap_or_default();
            TargetState::from_initial(&state).ok_or_else(|| {
                malformed(format!(
                    "Cannot construct instance of `{CREATE_CLASS}$InitialState`, problem: No enum constant \
                     org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest.InitialState.{}",
                    state.to_uppercase()
                ))
            })?
        }
    };
    if let Some((field, _)) = fields.iter().next() {
        return Err(malformed(format!(
            "Unrecognized field \"{field}\" (class {CREATE_CLASS}), not marked as ignorable (3 known properties: \
             \"config\", \"name\", \"initial_state\")"
        )));
    }
    Ok(CreateConnector { name: name.trim().to_owned(), config, initial_state })
}

/// Reads a flat map of strings.
pub(super) fn config(body: &[u8]) -> Result<RawConfig, RestError> {
    raw_config(object(body, "java.util.LinkedHashMap<java.lang.String,java.lang.String>")?)
}

const OFFSETS_CLASS: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets";
const OFFSET_CLASS: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset";

/// Reads the body of `PATCH /connectors/{name}/offsets` (`ConnectorOffsets`); null and missing lists are empty ones.
pub(super) fn offsets(body: &[u8]) -> Result<Vec<RequestedOffset>, RestError> {
    let mut fields = object(body, OFFSETS_CLASS)?;
    let listed = fields.remove("offsets");
    if let Some((field, _)) = fields.iter().next() {
        return Err(malformed(format!(
            "Unrecognized field \"{field}\" (class {OFFSETS_CLASS}), not marked as ignorable (one known property: \"offsets\")"
        )));
    }
    match listed {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.into_iter().map(requested_offset).collect(),
        Some(other) => Err(wrong_type(&format!("java.util.ArrayList<{OFFSET_CLASS}>"), &other)),
    }
}

fn requested_offset(item: Value) -> Result<RequestedOffset, RestError> {
    let mut fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err(malformed("An entry of 'offsets' is null")),
        other => return Err(wrong_type(OFFSET_CLASS, &other)),
    };
    let mut side = |name| match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(other) => Err(wrong_type("java.util.LinkedHashMap<java.lang.String,java.lang.Object>", &other)),
    };
    let (partition, offset) = (side("partition")?, side("offset")?);
    if let Some((field, _)) = fields.iter().next() {
        return Err(malformed(format!(
            "Unrecognized field \"{field}\" (class {OFFSET_CLASS}), not marked as ignorable (2 known properties: \
             \"partition\", \"offset\")"
        )));
    }
    Ok(RequestedOffset { partition, offset })
}

fn object(body: &[u8], class: &str) -> Result<Map<String, Value>, RestError> {
    let is_blank = body.iter().all(u8::is_ascii_whitespace);
    let value = if is_blank {
        Value::Null
    } else {
        serde_json::from_slice(body)
            .map_err(|error| malformed(format!("The request body is not JSON: {error}")))?
    };
    match value {
        Value::Object(object) => Ok(object),
        Value::Null => Err(malformed("The request has no body")),
        other => Err(wrong_type(class, &other)),
    }
}

fn raw_config(object: Map<String, Value>) -> Result<RawConfig, RestError> {
    object.into_iter().map(|(key, value)| Ok((key, scalar(value)?))).collect()
}

/// A scalar as a string; null stays null.
fn scalar(value: Value) -> Result<Option<String>, RestError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err(wrong_type("java.lang.String", &value)),
    }
}

fn wrong_type(class: &str, value: &Value) -> RestError {
    let (kind, token) = match value {
        Value::Array(_) => ("Array", "START_ARRAY"),
        Value::Object(_) => ("Object", "START_OBJECT"),
        Value::String(_) => ("String", "VALUE_STRING"),
        Value::Number(_) => ("Integer", "VALUE_NUMBER_INT"),
        Value::Bool(true) => ("Boolean", "VALUE_TRUE"),
        Value::Bool(false) => ("Boolean", "VALUE_FALSE"),
        Value::Null => ("Null", "VALUE_NULL"),
    };
    malformed(format!(
        "Cannot deserialize value of type `{class}` from {kind} value (token `JsonToken.{token}`)"
    ))
}

fn malformed(message: impl Into<String>) -> RestError {
    RestError::Malformed(message.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_jackson_reads() {
        let create = create_connector(
            br#"{"name":" a ","config":{"n":1,"b":true,"s":"x","z":null},"initial_state":"Paused"}"#,
        )
        .unwrap();
        assert_eq!((create.name.as_str(), create.initial_state), ("a", TargetState::Paused));
        let config: Vec<_> =
            create.config.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        assert_eq!(config, [("n", Some("1")), ("b", Some("true")), ("s", Some("x")), ("z", None)]);
    }

    #[track_caller]
    fn check(body: &str, part: &str) {
        match create_connector(body.as_bytes()) {
            Err(RestError::Malformed(message)) => assert!(message.contains(part), "{message}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_what_jackson_refuses() {
        check("", "no body");
        check("null", "no body");
        check("{", "not JSON");
        check(r#"{"config":{}} x"#, "not JSON");
        check("[]", "from Array value (token `JsonToken.START_ARRAY`)");
        check(r#"{"name":"a"}"#, "no connector configuration");
        check(r#"{"config":{"a":{}}}"#, "`java.lang.String` from Object value");
        check(r#"{"config":{},"zz":1}"#, "Unrecognized field \"zz\"");
        check(r#"{"config":{},"initial_state":"foo"}"#, "No enum constant");
        check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), "not JSON");
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = create_connector(&body);
            let _outcome = config(&body);
            let _outcome = offsets(&body);
        }
    }
}
