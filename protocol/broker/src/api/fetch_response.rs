//! The fetch response, encoded by hand: `kafka-protocol` would copy the records, and they are nearly all of it.
//!
//! Everything but large record slices goes into one buffer; the slices are sent from where they are stored.

use bytes::{BufMut, Bytes, BytesMut};
use protocol::ErrorCode;

use crate::cluster::{Node, TopicRef};
use crate::log::AbortedTransaction;

/// Slices below this are copied: gathering them costs the kernel more than the copy.
const COPIED_BYTES_MAX: usize = 2048;

/// What a fetch found.
#[derive(Debug, Default)]
pub(super) struct FetchAnswer {
    pub(super) session_id: i32,
    pub(super) partitions: Vec<PartitionAnswer>,
    pub(super) record_bytes: usize,
    /// Something is in it that the client should know at once.
    pub(super) has_error: bool,
    /// `read_committed` clients get a list of aborted transactions, if only an empty one.
    pub(super) is_committed_only: bool,
}

/// What a fetch found in one partition.
#[derive(Debug)]
pub(super) struct PartitionAnswer {
    pub(super) topic: TopicRef,
    pub(super) index: i32,
    pub(super) code: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) stable_offset: i64,
    pub(super) log_start_offset: i64,
    pub(super) diverging: Option<DivergingEpoch>,
    pub(super) leader: Option<Leader>,
    /// Empty unless the client reads committed records only.
    pub(super) aborted: Vec<AbortedTransaction>,
    pub(super) records: Vec<Bytes>,
    pub(super) record_bytes: usize,
}

/// Where the client's log and ours part (KIP-595).
#[derive(Debug)]
pub(super) struct DivergingEpoch {
    pub(super) epoch: i32,
    pub(super) end_offset: i64,
}

/// Who leads a partition now (KIP-951).
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) id: i32,
    pub(super) epoch: i32,
}

impl PartitionAnswer {
    pub(super) fn new(topic: TopicRef, index: i32) -> Self {
        Self {
            topic,
            index,
            code: ErrorCode::NONE,
            high_watermark: -1,
            stable_offset: -1,
            log_start_offset: -1,
            diverging: None,
            leader: None,
            aborted: Vec::new(),
            records: Vec::new(),
            record_bytes: 0,
        }
    }
}

impl FetchAnswer {
    /// The whole frame in pieces, the length prefix in the first.
    pub(super) fn encode(&self, version: i16, correlation_id: i32, nodes: &[&Node]) -> Vec<Bytes> {
        let mut out = Pieces::new();
        let is_flexible = version >= 12;
        out.head.put_i32(0);
        out.head.put_i32(correlation_id);
        if is_flexible {
            out.head.put_u8(0);
        }
        // Throttle time.
        out.head.put_i32(0);
        if version >= 7 {
            out.head.put_i16(ErrorCode::NONE.0);
            out.head.put_i32(self.session_id);
        }
        let topics: Vec<&[PartitionAnswer]> = self.partitions.chunk_by(|a, b| a.topic == b.topic).collect();
        out.put_count(topics.len(), is_flexible);
        for partitions in topics {
            out.put_topic(&partitions[0].topic, is_flexible);
            out.put_count(partitions.len(), is_flexible);
            for partition in partitions {
                self.put_partition(partition, version, &mut out);
            }
            if is_flexible {
                out.head.put_u8(0);
            }
        }
        let names_leader = self.partitions.iter().any(|partition| partition.leader.is_some());
        if version >= 16 && names_leader {
            out.put_node_endpoints(nodes);
        } else if is_flexible {
            out.head.put_u8(0);
        }
        out.finish()
    }

