//! `ListTransactions`: the transactional ids that this node coordinates.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::list_transactions_response::TransactionState;
use protocol::wire::messages::{ListTransactionsRequest, ListTransactionsResponse, StrBytes, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use crate::transaction::{State, Transaction};

/// See the module.
#[derive(Debug)]
pub(super) struct ListTransactions;

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;

    // Version 2 brought a pattern in the syntax of RE2, which is not served.
    const VERSIONS: VersionRange = versions(0, 1);

    async fn handle(call: &Call, request: ListTransactionsRequest) -> Answer<ListTransactionsResponse> {
        let now = Instant::now();
        let is_state = |name: &&StrBytes| State::ALL.iter().any(|state| state.name() == name.as_str());
        let unknown = request.state_filters.iter().filter(|name| !is_state(name)).cloned().collect();
        let states: Vec<&StrBytes> = request.state_filters.iter().filter(is_state).collect();
        // A negative duration is none.
        let at_least = u64::try_from(request.duration_filter).ok().map(Duration::from_millis);
        let is_wanted = |transaction: &Transaction| {
            let producer_id = transaction.producer().producer_id;
            let lasts = transaction.started_at().map(|at| now.saturating_duration_since(at));
            (request.state_filters.is_empty()
                || states.iter().any(|name| name.as_str() == transaction.state().name()))
                && (request.producer_id_filters.is_empty()
                    || request.producer_id_filters.iter().any(|id| id.0 == producer_id))
                && at_least.is_none_or(|at_least| lasts.is_some_and(|lasts| lasts > at_least))
        };
        let transactions = call.shared.transactions.borrow();
        let listed = transactions
            .iter()
            .filter(|(id, transaction)| call.check_coordinator(id).is_ok() && is_wanted(transaction))
            .map(|(id, transaction)| {
                TransactionState::default()
                    .with_transactional_id(id.clone())
                    .with_producer_id(transaction.producer().producer_id.into())
                    .with_transaction_state(StrBytes::from_static_str(transaction.state().name()))
            });
        ListTransactionsResponse::default()
            .with_transaction_states(listed.collect())
            .with_unknown_state_filters(unknown)
            .into()
    }

    fn refuse(_: i16, _: ListTransactionsRequest, code: ErrorCode) -> ListTransactionsResponse {
        ListTransactionsResponse::default().with_error_code(code.0)
    }
}
