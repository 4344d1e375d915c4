//! The produce request as pieces: what frames the batches is encoded here, the batches themselves are sent from where they lie.
//!
//! The generic encoder would copy every batch into the frame, which at 256 KB per batch costs as much as building it.
//! A test holds this encoder to the generic one, byte for byte, in every version that we speak.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use crate::wire::frame::LENGTH_PREFIX_BYTES;
use crate::wire::records::HEADER_BYTES;
use crate::{Error, Result};

/// From this version on lengths are varints and structures end with tagged fields.
const FLEXIBLE_VERSION: i16 = 9;

/// One batch of one partition.
#[derive(Debug, Clone)]
pub(super) struct PartitionBatch {
    pub(super) partition: i32,
    /// The batch header with the producer's stamp.
    pub(super) header: [u8; HEADER_BYTES],
    /// The batch from [`HEADER_BYTES`] on.
    pub(super) payload: Bytes,
}

/// All batches for one topic in one request.
#[derive(Debug, Clone)]
pub(super) struct TopicBatches {
    pub(super) name: StrBytes,
    pub(super) partitions: Vec<PartitionBatch>,
}

/// What stands before the batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProduceHead<'a> {
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: &'a StrBytes,
    pub(super) transactional_id: Option<&'a str>,
    pub(super) acks: i16,
    pub(super) timeout_ms: i32,
}

/// Appends the frame to `pieces`, length prefix included.
pub(super) fn encode(
    head: ProduceHead<'_>,
    topics: &[TopicBatches],
    pieces: &mut VecDeque<Bytes>,
) -> Result<()> {
    let is_flexible = head.version >= FLEXIBLE_VERSION;
    let batch_count: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
    let mut framing = Framing {
        bytes: BytesMut::with_capacity(128 + topics.len() * 64 + batch_count * (HEADER_BYTES + 16)),
        is_flexible,
    };
    // Where each payload goes into the framing bytes.
    let mut cuts = Vec::with_capacity(batch_count);
    framing.bytes.put_i32(0);
    framing.bytes.put_i16(ApiKey::Produce as i16);
    framing.bytes.put_i16(head.version);
    framing.bytes.put_i32(head.correlation_id);
    // The client id keeps its two-byte length in flexible headers too.
    framing.bytes.put_i16(head.client_id.len() as i16);
    framing.bytes.put_slice(head.client_id.as_bytes());
    framing.end_struct();
    framing.nullable_string(head.transactional_id);
    framing.bytes.put_i16(head.acks);
    framing.bytes.put_i32(head.timeout_ms);
    framing.array(topics.len());
    for topic in topics {
        framing.string(topic.name.as_str());
        framing.array(topic.partitions.len());
        for batch in &topic.partitions {
            framing.bytes.put_i32(batch.partition);
            framing.bytes_length(HEADER_BYTES + batch.payload.len());
            framing.bytes.put_slice(&batch.header);
            cuts.push(framing.bytes.len());
            framing.end_struct();
        }
        framing.end_struct();
    }
    framing.end_struct();
    let payload_bytes: usize =
        topics.iter().flat_map(|topic| &topic.partitions).map(|batch| batch.payload.len()).sum();
    let length = framing.bytes.len() - LENGTH_PREFIX_BYTES + payload_bytes;
    let Ok(length) = i32::try_from(length) else {
        return Err(Error::too_large(
            "encode produce request",
            length,
            i32::MAX as usize,
            "frame length of the protocol",
        ));
    };
    framing.bytes[..LENGTH_PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    let framing = framing.bytes.freeze();
    let mut start = 0;
    for (batch, cut) in topics.iter().flat_map(|topic| &topic.partitions).zip(cuts) {
        pieces.push_back(framing.slice(start..cut));
        pieces.push_back(batch.payload.clone());
        start = cut;
    }
    pieces.push_back(framing.slice(start..));
    // An empty piece would make a vectored write look as if nothing could be written.
    pieces.retain(|piece| !piece.is_empty());
    Ok(())
}

struct Framing {
    bytes: BytesMut,
    is_flexible: bool,
}

impl Framing {
    fn array(&mut self, count: usize) {
        if self.is_flexible {
            self.varint(count as u32 + 1);
        } else {
            self.bytes.put_i32(count as i32);
        }
    }

    fn bytes_length(&mut self, length: usize) {
        self.array(length);
    }

    fn nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.null_string(),
        }
    }

    fn string(&mut self, text: &str) {
        if self.is_flexible {
            self.varint(text.len() as u32 + 1);
        } else {
            self.bytes.put_i16(text.len() as i16);
        }
        self.bytes.put_slice(text.as_bytes());
    }

    fn null_string(&mut self) {
        if self.is_flexible {
            self.varint(0);
        } else {
            self.bytes.put_i16(-1);
        }
    }

    fn end_struct(&mut self) {
        if self.is_flexible {
            self.varint(0);
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{ProduceRequest, TopicName};

    use super::*;
    use crate::client::producer::IMPLICIT_ADD_VERSION;
    use crate::wire::frame;
    use crate::wire::versions::supported;

    fn topic(name: &str, payload_lengths: &[usize]) -> TopicBatches {
        let partitions = payload_lengths
            .iter()
            .enumerate()
            .map(|(partition, length)| PartitionBatch {
                partition: partition as i32,
                header: [partition as u8; HEADER_BYTES],
                payload: Bytes::from(vec![7; *length]),
            })
            .collect();
        TopicBatches { name: StrBytes::from_string(name.to_owned()), partitions }
    }

    #[test]
    fn agrees_with_the_generic_encoder_in_every_version() {
        let topics = [topic("first", &[0, 1, 70, 300, 20_000]), topic(&"x".repeat(200), &[5])];
        let client_id = StrBytes::from_static_str("client");
        let transactional_id = StrBytes::from_static_str("id");
        let versions = supported(ApiKey::Produce as i16).unwrap();
        for version in versions.min..=IMPLICIT_ADD_VERSION {
            let topic_data = topics
                .iter()
                .map(|topic| {
                    let partitions = topic
                        .partitions
                        .iter()
                        .map(|batch| {
                            let records = [&batch.header[..], &batch.payload[..]].concat();
                            PartitionProduceData::default()
                                .with_index(batch.partition)
                                .with_records(Some(records.into()))
                        })
                        .collect();
                    TopicProduceData::default()
                        .with_name(TopicName(topic.name.clone()))
                        .with_partition_data(partitions)
                })
                .collect();
            let request = ProduceRequest::default()
                .with_transactional_id((version % 2 == 0).then(|| transactional_id.clone().into()))
                .with_acks(-1)
                .with_timeout_ms(1_234)
                .with_topic_data(topic_data);
            let expected = frame::encode_request(&request, version, 77, Some(&client_id)).unwrap();

            let head = ProduceHead {
                version,
                correlation_id: 77,
                client_id: &client_id,
                transactional_id: (version % 2 == 0).then_some("id"),
                acks: -1,
                timeout_ms: 1_234,
            };
            let mut pieces = VecDeque::new();
            encode(head, &topics, &mut pieces).unwrap();
            assert_eq!(Vec::from(pieces).concat(), expected, "v{version}");
        }
    }
}
