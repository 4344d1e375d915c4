//! Which partition a record goes to when its producer does not say: Java's murmur2 for keyed records, for the others one
//! sticky partition per `batch.size` bytes (KIP-480, KIP-794).

use crate::net::Env;

/// Kafka's murmur2, bit for bit as in `org.apache.kafka.common.utils.Utils#murmur2`: every client must agree on where a key lives.
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition of a keyed record among `partition_count` (at least one).
pub fn partition_for_key(key: &[u8], partition_count: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partition_count.max(1)
}

/// The partition for the next `batch.size` bytes of keyless records, drawn from `available` (those with a leader) when there are
/// any, else from all `partition_count`.
///
/// As Java's adaptive partitioning, partitions whose batches pile up get less: of two that are drawn the one with fewer batches in its
/// queue wins. That needs no table over all partitions, which Java renews whenever its sender runs.
pub(super) fn next_sticky(
    env: &Env,
    available: &[usize],
    partition_count: usize,
    queue_length: impl Fn(usize) -> usize,
) -> usize {
    match available {
        [] => env.random_below(partition_count),
        [only] => *only,
        many => {
            let first = many[env.random_below(many.len())];
            let second = many[env.random_below(many.len())];
            if queue_length(second) < queue_length(first) { second } else { first }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_java() {
        // Values of org.apache.kafka.common.utils.UtilsTest#testMurmur2.
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_still_gives_a_partition_in_range() {
        // Java masks the sign bit off instead of taking the absolute value.
        assert_eq!(partition_for_key(b"21", 10), ((-973_932_308_i32) & 0x7fff_ffff) as usize % 10);
        assert!((0..1_000_u32).all(|k| partition_for_key(&k.to_be_bytes(), 7) < 7));
    }

    #[test]
    fn sticky_spreads_evenly_avoids_long_queues_and_skips_partitions_without_leader() {
        let env = Env::real();
        let mut counts = [0; 8];
        for _ in 0..6_000 {
            counts[next_sticky(&env, &[1, 3, 5], 8, |_| 2)] += 1;
        }
        assert!([1, 3, 5].iter().all(|index| (1_700..2_300).contains(&counts[*index])), "{counts:?}");
        assert_eq!(counts.iter().sum::<usize>(), counts[1] + counts[3] + counts[5]);
        let mut counts = [0; 8];
        for _ in 0..6_000 {
            counts[next_sticky(&env, &[1, 3, 5], 8, |index| if index == 3 { 9 } else { 0 })] += 1;
        }
        // Only where both draws hit it.
        assert!((500..850).contains(&counts[3]), "{counts:?}");
        assert_eq!(next_sticky(&env, &[2], 8, |_| 0), 2);
        assert!(next_sticky(&env, &[], 8, |_| 0) < 8);
    }
}
