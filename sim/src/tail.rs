//! Reads what the cluster wrote, from outside: the topics of the sources and the internal topics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig, Fetched, OffsetReset, Polled};
use protocol::cluster::{Cluster, ClusterConfig};
use protocol::net::Env;
use protocol::wire::records::{BufferPool, Decompressor};
use serde_json::Value;

use crate::configs::Configs;
use crate::ledger::{Delivered, violation};
use crate::log;
use crate::operator::SOURCES;
use crate::properties::GROUP;

/// Partitions of each data topic.
pub(crate) const PARTITIONS: i32 = 2;

/// A source partition: connector, incarnation, number.
pub(crate) type SourceId = (String, u32, u32);

/// What is in Kafka of one source partition.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Numbers that are there.
    pub(crate) numbers: Delivered,
    /// Records beyond the first of a number.
    pub(crate) twice: u64,
    /// The last number of each instance.
    last: BTreeMap<usize, i64>,
    /// The newest instance that has written.
    newest: usize,
    /// Records of an instance after those of a newer one.
    pub(crate) late: u64,
}

/// What has been read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) written: BTreeMap<SourceId, Written>,
    /// Offsets of the records of data topics.
    pub(crate) records: BTreeMap<(String, i32), Delivered>,
    /// The last committed number of each source partition.
    pub(crate) committed: BTreeMap<SourceId, i64>,
    pub(crate) record_count: u64,
    pub(crate) commit_count: u64,
    /// Commits of less than what was committed before.
    pub(crate) steps_back: u64,
    configs: Configs,
}

/// Follows the topics.
pub(crate) struct Tail {
    pub(crate) admin: Admin,
    consumer: Rc<Consumer>,
    partitions: Vec<TopicPartition>,
    seen: Rc<RefCell<Seen>>,
    is_exactly_once: bool,
}

impl Tail {
    /// The topics exist. Within the world's `LocalSet`.
    pub(crate) fn new(env: &Env, cluster: ClusterConfig, admin: Admin, is_exactly_once: bool) -> Tail {
        let config = ConsumerConfig {
            auto_offset_reset: OffsetReset::Earliest,
            fetch_max_wait_ms: 25_000,
            isolation_level: if is_exactly_once {
                IsolationLevel::ReadCommitted
            } else {
                IsolationLevel::ReadUncommitted
            },
            ..ConsumerConfig::new()
        };
        let consumer = Rc::new(Consumer::new(Cluster::new(env.clone(), cluster), config));
        let data =
            SOURCES.iter().flat_map(|topic| (0..PARTITIONS).map(|number| TopicPartition::new(topic, number)));
        let offsets = (0..3).map(|number| TopicPartition::new(&format!("{GROUP}-offsets"), number));
        let told = ["status", "configs"].map(|kind| TopicPartition::new(&format!("{GROUP}-{kind}"), 0));
        let partitions: Vec<_> = data.chain(offsets).chain(told).collect();
        consumer.assign(partitions.clone());
        let seen = Rc::new(RefCell::new(Seen::default()));
        let (reading, into) = (Rc::clone(&consumer), Rc::clone(&seen));
        tokio::task::spawn_local(async move {
            let mut decompressor = Decompressor::new(BufferPool::default(), 64 << 20);
            loop {
                match reading.poll(Duration::from_hours(1)).await {
                    Ok(Polled::Records(fetched)) => {
                        for fetched in &fetched {
                            if let Err(error) =
                                into.borrow_mut().take_in(fetched, &mut decompressor, is_exactly_once)
                            {
                                violation(format!("what was written can't be read: {error}"));
                            }
                        }
                    }
                    Ok(Polled::Reset(reset)) => violation(format!("I25 a log was truncated: {reset:?}")),
                    Ok(_) => {}
                    Err(error) => violation(format!("what was written can't be read: {error}")),
                }
            }
        });
        Tail { admin, consumer, partitions, seen, is_exactly_once }
    }

