//! A topic as one producer sees it: its partitions, each with its open batch and its queue, and where keyless records go.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::config::ProducerConfig;
use super::metrics::TopicStats;
use super::partitioner::{next_sticky, partition_for_key};
use super::queue::{Identity, PartitionQueue};
use super::record::AppendError;
use crate::cluster::TopicMetadata;
use crate::metrics::MetricsConfig;
use crate::net::Env;
use crate::wire::records::{BatchBuilder, BufferPool, Rows};

/// A topic whose metadata is known, for appending without a look-up. Clones share it; it belongs to the producer that gave it.
#[derive(Clone)]
pub struct TopicHandle {
    pub(super) state: Rc<TopicState>,
}

pub(super) struct TopicState {
    pub(super) name: Arc<str>,
    pub(super) wire_name: StrBytes,
    pub(super) partitions: RefCell<Vec<Rc<Partition>>>,
    /// Partitions that have a leader; keyless records avoid the others.
    available: RefCell<Vec<usize>>,
    sticky: Cell<Option<usize>>,
    /// By how many bytes keyless records have made the batches of the sticky partition grow.
    sticky_bytes: Cell<usize>,
    pub(super) metrics: RefCell<TopicStats>,
}

pub(super) struct Partition {
    pub(super) topic: Weak<TopicState>,
    pub(super) index: i32,
    pub(super) is_ready: Cell<bool>,
    /// The last transaction that it is part of, by ordinal.
    pub(super) admitted: Cell<u64>,
    pub(super) state: RefCell<PartitionState>,
}

pub(super) struct PartitionState {
    pub(super) builder: BatchBuilder,
    /// About the batch in `builder`; None while that is empty.
    pub(super) open: Option<OpenBatch>,
    pub(super) queue: PartitionQueue,
}

/// What is known of a batch that still takes records.
pub(super) struct OpenBatch {
    pub(super) id: u64,
    pub(super) deadline: Instant,
    pub(super) charged_bytes: usize,
    pub(super) flush_generation: u64,
    /// It has lingered, or somebody flushed: it goes out as soon as its partition may send.
    pub(super) is_due: bool,
    pub(super) tokens: Vec<(u64, u32)>,
}

/// Where a row goes, and what of those behind it goes there too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen {
    pub(super) index: usize,
    /// It says nothing of other rows.
    pub(super) is_of_one: bool,
    is_sticky: bool,
    /// By how many bytes the batches of the partition may grow before another one has to be chosen. A row that is alone may be larger.
    pub(super) bytes: usize,
}

impl TopicHandle {
    /// The topic's name.
    pub fn name(&self) -> &Arc<str> {
        &self.state.name
    }

    /// How many partitions it has by the newest metadata.
    pub fn partition_count(&self) -> usize {
        self.state.partitions.borrow().len()
    }

    pub(super) fn new(
        metadata: &TopicMetadata,
        pool: &BufferPool,
        batch_bytes: usize,
        metrics: MetricsConfig,
    ) -> Self {
        let state = Rc::new(TopicState {
            name: Arc::clone(&metadata.name),
            wire_name: StrBytes::from_string(metadata.name.to_string()),
            partitions: RefCell::default(),
            available: RefCell::default(),
            sticky: Cell::new(None),
            sticky_bytes: Cell::new(0),
            metrics: RefCell::new(TopicStats::new(metrics)),
        });
        let topic = Self { state };
        topic.update(metadata, pool, batch_bytes);
        topic
    }

