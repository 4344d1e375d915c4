//! What must hold of assignments whatever happened before, and Java's arithmetic of delays. What exactly they are is compared with
//! recordings in `group::tests`.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::task::TaskId;
use proptest::prelude::*;

use super::cooperative::backoff_ms;
use super::*;

const RECORDED: &str = include_str!("../../../tests/vectors/group_backoff.jsonl");
const DELAY_MS: u64 = 60_000;

/// Members that do as they are told, and a leader that stays.
struct Cluster {
    assignor: CooperativeAssignor,
    members: BTreeMap<Arc<str>, Work>,
    configured: Configured,
    generation: i32,
    now_ms: u64,
    member_count: usize,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Joins,
    Leaves(prop::sample::Index),
    Created(u8, u32),
    Deleted(prop::sample::Index),
    Waits(u64),
    Claims(prop::sample::Index, prop::sample::Index),
}

impl Cluster {
    fn new(delay_ms: u64) -> Cluster {
        let mut cluster = Cluster {
            assignor: CooperativeAssignor::new(delay_ms),
            members: BTreeMap::new(),
            configured: Configured::default(),
            generation: 0,
            now_ms: 1,
            member_count: 0,
        };
        cluster.join();
        cluster
    }

    fn join(&mut self) {
        self.member_count += 1;
        self.members.insert(format!("m{}", self.member_count).into(), Work::default());
    }

    /// One round; gives its outcome.
    fn round(&mut self) -> Shares {
        let last = self.generation;
        self.generation += 1;
        let shares = self.assignor.assign(Round {
            members: self.members.iter().map(|(member, work)| (Arc::clone(member), work.clone())).collect(),
            configured: &self.configured,
            last_completed_generation: if last == 0 { -1 } else { last },
            generation: self.generation,
            now_ms: self.now_ms,
        });
        for share in &shares.shares {
            let work = self.members.get_mut(&share.member).unwrap();
            work.remove(&share.revoked);
            work.add(&share.assigned);
            assert_eq!(*work, share.all, "what the leader says that everybody has");
        }
        shares
    }

    /// Rounds until nothing moves and nothing is waited for.
    fn settle(&mut self) {
        for _ in 0..40 {
            let shares = self.round();
            if shares.delay_ms == 0
                && shares.shares.iter().all(|share| share.assigned.is_empty() && share.revoked.is_empty())
            {
                return;
            }
            self.now_ms += shares.delay_ms;
        }
        panic!("does not settle");
    }

    fn apply(&mut self, change: Change) {
        let connectors: Vec<Arc<str>> = self.configured.connectors.keys().cloned().collect();
        let members: Vec<Arc<str>> = self.members.keys().cloned().collect();
        match change {
            Change::Joins => self.join(),
            Change::Leaves(index) => {
                if members.len() > 1 {
                    self.members.remove(index.get(&members));
                }
            }
            Change::Created(name, tasks) => {
                self.configured.connectors.insert(format!("c{name}").into(), tasks);
            }
            Change::Deleted(index) => {
                if !connectors.is_empty() {
                    self.configured.connectors.remove(index.get(&connectors));
                }
            }
            Change::Waits(ms) => self.now_ms += ms,
            Change::Claims(from, to) => {
                let claimed = self.members[index_of(from, &members)].clone();
                self.members.get_mut(index_of(to, &members)).unwrap().add(&claimed);
            }
        }
    }

    /// How often each item is held.
    fn held(&self) -> (BTreeMap<Arc<str>, usize>, BTreeMap<TaskId, usize>) {
        let (mut connectors, mut tasks) = (BTreeMap::new(), BTreeMap::new());
        for work in self.members.values() {
            for connector in &work.connectors {
                *connectors.entry(Arc::clone(connector)).or_default() += 1;
            }
            for task in &work.tasks {
                *tasks.entry(task.clone()).or_default() += 1;
            }
        }
        (connectors, tasks)
    }
}

fn index_of(index: prop::sample::Index, members: &[Arc<str>]) -> &Arc<str> {
    index.get(members)
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let index = || any::<prop::sample::Index>();
    let change = prop_oneof![
        3 => Just(Change::Joins),
        2 => index().prop_map(Change::Leaves),
        4 => (0..12_u8, 0..6_u32).prop_map(|(name, tasks)| Change::Created(name, tasks)),
        2 => index().prop_map(Change::Deleted),
        2 => (0..100_000_u64).prop_map(Change::Waits),
        1 => (index(), index()).prop_map(|(from, to)| Change::Claims(from, to)),
    ];
    prop::collection::vec(prop::collection::vec(change, 0..4), 1..12)
}

