//! Hostile frames never make a decoder allocate more than the limit, whatever they say and wherever they say it. An
//! allocator that counts is the judge.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod allocator;
mod scribe;

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use protocol::ErrorKind;
use protocol::client::group::{Assignment, Subscription};
use protocol::for_every_request;
use protocol::wire::frame::{self, DECODED_BYTES_MAX};
use protocol::wire::messages::*;
use protocol::wire::records::{BufferPool, Decompressor, RecordSet};

use allocator::peak_of;
use scribe::Written;

/// The limit that messages are decoded with here: small, so that little is needed to try and exceed it.
const LIMIT: usize = 32 * 1024;
/// Elements of one long list: as many as may just be, and more than the limit can hold of the smallest.
const COUNTS: &[usize] = &[LIMIT / 4 / 320, 1_200];
/// Elements of each list where lists are nested in lists, with the limit for them: there it is the sum that is hostile.
const NESTED_COUNTS: &[usize] = &[2, 3, 4, 6, 8, 10, 12, 16];
const NESTED_LIMIT: usize = 256 * 1024;
/// What follows a place that was overwritten.
const FILLER_BYTES: usize = 2_400;
/// What overwrites each place of a message: counts and lengths, from believable to impossible.
const HOSTILE: &[&[u8]] = &[
    &[0x7f, 0xff, 0xff, 0xff],
    &[0, 0, 0x04, 0xb0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0x80, 0x80, 0x80, 0x80, 0x7f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x7f],
    &[0xb0, 0x09],
];

/// What was tried.
#[derive(Default)]
struct Tally {
    decoded: usize,
    too_large: usize,
    malformed: usize,
    used_percent_max: usize,
}

impl Tally {
    fn check<T: Debug>(
        &mut self,
        limit: usize,
        what: impl Fn() -> String,
        decode: impl FnOnce(usize) -> protocol::Result<T>,
    ) {
        let (result, peak) = peak_of(|| decode(limit));
        let used_percent = peak * 100 / limit;
        assert!(peak <= limit, "{}: {peak} bytes, {limit} are allowed: {:?}", what(), result.map(drop));
        self.used_percent_max = self.used_percent_max.max(used_percent);
        match result.map_err(|error| error.kind()) {
            Ok(_) => self.decoded += 1,
            Err(ErrorKind::TooLarge) => self.too_large += 1,
            Err(_) => self.malformed += 1,
        }
    }
}

/// Tries all that can be tried with one message: each number of it as the count of a long list, and each place of it
/// overwritten.
fn try_message<T, R>(
    tally: &mut Tally,
    version: i16,
    header: &[u8],
    decode: impl Fn(Bytes, usize) -> protocol::Result<R>,
) where
    T: Decodable,
    R: Debug,
{
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
    let base: Written = scribe::write::<T>(version, usize::MAX, 0);
    for place in 0..base.reads {
        for &count in COUNTS {
            let tagged = scribe::write::<T>(version, place, count);
            let untagged = scribe::write_untagged::<T>(version, place, count, &tagged);
            for written in [tagged, untagged] {
                let frame = Bytes::from([header, &written.bytes].concat());
                tally.check(
                    LIMIT,
                    || format!("{name} v{version} with {count} at number {place}"),
                    |limit| decode(frame, limit),
                );
            }
        }
    }
    for &count in NESTED_COUNTS {
        let frame = Bytes::from([header, &scribe::write_full::<T>(version, count).bytes].concat());
        tally.check(
            NESTED_LIMIT,
            || format!("{name} v{version} of lists of {count}"),
            |limit| decode(frame, limit),
        );
    }
    for at in 0..base.bytes.len() {
        for hostile in HOSTILE {
            for filler in [0, 1] {
                let mut bytes = [header, &base.bytes[..at]].concat();
                bytes.extend_from_slice(hostile);
                bytes.resize(bytes.len() + FILLER_BYTES, filler);
                let bytes = Bytes::from(bytes);
                tally.check(
                    LIMIT,
                    || format!("{name} v{version}, {hostile:x?} at {at}"),
                    |limit| decode(bytes, limit),
                );
            }
        }
    }
}

fn try_api<R>(tally: &mut Tally)
where
    R: Request + Decodable + Debug,
    R::Response: Decodable + Debug,
{
    for version in R::VERSIONS.min..=R::VERSIONS.max {
        try_message::<R, R>(tally, version, &[], |mut bytes, limit| {
            frame::decode_request_body_within::<R>(&mut bytes, version, limit)
        });
        // The header of a response: correlation id and, where it is flexible, no tagged fields.
        let header: &[u8] = if R::Response::header_version(version) == 0 { &[0; 4] } else { &[0; 5] };
        try_message::<R::Response, _>(tally, version, header, |bytes, limit| {
            frame::decode_response_within::<R>(bytes, version, limit)
        });
    }
}

