//! Partitions that come and go: opened, closed with their last commit, forgotten.

use api::{Result, TopicPartition};
use protocol::client::consumer::{PositionReset, Rebalance};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::{LAST_COMMIT_PERCENT, SinkPipeline, from_protocol};
use crate::metrics::Stage;
use crate::task::Control;

impl SinkPipeline {
    /// Commits follow the position to where it goes on: the offset before it may mean nothing in the log as it is now.
    pub(super) fn position_was_reset(&mut self, reset: PositionReset) {
        let partition = from_protocol(reset.partition);
        warn!(
            task = %self.id, ?partition, cause = ?reset.cause, before = reset.before, after = reset.after,
            "the position of a partition was reset"
        );
        self.committed.shift_remove(&partition);
        if let Some(commit) = &mut self.commit {
            // It is of the log before: nothing to go back to when its outcome is known.
            commit.offsets.shift_remove(&partition);
        }
        self.epochs.begin(partition.clone(), reset.after, reset.leader_epoch);
        self.current.insert(partition, reset.after);
        self.positions_changed();
    }

    pub(super) async fn rebalance(&mut self, rebalance: Rebalance, control: &mut Control) -> Result<()> {
        match rebalance {
            Rebalance::Assigned(assigned) => {
                let mut opened = Vec::with_capacity(assigned.len());
                for partition in assigned {
                    let position = self.consumer.committable(&partition);
                    let partition = from_protocol(partition);
                    if let Some(position) = position {
                        self.current.insert(partition.clone(), position.offset);
                        self.committed.insert(partition.clone(), position.offset);
                        self.epochs.begin(partition.clone(), position.offset, position.leader_epoch);
                    }
                    opened.push(partition);
                }
                self.assigned.extend(opened.iter().cloned());
                self.positions_changed();
                self.metrics.stages.progressed(Instant::now());
                debug!(task = %self.id, partitions = ?opened, "partitions assigned");
                if self.is_paused || self.is_held_up {
                    self.pause_all();
                }
                if !opened.is_empty() {
                    self.task.open(&opened).await?;
                }
            }
            Rebalance::Revoked(revoked) => {
                let revoked: Vec<_> = revoked.into_iter().map(from_protocol).collect();
                self.close(&revoked, control).await?;
            }
            Rebalance::Lost(lost) => {
                // Those that were given up just before, and lost because the group did not wait, are closed already.
                let lost: Vec<_> =
                    lost.into_iter().map(from_protocol).filter(|lost| self.assigned.contains(lost)).collect();
                warn!(task = %self.id, partitions = ?lost, "partitions were lost to the group; they are not committed");
                if let Some(commit) = self.commit.take() {
                    commit.outcome.abort().await;
                }
                self.forget(&lost);
                if !lost.is_empty() {
                    self.task.close(&lost).await?;
                }
            }
        }
        Ok(())
    }

    /// Commits and closes partitions that leave.
    pub(super) async fn close(&mut self, leaving: &[TopicPartition], control: &mut Control) -> Result<()> {
        if leaving.is_empty() {
            return Ok(());
        }
        if let Some(commit) = self.commit.take() {
            // The last word on these partitions is the commit below; an older one must not arrive after it. One that is on its way
            // is on the same connection, before it; one that waits to be sent again is not sent.
            commit.outcome.abort().await;
            self.metrics.commits_skipped.record(1.0, Instant::now());
        }
        let since = self.metrics.stages.enter(Stage::Commit);
        self.settle_dead_letters(control).await;
        let offsets = self.committable(leaving.iter());
        let prepared = self.prepare(offsets).await;
        self.task.close(leaving).await?;
        if let Ok(Some(offsets)) = prepared {
            let committing = self.with_epochs(&offsets);
            let outcome = tokio::select! {
                biased;
                outcome = self.consumer.commit(&committing) => Some(outcome),
                () = sleep(self.spec.offset_flush_timeout) => None,
                // A coordinator that does not answer must not make a task that was told to stop a zombie.
                () = control.stopped_for(self.spec.shutdown_timeout * LAST_COMMIT_PERCENT / 100) => None,
            };
            match outcome {
                Some(Ok(())) => {
                    self.metrics.commit_ended(true, since);
                    self.metrics.commits_completed.record(1.0, Instant::now());
                    self.committed.extend(offsets);
                }
                Some(Err(error)) => self.commit_failed(since, &error.to_string()),
                None => self.commit_failed(since, "timed out"),
            }
        }
        self.forget(leaving);
        Ok(())
    }

    pub(super) async fn close_all(&mut self, control: &mut Control) -> Result<()> {
        let all: Vec<_> = self.assigned.iter().cloned().collect();
        self.close(&all, control).await
    }

    /// Drops everything held of partitions that are no longer ours.
    pub(super) fn forget(&mut self, gone: &[TopicPartition]) {
        let is_gone = |topic: &str, partition: i32| {
            gone.iter().any(|other| *other.topic == *topic && other.partition == partition)
        };
        self.assigned.retain(|partition| !is_gone(&partition.topic, partition.partition));
        self.current.retain(|partition, _| !is_gone(&partition.topic, partition.partition));
        self.committed.retain(|partition, _| !is_gone(&partition.topic, partition.partition));
        self.epochs.retain(|partition| !is_gone(&partition.topic, partition.partition));
        self.fetched.retain(|fetched| !is_gone(&fetched.topic, fetched.partition));
        if let Some(dead_letters) = self.errors.dead_letters() {
            dead_letters.forget(|partition| is_gone(&partition.topic, partition.partition));
        }
        if let Some(held) = &mut self.held {
            held.pending.forget(&|from| is_gone(&from.topic, from.partition));
        }
        self.positions_changed();
    }
}
