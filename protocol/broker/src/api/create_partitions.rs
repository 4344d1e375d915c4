//! `CreatePartitions`: grows topics.

use protocol::ErrorCode;
use protocol::wire::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse, VersionRange};

use super::call::{Answer, Api, Call, versions};
use crate::refusal::{Refusal, code_of};

/// See the module.
#[derive(Debug)]
pub(super) struct CreatePartitions;

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;

    const VERSIONS: VersionRange = versions(0, 3);

    async fn handle(call: &Call, request: CreatePartitionsRequest) -> Answer<CreatePartitionsResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        let results = request.topics.into_iter().map(|topic| {
            let assignments = topic.assignments.as_ref().map(|assignments| {
                assignments.iter().map(|nodes| nodes.broker_ids.iter().map(|id| id.0).collect()).collect()
            });
            let result = cluster.grow_topic(&topic.name, topic.count, assignments, request.validate_only);
            answer(topic, &result)
        });
        CreatePartitionsResponse::default().with_results(results.collect()).into()
    }

    fn refuse(_: i16, request: CreatePartitionsRequest, code: ErrorCode) -> CreatePartitionsResponse {
        let refused = Err(Refusal::from(code));
        let results = request.topics.into_iter().map(|topic| answer(topic, &refused));
        CreatePartitionsResponse::default().with_results(results.collect())
    }
}

fn answer(topic: CreatePartitionsTopic, result: &Result<(), Refusal>) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult::default()
        .with_name(topic.name)
        .with_error_code(code_of(result))
        .with_error_message(result.as_ref().err().map(Refusal::text))
}
