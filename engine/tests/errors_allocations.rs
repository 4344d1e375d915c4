//! What error handling costs while nothing fails: counted in allocations of the thread that runs a sink's pipeline, from one `put` to the
//! next. They must not depend on the number of records, nor on what the connector does about errors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

#[path = "support/counting.rs"]
mod counting;
mod support;

use std::sync::Mutex;

use api::plugin::ConnectorPlugin;
use api::{Batch, Config, ConfigDef, Props, Result, SinkConnector, SinkContext, SinkTask};
use engine::task::{ErrorLog, ErrorPolicy, Tolerance};
use support::records::KafkaRecord;
use support::{World, wait_until};

/// Records of each `put`, and the thread's allocations by then.
static PUTS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

struct CountedSink;

impl SinkConnector for CountedSink {
    type Task = CountedTask;
    const CLASS: &'static str = "test.CountedSink";
    const TASK_CLASS: &'static str = "test.CountedTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }
    fn start(_config: Config) -> Result<CountedSink> {
        Ok(CountedSink)
    }
    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![Props::new(); tasks_max])
    }
    fn create_task(_props: &Props) -> Result<CountedTask> {
        Ok(CountedTask)
    }
}

struct CountedTask;

impl SinkTask for CountedTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        Ok(())
    }
    async fn put(&mut self, batch: &Batch) -> Result<()> {
        PUTS.lock().unwrap().push((batch.record_count(), counting::count()));
        Ok(())
    }
}

const PLUGIN: ConnectorPlugin = ConnectorPlugin::sink::<CountedSink>();

/// Ample for fetching, decoding and putting a batch of one partition in a debug build; a tenth of one per record.
const ALLOCATIONS_MAX: usize = 400;

/// The allocations between two puts, where nothing else ran on the thread in between.
fn per_batch(world: &World, topic: &str, errors: ErrorPolicy, name: &str, total: usize) -> usize {
    PUTS.lock().unwrap().clear();
    let mut spec = world.sink_spec(name, PLUGIN, Props::new(), topic, |_| ());
    spec.errors = errors;
    let task = world.run(spec);
    wait_until("all was put", || {
        PUTS.lock().unwrap().iter().map(|(records, _)| records).sum::<usize>() == total
    });
    world.stop(task);
    let puts = PUTS.lock().unwrap();
    let largest = puts.iter().map(|(records, _)| *records).max().unwrap();
    assert!(largest >= 4_000, "batches of {largest} records are too small to tell");
    // Starting, joining and the first fetches are before the first put. The last batch is what was left over: smaller, and the fetch after it waits.
    let full = puts.windows(2).filter(|pair| 2 * pair[1].0 > largest);
    full.map(|pair| pair[1].1 - pair[0].1).min().unwrap()
}

#[test]
fn a_record_that_does_not_fail_costs_no_allocation_whatever_would_be_done_about_failures() {
    let world = World::embedded();
    let topic = world.topic("counted", 1);
    let total = 60_000;
    let records: Vec<_> = (0..total).map(|number| KafkaRecord::new(0, format!("{number:0100}"))).collect();
    for records in records.chunks(20_000) {
        world.write(&topic, records);
    }
    let plain = per_batch(&world, &topic, ErrorPolicy::default(), "plain", total);
    let guarded = ErrorPolicy {
        tolerance: Tolerance::All,
        log: Some(ErrorLog { include_messages: true }),
        dead_letters: Some(world.dead_letters("counted-dead")),
        ..ErrorPolicy::default()
    };
    let guarded = per_batch(&world, &topic, guarded, "guarded", total);
    assert!(
        plain <= ALLOCATIONS_MAX && guarded <= ALLOCATIONS_MAX,
        "{plain} and {guarded} allocations per batch"
    );
    assert!(guarded <= plain + 10, "{guarded} allocations per batch instead of {plain}");
}
