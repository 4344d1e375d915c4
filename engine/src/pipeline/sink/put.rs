//! Fetched record sets to the batches that the sink gets, and what becomes of those that it refuses for now.

use std::sync::Arc;

use api::{Batch, Error, Kind, Result, SinkOffsets, Tier, TopicPartition};
use tokio::time::{Duration, Instant};
use tracing::warn;

use super::{BATCH_BYTES, Pending, REDELIVERY_WAIT_MAX, REDELIVERY_WAIT_MIN, Refused, SinkPipeline};
use crate::task::{Control, Target};

impl SinkPipeline {
    /// Puts everything fetched, in batches, until told otherwise or refused.
    pub(super) async fn put_available(&mut self, control: &mut Control) -> Result<()> {
        if let Some(refused) = self.refused.take() {
            if Instant::now() < refused.at {
                self.refused = Some(refused);
                return Ok(());
            }
            self.put(refused.pending, refused.wait).await?;
            self.resume_all();
        }
        while self.refused.is_none() && !self.fetched.is_empty() && control.target() == Target::Running {
            let pending = self.next_batch()?;
            self.put(pending, REDELIVERY_WAIT_MIN).await?;
            if Instant::now() >= self.next_commit {
                break;
            }
            // The fetcher and other tasks share this core: let them have their turn, the next fetch goes out meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Takes fetched record sets apart, up to [`BATCH_BYTES`], as far as the sink needs it.
    pub(super) fn next_batch(&mut self) -> Result<Pending> {
        let mut batch = Batch::default();
        let mut next = SinkOffsets::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(fetched) = self.fetched.pop_front()
        {
            let partition =
                TopicPartition { topic: Arc::clone(&fetched.topic), partition: fetched.partition };
            self.indexer.index(&fetched, self.tier, &mut batch.runs)?;
            bytes += fetched.bytes;
            // Where to go back to, for a partition whose position was not known when it was assigned.
            self.committed.entry(partition.clone()).or_insert(fetched.first_wanted_offset);
            self.epochs.read_up_to(&partition, fetched.next_offset, fetched.leader_epoch);
            next.insert(partition, fetched.next_offset);
        }
        self.metrics.bytes_in.add(bytes as u64);
        self.metrics.records_in.add(batch.record_count() as u64);
        if self.tier == Tier::Columns {
            batch = self.converters.decode(batch, &self.metrics)?;
        }
        Ok(Pending { batch, next })
    }

    pub(super) async fn put(&mut self, pending: Pending, wait: Duration) -> Result<()> {
        match self.task.put(&pending.batch).await {
            Ok(()) => {
                self.metrics.batches.add(1);
                self.metrics.records_out.add(pending.batch.record_count() as u64);
                for (partition, offset) in pending.next {
                    // A partition that was revoked while its batch was refused is no longer ours to advance.
                    if self.assigned.contains(&partition) {
                        self.current.insert(partition, offset);
                    }
                }
                Ok(())
            }
            Err(error) if error.kind() == Kind::Retriable => {
                warn!(
                    task = %self.id, %error, retry_ms = wait.as_millis(),
                    "the sink asked to have the batch again later; consumption is paused meanwhile"
                );
                self.pause_all();
                let next_wait = (wait * 2).min(REDELIVERY_WAIT_MAX);
                self.refused = Some(Refused { pending, wait: next_wait, at: Instant::now() + wait });
                Ok(())
            }
            Err(error) => {
                Err(Error::fatal("Exiting WorkerSinkTask due to unrecoverable exception.").with_source(error))
            }
        }
    }
}
