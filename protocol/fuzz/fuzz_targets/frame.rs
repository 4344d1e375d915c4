//! Any bytes as a frame, read as a request by a broker and as a response by a client. The first two bytes choose the API
//! and its version.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::wire::frame::{decode_request_body, decode_request_header, decode_response, encode_response};
use protocol::wire::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DescribeConfigsRequest, FetchRequest, FindCoordinatorRequest,
    JoinGroupRequest, LeaveGroupRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetFetchRequest, ProduceRequest, Request, SaslAuthenticateRequest, SyncGroupRequest,
    TxnOffsetCommitRequest,
};

fuzz_target!(|data: &[u8]| {
    let Some((&[api, version], frame)) = data.split_first_chunk::<2>() else { return };
    let frame = Bytes::copy_from_slice(frame);
    let mut body = frame.clone();
    decode_request_header(&mut body).ok();
    match api % 15 {
        0 => check::<ProduceRequest>(frame, version),
        1 => check::<FetchRequest>(frame, version),
        2 => check::<ListOffsetsRequest>(frame, version),
        3 => check::<MetadataRequest>(frame, version),
        4 => check::<OffsetCommitRequest>(frame, version),
        5 => check::<OffsetFetchRequest>(frame, version),
        6 => check::<FindCoordinatorRequest>(frame, version),
        7 => check::<JoinGroupRequest>(frame, version),
        8 => check::<SyncGroupRequest>(frame, version),
        9 => check::<LeaveGroupRequest>(frame, version),
        10 => check::<ApiVersionsRequest>(frame, version),
        11 => check::<CreateTopicsRequest>(frame, version),
        12 => check::<DescribeConfigsRequest>(frame, version),
        13 => check::<SaslAuthenticateRequest>(frame, version),
        _ => check::<TxnOffsetCommitRequest>(frame, version),
    }
});

fn check<R: Request>(frame: Bytes, version: u8) {
    let versions = R::VERSIONS.min..=R::VERSIONS.max;
    let version = R::VERSIONS.min + i16::from(version) % versions.count() as i16;
    decode_request_body::<R>(&mut frame.clone(), version).ok();
    if let Ok((correlation_id, response)) = decode_response::<R>(frame, version) {
        // What was read can be written again, unless it was the refusal of an `ApiVersions` version.
        encode_response::<R>(&response, version, correlation_id).ok();
    }
}
