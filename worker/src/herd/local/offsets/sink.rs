//! Committed offsets of a sink connector's group.

use std::sync::Arc;

use api::{SinkOffsetChange, TopicPartition, java_map};
use engine::connector::OffsetChanges;
use indexmap::IndexMap;
use protocol::client::admin::Admin;
use protocol::client::{OffsetAndMetadata, TopicPartition as KafkaPartition};
use protocol::cluster::Cluster;
use protocol::{Error, ErrorCode};
use serde_json::{Map, Value, json};

use super::super::super::event::Refusal;
use super::super::super::herder::HerderConfig;
use super::request::java_text;
use super::{OffsetRequest, Owner, RequestedOffset, ask_connector, still_running};
use crate::config::{ClientSpec, client_specs, connector_admin};

const TOPIC: &str = "kafka_topic";
const PARTITION: &str = "kafka_partition";
const OFFSET: &str = "kafka_offset";

pub(super) async fn list(herder: &HerderConfig, owner: &Owner) -> Result<String, Refusal> {
    let failure =
        || format!("Failed to retrieve consumer group offsets for sink connector {}", owner.connector);
    let committed = match clients(herder, owner) {
        Ok((admin, group)) => committed(&admin, &group).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let mut committed = committed.map_err(|error| {
        tracing::error!(connector = &*owner.connector, %error, "failed to list the offsets of the connector's group");
        Refusal::Failed(failure())
    })?;
    java_map::sort(&mut committed, |(partition, _)| hash(partition));
    let offsets: Vec<_> = committed
        .iter()
        .map(|(partition, offset)| {
            json!({
                "partition": { PARTITION: partition.partition, TOPIC: &*partition.topic },
                "offset": { OFFSET: offset },
            })
        })
        .collect();
    Ok(json!({ "offsets": offsets }).to_string())
}

pub(super) async fn change(
    herder: &HerderConfig,
    owner: &Owner,
    request: OffsetRequest,
) -> Result<bool, Refusal> {
    let verb = request.verb();
    let wanted = match request {
        OffsetRequest::Alter(requested) => Some(parse(requested)?),
        OffsetRequest::Reset => None,
    };
    let (admin, group) =
        clients(herder, owner).map_err(|error| Refusal::Failed(error.message().to_owned()))?;
    match wanted {
        Some(wanted) => {
            let knows_all =
                ask_connector(herder.engine.calls(), owner, OffsetChanges::Sink(changes(&wanted))).await?;
            if wanted.values().flatten().any(|offset| *offset < 0) {
                return Err(Refusal::Failed(format!(
                    "Failed to modify offsets for sink connector {}",
                    owner.connector
                )));
            }
            let outcome = alter(&admin, &group, &wanted).await;
            outcome.map_err(|error| refusal(owner, verb, &error))?;
            Ok(knows_all)
        }
        None => {
            let committed = committed(&admin, &group).await.map_err(|error| refusal(owner, verb, &error))?;
            let all: IndexMap<_, _> = committed.into_iter().map(|(partition, _)| (partition, None)).collect();
            let knows_all =
                ask_connector(herder.engine.calls(), owner, OffsetChanges::Sink(changes(&all))).await?;
            let deleted = admin.delete_groups(&[&group]).await.pop().unwrap_or(Ok(()));
            match deleted {
                Err(error) if error.code() != Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                    Err(refusal(owner, verb, &error))
                }
                _ => Ok(knows_all),
            }
        }
    }
}

/// The client and the group that it asks about.
fn clients(herder: &HerderConfig, owner: &Owner) -> api::Result<(Admin, String)> {
    let id = format!("connector-worker-adminclient-{}", owner.connector);
    let (cluster, admin) = connector_admin(&herder.worker, id, &owner.config)?;
    let group = match client_specs(&herder.worker, &owner.connector, &owner.config, 0, false, None)? {
        ClientSpec::Consumer(_, consumer) => consumer.group_id.as_deref().map(str::to_owned),
        ClientSpec::Producer(..) => None,
    };
    let cluster = Cluster::new(herder.engine.env().clone(), cluster);
    let group = group.unwrap_or_else(|| format!("connect-{}", owner.connector));
    Ok((Admin::new(cluster).with_timeout(admin.api_timeout), group))
}

