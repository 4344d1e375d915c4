//! Why a request, or a part of it, is not granted: Kafka's error code and, where the answer has room for it, a sentence.

use std::borrow::Cow;

use protocol::ErrorCode;
use protocol::wire::messages::StrBytes;

/// A refusal on its way into a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    message: Option<Cow<'static, str>>,
}

impl Refusal {
    /// A refusal that says more than its code does.
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// What goes into `error_message` fields: our sentence, or Kafka's own for the code.
    pub(crate) fn text(&self) -> StrBytes {
        match &self.message {
            Some(Cow::Borrowed(text)) => StrBytes::from_static_str(text),
            Some(Cow::Owned(text)) => StrBytes::from_string(text.clone()),
            None => StrBytes::from_static_str(self.code.message()),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

/// The code of a result: `NONE` when it went well.
pub(crate) fn code_of<T>(result: &Result<T, Refusal>) -> i16 {
    result.as_ref().err().map_or(ErrorCode::NONE, |refusal| refusal.code).0
}
