//! The task: batches of its partitions as they come from the source cluster, and offset syncs of what the target has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use api::config_def::Config;
use api::{
    Acknowledged, Batch, Body, Error, KafkaOffsets, Origin, Packed, Result, Run, SourceContext,
    SourceOffsets, SourcePartition, SourceTask,
};
use protocol::client::TopicPartition;
use protocol::client::consumer::{AbortedBatches, Consumer, Fetched, Polled};
use protocol::cluster::Cluster;
use protocol::net::Env;
use protocol::wire::records::{Decompressor, RecordBatch};

use crate::clients::{Clients, Side};
use crate::config;
use crate::offset_sync::{PartitionState, Sync, stretches};
use crate::offsets::{OFFSET, source_partition, upstream_offset};
use crate::policy::Policy;
use crate::source::{parse_partitions, syncs_location, syncs_topic};
use crate::sync_writer::SyncWriter;

/// Reads some partitions of the source cluster.
#[derive(Debug)]
pub struct MirrorSourceTask {
    env: Env,
    config: Config,
    policy: Policy,
    poll_wait: Duration,
    lag_max: i64,
    emits_syncs: bool,
    offset_field: Arc<str>,
    partitions: Vec<Mirrored>,
    /// By what they are on the source.
    by_source: HashMap<TopicPartition, usize>,
    /// By what they are on the target.
    by_remote: HashMap<TopicPartition, usize>,
    /// `None` before the start and after the stop.
    consumer: Option<Consumer>,
    decompressor: Decompressor,
    syncs: Option<SyncWriter>,
}

/// A partition that is copied.
#[derive(Debug)]
struct Mirrored {
    partition: TopicPartition,
    remote_topic: Arc<str>,
    source: SourcePartition,
    state: PartitionState,
    /// To be written at the next commit.
    delayed: Option<crate::offset_sync::Offsets>,
}

impl MirrorSourceTask {
    /// A task for the partitions that its configuration names.
    pub(crate) fn new(config: Config) -> Result<MirrorSourceTask> {
        let policy = Policy::of(config.originals())?;
        let alias = config.string(config::SOURCE_ALIAS).to_owned();
        let assigned = config.originals().get(config::TASK_PARTITIONS).map_or("", String::as_str);
        let mut remote_topics: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        let partitions = parse_partitions(assigned)?.into_iter().map(|partition| {
            let remote = remote_topics
                .entry(Arc::clone(&partition.topic))
                .or_insert_with(|| policy.remote_topic(&alias, &partition.topic).into());
            Mirrored {
                remote_topic: Arc::clone(remote),
                source: source_partition(&alias, &partition.topic, partition.partition),
                partition,
                state: PartitionState::default(),
                delayed: None,
            }
        });
        let partitions: Vec<Mirrored> = partitions.collect();
        let by_source = partitions.iter().enumerate().map(|(index, it)| (it.partition.clone(), index));
        let by_remote = partitions.iter().enumerate().map(|(index, it)| (it.remote(), index));
        Ok(MirrorSourceTask {
            by_source: by_source.collect(),
            by_remote: by_remote.collect(),
            partitions,
            env: Env::real(),
            policy,
            poll_wait: Duration::from_millis(config.long(config::POLL_TIMEOUT).max(0).unsigned_abs()),
            lag_max: config.long(config::OFFSET_LAG_MAX),
            emits_syncs: config.boolean(config::EMIT_OFFSET_SYNCS),
            offset_field: Arc::from(OFFSET),
            consumer: None,
            decompressor: Decompressor::default(),
            syncs: None,
            config,
        })
    }

    /// The same in another world than the real one.
    #[must_use]
    pub fn with_env(self, env: Env) -> MirrorSourceTask {
        MirrorSourceTask { env, ..self }
    }

    /// The records of what was fetched of one partition: a run for each batch, as it came.
    fn take(&mut self, fetched: &Fetched, runs: &mut Vec<Run>) -> Result<()> {
        let key = TopicPartition { topic: Arc::clone(&fetched.topic), partition: fetched.partition };
        let Some(mirrored) = self.by_source.get(&key).map(|index| &self.partitions[*index]) else {
            return Ok(());
        };
        let mut aborted = AbortedBatches::new(&fetched.aborted_transactions);
        for batch in fetched.records.clone() {
            let batch = batch.map_err(|error| unreadable(fetched, error))?;
            let header = batch.header();
            if header.is_control() {
                // Only where transactions were aborted somebody has to know where they end.
                if !fetched.aborted_transactions.is_empty() {
                    let payload = batch.payload(&mut self.decompressor);
                    let ended = payload.and_then(|payload| aborted.end(header, batch.records(&payload)));
                    ended.map_err(|error| unreadable(fetched, error))?;
                }
                continue;
            }
            let is_unwanted = header.next_offset() <= fetched.first_wanted_offset || header.record_count == 0;
            if !aborted.covers(header) && !is_unwanted {
                runs.push(mirrored.run(&batch, fetched, &self.offset_field));
            }
        }
        Ok(())
    }

