//! Connectors and tasks as a pair of sets, and the orders in which Java's collections give them.
//!
//! Java's assignor mixes `LinkedHashSet` (order of insertion), `TreeSet` (order of UTF-16 units) and `HashSet` (order of buckets). Which
//! tasks move depends on it, so each place here says which of them it stands for.

use std::cmp::Ordering;
use std::hash::Hash;
use std::sync::Arc;

use api::java_map;
use engine::task::TaskId;
use indexmap::IndexSet;

use super::Configured;

/// Connectors and tasks in the order of insertion, each once (`ConnectorsAndTasks` over `LinkedHashSet`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// Connector names.
    pub connectors: IndexSet<Arc<str>>,
    /// Tasks.
    pub tasks: IndexSet<TaskId>,
}

/// What a set of Java's orders by.
pub(in crate::group) trait Item: Clone + Eq + Hash {
    /// `hashCode`.
    fn java_hash(&self) -> u32;
    /// `compareTo`.
    fn java_cmp(&self, other: &Self) -> Ordering;
}

impl Item for Arc<str> {
    fn java_hash(&self) -> u32 {
        java_map::string_hash(self)
    }

    fn java_cmp(&self, other: &Self) -> Ordering {
        self.encode_utf16().cmp(other.encode_utf16())
    }
}

impl Item for TaskId {
    fn java_hash(&self) -> u32 {
        java_map::string_hash(&self.connector).wrapping_mul(31).wrapping_add(self.task)
    }

    fn java_cmp(&self, other: &Self) -> Ordering {
        self.connector.java_cmp(&other.connector).then(self.task.cmp(&other.task))
    }
}

impl Work {
    pub(in crate::group) fn new(
        connectors: impl IntoIterator<Item = Arc<str>>,
        tasks: impl IntoIterator<Item = TaskId>,
    ) -> Work {
        Work { connectors: connectors.into_iter().collect(), tasks: tasks.into_iter().collect() }
    }

    /// Everything that is to run, in Java's sorted order.
    pub(in crate::group) fn configured(configured: &Configured) -> Work {
        let mut connectors: Vec<Arc<str>> = configured.connectors.keys().cloned().collect();
        connectors.sort_by(Item::java_cmp);
        let tasks = connectors.iter().flat_map(|connector| {
            let count = configured.connectors.get(connector).copied().unwrap_or(0);
            (0..count).map(|task| TaskId { connector: Arc::clone(connector), task })
        });
        let tasks: IndexSet<TaskId> = tasks.collect();
        Work { connectors: connectors.into_iter().collect(), tasks }
    }

    /// Whether there is neither a connector nor a task.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    /// Adds what is not there yet.
    pub(in crate::group) fn add(&mut self, other: &Work) {
        self.connectors.extend(other.connectors.iter().cloned());
        self.tasks.extend(other.tasks.iter().cloned());
    }

    /// Leaves out what `other` has; the order stays.
    pub(in crate::group) fn remove(&mut self, other: &Work) {
        self.connectors.retain(|connector| !other.connectors.contains(connector));
        self.tasks.retain(|task| !other.tasks.contains(task));
    }

    /// What is in none of `others`, in the order of insertion.
    pub(in crate::group) fn without(&self, others: &[&Work]) -> Work {
        let mut rest = self.clone();
        for other in others {
            rest.remove(other);
        }
        rest
    }

    /// The same, sorted (`IncrementalCooperativeAssignor#diff`, which goes through a `TreeSet`).
    pub(super) fn sorted_without(&self, others: &[&Work]) -> Work {
        let mut rest = self.without(others);
        rest.connectors.sort_by(Item::java_cmp);
        rest.tasks.sort_by(Item::java_cmp);
        rest
    }

    /// What both have, in this one's order.
    pub(in crate::group) fn common(&self, other: &Work) -> Work {
        let mut common = self.clone();
        common.connectors.retain(|connector| other.connectors.contains(connector));
        common.tasks.retain(|task| other.tasks.contains(task));
        common
    }

    /// What both have, in the order of a `HashSet` copied from this one.
    pub(super) fn hashed_intersection(&self, other: &Work) -> Work {
        fn both<T: Item>(mine: &IndexSet<T>, other: &IndexSet<T>) -> IndexSet<T> {
            let mut both = in_hash_set_order(mine.iter().cloned());
            both.retain(|item| other.contains(item));
            both
        }
        Work { connectors: both(&self.connectors, &other.connectors), tasks: both(&self.tasks, &other.tasks) }
    }

    /// Whether anything is in both.
    pub(super) fn overlaps(&self, other: &Work) -> bool {
        self.connectors.iter().any(|connector| other.connectors.contains(connector))
            || self.tasks.iter().any(|task| other.tasks.contains(task))
    }
}

/// The items, each once, in the order of `new HashSet<>(collection)`. Java 17 sizes the table by the collection, later releases a little
/// differently. (A bucket of eight and more would be a tree in Java; its order is taken to be that of insertion all the same.)
pub(in crate::group) fn in_hash_set_order<T: Item>(items: impl Iterator<Item = T>) -> IndexSet<T> {
    let items: Vec<T> = items.collect();
    let wanted = java_map::copy_capacity(items.len(), 0).max(16);
    let mut set: IndexSet<T> = items.into_iter().collect();
    set.sort_by_cached_key(|item| java_map::bucket(item.java_hash(), wanted));
    set
}

/// The order of a default `HashMap` or `HashSet` into which the items were put one after the other.
pub(super) fn sort_as_grown<T>(items: &mut [T], key: impl Fn(&T) -> &Arc<str>) {
    java_map::sort(items, |item| key(item).java_hash());
}
