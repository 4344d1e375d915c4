//! Numbers to numbers as Java's casts do it: integers wrap; floats lose their fraction, stop at the bounds of `int` or `long`, and only
//! then wrap to what is narrower still.

/// A number that is cast.
pub(super) trait Narrow: Copy {
    fn to_i8(self) -> i8;
    fn to_i16(self) -> i16;
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

macro_rules! narrow {
    ($($number:ty: by way of $small:ty;)*) => {$(
        impl Narrow for $number {
            fn to_i8(self) -> i8 {
                self as $small as i8
            }

            fn to_i16(self) -> i16 {
                self as $small as i16
            }

            fn to_i32(self) -> i32 {
                self as i32
            }

            fn to_i64(self) -> i64 {
                self as i64
            }

            fn to_f32(self) -> f32 {
                self as f32
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

narrow! {
    i8: by way of i32;
    i16: by way of i32;
    i32: by way of i32;
    i64: by way of i64;
    f32: by way of i32;
    f64: by way of i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java 17 answered.
    #[test]
    fn floats_stop_at_the_bounds_of_int_before_they_wrap() {
        let all = |value: f64| (value.to_i8(), value.to_i16(), value.to_i32(), value.to_i64());
        assert_eq!(all(300.9), (44, 300, 300, 300));
        assert_eq!(all(-0.9), (0, 0, 0, 0));
        assert_eq!(all(f64::NAN), (0, 0, 0, 0));
        assert_eq!(all(1e10), (-1, -1, i32::MAX, 10_000_000_000));
        assert_eq!(all(-1e30), (0, 0, i32::MIN, i64::MIN));
        assert_eq!(all(f64::INFINITY), (-1, -1, i32::MAX, i64::MAX));
        assert_eq!((f32::MAX.to_i8(), f32::MIN.to_i16()), (-1, 0));
        assert_eq!(((1_i64 << 40 | 0x1FF).to_i8(), i64::MIN.to_i32()), (-1, 0));
        assert_eq!((i64::MAX.to_f32(), i64::MAX.to_f64()), (9.223_372e18, 9.223_372_036_854_776e18));
        assert_eq!((1e300.to_f32(), 0.1_f32.to_f64()), (f32::INFINITY, 0.100_000_001_490_116_12));
    }
}
