//! The order in which Java's `HashMap<String, …>` iterates: what its messages and answers show where it copied a map.

use api::{Props, java_map};

/// The same entries in Java's order.
pub(crate) fn java_order(mut props: Props) -> Props {
    let capacity = java_map::capacity(props.len());
    // Stable: within a bucket the order of insertion stays.
    props.sort_by_cached_key(|key, _| java_map::bucket(java_map::string_hash(key), capacity));
    props
}

/// The entries of a map that was made as a copy of one with `copied` entries: it has fewer buckets (`HashMap(Map)`).
pub(crate) fn java_copy_order(mut props: Props, copied: usize) -> Props {
    let capacity = java_map::copy_capacity(copied, props.len());
    props.sort_by_cached_key(|key, _| java_map::bucket(java_map::string_hash(key), capacity));
    props
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(inserted: &str, expected: &str) {
        let props = inserted.split(' ').map(|key| (key.to_owned(), String::new())).collect();
        let ordered: Vec<_> = java_order(props).into_keys().collect();
        assert_eq!(ordered.join(" "), expected);
    }

    #[test]
    fn iterates_as_java_does() {
        check(
            "db schema table server file pos lsn id ts_ms snapshot",
            "schema server file pos lsn id db table ts_ms snapshot",
        );
        // Recorded from ConnectStandalone 4.3.0: a properties file, a task's configuration.
        let task = ["connector.class", "file", "topic", "name", "task.class"];
        let task = task.into_iter().map(|key| (key.to_owned(), String::new())).collect();
        let ordered: Vec<_> = java_copy_order(task, 5).into_keys().collect();
        assert_eq!(ordered, ["connector.class", "name", "topic", "file", "task.class"]);
        check("name connector.class file topic tasks.max", "connector.class file tasks.max name topic");
        check(
            "connector.class tasks.max topics file name task.class",
            "connector.class file task.class tasks.max topics name",
        );
    }
}
