//! Batches that were encoded elsewhere: queued as they came, still compressed. Their header gets this producer's stamp when they are
//! sent, with a checksum that is adjusted and not computed again, so that passing one on costs the same whatever its size.

use super::accumulator::Accumulator;
use super::queue::SealedBatch;
use super::record::AppendError;
use super::topic::TopicHandle;
use crate::wire::records::{
    BatchHeader, Codec, HEADER_BYTES, ProducerStamp, RecordBatch, TimestampType, stamped,
};

/// The offset that a producer gives its batches; the broker sets the right one.
const BASE_OFFSET: i64 = 0;
/// Nor does it know the epoch of the leader.
const LEADER_EPOCH: i32 = -1;

impl Accumulator {
    /// See [`Producer::can_append_batch`](super::Producer::can_append_batch).
    pub(super) fn can_append_batch(&self, batch: &RecordBatch) -> bool {
        let header = batch.header();
        let wanted = self.config.compression;
        batch.can_pass_through()
            // A broker takes no batch that claims to have been stamped by one, or to be cleaned.
            && header.timestamp_type() == TimestampType::Create
            && !header.has_delete_horizon()
            // Records without a time get that of sending.
            && header.max_timestamp >= 0
            && header.total_bytes() <= self.config.request_bytes_max.min(self.config.buffer_bytes)
            && batch.codec().is_ok_and(|codec| wanted == Codec::None || codec == wanted)
    }

    /// See [`Producer::append_batch`](super::Producer::append_batch).
    pub(super) fn append_batch(
        &self,
        topic: &TopicHandle,
        partition: i32,
        batch: &RecordBatch,
        token: u64,
    ) -> Result<(), AppendError> {
        self.check_takes_records()?;
        let partitions = topic.state.partitions.borrow();
        let Some(partition) = usize::try_from(partition).ok().and_then(|index| partitions.get(index)) else {
            return Err(AppendError::NoSuchPartition { partition, count: partitions.len() });
        };
        let mut state = partition.state.borrow_mut();
        self.check_is_not_ahead(partition, &state.queue, std::iter::empty())?;
        // What came before goes before.
        self.close_batch(topic, partition, &mut state).map_err(AppendError::Encode)?;
        let size = batch.bytes().len();
        let begun = self.begin_batch(partition, size, size)?;
        let old = BatchHeader { base_offset: BASE_OFFSET, leader_epoch: LEADER_EPOCH, ..*batch.header() };
        // Nothing of its former producer is left: a batch without a sequence is one that was never sent.
        let header = stamped(&old, ProducerStamp::NONE);
        state.queue.push(SealedBatch {
            id: begun.id,
            header,
            payload: batch.bytes().slice(HEADER_BYTES..),
            raw_bytes: size,
            tokens: vec![(token, header.record_count.unsigned_abs())],
            deadline: begun.deadline,
            charged_bytes: begun.charged_bytes,
            flush_generation: begun.flush_generation,
        });
        drop(state);
        self.mark_ready(partition);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Producer, ProducerConfig};
    use super::*;
    use crate::cluster::fake::{FakeCluster, Fault, run};
    use crate::wire::messages::ApiKey;
    use crate::wire::records::{
        BatchBuilder, BufferPool, Compressor, Decompressor, Header, RecordSet, patch_base_offset,
    };

    /// A batch as another producer has written it, at offset 7.
    fn batch(codec: Codec, values: &[&str], change: impl FnOnce(&mut BatchHeader)) -> RecordBatch {
        let pool = BufferPool::default();
        let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
        let headers = [Header { key: b"h", value: None }];
        for value in values {
            builder.append(1_000, None, Some(value.as_bytes()), &headers).unwrap();
        }
        let stamp =
            ProducerStamp { producer_id: 99, producer_epoch: 3, base_sequence: 500, is_transactional: true };
        let mut bytes =
            builder.finish(stamp, &mut Compressor::new(codec, None, pool).unwrap()).unwrap().to_vec();
        assert!(patch_base_offset(&mut bytes, 7));
        let mut header = *read(bytes.clone()).header();
        change(&mut header);
        bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        read(bytes)
    }

    fn read(bytes: Vec<u8>) -> RecordBatch {
        RecordSet::new(bytes.into()).next().unwrap().unwrap()
    }

