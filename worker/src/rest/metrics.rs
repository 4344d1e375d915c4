//! `GET /metrics`: everything that is measured, for Prometheus and those who speak its language.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::error::{Answer, RestError};
use super::request::Parts;
use super::state::RestState;
use crate::metrics::{Format, Wanted};

/// Names that one request may ask for.
const NAMES_MAX: usize = 256;

pub(super) async fn metrics(state: &RestState, parts: &Parts, request: &hyper::Request<Incoming>) -> Answer {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept);
    // As Java's exporters have it.
    let mut names: Vec<String> = parts.all("name[]").take(NAMES_MAX).map(str::to_owned).collect();
    names.sort_unstable();
    let herder = state.herder().await?;
    let page = state.scraper().page(&herder, Wanted { format, names }).await;
    let mut response = Response::new(Full::new(page.ok_or_else(|| state.timed_out(None))?));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    Ok::<Response<Full<Bytes>>, RestError>(response)
}
