//! A sink that refuses records that begin with `bad`, in the way that its settings say, and remembers everything that it got; and
//! a converter that asks for another attempt.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::plugin::{ConnectorPlugin, ConverterPlugin};
use api::{
    Batch, Body, Column, Config, ConfigDef, Converter, Data, Decoded, Encoded, Error, Origin, Props, Result,
    RowError, Segment, SinkConnector, SinkContext, SinkTask, Tier, ValueRef,
};
use arrow_array::{Array as _, BinaryViewArray, StringViewArray};

pub(crate) const PICKY: ConnectorPlugin = ConnectorPlugin::sink::<PickySink>();

/// What every picky sink has done, by the `name` in its settings.
static SEEN: Mutex<Option<HashMap<String, Seen>>> = Mutex::new(None);

#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Partition, offset and value of what was taken, in order.
    pub(crate) taken: Vec<(i32, i64, String)>,
    pub(crate) puts: usize,
}

/// What the sink of this name has done so far.
pub(crate) fn seen(name: &str) -> Seen {
    SEEN.lock().unwrap().get_or_insert_default().get(name).cloned().unwrap_or_default()
}

pub(crate) struct PickySink(Props);

impl SinkConnector for PickySink {
    type Task = PickyTask;
    const CLASS: &'static str = "test.PickySink";
    const TASK_CLASS: &'static str = "test.PickyTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }
    fn start(config: Config) -> Result<PickySink> {
        Ok(PickySink(config.originals().clone()))
    }
    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone(); tasks_max])
    }
    fn create_task(props: &Props) -> Result<PickyTask> {
        let is = |key: &str, value: &str| props.get(key).is_some_and(|found| found == value);
        Ok(PickyTask {
            name: props["name"].clone(),
            reports: is("bad", "report"),
            swallows: is("swallow", "true"),
            divisible: !is("divisible", "false"),
            tier: match props.get("tier").map(String::as_str) {
                Some("bytes") => Tier::Bytes,
                Some("index") => Tier::Index,
                _ => Tier::Columns,
            },
            errant: None,
        })
    }
}

pub(crate) struct PickyTask {
    name: String,
    reports: bool,
    swallows: bool,
    divisible: bool,
    tier: Tier,
    errant: Option<api::ErrantRecords>,
}

impl SinkTask for PickyTask {
    fn tier(&self) -> Tier {
        self.tier
    }

    fn can_put_in_parts(&self) -> bool {
        self.divisible
    }

    async fn start(&mut self, context: &SinkContext) -> Result<()> {
        self.errant = context.errant_records().cloned();
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        let mut taken = Vec::new();
        let mut refused = None;
        for (index, run) in batch.runs.iter().enumerate() {
            let Origin::Kafka { from, offsets } = &run.origin else { unreachable!() };
            let values: Vec<String> = match &run.body {
                Body::Packed(packed) => {
                    // Whatever is in it, it is found by its bytes.
                    let is_bad = packed.bytes.windows(3).any(|window| window == b"bad");
                    vec![if is_bad { "bad" } else { "packed" }.to_owned(); packed.record_count]
                }
                Body::Columns(columns) => (0..run.record_count())
                    .map(|row| match columns.value.row(row) {
                        ValueRef::String(text) => text.to_owned(),
                        ValueRef::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                        other => format!("{other:?}"),
                    })
                    .collect(),
            };
            for (row, value) in values.into_iter().enumerate() {
                if !value.starts_with("bad") {
                    taken.push((from.partition, offsets.get(row), value));
                    continue;
                }
                let error = Error::bad_record(format!("cannot write {value}"));
                match &self.errant {
                    Some(errant) if self.reports => {
                        let reported = errant.report(index, row, error);
                        if !self.swallows {
                            reported?;
                        }
                    }
                    _ => refused = refused.or(Some(error)),
                }
            }
        }
        let mut seen = SEEN.lock().unwrap();
        let seen = seen.get_or_insert_default().entry(self.name.clone()).or_default();
        seen.puts += 1;
        match refused {
            Some(error) => Err(error),
            None => {
                seen.taken.extend(taken);
                Ok(())
            }
        }
    }
}

/// How often rows that begin with `later` still fail: a count for all tests, each of which sets it for itself under a lock.
pub(crate) static FAILURES_LEFT: AtomicUsize = AtomicUsize::new(0);

/// Strings; what begins with `bad` is bad, what begins with `later` asks for another attempt.
pub(crate) const FLAKY: ConverterPlugin = ConverterPlugin {
    class: "test.FlakyConverter",
    version: "1",
    config_def: ConfigDef::default,
    create: |_, _| Ok(Box::new(Flaky)),
};

#[derive(Debug)]
struct Flaky;

impl Converter for Flaky {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        let text: Vec<Option<&str>> = (0..raw.len())
            .map(|row| raw.is_valid(row).then(|| std::str::from_utf8(raw.value(row)).unwrap()))
            .collect();
        let mut errors = Vec::new();
        for (row, text) in text.iter().enumerate() {
            let starts = |with| text.is_some_and(|text| text.starts_with(with));
            if starts("later") && FAILURES_LEFT.load(Ordering::SeqCst) > 0 {
                if row == 0 || raw.len() == 1 {
                    FAILURES_LEFT.fetch_sub(1, Ordering::SeqCst);
                }
                errors.push(RowError { row, error: Error::retriable("the registry does not answer") });
            } else if starts("bad") {
                errors.push(RowError { row, error: Error::bad_record("no such schema") });
            }
        }
        let column = Column::strings(StringViewArray::from_iter(text));
        Ok(Decoded { segments: vec![Segment { column }], errors })
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        let Data::Array(array) = &column.data else {
            return Ok(Encoded { bytes: BinaryViewArray::new_null(column.len()), errors: Vec::new() });
        };
        let text = array.as_any().downcast_ref::<StringViewArray>().unwrap();
        let bytes = text.clone().to_binary_view();
        let decoded = self.to_connect("", &bytes)?;
        Ok(Encoded { bytes, errors: decoded.errors })
    }
}
