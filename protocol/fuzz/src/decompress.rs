//! Any bytes as the payload of each codec, chosen by the first byte; outputs stay within their limit.

use protocol::wire::records::{BufferPool, Codec, Decompressor};

use super::within;

const OUTPUT_BYTES_MAX: usize = 4 << 20;

pub fn decompress(data: &[u8]) {
    let Some((&codec, input)) = data.split_first() else { return };
    let codec = Codec::ALL[1 + usize::from(codec) % (Codec::ALL.len() - 1)];
    // An output that grows is there twice while it moves; the pool, which here keeps nothing, has queues for what it keeps.
    within(2 * OUTPUT_BYTES_MAX + 64 * 1024, || {
        let mut decompressor = Decompressor::new(BufferPool::new(0), OUTPUT_BYTES_MAX);
        if let Ok(output) = decompressor.decompress(codec, input) {
            assert!(output.len() <= OUTPUT_BYTES_MAX);
        }
    });
}
