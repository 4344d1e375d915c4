//! Groups: list, describe, delete.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use kafka_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};
use kafka_protocol::protocol::StrBytes;

use super::operations::{Admin, item_error};
use crate::cluster::Target;
use crate::{Error, Result};

/// A group as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// `consumer`, `connect`, or what its members call their protocol.
    pub protocol_type: String,
    /// Its state, such as `Stable`; empty where the broker is too old to say.
    pub state: String,
    /// `classic`, `consumer`, `share` or `streams`; empty where the broker is too old to say.
    pub group_type: String,
}

/// A group in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub group_id: String,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`.
    pub state: String,
    /// `consumer`, `connect`, or what its members call their protocol.
    pub protocol_type: String,
    /// The protocol that its members agreed on.
    pub protocol: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// `group.instance.id`, for static members.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// Its subscription, encoded as its protocol type has it.
    pub metadata: Bytes,
    /// Its assignment, encoded as its protocol type has it.
    pub assignment: Bytes,
}

impl Admin {
    /// The groups of the cluster that are in one of `states` and of one of `types` (where these are not empty), asked of every
    /// broker. A broker older than the filter is not asked to apply it: its groups are filtered here by what it says of them.
    ///
    /// # Errors
    /// When a broker did not answer in time.
    pub async fn list_groups(&self, states: &[&str], types: &[&str]) -> Result<Vec<GroupListing>> {
        self.cluster
            .retrying(&Target::Any, self.deadline(), async || {
                let view = self.cluster.fresh_metadata().await?;
                let mut listings = Vec::new();
                for node in &view.nodes {
                    let build = |version: i16| {
                        let mut request = ListGroupsRequest::default();
                        if version >= 4 {
                            request.states_filter = owned(states);
                        }
                        if version >= 5 {
                            request.types_filter = owned(types);
                        }
                        request
                    };
                    let (response, _) = self.cluster.call(&Target::Node(node.id), build).await?;
                    Error::check("list groups", response.error_code)?;
                    listings.extend(response.groups.into_iter().map(|group| GroupListing {
                        group_id: group.group_id.to_string(),
                        protocol_type: group.protocol_type.to_string(),
                        state: group.group_state.to_string(),
                        group_type: group.group_type.to_string(),
                    }));
                }
                listings.retain(|group: &GroupListing| {
                    is_wanted(states, &group.state) && is_wanted(types, &group.group_type)
                });
                Ok(listings)
            })
            .await
    }

    /// One group in full. A group that does not exist is described as `Dead`, as Kafka does.
    ///
    /// # Errors
    /// What the coordinator answered, such as `Broker(GROUP_AUTHORIZATION_FAILED)`.
    pub async fn describe_group(&self, group_id: &str) -> Result<GroupDescription> {
        let target = Target::GroupCoordinator(Arc::from(group_id));
        self.cluster
            .retrying(&target, self.deadline(), async || {
                let build = |_version| DescribeGroupsRequest::default().with_groups(vec![group(group_id)]);
                let (response, _) = self.cluster.call(&target, build).await?;
                let Some(answer) = response.groups.into_iter().next() else {
                    return Err(Error::malformed("describe group", "the answer names no group"));
                };
                let message = answer.error_message.as_deref();
                item_error("describe group", answer.error_code, group_id, message)?;
                Ok(GroupDescription {
                    group_id: answer.group_id.to_string(),
                    state: answer.group_state.to_string(),
                    protocol_type: answer.protocol_type.to_string(),
                    protocol: answer.protocol_data.to_string(),
                    members: answer
                        .members
                        .into_iter()
                        .map(|member| GroupMember {
                            member_id: member.member_id.to_string(),
                            instance_id: member.group_instance_id.map(|id| id.to_string()),
                            client_id: member.client_id.to_string(),
                            client_host: member.client_host.to_string(),
                            metadata: member.member_metadata,
                            assignment: member.member_assignment,
                        })
                        .collect(),
                })
            })
            .await
    }

    /// Describes groups, all at once; one result per group, in order.
    ///
    /// # Errors
    /// Per group, as [`describe_group`](Self::describe_group).
    pub async fn describe_groups(&self, group_ids: &[&str]) -> Vec<Result<GroupDescription>> {
        join_all(group_ids.iter().map(|group_id| self.describe_group(group_id))).await
    }

    /// Deletes groups, all at once; one result per group, in order.
    ///
    /// # Errors
    /// Per group, as [`delete_group`](Self::delete_group).
    pub async fn delete_groups(&self, group_ids: &[&str]) -> Vec<Result<()>> {
        join_all(group_ids.iter().map(|group_id| self.delete_group(group_id))).await
    }

    /// Deletes an empty group and its offsets.
    ///
    /// # Errors
    /// `Broker(NON_EMPTY_GROUP)` while it has members, `Broker(GROUP_ID_NOT_FOUND)`, and their like.
    pub async fn delete_group(&self, group_id: &str) -> Result<()> {
        let target = Target::GroupCoordinator(Arc::from(group_id));
        self.cluster
            .retrying(&target, self.deadline(), async || {
                let build =
                    |_version| DeleteGroupsRequest::default().with_groups_names(vec![group(group_id)]);
                let (response, _) = self.cluster.call(&target, build).await?;
                let Some(answer) = response.results.first() else {
                    return Err(Error::malformed("delete group", "the answer names no group"));
                };
                item_error("delete group", answer.error_code, group_id, None)
            })
            .await
    }
}

fn owned(filter: &[&str]) -> Vec<StrBytes> {
    filter.iter().map(|value| StrBytes::from_string((*value).to_owned())).collect()
}

/// What a broker does not say cannot be filtered by.
fn is_wanted(filter: &[&str], value: &str) -> bool {
    filter.is_empty() || value.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
}

pub(super) fn group(group_id: &str) -> GroupId {
    GroupId(StrBytes::from_string(group_id.to_owned()))
}
