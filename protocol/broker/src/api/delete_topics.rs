//! `DeleteTopics`: by name, from version 6 on also by id.

use protocol::ErrorCode;
use protocol::wire::messages::delete_topics_request::DeleteTopicState;
use protocol::wire::messages::delete_topics_response::DeletableTopicResult;
use protocol::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse, VersionRange};

use super::call::{Answer, Api, Call, versions};
use crate::refusal::Refusal;

/// See the module.
#[derive(Debug)]
pub(super) struct DeleteTopics;

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;

    const VERSIONS: VersionRange = versions(1, 6);

    async fn handle(call: &Call, request: DeleteTopicsRequest) -> Answer<DeleteTopicsResponse> {
        let responses = wanted(request).into_iter().map(|topic| {
            let result = delete(call, &topic);
            answer(topic, call.version, result.err().as_ref())
        });
        DeleteTopicsResponse::default().with_responses(responses.collect()).into()
    }

    fn refuse(version: i16, request: DeleteTopicsRequest, code: ErrorCode) -> DeleteTopicsResponse {
        let refusal = Refusal::from(code);
        let responses = wanted(request).into_iter().map(|topic| answer(topic, version, Some(&refusal)));
        DeleteTopicsResponse::default().with_responses(responses.collect())
    }
}

/// The topics of all versions in the form of the newest.
fn wanted(request: DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let named = request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
    request.topics.into_iter().chain(named).collect()
}

fn delete(call: &Call, topic: &DeleteTopicState) -> Result<(), Refusal> {
    let mut cluster = call.shared.cluster.borrow_mut();
    let name = match &topic.name {
        Some(name) => name.clone(),
        None => cluster.name_of(&topic.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?.clone(),
    };
    cluster.delete_topic(&name)?;
    call.shared.groups.borrow_mut().topic_deleted(&name);
    Ok(())
}

fn answer(topic: DeleteTopicState, version: i16, refusal: Option<&Refusal>) -> DeletableTopicResult {
    let mut answer = DeletableTopicResult::default().with_name(topic.name);
    if version >= 6 {
        answer.topic_id = topic.topic_id;
    }
    if let Some(refusal) = refusal {
        answer.error_code = refusal.code.0;
        if version >= 5 {
            answer.error_message = Some(refusal.text());
        }
    }
    answer
}
