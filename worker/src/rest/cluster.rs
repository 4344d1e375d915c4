//! What only a worker of a cluster has: requests passed on to whoever can serve them, and what workers ask of each other.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts as Head;
use hyper::{Response, StatusCode};

use super::connectors::set_location;
use super::error::{Answer, RestError, empty, json_text};
use super::forward::{Forward, Forwarded, Hops};
use super::request::Parts;
use super::requests;
use super::signature::{Proof, Signature, Verifier};
use super::state::RestState;
use crate::herd::{CommandKind, Outcome, Refusal};

/// Passes a request on that another worker has to serve (`HerderRequestHandler#completeOrForwardRequest`).
pub(super) async fn forward(
    state: &RestState,
    head: &Head,
    parts: &Parts,
    body: Bytes,
    target: Option<&str>,
) -> Answer {
    let herder = state.herder().await?;
    let Some(shell) = herder.cluster_shell() else { return Err(RestError::Refused(Refusal::ShuttingDown)) };
    let hops = Hops::from_query(parts.all("forward").next());
    let query = ["includeTasks", "onlyFailed"].into_iter().filter_map(|key| {
        let value = parts.all(key).next()?;
        Some((key, if value.eq_ignore_ascii_case("true") { "true".to_owned() } else { "false".to_owned() }))
    });
    let request = Forward {
        target: target.map(str::to_owned),
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: query.collect(),
        body: (!body.is_empty()).then_some(body),
        authorization: head.headers.get(AUTHORIZATION).cloned(),
    };
    let Forwarded { status, body } = shell.peers().forward(request, hops).await?;
    if status == StatusCode::NO_CONTENT || body.is_empty() {
        return Ok(empty(status));
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let mut response: Response<Full<Bytes>> = json_text(status, text);
    let name = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let name = name.as_ref().and_then(|info| info.get("name")).and_then(serde_json::Value::as_str);
    if let Some(name) = name.filter(|_| status == StatusCode::CREATED) {
        set_location(&mut response, parts, name);
    }
    Ok(response)
}

/// `POST /connectors/{c}/tasks`: the worker that has a connector's instance hands in its tasks.
pub(super) async fn set_tasks(state: &RestState, head: &Head, name: &str, body: &[u8]) -> Answer {
    let tasks = requests::task_configs(body)?;
    admit(state, head, body).await?;
    done_here(state.command(name, CommandKind::SetTasks(tasks)).await)
}

/// `PUT /connectors/{c}/fence`: the worker that starts a source's task has former ones shut out.
pub(super) async fn fence(state: &RestState, head: &Head, name: &str) -> Answer {
    admit(state, head, b"").await?;
    done_here(state.command(name, CommandKind::Fence).await)
}

fn done_here(outcome: Result<Outcome, RestError>) -> Answer {
    match outcome {
        Ok(_) => Ok(empty(StatusCode::NO_CONTENT)),
        // Java passes it on without the signature, which nobody then takes.
        Err(RestError::Refused(Refusal::Elsewhere { .. })) => Err(RestError::Conflict(
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
        )),
        Err(error) => Err(error),
    }
}

async fn admit(state: &RestState, head: &Head, body: &[u8]) -> Result<(), RestError> {
    let signature = Signature::from_headers(&head.headers)?;
    let proof = head.extensions.get().copied().unwrap_or(Proof::OwesSignature);
    let herder = state.herder().await?;
    let Some(shell) = herder.cluster_shell() else { return Err(RestError::Refused(Refusal::ShuttingDown)) };
    let key = shell.session_key();
    let verifier = Verifier { algorithms: &shell.config().verification_algorithms, key: key.as_deref() };
    Signature::admit(signature.as_ref(), body, proof, shell.signs().then_some(verifier))
}