    #[test]
    fn a_batch_goes_out_in_its_turn_under_our_name() {
        for codec in Codec::ALL {
            run(async {
                let fake = FakeCluster::start(1);
                fake.add_topic("t", &[1]);
                let config = ProducerConfig { linger_ms: 10_000, ..ProducerConfig::default() };
                let producer = Producer::new(fake.client(), config).unwrap();
                let topic = producer.topic("t").await.unwrap();
                let record = |value: &'static [u8]| super::super::ProduceRecord {
                    value: Some(value),
                    ..Default::default()
                };
                producer.append(&topic, Some(0), &record(b"before"), 1).unwrap();
                let whole = batch(codec, &["a", "b", "c"], |_| ());
                assert!(producer.can_append_batch(&whole));
                producer.append_batch(&topic, 0, &whole, 2).unwrap();
                producer.append(&topic, Some(0), &record(b"after"), 3).unwrap();
                producer.flush().await.unwrap();
                let mut done = Vec::new();
                producer.completions(&mut done).await;
                let told: Vec<_> = done
                    .iter()
                    .map(|it| (it.token, it.record_count, it.result.as_ref().unwrap().base_offset.unwrap()))
                    .collect();
                assert_eq!(told, [(1, 1, 0), (2, 3, 1), (3, 1, 4)]);
                assert_eq!(producer.buffered_bytes(), 0);

                let world = fake.world.borrow();
                let mut values = Vec::new();
                let mut sequences = Vec::new();
                for bytes in &world.logs[&("t".to_owned(), 0)].batches {
                    let batch = read(bytes.to_vec());
                    batch.check_crc().unwrap();
                    let header = batch.header();
                    assert!(header.producer_id != 99 && !header.is_transactional());
                    sequences.push(header.base_sequence);
                    let payload = batch.payload(&mut Decompressor::default()).unwrap();
                    let records = batch.records(&payload).map(|it| it.unwrap().value.unwrap().to_vec());
                    values.extend(records.map(|value| String::from_utf8(value).unwrap()));
                }
                assert_eq!(values, ["before", "a", "b", "c", "after"], "{codec}");
                assert_eq!(sequences, [0, 1, 4]);
            });
        }
    }

    #[test]
    fn no_more_waits_than_can_follow_what_is_under_way_until_something_fails() {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1]);
            fake.fail_next(ApiKey::Produce, Fault::Silence);
            let config = ProducerConfig { buffer_bytes: 1 << 30, ..ProducerConfig::default() };
            let producer = Producer::new(fake.client(), config).unwrap();
            let topic = producer.topic("t").await.unwrap();
            let large = "x".repeat(400 << 10);
            let passed: Vec<_> = (0..50).map(|n| batch(Codec::None, &[&large[n..]], |_| ())).collect();
            producer.append_batch(&topic, 0, &passed[0], 0).unwrap();
            while fake.count(ApiKey::Produce) == 0 {
                tokio::task::yield_now().await;
            }
            let mut taken = 1;
            while producer.append_batch(&topic, 0, &passed[taken], taken as u64).is_ok() {
                taken += 1;
            }
            assert_eq!(taken, 6, "one is under way, and five may be");
            // Its connection is given up.
            producer.ready().await;
            for (token, batch) in passed.iter().enumerate().skip(taken) {
                while producer.append_batch(&topic, 0, batch, token as u64).is_err() {
                    producer.ready().await;
                }
            }
            producer.flush().await.unwrap();
            let mut done = Vec::new();
            producer.completions(&mut done).await;
            let tokens: Vec<_> = done.iter().map(|it| it.token).collect();
            assert_eq!(tokens, (0..50).collect::<Vec<u64>>());
            assert_eq!(fake.world.borrow().logs[&("t".to_owned(), 0)].batches.len(), 50);
        });
    }

    #[test]
    fn what_a_broker_would_refuse_cannot_be_appended() {
        run(async {
            let fake = FakeCluster::start(1);
            let producer = |change: fn(&mut ProducerConfig)| {
                let mut config = ProducerConfig::default();
                change(&mut config);
                Producer::new(fake.client(), config).unwrap()
            };
            let default = producer(|_| ());
            let takes = |change: fn(&mut BatchHeader)| {
                default.can_append_batch(&batch(Codec::None, &["a", "b"], change))
            };
            assert!(takes(|_| ()));
            assert!(!takes(|header| header.last_offset_delta += 1), "compacted");
            assert!(!takes(|header| header.attributes |= 0x20), "control");
            assert!(!takes(|header| header.attributes |= 0x08), "the broker's time");
            assert!(!takes(|header| header.attributes |= 0x40), "a delete horizon");
            assert!(!takes(|header| header.max_timestamp = -1), "no time");
            let lz4 = batch(Codec::Lz4, &["a"], |_| ());
            assert!(default.can_append_batch(&lz4));
            assert!(!producer(|config| config.compression = Codec::Zstd).can_append_batch(&lz4));
            assert!(producer(|config| config.compression = Codec::Lz4).can_append_batch(&lz4));
            assert!(!producer(|config| config.request_bytes_max = 80).can_append_batch(&lz4));
        });
    }
}
