//! Deleting records: everything before an offset.

use futures_util::future::join_all;
use indexmap::IndexMap;
use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};

use super::operations::{Admin, item_error};
use super::topics::{OPERATION_TIMEOUT_MS, topic_name};
use crate::Result;
use crate::cluster::{Leader, Target, decide};

impl Admin {
    /// Deletes the records before an offset (-1: before the end) of each partition, by leader, all leaders at once. One result
    /// per partition, in order: the first offset that is still there.
    ///
    /// # Errors
    /// Per partition: `Broker(OFFSET_OUT_OF_RANGE)` and its like.
    pub async fn delete_records(&self, before: &[(&str, i32, i64)]) -> Vec<Result<i64>> {
        before.iter().for_each(|(topic, _, _)| self.cluster.note_use(topic));
        let place = |index: usize| (before[index].0, before[index].1);
        self.per_item(&Target::Any, before.len(), place, decide, async |open| {
            let (by_node, mut results) = self.by_leader("delete records", open, place).await?;
            let calls = by_node.iter().map(|(node, items)| self.delete_records_at(*node, items, before));
            for answered in join_all(calls).await {
                results.extend(answered);
            }
            Ok(results)
        })
        .await
    }

    async fn delete_records_at(
        &self,
        node: i32,
        items: &[(usize, Leader)],
        before: &[(&str, i32, i64)],
    ) -> Vec<(usize, Result<i64>)> {
        let build = |_version| {
            let mut topics: IndexMap<&str, Vec<DeleteRecordsPartition>> = IndexMap::new();
            for (index, _) in items {
                let (topic, partition, offset) = before[*index];
                let partition =
                    DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
                topics.entry(topic).or_default().push(partition);
            }
            let topics = topics.into_iter().map(|(topic, partitions)| {
                DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(partitions)
            });
            DeleteRecordsRequest::default()
                .with_topics(topics.collect())
                .with_timeout_ms(OPERATION_TIMEOUT_MS)
        };
        let response = match self.cluster.call(&Target::Node(node), build).await {
            Ok((response, _)) => response,
            Err(error) => return items.iter().map(|(index, _)| (*index, Err(error.clone()))).collect(),
        };
        let mut results = Vec::with_capacity(items.len());
        for topic in &response.topics {
            for answer in &topic.partitions {
                let found = items.iter().find(|(index, _)| {
                    before[*index].0 == &**topic.name && before[*index].1 == answer.partition_index
                });
                let Some((index, _)) = found else { continue };
                let item = format!("{}-{}", &**topic.name, answer.partition_index);
                let checked = item_error("delete records", answer.error_code, &item, None);
                results.push((*index, checked.map(|()| answer.low_watermark)));
            }
        }
        results
    }
}
