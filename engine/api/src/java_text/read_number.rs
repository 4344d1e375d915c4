//! Numbers in text, as Java's `parseInt` and its like read them.

use super::digit;

/// `Byte.parseByte`, `Short.parseShort`, `Integer.parseInt` and `Long.parseLong`: a sign, then digits of any script; no blanks.
pub fn read_integer<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Below zero there is room for one more.
    let mut value = 0_i64;
    for character in digits.chars() {
        value = value.checked_mul(10)?.checked_sub(digit(character)?.into())?;
    }
    T::try_from(if is_negative { value } else { value.checked_neg()? }).ok()
}

/// `Double.parseDouble`: blanks around it, `NaN`, `Infinity`, hexadecimal numbers and a trailing `f` or `d` included.
pub fn read_float64(text: &str) -> Option<f64> {
    read_float(text, |digits| digits.parse().ok(), |hex| hex.round(53, -1022, 1023))
}

/// `Float.parseFloat`.
pub fn read_float32(text: &str) -> Option<f32> {
    // What was rounded to 24 bits is a float.
    read_float(text, |digits| digits.parse().ok(), |hex| hex.round(24, -126, 127))
}

/// A float of one of the two widths.
trait Float: Copy + std::ops::Neg<Output = Self> {
    const NAN: Self;
    const INFINITY: Self;
    fn narrowed(value: f64) -> Self;
}

impl Float for f64 {
    const NAN: f64 = f64::NAN;
    const INFINITY: f64 = f64::INFINITY;
    fn narrowed(value: f64) -> f64 {
        value
    }
}

impl Float for f32 {
    const NAN: f32 = f32::NAN;
    const INFINITY: f32 = f32::INFINITY;
    fn narrowed(value: f64) -> f32 {
        value as f32
    }
}

fn read_float<F: Float>(
    text: &str,
    decimal: impl Fn(&str) -> Option<F>,
    hexadecimal: impl Fn(Hexadecimal) -> Option<f64>,
) -> Option<F> {
    // `String#trim`.
    let text = text.trim_matches(|character| character <= ' ');
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match unsigned {
        "NaN" => F::NAN,
        "Infinity" => F::INFINITY,
        _ => {
            let number = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
            match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
                // Among hexadecimal digits there are `d` and `f`, but behind the exponent there are none.
                Some(_) => F::narrowed(hexadecimal(Hexadecimal::read(&number[2..])?)?),
                None if is_decimal(number) => decimal(number)?,
                None => return None,
            }
        }
    };
    Some(if is_negative { -value } else { value })
}

