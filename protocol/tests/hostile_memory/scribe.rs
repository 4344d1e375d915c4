//! Frames made by a decoder: it reads from a buffer that makes up every answer and writes it down, so that what was
//! written is a message of exactly that API and version, with lists as long as the test wants them.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;
use protocol::wire::messages::Decodable;

/// No message that is asked for here has more fields.
const READS_MAX: usize = 60_000;

/// One answer, as far as the next message needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Varint,
    /// Bytes of this length.
    Bytes(usize),
    Other,
}

/// A message of type `T`, written down.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) bytes: Bytes,
    /// How many numbers it consists of.
    pub(crate) reads: usize,
    steps: Vec<Step>,
}

/// Writes a message in which everything is `count`: lists within lists, texts, integers.
pub(crate) fn write_full<T: Decodable>(version: i16, count: usize) -> Written {
    Scribe { before: count, ..Scribe::new(usize::MAX, 0, None) }.write::<T>(version)
}

/// Writes a message in which each list has one element until number `place`, which is `count`; after it lists and texts
/// are empty, and each struct of a flexible version has one tagged field that nobody knows.
pub(crate) fn write<T: Decodable>(version: i16, place: usize, count: usize) -> Written {
    Scribe::new(place, count, None).write::<T>(version)
}

/// The same message without the tagged fields.
pub(crate) fn write_untagged<T: Decodable>(
    version: i16,
    place: usize,
    count: usize,
    tagged: &Written,
) -> Written {
    let mut tags = VecDeque::new();
    let mut run: usize = 0;
    for step in tagged.steps.iter().copied() {
        match step {
            Step::Varint => {
                run += 1;
                tags.push_back(1);
            }
            // Only the size of an unknown field is not stored plus one: its count, its tag and its size go.
            Step::Bytes(1) if run >= 3 => {
                tags.truncate(tags.len() - 3);
                tags.push_back(0);
                run = 0;
            }
            Step::Bytes(_) | Step::Other => run = 0,
        }
    }
    Scribe::new(place, count, Some(tags)).write::<T>(version)
}

struct Scribe {
    written: Vec<u8>,
    steps: Vec<Step>,
    reads: usize,
    before: usize,
    place: usize,
    count: usize,
    varint_rest: Option<u32>,
    /// The varints after `place`, where they are known.
    script: Option<VecDeque<u32>>,
}

impl Scribe {
    fn new(place: usize, count: usize, script: Option<VecDeque<u32>>) -> Self {
        Self {
            written: Vec::new(),
            steps: Vec::new(),
            reads: 0,
            before: 1,
            place,
            count,
            varint_rest: None,
            script,
        }
    }

    fn write<T: Decodable>(mut self, version: i16) -> Written {
        // Where it ends early, what is there has been hostile enough.
        T::decode(&mut self, version).ok();
        Written { bytes: self.written.into(), reads: self.reads, steps: self.steps }
    }

    fn number(&mut self, after: usize) -> Result<usize, TryGetError> {
        self.reads += 1;
        match (self.reads - 1).cmp(&self.place) {
            _ if self.reads > READS_MAX => Err(TryGetError { requested: 1, available: 0 }),
            std::cmp::Ordering::Less => Ok(self.before),
            std::cmp::Ordering::Equal => Ok(self.count),
            std::cmp::Ordering::Greater => Ok(after),
        }
    }

    fn step(&mut self, step: Step) {
        if self.reads > self.place.saturating_add(1) {
            self.steps.push(step);
        }
    }

    fn integer<const N: usize>(&mut self, encode: impl Fn(usize) -> [u8; N]) -> Result<(), TryGetError> {
        let value = self.number(0)?;
        self.step(Step::Other);
        self.written.extend(encode(value));
        Ok(())
    }

    fn last<const N: usize>(&self) -> [u8; N] {
        *self.written.last_chunk().expect("it was just written")
    }
}

impl Buf for Scribe {
    fn remaining(&self) -> usize {
        1 << 30
    }

    fn chunk(&self) -> &[u8] {
        &[]
    }

    fn advance(&mut self, _count: usize) {}

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let value = match self.varint_rest.take() {
            Some(rest) => rest,
            None => {
                let is_after = self.reads > self.place;
                // Compact lengths are stored plus one.
                let value = self.number(0)? as u32 + 1;
                self.step(Step::Varint);
                match &mut self.script {
                    Some(script) if is_after => script.pop_front().unwrap_or(1),
                    _ => value,
                }
            }
        };
        let mut byte = (value & 0x7f) as u8;
        if value > 0x7f {
            byte |= 0x80;
            self.varint_rest = Some(value >> 7);
        }
        self.written.push(byte);
        Ok(byte)
    }

    fn try_get_i8(&mut self) -> Result<i8, TryGetError> {
        self.integer(|value| (value as i8).to_be_bytes())?;
        Ok(i8::from_be_bytes(self.last()))
    }

    fn try_get_i16(&mut self) -> Result<i16, TryGetError> {
        self.integer(|value| (value as i16).to_be_bytes())?;
        Ok(i16::from_be_bytes(self.last()))
    }

    fn try_get_u16(&mut self) -> Result<u16, TryGetError> {
        self.integer(|value| (value as u16).to_be_bytes())?;
        Ok(u16::from_be_bytes(self.last()))
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.integer(|value| (value as i32).to_be_bytes())?;
        Ok(i32::from_be_bytes(self.last()))
    }

    fn try_get_i64(&mut self) -> Result<i64, TryGetError> {
        self.integer(|value| (value as i64).to_be_bytes())?;
        Ok(i64::from_be_bytes(self.last()))
    }

    fn try_get_f64(&mut self) -> Result<f64, TryGetError> {
        self.integer(|value| (value as f64).to_be_bytes())?;
        Ok(f64::from_be_bytes(self.last()))
    }

    fn try_copy_to_slice(&mut self, target: &mut [u8]) -> Result<(), TryGetError> {
        self.number(0)?;
        self.step(Step::Other);
        target.fill(7);
        self.written.extend_from_slice(target);
        Ok(())
    }
}

impl ByteBuf for Scribe {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        Bytes::from(vec![b'a'; range.len()])
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.step(Step::Bytes(size));
        let bytes = vec![b'a'; size];
        self.written.extend_from_slice(&bytes);
        bytes.into()
    }
}
