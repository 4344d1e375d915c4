//! Decimals of any size, as Connect holds them (Java: `BigDecimal`): the big-endian two's complement of an unscaled value, and a scale.

use crate::error::Error;
use crate::java_text::digit;

/// Digits that a decimal may have. More take long to convert, and nobody writes them.
pub const DIGITS_MAX: usize = 10_000;

/// Digits that are converted at once: as many as a word holds.
const DIGITS_PER_STEP: usize = 9;
const STEP: u64 = 1_000_000_000;

/// A decimal, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecimalRef<'a> {
    /// Big-endian two's complement.
    pub unscaled: &'a [u8],
    /// Digits behind the point; negative for zeros before it.
    pub scale: i32,
}

/// A decimal, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    /// Big-endian two's complement.
    pub unscaled: Vec<u8>,
    /// Digits behind the point; negative for zeros before it.
    pub scale: i32,
}

impl Decimal {
    /// The same decimal, borrowed.
    pub fn as_decimal_ref(&self) -> DecimalRef<'_> {
        DecimalRef { unscaled: &self.unscaled, scale: self.scale }
    }
}

impl DecimalRef<'_> {
    /// A copy that lives on its own.
    pub fn to_owned(&self) -> Decimal {
        Decimal { unscaled: self.unscaled.to_vec(), scale: self.scale }
    }

    /// What lies before the point, of which only the low 64 bits (`BigDecimal#longValue`).
    pub fn to_i64_wrapping(&self) -> i64 {
        let scale = self.scale.unsigned_abs();
        match (small(self.unscaled), self.scale) {
            // Enough powers of two times anything leave no low bits.
            (_, ..=-64) => 0,
            (Some(value), ..0) => (value as i64).wrapping_mul(10_i64.wrapping_pow(scale)),
            (Some(value), _) => 10_i128.checked_pow(scale).map_or(0, |divisor| (value / divisor) as i64),
            (None, _) => self.long_to_i64_wrapping(),
        }
    }

    /// The value, if it is an integer of 64 bits (`BigDecimal#longValueExact`).
    pub fn to_i64_exact(&self) -> Option<i64> {
        let scale = self.scale.unsigned_abs();
        let power = 10_i128.checked_pow(scale);
        let whole = match (small(self.unscaled), power) {
            (Some(0), _) => 0,
            (Some(value), Some(power)) if self.scale < 0 => value.checked_mul(power)?,
            (Some(value), Some(power)) if value % power == 0 => value / power,
            (Some(_), _) => return None,
            (None, _) => self.long_to_i128_exact()?,
        };
        i64::try_from(whole).ok()
    }

    /// The same for numbers of any length: those may end in zeros behind the point.
    fn long_to_i128_exact(&self) -> Option<i128> {
        let mut text = Vec::new();
        write(self.unscaled, 0, &mut text);
        let zeros = text.iter().rev().take_while(|digit| **digit == b'0').count();
        let kept = text.len().checked_sub(usize::try_from(self.scale).ok()?)?;
        if text.len() - kept > zeros {
            return None;
        }
        str::from_utf8(&text[..kept]).ok()?.parse().ok()
    }

    /// [`DecimalRef::to_i64_wrapping`] for numbers of any length.
    fn long_to_i64_wrapping(&self) -> i64 {
        let mut magnitude = self.unscaled.to_vec();
        let is_negative = is_negative(self.unscaled);
        if is_negative {
            negate(&mut magnitude);
        }
        let digits = digits_of(&magnitude);
        let before_point = digits.len() as i64 - i64::from(self.scale);
        let whole = digits.iter().copied().chain(std::iter::repeat(b'0'));
        let value = whole
            .take(usize::try_from(before_point).unwrap_or(0))
            .fold(0_i64, |value, digit| value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
        if is_negative { value.wrapping_neg() } else { value }
    }

    /// The nearest number of 64 bits (`BigDecimal#doubleValue`). `scratch` is for its text.
    pub fn to_f64(&self, scratch: &mut Vec<u8>) -> f64 {
        self.nearest(scratch)
    }

    /// The nearest number of 32 bits (`BigDecimal#floatValue`). `scratch` is for its text.
    pub fn to_f32(&self, scratch: &mut Vec<u8>) -> f32 {
        self.nearest(scratch)
    }

    fn nearest<T: std::str::FromStr>(&self, scratch: &mut Vec<u8>) -> T {
        scratch.clear();
        write(self.unscaled, self.scale, scratch);
        let number = str::from_utf8(scratch).ok().and_then(|text| text.parse().ok());
        number.expect("a decimal is a number")
    }
}

