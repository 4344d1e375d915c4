//! A read buffer that stops `kafka-protocol` from trusting lengths, and bounds what a message takes in memory.
//!
//! The crate's decoders call `Vec::with_capacity` with a count straight from the wire, so a frame of ten bytes can ask
//! for hundreds of gigabytes and abort the process. They are generic over the buffer, which gives us the place to
//! check: every count and length reaches them through this type. It does not know the type of what is decoded, so it
//! takes every element to be as large as the largest, and finds out what a number is from how the decoder goes on:
//!
//! - A length of bytes or text is followed by `get_bytes`. A large one is shown to the decoder as empty and made good
//!   there: bytes are slices of the frame and cost nothing.
//! - A large unsigned varint that is followed by anything else is the count of a list.
//! - A large 32-bit integer that is followed by anything else is a plain field or, in versions that are not flexible,
//!   the count of a list. It is shown as a negative number in another pass: as a count that fails at once, as a plain
//!   field it changes nothing. The last pass shows what is true.
//!
//! The bound of all that decoding allocates is [`Limits::total`], in three parts. What was read is charged by the
//! field and may come to five eighths; large lists, a grant each before they are allocated, to a quarter; the small lists
//! that can be open at a time, nested in each other, to an eighth. `tests/hostile_memory.rs` measures that it holds.

use bytes::buf::Buf;
use bytes::{Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

use super::error::{Error, Result};

/// No element of a list is larger, in any message of `kafka-protocol` that we use.
const ELEMENT_BYTES_MAX: usize = 320;
/// Lists within lists within lists: no message nests deeper.
const NESTED_LISTS_MAX: usize = 3;

/// What a field may cost in memory, its share of the struct around it included. A flexible struct ends with the count of
/// its tagged fields, which carries most of that; in other structs every field has to carry it.
const INTEGER_BYTES: usize = 8;
const INTEGER_BYTES_IN_OLD_STRUCT: usize = 32;
const TEXT_BYTES_IN_OLD_STRUCT: usize = 72;
const VARINT_BYTES: usize = 48;
/// The tree node that the first unknown tagged field of a struct takes.
const UNKNOWN_TAG_BYTES: usize = 448;
/// A large integer that is looked at again.
const NOTED_BYTES: usize = 32;

/// Whether a message may hold array and byte lengths as 32-bit integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// A flexible version: all lengths are varints.
    Varint,
    /// An older version, or not known.
    MaybeInt32,
}

/// How a message is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) lengths: Lengths,
    /// Bytes that decoding may allocate, all together.
    pub(crate) total: usize,
}

impl Limits {
    /// Lists up to this count need no grant.
    fn small_list(self) -> usize {
        self.total / 8 / NESTED_LISTS_MAX / ELEMENT_BYTES_MAX
    }

    fn large_lists(self) -> usize {
        self.total / 4 / ELEMENT_BYTES_MAX
    }

    fn fields(self) -> usize {
        self.total / 8 * 5
    }
}

/// Decodes one message and requires that it consumes all of `body`.
pub(crate) fn decode_whole<T: Decodable>(
    body: &Bytes,
    version: i16,
    limits: Limits,
    doing: &'static str,
) -> Result<T> {
    let (message, rest) = decode_prefix(body, version, limits, doing)?;
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
    limits: Limits,
    doing: &'static str,
) -> Result<(T, Bytes)> {
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::malformed(doing, format!("{} v{version}: {cause}", short_name::<T>()))
    };
    let mut known = Known::default();
    let mut pass = Pass::Look;
    loop {
        let mut buf = CheckedBuf::new(body.clone(), limits, pass, known);
        let decoded = T::decode(&mut buf, version);
        buf.end(decoded.is_ok());
        let (inner, stop) = (buf.inner, buf.stop);
        known = buf.known;
        // After the count of a list that was shown as 0 nothing means anything, an early end included.
        if pass == Pass::Look && known.needs_probe {
            pass = Pass::Probe;
            continue;
        }
        match stop {
            Some(Stop::TooLarge) => {
                let name = short_name::<T>();
                return Err(Error::new(crate::ErrorKind::TooLarge, doing).with_source(format!(
                    "{name} v{version}: decoded, it may take more than {} bytes",
                    limits.total
                )));
            }
            Some(Stop::Inconsistent(detail)) => return Err(fail(detail.into())),
            Some(Stop::LargeList { at, count }) => {
                known.grant(at, count);
                pass = Pass::Look;
            }
            None => {
                let message = decoded.map_err(|cause| fail(cause.into()))?;
                if pass == Pass::Read || known.integers.is_empty() {
                    return Ok((message, inner));
                }
                pass = Pass::Read;
            }
        }
    }
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// What a pass over the message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Find the large integers that are no lengths of bytes.
    Look,
    /// Find out which of them count a list.
    Probe,
    /// Read everything as it is.
    Read,
}

