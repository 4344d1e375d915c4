//! Transactions: what is visible when, who is fenced, what a group sees, and what happens while a transaction ends.

use std::time::Duration;

use broker::{Broker, Fault};
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use protocol::wire::messages::fetch_response::PartitionData;
use protocol::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use protocol::wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, ApiVersionsRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, ListOffsetsRequest, ListTransactionsRequest, OffsetFetchRequest, TransactionalId,
    TxnOffsetCommitRequest, WriteTxnMarkersRequest, describe_producers_request,
};
use protocol::wire::records::{BufferPool, Codec, ControlType, Decompressor, ProducerStamp, RecordSet};

use crate::support::{Client, batch, fetch_request, plain, produce_request, run, text, topic};

const TIMEOUT_MS: i32 = 30_000;

/// A transactional producer of a few lines, of the versions before KIP-890.
struct Producer {
    client: Client,
    id: TransactionalId,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
}

impl Producer {
    async fn new(broker: &Broker, id: &str) -> Self {
        let client = Client::new(broker);
        let mut producer =
            Self { client, id: TransactionalId(text(id)), producer_id: -1, epoch: -1, sequence: 0 };
        assert_eq!(producer.init().await, 0);
        producer
    }

    async fn init(&mut self) -> i16 {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id.clone()))
            .with_transaction_timeout_ms(TIMEOUT_MS)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let response = self.client.call(4, request).await;
        if response.error_code == 0 {
            (self.producer_id, self.epoch) = (response.producer_id.0, response.producer_epoch);
            self.sequence = 0;
        }
        response.error_code
    }

    async fn add(&mut self, names: &[&str]) -> Vec<i16> {
        let topics = names
            .iter()
            .map(|name| AddPartitionsToTxnTopic::default().with_name(topic(name)).with_partitions(vec![0]));
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone())
            .with_v3_and_below_producer_id(self.producer_id.into())
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(topics.collect());
        let response = self.client.call(3, request).await;
        let topics = response.results_by_topic_v3_and_below.iter();
        topics.map(|topic| topic.results_by_partition[0].partition_error_code).collect()
    }

    fn records(&mut self, count: usize) -> Bytes {
        let stamp = ProducerStamp {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: self.sequence,
            is_transactional: true,
        };
        self.sequence += count as i32;
        batch(Codec::None, count, b"in a transaction", stamp)
    }

    async fn produce(&mut self, version: i16, name: &str, count: usize) -> i16 {
        let records = self.records(count);
        let request = produce_request(name, records).with_transactional_id(Some(self.id.clone()));
        let response = self.client.call(version, request).await;
        response.responses[0].partition_responses[0].error_code
    }

    /// Adds the partition and writes to it.
    async fn write(&mut self, name: &str, count: usize) {
        assert_eq!(self.add(&[name]).await, [0]);
        assert_eq!(self.produce(9, name, count).await, 0);
    }

    async fn end(&mut self, version: i16, is_commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_committed(is_commit);
        let response = self.client.call(version, request).await;
        if version >= 5 && response.error_code == 0 {
            (self.producer_id, self.epoch) = (response.producer_id.0, response.producer_epoch);
            self.sequence = 0;
        }
        response.error_code
    }

    async fn add_offsets(&mut self, group: &str) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_group_id(GroupId(text(group)));
        self.client.call(3, request).await.error_code
    }

    async fn commit_offset(&mut self, version: i16, group: &str, generation: i32, offset: i64) -> i16 {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let wanted =
            TxnOffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone())
            .with_group_id(GroupId(text(group)))
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_generation_id(generation)
            .with_topics(vec![wanted]);
        self.client.call(version, request).await.topics[0].partitions[0].error_code
    }
}

fn committed(name: &str, offset: i64) -> FetchRequest {
    fetch_request(name, offset).with_isolation_level(1)
}

async fn fetch_committed(client: &mut Client, name: &str, offset: i64) -> PartitionData {
    client.call(11, committed(name, offset)).await.responses[0].partitions[0].clone()
}

