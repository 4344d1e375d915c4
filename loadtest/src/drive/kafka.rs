//! The topics under load: made where they are missing, looked at, and deleted again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use protocol::ErrorCode;
use protocol::client::admin::{Admin, IsolationLevel, NewTopic, OffsetSpec};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;
use tokio::time::{Instant, sleep};

/// How long the tasks of a deleted sink may take to leave their group.
const LEAVE_LIMIT: Duration = Duration::from_secs(60);

/// A partition.
pub(super) type At = (String, i32);

/// The topics.
pub(super) struct Topics {
    admin: Admin,
    partitions: Vec<At>,
    /// Made by this run.
    new: Vec<String>,
}

/// Where the partitions are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    /// The first offset that is there and the one after the last.
    pub(super) ends: BTreeMap<At, (i64, i64)>,
    /// What the sink's group has committed.
    pub(super) committed: BTreeMap<At, i64>,
}

impl Topics {
    pub(super) async fn open(bootstrap: &str, names: Vec<String>, partitions: i32) -> Result<Topics> {
        let servers = HostPort::parse_list(bootstrap)?;
        let admin = Admin::new(Cluster::new(Env::real(), ClusterConfig::new(servers)));
        let mut topics = Topics { admin, partitions: Vec::new(), new: Vec::new() };
        for name in names {
            let count = match topics.partition_count(&name).await? {
                Some(count) => count,
                None => {
                    let new = NewTopic::new(&name, partitions);
                    for created in topics.admin.create_topics(&[new]).await {
                        created.with_context(|| format!("create topic {name}"))?;
                    }
                    topics.new.push(name.clone());
                    partitions
                }
            };
            topics.partitions.extend((0..count).map(|partition| (name.clone(), partition)));
        }
        ensure!(!topics.partitions.is_empty(), "there is no topic to work on");
        Ok(topics)
    }

    async fn partition_count(&self, name: &str) -> Result<Option<i32>> {
        let described = self.admin.describe_topics(&[name]).await.context("ask Kafka for its topics")?;
        match described.into_iter().next() {
            Some(Ok(topic)) => Ok(Some(topic.partitions.len() as i32)),
            Some(Err(error)) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(None),
            Some(Err(error)) => Err(error).with_context(|| format!("look at topic {name}")),
            None => Ok(None),
        }
    }

    pub(super) fn cluster(&self) -> Cluster {
        self.admin.cluster().clone()
    }

    pub(super) fn partitions(&self) -> &[At] {
        &self.partitions
    }

    /// Where everything is now.
    pub(super) async fn look(&self, group: Option<&str>) -> Result<Offsets> {
        let mut offsets = Offsets::default();
        let query = |spec: OffsetSpec| -> Vec<_> {
            self.partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition, spec)).collect()
        };
        let (first, last) = (query(OffsetSpec::Earliest), query(OffsetSpec::Latest));
        let first = self.admin.list_offsets(&first, IsolationLevel::ReadUncommitted).await;
        let last = self.admin.list_offsets(&last, IsolationLevel::ReadUncommitted).await;
        for ((at, first), last) in self.partitions.iter().zip(first).zip(last) {
            offsets.ends.insert(at.clone(), (first?.offset.unwrap_or(0), last?.offset.unwrap_or(0)));
        }
        if let Some(group) = group {
            for of_group in self.admin.list_group_offsets(&[group], false).await {
                for (partition, committed) in of_group.with_context(|| format!("offsets of {group}"))? {
                    let at = (partition.topic.to_string(), partition.partition);
                    offsets.committed.insert(at, committed.offset);
                }
            }
        }
        Ok(offsets)
    }

    /// Whether nobody has committed anything in this group.
    pub(super) async fn is_new_group(&self, group: &str) -> Result<bool> {
        let mut offsets = self.admin.list_group_offsets(&[group], false).await;
        Ok(offsets
            .pop()
            .transpose()
            .with_context(|| format!("offsets of {group}"))?
            .is_none_or(|it| it.is_empty()))
    }

    /// Removes a group once its members have left.
    pub(super) async fn delete_group(&self, group: &str) -> Result<()> {
        let deadline = Instant::now() + LEAVE_LIMIT;
        loop {
            match self.admin.delete_groups(&[group]).await.pop() {
                None | Some(Ok(())) => return Ok(()),
                Some(Err(error)) => match error.code() {
                    Some(ErrorCode::GROUP_ID_NOT_FOUND) => return Ok(()),
                    Some(ErrorCode::NON_EMPTY_GROUP) if Instant::now() < deadline => {
                        sleep(Duration::from_millis(200)).await;
                    }
                    _ => return Err(error).with_context(|| format!("remove the group {group}")),
                },
            }
        }
    }

    /// Removes the topics that this run has made.
    pub(super) async fn delete_new(&mut self) -> Result<()> {
        let names: Vec<&str> = self.new.iter().map(String::as_str).collect();
        for deleted in self.admin.delete_topics(&names).await {
            deleted.context("delete the topics that were made for this")?;
        }
        Ok(())
    }
}

impl Offsets {
    /// Records that the topics have had so far.
    pub(super) fn written(&self) -> i64 {
        self.ends.values().map(|(_, end)| end).sum()
    }

    /// Records that the group has done with; those before the beginning of the log count as such.
    pub(super) fn delivered(&self) -> i64 {
        self.ends.iter().map(|(at, (first, _))| self.committed.get(at).copied().unwrap_or(*first)).sum()
    }

    /// Records that are written and not delivered.
    pub(super) fn lag(&self) -> i64 {
        let of = |(at, (first, end)): (&At, &(i64, i64))| {
            (end - self.committed.get(at).copied().unwrap_or(*first)).max(0)
        };
        self.ends.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_counts_from_what_is_committed_or_else_from_the_first_record() {
        let at = |partition| ("t".to_owned(), partition);
        let mut offsets = Offsets::default();
        offsets.ends.extend([(at(0), (10, 30)), (at(1), (0, 5))]);
        assert_eq!((offsets.written(), offsets.delivered(), offsets.lag()), (35, 10, 25));
        offsets.committed.extend([(at(0), 25), (("elsewhere".to_owned(), 0), 7)]);
        assert_eq!((offsets.delivered(), offsets.lag()), (25, 10));
        // The group may have heard of records before this look at the ends did.
        offsets.committed.insert(at(1), 6);
        assert_eq!(offsets.lag(), 5);
    }
}
