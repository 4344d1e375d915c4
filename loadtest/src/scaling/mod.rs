//! What grows with what: CPU per record against partitions, tasks, record size and changes of schema, and the time to start against connectors.
//!
//! Method: each point is a worker process of its own with one `BlackholeSink`, which reads a topic with few records and then, another
//! process, one with ten times as many, from the start of the process until its group has committed all. The difference of their CPU (user
//! and system, from `/proc/<pid>/stat`) over the difference of their records is what a record costs; what is left of the first is what the
//! start costs, with everything that comes once. Of several rounds the median is reported. Nothing but the named dimension changes.

mod point;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::point::{Figures, Load, Point};
use crate::cluster::Kafka;
use crate::compare::machine;
use crate::output::{self, Progress};

const RESULTS: &str = "scaling.json";

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Kafka to use, `host:port`
    #[arg(long, env = "AQUEDUCT_KAFKA")]
    bootstrap: String,
    /// The program `aqueduct`
    #[arg(long, env = "AQUEDUCT_BIN", default_value = "target/release/aqueduct")]
    binary: PathBuf,
    /// What to vary; everything without it
    #[arg(long, value_enum, value_delimiter = ',')]
    dimensions: Vec<Dimension>,
    /// Rounds of each point
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Records of each point, in percent of what its line in the table says
    #[arg(long, default_value_t = 100)]
    percent: u64,
    /// Where results are kept
    #[arg(long, default_value = "loadtest/results")]
    results: PathBuf,
}

/// What is varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dimension {
    /// Of the topic, one of them with records
    Partitions,
    /// Each with a partition of its own
    Tasks,
    /// Of a value
    Bytes,
    /// Records until the JSON schema is another one
    Schemas,
    /// Given to a worker as it starts
    Connectors,
}

impl Dimension {
    fn name(self) -> String {
        self.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    fn title(self) -> &'static str {
        match self {
            Dimension::Partitions => "partitions, all but one idle; 100 B",
            Dimension::Tasks => "tasks, a partition each; 100 B",
            Dimension::Bytes => "bytes of a record, 1 partition",
            Dimension::Schemas => "records until the schema changes between two; JSON with schema to columns",
            Dimension::Connectors => "connectors at the start, half of them sources and half sinks, idle",
        }
    }

    /// The points: value, and the load of a sink's.
    fn points(self) -> Vec<(u64, Load)> {
        let base = Load { partitions: 1, tasks: 1, bytes: 100, schema_run: None, records: 10_000_000 };
        let of =
            |values: &[u64], load: &dyn Fn(u64) -> Load| values.iter().map(|it| (*it, load(*it))).collect();
        match self {
            Dimension::Partitions => {
                of(&[1, 10, 100, 1_000, 10_000], &|it| Load { partitions: it as i32, ..base })
            }
            Dimension::Tasks => {
                of(&[1, 10, 100, 1_000], &|it| Load { partitions: it as i32, tasks: it, ..base })
            }
            Dimension::Bytes => of(&[10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000], &|it| Load {
                bytes: it as usize,
                // A gigabyte at most.
                records: (1_000_000_000 / it).clamp(100, 10_000_000),
                ..base
            }),
            Dimension::Schemas => of(&[1, 10, 100, 1_000, u64::MAX], &|it| Load {
                schema_run: Some(it),
                records: 1_000_000,
                ..base
            }),
            Dimension::Connectors => of(&[1, 10, 100, 1_000], &|_| base),
        }
    }
}

/// Measures, prints and keeps the points.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kafka = Kafka::connect(&options.bootstrap)?;
    let machine = machine::facts(&options.binary);
    let dimensions =
        if options.dimensions.is_empty() { Dimension::value_variants() } else { &options.dimensions };
    let mut kept = load(&options)?;
    let progress = Progress::new(dimensions.iter().map(|dimension| dimension.points().len()).sum());
    for dimension in dimensions {
        progress.print(&format!("\n{}", dimension.title()));
        progress.doing(&dimension.name());
        let mut rows = Vec::new();
        if *dimension == Dimension::Connectors {
            progress.print("         value  REST ready ms  all run ms  CPU ms  peak MB");
            for (value, _) in dimension.points() {
                let start = point::start(&kafka, &options.binary, value, options.rounds).await?;
                progress.print(&format!(
                    "{value:14} {:14.0} {:11.0} {:7.0} {:8.1}",
                    start.ready_ms, start.running_ms, start.cpu_ms, start.peak_mb
                ));
                progress.step();
                rows.push(json!({
                    "value": value, "rest_ready_ms": start.ready_ms, "all_run_ms": start.running_ms, "cpu_ms": start.cpu_ms,
                    "peak_mb": start.peak_mb,
                }));
            }
        } else {
            progress.print("         value  ns/record  start CPU ms  peak MB     records");
            for (value, load) in dimension.points() {
                let load = Load { records: load.records * options.percent / 100, ..load };
                let name = format!("{}-{value}", dimension.name());
                let point = Point { name, kafka: &kafka, binary: &options.binary, load };
                let figures = point
                    .measure(options.rounds)
                    .await
                    .with_context(|| format!("{} {value}", dimension.title()))?;
                progress.print(&row(value, &figures, load.records));
                progress.step();
                rows.push(json!({
                    "value": (value != u64::MAX).then_some(value), "ns_per_record": figures.ns_per_record,
                    "start_cpu_ms": figures.start_cpu_ms, "peak_mb": figures.peak_mb, "records": load.records,
                }));
            }
        }
        let name = dimension.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default();
        kept[name] =
            json!({"title": dimension.title(), "rounds": options.rounds, "machine": machine, "points": rows});
        output::keep(&options.results.join(RESULTS), &kept)?;
    }
    Ok(())
}

fn row(value: u64, figures: &Figures, records: u64) -> String {
    let value = if value == u64::MAX { "never".to_owned() } else { value.to_string() };
    format!(
        "{value:>14} {:10.1} {:13.1} {:8.1} {records:11}",
        figures.ns_per_record, figures.start_cpu_ms, figures.peak_mb
    )
}

/// What was measured before: a dimension that is measured again replaces its figures.
fn load(options: &Options) -> Result<Value> {
    let path = options.results.join(RESULTS);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("read {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(json!({})),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}