/// The records that a `read_committed` consumer hands out, and the markers that it saw.
fn visible(fetched: &PartitionData) -> (Vec<i64>, Vec<ControlType>) {
    let mut aborted: Vec<(i64, i64)> = fetched
        .aborted_transactions
        .iter()
        .flatten()
        .map(|aborted| (aborted.first_offset, aborted.producer_id.0))
        .collect();
    aborted.sort_unstable();
    let mut skipped = Vec::new();
    let (mut offsets, mut markers) = (Vec::new(), Vec::new());
    let mut decompressor = Decompressor::new(BufferPool::default(), 1 << 20);
    for batch in RecordSet::new(fetched.records.clone().unwrap()).map(Result::unwrap) {
        batch.check_crc().unwrap();
        let header = *batch.header();
        while let Some((first, producer_id)) = aborted.first().copied()
            && first <= header.last_offset()
        {
            aborted.remove(0);
            skipped.push(producer_id);
        }
        let payload = batch.payload(&mut decompressor).unwrap();
        for record in batch.records(&payload).map(Result::unwrap) {
            if header.is_control() {
                let control = ControlType::from_key(record.key.unwrap()).unwrap();
                if control == ControlType::Abort {
                    skipped.retain(|id| *id != header.producer_id);
                }
                markers.push(control);
            } else if !header.is_transactional() || !skipped.contains(&header.producer_id) {
                offsets.push(header.base_offset + i64::from(record.offset_delta));
            }
        }
    }
    (offsets, markers)
}

/// What `OffsetFetch` says of partition 0: code and offset.
async fn committed_offset(client: &mut Client, group: &str, require_stable: bool) -> (i16, i64) {
    let wanted = OffsetFetchRequestTopics::default().with_name(topic("t")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![wanted]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(require_stable);
    let response = client.call(8, request).await;
    let partition = &response.groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}

async fn latest(client: &mut Client, isolation_level: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
    let wanted = ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_isolation_level(isolation_level).with_topics(vec![wanted]);
    client.call(7, request).await.topics[0].partitions[0].offset
}

#[test]
fn committed_readers_stop_at_the_first_open_transaction() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.produce("t", plain(2)).await;
        let mut first = Producer::new(&broker, "first").await;
        let mut second = Producer::new(&broker, "second").await;
        first.write("t", 3).await;
        second.write("t", 1).await;
        client.produce("t", plain(1)).await;

        let fetched = fetch_committed(&mut client, "t", 0).await;
        assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (7, 2));
        assert_eq!(visible(&fetched), (vec![0, 1], vec![]));
        assert_eq!(client.fetch("t", 0).await.last_stable_offset, 2);
        assert_eq!((latest(&mut client, 1).await, latest(&mut client, 0).await), (2, 7));

        assert_eq!(second.end(3, true).await, 0);
        assert_eq!(fetch_committed(&mut client, "t", 0).await.last_stable_offset, 2, "the first is open");
        assert_eq!(first.end(3, false).await, 0);
        let fetched = fetch_committed(&mut client, "t", 0).await;
        assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (9, 9));
        assert_eq!(visible(&fetched), (vec![0, 1, 5, 6], vec![ControlType::Commit, ControlType::Abort]));
        let tail = fetch_committed(&mut client, "t", 8).await;
        assert_eq!(tail.aborted_transactions.map(|aborted| aborted.len()), Some(1), "its marker is at 8");
        let uncommitted = client.fetch("t", 0).await;
        assert_eq!(uncommitted.aborted_transactions, None);
        assert_eq!(latest(&mut client, 1).await, 9);
    });
}

#[test]
fn a_waiting_committed_reader_is_woken_by_the_marker_only() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut producer = Producer::new(&broker, "p").await;
        let mut reader = Client::new(&broker);
        let request = committed("t", 0).with_max_wait_ms(60_000).with_min_bytes(1);
        let started = tokio::time::Instant::now();
        reader.send(11, &request).await;
        producer.write("t", 3).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(producer.end(3, true).await, 0);
        let response = reader.receive::<FetchRequest>(11).await.unwrap();
        assert_eq!(visible(&response.responses[0].partitions[0]).0, [0, 1, 2]);
        let waited = started.elapsed();
        assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(20), "{waited:?}");
    });
}

