//! What a source task is told of each of its records (Java's `commitRecord`): where it is in Kafka, and of dropped ones that they are
//! dropped; before the offsets are committed that say the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::offset::{MemoryOffsetStore, OffsetStore};
use engine::task::{ErrorPolicy, PredicateSpec, Tolerance, TransformSpec};
use engine::transform::{PREDICATES, TRANSFORMS};
use support::counting_source::{Counting, Tellings, Told, told};
use support::{World, props, wait_until};

const COUNTING: ConnectorPlugin = ConnectorPlugin::source::<Counting>();

fn records(told: &Tellings) -> Vec<(i64, Option<(i32, i64)>)> {
    let told = told.lock().unwrap();
    let records = told.iter().filter_map(|told| match told {
        Told::Record(number, place) => Some((*number, *place)),
        _ => None,
    });
    records.collect()
}

/// Goal: each record is told of once, with the very place that it has in Kafka, and never after its offset was committed.
#[test]
fn a_task_hears_where_each_record_is_before_its_offset_is_committed() {
    let world = World::start();
    let topic = world.topic("places", 2);
    let settings =
        [("topic", &*topic), ("name", "places"), ("records", "5000"), ("batch", "333"), ("keys", "7")];
    let source = world.source("places", COUNTING, props(&settings), Arc::new(MemoryOffsetStore::default()));
    let told = told("places");
    wait_until("all is committed", || told.lock().unwrap().contains(&Told::Committed(5000)));
    world.stop(source);
    let places: HashMap<i64, (i32, i64)> =
        records(&told).into_iter().map(|(number, place)| (number, place.unwrap())).collect();
    assert_eq!((records(&told).len(), places.len()), (5000, 5000), "each once");
    for record in world.read(&topic, 2) {
        let number: i64 = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
        assert_eq!(places[&number], (record.partition, record.offset), "{number}");
    }
    let mut last_told = 0;
    for told in told.lock().unwrap().iter() {
        match told {
            Told::Record(number, _) => last_told = last_told.max(*number),
            Told::Committed(number) => assert!(*number <= last_told, "{number} was committed untold"),
            Told::Commit => {}
        }
    }
}

/// Goal: what a transform drops, and what is skipped because no request can hold it, is told of too, in its place among the others.
#[test]
fn dropped_and_skipped_records_have_no_place() {
    let mut world = World::start();
    let topic = world.topic("dropped", 1);
    let filter = *TRANSFORMS.iter().find(|plugin| plugin.class.ends_with("Filter")).unwrap();
    let tombstone = *PREDICATES.iter().find(|plugin| plugin.class.ends_with("RecordIsTombstone")).unwrap();
    let predicate = PredicateSpec { plugin: tombstone, props: Props::new(), is_negated: false };
    world.transforms =
        vec![TransformSpec { plugin: filter, props: Props::new(), predicate: Some(predicate) }];
    let settings = [
        ("topic", &*topic),
        ("name", "dropped"),
        ("records", "30"),
        ("batch", "10"),
        ("tombstones", "5"),
        ("large", "7"),
    ];
    let store: Arc<dyn OffsetStore> = Arc::new(MemoryOffsetStore::default());
    let mut spec = world.source_spec("dropped", COUNTING, props(&settings), store, |_| ());
    spec.errors = ErrorPolicy { tolerance: Tolerance::All, ..ErrorPolicy::default() };
    let source = world.run(spec);
    let told = told("dropped");
    wait_until("all is committed", || told.lock().unwrap().contains(&Told::Committed(30)));
    world.stop(source);
    let expected: Vec<_> = (1..=30)
        .scan(0, |next, number| {
            let is_sent = number % 5 != 0 && number != 7;
            let place = is_sent.then_some((0, *next));
            *next += i64::from(is_sent);
            Some((number, place))
        })
        .collect();
    assert_eq!(records(&told), expected);
}

/// Goal: what was told and committed is not told of by the task that goes on after a restart.
#[test]
fn a_restarted_task_hears_of_the_rest() {
    let world = World::start();
    let topic = world.topic("rest", 1);
    let store: Arc<dyn OffsetStore> = Arc::new(MemoryOffsetStore::default());
    let told = told("rest");
    for records in ["100", "250"] {
        let settings = [("topic", &*topic), ("name", "rest"), ("records", records), ("batch", "40")];
        let source = world.source("rest", COUNTING, props(&settings), Arc::clone(&store));
        let last = records.parse().unwrap();
        wait_until("all is committed", || told.lock().unwrap().contains(&Told::Committed(last)));
        world.stop(source);
    }
    let expected: Vec<_> = (1..=250).map(|number| (number, Some((0, number - 1)))).collect();
    assert_eq!(records(&told), expected);
}
