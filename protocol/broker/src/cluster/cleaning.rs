//! What has to be cleaned in all logs: records that are too old, and keys that stand there more than once.

use protocol::wire::messages::TopicName;
use uuid::Uuid;

use super::Cluster;
use crate::log::Compaction;

/// A compaction that goes on.
#[derive(Debug)]
pub(crate) struct TopicCompaction {
    topic: TopicName,
    /// A topic that was made anew under the same name is another one.
    id: Uuid,
    partition: usize,
    bytes_before: u64,
    compaction: Compaction,
}

impl Cluster {
    /// Deletes the records that are older than `retention.ms`.
    pub(crate) fn delete_aged(&mut self, now_ms: i64) {
        for topic in self.topics.values_mut() {
            let Some(retention_ms) = topic.settings.retention_ms else { continue };
            for partition in &mut topic.partitions {
                partition.trim_to_time(now_ms.saturating_sub(retention_ms));
            }
        }
    }

    /// Begins to compact the log that needs it most, if any does.
    pub(crate) fn start_compaction(&self, now_ms: i64) -> Option<TopicCompaction> {
        let mut filthiest = None;
        let mut dirtiness_max = 0.0;
        for (name, topic) in &self.topics {
            let Some(settings) = &topic.settings.compaction else { continue };
            for (index, partition) in topic.partitions.iter().enumerate() {
                if let Some(dirtiness) = partition.log.dirtiness(settings, now_ms)
                    && dirtiness > dirtiness_max
                {
                    dirtiness_max = dirtiness;
                    filthiest = Some((name, topic.id, index, &partition.log, settings));
                }
            }
        }
        let (name, id, partition, log, settings) = filthiest?;
        let compaction = Compaction::start(log, settings, now_ms);
        Some(TopicCompaction {
            topic: name.clone(),
            id,
            partition,
            bytes_before: log.size_bytes(),
            compaction,
        })
    }

    /// Does a part of a compaction; whether it is over. It is, too, once nobody wants it any more.
    pub(crate) fn compact(&mut self, running: &mut TopicCompaction) -> bool {
        let topic = self.topics.get_mut(&running.topic).filter(|topic| topic.id == running.id);
        let Some(topic) = topic.filter(|topic| topic.settings.compaction.is_some()) else { return true };
        let Some(partition) = topic.partitions.get_mut(running.partition) else { return true };
        let is_over = partition.compact(&mut running.compaction, &mut self.decompressor);
        if is_over {
            tracing::debug!(
                topic = %running.topic.as_str(),
                partition = running.partition,
                bytes_before = running.bytes_before,
                bytes = partition.log.size_bytes(),
                "compacted a log"
            );
        }
        is_over
    }
}
