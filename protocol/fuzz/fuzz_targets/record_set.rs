//! Any bytes as the `records` field of a fetch response: batches, payloads, records, headers. The CRC is looked at but
//! does not stop the walk, so that damage behind it is reached.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::wire::records::{BufferPool, Decompressor, ProducerStamp, RecordSet, patch_producer};

const OUTPUT_BYTES_MAX: usize = 4 << 20;

fuzz_target!(|data: &[u8]| {
    let mut decompressor = Decompressor::new(BufferPool::default(), OUTPUT_BYTES_MAX);
    let mut read_bytes = 0;
    for batch in RecordSet::new(Bytes::copy_from_slice(data)) {
        let Ok(batch) = batch else { break };
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
        for record in batch.records(&payload) {
            let Ok(record) = record else { break };
            for header in record.headers {
                let Ok(_header) = header else { break };
            }
        }
    }
    assert!(read_bytes <= data.len());
});
