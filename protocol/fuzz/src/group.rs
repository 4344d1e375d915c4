//! Any bytes as what members of a group say: subscriptions, assignments, the sticky assignors' user data. What can be read
//! is assigned from, and every partition goes to one member that subscribed to its topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use protocol::client::group::assignor::{Assignor, PartitionCounts, SubscribedMember};
use protocol::client::group::{Assignment, Subscription};

use super::within;

const ASSIGNORS: [Assignor; 4] =
    [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky];
/// Topics of the cluster beside those that the bytes name.
const TOPICS: [&str; 3] = ["t", "a", "b"];
const PARTITION_COUNT: i32 = 4;
/// Members are separated by this, which begins no number and no text of theirs.
const SEPARATOR: &[u8] = b"\xfe\xfe";

pub fn group(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let members = split(rest);
    let bytes_max = 64 * 1024 + 64 * data.len();
    let subscriptions: Vec<Subscription> = within(bytes_max, || match choice & 0x80 {
        0 => members.iter().filter_map(|bytes| Subscription::decode(bytes).ok()).collect(),
        // The user data alone, behind a subscription that can be read.
        _ => members.into_iter().map(with_user_data).collect(),
    });
    let assignment = Bytes::copy_from_slice(rest);
    if let Ok(assignment) = within(bytes_max, || Assignment::decode(&assignment))
        && let Ok(written) = assignment.encode()
    {
        assert_eq!(Assignment::decode(&written).expect("our own bytes"), assignment);
    }
    for subscription in &subscriptions {
        if let Ok(written) = subscription.encode() {
            let again = Subscription::decode(&written).expect("our own bytes");
            assert_eq!(again.topics, subscription.topics);
        }
    }
    assign(ASSIGNORS[usize::from(choice) % ASSIGNORS.len()], subscriptions);
}

fn split(mut rest: &[u8]) -> Vec<Bytes> {
    let mut members = Vec::new();
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        members.push(Bytes::copy_from_slice(&rest[..at]));
        rest = &rest[at + SEPARATOR.len()..];
    }
    members.push(Bytes::copy_from_slice(rest));
    members
}

fn with_user_data(user_data: Bytes) -> Subscription {
    Subscription { user_data: Some(user_data), ..Subscription::new(TOPICS.map(Arc::from)) }
}

fn assign(assignor: Assignor, subscriptions: Vec<Subscription>) {
    let members: Vec<SubscribedMember> = subscriptions
        .into_iter()
        .enumerate()
        .map(|(index, subscription)| SubscribedMember {
            member_id: format!("member {index}"),
            group_instance_id: None,
            subscription,
        })
        .collect();
    let counts: PartitionCounts = TOPICS.iter().map(|topic| (Arc::from(*topic), PARTITION_COUNT)).collect();
    let assigned = assignor.assign(&members, &counts);
    let mut seen = BTreeSet::new();
    for (member, partitions) in members.iter().zip(&assigned) {
        for partition in partitions {
            assert!(member.subscription.topics.contains(&partition.topic), "{partition:?} was not asked for");
            assert!(seen.insert(partition.clone()), "{partition:?} is assigned twice");
        }
    }
    // A member that cooperates gets what another still has only in the next round.
    if assignor != Assignor::CooperativeSticky {
        let wanted = counts
            .keys()
            .filter(|topic| members.iter().any(|member| member.subscription.topics.contains(topic)));
        assert_eq!(seen.len(), wanted.count() * PARTITION_COUNT as usize, "a partition is left over");
    }
}