/// Whether it is digits, with a point among them or not, and perhaps an exponent.
fn is_decimal(text: &str) -> bool {
    let (significand, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_significand = match significand.split_once('.') {
        Some((whole, "")) => is_digits(whole),
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(significand),
    };
    is_significand && exponent.is_none_or(|text| is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// A hexadecimal number: `bits` times two to the power of `exponent`; `is_inexact` when digits below were cut off.
struct Hexadecimal {
    bits: u64,
    exponent: i64,
    is_inexact: bool,
}

impl Hexadecimal {
    /// Reads what follows `0x`: digits, perhaps with a point among them, and an exponent of two, which must not be missing.
    fn read(text: &str) -> Option<Hexadecimal> {
        let (significand, exponent) = text.split_once(['p', 'P'])?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // An exponent of any length: beyond all bounds it does not matter by how much.
        let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
        let mut hex = Hexadecimal { bits: 0, exponent: 0, is_inexact: false };
        let mut digit_count = 0;
        let mut is_fraction = false;
        for character in significand.chars() {
            if character == '.' && !is_fraction {
                is_fraction = true;
                continue;
            }
            let digit = character.to_digit(16)?;
            digit_count += 1;
            if hex.bits >> 60 == 0 {
                hex.bits = hex.bits << 4 | u64::from(digit);
                hex.exponent -= if is_fraction { 4 } else { 0 };
            } else {
                hex.is_inexact |= digit > 0;
                hex.exponent += if is_fraction { 0 } else { 4 };
            }
        }
        hex.exponent += if exponent.starts_with('-') { -magnitude } else { magnitude };
        (digit_count > 0).then_some(hex)
    }

    /// The nearest number of so many bits with an exponent within these bounds, the even one of two that are equally near. Infinite
    /// where the exponent is too large.
    fn round(&self, precision: i64, exponent_min: i64, exponent_max: i64) -> Option<f64> {
        if self.bits == 0 {
            return Some(0.0);
        }
        let len = 64 - i64::from(self.bits.leading_zeros());
        // Of the highest bit.
        let highest = self.exponent + len - 1;
        if highest > exponent_max {
            return Some(f64::INFINITY);
        }
        // Below the normal range, numbers have fewer bits.
        let kept = precision - (exponent_min - highest).max(0);
        if kept < 0 {
            return Some(0.0);
        }
        let cut = len - kept;
        let (mut bits, mut exponent) = (self.bits, self.exponent);
        if cut > 0 {
            let whole = bits.checked_shr(cut as u32).unwrap_or(0);
            let half = 1_u64 << (cut - 1);
            let rest = bits & (half | (half - 1));
            let is_above_half = rest > half || (rest == half && (self.is_inexact || whole & 1 == 1));
            bits = whole + u64::from(is_above_half);
            exponent += cut;
        }
        // Exact: the bits fit, and the power is applied in two steps, of which each is a number that there is.
        let exponent = i32::try_from(exponent).ok()?;
        let step = exponent / 2;
        Some(bits as f64 * 2_f64.powi(step) * 2_f64.powi(exponent - step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java 17 answered.
    #[test]
    fn reads_integers_as_java_does() {
        assert_eq!(read_integer::<i8>("127"), Some(127));
        assert_eq!(read_integer::<i8>("-128"), Some(-128));
        assert_eq!(read_integer::<i8>("128"), None);
        assert_eq!(read_integer::<i16>("+32767"), Some(32767));
        assert_eq!(read_integer::<i32>("-0"), Some(0));
        assert_eq!(read_integer::<i64>("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(read_integer::<i64>("9223372036854775808"), None);
        assert_eq!(read_integer::<i32>("٣４"), Some(34));
        for text in ["", "+", "-", " 1", "1 ", "1.0", "0x1", "1_0", "--1", "+-1", "𝟏"] {
            assert_eq!(read_integer::<i32>(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_floats_as_java_does() {
        for (text, value) in [
            ("1", 1.0),
            (" 1.5\n", 1.5),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("5.e1", 50.0),
            ("1f", 1.0),
            ("1D", 1.0),
            ("-0", -0.0),
            ("1e400", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("4.9E-324", 5e-324),
            ("0x1p3", 8.0),
            ("0X.8P1f", 1.0),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.fffffffffffff7p0", 1.999_999_999_999_999_8),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.0000000000000000000001p-1075", 5e-324),
            ("0x1p1024", f64::INFINITY),
            ("0x1.fffffffffffff8p1023", f64::INFINITY),
            ("0x123456789abcdef123p-8", 1.311_768_467_463_790_3e18),
            ("0x0p99999999999999999999", 0.0),
            ("0x1p-99999999999999999999", 0.0),
        ] {
            assert_eq!(read_float64(text).map(f64::to_bits), Some(f64::to_bits(value)), "{text:?}");
        }
        assert!(read_float64("+NaN").unwrap().is_nan());
        for text in [
            "", " ", ".", "e1", "1e", "1e+", "NaNf", "nan", "inf", "infinity", "1_0", "1ff", "0x1", "0x.p1",
            "0xp1", "٣", "1 2", "-",
        ] {
            assert_eq!(read_float64(text), None, "{text:?}");
        }
    }

    #[test]
    fn floats_are_rounded_once() {
        // Between two floats, and a hair above the middle: by way of a double it would be the even one.
        assert_eq!(read_float32("1.00000005960464477540"), Some(1.000_000_1));
        assert_eq!(read_float32("0x1.00000100000000000001p0"), Some(1.000_000_1));
        assert_eq!(read_float32("0x1.000001p0"), Some(1.0));
        assert_eq!(read_float32("0x1p-149"), Some(1e-45));
        assert_eq!(read_float32("0x1p-150"), Some(0.0));
        assert_eq!(read_float32("0x1.fffffep127"), Some(f32::MAX));
        assert_eq!(read_float32("0x1.ffffffp127"), Some(f32::INFINITY));
        assert_eq!(read_float32("1e39"), Some(f32::INFINITY));
    }
}
