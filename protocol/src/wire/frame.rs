//! Frames: a length prefix, a header, a message. Encodes requests and decodes responses for the client, and the
//! reverse for the embedded broker. It owns no buffers and reads no sockets.
//!
//! Header quirks live here and nowhere else: flexible versions put tagged fields after the header, except that
//! responses to `ApiVersions` never do, and that a broker which does not know the `ApiVersions` version answers in
//! version 0 (KIP-511).

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::buf::ByteBufMut;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::checked_buf::{Lengths, Limits, decode_prefix, decode_whole};
use super::error::{Error, Result};
use super::error_code::ErrorCode;

/// Bytes of the length prefix of a frame.
pub const LENGTH_PREFIX_BYTES: usize = 4;

/// The largest frame that is read unless configured otherwise: Kafka's default of `socket.request.max.bytes`, and above
/// what a fetch with Kafka's default `fetch.max.bytes` (50 MiB) returns.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 100 * 1024 * 1024;

/// The most that decoding one message allocates, whatever its frame says: as much as the frame itself may have. Bytes
/// and texts are slices of the frame and do not count, so that this limits how many fields and elements there may be; some
/// hundred thousand partitions.
pub const DECODED_BYTES_MAX: usize = FRAME_BYTES_MAX_DEFAULT;

/// The start of a request, as a broker reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeaderView {
    /// Which API; may be one that we do not know.
    pub api_key: i16,
    /// Version of the API; may be one that we do not know.
    pub version: i16,
    /// To be repeated in the response.
    pub correlation_id: i32,
    /// How the client names itself.
    pub client_id: Option<StrBytes>,
}

/// The length of the frame that follows this prefix, checked against the limit before anyone allocates for it.
///
/// # Errors
/// `Malformed` if the length cannot be that of a header, `TooLarge` if it is above `frame_bytes_max`.
pub fn frame_length(prefix: [u8; LENGTH_PREFIX_BYTES], frame_bytes_max: usize) -> Result<usize> {
    const DOING: &str = "read frame length";
    let length = i32::from_be_bytes(prefix);
    match usize::try_from(length) {
        // Every header starts with a correlation id, or with something longer.
        Ok(length) if length < 4 => {
            Err(Error::malformed(DOING, format!("frame length {length} is too short")))
        }
        Ok(length) if length > frame_bytes_max => {
            Err(Error::too_large(DOING, length, frame_bytes_max, "frame_bytes_max"))
        }
        Ok(length) => Ok(length),
        Err(_) => Err(Error::malformed(DOING, format!("frame length {length} is negative"))),
    }
}

/// Appends a whole request frame, length prefix included, to `out`, so that a connection can reuse one buffer and put
/// several requests into one write. This is the one gather copy that record batches take on their way out.
///
/// # Errors
/// `Internal` if the message holds a field that `version` lacks; `out` is then as it was before.
pub fn encode_request_into<R: Request, B: ByteBufMut>(
    out: &mut B,
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&StrBytes>,
) -> Result<()> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(client_id.cloned());
    encode_frame_into(out, "encode request", R::KEY, version, &header, R::header_version(version), request)
}

/// A whole request frame in a buffer of its own: for rare requests and tests, see [`encode_request_into`].
///
/// # Errors
/// As [`encode_request_into`].
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&StrBytes>,
) -> Result<Bytes> {
    let mut out = Vec::new();
    encode_request_into(&mut out, request, version, correlation_id, client_id)?;
    Ok(out.into())
}

/// The correlation id of a response frame (without length prefix), to find out which request it answers.
///
/// # Errors
/// `Malformed` if the frame is shorter than that.
pub fn correlation_id(frame: &[u8]) -> Result<i32> {
    match frame.first_chunk::<4>() {
        Some(bytes) => Ok(i32::from_be_bytes(*bytes)),
        None => Err(Error::malformed("read correlation id", "response shorter than 4 bytes")),
    }
}

/// Decodes a response frame (without length prefix) to request `R` of `version`. Byte fields, such as the records of a
/// fetch, are slices of `frame` and not copied.
///
/// An `ApiVersions` response that says `UNSUPPORTED_VERSION` is decoded as version 0, whatever version was asked.
///
/// # Errors
/// `Malformed` if the bytes are not exactly one such response; `TooLarge` if decoding it might allocate more than
/// [`DECODED_BYTES_MAX`].
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response)> {
    decode_response_within::<R>(frame, version, DECODED_BYTES_MAX)
}

