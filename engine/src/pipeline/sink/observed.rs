//! How far a sink task is, and its consumer as those see it who look at its core.

use std::rc::Weak;
use std::sync::Arc;

use api::TopicPartition;
use protocol::client::consumer::Consumer;
use protocol::metrics::Metric;
use tokio::time::Instant;

use super::{SinkPipeline, one};
use crate::metrics::{Observed, TaskMetrics};
use crate::pipeline::ErrorHandler;

/// Does not keep the consumer, which is closed once its pipeline lets go of it.
pub(super) struct SinkClients {
    pub(super) consumer: Weak<Consumer>,
    pub(super) errors: Weak<ErrorHandler>,
    pub(super) metrics: Arc<TaskMetrics>,
}

impl Observed for SinkClients {
    fn refresh(&self) {
        let Some(consumer) = self.consumer.upgrade() else { return };
        for lag in self.metrics.lags.all() {
            let partition =
                protocol::client::TopicPartition { topic: Arc::clone(&lag.topic), partition: lag.partition };
            if let Some(end) = consumer.end_offset(&partition) {
                lag.set_end(end);
            }
        }
        self.metrics.queue_bytes.set(consumer.prefetched_bytes() as i64);
    }

    fn visit(&self, visit: &mut dyn FnMut(&Metric<'_>)) {
        if let Some(consumer) = self.consumer.upgrade() {
            consumer.visit_metrics(visit);
        }
        if let Some(errors) = self.errors.upgrade()
            && let Some(dead_letters) = errors.dead_letters()
        {
            dead_letters.visit_metrics(visit);
        }
    }
}

impl SinkPipeline {
    /// The sink has taken everything of an assigned partition below `offset`.
    pub(super) fn advance(&mut self, partition: TopicPartition, offset: i64) {
        if let Some(lag) = self.lags.get(&partition) {
            lag.set_position(offset);
            if let Some(end) = self.consumer.end_offset(&one(&partition)) {
                lag.set_end(end);
            }
        }
        let before = self.current.insert(partition, offset);
        self.active += before.map_or(0, |before| (offset - before).max(0));
    }

    /// Counts again what is not committed and where partitions are, after positions moved otherwise than by what the sink took.
    pub(super) fn positions_changed(&mut self) {
        let uncommitted = self
            .current
            .iter()
            .filter_map(|(partition, at)| Some((at - self.committed.get(partition)?).max(0)));
        self.active = uncommitted.sum();
        self.metrics.set_active(self.active, Instant::now());
        self.metrics.partition_count.set(self.assigned.len() as i64);
        self.lags.retain(|partition, _| self.assigned.contains(partition));
        for partition in &self.assigned {
            let lag = self
                .lags
                .entry(partition.clone())
                .or_insert_with(|| self.metrics.lags.entry(&partition.topic, partition.partition));
            if let Some(at) = self.current.get(partition) {
                lag.set_position(*at);
            }
        }
        let lags = &self.lags;
        self.metrics.lags.retain(|lag| {
            let partition = TopicPartition { topic: Arc::clone(&lag.topic), partition: lag.partition };
            lags.contains_key(&partition)
        });
    }
}
