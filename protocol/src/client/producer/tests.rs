//! The whole producer against scripted brokers.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use tokio::time::Instant;

use super::*;
use crate::cluster::fake::{FakeCluster, Fault, run};
use crate::wire::records::{BufferPool, Decompressor, Header, RecordSet};
use crate::{ErrorCode, ErrorKind};

fn config() -> ProducerConfig {
    ProducerConfig { linger_ms: 0, ..ProducerConfig::default() }
}

fn record(value: &[u8]) -> ProduceRecord<'_> {
    ProduceRecord { timestamp_ms: 1_000, value: Some(value), ..ProduceRecord::default() }
}

/// All values of a partition, in order.
fn values(fake: &FakeCluster, topic: &str, partition: i32) -> Vec<String> {
    let world = fake.world.borrow();
    let Some(log) = world.logs.get(&(topic.to_owned(), partition)) else { return Vec::new() };
    let mut decompressor = Decompressor::new(BufferPool::default(), 1 << 24);
    let mut values = Vec::new();
    for bytes in &log.batches {
        for batch in RecordSet::new(bytes.clone()) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            let payload = batch.payload(&mut decompressor).unwrap();
            for record in batch.records(&payload) {
                values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
    }
    values
}

async fn all_completions(producer: &Producer, record_count: u32) -> Vec<Completion> {
    let mut done = Vec::new();
    while done.iter().map(|c: &Completion| c.record_count).sum::<u32>() < record_count {
        producer.completions(&mut done).await;
    }
    done
}

#[test]
fn completions_name_token_count_and_offset() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        for (token, count) in [(7, 3), (8, 2), (7, 1)] {
            for _ in 0..count {
                producer.append(&topic, None, &record(b"v"), token).unwrap();
            }
        }
        let done = all_completions(&producer, 6).await;
        let told: Vec<_> = done
            .iter()
            .map(|c| (c.token, c.record_count, c.result.as_ref().unwrap().base_offset.unwrap()))
            .collect();
        assert_eq!(told, [(7, 3, 0), (8, 2, 3), (7, 1, 5)]);
        assert_eq!(done[0].result.as_ref().unwrap().topic, topic);
        assert_eq!(producer.buffered_bytes(), 0);
    });
}

#[test]
fn a_record_arrives_as_it_was_given_under_every_codec() {
    use crate::wire::records::Codec;
    for codec in Codec::ALL {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1]);
            let producer =
                Producer::new(fake.client(), ProducerConfig { compression: codec, ..config() }).unwrap();
            let topic = producer.topic("t").await.unwrap();
            let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"h", value: None }];
            for index in 0..1_000 {
                let value = format!("value {index}");
                let record = ProduceRecord {
                    timestamp_ms: 5,
                    key: Some(b"k"),
                    value: Some(value.as_bytes()),
                    headers: &headers,
                };
                producer.append(&topic, Some(0), &record, 0).unwrap();
            }
            producer.flush().await.unwrap();
            let expected: Vec<_> = (0..1_000).map(|index| format!("value {index}")).collect();
            assert_eq!(values(&fake, "t", 0), expected, "{codec}");
        });
    }
}

#[test]
fn one_request_carries_all_partitions_of_a_leader() {
    run(async {
        let fake = FakeCluster::start(2);
        fake.add_topic("a", &[1; 50]);
        fake.add_topic("b", &[2; 30]);
        let producer = Producer::new(fake.client(), ProducerConfig { linger_ms: 10, ..config() }).unwrap();
        let (a, b) = (producer.topic("a").await.unwrap(), producer.topic("b").await.unwrap());
        for partition in 0..50 {
            producer.append(&a, Some(partition), &record(b"a"), 1).unwrap();
        }
        for partition in 0..30 {
            producer.append(&b, Some(partition), &record(b"b"), 1).unwrap();
        }
        producer.flush_hint();
        all_completions(&producer, 80).await;
        let mut sizes = fake.world.borrow().batches_per_request.clone();
        sizes.sort_unstable();
        assert_eq!(sizes, [30, 50]);
    });
}

