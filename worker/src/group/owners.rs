//! What the leader knows of everybody after a round (`LeaderState`): who is there, what each has, what nobody has, and why the group met.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use engine::task::TaskId;

use super::assignor::{Configured, Shares, Work};

/// How many names a reason spells out.
const NAMES_MAX: usize = 3;

/// Where everything runs, as of the leader's last round.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Owners {
    connectors: HashMap<Arc<str>, Arc<str>>,
    tasks: HashMap<TaskId, Arc<str>>,
    members: Vec<MemberWork>,
    unassigned: Work,
    reason: String,
}

/// A member of the group and what it is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberWork {
    /// Its member id.
    pub member_id: Arc<str>,
    /// Where its REST is.
    pub url: Arc<str>,
    /// How much of the config topic it had read when it joined.
    pub config_offset: i64,
    /// What it has once it has given up what was taken from it.
    pub work: Work,
}

/// What a round began with, kept to tell what the next one is about.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) generation: i32,
    /// URLs by member id.
    pub(super) members: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) configured: Arc<Configured>,
    /// Something was taken from somebody, so that everybody joins again at once.
    pub(super) revoked_any: bool,
    /// Everybody was to join again after so long; 0 for never.
    pub(super) delay_ms: u64,
}

impl Owners {
    /// `members`: id, URL and config offset of each.
    pub(super) fn new(
        shares: Shares,
        members: &HashMap<Arc<str>, (Arc<str>, i64)>,
        configured: &Configured,
        reason: String,
    ) -> Owners {
        let mut owners = Owners { reason, ..Owners::default() };
        let mut given = Work::default();
        for share in shares.shares {
            let Some((url, config_offset)) = members.get(&share.member) else { continue };
            let work = share.all;
            let connectors = work.connectors.iter();
            owners.connectors.extend(connectors.map(|connector| (Arc::clone(connector), Arc::clone(url))));
            owners.tasks.extend(work.tasks.iter().map(|task| (task.clone(), Arc::clone(url))));
            given.add(&work);
            owners.members.push(MemberWork {
                member_id: share.member,
                url: Arc::clone(url),
                config_offset: *config_offset,
                work,
            });
        }
        owners.members.sort_by(|a, b| (&a.url, &a.member_id).cmp(&(&b.url, &b.member_id)));
        owners.unassigned = Work::configured(configured).without(&[&given]);
        owners
    }

    /// The REST URL of the worker that runs a connector.
    pub fn connector(&self, connector: &str) -> Option<&Arc<str>> {
        self.connectors.get(connector)
    }

    /// The REST URL of the worker that runs a task.
    pub fn task(&self, task: &TaskId) -> Option<&Arc<str>> {
        self.tasks.get(task)
    }

    /// All members, by URL.
    pub fn members(&self) -> &[MemberWork] {
        &self.members
    }

    /// What is configured and nobody has: taken from somebody just now, or kept for a worker that may come back.
    pub fn unassigned(&self) -> &Work {
        &self.unassigned
    }