    /// Hands delayed syncs to the writer.
    fn write_delayed(&mut self) {
        let Some(syncs) = &self.syncs else { return };
        for mirrored in &mut self.partitions {
            if let Some(offsets) = mirrored.delayed.take() {
                syncs.write(&mirrored.partition.topic, mirrored.partition.partition, offsets);
            }
        }
    }
}

impl Mirrored {
    fn remote(&self) -> TopicPartition {
        TopicPartition { topic: Arc::clone(&self.remote_topic), partition: self.partition.partition }
    }

    fn run(&self, batch: &RecordBatch, fetched: &Fetched, offset_field: &Arc<str>) -> Run {
        let header = batch.header();
        // A compressed message of the old formats names its last offset.
        let begins_at = if header.magic == 2 { header.base_offset } else { i64::MIN };
        let base = begins_at.max(fetched.first_wanted_offset);
        let offsets = KafkaOffsets { base, deltas: None, next: header.next_offset() };
        let wanted = usize::try_from(header.next_offset() - base).unwrap_or(0);
        let offsets = SourceOffsets::Kafka { field: Arc::clone(offset_field), offsets };
        Run {
            topic: Arc::clone(&self.remote_topic),
            partition: Some(fetched.partition),
            origin: Origin::Source { partition: self.source.clone(), offsets },
            body: Body::Packed(Packed {
                bytes: batch.bytes().clone(),
                record_count: wanted.min(header.record_count.unsigned_abs() as usize),
                max_timestamp_ms: header.max_timestamp,
            }),
        }
    }
}

impl SourceTask for MirrorSourceTask {
    fn wants_acknowledgements(&self) -> bool {
        self.emits_syncs
    }

    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        let clients = Clients::of(&self.config);
        let (assigned, sources): (Vec<_>, Vec<_>) = self
            .partitions
            .iter()
            .map(|mirrored| (mirrored.partition.clone(), mirrored.source.clone()))
            .unzip();
        let stored = context.offsets(&sources).await?;
        let configured = clients.consumer("replication-consumer")?;
        let consumer = Consumer::new(Cluster::new(self.env.clone(), configured.cluster), configured.client);
        consumer.assign(assigned.clone());
        let mut resumed = 0;
        for (partition, stored) in assigned.iter().zip(stored) {
            if let Some(offset) = stored.as_ref().and_then(upstream_offset) {
                let next = offset.saturating_add(1);
                consumer
                    .seek(partition, next)
                    .map_err(|error| Error::fatal("failed to seek").with_source(error))?;
                resumed += 1;
            }
        }
        tracing::info!(
            partitions = assigned.len(),
            resumed,
            source = self.config.string(config::SOURCE_ALIAS),
            "copying partitions of the source cluster"
        );
        self.consumer = Some(consumer);
        if self.emits_syncs {
            let side = syncs_location(&self.config);
            let role = match side {
                Side::Source => "offset-syncs-source-producer",
                Side::Target => "offset-syncs-target-producer",
            };
            let topic = syncs_topic(&self.config, &self.policy);
            self.syncs = Some(SyncWriter::start(self.env.clone(), clients.producer(side, role)?, topic));
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        let Some(consumer) = &self.consumer else { return std::future::pending().await };
        // Cancel safe: what the consumer gives is returned in the same step.
        match consumer.poll(self.poll_wait).await {
            Ok(Polled::Records(fetched)) => {
                let mut runs = Vec::new();
                for fetched in &fetched {
                    self.take(fetched, &mut runs)?;
                }
                Ok(Batch { runs })
            }
            Ok(Polled::Reset(reset)) => {
                tracing::warn!(
                    partition = %reset.partition,
                    cause = ?reset.cause,
                    before = reset.before,
                    after = reset.after,
                    "the source cluster no longer has the next record: records are lost, or come again"
                );
                Ok(Batch::default())
            }
            Ok(Polled::Rebalance(_) | Polled::Idle) => Ok(Batch::default()),
            Err(error) => Err(Error::retriable("Failure during poll.").with_source(error)),
        }
    }

    async fn records_acknowledged(&mut self, runs: &[Acknowledged]) -> Result<()> {
        let Some(syncs) = &self.syncs else { return Ok(()) };
        for run in runs {
            let Some(number) = run.run.partition else { continue };
            let remote = TopicPartition { topic: Arc::clone(&run.run.topic), partition: number };
            let Some(index) = self.by_remote.get(&remote) else { continue };
            let mirrored = &mut self.partitions[*index];
            for (first, last, has_gaps) in stretches(run) {
                match mirrored.state.update(first, last, has_gaps, self.lag_max) {
                    Sync::Urgent(offsets) => {
                        mirrored.delayed = None;
                        syncs.write(&mirrored.partition.topic, mirrored.partition.partition, offsets);
                    }
                    Sync::Delayed(offsets) => mirrored.delayed = Some(offsets),
                }
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.write_delayed();
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(consumer) = self.consumer.take() {
            consumer.close().await;
        }
        self.syncs = None;
        Ok(())
    }
}

fn unreadable(fetched: &Fetched, error: protocol::Error) -> Error {
    let place = format!("{}-{} at offset {}", fetched.topic, fetched.partition, fetched.first_wanted_offset);
    Error::fatal(format!("failed to read records fetched from {place}")).with_source(error)
}