#[test]
fn a_batch_waits_for_its_linger_unless_hinted_or_full() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let config = ProducerConfig { linger_ms: 5_000, ..ProducerConfig::default() };
        let producer = Producer::new(fake.client(), config).unwrap();
        let topic = producer.topic("t").await.unwrap();
        let start = Instant::now();
        producer.append(&topic, None, &record(b"lingers"), 0).unwrap();
        all_completions(&producer, 1).await;
        assert!((5_000..5_500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());

        let start = Instant::now();
        producer.append(&topic, None, &record(b"hinted"), 0).unwrap();
        producer.flush_hint();
        all_completions(&producer, 1).await;
        assert!(start.elapsed() < Duration::from_millis(500));

        let start = Instant::now();
        producer.append(&topic, None, &record(&[b'x'; 17_000]), 0).unwrap();
        all_completions(&producer, 1).await;
        assert!(start.elapsed() < Duration::from_millis(500));
    });
}

#[test]
fn used_up_memory_is_told_and_comes_back() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let config = ProducerConfig {
            linger_ms: 60_000,
            delivery_timeout_ms: 200_000,
            buffer_bytes: 64 * 1024,
            ..ProducerConfig::default()
        };
        let producer = Producer::new(fake.client(), config).unwrap();
        let topic = producer.topic("t").await.unwrap();
        let mut full_count = 0;
        for index in 0..2_000 {
            let value = format!("{index:0>1000}");
            loop {
                match producer.append(&topic, None, &record(value.as_bytes()), 0) {
                    Ok(_partition) => break,
                    Err(AppendError::Full) => {
                        full_count += 1;
                        assert!(producer.buffered_bytes() <= 64 * 1024);
                        producer.ready().await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!(full_count > 10, "{full_count}");
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "t", 0).len(), 2_000);
        assert_eq!(producer.buffered_bytes(), 0);
    });
}

#[test]
fn what_comes_faster_than_a_partition_takes_it_waits_outside_until_something_fails() {
    run(async {
        let fake = FakeCluster::start(2);
        fake.add_topic("one", &[1]);
        fake.add_topic("two", &[1, 2]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let (one, two) = (producer.topic("one").await.unwrap(), producer.topic("two").await.unwrap());
        let value = [b'x'; 200_000];
        let append = async |topic: &TopicHandle| {
            let appended = producer.append(topic, None, &record(&value), 0);
            // The clock is paused: the sleep ends when nobody has anything to do.
            tokio::time::sleep(Duration::from_millis(1)).await;
            !matches!(appended, Err(AppendError::Full))
        };
        // Node 1 answers nothing from here on: of the one partition more and more would only wait.
        fake.fail_next(ApiKey::Produce, Fault::Silence);
        let mut count = 0;
        loop {
            if append(&one).await {
                count += 1;
            } else if tokio::time::timeout(Duration::from_secs(1), producer.ready()).await.is_err() {
                break;
            }
        }
        assert!((6..20).contains(&count), "{count} batches of 200 KB");
        // Where others of a topic take what comes, those that do not are no hindrance.
        for _ in 0..40 {
            assert!(append(&two).await);
        }
        // It has failed: how long that lasts is not known, and there is memory.
        let start = Instant::now();
        producer.ready().await;
        assert!(start.elapsed() > Duration::from_secs(20));
        assert!(append(&one).await);
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "one", 0).len(), count + 1);
    });
}

#[test]
fn records_that_can_never_be_sent_are_refused() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let config = ProducerConfig { buffer_bytes: 100_000, ..config() };
        let producer = Producer::new(fake.client(), config).unwrap();
        let topic = producer.topic("t").await.unwrap();
        let refused =
            |value: &[u8], partition| producer.append(&topic, partition, &record(value), 0).unwrap_err();
        let size = AppendError::TooLarge { size: 0, max: 0, setting: "" };
        assert!(std::mem::discriminant(&refused(&[0; 2_000_000], None)) == std::mem::discriminant(&size));
        assert!(refused(&[0; 200_000], None).to_string().contains("buffer.memory"));
        assert!(matches!(refused(b"v", Some(1)), AppendError::NoSuchPartition { partition: 1, count: 1 }));
        assert!(matches!(refused(b"v", Some(-1)), AppendError::NoSuchPartition { .. }));
        producer.append(&topic, None, &record(b"fits"), 0).unwrap();
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "t", 0), ["fits"]);
    });
}