    fn put_partition(&self, partition: &PartitionAnswer, version: i16, out: &mut Pieces) {
        let is_flexible = version >= 12;
        out.head.put_i32(partition.index);
        out.head.put_i16(partition.code.0);
        out.head.put_i64(partition.high_watermark);
        out.head.put_i64(partition.stable_offset);
        if version >= 5 {
            out.head.put_i64(partition.log_start_offset);
        }
        match (self.is_committed_only, is_flexible) {
            (true, _) => out.put_aborted(&partition.aborted, is_flexible),
            (false, true) => out.head.put_u8(0),
            (false, false) => out.head.put_i32(-1),
        }
        if version >= 11 {
            // No preferred read replica.
            out.head.put_i32(-1);
        }
        out.put_count(partition.record_bytes, is_flexible);
        for slice in &partition.records {
            out.put_slice(slice);
        }
        if is_flexible {
            out.put_partition_tags(partition);
        }
    }
}

/// One growing buffer, and the foreign slices that belong between its parts.
struct Pieces {
    head: BytesMut,
    cuts: Vec<(usize, Bytes)>,
    cut_bytes: usize,
}

impl Pieces {
    fn new() -> Self {
        Self { head: BytesMut::with_capacity(256), cuts: Vec::new(), cut_bytes: 0 }
    }

    /// A length or count: as it is, or one more as a varint in compact form.
    fn put_count(&mut self, count: usize, is_compact: bool) {
        if is_compact {
            self.put_varint(count as u32 + 1);
        } else {
            self.head.put_i32(count as i32);
        }
    }

    fn put_aborted(&mut self, aborted: &[AbortedTransaction], is_flexible: bool) {
        self.put_count(aborted.len(), is_flexible);
        for transaction in aborted {
            self.head.put_i64(transaction.producer_id);
            self.head.put_i64(transaction.first_offset);
            if is_flexible {
                self.head.put_u8(0);
            }
        }
    }

