//! What `kafka-protocol`'s record layer gets wrong, one test each (design.md, rule 10 of the measurements).

use super::*;
use crate::wire::error::ErrorKind;
use crate::wire::records::header::{ATTRIBUTES_AT, CRC_AT};
use crate::wire::records::{HEADER_BYTES, TimestampType, crc};

/// Changes bytes of a batch and makes its CRC right again.
fn edit(bytes: &Bytes, at: usize, new: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    let crc = crc::crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[test]
fn duplicate_header_keys_are_kept_in_order() {
    let headers = ["a", "b", "a"].map(|key| (key.as_bytes().to_vec(), Some(key.repeat(2).into_bytes())));
    let record = OwnedRecord { headers: headers.to_vec(), ..value_record(0, 1, b"v") };
    let batch = one_batch(write(std::slice::from_ref(&record), Codec::None, ProducerStamp::NONE));
    assert_eq!(read(&batch).unwrap(), [record]);
}

#[test]
fn header_keys_need_not_be_utf_8() {
    let record =
        OwnedRecord { headers: vec![(vec![0xff, 0xfe], Some(vec![0x80]))], ..value_record(0, 1, b"v") };
    let batch = one_batch(write(std::slice::from_ref(&record), Codec::None, ProducerStamp::NONE));
    assert_eq!(read(&batch).unwrap(), [record]);
}

#[test]
fn an_empty_batch_still_has_a_next_offset() {
    // What compaction leaves of a batch of ten whose records are all gone, to keep the producer's sequence.
    let bytes = write(&[value_record(0, 1, b"v")], Codec::None, ProducerStamp::NONE);
    let mut bytes = bytes[..HEADER_BYTES].to_vec();
    bytes[0..8].copy_from_slice(&100i64.to_be_bytes());
    bytes[8..12].copy_from_slice(&(HEADER_BYTES as i32 - 12).to_be_bytes());
    bytes[23..27].copy_from_slice(&9i32.to_be_bytes());
    bytes[57..61].copy_from_slice(&0i32.to_be_bytes());
    let batch = one_batch(edit(&bytes.into(), 57, &[0; 4]));
    batch.check_crc().unwrap();
    assert_eq!(batch.header().next_offset(), 110);
    assert_eq!(read(&batch).unwrap(), []);
    assert!(!batch.can_pass_through());
}

#[test]
fn a_compacted_batch_advances_past_its_last_removed_record() {
    let records = [value_record(0, 1, b"a"), value_record(1, 1, b"b")];
    let bytes = edit(&write(&records, Codec::None, ProducerStamp::NONE), 23, &7i32.to_be_bytes());
    let batch = one_batch(bytes);
    assert_eq!(batch.header().next_offset(), 8);
    assert!(batch.header().has_gaps() && !batch.can_pass_through());
    assert_eq!(read(&batch).unwrap(), records);
}

#[test]
fn log_append_time_is_that_of_the_batch() {
    let records = [value_record(0, 1000, b"a"), value_record(1, 2000, b"b")];
    let bytes = edit(&write(&records, Codec::None, ProducerStamp::NONE), ATTRIBUTES_AT, &[0, 8]);
    let batch = one_batch(edit(&bytes, 35, &5000i64.to_be_bytes()));
    assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppend);
    let timestamps: Vec<_> = read(&batch).unwrap().iter().map(|record| record.timestamp).collect();
    assert_eq!(timestamps, [5000, 5000]);
}

#[test]
fn a_batch_that_is_cut_off_ends_the_set_quietly() {
    let whole = write(&[value_record(0, 1, &[7; 500])], Codec::None, ProducerStamp::NONE);
    let two = [&whole[..], &whole[..]].concat();
    for end in whole.len() + 1..two.len() {
        let mut set = RecordSet::new(Bytes::copy_from_slice(&two[..end]));
        set.next().expect("the first is whole").unwrap();
        assert!(set.next().is_none());
        let known = end >= whole.len() + 12;
        assert_eq!(set.incomplete_batch_bytes(), Some(if known { whole.len() } else { 12 }));
    }
}

#[test]
fn a_batch_without_sequence_is_one_batch() {
    let records: Vec<_> = (0..100).map(|offset| value_record(offset, 1, b"v")).collect();
    let batch = one_batch(write(&records, Codec::None, ProducerStamp::NONE));
    assert_eq!((batch.header().base_sequence, batch.header().record_count), (-1, 100));
}

#[test]
fn a_hostile_record_count_allocates_nothing_and_is_an_error() {
    let bytes = write(&[value_record(0, 1, b"v")], Codec::None, ProducerStamp::NONE);
    let batch = one_batch(edit(&bytes, 57, &i32::MAX.to_be_bytes()));
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    let mut records = batch.records(&payload);
    assert!(records.next().expect("the record").is_ok());
    let error = records.next().expect("an error").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(records.next().is_none());
    let negative = RecordSet::new(edit(&bytes, 57, &(-1i32).to_be_bytes())).next().expect("an error");
    assert_eq!(negative.unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn a_count_that_is_too_small_is_an_error() {
    let records = [value_record(0, 1, b"a"), value_record(1, 1, b"b")];
    let batch = one_batch(edit(&write(&records, Codec::None, ProducerStamp::NONE), 57, &1i32.to_be_bytes()));
    let error = read(&batch).unwrap_err();
    assert!(error.to_string().contains("bytes follow the last record"), "{error}");
}

#[test]
fn null_and_empty_differ() {
    let records = [
        OwnedRecord { key: None, value: None, ..value_record(0, 1, b"") },
        OwnedRecord { key: Some(vec![]), value: Some(vec![]), ..value_record(1, 1, b"") },
    ];
    assert_eq!(read(&one_batch(write(&records, Codec::None, ProducerStamp::NONE))).unwrap(), records);
}

#[test]
fn a_wrong_crc_is_noticed() {
    let mut bytes = write(&[value_record(0, 1, b"v")], Codec::None, ProducerStamp::NONE).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let error = one_batch(bytes.into()).check_crc().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn control_records_say_how_a_transaction_ended() {
    use crate::wire::records::ControlType;
    assert_eq!(ControlType::from_key(&[0, 0, 0, 0]), Some(ControlType::Abort));
    assert_eq!(ControlType::from_key(&[0, 0, 0, 1]), Some(ControlType::Commit));
    assert_eq!(ControlType::from_key(&[0, 0, 0, 2]), None);
    assert_eq!(ControlType::from_key(&[0]), None);
    let bytes = write(&[value_record(0, 1, b"v")], Codec::None, ProducerStamp::NONE);
    let batch = one_batch(edit(&bytes, ATTRIBUTES_AT, &[0, 0x30]));
    assert!(batch.header().is_control() && batch.header().is_transactional() && !batch.can_pass_through());
}
