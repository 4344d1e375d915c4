//! `IncrementalCooperativeAssignor`: only what has to move moves, and what a departed worker had waits for its return (KIP-415).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::work::{Item, Work, sort_as_grown};
use super::{Configured, Share, Shares};

/// By what the pause between rounds that revoke grows.
const BACKOFF_FACTOR: f64 = 40.0;

/// What a leader keeps from round to round. One that has just taken over knows nothing, so it never waits for anybody.
#[derive(Debug)]
pub struct CooperativeAssignor {
    max_delay_ms: u64,
    previous: Work,
    previous_revocation: Work,
    previous_members: HashSet<Arc<str>>,
    previous_generation: i32,
    revoked_in_previous: bool,
    /// Rounds in a row that had to revoke.
    revoking_round_count: u32,
    /// Workers that came with nothing while others' work waits: they get it when the wait is over.
    candidates: IndexSet<Arc<str>>,
    /// When the wait ends; 0 for no wait.
    scheduled_ms: u64,
    delay_ms: u64,
}

/// What a round is computed from.
#[derive(Debug)]
pub struct Round<'a> {
    /// Every member with what it claims, in the coordinator's order.
    pub members: Vec<(Arc<str>, Work)>,
    /// What is to run.
    pub configured: &'a Configured,
    /// The last generation in which this worker got its assignment; -1 for none.
    pub last_completed_generation: i32,
    /// The generation that this round makes.
    pub generation: i32,
    /// On a clock that only moves forward and is not at 0.
    pub now_ms: u64,
}

impl CooperativeAssignor {
    /// Waits for workers that are gone for up to `max_delay_ms` (`scheduled.rebalance.max.delay.ms`).
    pub fn new(max_delay_ms: u64) -> CooperativeAssignor {
        CooperativeAssignor {
            max_delay_ms,
            previous: Work::default(),
            previous_revocation: Work::default(),
            previous_members: HashSet::new(),
            previous_generation: -1,
            revoked_in_previous: false,
            revoking_round_count: 0,
            candidates: IndexSet::new(),
            scheduled_ms: 0,
            delay_ms: 0,
        }
    }

    /// `performTaskAssignment`.
    pub fn assign(&mut self, round: Round<'_>) -> Shares {
        let Round { members, configured, last_completed_generation, generation, now_ms } = round;
        if self.previous_generation != last_completed_generation {
            self.previous = Work::default();
        }
        let configured = Work::configured(configured);
        // Java holds the members in a HashMap; the order decides who keeps one more than the others.
        let mut members: Vec<(Arc<str>, Work)> =
            members.into_iter().collect::<IndexMap<_, _>>().into_iter().collect();
        if members.is_empty() {
            return Shares { shares: Vec::new(), delay_ms: self.delay_ms };
        }
        sort_as_grown(&mut members, |(member, _)| member);
        let mut active = Work::default();
        for (_, claimed) in &members {
            active.add(claimed);
        }
        if !self.previous_revocation.is_empty() {
            // What was to be given up is still there: the last round did not take effect.
            if self.previous_revocation.overlaps(&active) {
                self.previous = active.clone();
            }
            self.previous_revocation = Work::default();
        }
        let deleted = self.previous.sorted_without(&[&configured]);
        let duplicated = duplicated(members.iter().map(|(_, claimed)| claimed));
        let lost = self.previous.sorted_without(&[&active, &deleted]);
        let created = configured.sorted_without(&[&self.previous, &active]);
        let mut next: Vec<Load> = members
            .into_iter()
            .map(|(member, claimed)| {
                let mut revoked = claimed.hashed_intersection(&deleted);
                revoked.add(&claimed.hashed_intersection(&duplicated));
                let current = claimed.without(&[&deleted]);
                let work = claimed.without(&[&revoked]);
                Load { member, work, current, revoked }
            })
            .collect();
        let reassigned = self.handle_lost(&lost, &mut next, now_ms);
        if self.delay_ms == 0 {
            self.balance(&configured, &mut next, now_ms);
        } else {
            self.revoked_in_previous = false;
        }
        let mut to_assign = created;
        to_assign.add(&reassigned);
        deal(&mut next, to_assign.connectors, |load| &mut load.work.connectors);
        deal(&mut next, to_assign.tasks, |load| &mut load.work.tasks);
        self.previous = Work::default();
        self.previous_members = next.iter().map(|load| Arc::clone(&load.member)).collect();
        self.previous_generation = generation;
        for load in &next {
            self.previous.add(&load.work);
        }
        for load in &next {
            self.previous.remove(&load.revoked);
            self.previous_revocation.add(&load.revoked);
        }
        self.previous.add(&lost);
        let shares = next
            .into_iter()
            .map(|load| Share {
                assigned: load.work.without(&[&load.current]),
                all: load.work.without(&[&load.revoked]),
                member: load.member,
                revoked: load.revoked,
            })
            .collect();
        Shares { shares, delay_ms: self.delay_ms }
    }