#[test]
fn an_answer_that_was_lost_does_not_write_twice() {
    for fault in [Fault::ResetAfter, Fault::Reset, Fault::Silence, Fault::Code(7), Fault::Code(19)] {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1]);
            let producer = Producer::new(fake.client(), config()).unwrap();
            let topic = producer.topic("t").await.unwrap();
            fake.fail_next(ApiKey::Produce, fault);
            producer.append(&topic, None, &record(b"once"), 0).unwrap();
            let done = all_completions(&producer, 1).await;
            assert!(done[0].result.is_ok(), "{fault:?}: {done:?}");
            assert_eq!(values(&fake, "t", 0), ["once"], "{fault:?}");
            assert_eq!(fake.count(ApiKey::Produce), 2);
        });
    }
}

#[test]
fn a_leader_that_moved_is_followed() {
    run(async {
        let fake = FakeCluster::start(2);
        fake.add_topic("t", &[1]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, None, &record(b"before"), 0).unwrap();
        producer.flush().await.unwrap();
        fake.add_topic("t", &[2]);
        for _ in 0..3 {
            producer.append(&topic, None, &record(b"after"), 0).unwrap();
        }
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "t", 0), ["before", "after", "after", "after"]);
    });
}

#[test]
fn a_leader_that_nobody_knows_is_waited_for_without_spinning() {
    run(async {
        let fake = FakeCluster::start(1);
        // Brokers name a dead leader until the next one is elected.
        fake.add_topic("t", &[9]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, None, &record(b"v"), 0).unwrap();
        // The clock is paused: this sleep is the ten seconds over which requests are counted, and takes no time.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(fake.count(ApiKey::Metadata) < 200, "{}", fake.count(ApiKey::Metadata));
        fake.add_topic("t", &[1]);
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "t", 0), ["v"]);
    });
}

#[test]
fn a_closed_cluster_does_not_make_the_producer_spin() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let cluster = fake.client();
        let producer = Producer::new(cluster.clone(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, None, &record(b"v"), 0).unwrap();
        producer.flush().await.unwrap();
        cluster.close();
        producer.append(&topic, None, &record(b"late"), 1).unwrap();
        let done = all_completions(&producer, 2).await;
        assert!(done[0].result.is_ok() && done[1].result.is_err());
    });
}

#[test]
fn what_cannot_be_delivered_in_time_fails_and_the_rest_goes_on() {
    run(async {
        let fake = FakeCluster::start(2);
        fake.add_topic("t", &[1, 2]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, Some(0), &record(b"x"), 0).unwrap();
        producer.append(&topic, Some(1), &record(b"x"), 1).unwrap();
        producer.flush().await.unwrap();
        all_completions(&producer, 2).await;
        fake.world.borrow_mut().up.remove(&2);
        fake.add_topic("t", &[1, -1]);
        let start = Instant::now();
        producer.append(&topic, Some(1), &record(b"stuck"), 2).unwrap();
        for _ in 0..10 {
            producer.append(&topic, Some(0), &record(b"flows"), 3).unwrap();
            all_completions(&producer, 1).await;
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        let done = all_completions(&producer, 1).await;
        assert_eq!((done[0].token, done[0].result.as_ref().unwrap_err().kind()), (2, ErrorKind::Timeout));
        assert!((119..125).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        // The partition comes back, and so does its order.
        fake.world.borrow_mut().up.insert(2);
        fake.add_topic("t", &[1, 2]);
        producer.append(&topic, Some(1), &record(b"later"), 4).unwrap();
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "t", 1), ["x", "later"]);
        assert_eq!(producer.buffered_bytes(), 0);
    });
}

