//! One connector from its creation until all its records have arrived: measured, checked, removed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig};
use tokio::time::{Instant, sleep};

use super::arms::Arm;
use super::cases::{Case, Path};
use super::input::{Input, sum_of_topic};
use super::memory;
use super::records::Sum;
use crate::cluster::Kafka;

/// How often the broker is asked how far a connector is.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How often its worker is asked whether it has failed.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// How long a round may take.
const ROUND_TIMEOUT: Duration = Duration::from_secs(600);

/// What the worker process has spent on all records of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// Both, more exactly.
    pub(super) cpu: Duration,
    /// From the creation of the connector until the broker knew all records or offsets.
    pub(super) took: Duration,
}

/// Runs one round. Fails unless every record has arrived once and whole; `expected` is learnt from the first side where transforms make
/// new values.
pub(super) async fn run(
    kafka: &Kafka,
    case: &Case,
    input: &Input,
    arm: &mut Arm,
    expected: &mut Option<Sum>,
) -> Result<Spent> {
    let round = arm.next_round();
    let name = format!("{}-{}-{}-{round}", case.name, arm.side.name(), std::process::id());
    let output = arm.output(round);
    let target = case.target(&name, &input.topic);
    let (topic, file) = if case.is_source() {
        kafka.create_partitioned(&target, case.partitions, "producer").await?;
        (target.as_str(), &input.file)
    } else {
        (input.topic.as_str(), &output)
    };
    let named = if case.path == Path::KafkaToKafka { &input.topic } else { topic };
    let connector = case.connector(&name, named, file, &kafka.bootstrap);

    memory::make_warm();
    let before = arm.usage()?;
    let begun = Instant::now();
    arm.create(&connector).await?;
    wait(kafka, case, arm, &name, topic).await.with_context(|| format!("round {round} of {name}"))?;
    let took = begun.elapsed();
    let after = arm.usage()?;

    let arrived = match case.path {
        Path::KafkaToNull => None,
        Path::KafkaToFile => Some(Sum::of_lines(file)?),
        Path::FileToKafka | Path::DatagenToKafka | Path::KafkaToKafka => {
            Some(sum_of_topic(kafka, topic, case).await?)
        }
    };
    if let Some(arrived) = arrived {
        ensure!(
            arrived.count == case.records,
            "{name}: {} of {} records arrived",
            arrived.count,
            case.records
        );
        let expected = expected.get_or_insert(arrived);
        ensure!(arrived == *expected, "{name}: records were lost and doubled, or changed on their way");
    }
    arm.delete(case, &name).await.with_context(|| format!("after {name}"))?;
    if case.is_source() {
        kafka.delete_topic(topic).await?;
    } else if case.path == Path::KafkaToFile {
        std::fs::remove_file(file)?;
    }
    Ok(Spent {
        user: after.user - before.user,
        system: after.system - before.system,
        cpu: after.cpu - before.cpu,
        took,
    })
}

/// Until the topic has all records, or the group has committed all of them.
async fn wait(kafka: &Kafka, case: &Case, arm: &Arm, connector: &str, topic: &str) -> Result<()> {
    let group = Consumer::new(kafka.cluster(), ConsumerConfig::in_group(&format!("connect-{connector}")));
    let partitions: Vec<TopicPartition> =
        (0..case.partitions).map(|partition| TopicPartition { topic: Arc::from(topic), partition }).collect();
    let begun = Instant::now();
    let mut checked = begun;
    loop {
        let done = if case.is_source() {
            kafka.record_count(topic, case.partitions).await?
        } else {
            let committed = group.committed(&partitions).await?;
            committed.iter().filter_map(|(_, committed)| Some(committed.as_ref()?.offset)).sum()
        };
        if done >= case.records {
            return Ok(());
        }
        if checked.elapsed() > CHECK_INTERVAL {
            arm.check(connector).await?;
            checked = Instant::now();
        }
        if begun.elapsed() > ROUND_TIMEOUT {
            bail!("{done} of {} records after {ROUND_TIMEOUT:?}", case.records);
        }
        sleep(LOOK_INTERVAL).await;
    }
}
