//! Builders of view arrays over buffers that are already in memory: values are named by place, never copied (but for those of
//! up to twelve bytes, which Arrow keeps inside the view).
//!
//! They uphold what Arrow demands of a view array at a cost of one comparison per value: that each view lies within its
//! buffer, and that text is UTF-8. The buffer of a [`StringViews`] is checked as a whole, after which a value needs only to
//! begin and end between characters.

use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, ListArray, MapArray, PrimitiveArray,
    StringViewArray, StructArray,
};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;

use crate::error::{Error, Result};

/// Values of up to this many bytes live inside the view.
const INLINE_BYTES_MAX: usize = 12;

/// Builds a [`BinaryViewArray`] over shared buffers.
#[derive(Debug)]
pub struct BytesViews {
    buffers: Vec<Buffer>,
    views: Vec<u128>,
    nulls: NullBufferBuilder,
}

impl BytesViews {
    /// An empty builder with room for `rows`.
    pub fn with_capacity(rows: usize) -> BytesViews {
        BytesViews {
            buffers: Vec::new(),
            views: Vec::with_capacity(rows),
            nulls: NullBufferBuilder::new(rows),
        }
    }

    /// Adds the buffer that the following values lie in.
    ///
    /// # Errors
    /// When it is longer than a view can address (4 GiB).
    pub fn add_buffer(&mut self, buffer: Buffer) -> Result<()> {
        if u32::try_from(buffer.len()).is_err() {
            return Err(Error::bad_record(format!(
                "a buffer of {} bytes is too long to index",
                buffer.len()
            )));
        }
        self.buffers.push(buffer);
        Ok(())
    }

    /// Appends `len` bytes at `start` of the last buffer.
    ///
    /// # Panics
    /// When the range lies outside of it, or no buffer was added: a bug of the caller.
    #[inline]
    pub fn push(&mut self, start: usize, len: usize) {
        let block = self.buffers.len() - 1;
        let value = &self.buffers[block].as_slice()[start..][..len];
        self.views.push(view(value, block as u32, start as u32));
        self.nulls.append_non_null();
    }

    /// Appends a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// The array.
    pub fn finish(mut self) -> BinaryViewArray {
        let views = ScalarBuffer::from(self.views);
        // SAFETY: every view came from `push`, which took it from within buffer `block`, of at most u32::MAX bytes, with the
        // prefix that `view` copies, or is the empty view of a null; `nulls` got one bit for each view.
        unsafe { BinaryViewArray::new_unchecked(views, Arc::from(self.buffers), self.nulls.finish()) }
    }
}

/// Builds a [`StringViewArray`] over shared buffers.
#[derive(Debug)]
pub struct StringViews(BytesViews);

impl StringViews {
    /// An empty builder with room for `rows`.
    pub fn with_capacity(rows: usize) -> StringViews {
        StringViews(BytesViews::with_capacity(rows))
    }

    /// Adds the buffer that the following values lie in; all of it must be UTF-8.
    ///
    /// # Errors
    /// When it is not, or is longer than a view can address (4 GiB).
    pub fn add_buffer(&mut self, buffer: Buffer) -> Result<()> {
        simdutf8::basic::from_utf8(&buffer)
            .map_err(|error| Error::bad_record("text is not UTF-8").with_source(error.to_string()))?;
        self.0.add_buffer(buffer)
    }

    /// Appends `len` bytes at `start` of the last buffer.
    ///
    /// # Panics
    /// When the range lies outside of it or cuts a character, or no buffer was added: a bug of the caller.
    #[inline]
    pub fn push(&mut self, start: usize, len: usize) {
        let buffer = self.0.buffers.last().expect("a buffer was added").as_slice();
        assert!(is_boundary(buffer, start) && is_boundary(buffer, start + len), "{CUT}");
        self.0.push(start, len);
    }

    /// Appends values of the last buffer by start and length, cheaper than one by one.
    ///
    /// # Panics
    /// As [`StringViews::push`].
    pub fn extend(&mut self, spans: impl ExactSizeIterator<Item = (usize, usize)>) {
        let block = self.0.buffers.len() - 1;
        let buffer = self.0.buffers[block].as_slice();
        let before = self.0.views.len();
        self.0.views.extend(spans.map(|(start, len)| {
            let value = &buffer[start..][..len];
            assert!(is_boundary(buffer, start) && is_boundary(buffer, start + len), "{CUT}");
            view(value, block as u32, start as u32)
        }));
        self.0.nulls.append_n_non_nulls(self.0.views.len() - before);
    }

