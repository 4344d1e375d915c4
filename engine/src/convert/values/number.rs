//! Numbers as `BigDecimal` reads them, and the smallest type that holds each.

use std::sync::Arc;

use api::{Schema, Type, Value, decimal};

use super::parse::Parsed;

/// Reads a number; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Parsed> {
    let number = decimal::read(text)?;
    let borrowed = number.as_decimal_ref();
    if let Some(integer) = borrowed.to_i64_exact() {
        return Some(smallest(integer));
    }
    // A literal without a point and exponent is never rounded.
    if number.scale != 0 {
        let mut scratch = Vec::new();
        let single = borrowed.to_f32(&mut scratch);
        if single.is_finite() {
            return Some(Parsed::new(Type::Float32, Value::Float32(single)));
        }
        let double = borrowed.to_f64(&mut scratch);
        if double.is_finite() {
            return Some(Parsed::new(Type::Float64, Value::Float64(double)));
        }
    }
    let schema = Arc::new(Schema::decimal(number.scale));
    Some(Parsed { schema: Some(schema), value: Value::Decimal(number) })
}

fn smallest(integer: i64) -> Parsed {
    if let Ok(value) = i8::try_from(integer) {
        Parsed::new(Type::Int8, Value::Int8(value))
    } else if let Ok(value) = i16::try_from(integer) {
        Parsed::new(Type::Int16, Value::Int16(value))
    } else if let Ok(value) = i32::try_from(integer) {
        Parsed::new(Type::Int32, Value::Int32(value))
    } else {
        Parsed::new(Type::Int64, Value::Int64(integer))
    }
}
