//! Groups over the wire: joining, leading, dying, leaving, and being looked at.

use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::wire::messages::leave_group_request::MemberIdentity;
use protocol::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, StrBytes, SyncGroupRequest,
};
use tokio::time::Instant;

use crate::support::{Client, run, text};

const SESSION_MS: i32 = 6000;

/// A member with a connection of its own.
struct Member {
    client: Client,
    id: StrBytes,
    generation: i32,
}

impl Member {
    fn new(broker: &Broker) -> Self {
        Self { client: Client::new(broker), id: StrBytes::new(), generation: -1 }
    }

    fn join_request(&self) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("sessioned"))
            .with_metadata(Bytes::from_static(b"meta"));
        JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(60_000)
            .with_member_id(self.id.clone())
            .with_protocol_type(text("connect"))
            .with_protocols(vec![protocol])
    }

    /// Sends the join; a new member takes its id on the way.
    async fn start_join(&mut self) {
        if self.id.is_empty() {
            let response = self.client.call(9, self.join_request()).await;
            assert_eq!(response.error_code, ErrorCode::MEMBER_ID_REQUIRED.0);
            assert!(response.member_id.starts_with("test-"), "{}", response.member_id);
            self.id = response.member_id;
        }
        let request = self.join_request();
        self.client.send(9, &request).await;
    }

    async fn finish_join(&mut self) -> JoinGroupResponse {
        let response = self.client.receive::<JoinGroupRequest>(9).await.unwrap();
        assert_eq!(response.error_code, 0);
        self.generation = response.generation_id;
        response
    }

    async fn start_sync(&mut self, assignments: &[(&StrBytes, &'static str)]) {
        let assignments = assignments.iter().map(|(id, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id((*id).clone())
                .with_assignment(Bytes::from_static(assignment.as_bytes()))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_protocol_type(Some(text("connect")))
            .with_protocol_name(Some(text("sessioned")))
            .with_assignments(assignments.collect());
        self.client.send(5, &request).await;
    }

    async fn finish_sync(&mut self) -> Bytes {
        let response = self.client.receive::<SyncGroupRequest>(5).await.unwrap();
        assert_eq!((response.error_code, response.protocol_name.as_deref()), (0, Some("sessioned")));
        response.assignment
    }

    async fn heartbeat(&mut self) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone());
        self.client.call(4, request).await.error_code
    }
}

fn group() -> GroupId {
    GroupId(text("workers"))
}

/// Two members with their assignments; the first one leads.
async fn stable_pair(broker: &Broker) -> (Member, Member) {
    let (mut a, mut b) = (Member::new(broker), Member::new(broker));
    a.start_join().await;
    assert_eq!(a.finish_join().await.leader, a.id);
    a.start_sync(&[(&a.id.clone(), "alone")]).await;
    assert_eq!(a.finish_sync().await, "alone");
    b.start_join().await;
    // Until the broker has seen the join of "b", "a" hears nothing of it.
    while a.heartbeat().await != ErrorCode::REBALANCE_IN_PROGRESS.0 {
        tokio::task::yield_now().await;
    }
    a.start_join().await;
    let (joined_a, joined_b) = (a.finish_join().await, b.finish_join().await);
    assert_eq!((joined_a.members.len(), joined_b.members.len()), (2, 0));
    assert_eq!((joined_a.generation_id, joined_b.generation_id), (2, 2));
    assert!(joined_a.members.iter().all(|member| member.metadata == "meta"));
    b.start_sync(&[]).await;
    let (id_a, id_b) = (a.id.clone(), b.id.clone());
    a.start_sync(&[(&id_a, "for a"), (&id_b, "for b")]).await;
    assert_eq!(a.finish_sync().await, "for a");
    assert_eq!(b.finish_sync().await, "for b");
    (a, b)
}

#[test]
fn two_members_share_the_work_and_the_leader_may_die() {
    run(|builder| async move {
        let broker = builder.build();
        let (a, mut b) = stable_pair(&broker).await;
        let started = Instant::now();
        // The leader's process is gone: no heartbeat, no leave.
        drop(a);
        while b.heartbeat().await == 0 {
            // The clock is paused: this sleep is the member's heartbeat interval and takes no time.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let silence = started.elapsed().as_millis();
        assert!((6000..=7000).contains(&silence), "noticed after {silence} ms");
        b.start_join().await;
        let joined = b.finish_join().await;
        assert_eq!((&joined.leader, joined.members.len(), joined.generation_id), (&b.id, 1, 3));
        b.start_sync(&[(&b.id.clone(), "all")]).await;
        assert_eq!(b.finish_sync().await, "all");
    });
}

#[test]
fn a_member_that_leaves_is_replaced_at_once() {
    run(|builder| async move {
        let broker = builder.build();
        let (mut a, mut b) = stable_pair(&broker).await;
        let leaving = MemberIdentity::default().with_member_id(a.id.clone());
        let request = LeaveGroupRequest::default().with_group_id(group()).with_members(vec![leaving]);
        assert_eq!(a.client.call(5, request.clone()).await.members[0].error_code, 0);
        let again = a.client.call(5, request).await;
        assert_eq!(again.members[0].error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
        assert_eq!(b.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
        b.start_join().await;
        assert_eq!(b.finish_join().await.leader, b.id);
    });
}

#[test]
fn groups_can_be_looked_at_and_deleted() {
    run(|builder| async move {
        let broker = builder.build();
        let (a, b) = stable_pair(&broker).await;
        let mut client = Client::new(&broker);
        let listed = client.call(5, ListGroupsRequest::default()).await;
        assert_eq!(listed.groups.len(), 1);
        let group_listed = &listed.groups[0];
        assert_eq!(
            (group_listed.group_state.as_str(), group_listed.group_type.as_str()),
            ("Stable", "classic")
        );
        assert_eq!(group_listed.protocol_type.as_str(), "connect");
        let none = client.call(5, ListGroupsRequest::default().with_states_filter(vec![text("Empty")])).await;
        assert_eq!(none.groups, []);
        let describe = DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("none"))]);
        let described = client.call(6, describe.clone()).await;
        let members: Vec<_> =
            described.groups[0].members.iter().map(|m| (&m.member_id, &m.member_assignment[..])).collect();
        assert_eq!(members, [(&a.id, &b"for a"[..]), (&b.id, &b"for b"[..])]);
        assert_eq!(described.groups[1].error_code, ErrorCode::GROUP_ID_NOT_FOUND.0);
        let older = client.call(5, describe).await;
        assert_eq!((older.groups[1].error_code, older.groups[1].group_state.as_str()), (0, "Dead"));
        let delete = DeleteGroupsRequest::default().with_groups_names(vec![group(), GroupId(text("none"))]);
        let codes: Vec<i16> = client.call(2, delete).await.results.iter().map(|r| r.error_code).collect();
        assert_eq!(codes, [ErrorCode::NON_EMPTY_GROUP.0, ErrorCode::GROUP_ID_NOT_FOUND.0]);
    });
}

#[test]
fn coordinators_are_found_one_by_one_or_together() {
    run(|builder| async move {
        let broker = builder.node_count(3).build();
        let mut client = Client::new(&broker);
        let keys: Vec<StrBytes> = (0..20).map(|i| text(&format!("group-{i}"))).collect();
        let together =
            client.call(4, FindCoordinatorRequest::default().with_coordinator_keys(keys.clone())).await;
        let mut nodes: Vec<i32> = together.coordinators.iter().map(|c| c.node_id.0).collect();
        for (key, node) in keys.into_iter().zip(&nodes) {
            let single = client.call(2, FindCoordinatorRequest::default().with_key(key.clone())).await;
            assert_eq!(single.node_id.0, *node);
            let mut at_node = Client::new(&broker);
            for id in 1..=3 {
                at_node.stream = broker.connect_to(id);
                let request = HeartbeatRequest::default().with_group_id(GroupId(key.clone()));
                let code = at_node.call(4, request).await.error_code;
                let expected =
                    if id == *node { ErrorCode::UNKNOWN_MEMBER_ID } else { ErrorCode::NOT_COORDINATOR };
                assert_eq!(code, expected.0);
            }
        }
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes, [1, 2, 3], "groups are spread over the nodes");
    });
}

#[test]
fn bad_joins_are_refused() {
    run(|builder| async move {
        let broker = builder.build();
        let member = Member::new(&broker);
        let mut client = Client::new(&broker);
        let nameless = member.join_request().with_group_id(GroupId::default());
        assert_eq!(client.call(9, nameless).await.error_code, ErrorCode::INVALID_GROUP_ID.0);
        for timeout in [-1, 0, 100, i32::MAX] {
            let request = member.join_request().with_session_timeout_ms(timeout);
            assert_eq!(client.call(9, request).await.error_code, ErrorCode::INVALID_SESSION_TIMEOUT.0);
        }
        for version in 0..=9 {
            let mut request = member.join_request().with_protocols(Vec::new());
            if version == 0 {
                request.rebalance_timeout_ms = -1;
            }
            let response = client.call(version, request).await;
            assert_eq!(response.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL.0, "v{version}");
        }
    });
}