/// What earlier passes found, by place in the message.
#[derive(Debug, Default)]
struct Known {
    /// Large 32-bit integers, in ascending order.
    integers: Vec<usize>,
    /// Some of them may count a list.
    needs_probe: bool,
    /// Large lists that may be allocated, and how many elements they have together.
    granted: Vec<usize>,
    granted_count: usize,
}

impl Known {
    /// Takes note of a list; from now on it may be allocated. All else is looked for anew.
    fn grant(&mut self, at: usize, count: usize) {
        let index = self.granted.partition_point(|known| *known < at);
        self.granted.insert(index, at);
        self.granted_count += count;
        self.integers.clear();
        self.needs_probe = false;
    }
}

/// Why a pass ended early.
#[derive(Debug)]
enum Stop {
    TooLarge,
    Inconsistent(&'static str),
    LargeList { at: usize, count: usize },
}

/// A large length that the decoder was not shown yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    at: usize,
    length: usize,
    kind: PendingKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PendingKind {
    /// Shown as 1: a compact length is stored plus one, the size of a tagged field is not.
    Varint,
    /// Shown as 0.
    Int32,
    /// Shown as a negative number.
    Probed,
}

struct CheckedBuf {
    inner: Bytes,
    message_bytes: usize,
    limits: Limits,
    pass: Pass,
    known: Known,
    stop: Option<Stop>,
    charged: usize,
    pending: Option<Pending>,
    /// What is left of a varint of several bytes, which was checked as a whole and is handed out bytewise.
    varint_rest: u32,
    has_varint_rest: bool,
    /// Varints in a row, to recognise tagged fields by.
    varint_run: u8,
}

impl CheckedBuf {
    fn new(inner: Bytes, limits: Limits, pass: Pass, known: Known) -> Self {
        CheckedBuf {
            message_bytes: inner.len(),
            inner,
            limits,
            pass,
            known,
            stop: None,
            charged: 0,
            pending: None,
            varint_rest: 0,
            has_varint_rest: false,
            varint_run: 0,
        }
    }

    fn place(&self) -> usize {
        self.message_bytes - self.inner.len()
    }

    /// The error that ends a pass; the decoder's own text for it is not shown.
    fn stop(&mut self, stop: Stop) -> TryGetError {
        self.stop.get_or_insert(stop);
        TryGetError { requested: self.inner.len() + 1, available: self.inner.len() }
    }

    /// Before anything is read but bytes.
    fn begin(&mut self, cost: usize) -> std::result::Result<(), TryGetError> {
        if self.has_varint_rest {
            return Err(self.stop(Stop::Inconsistent("a boolean is neither 0 nor 1")));
        }
        if let Some(pending) = self.pending.take() {
            self.settle(pending)?;
        }
        if self.stop.is_some() {
            return Err(self.stop(Stop::TooLarge));
        }
        self.charge(cost)
    }

    fn charge(&mut self, cost: usize) -> std::result::Result<(), TryGetError> {
        self.charged += cost;
        if self.charged > self.limits.fields() { Err(self.stop(Stop::TooLarge)) } else { Ok(()) }
    }

    /// A large length was not followed by bytes.
    fn settle(&mut self, pending: Pending) -> std::result::Result<(), TryGetError> {
        match pending.kind {
            PendingKind::Varint => Err(self.stop_at_list(pending)),
            // It did not fail, so it is a plain field.
            PendingKind::Probed => Ok(()),
            PendingKind::Int32 if self.pass == Pass::Look => {
                self.known.needs_probe = true;
                self.note(pending.at)
            }
            PendingKind::Int32 => Err(self.stop(Stop::Inconsistent("a length changed its meaning"))),
        }
    }

    fn note(&mut self, at: usize) -> std::result::Result<(), TryGetError> {
        self.known.integers.push(at);
        self.charge(NOTED_BYTES)
    }

    fn stop_at_list(&mut self, list: Pending) -> TryGetError {
        let granted = self.known.granted_count.saturating_add(list.length);
        if granted > self.limits.large_lists() {
            return self.stop(Stop::TooLarge);
        }
        self.stop(Stop::LargeList { at: list.at, count: list.length })
    }

    /// The decoder has ended.
    fn end(&mut self, is_ok: bool) {
        let Some(pending) = self.pending.take() else { return };
        if self.stop.is_some() {
            return;
        }
        // Each of these has put down in `stop` or `known` what there is to say.
        match pending.kind {
            PendingKind::Probed if is_ok => {}
            PendingKind::Probed => drop(self.stop_at_list(pending)),
            PendingKind::Varint | PendingKind::Int32 => drop(self.settle(pending)),
        }
    }

