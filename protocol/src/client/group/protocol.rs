//! The seam between membership, which sees bytes, and what the bytes mean; and the `consumer` protocol type behind it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;

use super::assignor::{Assignor, PartitionCounts, SubscribedMember};
use super::membership::AssignmentRound;
use super::{Assignment, Subscription};
use crate::cluster::{Cluster, Metadata};
use crate::net::LocalBoxFuture;
use crate::{Error, ErrorCode};

/// What a group leader does. Lives on the control thread; one object serves one member for its life.
pub trait GroupProtocol {
    /// Computes who gets what: member id and bytes for every member. A retriable error leads to another round.
    fn assign(
        &self,
        cluster: Cluster,
        round: AssignmentRound,
    ) -> LocalBoxFuture<'static, Result<Vec<(String, Bytes)>, Error>>;

    /// Asked of the leader at every metadata refresh: a reason to rebalance, where the last assignment no longer fits.
    fn outdated_reason(&self, metadata: &Metadata) -> Option<&'static str>;

    /// Whether the last assignment was made without something that may turn up at any time, so that metadata is worth an early look.
    fn is_incomplete(&self) -> bool {
        false
    }
}

/// The `consumer` protocol type: subscriptions to topics, assigned by one of Java's strategies.
#[derive(Debug, Default)]
pub struct ConsumerGroupProtocol {
    /// What the last assignment was computed from.
    last: Rc<RefCell<Option<Snapshot>>>,
}

#[derive(Debug)]
struct Snapshot {
    topics: BTreeSet<Arc<str>>,
    counts: PartitionCounts,
}

impl GroupProtocol for ConsumerGroupProtocol {
    fn assign(
        &self,
        cluster: Cluster,
        round: AssignmentRound,
    ) -> LocalBoxFuture<'static, Result<Vec<(String, Bytes)>, Error>> {
        let last = Rc::clone(&self.last);
        Box::pin(async move {
            let AssignmentRound { protocol, members, .. } = round;
            let assignor = Assignor::by_name(&protocol).ok_or_else(|| {
                Error::broker("assign partitions", ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
                    .with_source(format!("no assignor is called {protocol}"))
            })?;
            let members: Vec<SubscribedMember> = members
                .into_iter()
                .map(|member| {
                    Ok(SubscribedMember {
                        subscription: Subscription::decode(&member.metadata)?,
                        member_id: member.member_id,
                        group_instance_id: member.group_instance_id,
                    })
                })
                .collect::<Result<_, Error>>()?;
            let topics: BTreeSet<Arc<str>> =
                members.iter().flat_map(|member| member.subscription.topics.iter().cloned()).collect();
            cluster.note_interest(topics.iter().map(|topic| &**topic));
            // Always one refresh: members join because something changed, and a leader must not be the last to know.
            let metadata = cluster.refresh(cluster.metadata().generation).await?;
            let counts = partition_counts(&topics, &metadata);
            for topic in topics.iter().filter(|topic| !counts.contains_key(*topic)) {
                warn!(%topic, "subscribed topic does not exist (yet)");
            }
            let assigned = assignor.assign(&members, &counts);
            last.replace(Some(Snapshot { topics, counts }));
            members
                .into_iter()
                .zip(assigned)
                .map(|(member, partitions)| {
                    Ok((member.member_id, Assignment { partitions, user_data: None }.encode()?))
                })
                .collect()
        })
    }

    fn outdated_reason(&self, metadata: &Metadata) -> Option<&'static str> {
        let last = self.last.borrow();
        let snapshot = last.as_ref()?;
        (partition_counts(&snapshot.topics, metadata) != snapshot.counts)
            .then_some("the partitions of the subscribed topics changed")
    }

    fn is_incomplete(&self) -> bool {
        self.last.borrow().as_ref().is_some_and(|snapshot| snapshot.counts.len() < snapshot.topics.len())
    }
}

fn partition_counts(topics: &BTreeSet<Arc<str>>, metadata: &Metadata) -> PartitionCounts {
    topics
        .iter()
        .filter_map(|name| {
            let topic = metadata.topic(name)?;
            let count = i32::try_from(topic.partitions.len()).ok()?;
            (count > 0).then(|| (Arc::clone(name), count))
        })
        .collect()
}
