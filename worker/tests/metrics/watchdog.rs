//! A sink whose `put` never returns, one that blocks its thread in it, and what the worker says of both while others move.

use std::sync::{Condvar, Mutex};

use api::config_def::Config;
use api::plugin::ConnectorPlugin;
use api::{Batch, ConfigDef, Props, Result, SinkConnector, SinkContext, SinkTask};
use serde_json::Value;

use super::support::wait_for;
use super::{Sample, Setup};

pub(crate) const HANGING: ConnectorPlugin = ConnectorPlugin::sink::<Hanging>();

/// Opened once: from then on nobody blocks.
static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

#[derive(Debug)]
pub(crate) struct Hanging(Props);

#[derive(Debug)]
pub(crate) struct Task {
    blocks: bool,
}

impl SinkConnector for Hanging {
    type Task = Task;
    const CLASS: &'static str = "test.HangingSinkConnector";
    const TASK_CLASS: &'static str = "test.HangingSinkTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }
    fn start(config: Config) -> Result<Hanging> {
        Ok(Hanging(config.originals().clone()))
    }
    fn task_props(&self, _: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone()])
    }
    fn create_task(props: &Props) -> Result<Task> {
        Ok(Task { blocks: props["how"] == "block" })
    }
}

impl SinkTask for Task {
    async fn start(&mut self, _: &SinkContext) -> Result<()> {
        Ok(())
    }
    async fn put(&mut self, batch: &Batch) -> Result<()> {
        if batch.record_count() == 0 {
            return Ok(());
        }
        if self.blocks {
            let is_open = GATE.0.lock().unwrap();
            drop(GATE.1.wait_while(is_open, |is_open| !*is_open).unwrap());
            return Ok(());
        }
        std::future::pending().await
    }
}

const LIMITS: [(&str, &str); 3] = [
    ("aqueduct.watchdog.interval.ms", "50"),
    ("aqueduct.watchdog.call.ms", "300"),
    ("aqueduct.watchdog.stall.ms", "60000"),
];

fn stuck(setup: &Setup, connector: &str) -> Option<String> {
    let status = setup.worker.rest.get(&format!("/connectors/{connector}/status")).json();
    let task = &status["tasks"][0];
    assert!(task["state"] == "RUNNING" || task["stuck"] == Value::Null, "{status}");
    task["stuck"].as_str().map(str::to_owned)
}

fn is_stuck(samples: &[Sample], connector: &str) -> f64 {
    let is_it = |sample: &&Sample| {
        sample.name == "aqueduct_task_stuck" && sample.label("connector") == Some(connector)
    };
    samples.iter().find(is_it).unwrap().value
}

#[test]
fn a_put_that_never_returns_is_told_and_others_move_on() {
    let setup = Setup::new(&LIMITS);
    let source = setup.create("source", "FileStreamSource", &[]);
    setup.wait_for_value("kafka_connect_source_task_metrics_source_record_write_total", &source, 2.0);
    let hanging = setup.create("hanging", "test.HangingSinkConnector", &[("how", "wait")]);
    let good = setup.create("good", "FileStreamSink", &[]);
    let text = wait_for("the hanging task to be told of", || stuck(&setup, &hanging));
    assert!(text.starts_with("running but not moving, lag 2, in put since 20"), "{text}");
    setup.wait_for_value("kafka_connect_sink_task_metrics_sink_record_send_total", &good, 2.0);
    let samples = setup.scrape();
    assert_eq!((is_stuck(&samples, &hanging), is_stuck(&samples, &good)), (1.0, 0.0));
    let lag = |connector: &str| {
        let is_it = |sample: &&Sample| {
            sample.name == "aqueduct_task_partition_lag_records"
                && sample.label("connector") == Some(connector)
        };
        samples.iter().find(is_it).map(|sample| sample.value)
    };
    assert_eq!((lag(&hanging), lag(&good)), (Some(2.0), Some(0.0)));
    assert_eq!((stuck(&setup, &good), stuck(&setup, &source)), (None, None));
    assert_eq!(setup.worker.rest.send("DELETE", &format!("/connectors/{hanging}"), None).status, 204);
}

#[test]
fn a_task_that_blocks_its_thread_is_told_apart_from_those_it_keeps_waiting() {
    let setup = Setup::new(&LIMITS);
    let source = setup.create("source", "FileStreamSource", &[]);
    setup.wait_for_value("kafka_connect_source_task_metrics_source_record_write_total", &source, 2.0);
    let mut others: Vec<String> =
        (0..3).map(|number| setup.create(&format!("good{number}"), "FileStreamSink", &[])).collect();
    for other in &others {
        setup.wait_for_value("kafka_connect_sink_task_metrics_sink_record_send_total", other, 2.0);
    }
    others.push(source);
    let blocking = setup.create("blocking", "test.HangingSinkConnector", &[("how", "block")]);
    let text = wait_for("the blocking task to be told of", || stuck(&setup, &blocking));
    assert!(text.contains("in put since 20"), "{text}");
    wait_for("it to be told that it blocks its thread, and a neighbour that it is kept waiting", || {
        let blocks = stuck(&setup, &blocking)?.contains("blocks its thread in put since ");
        let blamed = format!("task {blocking}-0 blocks its thread since ");
        let is_held_up = |other: &String| stuck(&setup, other).is_some_and(|text| text.contains(&blamed));
        (blocks && others.iter().any(is_held_up)).then_some(())
    });
    let up = |samples: Vec<Sample>| {
        let up = samples.into_iter().filter(|sample| sample.name == "aqueduct_executor_up");
        up.map(|sample| sample.value).sum::<f64>()
    };
    assert_eq!(up(setup.scrape()), 1.0, "one of two answers");
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    wait_for("all to move again", || {
        let all = others.iter().chain([&blocking]);
        all.map(|connector| stuck(&setup, connector)).all(|stuck| stuck.is_none()).then_some(())
    });
    assert_eq!(up(setup.scrape()), 2.0);
}
