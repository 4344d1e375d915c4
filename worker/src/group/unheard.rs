//! What a member was told to give up because another one claimed it as well, and has not heard of.
//!
//! A Java worker that was out of the group for a while comes back claiming what it had, although others run it by then: the assignor takes it
//! from all of them, to deal it anew. Where the others are done with that before it has fetched its assignment, the next round begins, it
//! never learns that anything was taken, and claims all of it again. It alone claims it now, so the assignor leaves it there: but its source
//! tasks were shut out by those of the others and have failed, and nobody starts them again. That happens among Java's workers, too. A
//! leader of ours takes from such a member what it was to give up in the first place.

use std::collections::HashMap;
use std::sync::Arc;

use super::assignor::{Shares, Work, duplicated};

/// Of the last round that this worker made.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    generation: i32,
    /// By member.
    told: HashMap<Arc<str>, Work>,
}

impl Unheard {
    /// Has members give up what they claim again, and keeps in mind what this round, of `generation`, takes from several. Only the round that
    /// this worker completed last counts: with another leader in between, or without an assignment of its own, it knows nothing.
    pub(super) fn take(&mut self, last_completed_generation: i32, generation: i32, shares: &mut Shares) {
        // What several claim is taken from all of them, and nothing else is taken from more than one.
        let doubled = duplicated(shares.shares.iter().map(|share| &share.revoked));
        let mut before = std::mem::take(&mut self.told);
        if std::mem::replace(&mut self.generation, generation) != last_completed_generation {
            before.clear();
        }
        for share in &mut shares.shares {
            let mut told = share.revoked.common(&doubled);
            if let Some(before) = before.get(&share.member) {
                // What it is left with and not given now is what it claims.
                let again = before.common(&share.all).without(&[&share.assigned]);
                if !again.is_empty() {
                    tracing::info!(
                        member = &*share.member,
                        connectors = again.connectors.len(),
                        tasks = again.tasks.len(),
                        "a member still claims what it was told to give up: it is told again"
                    );
                }
                share.all.remove(&again);
                share.revoked.add(&again);
                told.add(&before.common(&share.revoked));
            }
            if !told.is_empty() {
                self.told.insert(Arc::clone(&share.member), told);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::task::TaskId;

    use super::super::assignor::{Configured, CooperativeAssignor, Round, Share};
    use super::*;

    fn tasks(numbers: impl IntoIterator<Item = u32>) -> Work {
        Work::new([], numbers.into_iter().map(|task| TaskId { connector: "c".into(), task }))
    }

    struct Group {
        assignor: CooperativeAssignor,
        unheard: Unheard,
        configured: Configured,
        generation: i32,
    }

    impl Group {
        fn meets(&mut self, claims: &[(&str, Work)]) -> HashMap<Arc<str>, Share> {
            let claims: Vec<(Arc<str>, Work)> =
                claims.iter().map(|(member, work)| ((*member).into(), work.clone())).collect();
            let last_completed_generation = self.generation;
            self.generation += 1;
            let mut shares = self.assignor.assign(Round {
                members: claims,
                configured: &self.configured,
                last_completed_generation,
                generation: self.generation,
                now_ms: 1_000,
            });
            self.unheard.take(last_completed_generation, self.generation, &mut shares);
            shares.shares.into_iter().map(|share| (Arc::clone(&share.member), share)).collect()
        }
    }

    fn group(max_delay_ms: u64) -> Group {
        Group {
            assignor: CooperativeAssignor::new(max_delay_ms),
            unheard: Unheard::default(),
            configured: Configured { offset: 1, connectors: [("c".into(), 4)].into() },
            generation: 0,
        }
    }

    #[test]
    fn what_a_member_has_not_heard_to_be_taken_from_it_is_taken_again_and_then_dealt() {
        for max_delay_ms in [0, 300_000] {
            let mut group = group(max_delay_ms);
            // `back` has been away; `other` has had its tasks since.
            let first = group.meets(&[("other", tasks(0..4)), ("back", tasks(0..2))]);
            assert_eq!(first["back"].revoked, tasks([0, 1]));
            assert!(first["other"].revoked.tasks.contains(&TaskId { connector: "c".into(), task: 0 }));
            let kept = first["other"].all.clone();
            // The other one has heard of it, it has not.
            let second = group.meets(&[("other", kept), ("back", tasks(0..2))]);
            assert_eq!(second["back"].revoked, tasks([0, 1]), "delay {max_delay_ms}");
            assert!(second["back"].all.tasks.is_empty(), "{second:?}");
            // Nor of that.
            let kept = second["other"].all.clone();
            let again = group.meets(&[("other", kept), ("back", tasks(0..2))]);
            assert_eq!(again["back"].revoked, tasks([0, 1]), "delay {max_delay_ms}");
            let second = again;
            let (other, back) = (second["other"].all.clone(), second["back"].all.clone());
            let third = group.meets(&[("other", other), ("back", back)]);
            let mut all = third["other"].all.clone();
            all.add(&third["back"].all);
            all.tasks.sort();
            assert_eq!(all.tasks, tasks(0..4).tasks, "delay {max_delay_ms}");
            assert!(third.values().all(|share| share.revoked.is_empty()));
        }
    }

    #[test]
    fn what_was_given_up_and_dealt_back_stays() {
        let mut group = group(0);
        let first = group.meets(&[("other", tasks(0..4)), ("back", tasks(0..2))]);
        let (other, back) = (first["other"].all.clone(), first["back"].all.clone());
        let second = group.meets(&[("other", other), ("back", back)]);
        let (other, back) = (second["other"].all.clone(), second["back"].all.clone());
        let third = group.meets(&[("other", other.clone()), ("back", back.clone())]);
        assert_eq!((&third["other"].all, &third["back"].all), (&other, &back));
        assert!(third.values().all(|share| share.revoked.is_empty()));
    }
}
