//! Assignments that Kafka's own Java assignors made (`golden/GoldenAssignments.java`, kafka-clients 4.3.0) come out the same here, and
//! what no vector covers is balanced, valid and sticky.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::client::TopicPartition;
use protocol::client::group::Subscription;
use protocol::client::group::assignor::{Assignor, PartitionCounts, SubscribedMember};

const STICKY: [Assignor; 2] = [Assignor::Sticky, Assignor::CooperativeSticky];

fn partitions(list: &str) -> Vec<TopicPartition> {
    let pairs = list.split(',').filter_map(|entry| entry.split_once(':'));
    pairs.map(|(topic, partition)| TopicPartition::new(topic, partition.parse().unwrap())).collect()
}

fn hex(text: &str) -> Option<Bytes> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (text != "-").then(|| (0..text.len()).step_by(2).map(digits).collect::<Vec<u8>>().into())
}

/// A member, and what Java gave it.
fn member(line: &str) -> (SubscribedMember, Vec<TopicPartition>) {
    let fields: Vec<&str> = line.split(' ').collect();
    let [id, instance, generation, topics, owned, user_data, "=", assigned] = fields[..] else {
        panic!("{line}")
    };
    let subscription = Subscription {
        user_data: hex(user_data),
        owned: partitions(owned),
        generation_id: generation.parse().unwrap(),
        ..Subscription::new(topics.split(',').map(Arc::from))
    };
    let instance = (instance != "-").then(|| instance.to_owned());
    (
        SubscribedMember { member_id: id.to_owned(), group_instance_id: instance, subscription },
        partitions(assigned),
    )
}

#[test]
fn every_group_is_assigned_as_by_java() {
    let vectors = include_str!("golden/assignments.txt");
    let mut group_count = BTreeMap::new();
    for group in vectors.split("\n\n").filter(|group| !group.trim().is_empty()) {
        let (head, members) = group.trim_start().split_once('\n').unwrap();
        let (assignor, topics) = head.split_once(' ').unwrap();
        let counts: PartitionCounts = topics
            .split(',')
            .map(|topic| topic.split_once(':').unwrap())
            .map(|(topic, count)| (Arc::from(topic), count.parse().unwrap()))
            .collect();
        let (members, expected): (Vec<_>, Vec<_>) = members.lines().map(member).unzip();
        let mut assigned = Assignor::by_name(assignor).unwrap().assign(&members, &counts);
        assigned.iter_mut().for_each(|partitions| partitions.sort());
        assert_eq!(assigned, expected, "{group}");
        *group_count.entry(assignor).or_insert(0) += 1;
    }
    assert_eq!(group_count.len(), 4);
    assert!(group_count["sticky"] >= 150 && group_count["cooperative-sticky"] >= 150, "{group_count:?}");
}

#[derive(Debug, Clone)]
enum Change {
    Join(Vec<bool>),
    Leave(usize),
    Grow(usize, i32),
    Subscribe(usize, Vec<bool>),
    Forget(usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    let wishes = || prop::collection::vec(any::<bool>(), 4);
    prop_oneof![
        3 => wishes().prop_map(Change::Join),
        2 => (0..8_usize).prop_map(Change::Leave),
        1 => (0..4_usize, 1..5_i32).prop_map(|(topic, more)| Change::Grow(topic, more)),
        1 => (0..8_usize, wishes()).prop_map(|(member, wishes)| Change::Subscribe(member, wishes)),
        1 => (0..8_usize).prop_map(Change::Forget),
    ]
}

fn topics(wishes: &[bool]) -> Vec<Arc<str>> {
    (0..4).filter(|topic| wishes[*topic]).map(|topic| Arc::from(format!("t{topic}"))).collect()
}

/// A group and its history: members take what they are given, generation by generation.
struct World {
    assignor: Assignor,
    counts: PartitionCounts,
    members: Vec<SubscribedMember>,
    owned: BTreeMap<String, Vec<TopicPartition>>,
    generation: i32,
    serial: u32,
}

impl World {
    fn apply(&mut self, change: Change) {
        let count = self.members.len().max(1);
        match change {
            Change::Join(wishes) => {
                self.serial += 1;
                let subscription = Subscription::new(topics(&wishes));
                let member_id = format!("m{}", self.serial);
                self.members.push(SubscribedMember { member_id, group_instance_id: None, subscription });
            }
            Change::Leave(member) if member < count && count > 1 => {
                let gone = self.members.remove(member);
                self.owned.remove(&gone.member_id);
            }
            Change::Grow(topic, more) => *self.counts.get_mut(&*format!("t{topic}")).unwrap() += more,
            Change::Subscribe(member, wishes) if member < self.members.len() => {
                self.members[member].subscription.topics = topics(&wishes);
            }
            Change::Forget(member) if member < self.members.len() => {
                self.owned.remove(&self.members[member].member_id);
            }
            Change::Leave(_) | Change::Subscribe(..) | Change::Forget(_) => {}
        }
    }

