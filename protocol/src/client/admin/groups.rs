//! Groups: list, describe, delete.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use indexmap::IndexMap;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};
use kafka_protocol::protocol::StrBytes;

use super::operations::{Admin, item_error};
use crate::cluster::{RetryAction, Target, decide};
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

    /// Describes groups, one request per coordinator and all coordinators at once; one result per group, in order. A group that does
    /// not exist is described as `Dead`, or refused by newer brokers, as Kafka does.
    ///
    /// # Errors
    /// Per group: what its coordinator answered, such as `Broker(GROUP_AUTHORIZATION_FAILED)` or `Broker(GROUP_ID_NOT_FOUND)`.
    pub async fn describe_groups(&self, group_ids: &[&str]) -> Vec<Result<GroupDescription>> {
        self.per_group(group_ids, async |node, items: &[usize]| {
            let wanted = || items.iter().map(|index| group(group_ids[*index])).collect();
            let build = |_version| DescribeGroupsRequest::default().with_groups(wanted());
            let (response, _) = self.cluster.call(&Target::Node(node), build).await?;
            let answers = response.groups.into_iter().filter_map(|answer| {
                let index = *items.iter().find(|index| group_ids[**index] == &**answer.group_id)?;
                let message = answer.error_message.as_deref();
                let checked = item_error("describe group", answer.error_code, group_ids[index], message);
                Some((index, checked.map(|()| GroupDescription::from(answer))))
            });
            Ok(answers.collect())
        })
        .await
    }

    /// Deletes empty groups and their offsets, one request per coordinator and all coordinators at once; one result per group, in
    /// order.
    ///
    /// # Errors
    /// Per group: `Broker(NON_EMPTY_GROUP)` while it has members, `Broker(GROUP_ID_NOT_FOUND)`, and their like.
    pub async fn delete_groups(&self, group_ids: &[&str]) -> Vec<Result<()>> {
        self.per_group(group_ids, async |node, items: &[usize]| {
            let wanted = || items.iter().map(|index| group(group_ids[*index])).collect();
            let build = |_version| DeleteGroupsRequest::default().with_groups_names(wanted());
            let (response, _) = self.cluster.call(&Target::Node(node), build).await?;
            let answers = response.results.into_iter().filter_map(|answer| {
                let index = *items.iter().find(|index| group_ids[**index] == &**answer.group_id)?;
                Some((index, item_error("delete group", answer.error_code, group_ids[index], None)))
            });
            Ok(answers.collect())
        })
        .await
    }

    /// Asks each coordinator about its groups, all coordinators at once; one result per group, in order. `ask` gets the node and the
    /// indices of its groups.
    pub(super) async fn per_group<T>(
        &self,
        group_ids: &[&str],
        ask: impl AsyncFn(i32, &[usize]) -> Result<Vec<(usize, Result<T>)>>,
    ) -> Vec<Result<T>> {
        let target = |index: &usize| Target::GroupCoordinator(Arc::from(group_ids[*index]));
        self.per_item(
            &Target::Any,
            group_ids.len(),
            |index| group_ids[index],
            decide,
            async |open| {
                let targets: Vec<Target> = open.iter().map(target).collect();
                let mut results = Vec::with_capacity(open.len());
                let mut by_node: IndexMap<i32, Vec<usize>> = IndexMap::new();
                for (index, node) in open.iter().zip(self.cluster.coordinators(&targets).await) {
                    match node {
                        Ok(node) => by_node.entry(node).or_default().push(*index),
                        Err(error) => results.push((*index, Err(error))),
                    }
                }
                let calls = by_node.iter().map(async |(node, items)| match ask(*node, items).await {
                    Ok(answers) => answers,
                    Err(error) => items.iter().map(|index| (*index, Err(error.clone()))).collect(),
                });
                results.extend(join_all(calls).await.into_iter().flatten());
                for (index, result) in &results {
                    if let Err(error) = result
                        && (error.code().is_none() || decide(error) == RetryAction::RefindCoordinatorAndRetry)
                    {
                        self.cluster.forget_coordinator(&target(index));
                    }
                }
                Ok(results)
            },
        )
        .await
    }
}

impl From<DescribedGroup> for GroupDescription {
    fn from(described: DescribedGroup) -> Self {
        let members = described.members.into_iter().map(|member| GroupMember {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            metadata: member.member_metadata,
            assignment: member.member_assignment,
        });
        Self {
            group_id: described.group_id.to_string(),
            state: described.group_state.to_string(),
            protocol_type: described.protocol_type.to_string(),
            protocol: described.protocol_data.to_string(),
            members: members.collect(),
        }
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
