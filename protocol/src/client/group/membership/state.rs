//! The state machine itself.

use bytes::Bytes;

use super::event::{
    Action, AssignmentRound, Event, GroupEvent, JoinOutcome, JoinReply, LostReason, MemberIdentity,
    ProtocolMetadata, Token,
};
use crate::{Error, ErrorCode, ErrorKind};

/// The time limits of a member. All on one monotonic clock, in milliseconds.
#[derive(Debug, Clone)]
pub struct MembershipConfig {
    /// `session.timeout.ms`: without an answered heartbeat for this long the assignment counts as lost.
    pub session_timeout_ms: u64,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// `max.poll.interval.ms`: a user that is silent for longer is taken out of the group; `None` where nobody polls.
    pub poll_interval_ms_max: Option<u64>,
    /// `retry.backoff.ms`.
    pub retry_backoff_ms: u64,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_ms_max: u64,
    /// Whether there is a `group.instance.id`: a static member does not say good-bye (KIP-345).
    pub is_static: bool,
    /// Whether a join gives nothing up (KIP-429): what was held is kept until the next assignment, or until the membership is lost.
    pub is_cooperative: bool,
    /// Spreads the backoffs of members that failed together.
    pub seed: u64,
    /// What the wall clock said when the member's own was at zero: heartbeats of all members on a machine are sent together.
    pub unix_ms_at_zero: u64,
}

/// Heartbeats are sent at multiples of the interval over this, by the wall clock: a process with hundreds of members wakes for many of them
/// at once. They come sooner by that much, never later.
const HEARTBEAT_STEPS: u64 = 12;

/// How soon after an assignment a cooperative member first asks whether the next rebalance has begun; then twice as long each time, up to the
/// heartbeat interval. What an assignment took from one member is given to another in a second round right after it, and whoever lost
/// nothing hears of that round with its next heartbeat only: tasks and partitions would have no owner for all that time.
const FOLLOW_UP_MS: u64 = 50;

#[derive(Debug)]
enum Phase {
    Outside,
    /// `token` is `None` while a backoff runs until `retry_at_ms`.
    Joining {
        token: Option<Token>,
        retry_at_ms: u64,
    },
    Assigning {
        token: Token,
        protocol: String,
    },
    Syncing {
        token: Token,
        sent_at_ms: u64,
        protocol: String,
    },
    Stable,
    Preparing,
    Leaving {
        token: Token,
    },
    Left,
}

/// One member of one group.
#[derive(Debug)]
pub struct Membership {
    config: MembershipConfig,
    phase: Phase,
    protocols: Vec<ProtocolMetadata>,
    identity: MemberIdentity,
    is_leader: bool,
    /// The user kept what it held when it joined.
    is_retaining: bool,
    /// When the first of the attempts to join failed that have failed in a row.
    unreached_since_ms: Option<u64>,
    /// Since when a coordinator to join at is sought; none once there is a connection to one.
    seeks_since_ms: Option<u64>,
    /// A reason to rebalance that came while a rebalance was under way.
    rejoin_wanted: Option<&'static str>,
    join_reason: &'static str,
    failure_count: u32,
    next_token: Token,
    /// Token and time of the heartbeat that waits for its answer.
    heartbeat: Option<(Token, u64)>,
    heartbeat_at_ms: u64,
    /// From one heartbeat to the next.
    heartbeat_pause_ms: u64,
    /// When the last request that the coordinator is known to have seen was sent: its session timer started no earlier.
    alive_at_ms: u64,
    polled_at_ms: u64,
}

impl Membership {
    /// A member that has not asked to join.
    pub fn new(config: MembershipConfig, now_ms: u64) -> Self {
        Self {
            heartbeat_pause_ms: config.heartbeat_interval_ms,
            config,
            phase: Phase::Outside,
            protocols: Vec::new(),
            identity: outsider(),
            is_leader: false,
            is_retaining: false,
            unreached_since_ms: None,
            seeks_since_ms: None,
            rejoin_wanted: None,
            join_reason: "",
            failure_count: 0,
            next_token: 0,
            heartbeat: None,
            heartbeat_at_ms: now_ms,
            alive_at_ms: now_ms,
            polled_at_ms: now_ms,
        }
    }

