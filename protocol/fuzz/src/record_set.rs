//! Any bytes as the `records` field of a fetch response: batches and old message sets, payloads, records, headers,
//! control records. The CRC is looked at but does not stop the walk, so that damage behind it is reached.

use bytes::Bytes;
use protocol::wire::records::{
    BufferPool, ControlType, Decompressor, ProducerStamp, RecordSet, patch_producer,
};

use super::within;

const OUTPUT_BYTES_MAX: usize = 4 << 20;

pub fn record_set(data: &[u8]) {
    // The unpacked payload, and where old messages are converted, a second copy of it with more about each.
    within(4 * OUTPUT_BYTES_MAX, || walk(Bytes::copy_from_slice(data)));
}

fn walk(data: Bytes) {
    let data_bytes = data.len();
    let mut decompressor = Decompressor::new(BufferPool::new(0), OUTPUT_BYTES_MAX);
    let mut read_bytes = 0;
    for batch in RecordSet::new(data).map_while(Result::ok) {
        read_bytes += batch.bytes().len();
        let is_sound = batch.check_crc().is_ok();
        assert!(batch.header().next_offset() >= batch.header().base_offset);
        if batch.header().magic == 2 {
            let mut copy = batch.bytes().to_vec();
            patch_producer(&mut copy, ProducerStamp::NONE).expect("a batch that was just read");
            let patched = RecordSet::new(copy.into()).next().expect("one batch").expect("a good header");
            assert_eq!(patched.check_crc().is_ok(), is_sound);
        }
        let Ok(payload) = batch.payload(&mut decompressor) else { continue };
        for record in batch.records(&payload).map_while(Result::ok) {
            if let Some(key) = record.key {
                ControlType::from_key(key);
            }
            record.headers.into_iter().take_while(Result::is_ok).for_each(drop);
        }
    }
    assert!(read_bytes <= data_bytes);
}
