//! Which resource a request is about: one line for each resource's methods, one for each endpoint's handler.

use std::cell::RefCell;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};

use super::error::{Answer, RestError};
use super::front::Arrival;
use super::request::{Parts, check_media_types, read_body, read_unknown_body};
use super::state::RestState;
use super::{
    cluster, cluster_page, connectors, internal, lifecycle, loggers, metrics, offsets, plugins, root, topics,
    validate,
};
use crate::herd::Refusal;

/// Answers one request.
pub(super) async fn answer(state: &RestState, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match route(state, request).await {
        Ok(response) => response,
        Err(error) => error.response(),
    }
}

async fn route(state: &RestState, mut request: Request<Incoming>) -> Answer {
    let parts = Parts::of(&request);
    let segments: Vec<&str> = parts.segments.iter().map(String::as_str).collect();
    let arrival = request.extensions().get::<Arrival>().cloned().ok_or(RestError::UnknownPath)?;
    let allowed = methods(&segments).filter(|_| arrival.serves(&segments)).ok_or(RestError::UnknownPath)?;
    // HEAD is GET without a body, which hyper leaves out by itself.
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    if method == Method::OPTIONS {
        arrival.authorize(&request, &segments).await?;
        return Ok(options(allowed));
    }
    if !allowed.split(',').any(|other| other == method.as_str()) {
        return Err(RestError::MethodNotAllowed { allowed });
    }
    // Metrics are text, and whoever scrapes them says so.
    let is_text = matches!(segments[..], ["metrics"]);
    let content_type = if is_text { None } else { check_media_types(&request)? };
    // As in Java, only here: what does not exist says so to everybody.
    let proof = arrival.authorize(&request, &segments).await?;
    request.extensions_mut().insert(proof);
    let (head, body) = request.into_parts();
    let kept = RefCell::default();
    let request = Request::from_parts(head.clone(), body);
    let mut response = match dispatch(state, method.as_str(), &segments, &parts, request, &kept).await {
        Err(RestError::Refused(Refusal::Elsewhere { url })) => {
            cluster::forward(state, &head, &parts, kept.take(), url.as_deref()).await?
        }
        answer => answer?,
    };
    if let Some(content_type) = content_type
        && let Some(own) = response.headers_mut().get_mut(CONTENT_TYPE)
    {
        *own = content_type;
    }
    Ok(response)
}

/// Methods of a resource, or `None` if there is no such resource.
fn methods(segments: &[&str]) -> Option<&'static str> {
    Some(match segments {
        ["admin", "loggers" | "cluster"] => "HEAD,GET,OPTIONS",
        ["admin", "loggers", _] => "HEAD,GET,OPTIONS,PUT",
        [] | ["health" | "metrics" | "connector-plugins"] => "GET,OPTIONS,HEAD",
        ["connector-plugins", _, "config"] => "HEAD,GET,OPTIONS",
        ["connector-plugins", _, "config", "validate"] => "OPTIONS,PUT",
        ["connectors"] => "HEAD,POST,GET,OPTIONS",
        ["connectors", _] => "HEAD,DELETE,GET,OPTIONS",
        ["connectors", _, "config"] => "HEAD,PATCH,GET,OPTIONS,PUT",
        ["connectors", _, "status"] => "HEAD,GET,OPTIONS",
        ["connectors", _, "restart"] => "POST,OPTIONS",
        ["connectors", _, "pause" | "resume" | "stop" | "fence"] => "OPTIONS,PUT",
        ["connectors", _, "offsets"] => "HEAD,DELETE,GET,OPTIONS,PATCH",
        ["connectors", _, "topics"] => "HEAD,GET,OPTIONS",
        ["connectors", _, "topics", "reset"] => "OPTIONS,PUT",
        ["connectors", _, "tasks"] => "HEAD,POST,GET,OPTIONS",
        ["connectors", _, "tasks", _, "status"] => "HEAD,GET,OPTIONS",
        ["connectors", _, "tasks", _, "restart"] => "POST,OPTIONS",
        _ => return None,
    })
}

