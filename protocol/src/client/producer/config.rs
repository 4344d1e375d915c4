//! What a producer is told. Names and defaults are Java's, except where a comment says otherwise.

use std::sync::Arc;
use std::time::Duration;

use crate::wire::records::Codec;
use crate::{Error, Result};

/// How many replicas must have a batch before it counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// None: the broker does not even answer.
    None,
    /// The leader alone.
    Leader,
    /// All replicas in sync.
    #[default]
    All,
}

impl Acks {
    /// The value in requests.
    pub fn as_i16(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

pub(crate) const DELIVERY_RULE: &str =
    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms";

/// The settings of one [`Producer`](super::Producer).
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`: no duplicates and no reordering by retries; needs `acks=all`.
    pub idempotence: bool,
    /// `transactional.id`: makes the producer transactional, and fences every other one with the same id.
    pub transactional_id: Option<Arc<str>>,
    /// `transaction.timeout.ms`: the coordinator aborts a transaction that stays open longer.
    pub transaction_timeout_ms: u64,
    /// `linger.ms`: how long a batch that is not full waits for more; a flush hint sends it before.
    pub linger_ms: u64,
    /// `batch.size`: a batch of this many uncompressed bytes is full.
    pub batch_bytes: usize,
    /// `max.request.size`: the most bytes of one request, and of one record before compression.
    pub request_bytes_max: usize,
    /// `buffer.memory`: the most bytes of records that wait for their acknowledgement.
    pub buffer_bytes: usize,
    /// `compression.type`.
    pub compression: Codec,
    /// `compression.<codec>.level`; None for the codec's default.
    pub compression_level: Option<i32>,
    /// `delivery.timeout.ms`: from the first append to a batch until it fails.
    pub delivery_timeout_ms: u64,
    /// `request.timeout.ms`: how long the broker may wait for its replicas.
    pub request_timeout_ms: u64,
    /// `max.block.ms`: how long the metadata of a topic may take.
    pub max_block_ms: u64,
    /// `max.in.flight.requests.per.connection`, 1 to 5.
    pub in_flight_max: usize,
    /// `retries`: how often a batch is sent again.
    pub retries: u32,
    /// `retry.backoff.ms`.
    pub retry_backoff_ms: u64,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max_ms: u64,
    /// `partitioner.ignore.keys`: records with a key go wherever those without one go.
    pub partitioner_ignores_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`: partitions whose batches pile up get fewer records without key.
    pub partitioner_is_adaptive: bool,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: true,
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            linger_ms: 5,
            batch_bytes: 16 * 1024,
            request_bytes_max: 1024 * 1024,
            buffer_bytes: 32 * 1024 * 1024,
            compression: Codec::None,
            compression_level: None,
            delivery_timeout_ms: 120_000,
            request_timeout_ms: 30_000,
            max_block_ms: 60_000,
            in_flight_max: 5,
            retries: i32::MAX as u32,
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 1_000,
            partitioner_ignores_keys: false,
            partitioner_is_adaptive: true,
        }
    }
}

impl ProducerConfig {
    /// Checks what depends on more than one setting.
    ///
    /// # Errors
    /// `Config`, in Java's words where Java has some.
    pub fn validate(&self) -> Result<()> {
        match self.contradiction() {
            Some(contradiction) => Err(Error::config("configure producer", contradiction)),
            None => Ok(()),
        }
    }

    /// What in these settings cannot be together.
    pub(crate) fn contradiction(&self) -> Option<String> {
        if self.in_flight_max == 0 {
            return Some("max.in.flight.requests.per.connection must be at least 1".to_owned());
        }
        if self.idempotence {
            if self.retries == 0 {
                return Some("Must set retries to non-zero when using the idempotent producer.".to_owned());
            }
            if self.acks != Acks::All {
                return Some("Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.".to_owned());
            }
            if let Some(refusal) = Self::too_many_in_flight(self.in_flight_max) {
                return Some(refusal);
            }
        }
        if self.transactional_id.is_some() && !self.idempotence {
            return Some("Cannot set a transactional.id without also enabling idempotence.".to_owned());
        }
        if self.transactional_id.as_deref() == Some("") {
            return Some("transactional.id must not be empty".to_owned());
        }
        if i32::try_from(self.transaction_timeout_ms).is_err() {
            return Some("transaction.timeout.ms must be at most 2147483647".to_owned());
        }
        (self.delivery_timeout_ms < self.delivery_timeout_ms_min()).then(|| DELIVERY_RULE.to_owned())
    }

    /// Java keeps the sum in 32 bits too, so that the longest of times can be had with any linger.
    pub(crate) fn delivery_timeout_ms_min(&self) -> u64 {
        self.linger_ms.saturating_add(self.request_timeout_ms).min(i32::MAX as u64)
    }

    /// A broker remembers five batches per producer and partition: a repeated sixth could not be told from a new one.
    pub(crate) fn too_many_in_flight(in_flight_max: usize) -> Option<String> {
        (in_flight_max > 5).then(|| {
            format!(
                "To use the idempotent producer, max.in.flight.requests.per.connection must be set to at most 5. \
                 Current value is {in_flight_max}."
            )
        })
    }

    pub(super) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms)
    }

    pub(super) fn delivery_timeout(&self) -> Duration {
        Duration::from_millis(self.delivery_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_contradictions_are_not() {
        assert!(ProducerConfig::default().validate().is_ok());
        let base = ProducerConfig::default;
        assert!(ProducerConfig { acks: Acks::Leader, ..base() }.validate().is_err());
        assert!(ProducerConfig { acks: Acks::Leader, idempotence: false, ..base() }.validate().is_ok());
        let plain = ProducerConfig { acks: Acks::Leader, idempotence: false, ..base() };
        assert!(ProducerConfig { transactional_id: Some("t".into()), ..plain }.validate().is_err());
        assert!(ProducerConfig { transactional_id: Some("".into()), ..base() }.validate().is_err());
        assert!(ProducerConfig { transactional_id: Some("t".into()), ..base() }.validate().is_ok());
        assert!(ProducerConfig { in_flight_max: 6, ..base() }.validate().is_err());
        assert!(ProducerConfig { retries: 0, ..base() }.validate().is_err());
        assert!(ProducerConfig { delivery_timeout_ms: 30_000, ..base() }.validate().is_err());
    }
}