#[test]
fn a_batch_that_the_broker_refuses_fails_alone() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, None, &record(b"first"), 0).unwrap();
        producer.flush().await.unwrap();
        fake.fail_next(ApiKey::Produce, Fault::Code(87));
        producer.append(&topic, None, &record(b"bad"), 1).unwrap();
        producer.flush().await.unwrap();
        producer.append(&topic, None, &record(b"last"), 2).unwrap();
        producer.flush().await.unwrap();
        let done = all_completions(&producer, 3).await;
        assert_eq!(done[1].result.as_ref().unwrap_err().code(), Some(ErrorCode::INVALID_RECORD));
        assert!(done[0].result.is_ok() && done[2].result.is_ok());
        assert_eq!(values(&fake, "t", 0), ["first", "last"]);
    });
}

#[test]
fn without_a_producer_id_records_fail_and_the_next_ones_ask_again() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        fake.fail_next(ApiKey::InitProducerId, Fault::Code(31));
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, None, &record(b"lost"), 0).unwrap();
        let done = all_completions(&producer, 1).await;
        let code = done[0].result.as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        assert_eq!(fake.count(ApiKey::InitProducerId), 1);
        producer.append(&topic, None, &record(b"kept"), 1).unwrap();
        producer.flush().await.unwrap();
        assert_eq!(values(&fake, "t", 0), ["kept"]);
    });
}

#[test]
fn without_acks_records_are_done_when_they_are_written_to_the_socket() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let config = ProducerConfig { acks: Acks::None, idempotence: false, ..config() };
        let producer = Producer::new(fake.client(), config).unwrap();
        let topic = producer.topic("t").await.unwrap();
        for _ in 0..3 {
            producer.append(&topic, None, &record(b"v"), 0).unwrap();
            producer.flush().await.unwrap();
        }
        let done = all_completions(&producer, 3).await;
        assert!(done.iter().all(|c| c.result.as_ref().unwrap().base_offset.is_none()));
        // The clock is paused: this sleep ends when the broker has read all that was written to its socket.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(values(&fake, "t", 0).len(), 3);
    });
}

#[test]
fn keyless_records_stick_to_a_partition_per_batch_size_and_use_all_with_a_leader() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1, 1, 1, -1]);
        let producer = Producer::new(fake.client(), config()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        let mut used = std::collections::BTreeSet::new();
        for _ in 0..60 {
            // Sixteen of them fill `batch.size`, however often they are sent in between.
            for _ in 0..14 {
                producer.append(&topic, None, &record(&[b'x'; 1_000]), 0).unwrap();
                let done = all_completions(&producer, 1).await;
                let partition = done[0].result.as_ref().unwrap().partition;
                assert!(partition < 3, "{partition}");
                used.insert(partition);
            }
            producer.append(&topic, None, &record(&[b'x'; 2_000]), 0).unwrap();
            all_completions(&producer, 1).await;
        }
        assert_eq!(used.len(), 3);
    });
}

#[test]
fn a_batch_that_is_too_large_is_split_until_it_fits() {
    use crate::wire::records::Codec;
    for (codec, idempotence) in [(Codec::None, true), (Codec::Lz4, true), (Codec::None, false)] {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1]);
            let config = ProducerConfig {
                compression: codec,
                idempotence,
                linger_ms: 50,
                ..ProducerConfig::default()
            };
            let producer = Producer::new(fake.client(), config).unwrap();
            let topic = producer.topic("t").await.unwrap();
            producer.append(&topic, None, &record(b"first"), 9).unwrap();
            producer.flush().await.unwrap();
            // Too large as a whole, and its first half once more.
            fake.fail_next(ApiKey::Produce, Fault::Code(10));
            fake.fail_next(ApiKey::Produce, Fault::Code(10));
            let expected: Vec<String> = (0..100).map(|index| format!("value {index:0>90}")).collect();
            for (index, value) in expected.iter().enumerate() {
                producer.append(&topic, Some(0), &record(value.as_bytes()), index as u64 / 30).unwrap();
            }
            producer.flush().await.unwrap();
            producer.append(&topic, Some(0), &record(b"last"), 9).unwrap();
            producer.flush().await.unwrap();
            assert_eq!(values(&fake, "t", 0)[1..=100], expected, "{codec}");
            let done = all_completions(&producer, 102).await;
            let mut next = 0;
            for one in &done {
                assert_eq!(one.result.as_ref().unwrap().base_offset, Some(next), "{done:?}");
                next += i64::from(one.record_count);
            }
            for token in 0..3 {
                let count: u32 = done.iter().filter(|c| c.token == token).map(|c| c.record_count).sum();
                assert_eq!(count, 30);
            }
            assert_eq!(producer.buffered_bytes(), 0);
        });
    }
}