    /// One rebalance. Returns how many partitions changed hands.
    fn rebalance(&mut self) -> usize {
        for member in &mut self.members {
            let mut owned = self.owned.get(&member.member_id).cloned().unwrap_or_default();
            let wanted = &member.subscription.topics;
            owned.retain(|tp| wanted.contains(&tp.topic));
            let generation = if self.owned.contains_key(&member.member_id) { self.generation } else { -1 };
            member.subscription.user_data = self.assignor.user_data(&owned, generation);
            member.subscription.owned =
                if self.assignor == Assignor::CooperativeSticky { owned.clone() } else { Vec::new() };
            member.subscription.generation_id = generation;
            self.owned.insert(member.member_id.clone(), owned);
        }
        let assigned = self.assignor.assign(&self.members, &self.counts);
        self.generation += 1;
        let mut moved = 0;
        for (member, assigned) in self.members.iter().zip(assigned) {
            let before = self.owned.insert(member.member_id.clone(), assigned.clone()).unwrap_or_default();
            moved += before.iter().filter(|tp| !assigned.contains(tp)).count();
        }
        moved
    }

    /// Whether everything that somebody wants is somebody's.
    fn is_complete(&self) -> bool {
        let given: usize = self.members.iter().map(|member| self.owned[&member.member_id].len()).sum();
        let is_wanted =
            |topic: &Arc<str>| self.members.iter().any(|member| member.subscription.topics.contains(topic));
        let wanted = self.counts.iter().filter(|(topic, _)| is_wanted(topic));
        wanted.map(|(_, count)| *count as usize).sum::<usize>() == given
    }

    fn check(&self) {
        let mut seen = BTreeSet::new();
        for member in &self.members {
            for tp in &self.owned[&member.member_id] {
                assert!(member.subscription.topics.contains(&tp.topic), "{tp} was not subscribed to");
                assert!(seen.insert(tp.clone()), "{tp} was given twice");
            }
        }
        for (topic, count) in &self.counts {
            let is_wanted = self.members.iter().any(|member| member.subscription.topics.contains(topic));
            for partition in 0..*count {
                assert_eq!(
                    is_wanted,
                    seen.contains(&TopicPartition::new(topic, partition)),
                    "{topic}-{partition}"
                );
            }
        }
        let load = |member: &SubscribedMember| self.owned[&member.member_id].len();
        let is_uniform =
            self.members.windows(2).all(|two| two[0].subscription.topics == two[1].subscription.topics);
        if is_uniform {
            let loads: Vec<_> = self.members.iter().map(load).collect();
            assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{loads:?}");
        }
    }
}

proptest! {
    /// Whatever happens to a group: everything wanted is given once, to somebody who wants it; and a second rebalance moves nothing.
    #[test]
    fn sticky_assignments_are_valid_and_settle(
        first in prop::collection::vec(any::<bool>(), 4),
        changes in prop::collection::vec(any_change(), 1..12),
    ) {
        for assignor in STICKY {
            let counts = (0..4).map(|topic| (Arc::from(format!("t{topic}")), 3 + topic)).collect();
            let mut world =
                World { assignor, counts, members: Vec::new(), owned: BTreeMap::new(), generation: 0, serial: 0 };
            world.apply(Change::Join(first.clone()));
            for change in &changes {
                world.apply(change.clone());
                world.rebalance();
                if assignor == Assignor::CooperativeSticky {
                    // What was given up is given away in the next one, which may find something better to do with other partitions, too.
                    let mut round_count = 1;
                    while !world.is_complete() || world.rebalance() > 0 {
                        if !world.is_complete() {
                            world.rebalance();
                        }
                        round_count += 1;
                        prop_assert!(round_count < 10, "it does not settle");
                    }
                }
                world.check();
                prop_assert_eq!(world.rebalance(), 0, "{:?} moved something for nothing", assignor);
                world.check();
            }
        }
    }
}

#[test]
fn a_new_member_takes_its_share_and_nothing_else_moves() {
    for assignor in STICKY {
        let counts = [(Arc::from("t0"), 12)].into();
        let mut world =
            World { assignor, counts, members: Vec::new(), owned: BTreeMap::new(), generation: 0, serial: 0 };
        let wishes = vec![true, false, false, false];
        for _ in 0..3 {
            world.apply(Change::Join(wishes.clone()));
        }
        world.rebalance();
        world.apply(Change::Join(wishes));
        assert_eq!(world.rebalance(), 3, "{assignor:?}");
        world.rebalance();
        world.check();
    }
}