proptest! {
    #[test]
    fn after_the_delays_everything_runs_once_and_evenly(delays in any::<bool>(), changes in changes()) {
        let mut cluster = Cluster::new(if delays { DELAY_MS } else { 0 });
        for batch in changes {
            for change in batch {
                cluster.apply(change);
            }
            let shares = cluster.round();
            prop_assert!(shares.delay_ms <= DELAY_MS);
            // Whatever was claimed twice is with nobody now, and nothing was given away twice.
            let (connectors, tasks) = cluster.held();
            prop_assert!(connectors.values().chain(tasks.values()).all(|count| *count == 1));
        }
        cluster.settle();
        let (connectors, tasks) = cluster.held();
        let configured = Work::configured(&cluster.configured);
        prop_assert_eq!(connectors.len(), configured.connectors.len());
        prop_assert!(connectors.keys().all(|connector| configured.connectors.contains(connector)));
        prop_assert_eq!(tasks.len(), configured.tasks.len());
        prop_assert!(tasks.keys().all(|task| configured.tasks.contains(task)));
        let sizes = |size: fn(&Work) -> usize| {
            let sizes: Vec<usize> = cluster.members.values().map(size).collect();
            sizes.iter().max().unwrap() - sizes.iter().min().unwrap()
        };
        prop_assert!(sizes(|work| work.connectors.len()) <= 1);
        prop_assert!(sizes(|work| work.tasks.len()) <= 1);
    }

    #[test]
    fn what_need_not_move_does_not(workers in 1..6_usize, connectors in 0..8_u8, tasks in 0..6_u32) {
        let mut cluster = Cluster::new(DELAY_MS);
        for _ in 1..workers {
            cluster.join();
        }
        for name in 0..connectors {
            cluster.apply(Change::Created(name, tasks));
        }
        cluster.settle();
        let before = cluster.members.clone();
        // A connector more, of which everybody gets a part: nothing else is touched.
        cluster.apply(Change::Created(200, 3));
        let shares = cluster.round();
        prop_assert!(shares.shares.iter().all(|share| share.revoked.is_empty()));
        for (member, work) in &before {
            let now = &cluster.members[member];
            prop_assert!(work.connectors.is_subset(&now.connectors) && work.tasks.is_subset(&now.tasks));
        }
        // A worker leaves: its work waits, and nobody else's moves.
        let gone = Arc::clone(cluster.members.keys().next().unwrap());
        if workers > 1 {
            let before = cluster.members.clone();
            cluster.members.remove(&gone);
            let shares = cluster.round();
            prop_assert_eq!(shares.delay_ms, if before[&gone].is_empty() { 0 } else { DELAY_MS });
            // It is back within the delay, under another name and with its work: everything is as it was.
            cluster.members.insert("back".into(), before[&gone].clone());
            cluster.now_ms += DELAY_MS / 2;
            let shares = cluster.round();
            prop_assert_eq!(shares.delay_ms, 0);
            prop_assert!(shares.shares.iter().all(|share| share.assigned.is_empty() && share.revoked.is_empty()));
        }
    }

    #[test]
    fn an_eager_group_shares_everything_evenly(workers in 1..6_u8, connectors in 0..8_u8, tasks in 0..6_u32) {
        let members = (0..workers).map(|number| Arc::from(format!("m{number}")));
        let configured = Configured {
            offset: 0,
            connectors: (0..connectors).map(|name| (format!("c{name}").into(), tasks)).collect(),
        };
        let shares = assign_eagerly(members, &configured).shares;
        let total: usize = shares.iter().map(|share| share.all.connectors.len() + share.all.tasks.len()).sum();
        prop_assert_eq!(total, usize::from(connectors) * (1 + tasks as usize));
        let sizes: Vec<usize> =
            shares.iter().map(|share| share.all.connectors.len() + share.all.tasks.len()).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
    }
}

#[test]
fn waits_between_revoking_rounds_as_long_as_java_does() {
    for line in RECORDED.lines() {
        let recorded: Vec<u64> = serde_json::from_str(line).unwrap();
        let ours: Vec<u64> = (1..7).map(|attempt| backoff_ms(recorded[0], attempt)).collect();
        assert_eq!(ours, recorded[1..], "with a delay of at most {} ms", recorded[0]);
    }
}
