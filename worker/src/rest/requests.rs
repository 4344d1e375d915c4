//! Request bodies: what each endpoint reads, with Jackson's rules and messages.

use serde_json::{Map, Value};

use super::error::RestError;
use super::jackson::{self, Kind, Node};
use crate::config::{RawConfig, TargetState};
use crate::herd::RequestedOffset;

/// `CreateConnectorRequest`.
#[derive(Debug)]
pub(super) struct CreateConnector {
    pub(super) name: String,
    pub(super) config: RawConfig,
    pub(super) initial_state: TargetState,
}

static STRINGS: Kind =
    Kind::Map { class: "java.util.LinkedHashMap<java.lang.String,java.lang.String>", values: &Kind::Text };

static INITIAL_STATE: Kind = Kind::Enum {
    class: "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest$InitialState",
    constants: "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest.InitialState",
    names: &["RUNNING", "PAUSED", "STOPPED"],
};

static CREATE_CONNECTOR: Kind = Kind::Bean {
    class: "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest",
    fields: &[("name", &Kind::Text), ("config", &STRINGS), ("initial_state", &INITIAL_STATE)],
    known: "\"config\", \"name\", \"initial_state\"",
};

static TASK_CONFIGS: Kind = Kind::List {
    class: "java.util.ArrayList<java.util.Map<java.lang.String,java.lang.String>>",
    items: &STRINGS,
};

static OFFSETS: Kind = Kind::Bean {
    class: "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets",
    fields: &[(
        "offsets",
        &Kind::List {
            class: "java.util.ArrayList<org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset>",
            items: &OFFSET,
        },
    )],
    known: "\"offsets\"",
};

static OFFSET: Kind = Kind::Bean {
    class: "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset",
    fields: &[("partition", &OBJECTS), ("offset", &OBJECTS)],
    known: "\"partition\", \"offset\"",
};

static OBJECTS: Kind =
    Kind::Map { class: "java.util.LinkedHashMap<java.lang.String,java.lang.Object>", values: &Kind::Any };

/// Reads the body of `POST /connectors`.
pub(super) fn create_connector(body: &[u8]) -> Result<CreateConnector, RestError> {
    let mut request = read(body, &CREATE_CONNECTOR)?.ok_or_else(no_body)?;
    let name = request.take("name").and_then(text).unwrap_or_default();
    let config = request.take("config").ok_or_else(|| {
        RestError::BadRequest("The request has no connector configuration ('config')".to_owned())
    })?;
    let state = request.take("initial_state").and_then(text);
    let initial_state = state.and_then(|state| TargetState::from_initial(&state));
    Ok(CreateConnector {
        name: name.trim().to_owned(),
        config: raw_config(config),
        initial_state: initial_state.unwrap_or(TargetState::Started),
    })
}

/// Reads a flat map of strings; `None` where there is no body.
pub(super) fn optional_config(body: &[u8]) -> Result<Option<RawConfig>, RestError> {
    Ok(read(body, &STRINGS)?.map(raw_config))
}

/// Reads a flat map of strings.
pub(super) fn config(body: &[u8]) -> Result<RawConfig, RestError> {
    optional_config(body)?.ok_or_else(no_body)
}

/// Reads the body of `PATCH /connectors/{name}/offsets` (`ConnectorOffsets`); null and missing lists are empty ones.
pub(super) fn offsets(body: &[u8]) -> Result<Vec<RequestedOffset>, RestError> {
    let listed = read(body, &OFFSETS)?.ok_or_else(no_body)?.take("offsets");
    let Some(Node::List(items)) = listed else { return Ok(Vec::new()) };
    let requested = items.into_iter().map(|mut item| {
        if item == Node::Null {
            return Err(RestError::BadRequest("An entry of 'offsets' is null".to_owned()));
        }
        let mut side = |name| item.take(name).and_then(object);
        Ok(RequestedOffset { partition: side("partition"), offset: side("offset") })
    });
    requested.collect()
}