    /// Takes in one event and says what to do about it, in order.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Join(protocols) => self.on_join_wanted(protocols, now_ms, &mut actions),
            Event::RequestRejoin(reason) => self.on_rejoin_requested(reason, &mut actions),
            // Not the larger of both: the end of a poll replaces the `u64::MAX` of its beginning.
            Event::Polled { at_ms } => self.polled_at_ms = at_ms,
            Event::Tick => {}
            Event::Reached(token) => {
                if matches!(self.phase, Phase::Joining { token: Some(current), .. } if current == token) {
                    self.seeks_since_ms = None;
                }
            }
            Event::JoinReplied(token, result) => self.on_join_reply(token, result, now_ms, &mut actions),
            Event::Computed(token, result) => self.on_computed(token, result, now_ms, &mut actions),
            Event::SyncReplied(token, result) => self.on_sync_reply(token, result, now_ms, &mut actions),
            Event::HeartbeatReplied(token, result) => {
                self.on_heartbeat_reply(token, result, now_ms, &mut actions)
            }
            Event::CommitRefused { generation_id, code } => {
                if generation_id == self.identity.generation_id && self.is_heartbeating() {
                    self.on_refused(code, now_ms, &mut actions);
                }
            }
            Event::StepOut(reason) => self.on_step_out(reason, &mut actions),
            Event::Leave => self.on_leave(&mut actions),
            Event::LeaveReplied(token) => {
                if matches!(self.phase, Phase::Leaving { token: current } if current == token) {
                    self.left(&mut actions);
                }
            }
        }
        self.on_time(now_ms, &mut actions);
        actions
    }

    /// When the next [`Event::Tick`] is due; `None` if nothing waits for time.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Joining { token, retry_at_ms } => {
                let retry_at_ms = token.is_none().then_some(*retry_at_ms);
                retry_at_ms.into_iter().chain(self.given_up_at_ms()).min()
            }
            _ if self.is_heartbeating() => {
                let mut deadline = self.alive_at_ms.saturating_add(self.config.session_timeout_ms);
                if self.heartbeat.is_none() {
                    deadline = deadline.min(self.heartbeat_at_ms);
                }
                if let Some(interval) = self.config.poll_interval_ms_max {
                    deadline = deadline.min(self.polled_at_ms.saturating_add(interval));
                }
                Some(deadline)
            }
            _ => None,
        }
    }

    /// What an offset commit has to carry now.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` between giving up the old assignment and getting the new one, `UNKNOWN_MEMBER_ID` outside the group.
    pub fn commit_identity(&self) -> Result<&MemberIdentity, ErrorCode> {
        match self.phase {
            Phase::Stable | Phase::Preparing => Ok(&self.identity),
            Phase::Joining { .. } | Phase::Assigning { .. } | Phase::Syncing { .. } => {
                Err(ErrorCode::REBALANCE_IN_PROGRESS)
            }
            Phase::Outside | Phase::Leaving { .. } | Phase::Left => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
    }

    /// Whether the member has its assignment and no rebalance is under way.
    pub fn is_stable(&self) -> bool {
        matches!(self.phase, Phase::Stable)
    }

    /// Whether this member computed the assignment that it holds.
    pub fn is_leading(&self) -> bool {
        self.is_leader && matches!(self.phase, Phase::Stable | Phase::Preparing)
    }

    /// Whether the member has left for good.
    pub fn has_left(&self) -> bool {
        matches!(self.phase, Phase::Left)
    }

    fn is_heartbeating(&self) -> bool {
        matches!(
            self.phase,
            Phase::Assigning { .. } | Phase::Syncing { .. } | Phase::Stable | Phase::Preparing
        )
    }

    /// Whether the user has partitions that it would have to give up if the membership were lost now.
    fn holds_assignment(&self) -> bool {
        matches!(self.phase, Phase::Stable | Phase::Preparing) || self.is_retaining
    }

    fn on_join_wanted(&mut self, protocols: Vec<ProtocolMetadata>, now_ms: u64, actions: &mut Vec<Action>) {
        self.protocols = protocols;
        // Who joins is alive, whatever the poll clock said before.
        self.polled_at_ms = self.polled_at_ms.max(now_ms);
        match self.phase {
            Phase::Outside | Phase::Stable | Phase::Preparing => {
                if self.join_reason.is_empty() {
                    self.join_reason = "the member wants to join";
                }
                self.failure_count = 0;
                self.unreached_since_ms = None;
                self.seeks_since_ms = None;
                self.is_retaining = self.config.is_cooperative && self.holds_assignment();
                self.send_join(now_ms, actions);
            }
            // The join that waits for its backoff takes the new protocols along.
            Phase::Joining { token: None, .. } | Phase::Leaving { .. } | Phase::Left => {}
            Phase::Joining { .. } | Phase::Assigning { .. } | Phase::Syncing { .. } => {
                self.rejoin_wanted = Some("the member's metadata changed");
            }
        }
    }

    fn on_rejoin_requested(&mut self, reason: &'static str, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Stable => self.prepare(reason, actions),
            Phase::Joining { token: Some(_), .. } | Phase::Assigning { .. } | Phase::Syncing { .. } => {
                self.rejoin_wanted = Some(reason);
            }
            _ => {}
        }
    }

    fn on_join_reply(
        &mut self,
        token: Token,
        result: Result<JoinOutcome, Error>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        if !matches!(self.phase, Phase::Joining { token: Some(current), .. } if current == token) {
            return;
        }
        match result {
            Ok(JoinOutcome::MemberIdRequired(member_id)) => {
                self.identity.member_id = member_id;
                self.rejoin(Pace::AtOnceFirst, "the coordinator gave us a member id", now_ms, actions);
            }
            Ok(JoinOutcome::Joined(reply)) => self.on_joined(reply, now_ms, actions),
            Err(error) => self.on_rejoinable(error, now_ms, actions),
        }
    }

    fn on_joined(&mut self, reply: JoinReply, now_ms: u64, actions: &mut Vec<Action>) {
        self.identity = MemberIdentity { member_id: reply.member_id, generation_id: reply.generation_id };
        self.is_leader = reply.is_leader;
        self.alive_at_ms = now_ms;
        self.unreached_since_ms = None;
        self.heartbeat = None;
        self.heartbeat_pause_ms = self.config.heartbeat_interval_ms;
        self.heartbeat_at_ms = now_ms + self.heartbeat_pause_ms;
        if reply.is_leader && !reply.skip_assignment {
            let token = self.token();
            self.phase = Phase::Assigning { token, protocol: reply.protocol.clone() };
            let round = AssignmentRound {
                protocol: reply.protocol,
                leader: self.identity.clone(),
                members: reply.members,
            };
            actions.push(Action::Assign { token, round });
        } else {
            self.send_sync(reply.protocol, Vec::new(), now_ms, actions);
        }
    }

    fn on_computed(
        &mut self,
        token: Token,
        result: Result<Vec<(String, Bytes)>, Error>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Assigning { token: current, protocol } = &mut self.phase else { return };
        if *current != token {
            return;
        }
        match result {
            Ok(assignments) => {
                let protocol = std::mem::take(protocol);
                self.send_sync(protocol, assignments, now_ms, actions);
            }
            Err(error) => self.on_rejoinable(error, now_ms, actions),
        }
    }

    fn on_sync_reply(
        &mut self,
        token: Token,
        result: Result<Bytes, Error>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Syncing { token: current, sent_at_ms, protocol } = &mut self.phase else { return };
        if *current != token {
            return;
        }
        match result {
            Ok(assignment) => {
                let protocol = std::mem::take(protocol);
                self.alive_at_ms = self.alive_at_ms.max(*sent_at_ms);
                if self.config.is_cooperative {
                    self.heartbeat_pause_ms = FOLLOW_UP_MS.min(self.config.heartbeat_interval_ms);
                    self.heartbeat_at_ms = self.heartbeat_at_ms.min(now_ms + self.heartbeat_pause_ms);
                }
                self.phase = Phase::Stable;
                self.is_retaining = false;
                self.failure_count = 0;
                self.join_reason = "";
                actions.push(Action::Report(GroupEvent::Assigned {
                    identity: self.identity.clone(),
                    is_leader: self.is_leader,
                    protocol,
                    assignment,
                }));
                if let Some(reason) = self.rejoin_wanted.take() {
                    self.prepare(reason, actions);
                }
            }
            Err(error) => self.on_rejoinable(error, now_ms, actions),
        }
    }

    /// A failure between `Join` and `Assigned`: nothing is held, or it still is the member's, so the core may join again by itself.
    fn on_rejoinable(&mut self, error: Error, now_ms: u64, actions: &mut Vec<Action>) {
        match error.code() {
            Some(code @ (ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION))
                if self.is_retaining =>
            {
                // The group went on without us: what was kept may be with others already.
                self.lose(LostReason::Fenced(code), actions);
                if code == ErrorCode::UNKNOWN_MEMBER_ID {
                    self.identity = outsider();
                }
                self.identity.generation_id = -1;
                self.join_reason = "the coordinator refused the member's generation";
            }
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => {
                self.identity = outsider();
                self.rejoin(Pace::AtOnceFirst, "the coordinator forgot the member", now_ms, actions);
            }
            Some(ErrorCode::ILLEGAL_GENERATION | ErrorCode::REBALANCE_IN_PROGRESS) => {
                self.identity.generation_id = -1;
                self.rejoin(Pace::AtOnceFirst, "the generation was outdated", now_ms, actions);
            }
            Some(code) if !code.is_retriable() => self.fail(error, actions),
            Some(_) => self.on_unreached(&error, "the coordinator was not ready", now_ms, actions),
            None if matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout) => {
                self.on_unreached(&error, "the coordinator was not reachable", now_ms, actions);
            }
            None => self.fail(error, actions),
        }
    }

    /// A coordinator that holds a join back keeps the member meanwhile. One that cannot be asked may have dropped it long ago, and its work may
    /// be with others: what was kept is given up once the session is over. A connection that broke is made again first, for as long as
    /// Java looks for a coordinator before it revokes (KAFKA-9184); one that was silent has been waited for.
    fn on_unreached(&mut self, error: &Error, reason: &'static str, now_ms: u64, actions: &mut Vec<Action>) {
        let since_ms = *self.unreached_since_ms.get_or_insert(now_ms);
        let was_silent = error.kind() == ErrorKind::Timeout;
        if self.is_retaining
            && now_ms >= self.alive_at_ms.saturating_add(self.config.session_timeout_ms)
            && (was_silent || now_ms >= since_ms.saturating_add(self.config.heartbeat_interval_ms))
        {
            self.lose_session(actions);
        } else {
            self.rejoin(Pace::Backoff, reason, now_ms, actions);
        }
    }

    /// When a joining member gives up what it keeps although its attempt has not ended: a session after the time for which Java looks for a
    /// coordinator. To look for one, and to connect to it, may last far longer. Once it is reached, the join is its to hold back.
    fn given_up_at_ms(&self) -> Option<u64> {
        if !self.is_retaining || !matches!(self.phase, Phase::Joining { .. }) {
            return None;
        }
        let sought_ms = self.seeks_since_ms?.saturating_add(self.config.heartbeat_interval_ms);
        Some(sought_ms.max(self.alive_at_ms).saturating_add(self.config.session_timeout_ms))
    }

    fn lose_session(&mut self, actions: &mut Vec<Action>) {
        self.lose(LostReason::SessionExpired, actions);
        // The member id is kept: if the coordinator still knows it, no phantom member delays the next rebalance.
        self.identity.generation_id = -1;
        self.join_reason = "the session expired";
    }

    fn on_heartbeat_reply(
        &mut self,
        token: Token,
        result: Result<(), Error>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        let Some((current, sent_at_ms)) = self.heartbeat else { return };
        if current != token || !self.is_heartbeating() {
            return;
        }
        self.heartbeat = None;
        match result {
            Ok(()) => self.alive_at_ms = self.alive_at_ms.max(sent_at_ms),
            Err(error) => match error.code() {
                Some(ErrorCode::REBALANCE_IN_PROGRESS) => {
                    // The coordinator knows us: an answer as good as any for the session.
                    self.alive_at_ms = self.alive_at_ms.max(sent_at_ms);
                    if matches!(self.phase, Phase::Stable) {
                        self.prepare("the group is rebalancing", actions);
                    }
                }
                Some(code) if is_fencing(code) => self.on_refused(code, now_ms, actions),
                Some(code) if !code.is_retriable() => {
                    let reason = LostReason::Fenced(code);
                    self.lose(reason, actions);
                    self.fail(error, actions);
                }
                // Unreachable or not ready: try again soon; the session timeout decides how often.
                _ => self.heartbeat_at_ms = now_ms + self.config.retry_backoff_ms.max(1),
            },
        }
    }

    /// The coordinator refused our identity.
    fn on_refused(&mut self, code: ErrorCode, now_ms: u64, actions: &mut Vec<Action>) {
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => {
                if matches!(self.phase, Phase::Stable) {
                    self.prepare("the group is rebalancing", actions);
                }
            }
            ErrorCode::FENCED_INSTANCE_ID => {
                self.lose(LostReason::Fenced(code), actions);
                self.identity = outsider();
                self.fail(Error::broker("stay in the group", code), actions);
            }
            code if is_fencing(code) => {
                let held = self.holds_assignment();
                self.lose(LostReason::Fenced(code), actions);
                if code == ErrorCode::UNKNOWN_MEMBER_ID {
                    self.identity = outsider();
                }
                self.identity.generation_id = -1;
                self.join_reason = "the coordinator refused the member's generation";
                if !held {
                    self.send_join(now_ms, actions);
                }
            }
            _ => {}
        }
    }

    fn on_leave(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Leaving { .. } | Phase::Left) {
            return;
        }
        match self.send_leave("the member is closing", actions) {
            Some(token) => self.phase = Phase::Leaving { token },
            None => self.left(actions),
        }
    }

    /// The member id is given back, so that nobody waits for this member's session to end.
    fn on_step_out(&mut self, reason: &'static str, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Leaving { .. } | Phase::Left) {
            return;
        }
        self.send_leave(reason, actions);
        self.phase = Phase::Outside;
        self.is_retaining = false;
        self.identity = outsider();
        self.heartbeat = None;
        self.rejoin_wanted = None;
        self.join_reason = "the member comes back";
    }

    fn left(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::Left;
        self.is_retaining = false;
        self.identity = outsider();
        self.heartbeat = None;
        actions.push(Action::Report(GroupEvent::Left));
    }

    /// Everything that is due by the clock.
    fn on_time(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if let Phase::Joining { token: None, retry_at_ms } = self.phase
            && now_ms >= retry_at_ms
        {
            self.send_join(now_ms, actions);
        }
        if self.given_up_at_ms().is_some_and(|at_ms| now_ms >= at_ms) {
            self.lose_session(actions);
        }
        if !self.is_heartbeating() {
            return;
        }
        if now_ms >= self.alive_at_ms.saturating_add(self.config.session_timeout_ms) {
            let held = self.holds_assignment();
            self.lose_session(actions);
            if !held {
                self.rejoin(Pace::Backoff, "the session expired", now_ms, actions);
            }
            return;
        }
        if let Some(interval) = self.config.poll_interval_ms_max
            && now_ms >= self.polled_at_ms.saturating_add(interval)
        {
            // Java's `maybeLeaveGroup("consumer poll timeout has expired.")`: others can do the work meanwhile.
            self.send_leave("the poll interval was exceeded", actions);
            self.lose(LostReason::PollTimeout, actions);
            self.identity = outsider();
            self.join_reason = "the member polls again";
            if !matches!(self.phase, Phase::Outside) {
                // Nothing was held yet, so the user is told nothing but that it has to come back.
                self.phase = Phase::Outside;
                actions.push(Action::Report(self.lost(LostReason::PollTimeout)));
            }
            return;
        }
        if self.heartbeat.is_none() && now_ms >= self.heartbeat_at_ms {
            let token = self.token();
            self.heartbeat = Some((token, now_ms));
            self.heartbeat_at_ms = self.together(now_ms + self.heartbeat_pause_ms);
            self.heartbeat_pause_ms = (self.heartbeat_pause_ms * 2).min(self.config.heartbeat_interval_ms);
            actions.push(Action::Heartbeat { token, identity: self.identity.clone() });
        }
    }

    /// When other members send their heartbeats, too: at this time or a little before. The first ones after an assignment are too close to
    /// each other for that.
    fn together(&self, due_ms: u64) -> u64 {
        let interval_ms = self.config.heartbeat_interval_ms;
        let step_ms = (interval_ms / HEARTBEAT_STEPS).max(1);
        let early_ms = (self.config.unix_ms_at_zero + due_ms) % step_ms;
        if self.heartbeat_pause_ms < interval_ms { due_ms } else { due_ms - early_ms }
    }

    /// What was held belongs to others by now. Without anything held this does nothing.
    fn lose(&mut self, reason: LostReason, actions: &mut Vec<Action>) {
        self.heartbeat = None;
        if self.holds_assignment() {
            self.phase = Phase::Outside;
            self.is_retaining = false;
            self.rejoin_wanted = None;
            actions.push(Action::Report(self.lost(reason)));
        }
    }

    fn lost(&self, reason: LostReason) -> GroupEvent {
        GroupEvent::Lost { reason, alive_at_ms: self.alive_at_ms }
    }

    fn fail(&mut self, error: Error, actions: &mut Vec<Action>) {
        self.phase = Phase::Outside;
        self.is_retaining = false;
        self.heartbeat = None;
        self.rejoin_wanted = None;
        self.identity.generation_id = -1;
        actions.push(Action::Report(GroupEvent::Failed(error)));
    }

    fn prepare(&mut self, reason: &'static str, actions: &mut Vec<Action>) {
        self.phase = Phase::Preparing;
        self.join_reason = reason;
        actions.push(Action::Report(GroupEvent::RebalanceNeeded { reason }));
    }

    fn rejoin(&mut self, pace: Pace, reason: &'static str, now_ms: u64, actions: &mut Vec<Action>) {
        self.failure_count = self.failure_count.saturating_add(1);
        self.join_reason = reason;
        self.heartbeat = None;
        if matches!(pace, Pace::AtOnceFirst) && self.failure_count == 1 {
            self.send_join(now_ms, actions);
        } else {
            self.phase = Phase::Joining { token: None, retry_at_ms: now_ms + self.backoff_ms() };
        }
    }

    fn send_join(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.seeks_since_ms.get_or_insert(now_ms);
        let token = self.token();
        self.phase = Phase::Joining { token: Some(token), retry_at_ms: 0 };
        self.heartbeat = None;
        self.rejoin_wanted = None;
        actions.push(Action::Join {
            token,
            member_id: self.identity.member_id.clone(),
            protocols: self.protocols.clone(),
            reason: self.join_reason,
        });
    }

    fn send_sync(
        &mut self,
        protocol: String,
        assignments: Vec<(String, Bytes)>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        let token = self.token();
        self.phase = Phase::Syncing { token, sent_at_ms: now_ms, protocol: protocol.clone() };
        actions.push(Action::Sync { token, identity: self.identity.clone(), protocol, assignments });
    }

    fn send_leave(&mut self, reason: &'static str, actions: &mut Vec<Action>) -> Option<Token> {
        if self.config.is_static || self.identity.member_id.is_empty() {
            return None;
        }
        let token = self.token();
        actions.push(Action::Leave { token, member_id: self.identity.member_id.clone(), reason });
        Some(token)
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    fn backoff_ms(&mut self) -> u64 {
        let doublings = self.failure_count.saturating_sub(1).min(20);
        let base = self
            .config
            .retry_backoff_ms
            .saturating_mul(1 << doublings)
            .min(self.config.retry_backoff_ms_max)
            .max(1);
        // xorshift64: enough to keep members apart, and the same seed gives the same run.
        let mut x = self.config.seed | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.config.seed = x;
        base - base / 5 + x % (base * 2 / 5 + 1)
    }
}

#[derive(Clone, Copy)]
enum Pace {
    /// The first failure in a row costs no time, the next ones do, so that nothing can spin.
    AtOnceFirst,
    Backoff,
}

fn outsider() -> MemberIdentity {
    MemberIdentity { member_id: String::new(), generation_id: -1 }
}

fn is_fencing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION | ErrorCode::FENCED_INSTANCE_ID
    )
}
