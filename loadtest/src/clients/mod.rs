//! Client against client: what a producer and a consumer process spend per record, ours and librdkafka, on one broker in one run.
//!
//! Method: every measurement is a process of its own that does one thing and then prints the CPU time (user and system) of its
//! whole life, connecting included. Both sides produce the same records with the same batch size, idempotent, one partition;
//! both consume the topic that our producer filled. The sides take turns, round by round; printed are all rounds, the medians
//! and their ratio. Each producer's topic is checked for its count of records, each consumer counts what it reads.
//!
//! Ours checks every batch's CRC, which librdkafka by its default does not, and finds the place of each key and value (the
//! index tier). librdkafka hands out message structs: one by one (`rd_kafka_consumer_poll`, the way its bindings use it) and in
//! batches (`rd_kafka_consume_batch`, the cheapest that it has).
//!
//! Last, our consumer reads such records from the embedded broker, as many as fit into its memory, and the CPU time that the
//! broker spends on that is printed.

pub(crate) mod embedded;
mod own;
mod rdkafka;

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::embedded::EmbeddedBroker;
use self::rdkafka::Program;
use crate::cluster::Kafka;
use crate::options::Common;
use crate::output::print;

pub(crate) use own::{Child, run_child};

/// What the embedded broker is filled with at most: half of the memory that it allows itself.
const BROKER_BYTES_MAX: usize = 512 << 20;
/// What a record takes beside its value, generously.
const RECORD_OVERHEAD_BYTES: usize = 20;

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// `batch.size` of both producers
    #[arg(long, default_value_t = 256 * 1024)]
    batch_bytes: usize,
}

/// CPU time per record of one side in each round.
#[derive(Debug)]
struct Costs {
    name: &'static str,
    ns: Vec<f64>,
}

impl Costs {
    fn new(name: &'static str) -> Costs {
        Costs { name, ns: Vec::new() }
    }

    fn add(&mut self, round: usize, ns: f64) {
        print(&format!("{:20} round {round} {ns:9.1} ns/record", self.name));
        self.ns.push(ns);
    }

    fn median(&self) -> f64 {
        let mut sorted = self.ns.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Produces, consumes, prints.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kafka = Kafka::connect(&options.common.bootstrap)?;
    let dir = tempfile::tempdir()?;
    let program = Program::compile(dir.path())?;
    let run_name = std::process::id();
    print(&format!(
        "{} records of {} bytes, one partition, batch.size {}, {}",
        options.common.records,
        options.common.record_bytes,
        options.batch_bytes,
        program.version()?
    ));
    let mut own_produce = Costs::new("producer ours");
    let mut their_produce = Costs::new("producer librdkafka");
    let mut own_consume = Costs::new("consumer ours");
    let mut their_consume = Costs::new("consumer librdkafka");
    let mut their_batches = Costs::new("batches of librdkafka");
    for round in 1..=options.common.rounds {
        let (own, theirs) = (format!("own-{run_name}-{round}"), format!("rdkafka-{run_name}-{round}"));
        for (topic, costs) in [(&own, &mut own_produce), (&theirs, &mut their_produce)] {
            kafka.create_topic(topic, "producer").await?;
            let mut command =
                if topic == &own { own_command("produce")? } else { program.command("produce") };
            command.args(options.arguments(&options.common.bootstrap, topic, options.common.records));
            costs.add(round, measure(&mut command, options.common.records)?);
            let end_offset = kafka.end_offset(topic).await?;
            if end_offset != options.common.records {
                bail!("{topic} has {end_offset} records instead of {}", options.common.records);
            }
        }
        let read = options.arguments(&options.common.bootstrap, &own, options.common.records);
        own_consume.add(round, measure(own_command("consume")?.args(&read), options.common.records)?);
        their_consume.add(round, measure(program.command("poll").args(&read), options.common.records)?);
        their_batches.add(round, measure(program.command("consume").args(&read), options.common.records)?);
    }
    for (ours, theirs) in
        [(&own_produce, &their_produce), (&own_consume, &their_consume), (&own_consume, &their_batches)]
    {
        print(&format!(
            "{} {:.1} ns, {} {:.1} ns: 1/{:.1}",
            ours.name,
            ours.median(),
            theirs.name,
            theirs.median(),
            theirs.median() / ours.median()
        ));
    }
    broker(&options, &format!("own-{run_name}")).await
}

/// The embedded broker, filled by our producer and read by our consumer.
async fn broker(options: &Options, topic: &str) -> Result<()> {
    let fitting = BROKER_BYTES_MAX / (options.common.record_bytes + RECORD_OVERHEAD_BYTES);
    let records = options.common.records.min(i64::try_from(fitting)?);
    let broker = EmbeddedBroker::start(&options.common.binary)?;
    Kafka::connect(&broker.bootstrap)?.create_topic(topic, "producer").await?;
    let arguments = options.arguments(&broker.bootstrap, topic, records);
    let mut costs = Costs::new("embedded broker");
    measure(own_command("produce")?.args(&arguments), records)?;
    for round in 1..=options.common.rounds {
        let before = broker.usage()?.cpu;
        measure(own_command("consume")?.args(&arguments), records)?;
        let spent = broker.usage()?.cpu - before;
        costs.add(round, spent.as_nanos() as f64 / records as f64);
    }
    print(&format!("{} {:.1} ns per fetched message, {records} messages", costs.name, costs.median()));
    Ok(())
}

impl Options {
    /// What every measured process is told, in this order.
    fn arguments(&self, bootstrap: &str, topic: &str, records: i64) -> [String; 5] {
        [
            bootstrap.to_owned(),
            topic.to_owned(),
            records.to_string(),
            self.common.record_bytes.to_string(),
            self.batch_bytes.to_string(),
        ]
    }
}

fn own_command(what: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe().context("find this program")?);
    command.args(["client", what]);
    Ok(command)
}

/// Runs one process to its end; gives its CPU time per record in ns, as it prints it itself.
fn measure(command: &mut Command, records: i64) -> Result<f64> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{command:?} ended with {}: {text}", output.status);
    }
    let cpu_ns: u64 = text.trim().parse().with_context(|| format!("{command:?} printed {text:?}"))?;
    Ok(cpu_ns as f64 / records as f64)
}
