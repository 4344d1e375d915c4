//! `DescribeTransactions`: where transactional ids stand.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::describe_transactions_response::{TopicData, TransactionState};
use protocol::wire::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, StrBytes, TransactionalId, VersionRange,
};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use crate::transaction::Participant;

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeTransactions;

impl Api for DescribeTransactions {
    type Request = DescribeTransactionsRequest;

    const VERSIONS: VersionRange = versions(0, 0);

    async fn handle(
        call: &Call,
        request: DescribeTransactionsRequest,
    ) -> Answer<DescribeTransactionsResponse> {
        let states = request.transactional_ids.into_iter().map(|id| describe(call, id));
        DescribeTransactionsResponse::default().with_transaction_states(states.collect()).into()
    }

    fn refuse(_: i16, request: DescribeTransactionsRequest, code: ErrorCode) -> DescribeTransactionsResponse {
        let states = request.transactional_ids.into_iter().map(|id| failed(id, code));
        DescribeTransactionsResponse::default().with_transaction_states(states.collect())
    }
}

fn describe(call: &Call, id: TransactionalId) -> TransactionState {
    if let Err(code) = call.check_coordinator(&id) {
        return failed(id, code);
    }
    if id.is_empty() {
        return failed(id, ErrorCode::INVALID_REQUEST);
    }
    let transactions = call.shared.transactions.borrow();
    let Some(transaction) = transactions.get(&id) else {
        return failed(id, ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    };
    let mut topics: Vec<TopicData> = Vec::new();
    // In order, so that the partitions of a topic follow one another.
    for participant in transaction.participants() {
        if let Participant::Partition(name, index) = participant {
            match topics.last_mut() {
                Some(last) if last.topic == *name => last.partitions.push(*index),
                _ => topics.push(TopicData::default().with_topic(name.clone()).with_partitions(vec![*index])),
            }
        }
    }
    let wall_clock_ms = (call.shared.config.wall_clock_ms)();
    let started_ms = transaction
        .started_at()
        .map_or(-1, |at| wall_clock_ms.saturating_sub(millis(Instant::now().saturating_duration_since(at))));
    TransactionState::default()
        .with_transactional_id(id)
        .with_transaction_state(StrBytes::from_static_str(transaction.state().name()))
        .with_transaction_timeout_ms(i32::try_from(millis(transaction.timeout())).unwrap_or(i32::MAX))
        .with_transaction_start_time_ms(started_ms)
        .with_producer_id(transaction.producer().producer_id.into())
        .with_producer_epoch(transaction.producer().epoch)
        .with_topics(topics)
}

fn failed(id: TransactionalId, code: ErrorCode) -> TransactionState {
    TransactionState::default().with_transactional_id(id).with_error_code(code.0)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
