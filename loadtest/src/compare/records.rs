//! The records of a case, each made from its number, and a sum by which all of them can be checked wherever they arrive.

use std::hash::{DefaultHasher, Hasher as _};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path as FilePath;

use anyhow::Result;

use super::cases::Payload;
use crate::customers;

/// Digits of the number at the start of a record of the datagen source.
const DATAGEN_DIGITS: usize = 20;

const WORDS: &[&str] = &[
    "order", "paid", "Oslo", "seven", "green", "cable", "later", "thirty", "box", "return", "Bergen",
    "window", "light", "never", "stock", "blue", "south", "ticket", "lamp", "early", "second", "Molde",
    "paper", "first", "river", "salt", "engine", "north", "copper", "small", "wheel", "open",
];

/// Of `customers::record`.
const SCHEMA: &str = include_str!("../customers.schema.json").trim_ascii_end();

/// Writes record `number` over `out`. No two are equal, and none has a line end.
pub(super) fn write(payload: Payload, number: u64, out: &mut Vec<u8>) {
    out.clear();
    match payload {
        Payload::Text(bytes) => text(number, bytes, out),
        Payload::Json => json(number, out),
        Payload::Envelope => {
            out.extend_from_slice(br#"{"schema":"#);
            out.extend_from_slice(SCHEMA.as_bytes());
            out.extend_from_slice(br#","payload":"#);
            json(number, out);
            out.push(b'}');
        }
    }
}

/// Words at random, so that codecs have some work: about a third remains.
fn text(number: u64, bytes: usize, out: &mut Vec<u8>) {
    let _written = write!(out, "{number:010}");
    // xorshift64: needs a state that is not zero.
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.push(b' ');
        out.extend_from_slice(WORDS[(state >> 32) as usize % WORDS.len()].as_bytes());
    }
    out.truncate(bytes);
}

fn json(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(customers::record(number as i64).as_bytes());
}

/// A record of the datagen source.
fn datagen(number: u64, bytes: usize, out: &mut Vec<u8>) {
    out.clear();
    let _written = write!(out, "{number:0width$} ", width = DATAGEN_DIGITS);
    out.extend((0..bytes - DATAGEN_DIGITS - 1).map(|at| b'a' + (at * 7 % 26) as u8));
}

/// How many records, and the sum of their hashes: the same in any order, another one if a record is missing, doubled or changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: i64,
    sum: u64,
}

impl Sum {
    pub(super) fn add(&mut self, record: &[u8]) {
        let mut hasher = DefaultHasher::new();
        hasher.write(record);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }

    /// Of what the datagen source makes.
    pub(super) fn of_datagen(records: i64, bytes: usize) -> Sum {
        let (mut sum, mut record) = (Sum::default(), Vec::new());
        for number in 0..records as u64 {
            datagen(number, bytes, &mut record);
            sum.add(&record);
        }
        sum
    }

    /// Of the lines of a file. A map in braces (what Java's file sink makes of a record with fields) counts as the set of its entries.
    pub(super) fn of_lines(file: &FilePath) -> Result<Sum> {
        let mut reader = BufReader::with_capacity(1 << 20, std::fs::File::open(file)?);
        let (mut sum, mut line) = (Sum::default(), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.pop_if(|last| *last == b'\n').is_none() {
                // Half a line is a record that did not arrive whole.
                line.clear();
                continue;
            }
            sort_entries(&mut line);
            sum.add(&line);
            line.clear();
        }
        Ok(sum)
    }
}

/// Java prints the entries of a map in the order of their hashes.
fn sort_entries(line: &mut Vec<u8>) {
    if let Some(inner) = line.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")) {
        let mut entries: Vec<&[u8]> = inner.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        entries.sort_unstable();
        *line = entries.join(&b","[..]);
    }
}

/// Writes all records as lines, and gives their sum.
pub(super) fn write_lines(payload: Payload, records: i64, file: &FilePath) -> Result<Sum> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(file)?);
    let (mut sum, mut record) = (Sum::default(), Vec::new());
    for number in 0..records as u64 {
        write(payload, number, &mut record);
        sum.add(&record);
        out.write_all(&record)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: Payload, number: u64) -> String {
        let mut out = Vec::new();
        write(payload, number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_the_length_asked_for_and_differs_by_number() {
        assert_eq!(record(Payload::Text(100), 7).len(), 100);
        assert_eq!(record(Payload::Text(1_000), 7).len(), 1_000);
        assert_ne!(record(Payload::Text(100), 7), record(Payload::Text(100), 8));
    }

    #[test]
    fn json_records_have_about_the_length_that_their_case_names() {
        for payload in [Payload::Json, Payload::Envelope] {
            let bytes = record(payload, 1_000).len();
            assert!(bytes.abs_diff(payload.bytes_about()) < 15, "{payload:?}: {bytes}");
            assert!(serde_json::from_str::<serde_json::Value>(&record(payload, 1_000)).is_ok());
        }
    }

    fn sum_of_file(text: &str) -> Sum {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lines");
        std::fs::write(&file, text).unwrap();
        Sum::of_lines(&file).unwrap()
    }

    #[test]
    fn the_sum_sees_losses_doubles_and_changes_but_no_order() {
        let whole = sum_of_file("a\nb\nc\n");
        assert_eq!(whole, sum_of_file("c\na\nb\n"));
        for damaged in ["a\nb\n", "a\nb\nc\nc\n", "a\nb\nb\n", "a\nb\nd\n", "a\nb\nc"] {
            assert_ne!(whole, sum_of_file(damaged), "{damaged:?}");
        }
    }

    #[test]
    fn the_order_of_a_maps_entries_is_no_difference() {
        assert_eq!(sum_of_file("{a=1, b=2}\n"), sum_of_file("{b=2, a=1}\n"));
        assert_ne!(sum_of_file("{a=1, b=2}\n"), sum_of_file("{a=2, b=1}\n"));
    }
}
