//! Our side of the comparison: a process that produces or consumes one topic and prints its CPU time in ns.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use futures_util::FutureExt as _;
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::client::producer::{AppendError, Completion, ProduceRecord, Producer, ProducerConfig};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;
use protocol::wire::records::Decompressor;

/// Records appended before the send task gets its turn, as a source task yields after each batch.
const RECORDS_PER_TURN: i64 = 4_096;
/// How long one poll may wait.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// One measured process.
#[derive(Debug, Subcommand)]
pub(crate) enum Child {
    /// Produces records of one size
    Produce(Work),
    /// Consumes from the beginning, and finds the place of each key and value
    Consume(Work),
}

/// What it works on.
#[derive(Debug, Args)]
pub(crate) struct Work {
    bootstrap: String,
    topic: String,
    records: i64,
    record_bytes: usize,
    batch_bytes: usize,
}

/// Does the work and prints the CPU time that this process has used.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
pub(crate) async fn run_child(child: Child) -> Result<()> {
    match child {
        Child::Produce(work) => produce(&work).await?,
        Child::Consume(work) => consume(&work).await?,
    }
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    println!("{}", spent.tv_sec * 1_000_000_000 + spent.tv_nsec);
    Ok(())
}

fn connect(work: &Work) -> Result<Cluster> {
    Ok(Cluster::new(Env::real(), ClusterConfig::new(HostPort::parse_list(&work.bootstrap)?)))
}

async fn produce(work: &Work) -> Result<()> {
    let config = ProducerConfig { batch_bytes: work.batch_bytes, ..ProducerConfig::default() };
    let producer = Producer::new(connect(work)?, config)?;
    let topic = producer.topic(&work.topic).await?;
    let value = vec![b'x'; work.record_bytes];
    let record = ProduceRecord { timestamp_ms: 1, value: Some(&value), ..ProduceRecord::default() };
    let mut completions = Vec::new();
    let mut acknowledged = 0;
    let mut sent = 0;
    while sent < work.records {
        match producer.append(&topic, Some(0), &record, 0) {
            Ok(_partition) => sent += 1,
            Err(AppendError::Full) => producer.ready().await,
            Err(error) => return Err(error.into()),
        }
        if sent % RECORDS_PER_TURN == 0 {
            tokio::task::yield_now().await;
            // Ready or not: what has been answered is counted, what has not is no reason to wait.
            let _answered = producer.completions(&mut completions).now_or_never();
            acknowledged += count(&mut completions)?;
        }
    }
    producer.flush().await?;
    producer.close(POLL_TIMEOUT, &mut completions).await?;
    acknowledged += count(&mut completions)?;
    if acknowledged != work.records {
        bail!("{acknowledged} of {} records were acknowledged", work.records);
    }
    Ok(())
}

fn count(completions: &mut Vec<Completion>) -> Result<i64> {
    let mut records = 0;
    for completion in completions.drain(..) {
        completion.result?;
        records += i64::from(completion.record_count);
    }
    Ok(records)
}

async fn consume(work: &Work) -> Result<()> {
    let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() };
    let consumer = Consumer::new(connect(work)?, config);
    consumer.assign(vec![TopicPartition::new(&work.topic, 0)]);
    let mut decompressor = Decompressor::default();
    let mut places: Vec<(u32, u32)> = Vec::new();
    let mut records = 0;
    while records < work.records {
        let Polled::Records(fetched) = consumer.poll(POLL_TIMEOUT).await? else {
            bail!("no data for {POLL_TIMEOUT:?} after {records} records");
        };
        places.clear();
        for one in fetched {
            for batch in one.records {
                let batch = batch?;
                batch.check_crc()?;
                let payload = batch.payload(&mut decompressor)?;
                let place = |bytes: Option<&[u8]>| {
                    bytes.map_or((u32::MAX, 0), |bytes| {
                        let start = bytes.as_ptr() as usize - payload.as_ptr() as usize;
                        (start as u32, bytes.len() as u32)
                    })
                };
                for record in batch.records(&payload) {
                    let record = record?;
                    places.push(place(record.key));
                    places.push(place(record.value));
                }
            }
        }
        records += std::hint::black_box(&places).len() as i64 / 2;
    }
    if records != work.records {
        bail!("{records} records were read instead of {}", work.records);
    }
    Ok(())
}