async fn committed(admin: &Admin, group: &str) -> Result<Vec<(KafkaPartition, i64)>, Error> {
    match admin.list_group_offsets(&[group], false).await.pop() {
        Some(Ok(offsets)) => {
            Ok(offsets.into_iter().map(|(partition, position)| (partition, position.offset)).collect())
        }
        Some(Err(error)) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(Vec::new()),
        Some(Err(error)) => Err(error),
        None => Ok(Vec::new()),
    }
}

/// Sets and deletes. As in Java, what one partition is refused for does not stop the others.
async fn alter(
    admin: &Admin,
    group: &str,
    wanted: &IndexMap<KafkaPartition, Option<i64>>,
) -> Result<(), Error> {
    let set: Vec<_> = wanted
        .iter()
        .filter_map(|(partition, offset)| Some((partition.clone(), OffsetAndMetadata::new((*offset)?))))
        .collect();
    let deleted: Vec<_> = wanted
        .iter()
        .filter(|(_, offset)| offset.is_none())
        .map(|(partition, _)| partition.clone())
        .collect();
    let mut results = Vec::new();
    if !set.is_empty() {
        results.extend(admin.alter_group_offsets(group, &set).await);
    }
    if !deleted.is_empty() {
        results.extend(admin.delete_group_offsets(group, &deleted).await);
    }
    results.into_iter().collect()
}

fn refusal(owner: &Owner, verb: &str, error: &Error) -> Refusal {
    let connector = &owner.connector;
    tracing::error!(connector = &**connector, %error, "failed to {verb} the offsets of the connector's group");
    match error.code() {
        Some(
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC | ErrorCode::NON_EMPTY_GROUP,
        ) => Refusal::Failed(still_running(verb, connector, false)),
        _ => Refusal::Failed(format!("Failed to {verb} consumer group offsets for connector {connector}")),
    }
}

fn changes(wanted: &IndexMap<KafkaPartition, Option<i64>>) -> Vec<SinkOffsetChange> {
    wanted
        .iter()
        .map(|(partition, offset)| {
            (TopicPartition { topic: Arc::clone(&partition.topic), partition: partition.partition }, *offset)
        })
        .collect()
}

/// `SinkUtils#parseSinkConnectorOffsets`; of a partition that is named twice the last offset counts.
fn parse(requested: Vec<RequestedOffset>) -> Result<IndexMap<KafkaPartition, Option<i64>>, Refusal> {
    let parse_one = |RequestedOffset { partition, offset }| {
        Ok((parse_partition(partition)?, offset.map(parse_offset).transpose()?))
    };
    let parsed: Result<_, String> = requested.into_iter().map(parse_one).collect();
    parsed.map_err(Refusal::BadRequest)
}

fn parse_partition(partition: Option<Map<String, Value>>) -> Result<KafkaPartition, String> {
    let partition = partition
        .ok_or_else(|| "The partition for a sink connector offset cannot be null or missing".to_owned())?;
    let (Some(topic), Some(number)) = (partition.get(TOPIC), partition.get(PARTITION)) else {
        return Err(format!(
            "The partition for a sink connector offset must contain the keys '{TOPIC}' and '{PARTITION}'"
        ));
    };
    if topic.is_null() {
        return Err("Kafka topic names must be valid strings and may not be null".to_owned());
    }
    if number.is_null() {
        return Err("Kafka partitions must be valid numbers and may not be null".to_owned());
    }
    let text = java_text(number);
    let number = text.parse().map_err(|_not_an_int: std::num::ParseIntError| {
        format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{text}'. Partition values for \
             sink connectors need to be integers."
        )
    })?;
    Ok(KafkaPartition::new(&java_text(topic), number))
}

