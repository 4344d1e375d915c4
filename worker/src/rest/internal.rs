//! What workers ask each other. A standalone worker has nobody to talk to; it refuses, once it has read the request as Java does.

use hyper::http::request::Parts as Head;

use super::error::{Answer, RestError};
use super::requests;
use super::signature::{Proof, Signature};

/// Tasks' configurations come from their connector only, with a single worker.
pub(super) fn set_tasks(head: &Head, body: &[u8]) -> Answer {
    requests::task_configs(body)?;
    admit(head, body)?;
    Err(RestError::Standalone(
        "Kafka Connect in standalone mode does not support externally setting task configurations.",
    ))
}

/// Nobody else could write as this worker's tasks.
pub(super) fn fence(head: &Head) -> Answer {
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
