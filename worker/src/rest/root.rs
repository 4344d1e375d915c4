//! The root resource and the worker's health.

use hyper::StatusCode;
use serde::Serialize;

use super::error::{Answer, json};
use super::state::RestState;
use crate::version;

#[derive(Serialize)]
struct ServerInfo<'a> {
    version: &'static str,
    commit: &'static str,
    kafka_cluster_id: &'a str,
}

#[derive(Serialize)]
struct WorkerStatus {
    status: &'static str,
    message: String,
}

pub(super) async fn server_info(state: &RestState) -> Answer {
    let cluster_id = state.cluster_id().await?;
    let (version, commit) = (version::COMPATIBLE, version::COMMIT);
    Ok(json(StatusCode::OK, &ServerInfo { version, commit, kafka_cluster_id: &cluster_id }))
}

/// Unlike Java's, it answers at once while the worker starts: whoever asks wants to know now.
pub(super) fn health(state: &RestState) -> Answer {
    let (code, status, mut message) = if state.is_ready() {
        let message = "Worker has completed startup and is ready to handle requests.";
        (StatusCode::OK, "healthy", message.to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting", "Worker is still starting up.".to_owned())
    };
    if let Some(stage) = state.stage().filter(|_| !state.is_ready()) {
        message.push(' ');
        message.push_str(&stage);
    }
    Ok(json(code, &WorkerStatus { status, message }))
}