fn parse_offset(offset: Map<String, Value>) -> Result<i64, String> {
    let value = offset.get(OFFSET).ok_or_else(|| {
        format!("The offset for a sink connector should either be null or contain the key '{OFFSET}'")
    })?;
    let text = java_text(value);
    text.parse().map_err(|_not_a_long: std::num::ParseIntError| {
        format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{text}'. Offset values for sink \
             connectors need to be integers."
        )
    })
}

/// `TopicPartition#hashCode`.
fn hash(partition: &KafkaPartition) -> u32 {
    let number = 31_u32.wrapping_add(partition.partition as u32);
    number.wrapping_mul(31).wrapping_add(java_map::string_hash(&partition.topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_json(json: &str) -> Result<IndexMap<KafkaPartition, Option<i64>>, String> {
        let entries: Vec<Value> = serde_json::from_str(json).unwrap();
        let side = |entry: &Value, key| entry[key].as_object().cloned();
        let requested = entries
            .iter()
            .map(|entry| RequestedOffset { partition: side(entry, "p"), offset: side(entry, "o") });
        parse(requested.collect()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn numbers_may_be_text_and_the_last_of_a_partition_counts() {
        let parsed = parse_json(
            r#"[{"p":{"kafka_topic":"t","kafka_partition":"0"},"o":{"kafka_offset":"2","z":1}},
                {"p":{"kafka_topic":5,"kafka_partition":1},"o":null},
                {"p":{"kafka_topic":"t","kafka_partition":0},"o":{"kafka_offset":3}}]"#,
        );
        let expected = [(KafkaPartition::new("t", 0), Some(3)), (KafkaPartition::new("5", 1), None)];
        assert_eq!(parsed.unwrap(), IndexMap::from(expected));
    }

    /// Recorded from Java 4.3.0.
    #[test]
    fn refuses_with_javas_words() {
        let partition = |partition: &str| parse_json(&format!(r#"[{{"p":{partition}}}]"#)).unwrap_err();
        let offset = |offset: &str| {
            let entry = format!(r#"[{{"p":{{"kafka_topic":"t","kafka_partition":0}},"o":{offset}}}]"#);
            parse_json(&entry).unwrap_err()
        };
        assert_eq!(partition("null"), "The partition for a sink connector offset cannot be null or missing");
        let keys = "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'";
        assert_eq!(partition("{}"), keys);
        assert_eq!(partition(r#"{"kafka_topic":"t"}"#), keys);
        assert_eq!(
            partition(r#"{"kafka_topic":null,"kafka_partition":null}"#),
            "Kafka topic names must be valid strings and may not be null"
        );
        assert_eq!(
            partition(r#"{"kafka_topic":"t","kafka_partition":null}"#),
            "Kafka partitions must be valid numbers and may not be null"
        );
        for (value, shown) in [("\"x\"", "x"), ("1.5", "1.5"), ("{\"a\":1}", "{a=1}"), ("true", "true")] {
            assert_eq!(
                partition(&format!(r#"{{"kafka_topic":"t","kafka_partition":{value}}}"#)),
                format!(
                    "Failed to parse the following Kafka partition value in the provided offsets: '{shown}'. Partition \
                     values for sink connectors need to be integers."
                )
            );
        }
        assert_eq!(
            offset(r#"{"x":1}"#),
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'"
        );
        for (value, shown) in [("null", "null"), ("\"x\"", "x"), ("[]", "[]")] {
            assert_eq!(
                offset(&format!(r#"{{"kafka_offset":{value}}}"#)),
                format!(
                    "Failed to parse the following Kafka offset value in the provided offsets: '{shown}'. Offset values \
                     for sink connectors need to be integers."
                )
            );
        }
    }
}
