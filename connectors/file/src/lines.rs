//! Splits bytes into lines: the source without its file. Works on whole chunks; a line is named by place, never copied.

use api::java_text::decode_utf8_lossy;
use api::views::StringViews;
use api::{Error, Result};
use arrow_array::StringViewArray;
use arrow_buffer::{Buffer, ScalarBuffer};

/// A longer line than this fails the task: no broker takes such a record, and the memory is better spent.
pub(crate) const LINE_BYTES_MAX: usize = 256 << 20;

/// For how many lines room is made at once: what is too little is doubled.
const LINE_BYTES_LIKELY: usize = 64;

/// Complete lines, and for each the file position after its terminator.
#[derive(Debug)]
pub(crate) struct Emitted {
    pub(crate) lines: StringViewArray,
    pub(crate) positions: ScalarBuffer<i64>,
}

/// A chunk of the file and how far it has been emitted.
#[derive(Debug)]
pub(crate) struct Lines {
    chunk: Buffer,
    /// Bytes of `chunk` that have been emitted.
    emitted: usize,
    /// Bytes of `chunk` in which all terminators have been emitted or are known to be absent.
    searched: usize,
    /// File position of the first byte of `chunk`.
    position: i64,
}

impl Lines {
    /// Nothing read yet; the next byte is at `position`.
    pub(crate) fn starting_at(position: i64) -> Lines {
        Lines { chunk: Buffer::from(Vec::<u8>::new()), emitted: 0, searched: 0, position }
    }

    /// File position of the first byte that has not been emitted.
    pub(crate) fn position(&self) -> i64 {
        self.position + self.emitted as i64
    }

    /// The start of a line that has no terminator yet: the beginning of the next chunk.
    pub(crate) fn unfinished(&self) -> &[u8] {
        &self.chunk[self.emitted..]
    }

    /// Replaces the chunk by one that begins with [`Lines::unfinished`] and goes on with newly read bytes.
    ///
    /// # Errors
    /// When a line is longer than [`LINE_BYTES_MAX`].
    pub(crate) fn refill(&mut self, chunk: Vec<u8>) -> Result<()> {
        debug_assert!(chunk.starts_with(self.unfinished()));
        self.searched -= self.emitted;
        self.position += self.emitted as i64;
        self.emitted = 0;
        self.chunk = Buffer::from_vec(chunk);
        if self.searched > LINE_BYTES_MAX {
            return Err(Error::fatal(format!(
                "the line that starts at byte {} is longer than {LINE_BYTES_MAX} bytes",
                self.position
            )));
        }
        Ok(())
    }

    /// Takes up to `lines_max` complete lines; `None` when there is none.
    ///
    /// # Errors
    /// Never on file content: bytes that are not UTF-8 become U+FFFD, as in Java.
    pub(crate) fn take(&mut self, lines_max: usize) -> Result<Option<Emitted>> {
        let bytes = self.chunk.as_slice();
        let lines_guess = lines_max.min((bytes.len() - self.emitted) / LINE_BYTES_LIKELY);
        let mut spans: Vec<(u32, u32)> = Vec::with_capacity(lines_guess);
        let mut positions: Vec<i64> = Vec::with_capacity(lines_guess);
        let mut start = self.emitted;
        let mut skip_to = self.searched;
        for found in memchr::memchr2_iter(b'\n', b'\r', &bytes[self.searched..]) {
            let at = self.searched + found;
            if at < skip_to {
                continue;
            }
            let after = match (bytes[at], bytes.get(at + 1)) {
                // Whether a carriage return at the end stands alone is known only with the next byte.
                (b'\r', None) => break,
                (b'\r', Some(b'\n')) => at + 2,
                _ => at + 1,
            };
            spans.push(((start - self.emitted) as u32, (at - start) as u32));
            positions.push(self.position + after as i64);
            (start, skip_to) = (after, after);
            if spans.len() == lines_max {
                break;
            }
        }
        if spans.is_empty() {
            // All but a last carriage return is known to hold no terminator.
            self.searched = bytes.len() - usize::from(bytes[self.searched..].ends_with(b"\r"));
            return Ok(None);
        }
        let region = self.chunk.slice_with_length(self.emitted, start - self.emitted);
        (self.emitted, self.searched) = (start, start);
        Ok(Some(Emitted { lines: text(region, &spans)?, positions: positions.into() }))
    }
}

