//! How far a sink task is behind, partition by partition: written by the task and by looks at its consumer, read by anyone.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// No offset is known.
const UNKNOWN: i64 = -1;

/// One assigned partition.
#[derive(Debug)]
pub struct PartitionLag {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    position: AtomicI64,
    end: AtomicI64,
}

impl PartitionLag {
    /// The next offset that the sink has not taken.
    pub fn set_position(&self, offset: i64) {
        self.position.store(offset, Ordering::Relaxed);
    }

    /// The end of what the consumer may read, as the last answer of its leader had it.
    pub fn set_end(&self, offset: i64) {
        self.end.store(offset, Ordering::Relaxed);
    }

    /// Records between the two; `None` while either is unknown. Compaction and transactions make it an upper bound.
    pub fn lag(&self) -> Option<u64> {
        let (position, end) = (self.position.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed));
        (position >= 0 && end >= 0).then(|| (end - position).max(0) as u64)
    }
}

/// The partitions that a sink task has. The lock is taken where partitions come and go and where somebody reads, not where
/// records flow.
#[derive(Debug, Default)]
pub struct Lags(Mutex<Vec<Arc<PartitionLag>>>);

impl Lags {
    /// The partition's entry, made where there is none.
    pub fn entry(&self, topic: &Arc<str>, partition: i32) -> Arc<PartitionLag> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find(|lag| lag.partition == partition && lag.topic == *topic) {
            return Arc::clone(found);
        }
        let lag = Arc::new(PartitionLag {
            topic: Arc::clone(topic),
            partition,
            position: AtomicI64::new(UNKNOWN),
            end: AtomicI64::new(UNKNOWN),
        });
        all.push(Arc::clone(&lag));
        lag
    }

    /// Keeps the partitions that `is_kept` says.
    pub fn retain(&self, is_kept: impl Fn(&PartitionLag) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|lag| is_kept(lag));
    }

    /// All partitions.
    pub fn all(&self) -> Vec<Arc<PartitionLag>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lag of all partitions together; `None` where that of none is known.
    pub fn total(&self) -> Option<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(|lag| lag.lag()).reduce(u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_known_once_both_ends_are() {
        let lags = Lags::default();
        let topic: Arc<str> = "t".into();
        let first = lags.entry(&topic, 0);
        assert_eq!((first.lag(), lags.total()), (None, None));
        first.set_end(10);
        first.set_position(4);
        lags.entry(&topic, 1);
        assert_eq!((first.lag(), lags.total()), (Some(6), Some(6)));
        first.set_position(12);
        assert_eq!(first.lag(), Some(0), "an end from before the last batch is no negative lag");
        assert!(Arc::ptr_eq(&lags.entry(&topic, 0), &first));
        lags.retain(|lag| lag.partition == 1);
        assert_eq!(lags.all().len(), 1);
    }
}