    /// Appends a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.0.push_null();
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The array.
    pub fn finish(self) -> StringViewArray {
        let (views, buffers, nulls) = self.0.finish().into_parts();
        // SAFETY: the views are valid as binary views; their buffers are UTF-8 as a whole (`add_buffer`) and every value begins
        // and ends between characters (`push`), so each value is UTF-8.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
}

const CUT: &str = "a text value must not cut a character";

/// Whether a character begins at `at`, or the text ends.
#[inline]
fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| (*byte as i8) >= -0x40)
}

/// A value of up to twelve bytes as the view that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inline(u128);

impl Inline {
    /// No bytes; also what a null row has.
    pub const EMPTY: Inline = Inline(0);

    /// The view of these bytes: their number, then they themselves.
    #[inline]
    pub fn new<const N: usize>(bytes: [u8; N]) -> Inline {
        const { assert!(N <= INLINE_BYTES_MAX, "longer values do not fit into a view") };
        let mut view = [0_u8; 16];
        view[0] = N as u8;
        view[4..4 + N].copy_from_slice(&bytes);
        Inline(u128::from_le_bytes(view))
    }
}

/// The array of short values, which needs no buffer.
///
/// # Panics
/// When there is not one bit of validity for each value: a bug of the caller.
pub fn inline(values: Vec<Inline>, nulls: Option<NullBuffer>) -> BinaryViewArray {
    assert!(
        nulls.as_ref().is_none_or(|nulls| nulls.len() == values.len()),
        "one bit of validity for each value"
    );
    let views: Vec<u128> = values.into_iter().map(|value| value.0).collect();
    // SAFETY: each view is one that `Inline` has made, whose bytes are in it and followed by zeros; `nulls` has a bit for each.
    unsafe { BinaryViewArray::new_unchecked(views.into(), Arc::from([]), nulls) }
}

/// The same values as text, copying nothing.
///
/// # Errors
/// The first row that is not UTF-8.
pub fn as_text(bytes: &BinaryViewArray) -> std::result::Result<StringViewArray, usize> {
    let is_text = |row: usize| bytes.is_null(row) || std::str::from_utf8(bytes.value(row)).is_ok();
    if let Some(row) = (0..bytes.len()).find(|row| !is_text(*row)) {
        return Err(row);
    }
    let (views, buffers, nulls) = bytes.clone().into_parts();
    // Arrow asks it of null rows, too: a fetched null is an empty view, but another maker's need not be.
    if nulls
        .as_ref()
        .is_some_and(|nulls| nulls.iter().zip(views.iter()).any(|(valid, view)| !valid && *view != 0))
    {
        return Ok(StringViewArray::from_iter(bytes.iter().map(|row| row.map(String::from_utf8_lossy))));
    }
    // SAFETY: the parts are those of a valid binary view array, and every value was found to be UTF-8.
    Ok(unsafe { StringViewArray::new_unchecked(views, buffers, nulls) })
}

/// The same text in every row.
pub fn repeated(text: &str, rows: usize) -> StringViewArray {
    let buffers =
        if text.len() <= INLINE_BYTES_MAX { Vec::new() } else { vec![Buffer::from(text.as_bytes())] };
    let views = vec![view(text.as_bytes(), 0, 0); rows];
    // SAFETY: the view is that of text which it holds itself, or which is all of the one buffer.
    unsafe { StringViewArray::new_unchecked(views.into(), Arc::from(buffers), None) }
}

/// The values at `rows`, in that order, copying none.
///
/// # Panics
/// When there is no such row: a bug of the caller.
pub fn gather(values: &BinaryViewArray, rows: &[u32]) -> BinaryViewArray {
    let views = rows.iter().map(|row| values.views()[*row as usize]).collect();
    let nulls = values.nulls().map(|nulls| rows.iter().map(|row| nulls.is_valid(*row as usize)).collect());
    let buffers = values.data_buffers().iter().cloned().collect();
    // SAFETY: the views are views of a valid array over these buffers, with one bit of validity for each.
    unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) }
}

