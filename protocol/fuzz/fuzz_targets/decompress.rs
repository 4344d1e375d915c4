//! Any bytes as the payload of each codec, chosen by the first byte; outputs stay within their limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::wire::records::{BufferPool, Codec, Decompressor};

const OUTPUT_BYTES_MAX: usize = 4 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&codec, input)) = data.split_first() else { return };
    let codec = Codec::ALL[1 + usize::from(codec) % (Codec::ALL.len() - 1)];
    let mut decompressor = Decompressor::new(BufferPool::default(), OUTPUT_BYTES_MAX);
    if let Ok(output) = decompressor.decompress(codec, input) {
        assert!(output.len() <= OUTPUT_BYTES_MAX);
    }
});
