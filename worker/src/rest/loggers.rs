//! Levels of loggers, while the worker runs (KIP-495, KIP-976).

use engine::rt::clock;
use hyper::StatusCode;

use super::error::{Answer, RestError, empty, found, json};
use super::request::Parts;
use super::requests;
use super::state::RestState;
use crate::logs::{Level, loggers};

pub(super) fn list() -> Answer {
    Ok(loggers(|loggers| json(StatusCode::OK, &loggers.list())))
}

pub(super) fn get(name: &str) -> Answer {
    found(loggers(|loggers| loggers.get(name)), || format!("Logger {name} not found."))
}

/// Of the cluster all workers set it once they read of it; in standalone mode the cluster is this worker, and only the answer differs.
pub(super) async fn set(state: &RestState, parts: &Parts, name: &str, body: &[u8]) -> Answer {
    let mut fields = requests::config(body)?;
    let Some(text) = fields.swap_remove("level").flatten() else {
        let message = "Desired 'level' parameter was not specified in request.";
        return Err(RestError::BadRequest(message.to_owned()));
    };
    if text.is_empty() {
        return Err(RestError::Malformed("Illegal null or empty Level name.".to_owned()));
    }
    let level =
        Level::parse(&text).ok_or_else(|| RestError::NotFound(format!("invalid log level '{text}'.")))?;
    let is_of_cluster = parts.all("scope").next().is_some_and(|scope| scope.eq_ignore_ascii_case("cluster"));
    if is_of_cluster && let Some(shell) = state.herder().await?.cluster_shell() {
        let level = text.trim().to_ascii_uppercase();
        let written = shell.set_logger_level(name, &level).await;
        written.map_err(|error| RestError::Thrown(error.to_string()))?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let changed = loggers(|loggers| loggers.set(name, level, clock::unix_ms()))
        .map_err(|too_many| RestError::BadRequest(too_many.to_string()))?;
    tracing::info!(logger = name, ?level, changed = changed.len(), "level of loggers set by request");
    if is_of_cluster {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    Ok(json(StatusCode::OK, &changed))
}
