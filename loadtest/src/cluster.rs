//! What a measurement needs of the Kafka cluster: topics, their records, end offsets, committed offsets.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, NewTopic, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig};
use protocol::client::producer::{AppendError, ProduceRecord, Producer, ProducerConfig, TopicHandle};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;

/// How often progress is looked at. Each look costs the broker a request, the measured worker nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Uncompressed bytes of a batch in topics that are filled.
const BATCH_BYTES: usize = 256 << 10;

/// Records appended before the send task gets its turn.
const RECORDS_PER_TURN: u64 = 4_096;

/// A KRaft controller refuses to create 10,000 partitions in one go.
const PARTITIONS_AT_ONCE: i32 = 5_000;

/// How long Kafka may take for the last records.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

/// The cluster under load.
#[derive(Debug)]
pub(crate) struct Kafka {
    admin: Admin,
    pub(crate) bootstrap: String,
}

impl Kafka {
    pub(crate) fn connect(bootstrap: &str) -> Result<Kafka> {
        let servers = HostPort::parse_list(bootstrap)?;
        let cluster = Cluster::new(Env::real(), ClusterConfig::new(servers));
        Ok(Kafka { admin: Admin::new(cluster), bootstrap: bootstrap.to_owned() })
    }

    pub(crate) fn cluster(&self) -> Cluster {
        self.admin.cluster().clone()
    }

    pub(crate) async fn create_topic(&self, topic: &str, compression: &str) -> Result<()> {
        self.create_partitioned(topic, 1, compression).await
    }

    pub(crate) async fn create_partitioned(
        &self,
        topic: &str,
        partitions: i32,
        compression: &str,
    ) -> Result<()> {
        let topic = NewTopic::new(topic, partitions)
            .with_replication_factor(1)
            .with_config("compression.type", compression);
        for created in self.admin.create_topics(&[topic]).await {
            created.context("create the topic")?;
        }
        Ok(())
    }

    /// A topic for records of up to nearly so many bytes.
    pub(crate) async fn create_for_large_records(
        &self,
        topic: &str,
        partitions: i32,
        bytes_max: usize,
    ) -> Result<()> {
        let new = NewTopic::new(topic, partitions.min(PARTITIONS_AT_ONCE))
            .with_replication_factor(1)
            .with_config("max.message.bytes", &bytes_max.to_string());
        for created in self.admin.create_topics(&[new]).await {
            created.context("create the topic")?;
        }
        for count in (1..).map(|times| PARTITIONS_AT_ONCE * times).take_while(|count| *count < partitions) {
            let count = (count + PARTITIONS_AT_ONCE).min(partitions);
            for grown in self.admin.create_partitions(&[(topic, count)]).await {
                grown.context("add partitions to the topic")?;
            }
        }
        Ok(())
    }

    /// What a group has committed, all partitions together.
    pub(crate) async fn committed_of_all(&self, group: &str) -> Result<i64> {
        let mut committed = 0;
        for of_group in self.admin.list_group_offsets(&[group], false).await {
            committed += of_group?.iter().map(|(_, committed)| committed.offset).sum::<i64>();
        }
        Ok(committed)
    }

    /// Writes records: `record` puts the value of the one with a number into a buffer and gives its partition.
    pub(crate) async fn fill(
        &self,
        topic: &str,
        records: u64,
        settings: ProducerConfig,
        mut record: impl FnMut(u64, &mut Vec<u8>) -> i32,
    ) -> Result<()> {
        let producer =
            Producer::new(self.cluster(), ProducerConfig { batch_bytes: BATCH_BYTES, ..settings })?;
        let to = producer.topic(topic).await?;
        // Kafka deletes what is older than its retention, by the times of the records.
        let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        let mut value = Vec::new();
        for number in 0..records {
            let partition = record(number, &mut value);
            let record = ProduceRecord { timestamp_ms, key: None, value: Some(&value), headers: &[] };
            append(&producer, &to, partition, &record).await?;
            if number % RECORDS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        producer.flush().await?;
        let mut completions = Vec::new();
        producer.close(CLOSE_LIMIT, &mut completions).await?;
        for completion in completions {
            completion.result?;
        }
        Ok(())
    }

    /// The offset after the last record of partition 0.
    pub(crate) async fn end_offset(&self, topic: &str) -> Result<i64> {
        let query = [(topic, 0, OffsetSpec::Latest)];
        let mut listed = self.admin.list_offsets(&query, IsolationLevel::ReadUncommitted).await;
        Ok(listed.remove(0)?.offset.unwrap_or(0))
    }

    pub(crate) async fn delete_topic(&self, topic: &str) -> Result<()> {
        for deleted in self.admin.delete_topics(&[topic]).await {
            deleted.context("delete the topic")?;
        }
        Ok(())
    }

    /// The records of a topic without transactions or compaction: the sum of the end offsets.
    pub(crate) async fn record_count(&self, topic: &str, partitions: i32) -> Result<i64> {
        let query: Vec<_> = (0..partitions).map(|partition| (topic, partition, OffsetSpec::Latest)).collect();
        let mut records = 0;
        for listed in self.admin.list_offsets(&query, IsolationLevel::ReadUncommitted).await {
            records += listed?.offset.unwrap_or(0);
        }
        Ok(records)
    }

    pub(crate) async fn wait_for_records(&self, topic: &str, records: i64) -> Result<()> {
        while self.end_offset(topic).await? < records {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// The committed offset of partition 0; 0 where there is none.
    pub(crate) async fn committed(&self, group: &str, topic: &str) -> Result<i64> {
        let consumer = Consumer::new(self.admin.cluster().clone(), ConsumerConfig::in_group(group));
        let partition = TopicPartition { topic: Arc::from(topic), partition: 0 };
        let committed = consumer.committed(std::slice::from_ref(&partition)).await?;
        Ok(committed
            .first()
            .and_then(|(_, committed)| committed.as_ref())
            .map_or(0, |committed| committed.offset))
    }

    /// Waits until `group` has committed offset `records` of partition 0.
    pub(crate) async fn wait_for_commit(&self, group: &str, topic: &str, records: i64) -> Result<()> {
        let consumer = Consumer::new(self.admin.cluster().clone(), ConsumerConfig::in_group(group));
        let partition = TopicPartition { topic: Arc::from(topic), partition: 0 };
        loop {
            let committed = consumer.committed(std::slice::from_ref(&partition)).await?;
            if matches!(committed.first(), Some((_, Some(committed))) if committed.offset >= records) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Appends a record, as soon as the producer has room for it.
pub(crate) async fn append(
    producer: &Producer,
    topic: &TopicHandle,
    partition: i32,
    record: &ProduceRecord<'_>,
) -> Result<()> {
    loop {
        match producer.append(topic, Some(partition), record, 0) {
            Ok(_partition) => return Ok(()),
            Err(AppendError::Full) => producer.ready().await,
            Err(error) => return Err(error.into()),
        }
    }
}
