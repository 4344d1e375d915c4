//! `AbstractStickyAssignor` where members subscribe to different topics: everybody keeps what they have, the rest goes to whoever has
//! least, and then partitions move one by one while that makes the assignment more balanced.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::sticky::Ownership;
use super::{PartitionCounts, SubscribedMember, compare_as_java, is_subscribed, java_map};
use crate::client::TopicPartition;

/// A topic by its place in [`General::topics`], and a partition of it.
type Part = (usize, usize);

struct Topic {
    name: Arc<str>,
    hash: i32,
    partition_count: usize,
    /// Members that subscribe to it.
    subscribers: Vec<usize>,
}

/// `GeneralAssignmentBuilder`.
struct General {
    topics: Vec<Topic>,
    /// By member: what it subscribes to, as far as it exists.
    subscribed: Vec<Vec<usize>>,
    /// By member: how many partitions it could have.
    room: Vec<usize>,
    /// By member: its place in Java's order of ids.
    rank: Vec<usize>,
    current: Vec<Vec<Part>>,
    /// By topic and partition.
    owner: Vec<Vec<Option<usize>>>,
    /// Members that take part, by how much they have, then by id.
    sorted: BTreeSet<(usize, usize, usize)>,
    movements: Movements,
}

pub(super) fn assign(
    members: &[SubscribedMember],
    counts: &PartitionCounts,
    ownership: Ownership,
) -> Vec<Vec<TopicPartition>> {
    let mut general = General::new(members, counts);
    let previous = general.previous_owners(&ownership);
    let (unassigned, is_revoking) = general.keep_owned(members, &ownership);
    general.balance(&previous, unassigned, is_revoking);
    general.current.iter().map(|parts| parts.iter().map(|part| general.name(*part)).collect()).collect()
}

impl General {
    fn new(members: &[SubscribedMember], counts: &PartitionCounts) -> Self {
        let mut topics: Vec<Topic> = counts
            .iter()
            .map(|(name, count)| Topic {
                name: Arc::clone(name),
                hash: java_map::string_hash(name),
                partition_count: *count as usize,
                subscribers: (0..members.len())
                    .filter(|&index| is_subscribed(&members[index], name))
                    .collect(),
            })
            .collect();
        // Java's `TopicComparator`: whoever has the fewest takers first.
        topics.sort_by(|a, b| {
            a.subscribers.len().cmp(&b.subscribers.len()).then_with(|| compare_as_java(&a.name, &b.name))
        });
        let mut subscribed = vec![Vec::new(); members.len()];
        for (index, topic) in topics.iter().enumerate() {
            for member in &topic.subscribers {
                subscribed[*member].push(index);
            }
        }
        let room = subscribed
            .iter()
            .map(|wanted: &Vec<usize>| wanted.iter().map(|topic| topics[*topic].partition_count).sum())
            .collect();
        let mut by_id: Vec<usize> = (0..members.len()).collect();
        by_id.sort_by(|a, b| compare_as_java(&members[*a].member_id, &members[*b].member_id));
        let mut rank = vec![0; members.len()];
        for (place, member) in by_id.into_iter().enumerate() {
            rank[member] = place;
        }
        Self {
            owner: topics.iter().map(|topic| vec![None; topic.partition_count]).collect(),
            topics,
            subscribed,
            room,
            rank,
            current: vec![Vec::new(); members.len()],
            sorted: BTreeSet::new(),
            movements: Movements::default(),
        }
    }

    fn name(&self, (topic, partition): Part) -> TopicPartition {
        TopicPartition { topic: Arc::clone(&self.topics[topic].name), partition: partition as i32 }
    }

    fn part(&self, tp: &TopicPartition) -> Option<Part> {
        let topic = self.topics.iter().position(|topic| topic.name == tp.topic)?;
        let partition = usize::try_from(tp.partition).ok()?;
        (partition < self.topics[topic].partition_count).then_some((topic, partition))
    }

