//! `ListGroups`, by state and type if asked.

use protocol::ErrorCode;
use protocol::wire::messages::list_groups_response::ListedGroup;
use protocol::wire::messages::{ListGroupsRequest, ListGroupsResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};

/// The only type of group that there is here.
const CLASSIC: &str = "classic";

/// See the module.
#[derive(Debug)]
pub(super) struct ListGroups;

impl Api for ListGroups {
    type Request = ListGroupsRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: ListGroupsRequest) -> Answer<ListGroupsResponse> {
        let is_wanted = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let groups = call.shared.groups.borrow();
        let listed = groups.iter().filter(|(id, entry)| {
            call.check_coordinator(id).is_ok()
                && is_wanted(&request.states_filter, entry.group.state().name())
                && is_wanted(&request.types_filter, CLASSIC)
        });
        let listed = listed.map(|(id, entry)| {
            let mut answer = ListedGroup::default()
                .with_group_id(id.clone())
                .with_protocol_type(entry.group.protocol_type().cloned().unwrap_or_default());
            if call.version >= 4 {
                answer.group_state = StrBytes::from_static_str(entry.group.state().name());
            }
            if call.version >= 5 {
                answer.group_type = StrBytes::from_static_str(CLASSIC);
            }
            answer
        });
        ListGroupsResponse::default().with_groups(listed.collect()).into()
    }

    fn refuse(_: i16, _: ListGroupsRequest, code: ErrorCode) -> ListGroupsResponse {
        ListGroupsResponse::default().with_error_code(code.0)
    }
}