/// Reads a body, and keeps it for another worker that may have to serve the request.
async fn keep(kept: &RefCell<Bytes>, request: Request<Incoming>) -> Result<Bytes, RestError> {
    let body = read_body(request).await?;
    kept.replace(body.clone());
    Ok(body)
}

/// Every endpoint; the method is one that the resource has. `kept` gets the body.
async fn dispatch(
    state: &RestState,
    method: &str,
    segments: &[&str],
    parts: &Parts,
    request: Request<Incoming>,
    kept: &RefCell<Bytes>,
) -> Answer {
    match (method, segments) {
        ("GET", []) => root::server_info(state).await,
        ("GET", ["health"]) => root::health(state),
        ("GET", ["admin", "cluster"]) => cluster_page::show(state, parts, &request.into_parts().0).await,
        ("GET", ["admin", "loggers"]) => loggers::list(),
        ("GET", ["admin", "loggers", name]) => loggers::get(name),
        ("PUT", ["admin", "loggers", name]) => {
            loggers::set(state, parts, name, &keep(kept, request).await?).await
        }
        ("GET", ["metrics"]) => metrics::metrics(state, parts, &request).await,
        ("GET", ["connectors"]) => connectors::list(state, parts).await,
        ("POST", ["connectors"]) => connectors::create(state, parts, &keep(kept, request).await?).await,
        ("GET", ["connectors", name]) => connectors::info(state, name).await,
        ("DELETE", ["connectors", name]) => connectors::delete(state, name).await,
        ("GET", ["connectors", name, "config"]) => connectors::config(state, name).await,
        ("PUT", ["connectors", name, "config"]) => {
            connectors::configure(state, parts, name, &keep(kept, request).await?).await
        }
        ("PATCH", ["connectors", name, "config"]) => {
            connectors::patch(state, name, &keep(kept, request).await?).await
        }
        ("GET", ["connectors", name, "status"]) => lifecycle::status(state, name).await,
        ("POST", ["connectors", name, "restart"]) => lifecycle::restart(state, parts, name).await,
        ("PUT", ["connectors", name, "pause"]) => lifecycle::pause(state, name).await,
        ("PUT", ["connectors", name, "resume"]) => lifecycle::resume(state, name).await,
        ("PUT", ["connectors", name, "stop"]) => lifecycle::stop(state, name).await,
        ("PUT", ["connectors", name, "fence"]) => internal::fence(state, &request.into_parts().0, name).await,
        ("GET", ["connectors", name, "offsets"]) => offsets::list(state, name).await,
        ("PATCH", ["connectors", name, "offsets"]) => {
            offsets::alter(state, name, &keep(kept, request).await?).await
        }
        ("DELETE", ["connectors", name, "offsets"]) => offsets::reset(state, name).await,
        ("GET", ["connectors", name, "topics"]) => topics::list(state, name).await,
        ("PUT", ["connectors", name, "topics", "reset"]) => topics::reset(state, name).await,
        ("GET", ["connectors", name, "tasks"]) => lifecycle::tasks(state, name).await,
        ("POST", ["connectors", name, "tasks"]) => {
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head.clone(), body);
            internal::set_tasks(state, &head, name, &read_unknown_body(request).await?).await
        }
        ("GET", ["connectors", name, "tasks", task, "status"]) => {
            lifecycle::task_status(state, name, task).await
        }
        ("POST", ["connectors", name, "tasks", task, "restart"]) => {
            lifecycle::restart_task(state, name, task).await
        }
        ("GET", ["connector-plugins", name, "config"]) => validate::describe(state, parts, name).await,
        ("PUT", ["connector-plugins", name, "config", "validate"]) => {
            validate::validate(state, name, &keep(kept, request).await?).await
        }
        ("GET", ["connector-plugins"]) => plugins::list(state, parts).await,
        _ => Err(RestError::UnknownPath),
    }
}

fn options(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(allowed.replace(',', ", "))));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
