//! Commits: what the task allows goes out in the background, and its outcome is taken in when it is there.

use std::rc::Rc;
use std::sync::Arc;

use api::{Result, SinkOffsets, TopicPartition};
use protocol::client::OffsetAndMetadata;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::{Commit, LAST_COMMIT_PERCENT, SinkPipeline, one};
use crate::metrics::Stage;
use crate::pipeline::side::AbortOnDrop;
use crate::task::Control;

impl SinkPipeline {
    /// How far these partitions have got, by what the task has taken and what is safe in the dead letter queue.
    pub(super) fn committable<'a>(
        &self,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> SinkOffsets {
        let dead_letters = self.errors.dead_letters();
        let known = partitions.filter_map(|partition| self.current.get_key_value(partition));
        let offsets = known.map(|(partition, current)| {
            let limit = dead_letters.and_then(|dead_letters| dead_letters.limit(partition));
            (partition.clone(), limit.map_or(*current, |limit| limit.min(*current)))
        });
        offsets.collect()
    }

    /// Waits until every dead letter is written or known not to be, within what a commit may take.
    pub(super) async fn settle_dead_letters(&self, control: &mut Control) {
        if let Some(dead_letters) = self.errors.dead_letters() {
            tokio::select! {
                biased;
                () = dead_letters.settled() => {}
                () = sleep(self.spec.offset_flush_timeout) => {
                    warn!(task = %self.id, "dead letters were not written in time; offsets up to them are committed");
                }
                () = control.stopped_for(self.spec.shutdown_timeout * LAST_COMMIT_PERCENT / 200) => {}
            }
        }
    }

    /// Asks the task what may be committed. `None`: nothing new.
    pub(super) async fn prepare(&mut self, offsets: SinkOffsets) -> Result<Option<SinkOffsets>> {
        if offsets.is_empty() {
            return Ok(None);
        }
        self.metrics.stages.enter(Stage::Commit);
        self.metrics.commit_sequence.set(self.metrics.commit_sequence.get() + 1);
        let since = Instant::now();
        let allowed = match self.task.pre_commit(offsets.clone()).await {
            Ok(allowed) => allowed,
            Err(error) => {
                self.commit_failed(since, &error.to_string());
                return Err(error);
            }
        };
        let mut prepared = SinkOffsets::new();
        for (partition, offset) in allowed {
            match offsets.get(&partition) {
                Some(current) if offset <= *current => {
                    if self.committed.get(&partition) != Some(&offset) {
                        prepared.insert(partition, offset);
                    }
                }
                Some(current) => {
                    warn!(task = %self.id, ?partition, offset, current, "ignoring invalid task provided offset: it was not delivered yet");
                }
                None => {
                    debug!(task = %self.id, ?partition, "ignoring an offset of a partition that is not assigned")
                }
            }
        }
        if prepared.is_empty() {
            // As in Java, where nothing is new that has succeeded.
            self.metrics.commit_ended(true, since);
            self.metrics.commits_completed.record(1.0, Instant::now());
            return Ok(None);
        }
        Ok(Some(prepared))
    }

    /// Starts to commit what the task has taken, without waiting for the broker.
    pub(super) async fn begin_commit(&mut self) -> Result<()> {
        self.next_commit = Instant::now() + self.spec.offset_flush_interval;
        if self.commit.is_some() {
            return Ok(());
        }
        self.errors.tell_suppressed();
        match self.prepare(self.committable(self.current.keys())).await {
            Ok(None) => {}
            Ok(Some(offsets)) => {
                let consumer = Rc::clone(&self.consumer);
                let committing = self.with_epochs(&offsets);
                let outcome = AbortOnDrop::spawn(async move {
                    let outcome = consumer.commit(&committing).await;
                    (outcome, Instant::now())
                });
                self.commit = Some(Commit { offsets, since: Instant::now(), outcome });
            }
            // Everything since the last commit is delivered again (Java: rewind).
            Err(_logged) => self.rewind(),
        }
        Ok(())
    }

    /// Takes the outcome of a commit that has ended; gives up on one that takes too long.
    pub(super) async fn finish_commit(&mut self) {
        let Some(mut commit) = self.commit.take() else { return };
        if commit.outcome.is_finished() {
            let offsets = commit.offsets;
            match commit.outcome.outcome().await {
                Ok((Ok(()), ended)) => {
                    self.metrics.commit_took(true, commit.since, ended);
                    self.metrics.commits_completed.record(1.0, Instant::now());
                    for (partition, offset) in offsets {
                        if self.assigned.contains(&partition) {
                            self.epochs.committed(&partition, offset);
                            self.committed.insert(partition, offset);
                        }
                    }
                    self.positions_changed();
                }
                Ok((Err(error), _)) => self.commit_failed(commit.since, &error.to_string()),
                Err(error) => self.commit_failed(commit.since, &error.to_string()),
            }
        } else if commit.since.elapsed() >= self.spec.offset_flush_timeout {
            commit.outcome.abort().await;
            self.commit_failed(commit.since, "Commit of offsets timed out");
        } else {
            self.commit = Some(commit);
        }
    }

    pub(super) fn with_epochs(
        &self,
        offsets: &SinkOffsets,
    ) -> Vec<(protocol::client::TopicPartition, OffsetAndMetadata)> {
        let commit = |(partition, offset): (&TopicPartition, &i64)| {
            let leader_epoch = self.epochs.at(partition, *offset);
            (one(partition), OffsetAndMetadata { leader_epoch, ..OffsetAndMetadata::new(*offset) })
        };
        offsets.iter().map(commit).collect()
    }

    pub(super) fn commit_failed(&self, since: Instant, error: &str) {
        self.metrics.commit_ended(false, since);
        warn!(task = %self.id, error, "failed to commit offsets, trying again at the next interval");
    }

    pub(super) fn rewind(&mut self) {
        // Of a partition whose position was not known when it was assigned, what waits here may be all that was ever read.
        for fetched in &self.fetched {
            let partition =
                TopicPartition { topic: Arc::clone(&fetched.topic), partition: fetched.partition };
            self.committed.entry(partition).or_insert(fetched.first_wanted_offset);
        }
        for (partition, offset) in &self.committed {
            if let Err(error) = self.consumer.seek(&one(partition), *offset) {
                // Only a partition that is no longer ours has no position; its next owner starts at the committed offset.
                debug!(task = %self.id, ?partition, %error, "could not seek back");
            }
            self.epochs.rewind(partition, *offset);
        }
        self.current.clone_from(&self.committed);
        self.fetched.clear();
        self.held = None;
        self.positions_changed();
        self.apply_flow();
        self.resume_all();
    }
}
