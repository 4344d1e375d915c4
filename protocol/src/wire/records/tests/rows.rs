//! Rows that are appended by the run make the same batches as records that are appended one by one.

use std::ops::Range;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::wire::records::{Limits, Rows, Stop};

impl Rows for Vec<OwnedRecord> {
    fn timestamp_ms(&self, row: usize) -> i64 {
        self[row].timestamp
    }

    fn has_keys(&self) -> bool {
        self.iter().any(|record| record.key.is_some())
    }

    fn key(&self, row: usize) -> Option<&[u8]> {
        self[row].key.as_deref()
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self[row].value.as_deref()
    }

    fn headers(&self, row: usize) -> impl Iterator<Item = Header<'_>> + Clone {
        self[row].headers.iter().map(|(key, value)| Header { key, value: value.as_deref() })
    }

    fn has_headers(&self) -> bool {
        self.iter().any(|record| !record.headers.is_empty())
    }
}

fn finish(builder: &mut BatchBuilder) -> Bytes {
    let mut compressor = Compressor::new(Codec::None, None, BufferPool::default()).unwrap();
    builder.finish(ProducerStamp::NONE, &mut compressor).unwrap()
}

fn one_by_one(records: &[OwnedRecord], target_bytes: usize) -> Vec<Bytes> {
    let mut builder = BatchBuilder::new(BufferPool::default(), target_bytes);
    let mut batches = Vec::new();
    for OwnedRecord { timestamp, key, value, headers, .. } in records {
        let headers: Vec<_> =
            headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        while !builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers).unwrap() {
            batches.push(finish(&mut builder));
        }
    }
    batches.push(finish(&mut builder));
    batches
}

fn by_the_run(records: &Vec<OwnedRecord>, target_bytes: usize, runs: &[usize], large: usize) -> Vec<Bytes> {
    let mut builder = BatchBuilder::new(BufferPool::default(), target_bytes);
    let mut batches = Vec::new();
    let mut left: Range<usize> = 0..records.len();
    for run in runs.iter().cycle() {
        if left.start == left.end {
            break;
        }
        let mut part = left.start..(left.start + run).min(left.end);
        let (grown, row) = (builder.estimated_bytes() + builder.growth(records, part.start), part.start);
        let one = &mut (row..row + 1);
        let limits = Limits { batch_bytes: usize::MAX, payload_bytes: large };
        // The first alone: it says whether what was foretold of it came true.
        match builder.append_rows(records, one, limits).unwrap() {
            Stop::Done => assert_eq!(builder.estimated_bytes(), grown),
            stop => {
                assert_eq!(stop, Stop::Full);
                batches.push(finish(&mut builder));
                continue;
            }
        }
        part.start += 1;
        match builder.append_rows(records, &mut part, limits).unwrap() {
            Stop::Full if part.start == row + 1 => batches.push(finish(&mut builder)),
            Stop::Full | Stop::Large => (),
            Stop::Done => assert_eq!(part.start, part.end),
        }
        left.start = part.start;
    }
    if !builder.is_empty() {
        batches.push(finish(&mut builder));
    }
    batches
}

fn records() -> impl Strategy<Value = Vec<OwnedRecord>> {
    let bytes = || prop_oneof![8 => vec(any::<u8>(), 0..70), 1 => vec(any::<u8>(), 0..20_000)];
    let headers = prop_oneof![
        6 => Just(Vec::new()),
        1 => vec((vec(any::<u8>(), 0..10), option::of(vec(any::<u8>(), 0..10))), 0..4),
    ];
    let timestamp = prop_oneof![8 => -100i64..100_000, 1 => any::<i64>()];
    let record = (timestamp, option::of(bytes()), option::of(bytes()), headers, any::<u8>());
    (vec(record, 1..80), any::<bool>(), any::<bool>()).prop_map(|(records, has_keys, has_headers)| {
        let owned = |(timestamp, key, value, headers, _)| OwnedRecord {
            offset: 0,
            timestamp,
            key: if has_keys { key } else { None },
            value,
            headers: if has_headers { headers } else { Vec::new() },
        };
        records.into_iter().map(owned).collect()
    })
}

proptest! {
    #[test]
    fn runs_make_the_same_batches(
        records in records(),
        target_bytes in prop_oneof![0usize..3_000, Just(1 << 20)],
        runs in vec(1usize..30, 1..10),
        large in prop_oneof![0usize..200, Just(usize::MAX)],
    ) {
        prop_assert_eq!(by_the_run(&records, target_bytes, &runs, large), one_by_one(&records, target_bytes));
    }
}

/// Goal: deltas of offsets that take more than one and two bytes, and a buffer that has to grow amid a run.
#[test]
fn a_long_run_makes_the_same_batch() {
    let records: Vec<_> = (0..20_000).map(|row| value_record(row, row / 3, b"value")).collect();
    assert_eq!(by_the_run(&records, 1 << 20, &[20_000], usize::MAX), one_by_one(&records, 1 << 20));
}

/// Goal: a limit below the target holds, but for the first record of a batch.
#[test]
fn no_run_goes_beyond_the_limit() {
    let records: Vec<_> = (0..10).map(|row| value_record(row, 0, &[7; 50])).collect();
    let mut builder = BatchBuilder::new(BufferPool::default(), 1 << 20);
    let mut left = 0..10;
    let limits = |batch_bytes| Limits { batch_bytes, payload_bytes: usize::MAX };
    assert_eq!(builder.append_rows(&records, &mut left, limits(1)).unwrap(), Stop::Full);
    assert_eq!((left.start, builder.estimated_bytes()), (1, 61 + 57));
    assert_eq!(builder.append_rows(&records, &mut left, limits(61 + 3 * 57)).unwrap(), Stop::Full);
    assert_eq!((left.start, builder.estimated_bytes()), (3, 61 + 3 * 57));
    assert_eq!(builder.append_rows(&records, &mut left, limits(61 + 4 * 57 - 1)).unwrap(), Stop::Full);
    assert_eq!(left.start, 3);
}
