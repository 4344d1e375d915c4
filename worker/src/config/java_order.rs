//! The order in which Java's `HashMap<String, …>` iterates: what its messages and answers show where it copied a map.

use api::Props;

/// The same entries in Java's order.
pub(crate) fn java_order(mut props: Props) -> Props {
    let mut capacity = 16_u32;
    while props.len() as u64 > u64::from(capacity) * 3 / 4 {
        capacity *= 2;
    }
    // Stable: within a bucket the order of insertion stays.
    props.sort_by_cached_key(|key, _| bucket(key, capacity));
    props
}

/// `HashMap#hash` and `String#hashCode` (contract A.5).
fn bucket(key: &str, capacity: u32) -> u32 {
    let hash = key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash ^ hash >> 16) & (capacity - 1)
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
        check("name connector.class file topic tasks.max", "connector.class file tasks.max name topic");
        check(
            "connector.class tasks.max topics file name task.class",
            "connector.class file task.class tasks.max topics name",
        );
    }
}
