//! The order in which Java's `HashMap` iterates: what a schemaless object or a map prints in.

use super::borrowed::ValueRef;
use super::nested::{Entries, MapRef};
use crate::decimal::{self, DecimalRef};
use crate::schema::SchemaRef;

/// Maps of up to this many entries are ordered on the stack.
const STACK_ENTRIES_MAX: usize = 32;

impl<'a> MapRef<'a> {
    /// Gives every entry to `each`, in the order in which a Java `HashMap` filled in this map's order iterates: by bucket,
    /// within a bucket in order of insertion. Stops at the first error. `key_schema` is that of the keys, if they have one.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn try_each_in_java_order<E>(
        self,
        key_schema: Option<&SchemaRef>,
        mut each: impl FnMut(ValueRef<'a>, ValueRef<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let count = self.len();
        let mut stack = [0_u64; STACK_ENTRIES_MAX];
        let mut heap = Vec::new();
        let order = if count <= STACK_ENTRIES_MAX {
            &mut stack[..count]
        } else {
            heap.resize(count, 0_u64);
            &mut heap[..]
        };
        let mask = bucket_count(count) - 1;
        let mut entries = self.iter();
        for slot in order.iter_mut() {
            let position = entries.position(self);
            let Some((key, _)) = entries.next() else { break };
            *slot = u64::from(spread(hash(key.carried(key_schema))) & mask) << 32 | u64::from(position);
        }
        order.sort_unstable();
        for slot in order.iter() {
            if let Some((key, value)) = Entries::at(self, *slot as u32) {
                each(key, value)?;
            }
        }
        Ok(())
    }
}

/// The places of a map's text keys, which are given in the order in which they were put, in the order in which a Java `HashMap` iterates.
pub(crate) fn names_in_java_order(names: &[&str]) -> Vec<usize> {
    let mask = bucket_count(names.len()) - 1;
    let mut order: Vec<usize> = (0..names.len()).collect();
    // Stable: within a bucket in order of insertion.
    order.sort_by_key(|index| spread(hash(ValueRef::String(names[*index]))) & mask);
    order
}

/// Buckets of a `HashMap` that grew to `count` entries one by one.
fn bucket_count(count: usize) -> u32 {
    let mut buckets = 16_u32;
    while count > buckets as usize / 4 * 3 && buckets < 1 << 30 {
        buckets *= 2;
    }
    buckets
}

/// `HashMap#hash`.
fn spread(hash: u32) -> u32 {
    hash ^ hash >> 16
}

/// `Object#hashCode` of the Java carrier of a value. Bytes, lists, maps and structs are no keys in practice; they keep the
/// order of insertion.
fn hash(key: ValueRef<'_>) -> u32 {
    match key {
        ValueRef::String(text) if text.is_ascii() => {
            text.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)))
        }
        ValueRef::String(text) => {
            text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
        }
        ValueRef::Boolean(value) => {
            if value {
                1231
            } else {
                1237
            }
        }
        ValueRef::Int8(value) => i32::from(value) as u32,
        ValueRef::Int16(value) => i32::from(value) as u32,
        ValueRef::Int32(value) => value as u32,
        ValueRef::Int64(value) => fold(value as u64),
        ValueRef::Float32(value) => value.to_bits(),
        ValueRef::Float64(value) => fold(value.to_bits()),
        ValueRef::Date(epoch_ms) => fold(epoch_ms as u64),
        ValueRef::Decimal(value) => hash_decimal(value),
        _ => 0,
    }
}

/// `BigDecimal#hashCode`: of the words of the magnitude, highest first, then sign and scale.
fn hash_decimal(value: DecimalRef<'_>) -> u32 {
    let is_negative = value.unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = value.unscaled.to_vec();
    if is_negative {
        decimal::negate(&mut magnitude);
    }
    let hash = magnitude.rchunks(4).rev().fold(0_u32, |hash, word| {
        let word = word.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash.wrapping_mul(31).wrapping_add(word)
    });
    // Few digits have a hash of their own: that of the absolute value, as two words, is the same.
    let hash = if is_negative { hash.wrapping_neg() } else { hash };
    hash.wrapping_mul(31).wrapping_add(value.scale as u32)
}

fn fold(bits: u64) -> u32 {
    (bits ^ bits >> 32) as u32
}