#[test]
fn a_successor_fences_its_predecessor() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut old = Producer::new(&broker, "p").await;
        old.write("t", 2).await;
        let mut new = Producer {
            client: Client::new(&broker),
            id: old.id.clone(),
            producer_id: -1,
            epoch: -1,
            sequence: 0,
        };
        assert_eq!(new.init().await, ErrorCode::CONCURRENT_TRANSACTIONS.0, "it is aborted first");
        assert_eq!(new.init().await, 0);
        assert_eq!((new.producer_id, new.epoch), (old.producer_id, 2));
        let fetched = fetch_committed(&mut client, "t", 0).await;
        assert_eq!(visible(&fetched), (vec![], vec![ControlType::Abort]));

        assert_eq!(old.produce(9, "t", 1).await, ErrorCode::INVALID_PRODUCER_EPOCH.0);
        assert_eq!(old.add(&["t"]).await, [ErrorCode::PRODUCER_FENCED.0]);
        assert_eq!(old.end(3, true).await, ErrorCode::PRODUCER_FENCED.0);
        assert_eq!(old.end(1, true).await, ErrorCode::INVALID_PRODUCER_EPOCH.0, "before KIP-588");
        assert_eq!(old.add_offsets("g").await, ErrorCode::PRODUCER_FENCED.0);
        assert_eq!(old.commit_offset(3, "g", -1, 1).await, ErrorCode::INVALID_PRODUCER_EPOCH.0);
        new.write("t", 1).await;
        assert_eq!(new.end(3, true).await, 0);
        assert_eq!(visible(&fetch_committed(&mut client, "t", 0).await).0, [3]);
    });
}

#[test]
fn a_transaction_times_out() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut producer = Producer::new(&broker, "p").await;
        producer.write("t", 2).await;
        let request = committed("t", 0).with_max_wait_ms(2 * TIMEOUT_MS).with_min_bytes(1);
        let started = tokio::time::Instant::now();
        let response = client.call(11, request).await;
        let fetched = &response.responses[0].partitions[0];
        assert_eq!(visible(fetched), (vec![], vec![ControlType::Abort]));
        assert_eq!(started.elapsed().as_secs(), TIMEOUT_MS as u64 / 1000);
        assert_eq!(producer.produce(9, "t", 1).await, ErrorCode::INVALID_PRODUCER_EPOCH.0);
        assert_eq!(producer.end(3, true).await, ErrorCode::PRODUCER_FENCED.0);
        assert_eq!(producer.init().await, 0);
        producer.write("t", 1).await;
    });
}

#[test]
fn partitions_have_to_be_added_before_they_are_written_to() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut producer = Producer::new(&broker, "p").await;
        let missing = [ErrorCode::OPERATION_NOT_ATTEMPTED.0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0];
        assert_eq!(producer.add(&["t", "none"]).await, missing);
        assert_eq!(producer.produce(9, "t", 1).await, ErrorCode::INVALID_TXN_STATE.0);
        producer.sequence = 0;
        assert_eq!(producer.produce(11, "t", 1).await, ErrorCode::TRANSACTION_ABORTABLE.0);
        producer.sequence = 0;
        producer.write("t", 1).await;
        let outside = ProducerStamp {
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            base_sequence: 1,
            is_transactional: false,
        };
        let refused = client.produce("t", batch(Codec::None, 1, b"", outside)).await;
        assert_eq!(refused.error_code, ErrorCode::INVALID_TXN_STATE.0, "outside of the open transaction");
        assert_eq!(producer.end(3, true).await, 0);
        assert_eq!(producer.end(3, false).await, ErrorCode::INVALID_TXN_STATE.0);
        assert_eq!(producer.end(3, true).await, 0, "asked again");
        let records = producer.records(1);
        let nameless = client.produce("t", records).await;
        assert_eq!(nameless.error_code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.0);
    });
}

