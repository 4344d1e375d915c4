//! Message formats v0 and v1 through the same surface as v2.

use super::*;
use crate::wire::records::crc;

fn message(
    magic: u8,
    attributes: u8,
    offset: i64,
    timestamp: i64,
    key: Option<&[u8]>,
    value: &[u8],
) -> Vec<u8> {
    let mut body = vec![magic, attributes];
    if magic == 1 {
        body.extend(timestamp.to_be_bytes());
    }
    match key {
        None => body.extend((-1i32).to_be_bytes()),
        Some(key) => {
            body.extend((key.len() as i32).to_be_bytes());
            body.extend(key);
        }
    }
    body.extend((value.len() as i32).to_be_bytes());
    body.extend(value);
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend((body.len() as i32 + 4).to_be_bytes());
    bytes.extend(crc::crc32(&body).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    Compressor::new(codec, None, BufferPool::default()).unwrap().compress(bytes, 0).unwrap().to_vec()
}

#[test]
fn single_messages() {
    let set = [message(0, 0, 5, 0, Some(b"k"), b"zero"), message(1, 0, 6, 77, None, b"one")].concat();
    let batches: Vec<_> = RecordSet::new(set.into()).map(Result::unwrap).collect();
    assert_eq!(batches.len(), 2);
    for batch in &batches {
        batch.check_crc().unwrap();
        assert!(!batch.can_pass_through());
    }
    assert_eq!(
        read(&batches[0]).unwrap(),
        [OwnedRecord { key: Some(b"k".to_vec()), ..value_record(5, -1, b"zero") }]
    );
    assert_eq!(read(&batches[1]).unwrap(), [value_record(6, 77, b"one")]);
    assert_eq!(batches[1].header().next_offset(), 7);
}

#[test]
fn compressed_v1_messages_have_relative_offsets() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        // Three messages, of which compaction removed the one in the middle.
        let inner = [message(1, 0, 0, 100, None, b"a"), message(1, 0, 2, 102, None, b"c")].concat();
        let set = message(1, codec.id(), 12, 102, None, &pack(codec, &inner));
        let batch = one_batch(set.into());
        batch.check_crc().unwrap();
        assert_eq!(batch.header().next_offset(), 13);
        assert_eq!(read(&batch).unwrap(), [value_record(10, 100, b"a"), value_record(12, 102, b"c")]);
    }
}

#[test]
fn compressed_v0_messages_have_absolute_offsets() {
    let inner = [message(0, 0, 10, 0, None, b"a"), message(0, 0, 12, 0, None, b"c")].concat();
    let batch = one_batch(message(0, Codec::Gzip.id(), 12, 0, None, &pack(Codec::Gzip, &inner)).into());
    assert_eq!(read(&batch).unwrap(), [value_record(10, -1, b"a"), value_record(12, -1, b"c")]);
}

#[test]
fn log_append_time_of_a_wrapper_counts_for_all() {
    let inner = [message(1, 0, 0, 1, None, b"a"), message(1, 0, 1, 2, None, b"b")].concat();
    let batch = one_batch(message(1, Codec::Gzip.id() | 8, 1, 500, None, &pack(Codec::Gzip, &inner)).into());
    assert_eq!(read(&batch).unwrap(), [value_record(0, 500, b"a"), value_record(1, 500, b"b")]);
}

#[test]
fn damage_is_an_error() {
    let nested = message(1, 1, 0, 1, None, &pack(Codec::Gzip, &message(1, 0, 0, 1, None, b"a")));
    let twice = one_batch(message(1, 1, 0, 1, None, &pack(Codec::Gzip, &nested)).into());
    assert!(read(&twice).is_err());
    let inner = message(1, 0, 0, 1, None, b"a");
    let cut = one_batch(message(1, 1, 0, 1, None, &pack(Codec::Gzip, &inner[..inner.len() - 1])).into());
    assert!(read(&cut).is_err());
    let empty = one_batch(message(1, 1, 0, 1, None, &pack(Codec::Gzip, b"")).into());
    assert!(read(&empty).is_err());
    let mut wrong_length = message(1, 0, 0, 1, None, b"a");
    let at = wrong_length.len() - 5;
    wrong_length[at..at + 4].copy_from_slice(&100i32.to_be_bytes());
    assert!(RecordSet::new(wrong_length.into()).next().expect("an error").is_err());
}
