//! Keys that belong to a part: `producer.acks` is `acks` of the producers.

use indexmap::IndexMap;

/// The entries below `prefix`, which is taken off.
pub(crate) fn below<V: Clone>(entries: &IndexMap<String, V>, prefix: &str) -> IndexMap<String, V> {
    let stripped =
        entries.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())));
    stripped.collect()
}