/// Reads configurations of tasks, which nobody needs here but which have to be right before the mode is looked at.
pub(super) fn task_configs(body: &[u8]) -> Result<Vec<RawConfig>, RestError> {
    let is_empty = body.iter().all(u8::is_ascii_whitespace);
    let read = read(body, &TASK_CONFIGS)?;
    if is_empty {
        return Err(RestError::Malformed(jackson::no_content()));
    }
    Ok(match read {
        Some(Node::List(tasks)) => tasks.into_iter().map(raw_config).collect(),
        _ => Vec::new(),
    })
}

/// Reads a body into `kind`; `None` where it is empty or `null`.
pub(super) fn read(body: &[u8], kind: &Kind) -> Result<Option<Node>, RestError> {
    jackson::read(body, kind).map_err(RestError::Malformed)
}

/// Java's answer is what it said when it stumbled over the null.
pub(super) fn no_body() -> RestError {
    RestError::BadRequest("The request has no body".to_owned())
}

fn raw_config(config: Node) -> RawConfig {
    match config {
        Node::Map(entries) => entries.into_iter().map(|(key, value)| (key, text(value))).collect(),
        _ => RawConfig::new(),
    }
}

fn object(node: Node) -> Option<Map<String, Value>> {
    match value(node) {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

fn value(node: Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Text(text) => Value::String(text),
        Node::Boolean(value) => Value::Bool(value),
        Node::Int(text) | Node::Float(text) => text.parse().map_or(Value::Null, Value::Number),
        Node::List(items) => items.into_iter().map(value).collect(),
        Node::Map(entries) => entries.into_iter().map(|(key, node)| (key, value(node))).collect(),
    }
}

fn text(node: Node) -> Option<String> {
    match node {
        Node::Text(text) | Node::Int(text) | Node::Float(text) => Some(text),
        Node::Boolean(value) => Some(value.to_string()),
        Node::Null | Node::List(_) | Node::Map(_) => None,
    }
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
    fn check(body: &str, expected: &str) {
        match create_connector(body.as_bytes()) {
            Err(RestError::Malformed(message) | RestError::BadRequest(message)) => {
                let source =
                    "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line:";
                let class = "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest";
                assert_eq!(message.replace(source, "[").replace(class, "C"), expected);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_what_jackson_refuses_in_its_words() {
        check("", "The request has no body");
        check("null", "The request has no body");
        check(r#"{"name":"a"}"#, "The request has no connector configuration ('config')");
        check(
            "{",
            "Unexpected end-of-input: expected close marker for Object (start marker at [ 1, column: 1])\n at [ 1, column: 2]",
        );
        check(
            r#"{"config":{}} x"#,
            "Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [ 1, column: 15]",
        );
        check(
            "[]",
            "Cannot deserialize value of type `C` from Array value (token `JsonToken.START_ARRAY`)\n at [ 1, column: 1]",
        );
        check(
            r#"{"config":{"a":{}}}"#,
            "Cannot deserialize value of type `java.lang.String` from Object value (token `JsonToken.START_OBJECT`)\n at [ 1, column: 16] (through reference chain: C[\"config\"]->java.util.LinkedHashMap[\"a\"])",
        );
        check(
            r#"{"config":{},"zz":1}"#,
            "Unrecognized field \"zz\" (class C), not marked as ignorable (3 known properties: \"config\", \"name\", \"initial_state\")\n at [ 1, column: 21] (through reference chain: C[\"zz\"])",
        );
        check(
            &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
            "Cannot deserialize value of type `C` from Array value (token `JsonToken.START_ARRAY`)\n at [ 1, column: 1]",
        );
        check(
            &format!("{{\"zz\":{}", "[".repeat(100_000)),
            "Document nesting depth (1001) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNestingDepth()`)",
        );
    }

    #[test]
    fn numbers_are_kept_as_they_are_written() {
        let config = config(br#"{"a":1e+20,"b":-0.0,"c":12345678901234567890}"#).unwrap();
        let values: Vec<_> = config.values().map(|value| value.as_deref().unwrap()).collect();
        assert_eq!(values, ["1e+20", "-0.0", "12345678901234567890"]);
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = create_connector(&body);
            let _outcome = config(&body);
            let _outcome = offsets(&body);
            let _outcome = read(&body, &Kind::Any);
            let _outcome = task_configs(&body);
        }
    }
}