#[test]
fn kip_890_adds_partitions_by_itself_and_changes_the_epoch_with_each_transaction() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("a"))
            .with_client_software_version(text("1"));
        let features = client.call(4, request).await.finalized_features;
        assert_eq!((features[0].name.as_str(), features[0].max_version_level), ("transaction.version", 2));

        let mut producer = Producer::new(&broker, "p").await;
        for epoch in 0..3 {
            assert_eq!(producer.epoch, epoch);
            assert_eq!(producer.produce(12, "t", 2).await, 0);
            assert_eq!(producer.commit_offset(5, "g", -1, i64::from(epoch)).await, 0);
            assert_eq!(producer.end(5, epoch != 1).await, 0);
        }
        assert_eq!(visible(&fetch_committed(&mut client, "t", 0).await).0, [0, 1, 6, 7]);
        assert_eq!(committed_offset(&mut client, "g", true).await, (0, 2));
        let epoch = std::mem::replace(&mut producer.epoch, 1);
        assert_eq!(producer.produce(12, "t", 1).await, ErrorCode::INVALID_PRODUCER_EPOCH.0);
        assert_eq!(producer.end(5, true).await, ErrorCode::PRODUCER_FENCED.0);
        producer.epoch = epoch;
        assert_eq!(producer.end(5, false).await, 0, "nothing was written, and the epoch is new all the same");
        assert_eq!(producer.epoch, 4);
    });
}

#[test]
fn offsets_count_once_their_transaction_is_committed() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut producer = Producer::new(&broker, "p").await;
        assert_eq!(producer.commit_offset(3, "g", -1, 5).await, ErrorCode::INVALID_TXN_STATE.0, "not added");
        assert_eq!(producer.commit_offset(4, "g", -1, 5).await, ErrorCode::TRANSACTION_ABORTABLE.0);
        assert_eq!(producer.add_offsets("g").await, 0);
        assert_eq!(producer.commit_offset(3, "g", 7, 5).await, ErrorCode::UNKNOWN_MEMBER_ID.0, "KIP-447");
        assert_eq!(producer.commit_offset(3, "new", 7, 5).await, ErrorCode::ILLEGAL_GENERATION.0);
        assert_eq!(producer.commit_offset(3, "g", -1, 5).await, 0);
        assert_eq!(committed_offset(&mut client, "g", false).await, (0, -1));
        let unstable = (ErrorCode::UNSTABLE_OFFSET_COMMIT.0, -1);
        assert_eq!(committed_offset(&mut client, "g", true).await, unstable);
        assert_eq!(producer.end(3, true).await, 0);
        assert_eq!(committed_offset(&mut client, "g", true).await, (0, 5));

        assert_eq!(producer.add_offsets("g").await, 0);
        assert_eq!(producer.commit_offset(3, "g", -1, 9).await, 0);
        assert_eq!(producer.end(3, false).await, 0);
        assert_eq!(committed_offset(&mut client, "g", true).await, (0, 5));
    });
}

#[test]
fn requests_are_put_off_while_a_transaction_ends() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut producer = Producer::new(&broker, "p").await;
        producer.write("t", 1).await;
        broker.faults().once(ApiKey::WriteTxnMarkers, Fault::Delay(Duration::from_secs(5)));
        assert_eq!(producer.end(3, true).await, 0, "it is decided");
        let busy = ErrorCode::CONCURRENT_TRANSACTIONS.0;
        assert_eq!(producer.add(&["t"]).await, [busy]);
        assert_eq!(producer.end(3, true).await, busy);
        assert_eq!(producer.init().await, busy);
        assert_eq!(fetch_committed(&mut client, "t", 0).await.last_stable_offset, 0);
        let request = committed("t", 0).with_max_wait_ms(TIMEOUT_MS).with_min_bytes(1);
        let response = client.call(11, request).await;
        assert_eq!(visible(&response.responses[0].partitions[0]), (vec![0], vec![ControlType::Commit]));
        producer.write("t", 1).await;
    });
}