    /// Why the group met.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Met {
    /// Why the group meets again, told from what is different now. Members say why they join only to the coordinator (KIP-800).
    pub(super) fn why_again(&self, members: &BTreeMap<Arc<str>, Arc<str>>, now: &Configured) -> String {
        let mut causes = Vec::new();
        let is_here = |url: &Arc<str>| members.values().any(|other| other == url);
        let was_here = |url: &Arc<str>| self.members.values().any(|other| other == url);
        let joined = || members.iter().filter(|(id, _)| !self.members.contains_key(*id)).map(|(_, url)| url);
        let left = || self.members.iter().filter(|(id, _)| !members.contains_key(*id)).map(|(_, url)| url);
        say(&mut causes, "joined", joined().filter(|url| !was_here(url)));
        say(&mut causes, "came back", joined().filter(|url| was_here(url)));
        say(&mut causes, "left", left().filter(|url| !is_here(url)));
        let before = &self.configured.connectors;
        let is_new = |name: &&Arc<str>| !before.contains_key(*name);
        say(&mut causes, "created", now.connectors.keys().filter(is_new));
        let is_gone = |name: &&Arc<str>| !now.connectors.contains_key(*name);
        say(&mut causes, "deleted", before.keys().filter(is_gone));
        let has_other_tasks =
            |(name, count): &(&Arc<str>, &u32)| before.get(*name).is_some_and(|known| known != *count);
        let changed = now.connectors.iter().filter(has_other_tasks).map(|(name, _)| name);
        say(&mut causes, "has another number of tasks", changed);
        if causes.is_empty() && self.revoked_any {
            causes.push("what was taken from some workers is given to others".to_owned());
        }
        if causes.is_empty() && self.configured.offset != now.offset {
            let (from, to) = (self.configured.offset, now.offset);
            causes.push(format!("the config topic has moved on, from offset {from} to {to}"));
        }
        if causes.is_empty() && self.delay_ms > 0 {
            causes.push("the scheduled rebalance is due".to_owned());
        }
        if causes.is_empty() {
            causes.push("a worker joined again".to_owned());
        }
        causes.join("; ")
    }
}

fn say<'a>(causes: &mut Vec<String>, what: &str, names: impl Iterator<Item = &'a Arc<str>>) {
    let names: Vec<&str> = names.map(|name| &**name).collect();
    if names.is_empty() {
        return;
    }
    let mut cause = names[..names.len().min(NAMES_MAX)].join(", ");
    if names.len() > NAMES_MAX {
        // Writing to a string cannot fail.
        let _infallible = write!(cause, " and {} more", names.len() - NAMES_MAX);
    }
    causes.push(format!("{cause} {what}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(offset: i64, connectors: &[(&str, u32)]) -> Arc<Configured> {
        let connectors = connectors.iter().map(|(name, tasks)| (Arc::from(*name), *tasks)).collect();
        Arc::new(Configured { offset, connectors })
    }

    fn members(members: &[(&str, &str)]) -> BTreeMap<Arc<str>, Arc<str>> {
        members.iter().map(|(id, url)| (Arc::from(*id), Arc::from(*url))).collect()
    }

    fn met() -> Met {
        Met {
            generation: 3,
            members: members(&[("m1", "http://a/"), ("m2", "http://b/")]),
            configured: configured(5, &[("c", 1), ("d", 1)]),
            revoked_any: false,
            delay_ms: 0,
        }
    }

    #[track_caller]
    fn check(before: &Met, now: &[(&str, &str)], configured: &Configured, expected: &str) {
        assert_eq!(before.why_again(&members(now), configured), expected);
    }

    #[test]
    fn the_reason_names_who_came_who_went_and_what_was_configured() {
        let same = [("m1", "http://a/"), ("m2", "http://b/")];
        let before = met();
        let as_before = configured(5, &[("c", 1), ("d", 1)]);
        check(&before, &[("m1", "http://a/"), ("m3", "http://b/")], &as_before, "http://b/ came back");
        check(
            &before,
            &[("m1", "http://a/"), ("m3", "http://x/")],
            &as_before,
            "http://x/ joined; http://b/ left",
        );
        let other = configured(9, &[("c", 2), ("e", 0), ("f", 0), ("g", 0), ("h", 0), ("i", 0)]);
        check(&before, &same, &other, "e, f, g and 2 more created; d deleted; c has another number of tasks");
        let moved = configured(7, &[("c", 1), ("d", 1)]);
        check(&before, &same, &moved, "the config topic has moved on, from offset 5 to 7");
        check(&before, &same, &as_before, "a worker joined again");
        check(&Met { delay_ms: 1, ..met() }, &same, &as_before, "the scheduled rebalance is due");
        let revoked = Met { revoked_any: true, ..met() };
        check(&revoked, &same, &as_before, "what was taken from some workers is given to others");
    }
}
