//! `RoundRobinAssignor`: all partitions in order are dealt to the members in order, passing over those that do not want the topic.

use super::{PartitionCounts, SubscribedMember, is_subscribed, sorted_members};
use crate::client::TopicPartition;

pub(super) fn assign(members: &[SubscribedMember], counts: &PartitionCounts) -> Vec<Vec<TopicPartition>> {
    let order = sorted_members(members);
    let mut assigned = vec![Vec::new(); members.len()];
    let mut turn = 0;
    for (topic, &count) in counts {
        let wants: Vec<bool> = order.iter().map(|&index| is_subscribed(&members[index], topic)).collect();
        if !wants.contains(&true) {
            continue;
        }
        for partition in 0..count {
            while !wants[turn] {
                turn = (turn + 1) % order.len();
            }
            assigned[order[turn]].push(TopicPartition::new(topic, partition));
            turn = (turn + 1) % order.len();
        }
    }
    assigned
}