    /// Takes the unsigned varint that starts here. Decodes as `kafka-protocol` does: five bytes at most, superfluous bits
    /// dropped.
    fn take_varint(&mut self) -> std::result::Result<u32, TryGetError> {
        let mut value = 0u32;
        for (index, &byte) in self.inner.iter().take(5).enumerate() {
            value |= u32::from(byte & 0x7f) << (7 * index as u32);
            if byte < 0x80 || index == 4 {
                self.inner.advance(index + 1);
                return Ok(value);
            }
        }
        Err(TryGetError { requested: self.inner.len() + 1, available: self.inner.len() })
    }

    /// The next byte of a varint that was checked. Should the decoder have asked for a boolean, the rest makes up no more
    /// than the value that was checked, whatever it is taken for.
    fn next_varint_byte(&mut self) -> u8 {
        let byte = (self.varint_rest & 0x7f) as u8;
        self.varint_rest >>= 7;
        self.has_varint_rest = self.varint_rest > 0;
        if self.has_varint_rest { byte | 0x80 } else { byte }
    }

    fn integer_bytes(&self) -> usize {
        match self.limits.lengths {
            Lengths::Varint => INTEGER_BYTES,
            Lengths::MaybeInt32 => INTEGER_BYTES_IN_OLD_STRUCT,
        }
    }

    /// Before a number that is neither a count nor the length of bytes.
    fn begin_integer(&mut self) -> std::result::Result<(), TryGetError> {
        self.varint_run = 0;
        self.begin(self.integer_bytes())
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
        if self.has_varint_rest {
            return Ok(self.next_varint_byte());
        }
        self.begin(VARINT_BYTES)?;
        self.varint_run = self.varint_run.saturating_add(1);
        let at = self.place();
        let value = self.take_varint()?;
        // Compact lengths are stored plus one.
        let length = (value as usize).saturating_sub(1);
        // Smaller ones allocate little, and may be the numbers of tagged fields, which the bytes left say nothing of.
        if length > self.limits.small_list() {
            if length > self.inner.len() {
                return Err(TryGetError { requested: length, available: self.inner.len() });
            }
            if self.known.granted.binary_search(&at).is_err() {
                self.pending = Some(Pending { at, length: value as usize, kind: PendingKind::Varint });
                return Ok(1);
            }
        }
        self.varint_rest = value;
        Ok(self.next_varint_byte())
    }

    fn try_get_i8(&mut self) -> std::result::Result<i8, TryGetError> {
        self.begin_integer()?;
        self.inner.try_get_i8()
    }

    /// In versions that are not flexible, the length of a text too.
    fn try_get_i16(&mut self) -> std::result::Result<i16, TryGetError> {
        self.begin_integer()?;
        if self.limits.lengths == Lengths::MaybeInt32 {
            self.charge(TEXT_BYTES_IN_OLD_STRUCT - INTEGER_BYTES_IN_OLD_STRUCT)?;
        }
        self.inner.try_get_i16()
    }

    fn try_get_u16(&mut self) -> std::result::Result<u16, TryGetError> {
        self.begin_integer()?;
        self.inner.try_get_u16()
    }

    fn try_get_i32(&mut self) -> std::result::Result<i32, TryGetError> {
        self.begin_integer()?;
        let at = self.place();
        let value = self.inner.try_get_i32()?;
        let length = usize::try_from(value).unwrap_or(0);
        let is_plain = self.limits.lengths == Lengths::Varint
            || length <= self.limits.small_list().min(self.inner.len())
            || self.known.granted.binary_search(&at).is_ok();
        if is_plain {
            return Ok(value);
        }
        let is_noted = self.known.integers.binary_search(&at).is_ok();
        match self.pass {
            Pass::Read if is_noted => Ok(value),
            Pass::Look if length > self.inner.len() => {
                // As a length it would be wrong, so that it need not be found out what it is.
                self.note(at)?;
                Ok(i32::MIN)
            }
            Pass::Probe if is_noted => {
                self.pending = Some(Pending { at, length, kind: PendingKind::Probed });
                Ok(i32::MIN)
            }
            _ => {
                self.pending = Some(Pending { at, length, kind: PendingKind::Int32 });
                Ok(0)
            }
        }
    }

    fn try_get_u32(&mut self) -> std::result::Result<u32, TryGetError> {
        self.begin_integer()?;
        self.inner.try_get_u32()
    }

    fn try_get_i64(&mut self) -> std::result::Result<i64, TryGetError> {
        self.begin_integer()?;
        self.inner.try_get_i64()
    }

    fn try_get_f64(&mut self) -> std::result::Result<f64, TryGetError> {
        self.begin_integer()?;
        self.inner.try_get_f64()
    }

