//! `DescribeGroups`.

use protocol::ErrorCode;
use protocol::wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::wire::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, StrBytes, VersionRange,
};

use super::call::{Answer, Api, Call, GROUP_OPERATIONS, versions};
use crate::group::{Group, GroupState, Member};

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeGroups;

impl Api for DescribeGroups {
    type Request = DescribeGroupsRequest;

    const VERSIONS: VersionRange = versions(0, 6);

    async fn handle(call: &Call, request: DescribeGroupsRequest) -> Answer<DescribeGroupsResponse> {
        let groups = call.shared.groups.borrow();
        let described = request.groups.into_iter().map(|id| {
            let answer = match (call.check_coordinator(&id), groups.get(&id)) {
                (Err(code), _) => failed(id, call.version, code),
                (Ok(()), Some(entry)) => describe(id, &entry.group, call.version),
                // KIP-1043: older versions show a group that does not exist as dead.
                (Ok(()), None) if call.version >= 6 => {
                    failed(id, call.version, ErrorCode::GROUP_ID_NOT_FOUND)
                }
                (Ok(()), None) => dead(id),
            };
            if request.include_authorized_operations {
                answer.with_authorized_operations(GROUP_OPERATIONS)
            } else {
                answer
            }
        });
        DescribeGroupsResponse::default().with_groups(described.collect()).into()
    }

    fn refuse(version: i16, request: DescribeGroupsRequest, code: ErrorCode) -> DescribeGroupsResponse {
        let groups = request.groups.into_iter().map(|id| failed(id, version, code));
        DescribeGroupsResponse::default().with_groups(groups.collect())
    }
}

fn describe(id: GroupId, group: &Group, version: i16) -> DescribedGroup {
    let protocol = group.protocol().filter(|_| group.state() == GroupState::Stable);
    let member = |member: &Member| {
        let mut answer = DescribedGroupMember::default()
            .with_member_id(member.id.clone())
            .with_client_id(member.client_id.clone())
            .with_client_host(member.client_host.clone());
        // Before the group is stable there is nothing that holds for all members.
        if let Some(protocol) = protocol {
            answer.member_metadata = member.metadata(protocol);
            answer.member_assignment = member.assignment.clone();
        }
        if version >= 4 { answer.with_group_instance_id(member.instance_id.clone()) } else { answer }
    };
    DescribedGroup::default()
        .with_group_id(id)
        .with_group_state(StrBytes::from_static_str(group.state().name()))
        .with_protocol_type(group.protocol_type().cloned().unwrap_or_default())
        .with_protocol_data(protocol.cloned().unwrap_or_default())
        .with_members(group.members().map(member).collect())
}

fn dead(id: GroupId) -> DescribedGroup {
    DescribedGroup::default().with_group_id(id).with_group_state(StrBytes::from_static_str("Dead"))
}

fn failed(id: GroupId, version: i16, code: ErrorCode) -> DescribedGroup {
    let message = (version >= 6).then(|| StrBytes::from_string(format!("Group {} not found.", id.as_str())));
    let message = message.filter(|_| code == ErrorCode::GROUP_ID_NOT_FOUND);
    dead(id).with_error_code(code.0).with_error_message(message)
}
