//! From failures to Java's status codes and error bodies (`ConnectExceptionMapper`): the only place that knows them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::config::Invalid;
use crate::herd::Refusal;

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
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The connection broke within the body.
    BodyBroken(String),
    /// The body is malformed; Java answers 500.
    Malformed(String),
    /// The request contradicts itself.
    BadRequest(String),
    /// There is no such connector, task or plug-in.
    NotFound(String),
    /// The configuration is refused.
    Invalid(Invalid),
    /// The herder refuses.
    Refused(Refusal),
    /// Standalone mode can't do that; Java answers 500.
    Standalone(&'static str),
    /// The herder has not answered in time.
    TimedOut,
}

#[derive(Serialize)]
struct Body<'a> {
    error_code: u16,
    message: &'a str,
}

impl RestError {
    fn status(&self) -> StatusCode {
        match self {
            RestError::UnknownPath | RestError::NotFound(_) | RestError::Refused(Refusal::NotFound(_)) => {
                StatusCode::NOT_FOUND
            }
            RestError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            RestError::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RestError::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            RestError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RestError::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            RestError::BodyBroken(_)
            | RestError::BadRequest(_)
            | RestError::Invalid(Invalid::Connector(_) | Invalid::Errors(_)) => StatusCode::BAD_REQUEST,
            RestError::Refused(Refusal::AlreadyExists(_)) => StatusCode::CONFLICT,
            RestError::Malformed(_)
            | RestError::Invalid(Invalid::Client(_))
            | RestError::Refused(Refusal::Failed(_) | Refusal::ShuttingDown)
            | RestError::Standalone(_)
            | RestError::TimedOut => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn message(&self) -> String {
        match self {
            RestError::UnknownPath => "HTTP 404 Not Found".to_owned(),
            RestError::MethodNotAllowed { .. } => "HTTP 405 Method Not Allowed".to_owned(),
            RestError::UnsupportedMediaType => "HTTP 415 Unsupported Media Type".to_owned(),
            RestError::NotAcceptable => "HTTP 406 Not Acceptable".to_owned(),
            RestError::BodyTooLarge => {
                format!("The request body is larger than {} bytes", super::request::BODY_BYTES_MAX)
            }
            RestError::BodyTimeout => {
                format!("The request body did not arrive within {} s", super::request::BODY_TIMEOUT.as_secs())
            }
            RestError::Malformed(message)
            | RestError::BodyBroken(message)
            | RestError::BadRequest(message)
            | RestError::NotFound(message) => message.clone(),
            RestError::Invalid(invalid) => invalid.message(),
            RestError::Refused(refusal) => refusal.to_string(),
            RestError::Standalone(message) => (*message).to_owned(),
            RestError::TimedOut => "Request timed out".to_owned(),
        }
    }

    /// The whole answer.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let mut response = json(status, &Body { error_code: status.as_u16(), message: &self.message() });
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
