//! The buffer that rows are written into.
//!
//! It is kept from batch to batch as long as nobody else holds what was written: a fresh page costs as much as writing it. It is always
//! longer than what was written, so that short texts are stored in whole words, whatever their length.

use arrow_buffer::Buffer;

use api::Error;
use api::java_text::{self, FLOAT_ROOM, INTEGER_ROOM};

use super::write;

/// A buffer that grew longer is not kept.
const KEPT_BYTES_MAX: usize = 4 << 20;
const FIRST_BYTES: usize = 16 << 10;
/// Texts are written in chunks of so many bytes.
const CHUNK: usize = 16;
/// Texts of up to this many bytes stand inside their view.
const INLINE_BYTES_MAX: usize = 12;
const BLANKS: u128 = 0x2020_2020_2020_2020_2020_2020_2020_2020;

/// Rows being written.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// What was written ends here.
    at: usize,
    /// What was handed out last.
    last: Option<Buffer>,
    /// For what is written by others.
    scratch: Vec<u8>,
}

/// A text that is written for each row.
#[derive(Debug)]
pub(super) struct Literal {
    text: Vec<u8>,
    /// The text, where it is as short as most.
    short: [u8; Literal::SHORT],
}

impl Literal {
    const SHORT: usize = 32;

    pub(super) fn new(text: Vec<u8>) -> Literal {
        let mut short = [0; Literal::SHORT];
        if let Some(room) = short.get_mut(..text.len()) {
            room.copy_from_slice(&text);
        }
        Literal { text, short }
    }
}

impl Output {
    /// Takes the last buffer again, if nobody else holds it any more.
    pub(super) fn begin(&mut self) {
        self.at = 0;
        if let Some(Ok(bytes)) = self.last.take().map(Buffer::into_vec) {
            self.bytes = bytes;
        }
    }

    /// What was written.
    pub(super) fn finish(&mut self) -> Buffer {
        let buffer = Buffer::from_vec(std::mem::take(&mut self.bytes));
        let written = buffer.slice_with_length(0, self.at);
        self.last = (buffer.len() <= KEPT_BYTES_MAX).then_some(buffer);
        written
    }

    pub(super) fn len(&self) -> usize {
        self.at
    }

    /// Takes back what was written after `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.at = self.at.min(len);
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.reserve(text.len());
        self.bytes[self.at..self.at + text.len()].copy_from_slice(text);
        self.at += text.len();
    }

    #[inline(always)]
    pub(super) fn push_byte(&mut self, byte: u8) {
        *self.room::<1>() = [byte];
        self.at += 1;
    }

    #[inline(always)]
    pub(super) fn push_literal(&mut self, literal: &Literal) {
        if literal.text.len() > Literal::SHORT {
            return self.push(&literal.text);
        }
        *self.room() = literal.short;
        self.at += literal.text.len();
    }

    #[inline(always)]
    pub(super) fn push_boolean(&mut self, value: bool) {
        *self.room() = if value { *b"true\0" } else { *b"false" };
        self.at += if value { 4 } else { 5 };
    }

    #[inline(always)]
    pub(super) fn push_integer(&mut self, value: i64) {
        let len = java_text::put_integer(self.room::<INTEGER_ROOM>(), value);
        self.at += len;
    }

    #[inline(always)]
    pub(super) fn push_float64(&mut self, value: f64) {
        match java_text::put_float64(self.room::<FLOAT_ROOM>(), value) {
            Some(len) => self.at += len,
            None => self.push_with(|out| write::write_float64(out, value)),
        }
    }

    /// Appends a text with its quotes; `view` and `buffers` are those of an array of texts.
    #[inline(always)]
    pub(super) fn push_text(&mut self, view: u128, buffers: &[Buffer]) {
        let len = view as u32 as usize;
        if len > INLINE_BYTES_MAX {
            let start = (view >> 96) as usize;
            return self.push_long_text(&buffers[(view >> 64) as u32 as usize][start..start + len]);
        }
        let text = view >> 32;
        let chunk = text.to_le_bytes();
        if !is_plain(&(text | (BLANKS << (8 * len))).to_le_bytes()) {
            return self.push_escaped(&chunk[..len]);
        }
        let room = self.room::<{ CHUNK + 2 }>();
        room[0] = b'"';
        room[1..=CHUNK].copy_from_slice(&chunk);
        room[1 + len] = b'"';
        self.at += len + 2;
    }

    fn push_long_text(&mut self, text: &[u8]) {
        self.reserve(text.len() + CHUNK + 2);
        let room = &mut self.bytes[self.at..][..text.len() + 2];
        room[0] = b'"';
        let (chunks, rest) = text.as_chunks::<CHUNK>();
        let (room_chunks, _) = room[1..].as_chunks_mut::<CHUNK>();
        for (chunk, room) in chunks.iter().zip(room_chunks) {
            if !is_plain(chunk) {
                return self.push_escaped(text);
            }
            *room = *chunk;
        }
        if !rest.is_empty() {
            // The last bytes once more with those before them, or, of a text that is shorter than a chunk, in two halves.
            if let (Some(chunk), Some(room)) =
                (text.last_chunk::<CHUNK>(), room[..=text.len()].last_chunk_mut::<CHUNK>())
            {
                if !is_plain(chunk) {
                    return self.push_escaped(text);
                }
                *room = *chunk;
            } else {
                if !text.iter().fold(true, |plain, byte| plain & !write::is_escaped(*byte)) {
                    return self.push_escaped(text);
                }
                room[1..=text.len()].copy_from_slice(text);
            }
        }
        room[1 + text.len()] = b'"';
        self.at += text.len() + 2;
    }

    #[cold]
    fn push_escaped(&mut self, text: &[u8]) {
        // Arrays of texts hold nothing but UTF-8.
        let text = String::from_utf8_lossy(text);
        self.push_with(|out| write::write_string(out, &text));
    }

    /// Appends what `write` appends.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(&mut scratch);
        self.push(&scratch);
        self.scratch = scratch;
    }

    /// Appends what `write` appends, unless it fails.
    pub(super) fn try_push_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut written = Ok(());
        self.push_with(|out| written = write(out));
        written
    }

    /// The next `N` bytes.
    #[inline(always)]
    fn room<const N: usize>(&mut self) -> &mut [u8; N] {
        self.reserve(N);
        self.bytes[self.at..].first_chunk_mut().expect("room was just made")
    }

    #[inline(always)]
    fn reserve(&mut self, len: usize) {
        if self.bytes.len() - self.at < len {
            self.grow(len);
        }
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        let wanted = (self.at + len).max(2 * self.bytes.len()).max(FIRST_BYTES);
        self.bytes.resize(wanted, 0);
    }
}