    /// Only UUIDs are read through this.
    fn try_copy_to_slice(&mut self, target: &mut [u8]) -> std::result::Result<(), TryGetError> {
        self.begin_integer()?;
        self.charge(target.len())?;
        self.inner.try_copy_to_slice(target)
    }
}

impl ByteBuf for CheckedBuf {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.inner.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        let size = match self.pending.take() {
            Some(Pending { length, kind: PendingKind::Varint, .. }) if size == 0 => length - 1,
            Some(Pending { length, .. }) => length,
            None => size,
        };
        // The count of tagged fields, a tag, its size.
        if self.varint_run >= 3 {
            self.charge(UNKNOWN_TAG_BYTES).ok();
        }
        self.varint_run = 0;
        if size > self.inner.len() {
            self.stop(Stop::Inconsistent("a length is beyond the end"));
            return Bytes::new();
        }
        self.inner.split_to(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::{Encodable, metadata_response::MetadataResponseTopic};
    use crate::wire::messages::{MetadataResponse, ProduceRequest, StrBytes};

    fn decode_within<T: Decodable>(bytes: &[u8], version: i16, lengths: Lengths, total: usize) -> Result<T> {
        decode_whole(&Bytes::copy_from_slice(bytes), version, Limits { lengths, total }, "test")
    }

    fn decode<T: Decodable>(bytes: &[u8], version: i16) -> Result<T> {
        decode_within(bytes, version, Lengths::MaybeInt32, 1 << 20)
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

    /// Found by reasoning, and by the fuzzer within seconds: what looks like a boolean hides the count behind it.
    #[test]
    fn a_boolean_of_several_bytes_hides_no_count() {
        // Metadata v12: throttle time, no brokers, null cluster, controller, one topic: error, null name, topic id, then
        // `is_internal` as 0x80 and a partition count of which it seems to be the beginning.
        let mut bytes = vec![0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0];
        bytes.extend([0; 16]);
        bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x7f]);
        bytes.extend([0; 200]);
        let error = decode_within::<MetadataResponse>(&bytes, 12, Lengths::Varint, 1 << 20).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Malformed, "{error}");
    }

    /// Found by the fuzzer: the number of a tag is no length.
    #[test]
    fn a_tag_may_have_a_larger_number_than_there_are_bytes_behind_it() {
        let response =
            MetadataResponse::default().with_unknown_tagged_fields([(100, Bytes::from_static(b"x"))].into());
        let mut bytes = Vec::new();
        response.encode(&mut bytes, 12).unwrap();
        assert_eq!(
            decode_within::<MetadataResponse>(&bytes, 12, Lengths::Varint, 1 << 20).unwrap(),
            response
        );
    }

    #[test]
    fn many_small_elements_are_refused_by_what_they_take_in_memory() {
        let topics =
            vec![MetadataResponseTopic::default().with_name(Some(StrBytes::default().into())); 10_000];
        let response = MetadataResponse::default().with_topics(topics);
        for (version, lengths) in [(1, Lengths::MaybeInt32), (12, Lengths::Varint)] {
            let mut bytes = Vec::new();
            response.encode(&mut bytes, version).unwrap();
            let error = decode_within::<MetadataResponse>(&bytes, version, lengths, 1 << 20).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::TooLarge, "v{version}: {error}");
            assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
            let decoded = decode_within::<MetadataResponse>(&bytes, version, lengths, 100 << 20).unwrap();
            assert_eq!(decoded.topics.len(), 10_000);
        }
    }

    #[test]
    fn large_lists_large_bytes_and_large_integers_are_told_apart() {
        use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
        let records = |count: usize| Some(Bytes::from(vec![7; count]));
        // With 2 MiB, more than 273 elements are a large list.
        let partition = |index: i32| {
            PartitionProduceData::default().with_index(index).with_records(records(index as usize % 400))
        };
        let topic = |name: &'static str, from: i32| {
            TopicProduceData::default()
                .with_name(StrBytes::from_static_str(name).into())
                .with_partition_data((from..from + 300).map(partition).collect())
        };
        // The timeout and the partitions' indexes could be counts.
        let request = ProduceRequest::default().with_timeout_ms(20_000).with_topic_data(vec![
            topic("a", 0),
            topic("b", 200),
            topic("c", 5_000),
        ]);
        for (version, lengths) in [(3, Lengths::MaybeInt32), (8, Lengths::MaybeInt32), (9, Lengths::Varint)] {
            let mut bytes = Vec::new();
            request.encode(&mut bytes, version).unwrap();
            let decoded = decode_within::<ProduceRequest>(&bytes, version, lengths, 2 << 20).unwrap();
            assert_eq!(decoded, request, "v{version}");
        }
    }
}
