//! What a measurement needs of the Kafka cluster: topics, end offsets, committed offsets.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, NewTopic, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;

/// How often progress is looked at. Each look costs the broker a request, the measured worker nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

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
