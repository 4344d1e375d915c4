//! `WriteTxnMarkers`: how an administrator ends a transaction that hangs in a partition (KIP-664).

use protocol::ErrorCode;
use protocol::wire::messages::write_txn_markers_request::WritableTxnMarker;
use protocol::wire::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use protocol::wire::messages::{TopicName, VersionRange, WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use super::call::{Answer, Api, Call, versions};
use crate::log::Marker;
use crate::refusal::code_of;

/// See the module.
#[derive(Debug)]
pub(super) struct WriteTxnMarkers;

impl Api for WriteTxnMarkers {
    type Request = WriteTxnMarkersRequest;

    const VERSIONS: VersionRange = versions(1, 1);

    async fn handle(call: &Call, request: WriteTxnMarkersRequest) -> Answer<WriteTxnMarkersResponse> {
        let now_ms = (call.shared.config.wall_clock_ms)();
        let mut cluster = call.shared.cluster.borrow_mut();
        answer_all(request, |wanted, topic, index| {
            let marker = Marker {
                producer_id: wanted.producer_id.0,
                epoch: wanted.producer_epoch,
                coordinator_epoch: wanted.coordinator_epoch,
                is_commit: wanted.transaction_result,
            };
            let partition = cluster.led_partition(call.node_id, topic, index);
            code_of(&partition.and_then(|partition| partition.end_transaction(&marker, now_ms)))
        })
        .into()
    }

    fn refuse(_: i16, request: WriteTxnMarkersRequest, code: ErrorCode) -> WriteTxnMarkersResponse {
        answer_all(request, |_, _, _| code.0)
    }
}

fn answer_all(
    request: WriteTxnMarkersRequest,
    mut write: impl FnMut(&WritableTxnMarker, &TopicName, i32) -> i16,
) -> WriteTxnMarkersResponse {
    let markers = request.markers.into_iter().map(|marker| {
        let topics = marker.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(write(&marker, &topic.name, *index))
            });
            WritableTxnMarkerTopicResult::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name.clone())
        });
        WritableTxnMarkerResult::default().with_topics(topics.collect()).with_producer_id(marker.producer_id)
    });
    WriteTxnMarkersResponse::default().with_markers(markers.collect())
}
