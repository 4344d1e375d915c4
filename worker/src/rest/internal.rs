//! What workers ask each other. A standalone worker has nobody to talk to; it refuses, once it has read the request as Java does.

use hyper::http::request::Parts as Head;

use super::error::{Answer, RestError};
use super::signature::{Proof, Signature};
use super::state::RestState;
use super::{cluster, requests};

/// Tasks' configurations come from their connector only, with a single worker.
pub(super) async fn set_tasks(state: &RestState, head: &Head, name: &str, body: &[u8]) -> Answer {
    if state.herder().await?.cluster_shell().is_some() {
        return cluster::set_tasks(state, head, name, body).await;
    }
    requests::task_configs(body)?;
    admit(head, body)?;
    Err(RestError::Standalone(
        "Kafka Connect in standalone mode does not support externally setting task configurations.",
    ))
}

/// Nobody else could write as this worker's tasks.
pub(super) async fn fence(state: &RestState, head: &Head, name: &str) -> Answer {
    if state.herder().await?.cluster_shell().is_some() {
        return cluster::fence(state, head, name).await;
    }
    admit(head, b"")?;
    Err(RestError::Standalone(
        "Kafka Connect in standalone mode does not support exactly-once source connectors.",
    ))
}

/// There are no other workers, so no signature counts: with users to be one of, only these get to hear the reason.
fn admit(head: &Head, body: &[u8]) -> Result<(), RestError> {
    let signature = Signature::from_headers(&head.headers)?;
    let proof = head.extensions.get().copied().unwrap_or(Proof::OwesSignature);
    Signature::admit(signature.as_ref(), body, proof, None)
}
