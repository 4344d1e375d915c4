//! Source offsets: read at the start, written once per interval and at the end, and the task told of it.

use std::rc::Rc;
use std::sync::Arc;

use api::{Error, OffsetReader, Result, SourceOffset, SourcePartition};
use futures_util::future::{Either, select};
use tokio::time::{Duration, Instant, timeout};
use tracing::{info, warn};

use super::SourcePipeline;
use super::progress::Progress;
use crate::metrics::TaskMetrics;
use crate::offset::{OffsetStore, decode_offset, decode_partition_key, encode_partition_key};
use crate::pipeline::side::AbortOnDrop;
use crate::task::{Control, TaskId};

/// Of the time that a task has to stop: how long it may wait for outstanding records and its last commit.
pub(super) const FINISH_PERCENT: u32 = 85;

impl SourcePipeline {
    /// Starts to write what has become committable, unless a commit is under way.
    pub(super) fn begin_commit(&mut self) {
        if self.progress.is_committing.replace(true) {
            warn!(task = %self.id, "the last offset commit has not ended yet; the next one waits for it");
            return;
        }
        let progress = Rc::clone(&self.progress);
        let store = Arc::clone(&self.spec.offsets);
        let (id, metrics) = (self.id.clone(), Arc::clone(&self.metrics));
        let limit = self.spec.offset_flush_timeout;
        self.commit = Some(AbortOnDrop::spawn(async move {
            if commit(&id, &progress, store.as_ref(), limit, &metrics).await {
                progress.is_commit_untold.set(true);
            }
            progress.is_committing.set(false);
            progress.committed.notify_one();
        }));
    }

    /// Tells the task which records are decided on, if it wants to hear it.
    pub(super) async fn tell_acknowledged(&mut self) {
        let decided = self.progress.take_decided();
        if !decided.is_empty()
            && let Err(error) = self.task.records_acknowledged(&decided).await
        {
            warn!(task = %self.id, %error, "failed to tell the task which records were acknowledged");
        }
    }

    /// Calls the task's commit, if offsets have become durable since the last call: a task may forget at its source what is
    /// committed.
    pub(super) async fn tell_committed(&mut self) {
        if !self.progress.is_commit_untold.take() {
            return;
        }
        self.tell_acknowledged().await;
        let untold = self.progress.untold.take();
        let offsets: Vec<_> = untold.iter().filter_map(|(key, value)| told(key, value.as_deref())).collect();
        if !offsets.is_empty()
            && let Err(error) = self.task.committed(&offsets).await
        {
            warn!(task = %self.id, %error, "failed to tell the task what was committed");
        }
        if let Err(error) = self.task.commit().await {
            warn!(task = %self.id, %error, "failed to call the task's commit");
        }
    }

    /// Waits for outstanding records and commits what is durable, all within the flush timeout and the time that the task has to stop.
    pub(super) async fn finish(&mut self, control: &mut Control) {
        let deadline = Instant::now() + self.time_to_finish(control);
        self.producer.flush_hint();
        while self.progress.ledger.borrow().outstanding_records() > 0 {
            let failed = self.progress.failed.notified();
            let acknowledged = self.progress.acknowledged.notified();
            match timeout(deadline - Instant::now(), select(Box::pin(acknowledged), Box::pin(failed))).await {
                Ok(Either::Left(_)) => {}
                Ok(Either::Right(_)) => break,
                Err(_elapsed) => {
                    let outstanding = self.progress.ledger.borrow().outstanding_records();
                    warn!(task = %self.id, outstanding, "records were not acknowledged in time; their offsets are not committed");
                    break;
                }
            }
        }
        self.tell_acknowledged().await;
        while self.progress.is_committing.get() {
            if timeout(deadline - Instant::now(), self.progress.committed.notified()).await.is_err() {
                return;
            }
        }
        let limit = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        if commit(&self.id, &self.progress, self.spec.offsets.as_ref(), limit, &self.metrics).await {
            self.progress.is_commit_untold.set(true);
            self.tell_committed().await;
        }
    }
}

/// Writes what is committable. On failure it becomes committable again.
async fn commit(
    id: &TaskId,
    progress: &Progress,
    store: &dyn OffsetStore,
    limit: Duration,
    metrics: &TaskMetrics,
) -> bool {
    let since = Instant::now();
    let taken = progress.ledger.borrow_mut().take_committable();
    let written = match taken {
        Ok(entries) if entries.is_empty() => {
            // As in Java, where there is nothing to write that has succeeded.
            metrics.commit_ended(true, since);
            return true;
        }
        Ok(entries) => match timeout(limit, store.set(entries.clone())).await {
            Ok(Ok(())) => {
                progress.untold.borrow_mut().extend(entries);
                Ok(())
            }
            Ok(Err(error)) => Err((error, entries)),
            Err(_elapsed) => {
                Err((Error::retriable(format!("not durable within {} ms", limit.as_millis())), entries))
            }
        },
        Err(error) => Err((error, Vec::new())),
    };
    match written {
        Ok(()) => {
            metrics.commit_ended(true, since);
            true
        }
        Err((error, entries)) => {
            metrics.commit_ended(false, since);
            warn!(task = %id, %error, "failed to commit source offsets, trying again at the next interval");
            if let Err(error) = progress.ledger.borrow_mut().restore(entries) {
                progress.fail(error);
            }
            false
        }
    }
}

/// A stored entry as the task knows it.
fn told(key: &[u8], value: Option<&[u8]>) -> Option<(SourcePartition, Option<SourceOffset>)> {
    let (_connector, partition) = decode_partition_key(key)?;
    let offset = value.map(decode_offset).transpose().ok()?.flatten();
    Some((partition, offset))
}

/// The offsets of one connector in the store.
pub(super) struct StoredOffsets {
    pub(super) connector: Arc<str>,
    pub(super) store: Arc<dyn OffsetStore>,
}

impl OffsetReader for StoredOffsets {
    fn read<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> api::connector::LocalBoxFuture<'a, Result<Vec<Option<SourceOffset>>>> {
        Box::pin(async move {
            let keys = partitions
                .iter()
                .map(|partition| encode_partition_key(&self.connector, partition))
                .collect::<Result<Vec<_>>>()?;
            let stored = self.store.get(keys).await?;
            let offsets = stored.into_iter().map(|value| match value {
                Some(json) => decode_offset(&json),
                None => Ok(None),
            });
            let offsets = offsets.collect::<Result<Vec<_>>>()?;
            info!(connector = %self.connector, found = offsets.iter().flatten().count(), asked = partitions.len(), "read stored source offsets");
            Ok(offsets)
        })
    }
}