#[test]
fn a_full_memory_delays_the_marker() {
    run(|builder| async move {
        let broker = builder.memory_bytes_max(50_000).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut producer = Producer::new(&broker, "p").await;
        assert_eq!(producer.add(&["t"]).await, [0]);
        // The first records of a log take a block of memory, and so will the marker.
        let mut filled = 0;
        loop {
            let name = format!("full-{filled}");
            client.create_topic(&name, 1, &[]).await;
            if client.produce(&name, plain(1)).await.error_code != 0 {
                break;
            }
            filled += 1;
        }
        assert!(filled > 5, "{filled}");
        assert_eq!(producer.end(3, true).await, 0);
        assert_eq!(producer.add(&["t"]).await, [ErrorCode::CONCURRENT_TRANSACTIONS.0]);
        let delete =
            protocol::wire::messages::DeleteTopicsRequest::default().with_topic_names(vec![topic("full-0")]);
        assert_eq!(client.call(4, delete).await.responses[0].error_code, 0);
        let request = fetch_request("t", 0).with_max_wait_ms(TIMEOUT_MS).with_min_bytes(1);
        let response = client.call(11, request).await;
        assert_eq!(visible(&response.responses[0].partitions[0]).1, [ControlType::Commit]);
        producer.write("t", 1).await;
    });
}

#[test]
fn administrators_see_and_end_transactions() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.produce("t", plain(4)).await;
        let mut producer = Producer::new(&broker, "p").await;
        producer.write("t", 2).await;
        let request = ListTransactionsRequest::default()
            .with_state_filters(vec![text("Ongoing"), text("Unheard")])
            .with_duration_filter(-1);
        let listed = client.call(1, request).await;
        assert_eq!(listed.unknown_state_filters, [text("Unheard")]);
        assert_eq!(listed.transaction_states[0].transactional_id, producer.id);
        let ids = vec![producer.id.clone(), TransactionalId(text("none"))];
        let described =
            client.call(0, DescribeTransactionsRequest::default().with_transactional_ids(ids)).await;
        let [open, unknown] = described.transaction_states.as_slice() else { panic!("two") };
        assert_eq!(unknown.error_code, ErrorCode::TRANSACTIONAL_ID_NOT_FOUND.0);
        assert_eq!((open.transaction_state.as_str(), open.transaction_timeout_ms), ("Ongoing", TIMEOUT_MS));
        assert_eq!((open.topics[0].topic.as_str(), open.topics[0].partitions[0]), ("t", 0));
        assert!(open.transaction_start_time_ms > 0);

        let wanted = describe_producers_request::TopicRequest::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0]);
        let described = client.call(0, DescribeProducersRequest::default().with_topics(vec![wanted])).await;
        let state = described.topics[0].partitions[0].active_producers[0].clone();
        assert_eq!((state.current_txn_start_offset, state.last_sequence), (4, 1));
        let marker = WritableTxnMarker::default()
            .with_producer_id(state.producer_id)
            .with_producer_epoch(state.producer_epoch as i16)
            .with_topics(vec![
                WritableTxnMarkerTopic::default().with_name(topic("t")).with_partition_indexes(vec![0]),
            ]);
        let written = client.call(1, WriteTxnMarkersRequest::default().with_markers(vec![marker])).await;
        assert_eq!(written.markers[0].topics[0].partitions[0].error_code, 0);
        let fetched = fetch_committed(&mut client, "t", 0).await;
        assert_eq!(visible(&fetched), (vec![0, 1, 2, 3], vec![ControlType::Abort]));
    });
}

#[test]
fn transactional_ids_belong_to_one_node() {
    run(|builder| async move {
        let broker = builder.node_count(3).build();
        let mut client = Client::new(&broker);
        let ids: Vec<_> = (0..20).map(|i| text(&format!("id-{i}"))).collect();
        let request = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(ids.clone());
        let found = client.call(4, request).await.coordinators;
        assert_eq!(found.len(), ids.len());
        for coordinator in found {
            let mut client = Client::new(&broker);
            client.stream = broker.connect_to(coordinator.node_id.0);
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(TransactionalId(coordinator.key.clone())))
                .with_transaction_timeout_ms(TIMEOUT_MS);
            assert_eq!(client.call(2, request.clone()).await.error_code, 0);
            let other = broker.connect_to(coordinator.node_id.0 % 3 + 1);
            client.stream = other;
            assert_eq!(client.call(2, request).await.error_code, ErrorCode::NOT_COORDINATOR.0);
        }
    });
}