#[test]
fn no_message_takes_more_than_its_limit() {
    let tally = &mut Tally::default();
    macro_rules! try_all {
        ($($request:ident)*) => { $(try_api::<$request>(tally);)* };
    }
    for_every_request!(try_all);
    println!(
        "{} decoded, {} too large, {} malformed, at most {} % of the limit used",
        tally.decoded, tally.too_large, tally.malformed, tally.used_percent_max
    );
    // It was tried in earnest: there were frames of every kind, and some came near.
    assert!(tally.decoded > 1_000 && tally.too_large > 1_000 && tally.malformed > 1_000);
    assert!(tally.used_percent_max > 40, "{}", tally.used_percent_max);
}

#[test]
fn the_largest_frame_full_of_the_smallest_elements_is_refused() {
    // Metadata v9: topics of two bytes each, which take 72 in memory: 3.6 GB.
    let count = (frame::FRAME_BYTES_MAX_DEFAULT - 10) / 2;
    let mut bytes = Vec::with_capacity(frame::FRAME_BYTES_MAX_DEFAULT);
    let mut rest = count as u32 + 1;
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    for _ in 0..count {
        bytes.extend([1, 0]);
    }
    bytes.extend([0; 4]);
    let mut body = Bytes::from(bytes);
    let (result, peak) = peak_of(|| frame::decode_request_body::<MetadataRequest>(&mut body, 9));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(peak <= DECODED_BYTES_MAX, "{peak}");
}

#[test]
fn the_limit_leaves_room_for_the_largest_clusters() {
    use protocol::wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
    let replicas = || vec![1.into(), 2.into(), 3.into()];
    let partition = |index: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_replica_nodes(replicas())
            .with_isr_nodes(replicas())
    };
    let topic = |index: usize| {
        MetadataResponseTopic::default()
            .with_name(Some(StrBytes::from_string(format!("topic {index}")).into()))
            .with_partitions((0..10).map(partition).collect())
    };
    let response = MetadataResponse::default().with_topics((0..20_000).map(topic).collect());
    let frame = frame::encode_response::<MetadataRequest>(&response, 12, 1).unwrap();
    let ((_, decoded), peak) = peak_of(|| {
        frame::decode_response::<MetadataRequest>(frame.slice(frame::LENGTH_PREFIX_BYTES..), 12).unwrap()
    });
    assert_eq!(decoded.topics.len(), 20_000);
    assert!(peak <= DECODED_BYTES_MAX, "{peak}");
}

/// What a decompressor may have at a time: its output, and before it was large enough, a smaller one.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

#[test]
fn record_sets_take_no_more_than_they_unpack_to() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut read = 0;
    let files = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "bin")) {
        let sound = fs::read(&path).unwrap();
        // Headers, and the beginning of what is compressed or not.
        for at in 0..sound.len().min(90) {
            for hostile in HOSTILE {
                let mut bytes = sound.clone();
                let end = bytes.len().min(at + hostile.len());
                bytes[at..end].copy_from_slice(&hostile[..end - at]);
                let bytes = Bytes::from(bytes);
                let (count, peak) = peak_of(|| read_all(bytes));
                read += count;
                assert!(peak <= 2 * OUTPUT_BYTES_MAX, "{}, {hostile:x?} at {at}: {peak}", path.display());
            }
        }
    }
    assert!(read > 300_000, "{read} records were read");
}

/// Reads what can be read, as if its checksum were right.
fn read_all(bytes: Bytes) -> usize {
    let mut decompressor = Decompressor::new(BufferPool::default(), OUTPUT_BYTES_MAX);
    let mut count = 0;
    for batch in RecordSet::new(bytes).map_while(Result::ok) {
        let Ok(payload) = batch.payload(&mut decompressor) else { continue };
        for record in batch.records(&payload).map_while(Result::ok) {
            count += 1 + record.headers.iter().take_while(Result::is_ok).count();
        }
    }
    count
}

#[test]
fn subscriptions_and_assignments_take_no_more_than_their_bytes_can_hold() {
    for at in 0..40 {
        for hostile in HOSTILE {
            let mut bytes = vec![0; at];
            bytes.extend_from_slice(hostile);
            bytes.resize(LIMIT, 0);
            let bytes = Bytes::from(bytes);
            let (_, peak) =
                peak_of(|| (Subscription::decode(&bytes).is_ok(), Assignment::decode(&bytes).is_ok()));
            // The smallest entry is a partition of four bytes; each is decoded and then named by topic.
            assert!(peak <= 16 * LIMIT, "{hostile:x?} at {at}: {peak}");
        }
    }
}