    /// Who had a partition in the latest of the generations that are over.
    fn previous_owners(&self, ownership: &Ownership) -> HashMap<Part, usize> {
        let mut previous: HashMap<Part, (usize, i32)> = HashMap::new();
        for &member in &ownership.map_order {
            let claim = &ownership.claims[member];
            let generation = claim.generation.unwrap_or(-1);
            if generation >= ownership.max_generation {
                continue;
            }
            for part in claim.partitions.iter().filter_map(|tp| self.part(tp)) {
                // A member that does not subscribe to the topic any more cannot have it back.
                let wants = self.subscribed[member].contains(&part.0);
                if wants && previous.get(&part).is_none_or(|(_, known)| generation > *known) {
                    previous.insert(part, (member, generation));
                }
            }
        }
        previous.into_iter().map(|(part, (member, _))| (part, member)).collect()
    }

    /// Members keep what they own and still subscribe to. Gives the rest, and whether somebody has to give something up.
    fn keep_owned(&mut self, members: &[SubscribedMember], ownership: &Ownership) -> (Vec<Part>, bool) {
        let mut is_revoking = false;
        for &member in &ownership.map_order {
            for tp in &ownership.owned[member] {
                if !is_subscribed(&members[member], &tp.topic) {
                    is_revoking = true;
                } else if let Some((topic, partition)) = self.part(tp) {
                    self.current[member].push((topic, partition));
                    self.owner[topic][partition] = Some(member);
                }
            }
        }
        let all = self.all_parts();
        (
            all.into_iter().filter(|(topic, partition)| self.owner[*topic][*partition].is_none()).collect(),
            is_revoking,
        )
    }

    fn all_parts(&self) -> Vec<Part> {
        let topics = self.topics.iter().enumerate();
        topics.flat_map(|(index, topic)| (0..topic.partition_count).map(move |part| (index, part))).collect()
    }

    fn balance(&mut self, previous: &HashMap<Part, usize>, mut unassigned: Vec<Part>, is_revoking: bool) {
        self.sorted = (0..self.current.len()).map(|member| self.entry(member)).collect();
        let is_initial = self.current.iter().all(Vec::is_empty);
        for part in &unassigned {
            if let Some(member) = self.least_loaded(part.0) {
                self.give(*part, member);
            }
        }
        // Only what has several takers, and only who could have something else, can move.
        let can_move = |general: &Self, part: &Part| general.topics[part.0].subscribers.len() >= 2;
        let mut all = self.all_parts();
        all.retain(|part| can_move(self, part));
        unassigned.retain(|part| can_move(self, part));
        for member in 0..self.current.len() {
            let is_free = self.current[member].len() < self.room[member]
                || self.current[member].iter().any(|part| can_move(self, part));
            if !is_free {
                let entry = self.entry(member);
                self.sorted.remove(&entry);
            }
        }
        let before = self.current.clone();
        let score_before = self.score();
        if !is_revoking {
            self.reassign(&unassigned, previous);
        }
        let has_moved = self.reassign(&all, previous);
        if !is_initial && has_moved && self.score() >= score_before {
            self.current = before;
        }
    }

    /// Moves partitions until none makes the assignment more balanced.
    fn reassign(&mut self, parts: &[Part], previous: &HashMap<Part, usize>) -> bool {
        let mut has_moved = false;
        loop {
            let mut is_modified = false;
            for part in parts {
                if self.is_balanced() {
                    break;
                }
                let Some(owner) = self.owner[part.0][part.1] else { continue };
                let load = self.current[owner].len();
                let former =
                    previous.get(part).copied().filter(|former| load > self.current[*former].len() + 1);
                let target = former.or_else(|| {
                    let has_better = |other: &usize| load > self.current[*other].len() + 1;
                    let is_worth_it = self.topics[part.0].subscribers.iter().any(has_better);
                    is_worth_it.then(|| self.least_loaded(part.0)).flatten()
                });
                if let Some(target) = target {
                    self.move_towards(*part, owner, target);
                    has_moved = true;
                    is_modified = true;
                }
            }
            if !is_modified {
                return has_moved;
            }
        }
    }