/// As [`decode_response`] with another limit, for those who have less memory, such as its tests.
///
/// # Errors
/// As [`decode_response`].
pub fn decode_response_within<R: Request>(
    frame: Bytes,
    version: i16,
    decoded_bytes_max: usize,
) -> Result<(i32, R::Response)> {
    const DOING: &str = "decode response";
    let header_version = R::Response::header_version(version);
    let (header, body) = decode_prefix::<ResponseHeader>(&frame, header_version, HEADER_LIMITS, DOING)?;
    let version = if R::KEY == ApiKey::ApiVersions as i16
        && body.first_chunk::<2>() == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes())
    {
        0
    } else {
        version
    };
    let limits = Limits { lengths: lengths_of::<R>(version), total: decoded_bytes_max };
    let response = decode_whole(&body, version, limits, DOING)?;
    Ok((header.correlation_id, response))
}

/// Reads the header of a request frame (without length prefix) and leaves the body in `frame`.
///
/// # Errors
/// `Unsupported` if the API key is unknown, so that the form of the header is not known either (Kafka closes the
/// connection), `Malformed` if the bytes are not a header.
pub fn decode_request_header(frame: &mut Bytes) -> Result<RequestHeaderView> {
    const DOING: &str = "decode request header";
    let Some(&[key_high, key_low, version_high, version_low]) = frame.first_chunk::<4>() else {
        return Err(Error::malformed(DOING, "request shorter than 4 bytes"));
    };
    let api_key = i16::from_be_bytes([key_high, key_low]);
    let version = i16::from_be_bytes([version_high, version_low]);
    let Ok(known) = ApiKey::try_from(api_key) else {
        return Err(Error::unsupported(DOING, format!("unknown api key {api_key} v{version}")));
    };
    let header_version = known.request_header_version(version);
    let (header, body) = decode_prefix::<RequestHeader>(frame, header_version, HEADER_LIMITS, DOING)?;
    *frame = body;
    Ok(RequestHeaderView {
        api_key,
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
    })
}

/// Decodes the body that [`decode_request_header`] left, and leaves in `body` what follows the request. Byte fields are
/// slices, not copies.
///
/// A broker has to ignore what is left, as Kafka does: librdkafka 2.16 writes the null list of an "all topics" `Metadata`
/// request as four bytes where the version wants one.
///
/// # Errors
/// `Malformed` if the bytes do not start with such a request; `TooLarge` if decoding it might allocate more than
/// [`DECODED_BYTES_MAX`].
pub fn decode_request_body<R: Request>(body: &mut Bytes, version: i16) -> Result<R> {
    decode_request_body_within(body, version, DECODED_BYTES_MAX)
}

/// As [`decode_request_body`] with another limit, for those who have less memory, such as its tests.
///
/// # Errors
/// As [`decode_request_body`].
pub fn decode_request_body_within<R: Request>(
    body: &mut Bytes,
    version: i16,
    decoded_bytes_max: usize,
) -> Result<R> {
    let limits = Limits { lengths: lengths_of::<R>(version), total: decoded_bytes_max };
    let (request, rest) = decode_prefix(body, version, limits, "decode request")?;
    *body = rest;
    Ok(request)
}

/// Appends a whole response frame, length prefix included, to `out`.
///
/// # Errors
/// `Internal` if the message holds a field that `version` lacks; `out` is then as it was before.
pub fn encode_response_into<R: Request, B: ByteBufMut>(
    out: &mut B,
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<()> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    let header_version = R::Response::header_version(version);
    encode_frame_into(out, "encode response", R::KEY, version, &header, header_version, response)
}

/// A whole response frame in a buffer of its own, see [`encode_response_into`].
///
/// # Errors
/// As [`encode_response_into`].
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Bytes> {
    let mut out = Vec::new();
    encode_response_into::<R, _>(&mut out, response, version, correlation_id)?;
    Ok(out.into())
}

/// Decodes a message that is nested in a byte field and starts with its own version, such as `ConsumerProtocol`
/// subscriptions and assignments. Newer versions only append, so a version above `version_max` is read as that one
/// and what follows is ignored, as Java does.
///
/// # Errors
/// `Malformed` if the bytes are not such a message.
pub fn decode_versioned<T: Decodable>(bytes: &Bytes, version_max: i16) -> Result<(i16, T)> {
    const DOING: &str = "decode nested message";
    let Some(prefix) = bytes.first_chunk::<2>() else {
        return Err(Error::malformed(DOING, "shorter than its version"));
    };
    let version = i16::from_be_bytes(*prefix);
    if version < 0 {
        return Err(Error::malformed(DOING, format!("version {version} is negative")));
    }
    let limits = Limits { lengths: Lengths::MaybeInt32, total: DECODED_BYTES_MAX };
    let (message, _rest) = decode_prefix(&bytes.slice(2..), version.min(version_max), limits, DOING)?;
    Ok((version, message))
}

