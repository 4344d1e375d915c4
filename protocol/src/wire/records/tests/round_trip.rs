//! What is written is read again, with every codec.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::wire::records::header::NO_TIMESTAMP;
use crate::wire::records::{HEADER_BYTES, patch_base_offset, patch_leader_epoch, patch_producer, stamped};

const STAMP: ProducerStamp =
    ProducerStamp { producer_id: 7_000, producer_epoch: 3, base_sequence: 41, is_transactional: true };

fn records() -> impl Strategy<Value = Vec<OwnedRecord>> {
    let bytes = || vec(any::<u8>(), 0..200);
    // Compressible, larger than one snappy block together with its neighbours.
    let text = || ("[a-c]{0,20}", 0usize..2000).prop_map(|(text, times)| text.repeat(times).into_bytes());
    let value = prop_oneof![4 => bytes(), 1 => text()];
    let headers = vec((vec(any::<u8>(), 0..10), option::of(vec(any::<u8>(), 0..10))), 0..4);
    let record = (0i64..100_000, option::of(bytes()), option::of(value), headers);
    vec(record, 1..40).prop_map(|records| {
        let numbered = records.into_iter().enumerate();
        numbered
            .map(|(index, (timestamp, key, value, headers))| OwnedRecord {
                offset: index as i64,
                timestamp: timestamp + 1_700_000_000_000,
                key,
                value,
                headers,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn every_codec(records in records(), codec in prop::sample::select(&Codec::ALL[..])) {
        let batch = one_batch(write(&records, codec, STAMP));
        batch.check_crc().unwrap();
        let header = batch.header();
        prop_assert_eq!(batch.codec().unwrap(), codec);
        prop_assert_eq!(header.record_count as usize, records.len());
        prop_assert_eq!(header.next_offset(), records.len() as i64);
        prop_assert_eq!(Some(header.max_timestamp), records.iter().map(|record| record.timestamp).max());
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7_000, 3, 41));
        prop_assert!(header.is_transactional() && !header.is_control() && batch.can_pass_through());
        prop_assert_eq!(read(&batch).unwrap(), records);
    }

    #[test]
    fn patches_keep_the_crc_right(records in records(), producer_id: i64, producer_epoch: i16, base_sequence: i32, is_transactional: bool) {
        let stamp = ProducerStamp { producer_id, producer_epoch, base_sequence, is_transactional };
        let bytes = write(&records, Codec::Lz4, STAMP);
        let mut patched = bytes.to_vec();
        patch_producer(&mut patched, stamp).unwrap();
        prop_assert!(patch_base_offset(&mut patched, 1 << 40));
        prop_assert!(patch_leader_epoch(&mut patched, 5));
        let patched = one_batch(patched.into());
        patched.check_crc().unwrap();
        let header = patched.header();
        prop_assert_eq!((header.base_offset, header.leader_epoch), (1 << 40, 5));
        prop_assert_eq!(header.is_transactional(), is_transactional);
        prop_assert_eq!(header.producer_id, producer_id);
        // The same without changing the shared bytes, and the same as if it had been written so.
        let original = one_batch(bytes.clone());
        let gathered = [&stamped(original.header(), stamp).to_bytes()[..], &bytes[HEADER_BYTES..]].concat();
        prop_assert_eq!(&gathered[..], &write(&records, Codec::Lz4, stamp)[..]);
    }
}

#[test]
fn uncompressed_payload_is_a_slice_of_the_batch() {
    let bytes = write(&[value_record(0, 1, b"hello")], Codec::None, ProducerStamp::NONE);
    let batch = one_batch(bytes.clone());
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    assert!(bytes.as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn builder_is_reusable_and_respects_its_target() {
    let pool = BufferPool::default();
    let mut compressor = Compressor::new(Codec::None, None, pool.clone()).unwrap();
    let mut builder = BatchBuilder::new(pool, 1000);
    for _ in 0..3 {
        let mut appended = 0;
        while builder.append(5, None, Some(&[1; 90]), &[]).unwrap() {
            appended += 1;
        }
        assert_eq!((appended, builder.record_count()), (9, 9));
        assert!(builder.estimated_bytes() <= 1000);
        let batch = one_batch(builder.finish(ProducerStamp::NONE, &mut compressor).unwrap());
        assert_eq!((batch.header().record_count, batch.header().base_timestamp), (9, 5));
        assert!(builder.is_empty());
    }
    assert!(builder.finish(ProducerStamp::NONE, &mut compressor).is_err());
    // One record above the target is a batch of its own.
    assert!(builder.append(5, None, Some(&[1; 5000]), &[]).unwrap());
    assert!(!builder.append(5, None, Some(&[1]), &[]).unwrap());
}

#[test]
fn sparse_timestamps_survive() {
    let records: Vec<_> = [NO_TIMESTAMP, i64::MAX, i64::MIN, 0]
        .into_iter()
        .enumerate()
        .map(|(index, timestamp)| value_record(index as i64, timestamp, b""))
        .collect();
    let batch = one_batch(write(&records, Codec::None, ProducerStamp::NONE));
    assert_eq!(read(&batch).unwrap(), records);
    assert_eq!(batch.header().max_timestamp, i64::MAX);
}

#[test]
fn raw_headers_are_copied_unread() {
    let record = OwnedRecord {
        headers: vec![(b"a".to_vec(), None), (b"a".to_vec(), Some(b"2".to_vec()))],
        ..value_record(0, 9, b"v")
    };
    let pool = BufferPool::default();
    let batch = one_batch(write(std::slice::from_ref(&record), Codec::None, ProducerStamp::NONE));
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
    for read in batch.records(&payload) {
        let read = read.unwrap();
        assert!(builder.append_with_raw_headers(read.timestamp, read.key, read.value, read.headers).unwrap());
    }
    let mut compressor = Compressor::new(Codec::Zstd, None, pool).unwrap();
    let copy = one_batch(builder.finish(ProducerStamp::NONE, &mut compressor).unwrap());
    assert_eq!(read(&copy).unwrap(), [record]);
}

#[test]
fn several_batches_follow_each_other() {
    let first = write(&[value_record(0, 1, b"a")], Codec::Gzip, ProducerStamp::NONE);
    let second = write(&[value_record(0, 2, b"b")], Codec::None, ProducerStamp::NONE);
    let batches: Vec<_> = RecordSet::new([first, second].concat().into()).map(Result::unwrap).collect();
    assert_eq!(read(&batches[0]).unwrap(), [value_record(0, 1, b"a")]);
    assert_eq!(read(&batches[1]).unwrap(), [value_record(0, 2, b"b")]);
}

#[test]
fn levels_are_checked() {
    for (codec, good, bad) in [(Codec::Gzip, 9, 10), (Codec::Lz4, 17, 18), (Codec::Zstd, 22, 23)] {
        let mut compressor = Compressor::new(codec, Some(good), BufferPool::default()).unwrap();
        let packed = compressor.compress(&[7; 10_000], 0).unwrap();
        assert_eq!(Decompressor::default().decompress(codec, &packed).unwrap()[..], [7; 10_000]);
        assert!(Compressor::new(codec, Some(bad), BufferPool::default()).is_err());
    }
}
