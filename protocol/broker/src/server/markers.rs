//! Performs what the transaction coordinator asks for: markers into partitions, offsets of transactions into groups.

use protocol::ErrorCode;
use protocol::wire::messages::ApiKey;
use tokio::time::Instant;

use super::Shared;
use crate::faults::Fault;
use crate::log::Marker;
use crate::transaction::{Ending, Participant};

/// No other coordinator ever takes over, so that there is but one epoch.
const COORDINATOR_EPOCH: i32 = 0;

impl Shared {
    /// Writes the markers of transactions that end, and tells the coordinator. A fault on `WriteTxnMarkers` holds them
    /// back: for its delay, or else until they are tried again.
    pub(crate) fn write_markers(&self, endings: impl IntoIterator<Item = Ending>) {
        for ending in endings {
            let (left, delay) = match self.faults.take(ApiKey::WriteTxnMarkers as i16) {
                Some(Fault::Delay(delay)) => (ending.participants, Some(delay)),
                // Nothing was written, maybe because there is nothing to write; the end is still to come.
                Some(_) if ending.participants.is_empty() => (Vec::new(), Some(std::time::Duration::ZERO)),
                Some(_) => (ending.participants, None),
                None => (self.write_marker(&ending), None),
            };
            let mut transactions = self.transactions.borrow_mut();
            transactions.markers_written(&ending.transactional_id, left, delay, Instant::now());
        }
        self.deadlines_changed();
    }

    /// Returns where there was no room for it.
    fn write_marker(&self, ending: &Ending) -> Vec<Participant> {
        let marker = Marker {
            producer_id: ending.producer.producer_id,
            epoch: ending.producer.epoch,
            coordinator_epoch: COORDINATOR_EPOCH,
            is_commit: ending.is_commit,
        };
        let is_written = |participant: &&Participant| match participant {
            Participant::Offsets(group) => {
                if let Some(entry) = self.groups.borrow_mut().get_mut(group) {
                    entry.offsets.end_transaction(marker.producer_id, marker.is_commit);
                }
                true
            }
            Participant::Partition(topic, index) => {
                let now_ms = (self.config.wall_clock_ms)();
                let mut cluster = self.cluster.borrow_mut();
                // A topic that was deleted meanwhile needs no marker.
                let Some(partition) = cluster.partition_mut(topic, *index) else {
                    return true;
                };
                match partition.end_transaction(&marker, now_ms) {
                    Ok(()) => true,
                    // The memory is full now and may not be later.
                    Err(refusal) if refusal.code == ErrorCode::POLICY_VIOLATION => false,
                    Err(refusal) => {
                        tracing::warn!(topic = %topic.0, partition = index, code = %refusal.code, "skipped a marker");
                        true
                    }
                }
            }
        };
        ending.participants.iter().filter(|participant| !is_written(participant)).cloned().collect()
    }
}
