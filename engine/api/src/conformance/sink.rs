//! The suite of sink connectors.

use std::sync::Arc;

use arrow_array::{BinaryViewArray, Int64Array, StringViewArray};

use super::{plugin, watch};
use crate::batch::{Batch, Body, Columns, KafkaOffsets, Origin, Run, Timestamps};
use crate::connector::{Props, SinkConnector, SinkContext, SinkOffsets, SinkTask, Tier, TopicPartition};
use crate::{Column, Data, Headers, RowsBuilder, Schema, Type, ValueRef};

/// What one value may weigh.
const HUGE_BYTES: usize = 4 << 20;

/// What a sink writes to.
pub struct SinkCase {
    /// The connector's configuration.
    pub props: Props,
    /// What has arrived so far, one text per record; `None` for a sink that keeps nothing.
    pub arrived: Option<Box<dyn Fn() -> Vec<String>>>,
}

impl std::fmt::Debug for SinkCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkCase").field("has_arrived", &self.arrived.is_some()).finish_non_exhaustive()
    }
}

/// Checks a sink connector with what `setup` makes, something new each time that it is called.
///
/// # Panics
/// When the connector is not what the engine expects.
pub fn sink<C: SinkConnector>(mut setup: impl FnMut() -> SinkCase) {
    let case = setup();
    plugin::check(C::CLASS, C::VERSION, &C::config_def(), &case.props);
    plugin::check(C::TASK_CLASS, C::VERSION, &C::config_def(), &case.props);
    for props in
        plugin::check_task_props(C::CLASS, |tasks_max| connector::<C>(&case.props).task_props(tasks_max))
    {
        if let Err(error) = C::create_task(&props) {
            panic!("{} makes no task of its own configuration: {error}", C::CLASS);
        }
    }
    watch::run(async {
        let mut unstarted = task::<C>(&setup().props);
        stop(&mut unstarted).await;
        durability::<C>(setup()).await;
        partitions::<C>(setup()).await;
        odd_values::<C>(setup()).await;
    });
}

fn connector<C: SinkConnector>(props: &Props) -> C {
    match C::config_def().parse(props).and_then(C::start) {
        Ok(connector) => connector,
        Err(error) => panic!("{} does not start: {error}", C::CLASS),
    }
}

fn task<C: SinkConnector>(props: &Props) -> C::Task {
    let made = connector::<C>(props).task_props(1).and_then(|props| C::create_task(&props[0]));
    made.unwrap_or_else(|error| panic!("{} makes no task: {error}", C::CLASS))
}

/// A task and what the engine knows of it.
struct Running<T> {
    task: T,
    tier: Tier,
    offsets: SinkOffsets,
}

impl<T: SinkTask> Running<T> {
    async fn start(mut task: T) -> Running<T> {
        if let Err(error) = watch::finished("start", task.start(&SinkContext::default())).await {
            panic!("the task does not start: {error}");
        }
        let tier = task.tier();
        Running { task, tier, offsets: SinkOffsets::new() }
    }

    async fn open(&mut self, partitions: &[i32]) {
        let partitions: Vec<_> = partitions.iter().map(|number| partition(*number)).collect();
        if let Err(error) = watch::finished("open", self.task.open(&partitions)).await {
            panic!("open failed: {error}");
        }
    }

    async fn close(&mut self, partitions: &[i32]) {
        let partitions: Vec<_> = partitions.iter().map(|number| partition(*number)).collect();
        self.commit().await;
        if let Err(error) = watch::finished("close", self.task.close(&partitions)).await {
            panic!("close failed: {error}");
        }
        self.offsets.retain(|partition, _| !partitions.contains(partition));
    }

    async fn put(&mut self, batch: &Batch) -> crate::Result<()> {
        watch::finished("put", self.task.put(batch)).await?;
        for run in &batch.runs {
            if let Origin::Kafka { from, offsets } = &run.origin {
                self.offsets.insert(from.clone(), offsets.next);
            }
        }
        Ok(())
    }

    async fn put_text(&mut self, partition: i32, base: i64, values: &[&str]) {
        let batch = Batch { runs: vec![run(partition, base, self.column(values))] };
        if let Err(error) = self.put(&batch).await {
            panic!("put failed: {error}");
        }
    }

    /// Values as far taken apart as the sink asks for.
    fn column(&self, values: &[&str]) -> Column {
        match self.tier {
            Tier::Columns => Column::strings(StringViewArray::from_iter_values(values)),
            Tier::Bytes | Tier::Index => {
                Column::raw(BinaryViewArray::from_iter_values(values.iter().map(|value| value.as_bytes())))
            }
        }
    }

    async fn commit(&mut self) {
        let allowed = watch::finished("pre_commit", self.task.pre_commit(self.offsets.clone())).await;
        let allowed = allowed.unwrap_or_else(|error| panic!("pre_commit failed: {error}"));
        for (partition, offset) in allowed {
            let current = self.offsets.get(&partition);
            assert!(
                current.is_some_and(|current| offset <= *current),
                "pre_commit allows {offset} of {partition:?}, of which {current:?} was delivered"
            );
        }
    }
}

