//! Zigzag varints, as records hold them. Reads take a slice and return the value and what follows it, by value: a cursor
//! behind a reference would live in memory and cost the record iterator half of its speed. `None` means that the bytes end
//! or the number is too long.

/// Reads a zigzag varint of 32 bits. As Java: five bytes at most, superfluous bits of the fifth are dropped.
#[inline(always)]
pub(crate) fn read_i32(bytes: &[u8]) -> Option<(i32, &[u8])> {
    match *bytes {
        [a, ref rest @ ..] if a < 0x80 => Some((unzigzag_i32(u32::from(a)), rest)),
        [a, b, ref rest @ ..] if b < 0x80 => {
            Some((unzigzag_i32(u32::from(a & 0x7f) | u32::from(b) << 7), rest))
        }
        [a, b, c, ref rest @ ..] if c < 0x80 => {
            let value = u32::from(a & 0x7f) | u32::from(b & 0x7f) << 7 | u32::from(c) << 14;
            Some((unzigzag_i32(value), rest))
        }
        _ => read_i32_slow(bytes),
    }
}

/// Reads a zigzag varint of 64 bits. As Java: ten bytes at most, superfluous bits of the tenth are dropped.
#[inline(always)]
pub(crate) fn read_i64(bytes: &[u8]) -> Option<(i64, &[u8])> {
    match *bytes {
        [a, ref rest @ ..] if a < 0x80 => Some((unzigzag_i64(u64::from(a)), rest)),
        [a, b, ref rest @ ..] if b < 0x80 => {
            Some((unzigzag_i64(u64::from(a & 0x7f) | u64::from(b) << 7), rest))
        }
        _ => read_i64_slow(bytes),
    }
}

/// Appends a zigzag varint of 32 bits.
#[inline(always)]
pub(crate) fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_u64(out, u64::from(zigzag_i32(value)));
}

/// Appends a zigzag varint of 64 bits.
#[inline(always)]
pub(crate) fn write_i64(out: &mut Vec<u8>, value: i64) {
    write_u64(out, zigzag_i64(value));
}

/// The bytes that [`write_i32`] appends.
#[inline(always)]
pub(crate) fn size_i32(value: i32) -> usize {
    size_u64(u64::from(zigzag_i32(value)))
}

/// The bytes that [`write_i64`] appends.
#[inline(always)]
pub(crate) fn size_i64(value: i64) -> usize {
    size_u64(zigzag_i64(value))
}

/// A few bytes in a word, the first one lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) bytes: u64,
    pub(crate) length: usize,
}

/// The largest number that [`short`] takes: three bytes of seven bits.
pub(crate) const SHORT_MAX: u32 = (1 << 21) - 1;

/// The varint of a small number that is in zigzag already.
#[inline(always)]
pub(crate) fn short(value: u32) -> Short {
    debug_assert!(value <= SHORT_MAX);
    let value = u64::from(value);
    if value < 0x80 {
        Short { bytes: value, length: 1 }
    } else if value < 0x4000 {
        Short { bytes: value & 0x7f | (value & 0x3f80) << 1 | 0x80, length: 2 }
    } else {
        Short { bytes: value & 0x7f | (value & 0x3f80) << 1 | (value >> 14) << 16 | 0x8080, length: 3 }
    }
}

impl Short {
    /// Both, one behind the other: eight bytes at most in all.
    #[inline(always)]
    pub(crate) fn then(self, next: Short) -> Short {
        debug_assert!(self.length + next.length <= 8);
        Short { bytes: self.bytes | next.bytes << (8 * self.length), length: self.length + next.length }
    }
}

#[inline(never)]
fn read_i32_slow(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let mut value = 0u32;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index as u32);
        if byte < 0x80 {
            return Some((unzigzag_i32(value), &bytes[index + 1..]));
        }
    }
    None
}

#[inline(never)]
fn read_i64_slow(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index as u32);
        if byte < 0x80 {
            return Some((unzigzag_i64(value), &bytes[index + 1..]));
        }
    }
    None
}

#[inline(always)]
fn write_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline(always)]
fn size_u64(value: u64) -> usize {
    // Seven bits per byte; `| 1` because zero takes one byte too.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[inline(always)]
pub(crate) fn zigzag_i32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline(always)]
pub(crate) fn zigzag_i64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline(always)]
fn unzigzag_i32(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[inline(always)]
fn unzigzag_i64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn i32_round_trips(value: i32, shift in 0u32..32) {
            let value = value >> shift;
            let mut out = Vec::new();
            write_i32(&mut out, value);
            prop_assert_eq!(out.len(), size_i32(value));
            for end in 0..out.len() {
                prop_assert_eq!(read_i32(&out[..end]), None);
            }
            out.push(0xff);
            prop_assert_eq!(read_i32(&out), Some((value, &[0xff][..])));
        }

        #[test]
        fn i64_round_trips(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            write_i64(&mut out, value);
            prop_assert_eq!(out.len(), size_i64(value));
            for end in 0..out.len() {
                prop_assert_eq!(read_i64(&out[..end]), None);
            }
            prop_assert_eq!(read_i64(&out), Some((value, &[][..])));
        }
    }

    #[test]
    fn short_ones_are_the_same_bytes() {
        for value in 0..=SHORT_MAX {
            let mut out = Vec::new();
            write_u64(&mut out, u64::from(value));
            let Short { bytes, length } = short(value);
            assert_eq!((&bytes.to_le_bytes()[..length], bytes >> (8 * length)), (&out[..], 0));
        }
    }

    #[test]
    fn extremes() {
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            assert_eq!((read_i32(&out), out.len()), (Some((value, &[][..])), size_i32(value)));
        }
        for value in [i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_i64(&mut out, value);
            assert_eq!((read_i64(&out), out.len()), (Some((value, &[][..])), 10));
        }
    }

    #[test]
    fn endless_varints_are_refused() {
        assert_eq!(read_i32(&[0xff; 20]), None);
        assert_eq!(read_i64(&[0xff; 20]), None);
    }
}
