//! CRC-32C, and its adjustment when bytes near the start of a long message change.
//!
//! A CRC is linear: changing a prefix changes the CRC of the whole by the difference of the two prefix CRCs, moved
//! past the bytes that follow. Moving past `n` bytes is a multiplication with x^(8n) modulo the polynomial, which needs
//! one 32-step multiplication per bit set in `n` instead of another pass over a megabyte.

/// The polynomial of CRC-32C, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `POWERS[k]` is x^(8 * 2^k) modulo the polynomial: moves a CRC past 2^k bytes.
const POWERS: [u32; 32] = powers();

/// CRC-32C of `bytes`.
#[inline]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32 (IEEE) of `bytes`, which message formats v0 and v1 use.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iso_hdlc(bytes)
}

/// The CRC of a message whose prefix was `old` and is now `new`, given its old CRC and how many bytes follow the prefix.
/// Both prefixes have the same length.
pub(crate) fn replace_prefix(crc: u32, old: &[u8], new: &[u8], bytes_after: usize) -> u32 {
    debug_assert_eq!(old.len(), new.len());
    crc ^ move_past(crc32c(old) ^ crc32c(new), bytes_after)
}

fn move_past(mut crc: u32, mut byte_count: usize) -> u32 {
    while byte_count != 0 {
        let k = byte_count.trailing_zeros() as usize;
        // Batches are below 2^31 bytes, so `k` is always an index; x^(2^32) is x, hence the wrap would be right too.
        crc = multiply(POWERS[k % 32], crc);
        byte_count &= byte_count - 1;
    }
    crc
}

/// Product of two polynomials modulo [`POLYNOMIAL`]; bit 31 is x^0.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 31;
    loop {
        // All ones if the bit of `a` is set: data-dependent branches would be mispredicted half of the time.
        product ^= b & (((a >> bit) & 1).wrapping_neg());
        if bit == 0 {
            return product;
        }
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        bit -= 1;
    }
}

const fn powers() -> [u32; 32] {
    // x^8: from x^1 by squaring three times.
    let mut power = 1 << 30;
    let mut squarings = 0;
    while squarings < 3 {
        power = multiply(power, power);
        squarings += 1;
    }
    let mut powers = [0; 32];
    let mut k = 0;
    while k < 32 {
        powers[k] = power;
        power = multiply(power, power);
        k += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn replacing_a_prefix_equals_a_new_pass(
            old: [u8; 40],
            new: [u8; 40],
            rest in prop::collection::vec(any::<u8>(), 0..5000),
        ) {
            let before = crc32c(&[&old[..], &rest].concat());
            let after = crc32c(&[&new[..], &rest].concat());
            prop_assert_eq!(replace_prefix(before, &old, &new, rest.len()), after);
        }
    }

    #[test]
    fn replacing_a_prefix_of_a_large_message() {
        let mut message = vec![0x5a; 1_234_567];
        let before = crc32c(&message);
        message[3] = 9;
        let (old, new) = ([0x5a; 8], *message.first_chunk::<8>().unwrap());
        assert_eq!(replace_prefix(before, &old, &new, message.len() - 8), crc32c(&message));
    }
}
