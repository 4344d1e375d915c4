//! Polled batches to the producer: convert, append; wait where the producer is full.

use std::rc::Rc;

use api::{Batch, Body, Error, Origin, Result, Run};
use protocol::client::producer::{AppendError, ProduceRecord};
use protocol::wire::records::Header;

use super::{SourcePipeline, unrecoverable};
use crate::pipeline::policy::kept;
use crate::task::Control;

impl SourcePipeline {
    /// Converts a batch and hands it to the producer. Returns early, with the rest of the batch left out and uncommitted, when
    /// told to stop while Kafka takes nothing.
    pub(super) async fn produce(&mut self, batch: Batch, control: &mut Control) -> Result<()> {
        self.metrics.batches.add(1);
        for run in batch.runs {
            self.metrics.records_in.add(run.record_count() as u64);
            if run.record_count() > 0 && !self.produce_run(run, control).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) async fn produce_run(&mut self, run: Run, control: &mut Control) -> Result<bool> {
        let Run { topic, partition, origin, body } = run;
        let (Body::Columns(columns), Origin::Source { partition: source, offsets }) = (body, origin) else {
            return Err(Error::fatal("a source task gave records that were read from Kafka"));
        };
        let rows = columns.value.len();
        let encoded = self.converters.encode(&topic, &columns, &self.metrics)?;
        let Some(handle) = self.topic(&topic, control).await? else { return Ok(false) };
        let token = self.progress.ledger.borrow_mut().open(&source, offsets.get(rows - 1))?;
        let now_ms = self.env.now_ms();
        let mut headers: Vec<Header<'_>> = Vec::new();
        let mut bytes = 0;
        for range in kept(rows, &encoded.skipped) {
            let mut submitted = range.start;
            let mut row = range.start;
            while row < range.end {
                let (key, value) = (encoded.key(row), encoded.value(row));
                headers.clear();
                headers.extend(columns.headers.row(row).map(|(key, value)| Header { key, value }));
                let timestamp_ms = columns.timestamps.get(row).unwrap_or(now_ms);
                let record = ProduceRecord { timestamp_ms, key, value, headers: &headers };
                match self.producer.append(&handle, partition, &record, token) {
                    Ok(()) => {
                        bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                        row += 1;
                    }
                    Err(AppendError::Full) => {
                        self.progress.ledger.borrow_mut().submit(token, row - submitted);
                        submitted = row;
                        if !self.wait_for_room(control).await? {
                            return Ok(false);
                        }
                    }
                    Err(error) => {
                        // Those before it are on their way, and their acknowledgements will come.
                        self.progress.ledger.borrow_mut().submit(token, row - submitted);
                        return Err(unrecoverable("Unrecoverable exception trying to send", error));
                    }
                }
            }
            self.progress.ledger.borrow_mut().submit(token, row - submitted);
        }
        self.progress.ledger.borrow_mut().seal(token);
        self.metrics.bytes_in.add(bytes as u64);
        Ok(true)
    }

    /// `false`: told to stop meanwhile. What is acknowledged is committed all the same: a Kafka partition that takes nothing must
    /// not hold up the offsets of those that do.
    pub(super) async fn wait_for_room(&mut self, control: &mut Control) -> Result<bool> {
        let progress = Rc::clone(&self.progress);
        loop {
            tokio::select! {
                biased;
                error = progress.failure() => return Err(error),
                () = control.stopped() => return Ok(false),
                _ = self.commits.tick() => self.begin_commit(),
                () = progress.committed.notified() => self.tell_committed().await,
                () = self.producer.ready() => return Ok(true),
            }
        }
    }
}
