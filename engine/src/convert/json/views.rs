//! Columns of text and bytes: values that stand in the input are named by place, all others are copied into a buffer of the
//! column.
//!
//! `api::views` can name places of one buffer at a time and checks a buffer as a whole; a fetched buffer is no text as a whole, and
//! here places of the input and of the column's own buffer alternate. So text is checked value by value, which the scanner does in passing.

use std::sync::Arc;

use arrow_array::{BinaryViewArray, StringViewArray};
use arrow_buffer::{Buffer, NullBufferBuilder, ScalarBuffer};

use super::scan::{self, PlainText};

/// Values of up to this many bytes live inside the view.
const INLINE_BYTES_MAX: usize = 12;

/// Builds a view array over the buffers of one input and a buffer of its own.
#[derive(Debug)]
pub(super) struct Views {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    own: Vec<u8>,
    /// Index of the own buffer: behind those of the input.
    own_block: u32,
}

/// A [`Views`] whose values are all UTF-8.
#[derive(Debug)]
pub(super) struct Texts(Views);

impl Views {
    /// An empty builder with room for `rows`; `blocks` is the number of buffers of the input.
    pub(super) fn new(rows: usize, blocks: usize) -> Views {
        let own_block = u32::try_from(blocks).expect("an array has far fewer than 2^32 buffers");
        Views {
            views: Vec::with_capacity(rows),
            nulls: NullBufferBuilder::new(rows),
            own: Vec::new(),
            own_block,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    pub(super) fn push_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// Appends a copy of `value`.
    pub(super) fn push_copy(&mut self, value: &[u8]) {
        let start = self.own.len();
        if value.len() > INLINE_BYTES_MAX {
            self.own.extend_from_slice(value);
        }
        self.push_view(value, self.own_block, start);
    }

    /// Appends what `write` appends to the buffer, unless it fails.
    pub(super) fn push_written(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
        let start = self.own.len();
        write(&mut self.own)?;
        let own = std::mem::take(&mut self.own);
        self.push_view(&own[start..], self.own_block, start);
        self.own = own;
        Some(())
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        !self.nulls.is_valid(row)
    }

    /// Forgets all rows from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.views.truncate(len);
        self.nulls.truncate(len);
    }

    fn push_view(&mut self, value: &[u8], block: u32, start: usize) {
        let start = u32::try_from(start).expect("a batch holds far less than 4 GiB");
        let len = value.len() as u128;
        let view = if value.len() <= INLINE_BYTES_MAX {
            let mut inline = [0; 16];
            inline[4..4 + value.len()].copy_from_slice(value);
            u128::from_le_bytes(inline) | len
        } else {
            long_view(value.len(), [value[0], value[1], value[2], value[3]], block, start)
        };
        self.views.push(view);
        self.nulls.append_non_null();
    }

    fn into_parts(
        self,
        input: &[Buffer],
    ) -> (ScalarBuffer<u128>, Arc<[Buffer]>, Option<arrow_buffer::NullBuffer>) {
        let Views { views, mut nulls, own, own_block } = self;
        assert_eq!(
            input.len(),
            own_block as usize,
            "the buffers are those of the input that the column was made for"
        );
        let buffers = input.iter().cloned().chain((!own.is_empty()).then(|| Buffer::from_vec(own))).collect();
        (ScalarBuffer::from(views), buffers, nulls.finish())
    }

    /// The array; `input` is the buffers of the input.
    pub(super) fn finish(self, input: &[Buffer]) -> BinaryViewArray {
        let (views, buffers, nulls) = self.into_parts(input);
        // SAFETY: `push_view` makes short views from their bytes. Long ones come from `push_copy` and `push_written`, which name
        // bytes that they put into the own buffer, which only grows, at the index that `into_parts` gives it. There is one
        // null bit for each view.
        unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) }
    }
}

fn long_view(len: usize, prefix: [u8; 4], block: u32, start: u32) -> u128 {
    len as u128
        | u128::from(u32::from_le_bytes(prefix)) << 32
        | u128::from(block) << 64
        | u128::from(start) << 96
}

/// A buffer of the input, by its place in the array's list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    bytes: &'a [u8],
    index: u32,
}

impl<'a> Block<'a> {
    /// Buffer `index` of the input that all columns of a batch are made for.
    pub(super) fn of(input: &'a [Buffer], index: u32) -> Block<'a> {
        Block { bytes: input[index as usize].as_slice(), index }
    }

    /// A value that lives in its view, so that no long text can stand in it.
    pub(super) fn inline(bytes: &'a [u8]) -> Block<'a> {
        assert!(bytes.len() <= INLINE_BYTES_MAX, "longer values have a buffer");
        Block { bytes, index: 0 }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl Texts {
    pub(super) fn new(rows: usize, blocks: usize) -> Texts {
        Texts(Views::new(rows, blocks))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push_null(&mut self) {
        self.0.push_null();
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// Appends a copy of `value`.
    pub(super) fn push_copy(&mut self, value: &str) {
        self.0.push_copy(value.as_bytes());
    }

    /// Reads a text whose opening quote is before `start`, appends it by place, and returns where its closing quote is. `None`, with
    /// nothing appended, when it has escapes or is not UTF-8.
    #[inline(always)]
    pub(super) fn push_quoted(&mut self, block: Block<'_>, start: usize) -> Option<usize> {
        let PlainText { end, is_ascii } = scan::plain_text(block.bytes, start)?;
        let value = &block.bytes[start..end];
        if !is_ascii {
            std::str::from_utf8(value).ok()?;
        }
        let place = u32::try_from(start).ok()?;
        // A load of twelve bytes instead of a copy of some length, wherever the block goes on for that long.
        let view = match block.bytes[start..].first_chunk::<12>() {
            Some(chunk) if value.len() <= INLINE_BYTES_MAX => {
                let mut inline = [0; 16];
                inline[4..].copy_from_slice(chunk);
                let unused_bits = 8 * (INLINE_BYTES_MAX - value.len()) as u32;
                let bits = u128::from_le_bytes(inline) << unused_bits >> unused_bits;
                bits | value.len() as u128
            }
            Some([a, b, c, d, ..]) => long_view(value.len(), [*a, *b, *c, *d], block.index, place),
            None => {
                self.0.push_view(value, block.index, start);
                return Some(end);
            }
        };
        self.0.views.push(view);
        self.0.nulls.append_non_null();
        Some(end)
    }

    /// Forgets all rows from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// The array; `input` is the buffers of the input.
    pub(super) fn finish(self, input: &[Buffer]) -> StringViewArray {
        let (views, buffers, nulls) = self.0.into_parts(input);
        // SAFETY: as in `Views::finish`; the long views of `push_quoted` name bytes within the input's buffer of that index, which
        // `Block::of` took from the same list. All values are UTF-8: `push_copy` takes text, `push_quoted` what is ASCII or was checked.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
}
