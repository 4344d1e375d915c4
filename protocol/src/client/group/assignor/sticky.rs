//! `AbstractStickyAssignor`: who owns what, and the assignment where all members subscribe to the same topics.
//!
//! Members keep up to their quota of what they own. What is left goes to the members below the quota in turn. Java's result depends on
//! the order of its hash maps, which is followed here. Partitions that no longer exist are not claimed by anybody (Java stumbles).

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::general;
use super::user_data::{Claim, cooperative_claim};
use super::{PartitionCounts, SubscribedMember, compare_as_java, is_subscribed, java_map};
use crate::client::TopicPartition;
use crate::client::group::Subscription;

/// The outcome of a sticky assignment.
#[derive(Debug)]
pub(super) struct Outcome {
    /// In the order of the members.
    pub(super) assigned: Vec<Vec<TopicPartition>>,
    /// Partitions that one member has to give up before another may have them, with the latter. None where that is not known.
    moving: Option<HashMap<TopicPartition, usize>>,
}

/// What the algorithms work on.
#[derive(Debug)]
pub(super) struct Ownership {
    /// Member indices in the order of Java's maps.
    pub(super) map_order: Vec<usize>,
    /// What each member owns, without what does not exist any more.
    pub(super) owned: Vec<Vec<TopicPartition>>,
    /// Claimed by two members in one generation: nobody's.
    contested: HashSet<TopicPartition>,
    pub(super) claims: Vec<Claim>,
    pub(super) max_generation: i32,
}

/// As `StickyAssignor`.
pub(super) fn assign(
    members: &[SubscribedMember],
    counts: &PartitionCounts,
    claim: impl Fn(&Subscription) -> Claim,
) -> Outcome {
    let counts: PartitionCounts = counts
        .iter()
        .filter(|(topic, count)| **count > 0 && members.iter().any(|member| is_subscribed(member, topic)))
        .map(|(topic, count)| (std::sync::Arc::clone(topic), *count))
        .collect();
    if members.is_empty() {
        return Outcome { assigned: Vec::new(), moving: None };
    }
    let claims = members.iter().map(|member| claim(&member.subscription)).collect();
    let ownership = ownership(members, &counts, claims);
    let first: BTreeSet<_> = members[0].subscription.topics.iter().collect();
    let is_same =
        |member: &SubscribedMember| member.subscription.topics.iter().collect::<BTreeSet<_>>() == first;
    if members.iter().all(is_same) {
        let mut constrained = Constrained::new(members, &counts, ownership);
        constrained.keep_owned();
        constrained.deal(&counts);
        Outcome { assigned: constrained.assigned, moving: Some(constrained.moving) }
    } else {
        Outcome { assigned: general::assign(members, &counts, ownership), moving: None }
    }
}

/// As `CooperativeStickyAssignor`: what moves is left out until its owner has given it up.
pub(super) fn assign_cooperatively(
    members: &[SubscribedMember],
    counts: &PartitionCounts,
) -> Vec<Vec<TopicPartition>> {
    let Outcome { mut assigned, moving } = assign(members, counts, cooperative_claim);
    let moving = moving.unwrap_or_else(|| moving_partitions(members, &assigned));
    for (tp, member) in moving {
        assigned[member].retain(|assigned| *assigned != tp);
    }
    assigned
}

fn moving_partitions(
    members: &[SubscribedMember],
    assigned: &[Vec<TopicPartition>],
) -> HashMap<TopicPartition, usize> {
    let mut added = HashMap::new();
    let mut revoked = HashSet::new();
    for (index, (member, assigned)) in members.iter().zip(assigned).enumerate() {
        let owned: HashSet<_> = member.subscription.owned.iter().collect();
        let gets: HashSet<_> = assigned.iter().collect();
        added.extend(assigned.iter().filter(|tp| !owned.contains(tp)).map(|tp| (tp.clone(), index)));
        revoked.extend(owned.difference(&gets).map(|tp| (*tp).clone()));
    }
    added.retain(|tp, _| revoked.contains(tp));
    added
}