async fn stop(task: &mut impl SinkTask) {
    for time in ["the first", "the second"] {
        if let Err(error) = watch::finished("stop", task.stop()).await {
            panic!("{time} stop failed: {error}");
        }
    }
}

/// After `pre_commit` what was put is there, and what comes twice is there at least once.
async fn durability<C: SinkConnector>(case: SinkCase) {
    let mut running = Running::start(task::<C>(&case.props)).await;
    running.open(&[0]).await;
    running.commit().await;
    running.put(&Batch::default()).await.unwrap_or_else(|error| panic!("an empty put failed: {error}"));
    running.put_text(0, 0, &["one", "two"]).await;
    running.commit().await;
    assert_arrived(&case, &["one", "two"]);
    running.put_text(0, 2, &["three"]).await;
    // The commit may have failed, and everything since the last one comes again.
    running.put_text(0, 2, &["three"]).await;
    running.commit().await;
    // A paused task is asked for commits and gets nothing.
    running.commit().await;
    running.put_text(0, 3, &["four"]).await;
    running.close(&[0]).await;
    stop(&mut running.task).await;
    assert_arrived(&case, &["one", "two", "three", "four"]);
}

/// Partitions come, go and come again.
async fn partitions<C: SinkConnector>(case: SinkCase) {
    let mut running = Running::start(task::<C>(&case.props)).await;
    running.open(&[0, 1]).await;
    running.put_text(0, 10, &["a0"]).await;
    running.put_text(1, 20, &["b0"]).await;
    running.close(&[1]).await;
    running.put_text(0, 11, &["a1"]).await;
    running.open(&[1, 2]).await;
    let runs = vec![
        run(1, 21, running.column(&["b1"])),
        run(2, 0, running.column(&["c0"])),
        run(0, 12, running.column(&["a2"])),
    ];
    running.put(&Batch { runs }).await.unwrap_or_else(|error| panic!("put failed: {error}"));
    running.close(&[0, 1, 2]).await;
    stop(&mut running.task).await;
    // Order holds within a partition.
    for expected in [&["a0", "a1", "a2"][..], &["b0", "b1"], &["c0"]] {
        assert_arrived(&case, expected);
    }
}

/// Values of every kind: taken, or refused by a typed error, and what follows is taken all the same.
async fn odd_values<C: SinkConnector>(case: SinkCase) {
    let huge = "x".repeat(HUGE_BYTES);
    let optional = || Some(Arc::new(Schema::new(Type::String).optional()));
    let texts = StringViewArray::from_iter([Some(""), None, Some("ü\u{1f980}\0\n"), Some(huge.as_str())]);
    let mut shapes = RowsBuilder::new();
    shapes.value(ValueRef::Boolean(true)).expect("a boolean is no container");
    shapes.finish_row();
    shapes.value(ValueRef::Null).expect("null is no container");
    shapes.finish_row();
    let bytes = BinaryViewArray::from_iter([Some(&b""[..]), None, Some(b"\xff\x00"), Some(huge.as_bytes())]);
    let columns = vec![
        Column::null(3),
        Column { schema: optional(), data: Data::Array(Arc::new(texts)) },
        Column {
            schema: Some(Arc::new(Schema::new(Type::Int64))),
            data: Data::Array(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        },
        Column { schema: None, data: Data::Rows(shapes.finish()) },
        Column {
            schema: Some(Arc::new(Schema::new(Type::Bytes).optional())),
            data: Data::Array(Arc::new(bytes.clone())),
        },
    ];
    let mut running = Running::start(task::<C>(&case.props)).await;
    running.open(&[0]).await;
    let columns = if running.tier == Tier::Columns { columns } else { vec![Column::raw(bytes)] };
    let mut offset = 0;
    for column in columns {
        let rows = column.len() as i64;
        let batch = Batch { runs: vec![run(0, offset, column)] };
        // Refused in whatever way, but not by a panic and not for ever.
        let _refused = running.put(&batch).await;
        offset += rows;
    }
    stop(&mut running.task).await;
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from("conformance"), partition: number }
}

fn run(number: i32, base: i64, value: Column) -> Run {
    let from = partition(number);
    let rows = value.len();
    let offsets = KafkaOffsets { base, deltas: None, next: base + rows as i64 };
    let key = if rows.is_multiple_of(2) { Column::null(rows) } else { value.clone() };
    let columns = Columns { key, value, headers: Headers::none(), timestamps: Timestamps::Same(1) };
    Run {
        topic: Arc::clone(&from.topic),
        partition: Some(number),
        origin: Origin::Kafka { from, offsets },
        body: Body::Columns(columns),
    }
}

#[track_caller]
fn assert_arrived(case: &SinkCase, expected: &[&str]) {
    let Some(arrived) = &case.arrived else { return };
    let arrived = arrived();
    let mut left = arrived.iter();
    for value in expected {
        // In order; repetitions between them are redeliveries.
        assert!(
            left.any(|other| other == value),
            "{value:?} has not arrived after what comes before it: {arrived:?}"
        );
    }
}
