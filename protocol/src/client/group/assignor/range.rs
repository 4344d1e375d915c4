//! `RangeAssignor`: per topic, the members in order get consecutive ranges; the first ones get the remainder.

use super::{PartitionCounts, SubscribedMember, is_subscribed, sorted_members};
use crate::client::TopicPartition;

pub(super) fn assign(members: &[SubscribedMember], counts: &PartitionCounts) -> Vec<Vec<TopicPartition>> {
    let order = sorted_members(members);
    let mut assigned = vec![Vec::new(); members.len()];
    for (topic, &count) in counts {
        let subscribers: Vec<usize> =
            order.iter().copied().filter(|&index| is_subscribed(&members[index], topic)).collect();
        if subscribers.is_empty() {
            continue;
        }
        let share = count / subscribers.len() as i32;
        let remainder = count % subscribers.len() as i32;
        let mut next = 0;
        for (rank, member) in subscribers.into_iter().enumerate() {
            let end = next + share + i32::from((rank as i32) < remainder);
            assigned[member].extend((next..end).map(|partition| TopicPartition::new(topic, partition)));
            next = end;
        }
    }
    assigned
}