    /// Takes over new partitions and which of them have leaders. Partitions never go away.
    /// Keyless records leave a partition that lost its leader.
    pub(super) fn update(&self, metadata: &TopicMetadata, pool: &BufferPool, batch_bytes: usize) {
        let mut partitions = self.state.partitions.borrow_mut();
        for index in partitions.len()..metadata.partitions.len() {
            partitions.push(Rc::new(Partition {
                topic: Rc::downgrade(&self.state),
                index: index as i32,
                is_ready: Cell::new(false),
                admitted: Cell::new(0),
                state: RefCell::new(PartitionState {
                    builder: BatchBuilder::new(pool.clone(), batch_bytes),
                    open: None,
                    queue: PartitionQueue::default(),
                }),
            }));
        }
        let mut available = self.state.available.borrow_mut();
        available.clear();
        available.extend(
            metadata
                .partitions
                .iter()
                .enumerate()
                .filter(|(_, p)| p.leader.is_some())
                .map(|(index, _)| index),
        );
        if let Some(sticky) = self.state.sticky.get()
            && !available.contains(&sticky)
        {
            self.state.sticky.set(None);
        }
    }
}

impl TopicState {
    /// Whether no record waits or is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.partitions.borrow().iter().all(|partition| {
            let state = partition.state.borrow();
            state.open.is_none() && state.queue.is_idle()
        })
    }

    /// Under which producer ids and epochs its partitions were written to last.
    pub(super) fn identities(&self) -> Vec<Identity> {
        let partitions = self.partitions.borrow();
        partitions.iter().filter_map(|partition| partition.state.borrow().queue.identity()).collect()
    }

    /// The partition for a row: the one asked for, that of its key, or the sticky one.
    pub(super) fn choose<R: Rows>(
        &self,
        env: &Env,
        config: &ProducerConfig,
        asked: Option<i32>,
        rows: &R,
        row: usize,
    ) -> Result<Chosen, AppendError> {
        let partitions = self.partitions.borrow();
        let count = partitions.len();
        let of_all = |index| Chosen { index, is_of_one: false, is_sticky: false, bytes: usize::MAX };
        if let Some(partition) = asked {
            return match usize::try_from(partition) {
                Ok(index) if index < count => Ok(of_all(index)),
                _ => Err(AppendError::NoSuchPartition { partition, count }),
            };
        }
        if count == 1 {
            return Ok(of_all(0));
        }
        if let Some(key) = rows.key(row).filter(|_| !config.partitioner_ignores_keys) {
            return Ok(Chosen { is_of_one: true, ..of_all(partition_for_key(key, count)) });
        }
        // Whether the next row has a key is not known.
        let is_of_one = rows.has_keys() && !config.partitioner_ignores_keys;
        let stuck = |index, taken: usize| Chosen {
            index,
            is_of_one,
            is_sticky: true,
            bytes: config.batch_bytes.saturating_sub(taken),
        };
        if let Some(sticky) = self.sticky.get()
            && let Some(partition) = partitions.get(sticky)
        {
            let taken = self.sticky_bytes.get();
            let growth = || partition.state.borrow().builder.growth(rows, row);
            if taken == 0 || taken.saturating_add(growth()) <= config.batch_bytes {
                return Ok(stuck(sticky, taken));
            }
        }
        let queue_length = |index: usize| match partitions.get(index) {
            Some(partition) if config.partitioner_is_adaptive => partition.state.borrow().queue.batch_count(),
            // Of partitions that are alike, each draw is as good.
            _ => 0,
        };
        let next = next_sticky(env, &self.available.borrow(), count, queue_length);
        self.sticky.set(Some(next));
        self.sticky_bytes.set(0);
        Ok(stuck(next, 0))
    }

    /// Rows were appended where they were to be, and made the batch grow by so much.
    pub(super) fn took(&self, chosen: Chosen, bytes: usize) {
        if chosen.is_sticky {
            self.sticky_bytes.set(self.sticky_bytes.get().saturating_add(bytes));
        }
    }

    /// Keyless records go elsewhere from the next one on: batches of `partition` are not delivered.
    pub(super) fn unstick(&self, partition: i32) {
        if self.sticky.get() == usize::try_from(partition).ok() {
            self.sticky.set(None);
        }
    }
}

impl PartialEq for TopicHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for TopicHandle {}

impl fmt::Debug for TopicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicHandle")
            .field("name", &self.state.name)
            .field("partition_count", &self.partition_count())
            .finish()
    }
}
