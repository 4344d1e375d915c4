//! A client of a few lines, and batches to send with it.

use std::future::Future;

use broker::{Broker, Builder, Pipe};
use bytes::{Bytes, BytesMut};
use protocol::wire::frame;
use protocol::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::wire::messages::fetch_response::PartitionData;
use protocol::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::wire::messages::produce_response::PartitionProduceResponse;
use protocol::wire::messages::{
    CreateTopicsRequest, FetchRequest, ProduceRequest, Request, StrBytes, TopicName,
};
use protocol::wire::records::{BatchBuilder, BufferPool, Codec, Compressor, ProducerStamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;

/// Runs a test on one thread with a clock that stands still while anything happens, and jumps when nothing does.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce(Builder) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test(Broker::builder().seed(1)));
}

/// A connection that sends one request at a time.
pub(crate) struct Client {
    pub(crate) stream: Pipe,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn new(broker: &Broker) -> Self {
        Self { stream: broker.connect(), correlation_id: 0 }
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: R) -> R::Response {
        self.send(version, &request).await;
        self.receive::<R>(version).await.expect("the broker answers")
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let client_id = StrBytes::from_static_str("test");
        let frame = frame::encode_request(request, version, self.correlation_id, Some(&client_id)).unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// `None` if the connection was closed.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let length = self.stream.read_i32().await.ok()?;
        let mut frame = BytesMut::zeroed(length as usize);
        self.stream.read_exact(&mut frame).await.ok()?;
        let (correlation_id, response) = frame::decode_response::<R>(frame.freeze(), version).unwrap();
        assert!(correlation_id <= self.correlation_id);
        Some(response)
    }

    pub(crate) async fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> i16 {
        let configs = configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        });
        let new = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        self.call(7, CreateTopicsRequest::default().with_topics(vec![new])).await.topics[0].error_code
    }

    /// Produces to partition 0.
    pub(crate) async fn produce(&mut self, name: &str, records: Bytes) -> PartitionProduceResponse {
        let response = self.call(9, produce_request(name, records)).await;
        response.responses[0].partition_responses[0].clone()
    }

    /// Fetches partition 0 without waiting.
    pub(crate) async fn fetch(&mut self, name: &str, offset: i64) -> PartitionData {
        let response = self.call(11, fetch_request(name, offset)).await;
        response.responses[0].partitions[0].clone()
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) fn produce_request(name: &str, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let data = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![data])
}

/// A request outside of any session for partition 0.
pub(crate) fn fetch_request(name: &str, offset: i64) -> FetchRequest {
    let wanted =
        FetchTopic::default().with_topic(topic(name)).with_partitions(vec![fetch_partition(0, offset)]);
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(i32::MAX)
        .with_session_epoch(-1)
        .with_topics(vec![wanted])
}

pub(crate) fn fetch_partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

/// A batch of as many records, each with a key and the value given.
pub(crate) fn batch(codec: Codec, count: usize, value: &[u8], stamp: ProducerStamp) -> Bytes {
    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 30);
    for i in 0..count {
        assert!(builder.append(1000 + i as i64, Some(b"key"), Some(value), &[]).unwrap());
    }
    builder.finish(stamp, &mut Compressor::new(codec, None, pool).unwrap()).unwrap()
}

pub(crate) fn plain(count: usize) -> Bytes {
    batch(Codec::None, count, b"value", ProducerStamp::NONE)
}
