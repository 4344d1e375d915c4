//! The error of the whole `protocol` crate: what the caller should do (`kind`), what was being done (`doing`), why
//! (`source`). It owns no policy: how often and how long to retry is decided in `cluster`, once.

use std::fmt;
use std::sync::Arc;

use super::error_code::ErrorCode;

/// The result of everything fallible in `protocol`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation. Cheap to clone, because one lost connection fails every request that waits on it.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    doing: &'static str,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What kind of failure it is, named for what the caller should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection could not be made or was lost: connect again and retry.
    Disconnected,
    /// The broker answered with this error code: [`ErrorCode::is_retriable`] says whether a retry makes sense.
    Broker(ErrorCode),
    /// Bytes that are not what the protocol allows: close the connection, do not retry the same bytes.
    Malformed,
    /// Login was refused: the operator has to change credentials or permissions.
    Auth,
    /// No answer in time: the outcome is unknown, retry where the request is idempotent.
    Timeout,
    /// The other side does not speak any version (or feature) that this needs.
    Unsupported,
    /// The configuration cannot work: the operator has to change it.
    Config,
    /// A limit on bytes or counts was exceeded: raise the limit or send less.
    TooLarge,
    /// This client was closed while the operation waited.
    Closed,
    /// The transaction that it was part of was aborted: nothing of it counts.
    Aborted,
    /// A bug of ours or misuse of the API, for example a field that the negotiated version lacks.
    Internal,
}

impl Error {
    /// An error without further cause. `doing` is a verb phrase that reads after "failed to".
    pub fn new(kind: ErrorKind, doing: &'static str) -> Self {
        Error { kind, doing, source: None }
    }

    /// The same error with its cause; a `&str` or `String` will do.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// The connection could not be made or was lost.
    pub fn disconnected(
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error::new(ErrorKind::Disconnected, doing).with_source(source)
    }

    /// The broker answered with an error code.
    pub fn broker(doing: &'static str, code: impl Into<ErrorCode>) -> Self {
        Error::new(ErrorKind::Broker(code.into()), doing)
    }

    /// `Ok` where the code is `NONE`, else [`Error::broker`]: for checking response fields with `?`.
    pub fn check(doing: &'static str, code: impl Into<ErrorCode>) -> Result<()> {
        match code.into() {
            ErrorCode::NONE => Ok(()),
            code => Err(Error::broker(doing, code)),
        }
    }

    /// Bytes that are not what the protocol allows. `detail` says what and where.
    pub fn malformed(
        doing: &'static str,
        detail: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error::new(ErrorKind::Malformed, doing).with_source(detail)
    }

    /// Login was refused.
    pub fn auth(doing: &'static str, detail: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Auth, doing).with_source(detail)
    }

    /// No answer in time.
    pub fn timeout(doing: &'static str) -> Self {
        Error::new(ErrorKind::Timeout, doing)
    }

    /// The other side cannot do what is needed.
    pub fn unsupported(
        doing: &'static str,
        detail: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error::new(ErrorKind::Unsupported, doing).with_source(detail)
    }

    /// The configuration cannot work.
    pub fn config(doing: &'static str, detail: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Config, doing).with_source(detail)
    }

    /// A limit was exceeded. `limit` names the setting that holds the limit.
    pub fn too_large(doing: &'static str, size: usize, max: usize, limit: &'static str) -> Self {
        Error::new(ErrorKind::TooLarge, doing).with_source(LimitExceeded { size, max, limit })
    }

    /// The client was closed.
    pub fn closed(doing: &'static str) -> Self {
        Error::new(ErrorKind::Closed, doing)
    }

    /// A bug of ours or misuse of the API.
    pub fn internal(
        doing: &'static str,
        detail: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error::new(ErrorKind::Internal, doing).with_source(detail)
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done, as a verb phrase.
    pub fn doing(&self) -> &'static str {
        self.doing
    }

    /// The broker's error code, where that is the cause.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.kind {
            ErrorKind::Broker(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the same operation may succeed when tried again (after reconnecting or a metadata refresh).
    pub fn is_retriable(&self) -> bool {
        match self.kind {
            ErrorKind::Disconnected | ErrorKind::Timeout => true,
            ErrorKind::Broker(code) => code.is_retriable(),
            _ => false,
        }
    }

    /// Whether metadata may be stale: the broker said so, or could not be reached.
    pub fn needs_metadata_refresh(&self) -> bool {
        match self.kind {
            ErrorKind::Disconnected | ErrorKind::Timeout => true,
            ErrorKind::Broker(code) => code.needs_metadata_refresh(),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    /// One line with the whole chain: `{doing}: {kind}: {source}: ...`, to be read after "failed to".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)?;
        match self.kind {
            ErrorKind::Disconnected => f.write_str(": disconnected")?,
            ErrorKind::Broker(code) => write!(f, ": {code}")?,
            ErrorKind::Malformed => f.write_str(": malformed bytes")?,
            ErrorKind::Auth => f.write_str(": not authorised")?,
            ErrorKind::Timeout => f.write_str(": timed out")?,
            ErrorKind::Unsupported => f.write_str(": not supported")?,
            ErrorKind::Config => f.write_str(": bad configuration")?,
            ErrorKind::TooLarge => f.write_str(": too large")?,
            ErrorKind::Closed => f.write_str(": closed")?,
            ErrorKind::Aborted => f.write_str(": the transaction was aborted")?,
            ErrorKind::Internal => f.write_str(": internal error")?,
        }
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    /// The cause's own cause: `Display` has already printed the direct one.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().and_then(|source| source.source())
    }
}

/// The detail of [`ErrorKind::TooLarge`].
#[derive(Debug)]
struct LimitExceeded {
    size: usize,
    max: usize,
    limit: &'static str,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is above {} = {}", self.size, self.limit, self.max)
    }
}

impl std::error::Error for LimitExceeded {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_what_may_succeed_later() {
        assert!(Error::timeout("fetch").is_retriable());
        assert!(Error::broker("fetch", ErrorCode::NOT_LEADER_OR_FOLLOWER).is_retriable());
        assert!(!Error::broker("fetch", ErrorCode::INVALID_TOPIC_EXCEPTION).is_retriable());
        assert!(!Error::malformed("decode fetch response", "record count is negative").is_retriable());
    }

    #[test]
    fn prints_what_where_and_why_in_one_line() {
        let error = Error::too_large("read frame", 200, 100, "frame_bytes_max");
        assert_eq!(error.to_string(), "read frame: too large: 200 is above frame_bytes_max = 100");
        let error = Error::broker("produce", 6);
        assert!(
            error.to_string().starts_with("produce: NOT_LEADER_OR_FOLLOWER (6): For requests"),
            "{error}"
        );
        assert!(Error::check("produce", 0).is_ok());
        assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    }
}