    fn put_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.head.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.head.put_u8(value as u8);
    }

    fn put_topic(&mut self, topic: &TopicRef, is_flexible: bool) {
        match topic {
            TopicRef::Id(id) => self.head.put_slice(id.as_bytes()),
            TopicRef::Name(name) => {
                if is_flexible {
                    self.put_varint(name.len() as u32 + 1);
                } else {
                    self.head.put_i16(name.len() as i16);
                }
                self.head.put_slice(name.as_bytes());
            }
        }
    }

    fn put_partition_tags(&mut self, partition: &PartitionAnswer) {
        let count = usize::from(partition.diverging.is_some()) + usize::from(partition.leader.is_some());
        self.put_varint(count as u32);
        if let Some(diverging) = &partition.diverging {
            // Tag 0 of 4 + 8 bytes and an empty tag list.
            self.head.put_slice(&[0, 13]);
            self.head.put_i32(diverging.epoch);
            self.head.put_i64(diverging.end_offset);
            self.head.put_u8(0);
        }
        if let Some(leader) = &partition.leader {
            // Tag 1 of 4 + 4 bytes and an empty tag list.
            self.head.put_slice(&[1, 9]);
            self.head.put_i32(leader.id);
            self.head.put_i32(leader.epoch);
            self.head.put_u8(0);
        }
    }

    fn put_node_endpoints(&mut self, nodes: &[&Node]) {
        let mut body = Self::new();
        body.put_count(nodes.len(), true);
        for node in nodes {
            body.head.put_i32(node.id);
            body.put_varint(node.host.len() as u32 + 1);
            body.head.put_slice(node.host.as_bytes());
            body.head.put_i32(i32::from(node.port));
            // No rack, no tags.
            body.head.put_slice(&[0, 0]);
        }
        // One tag: number 0, its size, its content.
        self.head.put_slice(&[1, 0]);
        self.put_varint(body.head.len() as u32);
        self.head.put_slice(&body.head);
    }

    fn put_slice(&mut self, slice: &Bytes) {
        if slice.len() <= COPIED_BYTES_MAX {
            self.head.put_slice(slice);
        } else {
            self.cut_bytes += slice.len();
            self.cuts.push((self.head.len(), slice.clone()));
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        let length = (self.head.len() + self.cut_bytes - 4) as u32;
        self.head[..4].copy_from_slice(&length.to_be_bytes());
        let mut pieces = Vec::with_capacity(self.cuts.len() * 2 + 1);
        let mut taken = 0;
        for (at, slice) in self.cuts {
            pieces.push(self.head.split_to(at - taken).freeze());
            pieces.push(slice);
            taken = at;
        }
        pieces.push(self.head.freeze());
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use protocol::wire::frame;
    use protocol::wire::messages::{FetchRequest, FetchResponse, StrBytes, TopicName};

    use super::*;

    fn decode(answer: &FetchAnswer, version: i16) -> FetchResponse {
        let node = Node { id: 7, host: "example.org".to_owned(), port: 9092, is_running: true };
        let pieces = answer.encode(version, 99, &[&node]);
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        let frame = Bytes::from(pieces.concat());
        assert_eq!(frame[..4], ((frame.len() - 4) as u32).to_be_bytes());
        let (correlation_id, response) =
            frame::decode_response::<FetchRequest>(frame.slice(4..), version).unwrap();
        assert_eq!(correlation_id, 99);
        response
    }

    fn topic(version: i16) -> TopicRef {
        if version >= 13 {
            TopicRef::Id(uuid::Uuid::from_u128(5))
        } else {
            TopicRef::Name(TopicName(StrBytes::from_static_str("topic")))
        }
    }

    #[test]
    fn every_version_decodes_to_what_was_meant() {
        for version in 4..=18 {
            for is_committed_only in [false, true] {
                let large = Bytes::from(vec![1; COPIED_BYTES_MAX + 1]);
                let small = Bytes::from_static(b"small");
                let mut first = PartitionAnswer::new(topic(version), 3);
                first.record_bytes = 2 * large.len() + small.len();
                first.records = vec![large.clone(), small.clone(), large.clone()];
                (first.high_watermark, first.log_start_offset, first.stable_offset) = (100, 10, 90);
                if is_committed_only {
                    first.aborted = vec![AbortedTransaction { producer_id: 5, first_offset: 77 }];
                }
                let mut second = PartitionAnswer::new(topic(version), 4);
                second.code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
                second.leader = Some(Leader { id: 7, epoch: 8 });
                second.diverging = Some(DivergingEpoch { epoch: 2, end_offset: 55 });
                let answer = FetchAnswer {
                    session_id: 42,
                    partitions: vec![first, second],
                    is_committed_only,
                    ..FetchAnswer::default()
                };
                let response = decode(&answer, version);
                assert_eq!(response.session_id, if version >= 7 { 42 } else { 0 });
                assert_eq!(response.responses.len(), 1);
                let [first, second] = response.responses[0].partitions.as_slice() else {
                    panic!("two partitions")
                };
                assert_eq!(first.records.as_ref().unwrap(), &[&large[..], &small[..], &large[..]].concat());
                assert_eq!(
                    (first.partition_index, first.high_watermark, first.last_stable_offset),
                    (3, 100, 90)
                );
                assert_eq!(first.log_start_offset, if version >= 5 { 10 } else { -1 });
                let aborted = first.aborted_transactions.as_ref().map(|listed| {
                    listed
                        .iter()
                        .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
                        .collect::<Vec<_>>()
                });
                assert_eq!(aborted, is_committed_only.then(|| vec![(5, 77)]));
                assert_eq!((second.error_code, second.records.as_ref().unwrap().len()), (6, 0));
                if version >= 12 {
                    assert_eq!(
                        (second.current_leader.leader_id.0, second.current_leader.leader_epoch),
                        (7, 8)
                    );
                    assert_eq!((second.diverging_epoch.epoch, second.diverging_epoch.end_offset), (2, 55));
                }
                if version >= 16 {
                    let [node] = response.node_endpoints.as_slice() else { panic!("one node") };
                    assert_eq!((node.node_id.0, node.host.as_str(), node.port), (7, "example.org", 9092));
                }
            }
        }
    }

    #[test]
    fn an_answer_without_news_is_empty() {
        for version in 4..=18 {
            assert_eq!(decode(&FetchAnswer::default(), version).responses, []);
        }
    }
}
