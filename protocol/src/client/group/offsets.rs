//! Offset commit and offset fetch: one request for all partitions, retried under the one policy.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::membership::MemberIdentity;
use super::requests::{Coordinator, string};
use crate::Error;
use crate::client::offset_fetch::{self, GroupQuery};
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::messages::{OffsetCommitRequest, TopicName};

/// A position to commit.
type Commit = (TopicPartition, OffsetAndMetadata);

impl Coordinator {
    /// Commits under `identity`, all or an error. A partition that was refused is named in the error.
    pub(super) async fn commit(&self, identity: MemberIdentity, offsets: Vec<Commit>) -> Result<(), Error> {
        let is_member = !identity.member_id.is_empty();
        let mut topics: Vec<(Arc<str>, Vec<&Commit>)> = Vec::new();
        let mut sorted: Vec<_> = offsets.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        for entry in sorted {
            match topics.last_mut() {
                Some((topic, entries)) if *topic == entry.0.topic => entries.push(entry),
                _ => topics.push((Arc::clone(&entry.0.topic), vec![entry])),
            }
        }
        self.cluster
            .retrying(&self.target, self.deadline(), async || {
                let outcome = self
                    .cluster
                    .call(&self.target, |version| {
                        let topics =
                            topics.iter().map(|(topic, entries)| commit_topic(topic, entries, version));
                        let request = OffsetCommitRequest::default()
                            .with_group_id(self.group_id())
                            .with_generation_id_or_member_epoch(identity.generation_id)
                            .with_member_id(string(&identity.member_id))
                            .with_topics(topics.collect());
                        if version >= 7 && is_member {
                            request.with_group_instance_id(self.instance_id())
                        } else {
                            request
                        }
                    })
                    .await;
                let (response, _) = outcome?;
                for topic in &response.topics {
                    for partition in &topic.partitions {
                        self.check("commit offsets", partition.error_code).map_err(|error| {
                            error.with_source(format!(
                                "{}-{}",
                                topic.name.as_str(),
                                partition.partition_index
                            ))
                        })?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// What is committed for `partitions`; None where nothing is.
    pub(super) async fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>, Error> {
        const DOING: &str = "fetch committed offsets";
        let query = [GroupQuery { group_id: &self.config.group_id, partitions: Some(&partitions) }];
        let is_stable = self.config.requires_stable_offsets;
        self.cluster
            .retrying(&self.target, self.deadline(), async || {
                let build = |version| offset_fetch::request(version, &query, is_stable);
                let (response, version) = self.cluster.call(&self.target, build).await?;
                let answer = offset_fetch::answers(DOING, version, response, &query).pop();
                answer.unwrap_or_else(|| Err(Error::malformed(DOING, "the answer names no group")))
            })
            .await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.api_timeout_ms)
    }
}

fn commit_topic(topic: &str, entries: &[&Commit], version: i16) -> OffsetCommitRequestTopic {
    let partitions = entries
        .iter()
        .map(|(tp, committed)| {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(tp.partition)
                .with_committed_offset(committed.offset)
                .with_committed_metadata(Some(string(&committed.metadata)));
            if version >= 6 {
                partition.with_committed_leader_epoch(committed.leader_epoch)
            } else {
                partition
            }
        })
        .collect();
    OffsetCommitRequestTopic::default().with_name(TopicName(string(topic))).with_partitions(partitions)
}
