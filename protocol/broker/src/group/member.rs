//! A member of a group, and the values that go into and come out of the state machine.

use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::StrBytes;
use tokio::time::Instant;

/// Names a held-back request, so that the state machine can answer it without knowing how.
pub(crate) type WaiterId = u64;

/// Answers to held-back requests, in the order in which they fell.
pub(crate) type Replies = Vec<(WaiterId, Outcome)>;

/// What a held-back request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Join(Result<Joined, JoinFailure>),
    Sync(Result<Synced, ErrorCode>),
}

/// A granted `JoinGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) leader: StrBytes,
    pub(crate) member_id: StrBytes,
    /// All members, for the leader only.
    pub(crate) members: Vec<JoinedMember>,
    /// The leader came back under its instance id and shall not assign anew (KIP-814).
    pub(crate) skip_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: StrBytes,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) metadata: Bytes,
}

/// A refused `JoinGroup`; with `MEMBER_ID_REQUIRED` it carries the id to come back with (KIP-394).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinFailure {
    pub(crate) code: ErrorCode,
    pub(crate) member_id: StrBytes,
}

/// A granted `SyncGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) assignment: Bytes,
}

/// A `JoinGroup` request as the state machine sees it. Its strings and bytes do not pin the request's frame.
#[derive(Debug, Clone)]
pub(crate) struct JoinEvent {
    /// Empty for a member that comes for the first time.
    pub(crate) member_id: StrBytes,
    /// The id to give it then.
    pub(crate) fresh_member_id: StrBytes,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: StrBytes,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// From version 4 on a new member has to come back with the id that it is given.
    pub(crate) requires_known_member_id: bool,
    /// From version 9 on a returning static leader can be told to keep the assignment.
    pub(crate) supports_skipping_assignment: bool,
}

/// A member of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: StrBytes,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: StrBytes,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) awaiting_join: Option<WaiterId>,
    pub(super) awaiting_sync: Option<WaiterId>,
    /// It has not sent its `SyncGroup` of this generation yet.
    pub(super) owes_sync: bool,
    /// When it counts as gone; `None` while one of its requests is held back, because then it cannot heartbeat.
    pub(super) expires_at: Option<Instant>,
}

impl Member {
    pub(super) fn new(id: StrBytes, event: &JoinEvent) -> Self {
        Self {
            id,
            instance_id: event.instance_id.clone(),
            client_id: event.client_id.clone(),
            client_host: event.client_host.clone(),
            protocols: event.protocols.clone(),
            assignment: Bytes::new(),
            session_timeout: event.session_timeout,
            rebalance_timeout: event.rebalance_timeout,
            awaiting_join: None,
            awaiting_sync: None,
            owes_sync: false,
            expires_at: None,
        }
    }

    pub(super) fn update(&mut self, event: &JoinEvent) {
        self.client_id = event.client_id.clone();
        self.client_host = event.client_host.clone();
        self.protocols.clone_from(&event.protocols);
        self.session_timeout = event.session_timeout;
        self.rebalance_timeout = event.rebalance_timeout;
    }

    /// The session starts anew, unless a request is held back.
    pub(super) fn touch(&mut self, now: Instant) {
        if self.awaiting_join.is_none() && self.awaiting_sync.is_none() {
            self.expires_at = Some(now + self.session_timeout);
        }
    }

    pub(super) fn supports(&self, protocol: &StrBytes) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What it said about itself for `protocol`.
    pub(crate) fn metadata(&self, protocol: &StrBytes) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, bytes)| bytes.clone())
            .unwrap_or_default()
    }
}
