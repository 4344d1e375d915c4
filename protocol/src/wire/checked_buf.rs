//! A read buffer that stops `kafka-protocol` from trusting lengths.
//!
//! The crate's decoders call `Vec::with_capacity` with a count straight from the wire, so a frame of ten bytes can ask
//! for hundreds of gigabytes and abort the process. They are generic over the buffer, which gives us the place to
//! check: every count and length reaches them through this type.
//!
//! - Unsigned varints are only ever lengths, counts and tags, so one that exceeds the bytes left is an error.
//! - A 32-bit integer may be a count or a plain field. While *probing*, one that exceeds the bytes left is replaced
//!   by a negative number: array and byte lengths then fail at once, plain fields do not affect the structure. If the
//!   probe succeeds, no count was too large, and a second pass reads the true values. Flexible versions hold no 32-bit
//!   counts and need no probe.
//!
//! What remains: a count of at most the bytes left, times the size of an element, reserved but not touched. The limit
//! on frames bounds that.

use bytes::buf::Buf;
use bytes::{Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

use super::error::{Error, Result};

/// Whether a message may hold array and byte lengths as 32-bit integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// A flexible version: all lengths are varints.
    Varint,
    /// An older version, or not known.
    MaybeInt32,
}

/// Decodes one message and requires that it consumes all of `body`.
pub(crate) fn decode_whole<T: Decodable>(
    body: &Bytes,
    version: i16,
    lengths: Lengths,
    doing: &'static str,
) -> Result<T> {
    let (message, rest) = decode_prefix(body, version, lengths, doing)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(Error::malformed(
            doing,
            format!("{} v{version} leaves {} bytes over", short_name::<T>(), rest.len()),
        ))
    }
}

/// Decodes one message from the start of `body` and returns what follows it.
pub(crate) fn decode_prefix<T: Decodable>(
    body: &Bytes,
    version: i16,
    lengths: Lengths,
    doing: &'static str,
) -> Result<(T, Bytes)> {
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::malformed(doing, format!("{} v{version}: {cause}", short_name::<T>()))
    };
    let mut buf = CheckedBuf::new(body.clone(), lengths == Lengths::MaybeInt32);
    let message = T::decode(&mut buf, version).map_err(|cause| fail(cause.into()))?;
    if !buf.has_masked {
        return Ok((message, buf.inner));
    }
    let mut buf = CheckedBuf::new(body.clone(), false);
    let message = T::decode(&mut buf, version).map_err(|cause| fail(cause.into()))?;
    Ok((message, buf.inner))
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

struct CheckedBuf {
    inner: Bytes,
    /// Bytes of the current varint that were already checked.
    varint_bytes_left: u8,
    is_probing: bool,
    has_masked: bool,
}

impl CheckedBuf {
    fn new(inner: Bytes, is_probing: bool) -> Self {
        CheckedBuf { inner, varint_bytes_left: 0, is_probing, has_masked: false }
    }

    /// Checks the unsigned varint that starts here and returns its length. Decodes as `kafka-protocol` does: five
    /// bytes at most, superfluous bits dropped.
    fn check_varint(&self) -> std::result::Result<u8, TryGetError> {
        let mut value = 0u32;
        for (index, &byte) in self.inner.iter().take(5).enumerate() {
            value |= u32::from(byte & 0x7f) << (7 * index as u32);
            if byte < 0x80 || index == 4 {
                let after = self.inner.len() - index - 1;
                // Compact lengths are stored plus one.
                if value as usize > after + 1 {
                    return Err(TryGetError { requested: value as usize, available: after });
                }
                return Ok(index as u8 + 1);
            }
        }
        Err(TryGetError { requested: self.inner.len() + 1, available: self.inner.len() })
    }
}

impl Buf for CheckedBuf {
    fn remaining(&self) -> usize {
        self.inner.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.inner
    }

    fn advance(&mut self, count: usize) {
        self.inner.advance(count);
    }

    /// Only booleans and unsigned varints are read through this.
    fn try_get_u8(&mut self) -> std::result::Result<u8, TryGetError> {
        if self.varint_bytes_left > 0 {
            self.varint_bytes_left -= 1;
        } else {
            self.varint_bytes_left = self.check_varint()? - 1;
        }
        self.inner.try_get_u8()
    }

    fn try_get_i32(&mut self) -> std::result::Result<i32, TryGetError> {
        let value = self.inner.try_get_i32()?;
        if self.is_probing && value > 0 && value as usize > self.inner.len() {
            self.has_masked = true;
            return Ok(i32::MIN);
        }
        Ok(value)
    }
}

impl ByteBuf for CheckedBuf {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.inner.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.inner.split_to(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::{Encodable, metadata_response::MetadataResponseTopic};
    use crate::wire::messages::{MetadataResponse, ProduceRequest, StrBytes};

    fn decode<T: Decodable>(bytes: &[u8], version: i16) -> Result<T> {
        decode_whole(&Bytes::copy_from_slice(bytes), version, Lengths::MaybeInt32, "test")
    }

    #[test]
    fn rejects_counts_beyond_the_frame_before_allocating() {
        // Metadata v1: broker count of i32::MAX. Trusting it would abort the test process.
        assert!(decode::<MetadataResponse>(&[0x7f, 0xff, 0xff, 0xff, 0, 0], 1).is_err());
        // Metadata v9: throttle time, then a compact count of u32::MAX.
        assert!(decode::<MetadataResponse>(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], 9).is_err());
        // Produce v3: null transactional id, acks, timeout, then a topic count beyond the frame.
        let bytes = [0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0x7f, 0xff, 0xff, 0xff];
        assert!(decode::<ProduceRequest>(&bytes, 3).is_err());
    }

    #[test]
    fn keeps_large_plain_integers() {
        let topic = MetadataResponseTopic::default().with_name(Some(StrBytes::from("t").into()));
        let response =
            MetadataResponse::default().with_controller_id(i32::MAX.into()).with_topics(vec![topic]);
        for version in [1, 9] {
            let mut bytes = Vec::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(decode::<MetadataResponse>(&bytes, version).unwrap(), response, "v{version}");
        }
    }

    #[test]
    fn rejects_what_is_left_over() {
        let mut bytes = Vec::new();
        MetadataResponse::default().encode(&mut bytes, 1).unwrap();
        bytes.push(0);
        let error = decode::<MetadataResponse>(&bytes, 1).unwrap_err();
        assert!(error.to_string().contains("MetadataResponse v1 leaves 1 bytes over"), "{error}");
    }
}