#[test]
fn closing_delivers_what_can_be_and_tells_of_the_rest() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1, -1]);
        let lingering = || ProducerConfig { linger_ms: 10_000, ..ProducerConfig::default() };
        let producer = Producer::new(fake.client(), lingering()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, Some(0), &record(b"v"), 1).unwrap();
        let mut out = Vec::new();
        producer.close(Duration::from_secs(5), &mut out).await.unwrap();
        assert!(out.len() == 1 && out[0].result.is_ok());

        let producer = Producer::new(fake.client(), lingering()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, Some(0), &record(b"v"), 1).unwrap();
        producer.append(&topic, Some(1), &record(b"v"), 2).unwrap();
        let mut out = Vec::new();
        let error = producer.close(Duration::from_secs(5), &mut out).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let results: Vec<_> = out.iter().map(|c| (c.token, c.result.is_ok())).collect();
        assert_eq!(results, [(1, true), (2, false)]);
    });
}

/// Many records over two leaders with faults of every kind: each arrives exactly once, in the order of its partition.
#[test]
fn order_and_exactly_once_hold_through_resets_moves_and_refusals() {
    for seed in 0..20 {
        run(async {
            let mut random = fastrand::Rng::with_seed(seed);
            let fake = FakeCluster::start(3);
            fake.add_topic("t", &[1, 2, 3, 1]);
            let config = ProducerConfig {
                batch_bytes: 300,
                linger_ms: 2,
                // Several silent brokers in a row take 30 s each.
                delivery_timeout_ms: 3_600_000,
                ..ProducerConfig::default()
            };
            let producer = Producer::new(fake.client(), config).unwrap();
            let topic = producer.topic("t").await.unwrap();
            let mut sent = vec![Vec::new(); 4];
            for index in 0..3_000 {
                let partition = random.usize(..4);
                let value = format!("{index}");
                producer.append(&topic, Some(partition as i32), &record(value.as_bytes()), 0).unwrap();
                sent[partition].push(value);
                if random.u8(..) < 3 {
                    let faults = [
                        Fault::Reset,
                        Fault::ResetAfter,
                        Fault::Silence,
                        Fault::Code(6),
                        Fault::Code(7),
                        Fault::Code(19),
                    ];
                    fake.fail_next(ApiKey::Produce, faults[random.usize(..faults.len())]);
                }
                if random.u8(..) == 0 {
                    let leaders: Vec<i32> = (0..4).map(|_| random.i32(1..=3)).collect();
                    fake.add_topic("t", &leaders);
                }
                if random.u8(..) < 20 {
                    // The clock is paused: this sleep lets the sender go on by a random step, and takes no time.
                    tokio::time::sleep(Duration::from_millis(random.u64(..20))).await;
                }
            }
            producer.flush().await.unwrap();
            let done = all_completions(&producer, 3_000).await;
            let failed: Vec<_> = done.iter().filter(|c| c.result.is_err()).collect();
            assert!(failed.is_empty(), "seed {seed}: {failed:?}");
            for (partition, sent) in sent.iter().enumerate() {
                assert_eq!(&values(&fake, "t", partition as i32), sent, "seed {seed}, partition {partition}");
            }
        });
    }
}