/// The reverse of [`decode_versioned`].
///
/// # Errors
/// `Internal` if the message holds a field that `version` lacks.
pub fn encode_versioned<T: Encodable>(message: &T, version: i16) -> Result<Bytes> {
    let mut out = version.to_be_bytes().to_vec();
    message
        .encode(&mut out, version)
        .map_err(|cause| Error::internal("encode nested message", format!("v{version}: {cause}")))?;
    Ok(out.into())
}

/// Headers have a handful of fields, and tagged ones that we do not know.
const HEADER_LIMITS: Limits = Limits { lengths: Lengths::MaybeInt32, total: 64 * 1024 };

fn lengths_of<R: Request>(version: i16) -> Lengths {
    // A request header of version 2 marks the flexible versions of an API, in both directions.
    if R::header_version(version) >= ApiVersionsRequest::header_version(3) {
        Lengths::Varint
    } else {
        Lengths::MaybeInt32
    }
}

fn encode_frame_into<B: ByteBufMut>(
    out: &mut B,
    doing: &'static str,
    api_key: i16,
    version: i16,
    header: &impl Encodable,
    header_version: i16,
    body: &impl Encodable,
) -> Result<()> {
    let start = out.offset();
    out.put_i32(0);
    let encoded = header.encode(out, header_version).and_then(|()| body.encode(out, version));
    if let Err(cause) = encoded {
        out.seek(start);
        return Err(Error::internal(doing, format!("api {api_key} v{version}: {cause}")));
    }
    let length = out.offset() - start - LENGTH_PREFIX_BYTES;
    let Ok(length) = i32::try_from(length) else {
        out.seek(start);
        return Err(Error::too_large(doing, length, i32::MAX as usize, "frame length of the protocol"));
    };
    out.range(start..start + LENGTH_PREFIX_BYTES).copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::{
        ApiVersionsResponse, FetchRequest, FetchResponse, HeartbeatRequest, MetadataRequest, ProduceRequest,
    };

    use super::*;
    use crate::wire::error::ErrorKind;

    #[test]
    fn request_survives_the_way_to_a_broker() {
        let client_id = StrBytes::from("client");
        for version in 0..=4 {
            let request = HeartbeatRequest::default().with_generation_id(7).with_member_id("m".into());
            let mut frame = encode_request(&request, version, 42, Some(&client_id)).unwrap();
            let length = frame_length(*frame.first_chunk().unwrap(), 1000).unwrap();
            frame.advance(LENGTH_PREFIX_BYTES);
            assert_eq!(frame.len(), length);
            let header = decode_request_header(&mut frame).unwrap();
            assert_eq!((header.api_key, header.version, header.correlation_id), (12, version, 42));
            assert_eq!(header.client_id.as_deref(), Some("client"));
            assert_eq!(decode_request_body::<HeartbeatRequest>(&mut frame, version).unwrap(), request);
            assert!(frame.is_empty());
        }
    }

    #[test]
    fn records_of_a_fetch_are_slices_of_the_frame() {
        let records = Bytes::from(vec![7u8; 1000]);
        let partition = PartitionData::default().with_records(Some(records.clone()));
        let topic = FetchableTopicResponse::default().with_topic(StrBytes::from("t").into());
        let response = FetchResponse::default()
            .with_session_id(i32::MAX)
            .with_responses(vec![topic.with_partitions(vec![partition])]);
        for version in 4..=12 {
            let response = if version < 7 { response.clone().with_session_id(0) } else { response.clone() };
            let mut frame = encode_response::<FetchRequest>(&response, version, 1).unwrap();
            frame.advance(LENGTH_PREFIX_BYTES);
            let (_, decoded) = decode_response::<FetchRequest>(frame.clone(), version).unwrap();
            assert_eq!(decoded.session_id, response.session_id);
            let decoded = decoded.responses[0].partitions[0].records.clone().unwrap();
            assert_eq!(decoded, records);
            assert!(frame.as_ptr_range().contains(&decoded.as_ptr()), "v{version} copied the records");
        }
    }

    #[test]
    fn records_of_a_produce_are_slices_of_the_frame() {
        use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
        let data = PartitionProduceData::default().with_records(Some(Bytes::from(vec![7u8; 1000])));
        let topic = TopicProduceData::default().with_name(StrBytes::from("t").into());
        let request = ProduceRequest::default().with_topic_data(vec![topic.with_partition_data(vec![data])]);
        for version in 3..=11 {
            let mut frame = encode_request(&request, version, 1, None).unwrap().slice(LENGTH_PREFIX_BYTES..);
            let range = frame.as_ptr_range();
            decode_request_header(&mut frame).unwrap();
            let decoded = decode_request_body::<ProduceRequest>(&mut frame, version).unwrap();
            let records = decoded.topic_data[0].partition_data[0].records.clone().unwrap();
            assert!(range.contains(&records.as_ptr()), "v{version} copied the records");
        }
    }

    #[test]
    fn api_versions_answers_never_have_a_flexible_header() {
        let mut response = ApiVersionsResponse::default().with_throttle_time_ms(0);
        response.api_keys.push(ApiVersion::default().with_api_key(18).with_max_version(4));
        for version in 0..=4 {
            let frame = encode_response::<ApiVersionsRequest>(&response, version, 9).unwrap();
            let decoded =
                decode_response::<ApiVersionsRequest>(frame.slice(LENGTH_PREFIX_BYTES..), version).unwrap();
            assert_eq!(decoded, (9, response.clone()), "v{version}");
        }
    }

    #[test]
    fn api_versions_falls_back_to_version_0_on_unsupported_version() {
        let mut refusal = ApiVersionsResponse::default().with_error_code(35);
        refusal.api_keys.push(ApiVersion::default().with_api_key(18).with_max_version(2));
        let frame = encode_response::<ApiVersionsRequest>(&refusal, 0, 3).unwrap();
        let decoded = decode_response::<ApiVersionsRequest>(frame.slice(LENGTH_PREFIX_BYTES..), 4).unwrap();
        assert_eq!(decoded, (3, refusal));
    }

    #[test]
    fn header_of_an_unknown_api_versions_version_can_be_read() {
        let mut frame = encode_request(&ApiVersionsRequest::default(), 3, 5, None).unwrap().to_vec();
        frame[4 + 2..4 + 4].copy_from_slice(&99i16.to_be_bytes());
        let header = decode_request_header(&mut Bytes::from(frame).slice(LENGTH_PREFIX_BYTES..)).unwrap();
        assert_eq!((header.api_key, header.version, header.correlation_id), (18, 99, 5));
    }

    #[test]
    fn a_field_that_the_version_lacks_is_an_error_and_leaves_the_buffer_alone() {
        let request = HeartbeatRequest::default().with_group_instance_id(Some("i".into()));
        let mut out = b"before".to_vec();
        let error = encode_request_into(&mut out, &request, 0, 1, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(out, b"before");
        encode_request_into(&mut out, &request, 3, 1, None).unwrap();
    }

    #[test]
    fn frame_lengths_are_checked_before_allocation() {
        assert_eq!(frame_length(100i32.to_be_bytes(), 100).unwrap(), 100);
        assert_eq!(frame_length(101i32.to_be_bytes(), 100).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(frame_length((-1i32).to_be_bytes(), 100).unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(frame_length([0; 4], 100).unwrap_err().kind(), ErrorKind::Malformed);
        // An HTTP client, a TLS handshake.
        assert!(frame_length(*b"GET ", FRAME_BYTES_MAX_DEFAULT).is_err());
    }

    #[test]
    fn short_and_unknown_headers_are_errors() {
        assert!(decode_request_header(&mut Bytes::from_static(&[0, 3, 0])).is_err());
        assert!(decode_request_header(&mut Bytes::from_static(&[0, 3, 0, 1, 0, 0])).is_err());
        let error = decode_request_header(&mut Bytes::from_static(&[0x70, 3, 0, 1, 0, 0, 0, 0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(correlation_id(&[0, 0, 0]).is_err());
        assert!(decode_response::<MetadataRequest>(Bytes::new(), 9).is_err());
    }

    /// librdkafka 2.16.0, `Metadata` of version 13 for all topics: three bytes too many, which Kafka ignores.
    #[test]
    fn bytes_after_a_request_are_left_and_not_an_error() {
        let mut body = Bytes::from_static(&[0, 0, 0, 0, 1, 0, 0]);
        let request = decode_request_body::<MetadataRequest>(&mut body, 13).unwrap();
        assert_eq!(request.topics, None);
        assert_eq!(body.len(), 3);
    }
}
