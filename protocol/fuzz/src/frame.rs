//! Any bytes as a frame, read as a request by a broker and as a response by a client. The first two bytes choose the API,
//! out of all that either speaks, and its version, out of all that there are.

use bytes::Bytes;
use protocol::for_every_request;
use protocol::wire::frame::{
    LENGTH_PREFIX_BYTES, decode_request_body, decode_request_body_within, decode_request_header,
    decode_response, decode_response_within, encode_request, encode_response,
};
use protocol::wire::messages::*;
use protocol::wire::versions::BrokerVersions;

use super::within;

/// Small, so that little is needed to try and exceed it.
const DECODED_BYTES_MAX: usize = 64 * 1024;

pub fn frame(data: &[u8]) {
    let Some((&[api, version], frame)) = data.split_first_chunk::<2>() else { return };
    let frame = Bytes::copy_from_slice(frame);
    within(DECODED_BYTES_MAX, || decode_request_header(&mut frame.clone()).ok());
    macro_rules! checks {
        ($($request:ident)*) => { &[$(check::<$request>),*] };
    }
    let checks: &[fn(Bytes, u8)] = for_every_request!(checks);
    checks[usize::from(api) % checks.len()](frame, version);
}

fn check<R: Request>(frame: Bytes, version: u8) {
    let versions = R::VERSIONS.min..=R::VERSIONS.max;
    let version = R::VERSIONS.min + i16::from(version) % versions.count() as i16;
    let mut body = frame.clone();
    let request =
        within(DECODED_BYTES_MAX, || decode_request_body_within::<R>(&mut body, version, DECODED_BYTES_MAX));
    // What was read can be written, and is then read as the same, which its bytes tell better than equality: a number may
    // be none. What does not belong into the version is not written.
    if let Ok(request) = request
        && let Ok(written) = encode_request(&request, version, 1, None)
    {
        let mut body = written.slice(LENGTH_PREFIX_BYTES..);
        decode_request_header(&mut body).expect("our own header");
        let again = decode_request_body::<R>(&mut body, version);
        assert_eq!(encode_request(&again.expect("our own message"), version, 1, None).ok(), Some(written));
    }
    let response =
        within(DECODED_BYTES_MAX, || decode_response_within::<R>(frame, version, DECODED_BYTES_MAX));
    // The refusal of an `ApiVersions` version was read in version 0.
    if let Ok((correlation_id, response)) = response
        && R::KEY != ApiVersionsRequest::KEY
        && let Ok(written) = encode_response::<R>(&response, version, correlation_id)
    {
        let frame = written.slice(LENGTH_PREFIX_BYTES..);
        let again = decode_response::<R>(frame, version);
        let (correlation_id, again) = again.expect("our own message");
        assert_eq!(encode_response::<R>(&again, version, correlation_id).ok(), Some(written));
    }
    if R::KEY == ApiVersionsRequest::KEY {
        check_versions(&body);
    }
}

/// What a broker says that it speaks leads to a version that both speak, or to none.
fn check_versions(frame: &Bytes) {
    let Ok((_, response)) = decode_response_within::<ApiVersionsRequest>(frame.clone(), 0, DECODED_BYTES_MAX)
    else {
        return;
    };
    let versions = BrokerVersions::from_response(&response);
    if let Ok(version) = versions.version_for::<FetchRequest>() {
        assert!(versions.speaks::<FetchRequest>(version));
    }
}