#[test]
fn keys_that_are_to_be_ignored_do_not_choose_the_partition() {
    for partitioner_ignores_keys in [false, true] {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1; 8]);
            let config = ProducerConfig { partitioner_ignores_keys, ..config() };
            let producer = Producer::new(fake.client(), config).unwrap();
            let topic = producer.topic("t").await.unwrap();
            for index in 0..40_u32 {
                let key = index.to_be_bytes();
                producer.append(&topic, None, &ProduceRecord { key: Some(&key), ..record(b"v") }, 0).unwrap();
            }
            producer.flush().await.unwrap();
            let used = (0..8).filter(|partition| !values(&fake, "t", *partition).is_empty()).count();
            assert_eq!(used == 1, partitioner_ignores_keys, "{used}");
        });
    }
}

/// Goal: a producer that has written to many topics asks about, and holds, those that it still writes to. One that comes back after
/// its sequences were forgotten is not taken for a repetition of itself.
#[test]
fn idle_topics_are_forgotten_and_come_back_whole() {
    run(async {
        let fake = FakeCluster::start(1);
        for name in ["busy", "idle", "held"] {
            fake.add_topic(name, &[1]);
        }
        let producer = Producer::new(fake.client(), config()).unwrap();
        let send = async |topic: &TopicHandle, value: &str| {
            producer.append(topic, Some(0), &record(value.as_bytes()), 0).unwrap();
            producer.flush().await.unwrap();
            producer.completions(&mut Vec::new()).await;
        };
        let busy = producer.topic("busy").await.unwrap();
        let held = producer.topic("held").await.unwrap();
        send(&producer.topic("idle").await.unwrap(), "first").await;
        send(&held, "first").await;
        for minute in 0..12 {
            send(&busy, &minute.to_string()).await;
            // The clock is paused: this sleep takes no time.
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        send(&busy, "last").await;
        assert_eq!(fake.world.borrow().asked_topics, ["busy"]);
        let known: Vec<String> =
            producer.accumulator.topics.borrow().keys().map(|name| name.to_string()).collect();
        assert!(known.contains(&"held".to_owned()) && !known.contains(&"idle".to_owned()), "{known:?}");

        send(&producer.topic("idle").await.unwrap(), "second").await;
        send(&held, "second").await;
        for name in ["idle", "held"] {
            assert_eq!(values(&fake, name, 0), ["first", "second"], "{name}");
        }
        assert_eq!(values(&fake, "busy", 0).len(), 13);
    });
}

/// Goal: delivery fails in time also for a batch whose request is under way; its successors arrive, in order and once.
#[test]
fn a_batch_expires_in_flight_and_those_behind_it_go_on() {
    for was_written in [false, true] {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1]);
            let config = ProducerConfig { delivery_timeout_ms: 30_000, ..config() };
            let producer = Producer::new(fake.client(), config).unwrap();
            let topic = producer.topic("t").await.unwrap();
            producer.append(&topic, Some(0), &record(b"before"), 0).unwrap();
            producer.flush().await.unwrap();
            let since = Instant::now();
            // Refused once, so that the request without an answer leaves after the time began to run.
            fake.fail_next(ApiKey::Produce, Fault::Code(19));
            fake.fail_next(ApiKey::Produce, if was_written { Fault::SilenceAfter } else { Fault::Silence });
            producer.append(&topic, Some(0), &record(b"expires"), 1).unwrap();
            // The clock is paused: this sleep takes no time.
            tokio::time::sleep(Duration::from_secs(10)).await;
            producer.append(&topic, Some(0), &record(b"behind"), 2).unwrap();
            let done = all_completions(&producer, 3).await;
            let results: Vec<_> = done.iter().map(|c| (c.token, c.result.is_ok())).collect();
            assert_eq!(results, [(0, true), (1, false), (2, true)], "{done:?}");
            assert_eq!(done[1].result.as_ref().unwrap_err().kind(), ErrorKind::Timeout);
            assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
            producer.append(&topic, Some(0), &record(b"after"), 3).unwrap();
            producer.flush().await.unwrap();
            let expected: &[&str] = if was_written {
                &["before", "expires", "behind", "after"]
            } else {
                &["before", "behind", "after"]
            };
            assert_eq!(values(&fake, "t", 0), expected);
        });
    }
}

