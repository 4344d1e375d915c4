//! Bytes from an enemy: nothing panics, nothing is allocated beyond the limits, iteration ends.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::error::ErrorKind;

/// Reads everything that can be read, CRC ignored. Returns how many records there were.
fn read_all(bytes: Bytes, decompressor: &mut Decompressor) -> usize {
    let mut count = 0;
    let mut next_offset = None;
    for batch in RecordSet::new(bytes) {
        let Ok(batch) = batch else { break };
        assert!(next_offset.replace(batch.header().next_offset()) != Some(i64::MIN));
        assert!(batch.header().next_offset() >= batch.header().base_offset);
        batch.check_crc().ok();
        let Ok(payload) = batch.payload(decompressor) else { continue };
        assert!(payload.len() <= OUTPUT_BYTES_MAX || batch.codec().unwrap() == Codec::None);
        for record in batch.records(&payload) {
            let Ok(record) = record else { break };
            count += 1 + record.headers.iter().take_while(Result::is_ok).count();
        }
    }
    count
}

const OUTPUT_BYTES_MAX: usize = 1 << 20;

fn small() -> Decompressor {
    Decompressor::new(BufferPool::default(), OUTPUT_BYTES_MAX)
}

fn sample(codec: Codec) -> Bytes {
    let records: Vec<_> = (0..50)
        .map(|offset| OwnedRecord {
            key: Some(format!("key {offset}").into_bytes()),
            headers: vec![(b"h".to_vec(), Some(b"v".to_vec()))],
            ..value_record(offset, 1000 + offset, &[offset as u8; 50])
        })
        .collect();
    write(&records, codec, ProducerStamp::NONE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_batches(
        codec in prop::sample::select(&Codec::ALL[..]),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sample(codec).to_vec();
        for (at, new) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *new;
        }
        read_all(Bytes::copy_from_slice(&bytes), &mut small());
        bytes.truncate(cut.index(bytes.len()));
        read_all(bytes.into(), &mut small());
    }

    #[test]
    fn mutated_payloads(
        codec in prop::sample::select(&Codec::ALL[1..]),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = sample(codec)[crate::wire::records::HEADER_BYTES..].to_vec();
        for (at, new) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *new;
        }
        if let Ok(output) = small().decompress(codec, &bytes) {
            prop_assert!(output.len() <= OUTPUT_BYTES_MAX);
        }
    }

    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..300), codec in prop::sample::select(&Codec::ALL[1..])) {
        small().decompress(codec, &bytes).ok();
        read_all(bytes.into(), &mut small());
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    for codec in &Codec::ALL[1..] {
        let mut compressor = Compressor::new(*codec, None, BufferPool::default()).unwrap();
        let bomb = compressor.compress(&vec![0; OUTPUT_BYTES_MAX + 1], 0).unwrap();
        let error = small().decompress(*codec, &bomb).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{codec}: {error}");
        let most = compressor.compress(&vec![0; OUTPUT_BYTES_MAX], 0).unwrap();
        assert_eq!(small().decompress(*codec, &most).unwrap().len(), OUTPUT_BYTES_MAX, "{codec}");
    }
}

#[test]
fn announced_sizes_are_not_believed() {
    // A snappy block that says 4 GiB, a gzip trailer that says 4 GiB: refused before anything is allocated.
    for (codec, bytes) in [
        (Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0][..]),
        (Codec::Gzip, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let mut unlimited = Decompressor::new(BufferPool::default(), usize::MAX);
        assert_eq!(unlimited.decompress(codec, bytes).unwrap_err().kind(), ErrorKind::Malformed);
    }
}

#[test]
fn a_snappy_block_length_that_wraps_is_refused() {
    let bytes = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff";
    assert!(small().decompress(Codec::Snappy, bytes).is_err());
    // A header alone is an empty stream.
    assert_eq!(small().decompress(Codec::Snappy, &bytes[..16]).unwrap().len(), 0);
}

#[test]
fn several_gzip_members_are_an_error_not_a_loss() {
    let mut compressor = Compressor::new(Codec::Gzip, None, BufferPool::default()).unwrap();
    let one = compressor.compress(&[1; 1000], 0).unwrap().to_vec();
    let two = compressor.compress(&[2; 500], 0).unwrap().to_vec();
    assert!(small().decompress(Codec::Gzip, &[one, two].concat()).is_err());
}

#[test]
fn several_frames_are_read_as_one() {
    for codec in [Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut compressor = Compressor::new(codec, None, BufferPool::default()).unwrap();
        let one = compressor.compress(&[1; 100_000], 0).unwrap().to_vec();
        let two = compressor.compress(&[2; 50_000], 0).unwrap().to_vec();
        let both = small().decompress(codec, &[one, two].concat()).unwrap();
        assert_eq!(both[..], [vec![1; 100_000], vec![2; 50_000]].concat(), "{codec}");
    }
}

#[test]
fn lz4_frames_of_other_writers_are_read() {
    // Linked blocks, content size and all checksums, as the lz4 command line tool writes with -BD --content-size.
    // Two blocks of 64 KiB would be long, so: one stored block, then one that refers back into it.
    let frame = [
        &[0x04, 0x22, 0x4d, 0x18, 0b0101_1100, 0x40][..],
        &20u64.to_le_bytes(),
        &[0],                                // header checksum, not looked at
        &(8u32 | 0x8000_0000).to_le_bytes(), // stored: "abcdefgh"
        b"abcdefgh",
        &[0; 4],             // block checksum, not looked at
        &9u32.to_le_bytes(), // match of 4 from 8 back, then 8 literals of which 5 must end it
        &[0x00, 8, 0, 0x50, b'v', b'w', b'x', b'y', b'z'],
        &[0; 4],
        &0u32.to_le_bytes(),
        &[0; 4],
    ]
    .concat();
    assert_eq!(small().decompress(Codec::Lz4, &frame).unwrap()[..], b"abcdefghabcdvwxyz"[..]);
    // The same block without its neighbour must not reach outside of its frame.
    let mut independent = frame;
    independent[4] |= 0b0010_0000;
    assert_eq!(small().decompress(Codec::Lz4, &independent).unwrap_err().kind(), ErrorKind::Malformed);
}