/// The spans of `region` as text.
fn text(region: Buffer, spans: &[(u32, u32)]) -> Result<StringViewArray> {
    let mut views = StringViews::with_capacity(spans.len());
    // The builder checks the region as a whole, which is the only look at its bytes as text.
    if views.add_buffer(region.clone()).is_err() {
        let line = |(start, len): &(u32, u32)| decode_utf8_lossy(&region[*start as usize..][..*len as usize]);
        return Ok(StringViewArray::from_iter_values(spans.iter().map(line)));
    }
    views.extend(spans.iter().map(|(start, len)| (*start as usize, *len as usize)));
    Ok(views.finish())
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use proptest::prelude::*;

    use super::*;

    /// Feeds `chunks` one by one and returns every line with its position.
    fn split(chunks: &[&[u8]], lines_max: usize) -> Vec<(String, i64)> {
        let mut lines = Lines::starting_at(0);
        let mut out = Vec::new();
        for chunk in chunks {
            lines.refill([lines.unfinished(), chunk].concat()).unwrap();
            while let Some(emitted) = lines.take(lines_max).unwrap() {
                assert!(emitted.lines.len() <= lines_max);
                let rows = emitted.lines.iter().map(|line| line.unwrap().to_owned());
                out.extend(rows.zip(emitted.positions.iter().copied()));
            }
        }
        out
    }

    fn lines(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
        expected.iter().map(|(line, position)| ((*line).to_owned(), *position)).collect()
    }

    #[test]
    fn knows_the_three_terminators() {
        assert_eq!(split(&[b"a\nbb\r\nccc\rd"], 100), lines(&[("a", 2), ("bb", 6), ("ccc", 10)]));
        assert_eq!(split(&[b"\n\n\r\r\n"], 100), lines(&[("", 1), ("", 2), ("", 3), ("", 5)]));
    }

    #[test]
    fn waits_for_the_end_of_a_line() {
        assert_eq!(split(&[b"par", b"ti", b"al"], 100), []);
        assert_eq!(split(&[b"par", b"tial\nne", b"xt\n"], 100), lines(&[("partial", 8), ("next", 13)]));
    }

    #[test]
    fn a_carriage_return_at_the_end_waits_for_the_next_byte() {
        assert_eq!(split(&[b"a\r"], 100), []);
        assert_eq!(split(&[b"a\r", b"\nb\n"], 100), lines(&[("a", 3), ("b", 5)]));
        assert_eq!(split(&[b"a\r", b"b\n"], 100), lines(&[("a", 2), ("b", 4)]));
    }

    #[test]
    fn positions_count_bytes_and_bad_bytes_are_replaced() {
        assert_eq!(split(&["ä€\nb\n".as_bytes()], 100), lines(&[("ä€", 6), ("b", 8)]));
        assert_eq!(split(&[b"ok\n\xff!\nok\n"], 100), lines(&[("ok", 3), ("\u{fffd}!", 6), ("ok", 9)]));
    }

    proptest! {
        /// However the bytes arrive and however few lines are taken at a time, the lines and positions are the same.
        #[test]
        fn chunking_changes_nothing(
            bytes in prop::collection::vec(prop::sample::select(&b"ab\r\n\xc3\xa4"[..]), 0..80),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            lines_max in 1usize..5,
        ) {
            let whole = split(&[&bytes], usize::MAX);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(&chunks, lines_max), whole);
        }
    }
}
