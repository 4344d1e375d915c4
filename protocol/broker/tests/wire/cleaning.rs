//! What the broker does to logs by itself: deletes what is old, compacts what is dirty, and goes on serving meanwhile.

use std::cell::OnceCell;
use std::time::Duration;

use bytes::Bytes;
use protocol::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::wire::messages::{FetchRequest, ListOffsetsRequest};
use protocol::wire::records::{
    BatchBuilder, BufferPool, Codec, Compressor, Decompressor, ProducerStamp, RecordSet,
};
use tokio::time::{Instant, sleep};

use crate::support::{Client, fetch_request, run, topic};

const CREATED_MS: i64 = 1_700_000_000_000;

/// A wall clock that follows the test's own.
fn wall_clock_ms() -> i64 {
    thread_local!(static STARTED: OnceCell<Instant> = const { OnceCell::new() });
    STARTED.with(|started| CREATED_MS + started.get_or_init(Instant::now).elapsed().as_millis() as i64)
}

fn keyed(key: &str, value: &str) -> Bytes {
    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
    assert!(builder.append(wall_clock_ms(), Some(key.as_bytes()), Some(value.as_bytes()), &[]).unwrap());
    builder.finish(ProducerStamp::NONE, &mut Compressor::new(Codec::None, None, pool).unwrap()).unwrap()
}

fn read(records: Option<Bytes>) -> Vec<(i64, String)> {
    let mut decompressor = Decompressor::default();
    let mut read = Vec::new();
    for batch in RecordSet::new(records.unwrap_or_default()).map(Result::unwrap) {
        let payload = batch.payload(&mut decompressor).unwrap();
        for record in batch.records(&payload).map(Result::unwrap) {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            read.push((batch.header().base_offset + i64::from(record.offset_delta), value));
        }
    }
    read
}

async fn earliest(client: &mut Client, name: &str) -> i64 {
    let partition = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(-2);
    let wanted = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![wanted]);
    client.call(5, request).await.topics[0].partitions[0].offset
}

#[test]
fn records_are_deleted_at_their_age_where_the_policy_says_so() {
    run(|builder| async move {
        let interval = Duration::from_secs(10);
        let broker = builder.wall_clock_ms(wall_clock_ms).retention_check_interval(interval).build();
        let mut client = Client::new(&broker);
        client.create_topic("deleted", 1, &[("retention.ms", "60000")]).await;
        let compacted = [("retention.ms", "60000"), ("cleanup.policy", "compact")];
        client.create_topic("compacted", 1, &compacted).await;
        let both = [("retention.ms", "60000"), ("cleanup.policy", "compact,delete")];
        client.create_topic("both", 1, &both).await;
        for name in ["deleted", "compacted", "both"] {
            client.produce(name, keyed("a", "1")).await;
        }
        sleep(Duration::from_secs(30)).await;
        client.produce("deleted", keyed("a", "2")).await;
        let used = broker.memory_bytes_used();
        sleep(Duration::from_secs(45)).await;
        for (name, start_offset) in [("deleted", 1), ("compacted", 0), ("both", 1)] {
            assert_eq!(earliest(&mut client, name).await, start_offset, "{name}");
        }
        assert_eq!(read(client.fetch("deleted", 1).await.records), [(1, "2".to_owned())]);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(earliest(&mut client, "deleted").await, 2, "the newest goes as well");
        assert!(broker.memory_bytes_used() < used, "memory is given back");
        assert_eq!(client.produce("deleted", keyed("a", "3")).await.base_offset, 2);
    });
}

#[test]
fn a_reader_that_waits_behind_deleted_records_hears_of_it() {
    run(|builder| async move {
        let interval = Duration::from_secs(1);
        let broker = builder.wall_clock_ms(wall_clock_ms).retention_check_interval(interval).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[("retention.ms", "5000")]).await;
        client.produce("t", keyed("a", "1")).await;
        let started = Instant::now();
        let more_than_there_is = fetch_request("t", 0).with_max_wait_ms(60_000).with_min_bytes(100_000);
        client.send(11, &more_than_there_is).await;
        let response = client.receive::<FetchRequest>(11).await.unwrap();
        let out_of_range = protocol::ErrorCode::OFFSET_OUT_OF_RANGE.0;
        assert_eq!(response.responses[0].partitions[0].error_code, out_of_range);
        assert!(started.elapsed() < Duration::from_secs(8));
    });
}

#[test]
fn the_newest_value_of_each_key_is_left() {
    run(|builder| async move {
        let broker = builder.wall_clock_ms(wall_clock_ms).build();
        let mut client = Client::new(&broker);
        let configs = [("cleanup.policy", "compact"), ("segment.bytes", "100")];
        client.create_topic("t", 1, &configs).await;
        client.create_topic("plain", 1, &[("segment.bytes", "100")]).await;
        for number in 0..20 {
            for name in ["t", "plain"] {
                let key = ["a", "b", "c"][number % 3];
                client.produce(name, keyed(key, &number.to_string())).await;
            }
        }
        sleep(Duration::from_secs(20)).await;
        let expected = [16, 17, 18, 19].map(|number| (number, number.to_string()));
        for offset in [0, 7, 16] {
            assert_eq!(read(client.fetch("t", offset).await.records), expected, "from {offset}");
        }
        let fetched = client.fetch("t", 0).await;
        assert_eq!((fetched.high_watermark, fetched.log_start_offset), (20, 0));
        assert_eq!(read(client.fetch("plain", 0).await.records).len(), 20);
        let used = broker.memory_bytes_used();
        let names =
            protocol::wire::messages::DeleteTopicsRequest::default().with_topic_names(vec![topic("t")]);
        client.call(5, names).await;
        assert!(broker.memory_bytes_used() < used);
    });
}
