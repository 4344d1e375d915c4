//! The topics that a connector has used (KIP-558).

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::error::{Answer, RestError, empty, json};
use super::state::RestState;

/// As in Java, nobody asks whether there is such a connector.
pub(super) async fn list(state: &RestState, name: &str) -> Answer {
    let herder = state.herder().await?;
    if !herder.worker().topic_tracking.is_enabled {
        return Err(RestError::Forbidden("Topic tracking is disabled."));
    }
    let topics: Vec<Value> = herder.topics(name).iter().map(|topic: &Arc<str>| json!(**topic)).collect();
    Ok(json(StatusCode::OK, &json!({ name: { "topics": topics } })))
}

pub(super) async fn reset(state: &RestState, name: &str) -> Answer {
    let herder = state.herder().await?;
    if !herder.worker().topic_tracking.is_enabled {
        return Err(RestError::Forbidden("Topic tracking is disabled."));
    }
    if !herder.worker().topic_tracking.allows_reset {
        return Err(RestError::Forbidden("Topic tracking reset is disabled."));
    }
    herder.reset_topics(name);
    Ok(empty(StatusCode::ACCEPTED))
}