/// Partition 0 has a long queue: adaptively it gets a record only where both draws hit it, else every other one.
#[test]
fn a_long_queue_is_avoided_unless_that_is_turned_off() {
    for (partitioner_is_adaptive, expected) in [(true, 120..290), (false, 310..490)] {
        run(async {
            let fake = FakeCluster::start(1);
            fake.add_topic("t", &[1, 1]);
            let config = ProducerConfig { batch_bytes: 1, partitioner_is_adaptive, ..config() };
            let producer = Producer::new(fake.client(), config).unwrap();
            let topic = producer.topic("t").await.unwrap();
            // Nothing is sent in between: the send task gets no turn.
            let append = |count: usize, partition| {
                for _ in 0..count {
                    producer.append(&topic, partition, &record(b"v"), 0).unwrap();
                }
                topic.state.partitions.borrow()[0].state.borrow().queue.batch_count()
            };
            let before = append(2_000, Some(0));
            let got = append(800, None) - before;
            assert!(expected.contains(&got), "{got}");
        });
    }
}

#[test]
fn used_up_retries_fail_one_batch_and_those_behind_it_go_on() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let producer = Producer::new(fake.client(), ProducerConfig { retries: 3, ..config() }).unwrap();
        let topic = producer.topic("t").await.unwrap();
        producer.append(&topic, Some(0), &record(b"before"), 0).unwrap();
        producer.flush().await.unwrap();
        // Its first attempt, that of the batch behind it, and its three more.
        (0..5).for_each(|_| fake.fail_next(ApiKey::Produce, Fault::Code(19)));
        for (token, value) in ["fails", "behind"].into_iter().enumerate() {
            producer.append(&topic, Some(0), &record(value.as_bytes()), 1 + token as u64).unwrap();
            // Batches of their own. The clock is paused: this sleep takes no time.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let done = all_completions(&producer, 3).await;
        let results: Vec<_> = done.iter().map(|c| (c.token, c.result.is_ok())).collect();
        assert_eq!(results, [(0, true), (1, false), (2, true)], "{done:?}");
        assert_eq!(values(&fake, "t", 0), ["before", "behind"]);
    });
}

/// Goal: the level is the codec's, not only accepted: the highest packs a text that the lowest packs less well.
#[test]
fn compression_levels_are_those_of_the_codec() {
    use crate::wire::records::Codec;
    let text: Vec<u8> = (0..40_000_u32)
        .flat_map(|n| format!("{} {} ", n % 977, n.wrapping_mul(2_654_435_761) % 89).into_bytes())
        .collect();
    for (codec, low, high) in [(Codec::Gzip, 1, 9), (Codec::Lz4, 1, 17), (Codec::Zstd, 1, 19)] {
        let packed = |level| {
            run(async {
                let fake = FakeCluster::start(1);
                fake.add_topic("t", &[1]);
                let config = ProducerConfig {
                    compression: codec,
                    compression_level: Some(level),
                    batch_bytes: 1 << 20,
                    ..config()
                };
                let producer = Producer::new(fake.client(), config).unwrap();
                let topic = producer.topic("t").await.unwrap();
                producer.append(&topic, Some(0), &record(&text), 0).unwrap();
                producer.flush().await.unwrap();
                let world = fake.world.borrow();
                world.logs[&("t".to_owned(), 0)].batches[0].len()
            })
        };
        let (least, most) = (packed(low), packed(high));
        assert!(most < least, "{codec}: {most} bytes at {high}, {least} at {low}");
        let refused = ProducerConfig { compression: codec, compression_level: Some(23), ..config() };
        run(async {
            let fake = FakeCluster::start(1);
            let error = Producer::new(fake.client(), refused).unwrap_err();
            assert!(error.to_string().contains(&format!("compression.{codec}.level is 23")), "{error}");
        });
    }
}