#[inline(always)]
fn is_plain(chunk: &[u8; CHUNK]) -> bool {
    !chunk.iter().fold(false, |found, byte| found | write::is_escaped(*byte))
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Output)) -> String {
        let mut out = Output::default();
        out.begin();
        write(&mut out);
        String::from_utf8_lossy(&out.finish()).into_owned()
    }

    fn plainly(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn texts_of_all_lengths_stay_as_they_are() {
        for len in 0..100 {
            let text: String = ('a'..='z').cycle().take(len).collect();
            let array = StringViewArray::from_iter_values([&text]);
            let literal = Literal::new(text.clone().into_bytes());
            let found = written(|out| {
                out.push_text(array.views()[0], array.data_buffers());
                out.push_literal(&literal);
                out.push_byte(b'.');
            });
            assert_eq!(found, format!("\"{text}\"{text}."));
        }
    }

    #[test]
    fn what_was_taken_back_is_written_over() {
        let found = written(|out| {
            out.push(b"kept");
            let len = out.len();
            out.push_integer(i64::MIN);
            out.truncate(len);
            out.push_boolean(true);
            out.push_boolean(false);
        });
        assert_eq!(found, "kepttruefalse");
    }

    proptest! {
        #[test]
        fn texts_are_escaped_as_in_the_plain_way(
            before in "[ -~]{0,40}", odd in "[\\x00-\\x1f\"\\\\é☃😀]{0,2}", after in "[ -~é]{0,40}",
        ) {
            let text = format!("{before}{odd}{after}");
            let array = StringViewArray::from_iter_values([&text]);
            let found = written(|out| out.push_text(array.views()[0], array.data_buffers()));
            prop_assert_eq!(found, plainly(|out| write::write_string(out, &text)));
        }

        #[test]
        fn numbers_are_written_as_in_the_plain_way(integer: i64, float: f64, digits in -1_000_000_000..1_000_000_000_i64, places in 0..12) {
            let decimal = digits as f64 / 10_f64.powi(places);
            let found = written(|out| {
                out.push_integer(integer);
                out.push_float64(float);
                out.push_float64(decimal);
            });
            prop_assert_eq!(found, plainly(|out| {
                java_text::write_integer(out, integer);
                write::write_float64(out, float);
                write::write_float64(out, decimal);
            }));
        }
    }
}
