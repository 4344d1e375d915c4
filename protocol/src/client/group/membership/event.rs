//! What goes into the membership core and what comes out of it.

use bytes::Bytes;

use crate::{Error, ErrorCode};

/// Names one request, so that the reply to an abandoned one is recognised.
pub type Token = u64;

/// One protocol that this member can follow, with what it tells the leader under that protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolMetadata {
    /// The name that the coordinator matches across members, for example `range`.
    pub name: String,
    /// Opaque to the coordinator and to the core.
    pub metadata: Bytes,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Given by the coordinator.
    pub member_id: String,
    /// The member's `group.instance.id` where it is static.
    pub group_instance_id: Option<String>,
    /// What the member sent for the chosen protocol.
    pub metadata: Bytes,
}

/// What a leader computes an assignment from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentRound {
    /// The chosen protocol.
    pub protocol: String,
    /// Who the leader is in this round.
    pub leader: MemberIdentity,
    /// Everybody, the leader included, in the coordinator's order.
    pub members: Vec<GroupMember>,
}

/// Who we are in the group: what commits and heartbeats carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberIdentity {
    /// Empty outside of a group.
    pub member_id: String,
    /// -1 outside of a group.
    pub generation_id: i32,
}

/// A successful answer to `JoinGroup`.
#[derive(Debug, Clone)]
pub struct JoinReply {
    /// The new generation.
    pub generation_id: i32,
    /// Our id.
    pub member_id: String,
    /// Whether we are to compute the assignment.
    pub is_leader: bool,
    /// Leader only: the assignment of the last generation stays (KIP-814).
    pub skip_assignment: bool,
    /// The chosen protocol.
    pub protocol: String,
    /// Leader only: everybody.
    pub members: Vec<GroupMember>,
}

/// How a join that reached the coordinator went.
#[derive(Debug, Clone)]
pub enum JoinOutcome {
    /// In.
    Joined(JoinReply),
    /// KIP-394: join again under this id.
    MemberIdRequired(String),
}

/// What happened, in the words of the core.
#[derive(Debug, Clone)]
pub enum Event {
    /// The user wants to be a member with these protocols, in order of preference; what it held before is given up.
    Join(Vec<ProtocolMetadata>),
    /// Something that the assignment depends on has changed: start a rebalance.
    RequestRejoin(&'static str),
    /// The user was alive at this time; the end of a poll that still runs is `u64::MAX`.
    Polled {
        /// On the same clock as `now_ms`.
        at_ms: u64,
    },
    /// Time has passed: see [`Membership::deadline_ms`](super::Membership::deadline_ms).
    Tick,
    /// There is a connection to the coordinator that an [`Action::Join`] is for.
    Reached(Token),
    /// The answer to [`Action::Join`].
    JoinReplied(Token, Result<JoinOutcome, Error>),
    /// The answer to [`Action::Assign`]: member id and bytes for everybody.
    Computed(Token, Result<Vec<(String, Bytes)>, Error>),
    /// The answer to [`Action::Sync`]: our assignment.
    SyncReplied(Token, Result<Bytes, Error>),
    /// The answer to [`Action::Heartbeat`].
    HeartbeatReplied(Token, Result<(), Error>),
    /// An offset commit under this generation was refused with this code.
    CommitRefused {
        /// What the commit carried.
        generation_id: i32,
        /// What the coordinator said.
        code: ErrorCode,
    },
    /// The user wants out for now (Java's `maybeLeaveGroup`): nothing is reported, and [`Event::Join`] brings the member back.
    StepOut(&'static str),
    /// The user wants out, for good.
    Leave,
    /// The answer to [`Action::Leave`], or that there will be none.
    LeaveReplied(Token),
}

/// What the shell has to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Send `JoinGroup`.
    Join {
        /// To be repeated in the reply.
        token: Token,
        /// Empty for a new member.
        member_id: String,
        /// In order of preference.
        protocols: Vec<ProtocolMetadata>,
        /// For the coordinator's log (KIP-800).
        reason: &'static str,
    },
    /// Compute the assignment as leader.
    Assign {
        /// To be repeated in the answer.
        token: Token,
        /// What to compute it from.
        round: AssignmentRound,
    },
    /// Send `SyncGroup`.
    Sync {
        /// To be repeated in the reply.
        token: Token,
        /// Who we are.
        identity: MemberIdentity,
        /// The chosen protocol.
        protocol: String,
        /// Empty for followers.
        assignments: Vec<(String, Bytes)>,
    },
    /// Send `Heartbeat`.
    Heartbeat {
        /// To be repeated in the reply.
        token: Token,
        /// Who we are.
        identity: MemberIdentity,
    },
    /// Send `LeaveGroup`.
    Leave {
        /// To be repeated in the reply.
        token: Token,
        /// Who we are.
        member_id: String,
        /// For the coordinator's log (KIP-800).
        reason: &'static str,
    },
    /// Tell the user.
    Report(GroupEvent),
}

/// Why an assignment is gone without having been given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReason {
    /// The coordinator no longer knows us, or our generation, or another member took our instance id.
    Fenced(ErrorCode),
    /// No heartbeat was answered for the session timeout.
    SessionExpired,
    /// The user did not poll for `max.poll.interval.ms`, so we left.
    PollTimeout,
}

/// What the user is told.
#[derive(Debug, Clone)]
pub enum GroupEvent {
    /// A rebalance has begun: give up what has to be given up (commits still count), then send [`Event::Join`].
    RebalanceNeeded {
        /// For the log.
        reason: &'static str,
    },
    /// The member has this assignment from now on.
    Assigned {
        /// What commits and heartbeats carry.
        identity: MemberIdentity,
        /// Whether we computed it.
        is_leader: bool,
        /// The chosen protocol.
        protocol: String,
        /// Opaque to the core.
        assignment: Bytes,
    },
    /// The assignment belongs to others by now: drop it, commit nothing, then send [`Event::Join`] to be a member again.
    Lost {
        /// Why.
        reason: LostReason,
        /// When the coordinator was last known to count on this member, on the core's clock.
        alive_at_ms: u64,
    },
    /// Membership cannot work before the operator acts; [`Event::Join`] tries again.
    Failed(Error),
    /// We have left, as asked for.
    Left,
}
