//! A connector's offsets (KIP-875).

use hyper::StatusCode;
use serde_json::json;

use super::error::{Answer, RestError, empty, json, json_text};
use super::requests;
use super::state::{REQUEST_TIMEOUT, RestState};
use crate::herd::{CommandKind, OffsetRequest, Outcome};

pub(super) async fn list(state: &RestState, name: &str) -> Answer {
    let herder = state.herder().await?;
    match tokio::time::timeout(REQUEST_TIMEOUT, herder.offsets(name)).await {
        Ok(listed) => Ok(json_text(StatusCode::OK, listed?)),
        Err(_elapsed) => Err(state.timed_out(Some(name))),
    }
}

pub(super) async fn alter(state: &RestState, name: &str, body: &[u8]) -> Answer {
    let requested = requests::offsets(body)?;
    if requested.is_empty() {
        let message = "Partitions / offsets need to be provided for an alter offsets request";
        return Err(RestError::BadRequest(message.to_owned()));
    }
    change(state, name, OffsetRequest::Alter(requested)).await
}

pub(super) async fn reset(state: &RestState, name: &str) -> Answer {
    change(state, name, OffsetRequest::Reset).await
}

async fn change(state: &RestState, name: &str, request: OffsetRequest) -> Answer {
    match state.command(name, CommandKind::Offsets(request)).await? {
        Outcome::OffsetsChanged(message) => Ok(json(StatusCode::OK, &json!({ "message": message }))),
        _ => Ok(empty(StatusCode::OK)),
    }
}
