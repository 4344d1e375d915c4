//! Connectors: the list, creation, configuration, deletion.

use api::Props;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value};

use super::error::{Answer, RestError, empty, found, json, not_found};
use super::request::{Parts, encode};
use super::requests;
use super::state::RestState;
use crate::config::{RawConfig, java_copy_order, java_order, resolve_and_validate};
use crate::herd::{CommandKind, ConfigInfo, Outcome, Refusal, View};

/// How often a patch is applied anew where the configuration has changed meanwhile.
const PATCH_ATTEMPTS: u32 = 10;

pub(super) async fn list(state: &RestState, parts: &Parts) -> Answer {
    let herder = state.herder().await?;
    let Some(expansions) = expansions(parts) else {
        return Ok(json(StatusCode::OK, &herder.look(names)));
    };
    let expanded = herder.look(|herd| {
        let mut connectors = Map::new();
        for name in names(herd) {
            let mut entry = Map::new();
            let status = herd.status(&name);
            // A connector that has no status yet is left out altogether, as in Java.
            if status.is_none() && expansions.contains(&"status") {
                continue;
            }
            for expansion in &expansions {
                let value = match *expansion {
                    "status" => serde_json::to_value(&status),
                    "info" => serde_json::to_value(herd.info(&name)),
                    _ => continue,
                };
                entry.insert((*expansion).to_owned(), value.unwrap_or(Value::Null));
            }
            connectors.insert(name, Value::Object(entry));
        }
        connectors
    });
    Ok(json(StatusCode::OK, &expanded))
}

/// What is asked for of each connector, once however often it is asked for: a request must not multiply its own cost. `None` where
/// names will do.
fn expansions(parts: &Parts) -> Option<Vec<&str>> {
    let mut asked = parts.all("expand").peekable();
    asked.peek()?;
    let mut expansions = Vec::new();
    for expansion in asked.filter(|asked| ["status", "info"].contains(asked)) {
        if !expansions.contains(&expansion) {
            expansions.push(expansion);
        }
    }
    Some(expansions)
}

/// All connectors in Java's order.
fn names(herd: &dyn View) -> Vec<String> {
    let names: Props = herd.names().into_iter().map(|name| (name.to_string(), String::new())).collect();
    java_order(names).into_keys().collect()
}

pub(super) async fn create(state: &RestState, parts: &Parts, body: &[u8]) -> Answer {
    let requests::CreateConnector { name, mut config, initial_state: initial } =
        requests::create_connector(body)?;
    check_name(&mut config, &name)?;
    let herder = state.herder().await?;
    let plugin = resolve_and_validate(&config, herder.plugins(), herder.worker()).await?;
    let kind = CommandKind::Create { plugin, config: given(config), initial };
    shown(parts, &name, state.command(&name, kind).await?)
}

pub(super) async fn info(state: &RestState, name: &str) -> Answer {
    found(state.herder().await?.look(|herd| herd.info(name)), || not_found(name))
}

pub(super) async fn delete(state: &RestState, name: &str) -> Answer {
    state.command(name, CommandKind::Delete).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn config(state: &RestState, name: &str) -> Answer {
    let config = state.herder().await?.look(|herd| herd.config(name).map(ConfigInfo));
    found(config, || not_found(name))
}

pub(super) async fn configure(state: &RestState, parts: &Parts, name: &str, body: &[u8]) -> Answer {
    let mut config = requests::config(body)?;
    check_name(&mut config, name)?;
    let herder = state.herder().await?;
    let plugin = resolve_and_validate(&config, herder.plugins(), herder.worker()).await?;
    let kind = CommandKind::Configure { plugin, config: given(config), base: None };
    shown(parts, name, state.command(name, kind).await?)
}

pub(super) async fn patch(state: &RestState, name: &str, body: &[u8]) -> Answer {
    let changes = requests::optional_config(body)?;
    let mut attempts = 0;
    loop {
        // Whoever changes the configuration while this is being checked comes first; this is applied to what is there then.
        match patch_latest(state, name, changes.as_ref()).await {
            Err(RestError::Refused(Refusal::Outdated(_))) if attempts < PATCH_ATTEMPTS => attempts += 1,
            answer => return answer,
        }
    }
}

async fn patch_latest(state: &RestState, name: &str, changes: Option<&RawConfig>) -> Answer {
    let herder = state.herder().await?;
    herder.check_leader()?;
    let base = herder.look(|herd| herd.latest_config(name));
    let base = base.ok_or_else(|| RestError::NotFound(not_found(name)))?;
    let changes = changes.ok_or_else(requests::no_body)?;
    let mut config = base.clone();
    let copied = config.len();
    for (key, value) in changes {
        match value {
            Some(value) => drop(config.insert(key.clone(), value.clone())),
            None => drop(config.shift_remove(key)),
        }
    }
    let config = java_copy_order(config, copied);
    let raw: RawConfig = config.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let plugin = resolve_and_validate(&raw, herder.plugins(), herder.worker()).await?;
    match state.command(name, CommandKind::Configure { plugin, config, base: Some(base) }).await? {
        Outcome::Created(info) | Outcome::Updated(info) => Ok(json(StatusCode::OK, &info)),
        _ => Ok(empty(StatusCode::OK)),
    }
}

/// The configuration's name is the one in the URL; it is filled in where it is missing.
fn check_name(config: &mut RawConfig, name: &str) -> Result<(), RestError> {
    match config.get("name") {
        None | Some(None) => drop(config.insert("name".to_owned(), Some(name.to_owned()))),
        Some(Some(inner)) if inner == name => {}
        Some(Some(inner)) => {
            return Err(RestError::BadRequest(format!(
                "Connector name configuration ({inner}) doesn't match connector name in the URL ({name})"
            )));
        }
    }
    Ok(())
}

/// The configuration without the nulls that validation let pass.
fn given(config: RawConfig) -> Props {
    config.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Says where a connector that was created can be found.
pub(super) fn set_location(response: &mut Response<Full<Bytes>>, parts: &Parts, name: &str) {
    let location = match &parts.host {
        Some(host) => format!("{}://{host}/connectors/{}", parts.scheme, encode(name)),
        None => format!("/connectors/{}", encode(name)),
    };
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
}

fn shown(parts: &Parts, name: &str, outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Created(info) => {
            let mut response = json(StatusCode::CREATED, &info);
            set_location(&mut response, parts, name);
            Ok(response)
        }
        Outcome::Updated(info) => Ok(json(StatusCode::OK, &info)),
        _ => Ok(empty(StatusCode::OK)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_twice_is_looked_up_once() {
        let expansions = |uri: &str| {
            let parts = Parts::of(&hyper::Request::get(uri).body(()).unwrap());
            expansions(&parts).map(|found| found.join(" "))
        };
        assert_eq!(
            expansions("/?expand=info&expand=status&expand=info&expand=x").as_deref(),
            Some("info status")
        );
        assert_eq!((expansions("/?expand=x").as_deref(), expansions("/?x=status")), (Some(""), None));
    }
}
