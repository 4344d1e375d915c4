//! Topics that a source writes to and that do not exist: made by the connector's rules, or left to the broker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use api::plugin::ConnectorPlugin;
use engine::offset::MemoryOffsetStore;
use engine::task::{TaskHandle, TopicCreation, TopicGroup, TopicTemplate};
use protocol::client::admin::{Admin, ConfigResource};
use support::{World, props, wait_until};

const DATAGEN: ConnectorPlugin = ConnectorPlugin::source::<connector_datagen::DatagenSource>();

/// A source of five records for `topic`, with rules that make topics in the group `mine` of `partitions` and `configs`.
fn source(world: &World, topic: &str, mine: &str, template: Option<TopicTemplate>) -> TaskHandle {
    let generated = props(&[("topic", topic), ("rate", "-1"), ("records", "5")]);
    let prefix = mine.to_owned();
    let rules = template.map(|template| {
        Box::new(TopicCreation {
            cluster: world.cluster(),
            api_timeout: Duration::from_secs(30),
            groups: vec![TopicGroup {
                name: "mine".into(),
                matches: Arc::new(move |topic| topic.starts_with(&prefix)),
                template,
            }],
            default: TopicTemplate {
                partitions: Some(1),
                replication_factor: Some(1),
                ..TopicTemplate::default()
            },
        })
    });
    let store = Arc::new(MemoryOffsetStore::default());
    world.source_changed("gen", DATAGEN, generated, store, |spec| spec.topic_creation = rules)
}

/// Partitions of a topic, and whether it is set as [`large`] has it.
fn described(world: &World, topic: &str) -> (usize, bool) {
    world.client(async |cluster| {
        let admin = Admin::new(cluster);
        let partitions =
            admin.describe_topics(&[topic]).await.unwrap().pop().unwrap().unwrap().partitions.len();
        let entries =
            admin.describe_configs(&[ConfigResource::Topic(topic.into())]).await.pop().unwrap().unwrap();
        let limit = entries.into_iter().find(|entry| entry.name == "max.message.bytes").unwrap();
        (partitions, limit.value.unwrap() == "7654321")
    })
}

fn large(partitions: i32) -> Option<TopicTemplate> {
    Some(TopicTemplate {
        partitions: Some(partitions),
        replication_factor: Some(1),
        configs: vec![("max.message.bytes".to_owned(), "7654321".to_owned())],
    })
}

#[test]
fn a_missing_topic_is_made_by_the_group_it_falls_under() {
    let world = World::start();
    let (mine, other) = (world.unique("mine"), world.unique("other"));
    for (topic, expected) in [(&mine, (2, true)), (&other, (1, false))] {
        let task = source(&world, topic, "mine", large(2));
        wait_until("the topic holds all records", || task.metrics().records_out.get() == 5);
        world.stop(task);
        assert_eq!(described(&world, topic), expected, "{topic}");
    }
}

#[test]
fn a_topic_that_exists_is_left_as_it_is() {
    let world = World::start();
    let topic = world.topic("mine", 1);
    let task = source(&world, &topic, "mine", large(2));
    wait_until("the topic holds all records", || task.metrics().records_out.get() == 5);
    world.stop(task);
    assert_eq!(described(&world, &topic), (1, false));
}

#[test]
fn without_rules_the_broker_makes_the_topic() {
    let world = World::start();
    let topic = world.unique("auto");
    let task = source(&world, &topic, "mine", None);
    wait_until("the topic holds all records", || task.metrics().records_out.get() == 5);
    world.stop(task);
}

#[test]
fn a_topic_that_cannot_be_made_fails_the_task_with_javas_words() {
    let world = World::start();
    let topic = world.unique("mine");
    let template = TopicTemplate {
        partitions: Some(1),
        replication_factor: Some(1),
        configs: vec![("no.such.setting".to_owned(), "x".to_owned())],
    };
    let trace = world.wait_for_failure(&source(&world, &topic, "mine", Some(template)));
    let expected = format!(
        "org.apache.kafka.connect.errors.ConnectException: Unable to create topic(s) '{topic}': Unknown topic config name: \
         no.such.setting\n"
    );
    assert!(trace.starts_with(&expected), "{trace}");

    let topic = world.unique("mine-too");
    let template =
        TopicTemplate { partitions: Some(1), replication_factor: Some(99), ..TopicTemplate::default() };
    let trace = world.wait_for_failure(&source(&world, &topic, "mine", Some(template)));
    let expected =
        format!("org.apache.kafka.connect.errors.ConnectException: Unable to create topic(s) '{topic}': ");
    assert!(trace.starts_with(&expected), "{trace}");
}
