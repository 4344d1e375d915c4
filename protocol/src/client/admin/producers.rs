//! Producers from outside: fencing those of a transactional id.

use std::sync::Arc;

use futures_util::future::join_all;
use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::operations::{Admin, item_error};
use crate::Result;
use crate::cluster::Target;

/// How long the coordinator would wait before it aborted a transaction of the new epoch; none is ever begun.
const TRANSACTION_TIMEOUT_MS: i32 = 60_000;

/// What the coordinator gave to the fencing client, and what every older producer is refused in favour of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FencedProducers {
    /// The producer id of the transactional id.
    pub producer_id: i64,
    /// Its newest epoch.
    pub epoch: i16,
}

impl Admin {
    /// Fences all producers of each transactional id (and aborts what they have open), all ids at once; one result per id, in
    /// order.
    ///
    /// # Errors
    /// Per id: what its coordinator answered, such as `Broker(TRANSACTIONAL_ID_AUTHORIZATION_FAILED)`.
    pub async fn fence_producers(&self, transactional_ids: &[&str]) -> Vec<Result<FencedProducers>> {
        let targets = transactional_ids.iter().map(|id| Target::TransactionCoordinator(Arc::from(*id)));
        // All at once, and remembered for what follows, which also says what failed.
        self.cluster.coordinators(&targets.collect::<Vec<_>>()).await;
        join_all(transactional_ids.iter().map(async |id| {
            let target = Target::TransactionCoordinator(Arc::from(*id));
            self.cluster
                .retrying(&target, self.deadline(), async || {
                    let build = |_version| {
                        InitProducerIdRequest::default()
                            .with_transactional_id(Some(TransactionalId(StrBytes::from_string(
                                (*id).to_owned(),
                            ))))
                            .with_transaction_timeout_ms(TRANSACTION_TIMEOUT_MS)
                    };
                    let (response, _) = self.cluster.call(&target, build).await?;
                    item_error("fence producers", response.error_code, id, None)?;
                    Ok(FencedProducers {
                        producer_id: response.producer_id.0,
                        epoch: response.producer_epoch,
                    })
                })
                .await
        }))
        .await
    }
}