    /// What to do about work that nobody has any more: gives what is to be dealt anew (`handleLostAssignments`).
    fn handle_lost(&mut self, lost: &Work, next: &mut [Load], now_ms: u64) -> Work {
        if lost.is_empty() && !self.revoked_in_previous {
            self.reset_delay();
            return Work::default();
        }
        let is_present = |member: &Arc<str>| next.iter().any(|load| load.member == *member);
        let nobody_left = self.previous_members.iter().all(is_present);
        if (self.scheduled_ms == 0 && nobody_left) || self.max_delay_ms == 0 {
            // Somebody did not get its assignment, or nobody is ever waited for.
            return lost.clone();
        }
        if self.scheduled_ms > 0 && now_ms >= self.scheduled_ms {
            let reassigned = self.give_to_candidates(lost, next);
            self.reset_delay();
            self.revoked_in_previous = false;
            return reassigned;
        }
        // `Collectors.toSet()`: in the order of buckets.
        let mut idle: Vec<Arc<str>> =
            next.iter().filter(|load| load.work.is_empty()).map(|load| Arc::clone(&load.member)).collect();
        sort_as_grown(&mut idle, |member| member);
        self.candidates.extend(idle);
        self.delay_ms = if now_ms < self.scheduled_ms {
            (self.scheduled_ms - now_ms).min(self.max_delay_ms)
        } else {
            self.max_delay_ms
        };
        self.scheduled_ms = now_ms + self.delay_ms;
        Work::default()
    }

    /// The wait is over: workers that came meanwhile get what was lost. Without any it is dealt like new work.
    fn give_to_candidates(&self, lost: &Work, next: &mut [Load]) -> Work {
        let candidates: Vec<usize> = self
            .candidates
            .iter()
            .filter_map(|candidate| next.iter().position(|load| load.member == *candidate))
            .collect();
        if candidates.is_empty() {
            return lost.clone();
        }
        for (connector, place) in lost.connectors.iter().zip(candidates.iter().cycle()) {
            next[*place].work.connectors.insert(Arc::clone(connector));
        }
        for (task, place) in lost.tasks.iter().zip(candidates.iter().cycle()) {
            next[*place].work.tasks.insert(task.clone());
        }
        Work::default()
    }

    fn reset_delay(&mut self) {
        self.candidates.clear();
        self.scheduled_ms = 0;
        self.delay_ms = 0;
    }

    /// Takes from those that have more than their share, but not in two rounds in a row: then there is a pause between them (KIP-415's
    /// successor, KAFKA-12495).
    fn balance(&mut self, configured: &Work, next: &mut [Load], now_ms: u64) {
        let surplus = surplus(configured, next);
        let is_balanced = surplus.is_empty();
        if self.revoked_in_previous && !is_balanced {
            self.revoking_round_count = self.revoking_round_count.saturating_add(1);
            self.delay_ms = backoff_ms(self.max_delay_ms, self.revoking_round_count);
            if self.delay_ms == 0 {
                take(next, surplus);
            } else {
                self.scheduled_ms = now_ms + self.delay_ms;
            }
        } else if !is_balanced {
            take(next, surplus);
            self.revoked_in_previous = true;
        } else if self.revoked_in_previous {
            self.revoked_in_previous = false;
            self.revoking_round_count = 0;
        }
    }
}

/// A member in the making of a round.
#[derive(Debug)]
struct Load {
    member: Arc<str>,
    /// What it will have.
    work: Work,
    /// What it claims and is still configured.
    current: Work,
    /// What it gives up.
    revoked: Work,
}

