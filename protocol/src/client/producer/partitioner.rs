//! Which partition a record goes to when its producer does not say: Java's murmur2 for keyed records, one sticky partition per
//! batch for the others (KIP-480).

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

/// Another partition than `current` for the next sticky batch, drawn from `available` (those with a leader) when there are any,
/// else from all `partition_count`.
pub(super) fn next_sticky(
    env: &Env,
    current: Option<usize>,
    available: &[usize],
    partition_count: usize,
) -> usize {
    match available {
        [] => env.random_below(partition_count),
        [only] => *only,
        many => loop {
            let drawn = many[env.random_below(many.len())];
            if Some(drawn) != current {
                return drawn;
            }
        },
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
    fn sticky_moves_on_and_skips_partitions_without_leader() {
        let env = Env::real();
        for _ in 0..100 {
            let next = next_sticky(&env, Some(3), &[1, 3, 5], 8);
            assert!(next == 1 || next == 5);
        }
        assert_eq!(next_sticky(&env, Some(2), &[2], 8), 2);
        assert!(next_sticky(&env, None, &[], 8) < 8);
    }
}
