//! The order in which Java's `HashMap` iterates: what its answers and files show where it copied a map.

/// `String#hashCode`.
pub fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// How many buckets a map has that grew to `entries`.
pub fn capacity(entries: usize) -> u32 {
    grown(16, entries)
}

/// How many buckets a map has that was made as a copy of one with `copied` entries and has `entries` now (`HashMap(Map)`).
pub fn copy_capacity(copied: usize, entries: usize) -> u32 {
    let wanted = (copied as f32 / 0.75 + 1.0) as u32;
    grown(wanted.next_power_of_two(), entries)
}

/// A map doubles when it is three quarters full.
fn grown(mut capacity: u32, entries: usize) -> u32 {
    while entries as u64 > u64::from(capacity) * 3 / 4 && capacity < 1 << 30 {
        capacity *= 2;
    }
    capacity
}

/// Brings the entries of a map that grew to them into its order; `hash` is the `hashCode` of an entry's key.
pub fn sort<T>(entries: &mut [T], hash: impl Fn(&T) -> u32) {
    let capacity = capacity(entries.len());
    // Stable: within a bucket the order of insertion stays.
    entries.sort_by_cached_key(|entry| bucket(hash(entry), capacity));
}

/// The bucket of a key with this `hashCode`. Buckets are iterated in order; within one, the order of insertion stays.
pub fn bucket(hash: u32, capacity: u32) -> u32 {
    (hash ^ hash >> 16) & (capacity - 1)
}