/// The same values with those rows null, too, that are null in `mask`. Values are shared, not copied.
///
/// # Panics
/// When the lengths differ, and for Arrow types that no column of ours has: a bug of the caller.
pub fn masked(array: &ArrayRef, mask: Option<&NullBuffer>) -> ArrayRef {
    let Some(mask) = mask.filter(|mask| mask.null_count() > 0) else { return Arc::clone(array) };
    assert_eq!(mask.len(), array.len(), "one bit of validity for each row");
    let nulls = NullBuffer::union(array.nulls(), Some(mask));
    match array.data_type() {
        DataType::Int8 => masked_numbers::<Int8Type>(array, nulls),
        DataType::Int16 => masked_numbers::<Int16Type>(array, nulls),
        DataType::Int32 => masked_numbers::<Int32Type>(array, nulls),
        DataType::Int64 => masked_numbers::<Int64Type>(array, nulls),
        DataType::Float32 => masked_numbers::<Float32Type>(array, nulls),
        DataType::Float64 => masked_numbers::<Float64Type>(array, nulls),
        DataType::Null => Arc::clone(array),
        DataType::Boolean => Arc::new(BooleanArray::new(array.as_boolean().values().clone(), nulls)),
        DataType::Utf8View => {
            let (views, buffers, _) = array.as_string_view().clone().into_parts();
            // SAFETY: views and buffers are those of a valid array, and `nulls` has a bit for each view.
            Arc::new(unsafe { StringViewArray::new_unchecked(views, buffers, nulls) })
        }
        DataType::BinaryView => {
            let (views, buffers, _) = array.as_binary_view().clone().into_parts();
            // SAFETY: views and buffers are those of a valid array, and `nulls` has a bit for each view.
            Arc::new(unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) })
        }
        DataType::List(field) => {
            let lists = array.as_list::<i32>();
            let (offsets, values) = (lists.offsets().clone(), Arc::clone(lists.values()));
            Arc::new(ListArray::new(Arc::clone(field), offsets, values, nulls))
        }
        DataType::Map(field, is_sorted) => {
            let maps = array.as_map();
            let (offsets, entries) = (maps.offsets().clone(), maps.entries().clone());
            Arc::new(MapArray::new(Arc::clone(field), offsets, entries, nulls, *is_sorted))
        }
        DataType::Struct(fields) => {
            let structs = array.as_struct();
            if fields.is_empty() {
                return Arc::new(StructArray::new_empty_fields(structs.len(), nulls));
            }
            Arc::new(StructArray::new(fields.clone(), structs.columns().to_vec(), nulls))
        }
        other => panic!("no column of ours has Arrow type {other}"),
    }
}

fn masked_numbers<T: ArrowPrimitiveType>(array: &ArrayRef, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(array.as_primitive::<T>().values().clone(), nulls))
}

