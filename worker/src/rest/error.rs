//! From failures to Java's status codes and error bodies (`ConnectExceptionMapper`): the only place that knows them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::limits::{HEADER_BYTES_MAX, URI_BYTES_MAX};
use crate::config::Invalid;
use crate::herd::Refusal;
use crate::redact;

/// What a handler gives.
pub(super) type Answer = Result<Response<Full<Bytes>>, RestError>;

/// Everything that can go wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestError {
    /// No such resource.
    UnknownPath,
    /// The resource has other methods.
    MethodNotAllowed {
        /// Which ones.
        allowed: &'static str,
    },
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The caller wants something other than JSON.
    NotAcceptable,
    /// Nobody says who they are, or somebody that nobody is.
    Unauthorized,
    /// Too much is being asked at one time.
    Overloaded,
    /// Path and query are longer than allowed.
    UriTooLong,
    /// The headers are larger than allowed.
    HeadersTooLarge,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The connection broke within the body.
    BodyBroken(String),
    /// The body is malformed; Java answers 500.
    Malformed(String),
    /// What Java throws and answers with 500.
    Thrown(String),
    /// The request contradicts itself.
    BadRequest(String),
    /// The worker's configuration does not allow it, or a signature does not fit.
    Forbidden(&'static str),
    /// There is no such connector, task or plug-in.
    NotFound(String),
    /// The configuration is refused.
    Invalid(Invalid),
    /// The herder refuses.
    Refused(Refusal),
    /// Standalone mode can't do that; Java answers 500.
    Standalone(&'static str),
    /// The cluster has to settle first.
    Conflict(&'static str),
    /// The worker has not read all that it needs.
    NotReady(&'static str),
    /// What another worker answered.
    Remote {
        /// Its status.
        status: u16,
        /// The code in its body.
        error_code: u16,
        /// The message in its body.
        message: Option<String>,
    },
    /// The herder has not answered in time.
    TimedOut {
        /// What the worker is at instead, as a sentence.
        stage: Option<String>,
    },
}

#[derive(Serialize)]
struct Body<'a> {
    error_code: u16,
    message: Option<&'a str>,
}

impl RestError {
    fn status(&self) -> StatusCode {
        match self {
            RestError::UnknownPath | RestError::NotFound(_) | RestError::Refused(Refusal::NotFound(_)) => {
                StatusCode::NOT_FOUND
            }
            RestError::Unauthorized => StatusCode::UNAUTHORIZED,
            RestError::Forbidden(_) => StatusCode::FORBIDDEN,
            RestError::Conflict(_) => StatusCode::CONFLICT,
            RestError::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            RestError::Remote { status, .. } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            RestError::Overloaded | RestError::Refused(Refusal::Busy(_)) => StatusCode::SERVICE_UNAVAILABLE,
            RestError::UriTooLong => StatusCode::URI_TOO_LONG,
            RestError::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            RestError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            RestError::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RestError::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            RestError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RestError::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            RestError::BodyBroken(_)
            | RestError::BadRequest(_)
            | RestError::Invalid(Invalid::Connector(_) | Invalid::Errors { .. }) => StatusCode::BAD_REQUEST,
            RestError::Refused(Refusal::BadRequest(_)) => StatusCode::BAD_REQUEST,
            RestError::Refused(
                Refusal::AlreadyExists(_)
                | Refusal::Outdated(_)
                | Refusal::Rebalancing
                | Refusal::Elsewhere { .. },
            ) => StatusCode::CONFLICT,
            RestError::Malformed(_)
            | RestError::Thrown(_)
            | RestError::Invalid(Invalid::Server { .. })
            | RestError::Refused(Refusal::Failed(_) | Refusal::ShuttingDown)
            | RestError::Standalone(_)
            | RestError::TimedOut { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the body says.
    pub(crate) fn message(&self) -> String {
        match self {
            RestError::UnknownPath => "HTTP 404 Not Found".to_owned(),
            RestError::MethodNotAllowed { .. } => "HTTP 405 Method Not Allowed".to_owned(),
            RestError::UnsupportedMediaType => "HTTP 415 Unsupported Media Type".to_owned(),
            RestError::NotAcceptable => "HTTP 406 Not Acceptable".to_owned(),
            RestError::Unauthorized => "User cannot access the resource.".to_owned(),
            RestError::Overloaded => "The worker has too many requests to answer; try again later".to_owned(),
            RestError::UriTooLong => format!("Path and query are longer than {URI_BYTES_MAX} bytes"),
            RestError::HeadersTooLarge => format!("The headers are larger than {HEADER_BYTES_MAX} bytes"),
            RestError::BodyTooLarge => {
                format!("The request body is larger than {} bytes", super::limits::BODY_BYTES_MAX)
            }
            RestError::BodyTimeout => {
                format!("The request body did not arrive within {} s", super::limits::BODY_TIMEOUT.as_secs())
            }
            RestError::Malformed(message)
            | RestError::Thrown(message)
            | RestError::BodyBroken(message)
            | RestError::BadRequest(message)
            | RestError::NotFound(message) => message.clone(),
            RestError::Invalid(invalid) => invalid.message(),
            RestError::Refused(refusal) => refusal.to_string(),
            RestError::Standalone(message)
            | RestError::Forbidden(message)
            | RestError::Conflict(message)
            | RestError::NotReady(message) => (*message).to_owned(),
            RestError::Remote { message, .. } => message.clone().unwrap_or_default(),
            RestError::TimedOut { stage: None } => "Request timed out".to_owned(),
            RestError::TimedOut { stage: Some(stage) } => format!("Request timed out. {stage}"),
        }
    }

    /// The whole answer.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let message = self.message();
        let hidden = redact::hide(&message);
        let body = match self {
            RestError::Remote { error_code, message, .. } => {
                Body { error_code: *error_code, message: message.as_ref().map(|_| &*hidden) }
            }
            _ => Body { error_code: status.as_u16(), message: Some(&*hidden) },
        };
        let mut response = json(status, &body);
        match self {
            // No JSON, and yet called so, as in Java.
            RestError::Unauthorized => *response.body_mut() = Full::new(Bytes::from(message)),
            RestError::Overloaded | RestError::Refused(Refusal::Busy(_)) => {
                drop(response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => {}
        }
        if let RestError::MethodNotAllowed { allowed } = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}

impl From<Refusal> for RestError {
    fn from(refusal: Refusal) -> RestError {
        RestError::Refused(refusal)
    }
}

impl From<Invalid> for RestError {
    fn from(invalid: Invalid) -> RestError {
        RestError::Invalid(invalid)
    }
}

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(body).expect("answers are plain data with string keys");
    let mut response = Response::new(Full::new(bytes.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer whose body is JSON already.
pub(super) fn json_text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// An entity, or 404 with this message.
pub(super) fn found(entity: Option<impl Serialize>, message: impl FnOnce() -> String) -> Answer {
    match entity {
        Some(entity) => Ok(json(StatusCode::OK, &entity)),
        None => Err(RestError::NotFound(message())),
    }
}

/// Java's words for a connector that does not exist.
pub(super) fn not_found(name: &str) -> String {
    format!("Connector {name} not found")
}
