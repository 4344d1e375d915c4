//! Kafka to null: what the worker process spends per record when the sink drops everything, for each tier.
//!
//! Method: a topic of one partition is filled by the worker itself (`DatagenSource`). Then, for each tier and round, a fresh
//! worker process reads all of it into a `BlackholeSink`; CPU time is that of the whole process (user and system, from
//! `/proc/<pid>/stat`) from its start until its group has committed the end offset, start-up included. Printed are all rounds
//! and the median.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::cluster::Kafka;
use crate::options::Common;
use crate::output::print;
use crate::worker::Worker;

/// What design.md's floor lists for 100-byte records, ns of CPU per record: bytes tier, index tier.
const FLOOR_100_BYTES_NS: [(&str, f64); 2] = [("bytes", 18.0), ("index", 27.0)];

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Codec of the batches in the topic: none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none")]
    compression: String,
    /// Further connector properties of the sink, `key=value`
    #[arg(long = "set")]
    settings: Vec<String>,
    /// Tiers to measure
    #[arg(long, value_delimiter = ',', default_value = "bytes,index,columns")]
    tiers: Vec<String>,
}

/// Fills, measures, prints.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kafka = Kafka::connect(&options.common.bootstrap)?;
    let dir = tempfile::tempdir()?;
    let topic = format!("blackhole-{}", std::process::id());
    let raw = "key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
               value.converter=org.apache.kafka.connect.storage.StringConverter\n";
    kafka.create_topic(&topic, "producer").await?;
    let fill = Instant::now();
    {
        let connector = format!(
            "name=fill\nconnector.class=DatagenSource\ntopic={topic}\nrate=-1\nrecords={}\nrecord.bytes={}\n\
             producer.override.compression.type={}\nproducer.override.batch.size=262144\n",
            options.common.records, options.common.record_bytes, options.compression
        );
        let worker = Worker::start(
            &options.common.binary,
            dir.path(),
            &kafka.bootstrap,
            raw,
            std::slice::from_ref(&connector),
        )
        .context("start the worker that fills the topic")?;
        kafka.wait_for_records(&topic, options.common.records).await?;
        let usage = worker.usage()?;
        let per_record = usage.cpu.as_nanos() as f64 / options.common.records as f64;
        print(&format!(
            "filled {topic} with {} records of {} bytes ({}) in {:.1} s, {per_record:.0} ns of worker CPU per record",
            options.common.records,
            options.common.record_bytes,
            options.compression,
            fill.elapsed().as_secs_f64()
        ));
    }
    print("tier      round  ns/record  (user + system)  records/s  peak RSS  REST ready");
    for tier in &options.tiers {
        let mut costs = Vec::new();
        for round in 1..=options.common.rounds {
            let group = format!("{topic}-{tier}-{round}");
            let connector = format!(
                "name={group}\nconnector.class=BlackholeSink\ntopics={topic}\ntier={tier}\ntasks.max=1\n{}\n",
                options.settings.join("\n")
            );
            let started = Instant::now();
            let worker = Worker::start(
                &options.common.binary,
                dir.path(),
                &kafka.bootstrap,
                raw,
                std::slice::from_ref(&connector),
            )?;
            kafka.wait_for_commit(&format!("connect-{group}"), &topic, options.common.records).await?;
            let took = started.elapsed();
            let usage = worker.usage()?;
            let ns = |time: Duration| time.as_nanos() as f64 / options.common.records as f64;
            costs.push(ns(usage.cpu));
            print(&format!(
                "{tier:8} {round:6} {:10.1}  ({:5.1} + {:5.1}) {:12.0} {:6.1} MB {:8.0} ms",
                ns(usage.cpu),
                ns(usage.user),
                ns(usage.system),
                options.common.records as f64 / took.as_secs_f64(),
                usage.peak_resident_bytes as f64 / 1e6,
                worker.ready_after.as_secs_f64() * 1e3,
            ));
        }
        costs.sort_by(f64::total_cmp);
        let median = costs[costs.len() / 2];
        let floor = FLOOR_100_BYTES_NS.iter().find(|(name, _)| name == tier);
        let against = match floor {
            Some((_, floor)) if options.common.record_bytes == 100 && options.compression == "none" => {
                format!(", {:.1}x of design.md's floor of {floor} ns", median / floor)
            }
            _ => String::new(),
        };
        print(&format!("{tier:8} median {median:10.1}{against}"));
    }
    Ok(())
}
