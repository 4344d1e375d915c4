//! The order in which Java's `HashMap` and `HashSet` give their entries, where an assignment depends on it. Connect has the same in
//! `api::java_map`; neither crate may link the other.

/// `String.hashCode`.
pub(super) fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode` of a partition of the topic with this hash.
pub(super) fn partition_hash(topic_hash: i32, partition: i32) -> i32 {
    31_i32.wrapping_add(partition).wrapping_mul(31).wrapping_add(topic_hash)
}

/// Indices of `keys` in the order of a default `HashMap` that they were put into one after the other. (A bucket of eight and more
/// becomes a tree in Java; its order is taken to be that of insertion all the same.)
pub(super) fn order(keys: &[&str]) -> Vec<usize> {
    let mut capacity = CAPACITY;
    while keys.len() > room(capacity) {
        capacity *= 2;
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    // Stable: within a bucket the order of insertion stays, also when the table grows.
    order.sort_by_key(|&index| bucket(string_hash(keys[index]), capacity));
    order
}

const CAPACITY: usize = 16;

fn room(capacity: usize) -> usize {
    capacity * 3 / 4
}

fn bucket(hash: i32, capacity: usize) -> usize {
    let hash = hash as u32;
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

/// A `HashSet` of values with a hash, as far as its first entry depends on what went in and out.
#[derive(Debug)]
pub(super) struct JavaSet<T> {
    entries: Vec<(i32, T)>,
    capacity: usize,
}

impl<T: Copy + PartialEq> JavaSet<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), capacity: CAPACITY }
    }

    pub(super) fn insert(&mut self, hash: i32, value: T) {
        if self.entries.iter().all(|(_, known)| *known != value) {
            self.entries.push((hash, value));
            if self.entries.len() > room(self.capacity) {
                self.capacity *= 2;
            }
        }
    }

    pub(super) fn remove(&mut self, value: T) {
        self.entries.retain(|(_, known)| *known != value);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What its iterator gives first.
    pub(super) fn first(&self) -> Option<T> {
        self.entries.iter().min_by_key(|(hash, _)| bucket(*hash, self.capacity)).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_orders_as_java_does() {
        // jshell> "consumer-1".hashCode(), new TopicPartition("t", 3).hashCode()
        assert_eq!(
            string_hash("consumer-1"),
            "consumer-1".bytes().fold(0_i32, |h, b| h.wrapping_mul(31).wrapping_add(i32::from(b)))
        );
        assert_eq!(string_hash("Aa"), string_hash("BB"));
        assert_eq!(partition_hash(string_hash("t"), 3), 31 * 34 + 116);
        // One-letter keys lie in the order of their codes modulo the table's size: 'p' is 112, a multiple of 16.
        assert_eq!(order(&["b", "a", "p"]), [2, 1, 0]);
        assert_eq!(order(&["BB", "Aa"]), [0, 1]);
    }

    #[test]
    fn a_set_begins_with_its_lowest_bucket() {
        let mut set = JavaSet::new();
        for value in [19, 3, 2] {
            set.insert(value, value);
        }
        assert_eq!(set.first(), Some(2));
        set.remove(2);
        assert_eq!(set.first(), Some(19), "in the same bucket, and there first");
        for value in 40..52 {
            set.insert(value, value);
        }
        assert_eq!(set.first(), Some(3), "the table has grown and parts the two");
    }
}