    /// Reads to the present end. Whether it got there.
    pub(crate) async fn catch_up(&self) -> bool {
        let queries: Vec<_> =
            self.partitions.iter().map(|tp| (&*tp.topic, tp.partition, OffsetSpec::Latest)).collect();
        let isolation = if self.is_exactly_once {
            IsolationLevel::ReadCommitted
        } else {
            IsolationLevel::ReadUncommitted
        };
        let ends: Vec<i64> = loop {
            let found = self.admin.list_offsets(&queries, isolation).await;
            let ends: Result<Vec<i64>, _> =
                found.into_iter().map(|it| it.map(|it| it.offset.unwrap_or(0))).collect();
            match ends {
                Ok(ends) => break ends,
                Err(_unreachable) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        };
        let is_there = || {
            self.partitions.iter().zip(&ends).all(|(tp, end)| {
                *end == 0 || self.consumer.position(tp).is_some_and(|position| position >= *end)
            })
        };
        for _ in 0..600 {
            if is_there() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        false
    }

    /// Looks at what was read.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.seen.borrow())
    }
}

impl Seen {
    fn take_in(
        &mut self,
        fetched: &Fetched,
        decompressor: &mut Decompressor,
        is_exactly_once: bool,
    ) -> protocol::Result<()> {
        let topic: Arc<str> = Arc::clone(&fetched.topic);
        for batch in fetched.committed_batches(decompressor)? {
            let payload = batch.payload(decompressor)?;
            for record in batch.records(&payload) {
                let record = record?;
                let offset = batch.header().base_offset + i64::from(record.offset_delta);
                if offset < fetched.first_wanted_offset {
                    continue;
                }
                if topic.ends_with("-configs") && is_exactly_once {
                    self.configs.take_in(batch.header(), record.key, record.value);
                }
                if topic.ends_with("-status") || topic.ends_with("-configs") {
                    let text = |bytes: Option<&[u8]>| {
                        bytes.map_or("-".into(), |it| String::from_utf8_lossy(it).into_owned())
                    };
                    let (key, value) = (text(record.key), text(record.value));
                    // The system's chance, which no seed gives a second time.
                    let value = if key == "session-key" { "another".to_owned() } else { value };
                    log::event(format_args!("{key} is now {value}"));
                } else if topic.ends_with("-offsets") {
                    self.commit(record.key, record.value, is_exactly_once);
                } else {
                    self.record(&topic, fetched.partition, offset, record.value, is_exactly_once);
                }
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        value: Option<&[u8]>,
        is_exactly_once: bool,
    ) {
        self.record_count += 1;
        self.records.entry((topic.to_owned(), partition)).or_default().add(offset, offset + 1);
        let parse = |value: &[u8]| {
            let text = std::str::from_utf8(value).ok()?;
            let mut parts = text.split('/').map(str::parse::<i64>);
            let mut next = || parts.next()?.ok();
            Some((next()?, next()?, next()?, next()?))
        };
        let Some((incarnation, source, number, instance)) = value.and_then(parse) else {
            return violation(format!("I7 {topic}-{partition} has a record at {offset} that no source gave"));
        };
        let instance = instance as usize;
        let written = self.written.entry((topic.to_owned(), incarnation as u32, source as u32)).or_default();
        if let Some(last) = written.last.insert(instance, number)
            && last + 1 != number
        {
            violation(format!(
                "I7 {topic}: instance {instance} wrote number {number} of partition {source} after {last}, at offset {offset}"
            ));
        }
        if instance < written.newest {
            written.late += 1;
            if is_exactly_once {
                violation(format!(
                    "I12 {topic}: instance {instance} wrote number {number} of partition {source} after instance {} had",
                    written.newest
                ));
            }
        }
        written.newest = written.newest.max(instance);
        if written.numbers.contains(number) {
            written.twice += 1;
            if is_exactly_once {
                violation(format!(
                    "I2 {topic}: number {number} of partition {source} is there twice, at offset {offset}"
                ));
            }
        }
        written.numbers.add(number, number + 1);
    }

    fn commit(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, is_exactly_once: bool) {
        self.commit_count += 1;
        let read = |bytes: Option<&[u8]>| serde_json::from_slice::<Value>(bytes?).ok();
        let (Some(key), Some(value)) = (read(key), read(value)) else { return };
        let (Some(connector), Some(partition), Some(incarnation), Some(at)) = (
            key[0].as_str(),
            key[1]["partition"].as_u64(),
            key[1]["incarnation"].as_u64(),
            value["at"].as_i64(),
        ) else {
            return violation(format!("I4 there is an offset that no source gave: {key}: {value}"));
        };
        let id = (connector.to_owned(), incarnation as u32, partition as u32);
        log::event(format_args!("partition {partition} of {connector} is committed at {at}"));
        let before = self.committed.insert(id, at).unwrap_or(0);
        if at < before {
            self.steps_back += 1;
            if is_exactly_once {
                violation(format!(
                    "I4 {connector}: partition {partition} was committed at {before}, then at {at}"
                ));
            }
        }
    }
}
