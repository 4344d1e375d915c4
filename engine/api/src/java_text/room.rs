//! Numbers printed where there is room enough for the longest of them: the inner loops of writing text. Stores have a fixed width,
//! whatever the length of the text, so what lies behind it in the room is overwritten.

/// Room that any integer fits in: 19 digits and a sign, and what stores of eight bytes reach over them.
pub const INTEGER_ROOM: usize = 32;
/// Room that [`put_float64`] needs.
pub const FLOAT_ROOM: usize = 32;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const E8: u64 = 100_000_000;

/// Writes an integer to the front of `room`; returns its length.
#[inline]
pub fn put_integer(room: &mut [u8; INTEGER_ROOM], value: i64) -> usize {
    room[0] = b'-';
    let start = usize::from(value < 0);
    let value = value.unsigned_abs();
    if value < E8 {
        return put_front(room, start, value);
    }
    let (head, low) = (value / E8, value % E8);
    if head < E8 {
        let at = put_front(room, start, head);
        return put_eight(room, at, low);
    }
    let at = put_front(room, start, head / E8);
    let at = put_eight(room, at, head % E8);
    put_eight(room, at, low)
}

/// Writes a double as `Double.toString` would to the front of `room` and returns the length, where it has at most eight digits behind
/// the point and is not written with an exponent. `None` for all others.
///
/// Such a number is m / 10⁸ with m < 10¹⁵. Decimals of up to 15 digits are all different as doubles, so if the quotient, which is rounded
/// to nearest, is the number, no shorter decimal can be.
#[inline]
pub fn put_float64(room: &mut [u8; FLOAT_ROOM], value: f64) -> Option<usize> {
    let magnitude = value.abs();
    if !(1e-3..1e7).contains(&magnitude) {
        return None;
    }
    // Adding a half and cutting rounds to the nearest integer, or beside it, which the comparison finds out.
    let scaled = (magnitude * 1e8 + 0.5) as u64;
    if scaled as f64 / 1e8 != magnitude {
        return None;
    }
    room[0] = b'-';
    let at = put_front(room, usize::from(value < 0.0), scaled / E8);
    room[at] = b'.';
    let fraction = eight_digits(scaled % E8);
    put(room, at + 1, fraction | ZEROS);
    // Digits up to the last that is not 0, but one at least.
    Some(at + 1 + (8 - fraction.leading_zeros() as usize / 8).max(1))
}

/// A number below 10⁸ without leading zeros.
#[inline(always)]
fn put_front(room: &mut [u8; INTEGER_ROOM], at: usize, value: u64) -> usize {
    let digits = eight_digits(value);
    let zeros = (digits.trailing_zeros() as usize / 8).min(7);
    put(room, at, (digits | ZEROS) >> (8 * zeros));
    at + 8 - zeros
}

#[inline(always)]
fn put_eight(room: &mut [u8; INTEGER_ROOM], at: usize, value: u64) -> usize {
    put(room, at, eight_digits(value) | ZEROS);
    at + 8
}

#[inline(always)]
fn put(room: &mut [u8; INTEGER_ROOM], at: usize, text: u64) {
    room[at..at + 8].copy_from_slice(&text.to_le_bytes());
}

/// The eight digits of a number below 10⁸, the first in the lowest byte. Lanes are halved: four digits, two, one; the
/// multiplications divide by 100 and by 10, exactly for numbers this small.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let pairs = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | ((pairs - tens * 10) << 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::number::lay_out;
    use super::*;

    fn integer(value: i64) -> String {
        let mut room = [b'x'; INTEGER_ROOM];
        let len = put_integer(&mut room, value);
        String::from_utf8_lossy(&room[..len]).into_owned()
    }

    fn float(value: f64) -> Option<String> {
        let mut room = [b'x'; FLOAT_ROOM];
        let len = put_float64(&mut room, value)?;
        Some(String::from_utf8_lossy(&room[..len]).into_owned())
    }

    /// By the digits that ryu finds.
    fn expected(value: f64) -> String {
        let mut out = Vec::new();
        lay_out(&mut out, ryu::Buffer::new().format_finite(value));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn integers_of_all_lengths_are_printed() {
        for value in [0, 7, -7, 10_000, 99_999_999, 100_000_000, i64::MAX, i64::MIN] {
            assert_eq!(integer(value), value.to_string());
        }
        for power in (0..19).map(|digits| 10_i64.pow(digits)) {
            for value in [power - 1, power, power + 1, -power] {
                assert_eq!(integer(value), value.to_string());
            }
        }
    }

    #[test]
    fn usual_doubles_take_the_short_way() {
        for (value, text) in [
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (123.25, "123.25"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.12345678, "9999999.12345678"),
            (0.1, "0.1"),
            (1e-8 + 1.0, "1.00000001"),
        ] {
            assert_eq!(float(value).as_deref(), Some(text));
        }
        for value in [0.0, -0.0, 1e7, 9.99e-4, 0.1 + 0.2, 1.0 / 3.0, f64::NAN, f64::INFINITY] {
            assert_eq!(float(value), None, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn integers_are_what_the_standard_library_prints(value: i64, shift in 0..64) {
            let value: i64 = value >> shift;
            prop_assert_eq!(integer(value), value.to_string());
        }

        #[test]
        fn decimals_are_what_the_shortest_digits_give(digits in 0..2_000_000_000_000_000_u64, places in 0..16) {
            let value: f64 = format!("{digits}e-{places}").parse().expect("a number");
            for value in [value, -value, value.next_up(), value.next_down()] {
                if let Some(text) = float(value) {
                    prop_assert_eq!(text, expected(value));
                }
            }
        }

        #[test]
        fn any_double_is_what_the_shortest_digits_give(bits in 0x3F00_0000_0000_0000..0x4200_0000_0000_0000_u64) {
            let value = f64::from_bits(bits);
            if let Some(text) = float(value) {
                prop_assert_eq!(text, expected(value));
            }
        }
    }
}