/// Settles who owns what: the latest generation wins, and who claims the same in the same generation loses it.
fn ownership(members: &[SubscribedMember], counts: &PartitionCounts, claims: Vec<Claim>) -> Ownership {
    let ids: Vec<&str> = members.iter().map(|member| member.member_id.as_str()).collect();
    let map_order = java_map::order(&ids);
    let mut owned: Vec<Vec<TopicPartition>> = vec![Vec::new(); members.len()];
    let mut owners: HashMap<TopicPartition, usize> = HashMap::new();
    let mut contested = HashSet::new();
    let mut max_generation = -1;
    for &member in &map_order {
        let generation = claims[member].generation.unwrap_or(-1);
        max_generation = max_generation.max(generation);
        for tp in &claims[member].partitions {
            if counts.get(&tp.topic).is_none_or(|count| !(0..*count).contains(&tp.partition)) {
                continue;
            }
            let Some(&other) = owners.get(tp) else {
                owned[member].push(tp.clone());
                owners.insert(tp.clone(), member);
                continue;
            };
            // Java compares with the generation of the other's subscription, not of its user data.
            let other_generation = members[other].subscription.generation_id.max(-1);
            if generation >= other_generation {
                owned[other].retain(|owned| owned != tp);
                owners.insert(tp.clone(), member);
                if generation == other_generation {
                    contested.insert(tp.clone());
                } else {
                    owned[member].push(tp.clone());
                }
            }
        }
    }
    Ownership { map_order, owned, contested, claims, max_generation }
}

/// `ConstrainedAssignmentBuilder`.
struct Constrained<'a> {
    members: &'a [SubscribedMember],
    ownership: Ownership,
    min_quota: usize,
    max_quota: usize,
    /// How many members get one more than the rest.
    over_count_wanted: usize,
    over_count: usize,
    /// Members below the lower quota.
    unfilled: Vec<usize>,
    /// Members at the lower quota that may get one more.
    at_min: VecDeque<usize>,
    /// What members own beyond their quota.
    given_up: HashMap<TopicPartition, usize>,
    moving: HashMap<TopicPartition, usize>,
    assigned: Vec<Vec<TopicPartition>>,
}

impl<'a> Constrained<'a> {
    fn new(members: &'a [SubscribedMember], counts: &PartitionCounts, ownership: Ownership) -> Self {
        let total = counts.values().map(|count| *count as usize).sum::<usize>();
        Self {
            members,
            ownership,
            min_quota: total / members.len(),
            max_quota: total.div_ceil(members.len()),
            over_count_wanted: total % members.len(),
            over_count: 0,
            unfilled: Vec::new(),
            at_min: VecDeque::new(),
            given_up: HashMap::new(),
            moving: HashMap::new(),
            assigned: vec![Vec::new(); members.len()],
        }
    }

    fn keep_owned(&mut self) {
        for member in self.ownership.map_order.clone() {
            let mut owned = std::mem::take(&mut self.ownership.owned[member]);
            owned.retain(|tp| !self.ownership.contested.contains(tp));
            owned.sort_by(|a, b| a.partition.cmp(&b.partition).then_with(|| a.topic.cmp(&b.topic)));
            let kept = if owned.len() < self.min_quota {
                self.unfilled.push(member);
                owned.len()
            } else if owned.len() >= self.max_quota && self.over_count < self.over_count_wanted {
                self.over_count += 1;
                if self.over_count == self.over_count_wanted {
                    self.at_min.clear();
                }
                self.max_quota
            } else {
                if self.over_count < self.over_count_wanted {
                    self.at_min.push_back(member);
                }
                self.min_quota
            };
            self.given_up.extend(owned.drain(kept..).map(|tp| (tp, member)));
            self.assigned[member] = owned;
        }
        let members = self.members;
        let by_id = |a: &usize, b: &usize| compare_as_java(&members[*a].member_id, &members[*b].member_id);
        self.unfilled.sort_by(by_id);
        self.at_min.make_contiguous().sort_by(by_id);
    }

    fn deal(&mut self, counts: &PartitionCounts) {
        let kept: HashSet<TopicPartition> = self.assigned.iter().flatten().cloned().collect();
        let all = counts
            .iter()
            .flat_map(|(topic, count)| (0..*count).map(|partition| TopicPartition::new(topic, partition)));
        let mut turn = 0;
        for tp in all.filter(|tp| !kept.contains(tp)) {
            if turn >= self.unfilled.len() {
                turn = 0;
            }
            let from_unfilled = self.unfilled.get(turn).copied();
            let Some(member) = from_unfilled.or_else(|| self.at_min.pop_front()) else { return };
            let moves = self.given_up.get(&tp).is_some_and(|owner| *owner != member)
                || self.ownership.contested.contains(&tp);
            if moves {
                self.moving.insert(tp.clone(), member);
            }
            self.assigned[member].push(tp);
            if from_unfilled.is_none() {
                continue;
            }
            if self.assigned[member].len() == self.min_quota {
                self.unfilled.remove(turn);
                self.at_min.push_back(member);
            } else {
                turn += 1;
            }
        }
    }
}
