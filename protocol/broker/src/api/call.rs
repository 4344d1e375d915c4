//! What every request file builds upon: the call that it answers and the trait that it implements.

use std::rc::Rc;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::{GroupId, Request, StrBytes, VersionRange};

use crate::server::Shared;

/// Operations that everybody may do on a topic, as the bit field of KIP-430: there are no ACLs.
pub(crate) const TOPIC_OPERATIONS: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// The same for a group: read, delete, describe.
pub(crate) const GROUP_OPERATIONS: i32 = bits(&[3, 6, 8]);
/// The same for the cluster.
pub(crate) const CLUSTER_OPERATIONS: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);
/// The bit field of a client that did not ask.
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// One API of the broker.
pub(crate) trait Api {
    /// The request, which names its API key and its response.
    type Request: Request;

    /// The versions that are answered.
    const VERSIONS: VersionRange;

    /// Answers a request; may take long.
    async fn handle(call: &Call, request: Self::Request) -> Answer<<Self::Request as Request>::Response>;

    /// The answer to a request that fails as a whole with `code`.
    fn refuse(version: i16, request: Self::Request, code: ErrorCode) -> <Self::Request as Request>::Response;
}

/// A request in the hands of its handler.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) shared: Rc<Shared>,
    /// The node whose connection it came over.
    pub(crate) node_id: i32,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<StrBytes>,
    /// Address of the client, as groups show it.
    pub(crate) peer: Rc<str>,
}

/// What goes back over the connection.
#[derive(Debug)]
pub(crate) enum Answer<R> {
    /// A message, still to be encoded.
    Message(R),
    /// A whole frame in pieces, so that stored records need no copy.
    Frame(Vec<Bytes>),
    /// Nothing: the client does not wait for an answer.
    Nothing,
}

impl<R> From<R> for Answer<R> {
    fn from(message: R) -> Self {
        Self::Message(message)
    }
}

impl Call {
    /// Whether this node coordinates the group or transactional id.
    pub(crate) fn check_coordinator(&self, key: &str) -> Result<(), ErrorCode> {
        let is_ours = self.shared.cluster.borrow().coordinator_of(key).id == self.node_id;
        if is_ours { Ok(()) } else { Err(ErrorCode::NOT_COORDINATOR) }
    }

    /// The same for requests that need a named group.
    pub(crate) fn check_group(&self, group: &GroupId) -> Result<(), ErrorCode> {
        if group.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        self.check_coordinator(group)
    }
}

/// `PRODUCER_FENCED` for clients that know it, else what stood for it before KIP-588.
pub(crate) fn fenced_code(code: ErrorCode, knows_it: bool) -> ErrorCode {
    if code == ErrorCode::PRODUCER_FENCED && !knows_it { ErrorCode::INVALID_PRODUCER_EPOCH } else { code }
}

const fn bits(operations: &[u32]) -> i32 {
    let mut bits = 0;
    let mut i = 0;
    while i < operations.len() {
        bits |= 1 << operations[i];
        i += 1;
    }
    bits
}

/// Both ends included.
pub(crate) const fn versions(min: i16, max: i16) -> VersionRange {
    VersionRange { min, max }
}
