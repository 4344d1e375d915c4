//! The clients of a source task, as those see them who look at its core.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use protocol::client::admin::Admin;
use protocol::client::producer::Producer;
use protocol::metrics::Metric;

use crate::metrics::{Observed, TaskMetrics};

/// Does not keep the producer, which is closed once its pipeline lets go of it.
pub(super) struct SourceClients {
    pub(super) producer: Weak<Producer>,
    pub(super) admin: Option<Rc<Admin>>,
    pub(super) metrics: Arc<TaskMetrics>,
}

impl Observed for SourceClients {
    fn refresh(&self) {
        if let Some(producer) = self.producer.upgrade() {
            self.metrics.queue_bytes.set(producer.buffered_bytes() as i64);
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&Metric<'_>)) {
        if let Some(producer) = self.producer.upgrade() {
            producer.visit_metrics(visit);
        }
        if let Some(admin) = &self.admin {
            admin.visit_metrics(visit);
        }
    }
}