    fn is_balanced(&self) -> bool {
        let (Some((min, ..)), Some((max, ..))) = (self.sorted.first(), self.sorted.last()) else {
            return true;
        };
        if *min + 1 >= *max {
            return true;
        }
        for (load, _, member) in &self.sorted {
            if load + 1 >= *max {
                // Nobody has so much more than this one or those that follow.
                return true;
            }
            if *load == self.room[*member] {
                continue;
            }
            let can_get = |owner: &Option<usize>| {
                owner.is_some_and(|owner| owner != *member && load + 1 < self.current[owner].len())
            };
            if self.subscribed[*member].iter().any(|topic| self.owner[*topic].iter().any(can_get)) {
                return false;
            }
        }
        true
    }

    /// The sum of the differences of all pairs.
    fn score(&self) -> usize {
        let loads: Vec<usize> = self.sorted.iter().map(|(load, ..)| *load).collect();
        loads.iter().enumerate().map(|(i, a)| loads[..i].iter().map(|b| a.abs_diff(*b)).sum::<usize>()).sum()
    }

    fn least_loaded(&self, topic: usize) -> Option<usize> {
        let wants = |member: &usize| self.subscribed[*member].contains(&topic);
        self.sorted.iter().map(|(_, _, member)| *member).find(wants)
    }

    fn move_towards(&mut self, part: Part, owner: usize, target: usize) {
        // The other one may be with a member that has no more than the target: moving that would gain nothing, and could go on for ever.
        let has_more = |part: &Part| {
            let load = self.owner[part.0][part.1].map_or(0, |owner| self.current[owner].len());
            load > self.current[target].len() + 1
        };
        let part = Some(self.movements.actual(part, owner, target)).filter(has_more).unwrap_or(part);
        let Some(owner) = self.owner[part.0][part.1] else { return };
        self.movements.record(
            part,
            java_map::partition_hash(self.topics[part.0].hash, part.1 as i32),
            owner,
            target,
        );
        let entry = self.entry(owner);
        self.sorted.remove(&entry);
        self.current[owner].retain(|owned| *owned != part);
        self.sorted.insert(self.entry(owner));
        self.give(part, target);
    }

    fn give(&mut self, part: Part, member: usize) {
        let entry = self.entry(member);
        self.sorted.remove(&entry);
        self.current[member].push(part);
        self.owner[part.0][part.1] = Some(member);
        self.sorted.insert(self.entry(member));
    }

    fn entry(&self, member: usize) -> (usize, usize, usize) {
        (self.current[member].len(), self.rank[member], member)
    }
}

/// `PartitionMovements`: two partitions of a topic shall not change places between two members, where none need move.
#[derive(Default)]
struct Movements {
    by_part: HashMap<Part, (usize, usize)>,
    by_topic: HashMap<usize, HashMap<(usize, usize), java_map::JavaSet<Part>>>,
}

impl Movements {
    /// The partition to move instead of `part`: one that came the other way, if there is one.
    fn actual(&self, part: Part, owner: usize, target: usize) -> Part {
        let Some(pairs) = self.by_topic.get(&part.0) else { return part };
        let source = self.by_part.get(&part).map_or(owner, |(source, _)| *source);
        pairs.get(&(target, source)).and_then(java_map::JavaSet::first).unwrap_or(part)
    }

    fn record(&mut self, part: Part, hash: i32, owner: usize, target: usize) {
        let source = match self.by_part.remove(&part) {
            Some(pair) => {
                if let Some(pairs) = self.by_topic.get_mut(&part.0) {
                    if let Some(moved) = pairs.get_mut(&pair) {
                        moved.remove(part);
                    }
                    pairs.retain(|_, moved| !moved.is_empty());
                }
                pair.0
            }
            None => owner,
        };
        if source != target {
            self.by_part.insert(part, (source, target));
            let moved = self.by_topic.entry(part.0).or_default().entry((source, target));
            moved.or_insert_with(java_map::JavaSet::new).insert(hash, part);
        }
    }
}
