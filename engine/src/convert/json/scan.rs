//! Byte scanning: the inner loops of reading JSON, over the record's bytes in place.

/// Where the next quote, backslash or control character at or after `at` is.
#[inline]
pub(super) fn find_special(source: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    while let Some(chunk) = source.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = special(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    source.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).map(|found| at + found)
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is a quote, a backslash or a control character; exact up to and including the first hit.
#[inline]
fn special(word: u64) -> u64 {
    let quote = word ^ (LOW * b'"' as u64);
    let backslash = word ^ (LOW * b'\\' as u64);
    let is_zero = |word: u64| word.wrapping_sub(LOW) & !word;
    let is_control = word.wrapping_sub(LOW * 0x20) & !word;
    (is_zero(quote) | is_zero(backslash) | is_control) & HIGH
}

/// A text that stands in the source as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlainText {
    /// One past the last byte of the text: where its closing quote is.
    pub(super) end: usize,
    /// Whether it is all ASCII.
    pub(super) is_ascii: bool,
}

/// Reads on from behind an opening quote to the closing one; `None` when there is an escape or anything else unusual.
#[inline(always)]
pub(super) fn plain_text(source: &[u8], start: usize) -> Option<PlainText> {
    let mut at = start;
    let mut high = 0;
    while let Some(chunk) = source.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let hits = special(word);
        if hits != 0 {
            let bit = hits.trailing_zeros();
            // Bytes before the hit only: those behind it are not part of the text.
            high |= word & HIGH & ((1 << (bit & !7)) - 1);
            let end = at + bit as usize / 8;
            return (source[end] == b'"').then_some(PlainText { end, is_ascii: high == 0 });
        }
        high |= word & HIGH;
        at += 8;
    }
    let end = find_special(source, at)?;
    high |= u64::from(!source[at..end].is_ascii());
    (source[end] == b'"').then_some(PlainText { end, is_ascii: high == 0 })
}

/// Powers of ten that are exact as `f64`.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
const POWERS_OF_TEN_INT: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// So many digits always fit in 64 bits.
const DIGITS_MAX: usize = 18;

/// Digits from `at` on: their value and where they end. More than [`DIGITS_MAX`] give `None`.
#[inline(always)]
fn digits(source: &[u8], start: usize, mut value: u64) -> Option<(u64, usize)> {
    let mut at = start;
    while let Some(chunk) = source.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk) ^ (LOW * b'0' as u64);
        let others = (word.wrapping_add(LOW * 0x76) | word) & HIGH;
        let count = others.trailing_zeros() as usize / 8;
        if at + count - start > DIGITS_MAX {
            return None;
        }
        if count == 0 {
            return Some((value, at));
        }
        value =
            value.wrapping_mul(POWERS_OF_TEN_INT[count]).wrapping_add(eight_digits(word << (64 - 8 * count)));
        at += count;
        if count < 8 {
            return Some((value, at));
        }
    }
    while let Some(digit @ b'0'..=b'9') = source.get(at) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (at - start <= DIGITS_MAX).then_some((value, at))
}

/// Eight digits, first in the lowest byte, each 0..=9.
#[inline(always)]
fn eight_digits(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = (pairs >> 16 & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// An integer of at most 18 digits at `at` and where it ends; `None` when it is longer, or no integer.
#[inline(always)]
pub(super) fn integer(source: &[u8], at: usize) -> Option<(i64, usize)> {
    let is_negative = source.get(at) == Some(&b'-');
    let start = at + usize::from(is_negative);
    let (value, end) = digits(source, start, 0)?;
    if end == start || matches!(source.get(end), Some(b'.' | b'e' | b'E')) {
        return None;
    }
    let value = value as i64;
    Some((if is_negative { -value } else { value }, end))
}

/// A number as read by [`number`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// Its value, rounded to nearest.
    pub(super) value: f64,
    /// One past its last byte.
    pub(super) end: usize,
    /// Whether it has neither fraction nor exponent.
    pub(super) is_integer: bool,
}

/// A number at `at` that converts exactly by one multiplication; `None` when it is no number or needs more care.
#[inline(always)]
pub(super) fn number(source: &[u8], at: usize) -> Option<Number> {
    let is_negative = source.get(at) == Some(&b'-');
    let start = at + usize::from(is_negative);
    let (whole, whole_end) = digits(source, start, 0)?;
    if whole_end == start {
        return None;
    }
    let (mut mantissa, mut end, mut exponent) = (whole, whole_end, 0_i32);
    let mut is_integer = true;
    if source.get(end) == Some(&b'.') {
        is_integer = false;
        let (value, fraction_end) = digits(source, end + 1, mantissa)?;
        let fraction = fraction_end - end - 1;
        if fraction == 0 || whole_end - start + fraction > DIGITS_MAX {
            return None;
        }
        (mantissa, end, exponent) = (value, fraction_end, -(fraction as i32));
    }
    if let Some(b'e' | b'E') = source.get(end) {
        is_integer = false;
        let is_small = match source.get(end + 1) {
            Some(b'-') => true,
            Some(b'+') => false,
            _ => {
                end -= 1;
                false
            }
        };
        let (power, power_end) = digits(source, end + 2, 0)?;
        if power_end == end + 2 || power > 100 {
            return None;
        }
        exponent += if is_small { -(power as i32) } else { power as i32 };
        end = power_end;
    }
    if mantissa > 1 << 53 || exponent.unsigned_abs() > 22 {
        return None;
    }
    let power = POWERS_OF_TEN[exponent.unsigned_abs() as usize];
    let value = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    // Java reads decimals exactly first, and those have no negative zero.
    let value = if is_negative && mantissa != 0 { -value } else { value };
    Some(Number { value, end, is_integer })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_integers() {
        let check = |text: &str, expected: Option<(i64, usize)>| {
            assert_eq!(integer(text.as_bytes(), 0), expected, "{text}");
            let padded = format!("{text}, padding behind it");
            assert_eq!(integer(padded.as_bytes(), 0), expected, "{padded}");
        };
        check("0", Some((0, 1)));
        check("-7", Some((-7, 2)));
        check("12345678", Some((12_345_678, 8)));
        check("123456789", Some((123_456_789, 9)));
        check("1700000000000", Some((1_700_000_000_000, 13)));
        check("999999999999999999", Some((999_999_999_999_999_999, 18)));
        check("1234567890123456789", None);
        check("007", Some((7, 3)));
        check("-", None);
        check("1.5", None);
        check("1e5", None);
        check("x", None);
    }

    proptest! {
        #[test]
        fn numbers_are_what_the_standard_library_reads(text in "-?[0-9]{1,12}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?", tail in "[,} ]{0,9}") {
            let source = format!("{text}{tail}");
            if let Some(found) = number(source.as_bytes(), 0) {
                prop_assert_eq!(found.end, text.len());
                prop_assert_eq!(found.value, text.parse::<f64>().unwrap());
                prop_assert!(found.value != 0.0 || found.value.is_sign_positive());
                prop_assert_eq!(found.is_integer, !text.contains(['.', 'e', 'E']));
            }
        }

        #[test]
        fn finds_the_first_special_byte(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(0x80), Just(0xA2)], 0..50), at in 0..10_usize) {
            let at = at.min(bytes.len());
            let expected = (at..bytes.len()).find(|i| matches!(bytes[*i], b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(find_special(&bytes, at), expected);
            let plain = expected.filter(|i| bytes[*i] == b'"')
                .map(|end| PlainText { end, is_ascii: bytes[at..end].is_ascii() });
            prop_assert_eq!(plain_text(&bytes, at), plain);
        }
    }
}
