//! `DescribeLogDirs`: one directory, which is memory, with the sizes of the logs that this node leads.

use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::wire::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, StrBytes, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::{Cluster, Topic};

/// The name of the only log directory.
const MEMORY: StrBytes = StrBytes::from_static_str("memory");

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeLogDirs;

impl Api for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;

    const VERSIONS: VersionRange = versions(1, 4);

    async fn handle(call: &Call, request: DescribeLogDirsRequest) -> Answer<DescribeLogDirsResponse> {
        let cluster = call.shared.cluster.borrow();
        let mut result = DescribeLogDirsResult::default().with_log_dir(MEMORY).with_topics(topics(
            &cluster,
            call.node_id,
            request,
        ));
        if call.version >= 4 {
            let total = cluster.config().memory_bytes_max;
            let bytes = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            result = result
                .with_total_bytes(bytes(total))
                .with_usable_bytes(bytes(total.saturating_sub(cluster.memory.used())));
        }
        DescribeLogDirsResponse::default().with_results(vec![result]).into()
    }

    fn refuse(version: i16, _: DescribeLogDirsRequest, code: ErrorCode) -> DescribeLogDirsResponse {
        if version >= 3 {
            return DescribeLogDirsResponse::default().with_error_code(code.0);
        }
        // Before version 3 only a directory can fail.
        let result = DescribeLogDirsResult::default().with_log_dir(MEMORY).with_error_code(code.0);
        DescribeLogDirsResponse::default().with_results(vec![result])
    }
}

/// The logs that were asked for, or all of them; what does not exist is left out, as Kafka does.
fn topics(cluster: &Cluster, node_id: i32, request: DescribeLogDirsRequest) -> Vec<DescribeLogDirsTopic> {
    let Some(asked) = request.topics else {
        return cluster.topics().map(|(name, topic)| describe(name, topic, node_id, |_| true)).collect();
    };
    let mut wanted: IndexMap<TopicName, Vec<i32>> = IndexMap::new();
    for topic in asked {
        wanted.entry(topic.topic).or_default().extend(topic.partitions);
    }
    let found = wanted.iter().filter_map(|(name, partitions)| {
        Some(describe(name, cluster.topic(name)?, node_id, |partition| partitions.contains(&partition)))
    });
    found.collect()
}

fn describe(
    name: &TopicName,
    topic: &Topic,
    node_id: i32,
    is_wanted: impl Fn(i32) -> bool,
) -> DescribeLogDirsTopic {
    let partitions = (0..).zip(&topic.partitions);
    let partitions = partitions.filter(|(index, partition)| partition.leader == node_id && is_wanted(*index));
    let partitions = partitions.map(|(index, partition)| {
        DescribeLogDirsPartition::default()
            .with_partition_index(index)
            .with_partition_size(i64::try_from(partition.log.size_bytes()).unwrap_or(i64::MAX))
    });
    DescribeLogDirsTopic::default().with_name(name.clone()).with_partitions(partitions.collect())
}