#[inline]
fn view(value: &[u8], block: u32, start: u32) -> u128 {
    if value.len() <= INLINE_BYTES_MAX {
        return make_view(value, block, start);
    }
    let prefix = u32::from_le_bytes([value[0], value[1], value[2], value[3]]);
    value.len() as u128 | u128::from(prefix) << 32 | u128::from(block) << 64 | u128::from(start) << 96
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_values_by_place() {
        let text = "short|a value longer than twelve bytes|ü|";
        let mut views = StringViews::with_capacity(4);
        views.add_buffer(Buffer::from(text.as_bytes())).unwrap();
        views.push(0, 5);
        views.push_null();
        views.extend([(6, 32), (39, 2)].into_iter());
        let array = views.finish();
        let rows: Vec<_> = array.iter().collect();
        assert_eq!(rows, [Some("short"), None, Some("a value longer than twelve bytes"), Some("ü")]);
    }

    #[test]
    #[should_panic(expected = "must not cut a character")]
    fn refuses_to_cut_a_character() {
        let mut views = StringViews::with_capacity(1);
        views.add_buffer(Buffer::from("ü".as_bytes())).unwrap();
        views.push(0, 1);
    }

    #[test]
    #[should_panic(expected = "must not cut a character")]
    fn refuses_to_cut_one_of_many() {
        let mut views = StringViews::with_capacity(2);
        views.add_buffer(Buffer::from("aü".as_bytes())).unwrap();
        views.extend([(0, 1), (0, 2)].into_iter());
    }

    #[test]
    fn refuses_bytes_that_are_not_text() {
        assert!(StringViews::with_capacity(1).add_buffer(Buffer::from(&b"\xff"[..])).is_err());
    }

    #[test]
    fn short_values_are_as_arrow_wants_them() {
        let values = vec![Inline::new([1, 2, 3]), Inline::EMPTY, Inline::new([]), Inline::new([7; 12])];
        let array = inline(values, Some(NullBuffer::from(vec![true, false, true, true])));
        assert_eq!(array.iter().collect::<Vec<_>>(), [Some(&[1, 2, 3][..]), None, Some(&[]), Some(&[7; 12])]);
        let (views, buffers, nulls) = array.into_parts();
        BinaryViewArray::try_new(views, buffers, nulls).unwrap();
    }

    #[test]
    fn text_is_told_from_bytes() {
        let text = BinaryViewArray::from_iter([
            Some("plain".as_bytes()),
            None,
            Some("a longer text, with ü".as_bytes()),
        ]);
        let rows: Vec<_> = as_text(&text).unwrap().iter().map(|row| row.map(str::to_owned)).collect();
        assert_eq!(rows, [Some("plain".to_owned()), None, Some("a longer text, with ü".to_owned())]);
        assert_eq!(
            as_text(&BinaryViewArray::from_iter([Some(&b"ok"[..]), Some(&b"\xc3"[..])])).unwrap_err(),
            1
        );
    }

    #[test]
    fn the_same_text_is_repeated() {
        for text in ["", "short", "a value longer than twelve bytes"] {
            let array = repeated(text, 3);
            assert_eq!(array.iter().collect::<Vec<_>>(), [Some(text); 3]);
            let (views, buffers, nulls) = array.into_parts();
            StringViewArray::try_new(views, buffers, nulls).unwrap();
        }
    }

    /// Goal: a mask adds nulls to those that are there, for every type that columns have, also where the array is a slice.
    #[test]
    fn masked_rows_are_null() {
        let numbers = Arc::new(arrow_array::Int32Array::from(vec![Some(1), None, Some(3), Some(4), Some(5)]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1)]),
            None,
            Some(vec![]),
            Some(vec![None]),
            Some(vec![Some(2)]),
        ]));
        let field = |array: &ArrayRef| arrow_schema::Field::new("f", array.data_type().clone(), true);
        let text: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some("a"),
            None,
            Some("c"),
            Some("a longer text than that"),
            Some("e"),
        ]));
        let structs =
            StructArray::new(vec![field(&text)].into(), vec![Arc::clone(&text)], numbers.nulls().cloned());
        let bytes: ArrayRef = Arc::new(text.as_string_view().clone().to_binary_view());
        let booleans = BooleanArray::from(vec![Some(true), None, Some(false), Some(true), Some(false)]);
        let empty = StructArray::new_empty_fields(5, numbers.nulls().cloned());
        let arrays: [ArrayRef; 7] =
            [numbers, lists, text, bytes, Arc::new(structs), Arc::new(booleans), Arc::new(empty)];
        for array in arrays {
            let mask = NullBuffer::from(vec![true, true, false]);
            let masked = masked(&array.slice(1, 3), Some(&mask));
            let nulls: Vec<_> = (0..3).map(|row| masked.is_null(row)).collect();
            assert_eq!(nulls, [true, false, true], "{}", array.data_type());
            assert_eq!(masked.slice(1, 1).as_ref(), array.slice(2, 1).as_ref());
        }
    }

    proptest! {
        /// Arrow's own checked constructor accepts what the builder made, and the values are the bytes named.
        #[test]
        fn arrow_accepts_what_is_built(
            buffers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4),
            picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20),
        ) {
            let mut views = BytesViews::with_capacity(0);
            let mut expected: Vec<Option<Vec<u8>>> = Vec::new();
            for buffer in &buffers {
                views.add_buffer(Buffer::from(&buffer[..])).unwrap();
                for (start, len) in &picks {
                    let start = start.index(buffer.len() + 1);
                    let len = len.index(buffer.len() - start + 1);
                    views.push(start, len);
                    views.push_null();
                    expected.push(Some(buffer[start..start + len].to_vec()));
                    expected.push(None);
                }
            }
            let array = views.finish();
            let (parts, buffers, nulls) = array.clone().into_parts();
            BinaryViewArray::try_new(parts, buffers, nulls).unwrap();
            let rows: Vec<_> = array.iter().map(|row| row.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