/// Reads a number as `new BigDecimal(String)` does: a sign, digits of any script with a point among them or not, an exponent. `None`
/// when it is none, or very long.
pub fn read(text: &str) -> Option<Decimal> {
    let (is_negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (significand, exponent) = match rest.split_once(['e', 'E']) {
        Some((significand, exponent)) => (significand, read_exponent(exponent)?),
        None => (rest, 0),
    };
    let (mut digits, mut has_digit, mut fraction) = (Vec::new(), false, None);
    for character in significand.chars() {
        if character == '.' && fraction.is_none() {
            fraction = Some(0_i64);
            continue;
        }
        let digit = digit(character)?;
        has_digit = true;
        if let Some(places) = &mut fraction {
            *places += 1;
        }
        if digit > 0 || !digits.is_empty() {
            digits.push(digit);
        }
    }
    if !has_digit || digits.len() > DIGITS_MAX {
        return None;
    }
    let scale = i32::try_from(fraction.unwrap_or(0) - exponent).ok()?;
    Some(Decimal { unscaled: of_digits(&digits, is_negative), scale })
}

/// An optional sign, then up to ten digits after leading zeros.
fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut value = 0_i64;
    let mut count = 0;
    for character in digits.chars() {
        let digit = digit(character)?;
        if count > 0 || digit > 0 {
            count += 1;
        }
        if count > 10 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    if digits.is_empty() {
        return None;
    }
    Some(if text.starts_with('-') { -value } else { value })
}

/// The unscaled value, at `scale`, of a number in JSON's notation.
///
/// # Errors
/// When the number has digits behind that scale, or very many.
pub fn unscaled(text: &str, scale: i32) -> Result<Vec<u8>, Error> {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (digits, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let own_scale = fraction.len() as i64 - exponent;
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
    let zeros = i64::from(scale) - own_scale;
    if digits.iter().all(|digit| *digit == 0) {
        return Ok(vec![0]);
    }
    if zeros < 0 {
        let kept = usize::try_from(digits.len() as i64 + zeros).unwrap_or(0);
        if kept == 0 || digits[kept..].iter().any(|digit| *digit != 0) {
            return Err(Error::bad_record(format!(
                "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {own_scale}."
            )));
        }
        digits.truncate(kept);
    } else if zeros > DIGITS_MAX as i64 {
        return Err(Error::bad_record(format!(
            "a Decimal of {zeros} more digits than the number has is too long"
        )));
    } else {
        digits.resize(digits.len() + zeros as usize, 0);
    }
    Ok(of_digits(&digits, is_negative))
}

/// The two's complement of a number given by its decimal digits, each 0 to 9, highest first.
pub fn of_digits(digits: &[u8], is_negative: bool) -> Vec<u8> {
    // Words, lowest first, nine digits at a time.
    let mut words: Vec<u32> = Vec::with_capacity(digits.len() / 9 + 1);
    for chunk in digits.chunks(DIGITS_PER_STEP) {
        let mut carry = chunk.iter().fold(0, |value, digit| value * 10 + u64::from(*digit));
        let scale = 10_u64.pow(chunk.len() as u32);
        for word in &mut words {
            let value = u64::from(*word) * scale + carry;
            *word = value as u32;
            carry = value >> 32;
        }
        if carry > 0 {
            words.push(carry as u32);
        }
    }
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // A spare byte for the sign.
    bytes.push(0);
    if is_negative {
        negate_lowest_first(bytes.iter_mut());
    }
    // The shortest form: a leading byte that only repeats the sign goes.
    while let [.., next, last] = bytes[..]
        && last == if next & 0x80 == 0 { 0 } else { 0xFF }
    {
        bytes.pop();
    }
    bytes.reverse();
    bytes
}

/// The two's complement of a big-endian number.
pub(crate) fn negate(bytes: &mut [u8]) {
    negate_lowest_first(bytes.iter_mut().rev());
}

fn negate_lowest_first<'a>(bytes: impl Iterator<Item = &'a mut u8>) {
    let mut carry = true;
    for byte in bytes {
        let (value, is_over) = (!*byte).overflowing_add(u8::from(carry));
        *byte = value;
        carry = is_over;
    }
}

/// Appends the number as `BigDecimal#toString` prints it.
pub fn write(unscaled: &[u8], scale: i32, out: &mut Vec<u8>) {
    if let Some(small) = small(unscaled) {
        if small < 0 {
            out.push(b'-');
        }
        return lay_out(itoa::Buffer::new().format(small.unsigned_abs()).as_bytes(), scale, out);
    }
    let mut magnitude = unscaled.to_vec();
    if is_negative(unscaled) {
        negate(&mut magnitude);
        out.push(b'-');
    }
    lay_out(&digits_of(&magnitude), scale, out);
}

/// Lays the digits of a number that is not negative out, with its point or exponent.
fn lay_out(digits: &[u8], scale: i32, out: &mut Vec<u8>) {
    let scale = i64::from(scale);
    let exponent = digits.len() as i64 - 1 - scale;
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if scale > 0 && exponent >= -6 {
        match usize::try_from(digits.len() as i64 - scale) {
            Ok(whole) if whole > 0 => {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
            _ => {
                out.extend_from_slice(b"0.");
                out.extend(std::iter::repeat_n(b'0', (scale - digits.len() as i64) as usize));
                out.extend_from_slice(digits);
            }
        }
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        if exponent != 0 {
            out.push(b'E');
            if exponent > 0 {
                out.push(b'+');
            }
            out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
        }
    }
}

fn is_negative(unscaled: &[u8]) -> bool {
    unscaled.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// The value of up to 128 bits.
fn small(unscaled: &[u8]) -> Option<i128> {
    let mut bytes = [if is_negative(unscaled) { 0xFF } else { 0 }; size_of::<i128>()];
    bytes.len().checked_sub(unscaled.len()).map(|start| {
        bytes[start..].copy_from_slice(unscaled);
        i128::from_be_bytes(bytes)
    })
}

/// Decimal digits, as text, of a magnitude that comes highest byte first.
fn digits_of(magnitude: &[u8]) -> Vec<u8> {
    let mut words: Vec<u32> = magnitude
        .rchunks(4)
        .rev()
        .map(|bytes| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
        .collect();
    let mut digits = Vec::with_capacity(magnitude.len() * 5 / 2 + DIGITS_PER_STEP);
    let mut start = 0;
    loop {
        let mut remainder = 0_u64;
        for word in &mut words[start..] {
            let value = remainder << 32 | u64::from(*word);
            *word = (value / STEP) as u32;
            remainder = value % STEP;
        }
        for _ in 0..DIGITS_PER_STEP {
            digits.push(b'0' + (remainder % 10) as u8);
            remainder /= 10;
        }
        while words.get(start) == Some(&0) {
            start += 1;
        }
        if start >= words.len() {
            break;
        }
    }
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_prints_as_java() {
        let check = |text: &str, scale: i32, bytes: &[u8], printed: &str| {
            assert_eq!(unscaled(text, scale).unwrap(), bytes, "{text}");
            let mut out = Vec::new();
            write(bytes, scale, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), printed, "{text}");
        };
        check("2.00", 2, &[0, 200], "2.00");
        check("2", 2, &[0, 200], "2.00");
        check("-1", 0, &[0xFF], "-1");
        check("-128", 0, &[0x80], "-128");
        check("128", 0, &[0, 0x80], "128");
        check("0", 3, &[0], "0.000");
        check("1e-7", 7, &[1], "1E-7");
        check("1.2e-9", 10, &[12], "1.2E-9");
        check("0.01", 2, &[1], "0.01");
        check("12e3", -2, &[120], "1.20E+4");
        assert!(unscaled("1.234", 2).unwrap_err().message().contains("mismatching scale"));
        assert!(unscaled("1e1000000000", 2).is_err());
    }

    #[test]
    fn converts_many_digits() {
        let text = "7".repeat(DIGITS_MAX);
        let bytes = unscaled(&text, 0).unwrap();
        let mut out = Vec::new();
        write(&bytes, 0, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    /// What `BigDecimal` of Java 17 answered.
    #[test]
    fn narrows_as_java_does() {
        for (text, wrapping, exact) in [
            ("2.00", 2, Some(2)),
            ("-2.99", -2, None),
            ("1e3", 1000, Some(1000)),
            ("99999999999999999999", 7_766_279_631_452_241_919, None),
            ("-99999999999999999999.5", -7_766_279_631_452_241_919, None),
            ("1e19", -8_446_744_073_709_551_616, None),
            ("1e63", i64::MIN, None),
            ("1e64", 0, None),
            ("1e-400", 0, None),
            ("0e-400", 0, Some(0)),
            ("9223372036854775807.000", i64::MAX, Some(i64::MAX)),
            ("1.0000000000000000000000000000000000000000000", 1, Some(1)),
            ("-12345678901234567890123456789012345678901234567890.5", 520_181_601_930_376_494, None),
            ("٣.٠", 3, Some(3)),
        ] {
            let number = read(text).unwrap();
            let number = number.as_decimal_ref();
            assert_eq!((number.to_i64_wrapping(), number.to_i64_exact()), (wrapping, exact), "{text}");
        }
        for text in ["", "+", ".", "1 ", "0x1", "1e", "1e+", "1..2", "--1", "NaN"] {
            assert!(read(text).is_none(), "{text}");
        }
        let mut scratch = Vec::new();
        let third = read("0.3333333333333333333333333333333333333333333333333").unwrap();
        assert_eq!(third.as_decimal_ref().to_f64(&mut scratch), 1.0 / 3.0);
        assert_eq!(third.as_decimal_ref().to_f32(&mut scratch), 1.0 / 3.0);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_printed(value in any::<i64>(), scale in 0..30_i32) {
            let bytes = unscaled(&value.to_string(), 0).unwrap();
            let long = value.to_be_bytes();
            prop_assert_eq!(&bytes[..], &long[8 - bytes.len()..]);
            let mut out = Vec::new();
            write(&bytes, scale, &mut out);
            prop_assert_eq!(unscaled(std::str::from_utf8(&out).unwrap(), scale).unwrap(), bytes);
        }
    }
}
