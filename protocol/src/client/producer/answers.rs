//! What the answer to a produce request means for the batches that it carried.

use std::rc::Rc;

use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use tokio::time::Instant;
use tracing::debug;

use super::Acks;
use super::queue::{Consequence, Outcome};
use super::sender::{Sender, SentRequest};
use super::topic::{Partition, TopicHandle};
use crate::cluster::Leader;
use crate::{Error, Result};

impl Sender {
    /// Takes in the answer to one request, or why there is none.
    pub(super) fn answered(&mut self, sent: SentRequest, outcome: Result<ProduceResponse>) {
        let acks = self.config().acks;
        let response = match outcome {
            Ok(response) => response,
            Err(error) => {
                for (partition, id) in sent.topics.into_values().flat_map(|topic| topic.sent) {
                    self.batch_answered(&partition, id, Outcome::Failed(error.clone()));
                }
                return;
            }
        };
        if acks == Acks::None {
            let written = || Outcome::Written { base_offset: -1, log_append_time_ms: -1 };
            for (partition, id) in sent.topics.into_values().flat_map(|topic| topic.sent) {
                self.batch_answered(&partition, id, written());
            }
            return;
        }
        for (index, topic) in sent.topics.values().enumerate() {
            // Brokers answer in the order of the request; anything else is searched for.
            let answers = response
                .responses
                .get(index)
                .filter(|answer| *answer.name == *topic.batches.name)
                .or_else(|| response.responses.iter().find(|answer| *answer.name == *topic.batches.name));
            for (index, (partition, id)) in topic.sent.iter().enumerate() {
                let answer = answers.and_then(|answers| {
                    let answers = &answers.partition_responses;
                    answers
                        .get(index)
                        .filter(|answer| answer.index == partition.index)
                        .or_else(|| answers.iter().find(|answer| answer.index == partition.index))
                });
                if let Some(answer) = answer {
                    self.note_leader(&topic.topic, partition.index, answer);
                }
                self.batch_answered(partition, *id, outcome_of(&topic.topic, partition.index, answer));
            }
        }
    }

    fn batch_answered(&mut self, partition: &Rc<Partition>, id: u64, outcome: Outcome) {
        let Some(topic) = partition.topic.upgrade() else { return };
        let topic = TopicHandle { state: topic };
        let now = Instant::now();
        if let Outcome::Failed(error) = &outcome {
            debug!(topic = %topic.name(), partition = partition.index, %error, "record batch was not written");
        }
        let consequence = {
            let mut state = partition.state.borrow_mut();
            let record_count = state.queue.sent(id).map_or(0, |batch| batch.header.record_count);
            let retries = self.accumulator.config.retries;
            let consequence = state.queue.answered(id, outcome, retries, &mut self.finished);
            if consequence.needs_split {
                let accumulator = &self.accumulator;
                accumulator.metrics.borrow_mut().split(now);
                state.queue.replace(id, |batch| accumulator.split(batch), &mut self.finished);
            }
            if consequence.is_retried {
                let mut topic = topic.state.metrics.borrow_mut();
                self.accumulator.metrics.borrow_mut().retried(&mut topic, record_count, now);
                let (policy, env) = (self.retries, self.cluster.env());
                state.queue.back_off(now, |failure_count| policy.backoff(env, failure_count));
                self.accumulator.queue_moved();
            }
            if state.queue.has_sendable() || state.open.as_ref().is_some_and(|open| open.is_due) {
                drop(state);
                self.accumulator.mark_ready(partition);
            }
            consequence
        };
        let Consequence { needs_metadata_refresh, needs_new_identity, .. } = consequence;
        self.wants_metadata |= needs_metadata_refresh;
        if needs_new_identity && self.accumulator.transaction.is_none() {
            self.identity = None;
        }
        for finished in self.finished.drain(..) {
            self.accumulator.finish(&topic, partition.index, finished);
        }
    }

    /// A leader that a broker names in its refusal saves a round of metadata (KIP-951).
    fn note_leader(&self, topic: &TopicHandle, partition: i32, answer: &PartitionProduceResponse) {
        let named = &answer.current_leader;
        if answer.error_code != 0 && named.leader_id.0 >= 0 && named.leader_epoch >= 0 {
            let leader = Leader { node: named.leader_id.0, epoch: named.leader_epoch };
            self.cluster.note_leader(topic.name(), partition, leader);
        }
    }
}

fn outcome_of(topic: &TopicHandle, partition: i32, answer: Option<&PartitionProduceResponse>) -> Outcome {
    const DOING: &str = "produce";
    let Some(answer) = answer else {
        let detail = format!("the answer does not mention {}-{partition}", topic.name());
        return Outcome::Failed(Error::malformed(DOING, detail));
    };
    if answer.error_code == 0 {
        return Outcome::Written {
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time_ms,
        };
    }
    let message = answer.error_message.as_deref().unwrap_or_default();
    let separator = if message.is_empty() { "" } else { ": " };
    let detail = format!("{}-{partition}{separator}{message}", topic.name());
    Outcome::Failed(Error::broker(DOING, answer.error_code).with_source(detail))
}
