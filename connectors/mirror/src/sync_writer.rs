//! Writes offset syncs, with a producer of its own and without holding up the records that they are about.
//!
//! Of each partition the newest sync waits; at most [`IN_FLIGHT_MAX`] are on their way. What fails is warned of and not tried again:
//! a newer one will follow.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig, TopicHandle};
use protocol::client::properties::Configured;
use protocol::cluster::Cluster;
use protocol::net::Env;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::offset_sync::{self, Offsets};

/// Syncs that were sent and not answered (`OffsetSyncWriter.MAX_OUTSTANDING_OFFSET_SYNCS`).
const IN_FLIGHT_MAX: usize = 10;
/// How long to wait after the topic could not be found.
const RETRY_WAIT: Duration = Duration::from_secs(5);
/// The only partition of the topic.
const PARTITION: i32 = 0;

/// Nobody asks which sync a completion is of.
const TOKEN: u64 = 0;

/// See the module documentation. Dropping it gives up what is under way.
#[derive(Debug)]
pub(crate) struct SyncWriter {
    shared: Rc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    /// By topic and partition on the source.
    pending: RefCell<IndexMap<(Arc<str>, i32), Offsets>>,
    changed: Notify,
}

impl SyncWriter {
    /// Begins to write to `topic`, from the current `LocalSet`.
    pub(crate) fn start(env: Env, configured: Configured<ProducerConfig>, topic: String) -> SyncWriter {
        let shared = Rc::new(Shared::default());
        let task = tokio::task::spawn_local(run(Rc::clone(&shared), env, configured, topic)).abort_handle();
        SyncWriter { shared, task }
    }

    /// Has a sync written. One of the same partition that waits is not written any more.
    pub(crate) fn write(&self, topic: &Arc<str>, partition: i32, offsets: Offsets) {
        self.shared.pending.borrow_mut().insert((Arc::clone(topic), partition), offsets);
        self.shared.changed.notify_one();
    }
}

impl Drop for SyncWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Rc<Shared>, env: Env, configured: Configured<ProducerConfig>, topic: String) {
    let producer = match Producer::new(Cluster::new(env.clone(), configured.cluster), configured.client) {
        Ok(producer) => producer,
        Err(error) => {
            tracing::error!(topic, %error, "failed to make the producer of offset syncs: none will be written");
            return;
        }
    };
    while shared.pending.borrow().is_empty() {
        shared.changed.notified().await;
    }
    let handle = loop {
        match producer.topic(&topic).await {
            Ok(handle) => break handle,
            Err(error) => {
                tracing::warn!(topic, %error, "failed to find the topic of offset syncs, trying again");
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    };
    let mut in_flight = 0;
    let mut completions = Vec::new();
    loop {
        while in_flight < IN_FLIGHT_MAX {
            let Some(next) = shared.pending.borrow_mut().shift_remove_index(0) else { break };
            in_flight += usize::from(send(&producer, &handle, env.now_ms(), next));
        }
        producer.flush_hint();
        tokio::select! {
            () = producer.completions(&mut completions), if in_flight > 0 => {
                for completion in completions.drain(..) {
                    in_flight -= completion.record_count as usize;
                    if let Err(error) = completion.result {
                        tracing::error!(topic, %error, "failed to write an offset sync");
                    }
                }
            }
            () = shared.changed.notified(), if in_flight < IN_FLIGHT_MAX => {}
        }
    }
}

/// Whether it is on its way.
fn send(producer: &Producer, topic: &TopicHandle, now_ms: i64, sync: ((Arc<str>, i32), Offsets)) -> bool {
    let ((source, partition), offsets) = sync;
    let (key, value) = (offset_sync::key(&source, partition), offset_sync::value(offsets));
    let record = ProduceRecord { timestamp_ms: now_ms, key: Some(&key), value: Some(&value), headers: &[] };
    let appended = producer.append(topic, Some(PARTITION), &record, TOKEN);
    if let Err(error) = &appended {
        tracing::error!(topic = &**topic.name(), %error, "failed to write an offset sync");
    }
    appended.is_ok()
}