/// What more than one of these has.
pub(in crate::group) fn duplicated<'a>(works: impl Iterator<Item = &'a Work> + Clone) -> Work {
    fn repeated<'a, T: Item + 'a>(sets: impl Iterator<Item = &'a IndexSet<T>>) -> IndexSet<T> {
        let mut counts: HashMap<&T, usize> = HashMap::new();
        for item in sets.flatten() {
            *counts.entry(item).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(item, _)| item.clone()).collect()
    }
    Work {
        connectors: repeated(works.clone().map(|work| &work.connectors)),
        tasks: repeated(works.map(|work| &work.tasks)),
    }
}

/// Who has more than its share, and what of it is to go: the place of the member, connectors and tasks
/// (`performLoadBalancingRevocations`).
fn surplus(configured: &Work, next: &[Load]) -> Vec<(usize, Work)> {
    if configured.is_empty() || next.iter().all(|load| load.work.is_empty()) {
        return Vec::new();
    }
    let connectors: Vec<_> = next.iter().map(|load| &load.work.connectors).collect();
    let tasks: Vec<_> = next.iter().map(|load| &load.work.tasks).collect();
    let mut surplus: HashMap<usize, Work> = HashMap::new();
    for (place, excess) in excess(configured.connectors.len(), &connectors) {
        surplus.entry(place).or_default().connectors = excess;
    }
    for (place, excess) in excess(configured.tasks.len(), &tasks) {
        surplus.entry(place).or_default().tasks = excess;
    }
    surplus.into_iter().collect()
}

fn excess<T: Item>(total: usize, held: &[&IndexSet<T>]) -> Vec<(usize, IndexSet<T>)> {
    let least = total / held.len();
    let extra_count = total % held.len();
    let with = |size: usize| held.iter().filter(|items| items.len() == size).count();
    if with(least + 1) == extra_count && with(least) + extra_count == held.len() {
        return Vec::new();
    }
    let mut extras_given = 0;
    let mut excess = Vec::new();
    for (place, items) in held.iter().enumerate() {
        if items.len() <= least {
            continue;
        }
        let kept = if extras_given < extra_count {
            extras_given += 1;
            least + 1
        } else {
            least
        };
        if items.len() > kept {
            excess.push((place, items.iter().take(items.len() - kept).cloned().collect()));
        }
    }
    excess
}

fn take(next: &mut [Load], surplus: Vec<(usize, Work)>) {
    for (place, work) in surplus {
        next[place].work.remove(&work);
        next[place].revoked.add(&work);
    }
}

/// Gives one item each to those that have least, until all is given (`assignConnectors`, `assignTasks`).
fn deal<T: Item>(next: &mut [Load], items: IndexSet<T>, held: impl Fn(&mut Load) -> &mut IndexSet<T>) {
    let mut sizes: Vec<(usize, usize)> =
        next.iter_mut().enumerate().map(|(place, load)| (held(load).len(), place)).collect();
    sizes.sort_by(|(left_size, left), (right_size, right)| {
        left_size.cmp(right_size).then_with(|| next[*left].member.java_cmp(&next[*right].member))
    });
    let mut items = items.into_iter();
    let mut item = items.next();
    while item.is_some() {
        let least = sizes[0].0;
        let up_to = sizes.iter().position(|(size, _)| *size > least).unwrap_or(sizes.len());
        for (size, place) in &mut sizes[..up_to] {
            let Some(given) = item.take() else { break };
            held(&mut next[*place]).insert(given);
            *size = held(&mut next[*place]).len();
            item = items.next();
        }
    }
}

/// How long to wait before the next round may revoke (`ExponentialBackoff` without jitter, in Java's arithmetic).
pub(super) fn backoff_ms(max_delay_ms: u64, attempts: u32) -> u64 {
    let initial = max_delay_ms.min(1);
    if max_delay_ms <= 1 {
        return initial;
    }
    let exponent_max = (max_delay_ms as f64).ln() / BACKOFF_FACTOR.ln();
    let backoff = BACKOFF_FACTOR.powf(f64::from(attempts).min(exponent_max));
    (backoff as u64).min(max_delay_ms)
}
