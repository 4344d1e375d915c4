//! The bytes of the `consumer` protocol type: what members subscribe to and what they are assigned (`ConsumerProtocol`, versions 0–3).

use std::sync::Arc;

use bytes::Bytes;

use crate::Error;
use crate::client::TopicPartition;
use crate::wire::frame::{decode_versioned, encode_versioned};
use crate::wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, StrBytes, TopicName,
    consumer_protocol_assignment, consumer_protocol_subscription,
};

/// The highest version that we read and the one that we write. Java reads a later one as the highest that it knows; so do we.
const VERSION: i16 = 3;

/// What a member wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Topic names, sorted.
    pub topics: Vec<Arc<str>>,
    /// The assignor's own bytes.
    pub user_data: Option<Bytes>,
    /// What the member owns already (version 1, for cooperative and sticky assignors); empty under eager ones.
    pub owned: Vec<TopicPartition>,
    /// The generation in which `owned` was assigned (version 2), or -1.
    pub generation_id: i32,
    /// `client.rack` (version 3).
    pub rack_id: Option<String>,
}

impl Subscription {
    /// A subscription of a member that owns nothing.
    pub fn new(topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        let mut topics: Vec<_> = topics.into_iter().collect();
        topics.sort();
        topics.dedup();
        Self { topics, user_data: None, owned: Vec::new(), generation_id: -1, rack_id: None }
    }

    /// As Java's `ConsumerProtocol.serializeSubscription`.
    ///
    /// # Errors
    /// `Internal` if the encoder refuses, for example a topic name above 32 KiB.
    pub fn encode(&self) -> Result<Bytes, Error> {
        let owned = by_topic(&self.owned)
            .into_iter()
            .map(|(topic, partitions)| {
                consumer_protocol_subscription::TopicPartition::default()
                    .with_topic(topic_name(&topic))
                    .with_partitions(partitions)
            })
            .collect();
        let message = ConsumerProtocolSubscription::default()
            .with_topics(self.topics.iter().map(|topic| StrBytes::from_string(topic.to_string())).collect())
            .with_user_data(self.user_data.clone())
            .with_owned_partitions(owned)
            .with_generation_id(self.generation_id)
            .with_rack_id(self.rack_id.clone().map(StrBytes::from_string));
        encode_versioned(&message, VERSION)
    }

    /// Reads any version; what a version lacks gets its default.
    ///
    /// # Errors
    /// `Malformed` if the bytes are no subscription.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let (_, message): (_, ConsumerProtocolSubscription) = decode_versioned(bytes, VERSION)?;
        let owned = message.owned_partitions.into_iter().map(|entry| (entry.topic, entry.partitions));
        Ok(Self {
            topics: message.topics.iter().map(|topic| Arc::from(topic.as_str())).collect(),
            user_data: message.user_data,
            owned: flatten(owned),
            generation_id: message.generation_id,
            rack_id: message.rack_id.map(|rack| rack.to_string()),
        })
    }
}

/// What a member gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// Sorted by topic and partition.
    pub partitions: Vec<TopicPartition>,
    /// The assignor's own bytes.
    pub user_data: Option<Bytes>,
}

impl Assignment {
    /// As Java's `ConsumerProtocol.serializeAssignment`.
    ///
    /// # Errors
    /// `Internal` if the encoder refuses.
    pub fn encode(&self) -> Result<Bytes, Error> {
        let assigned = by_topic(&self.partitions)
            .into_iter()
            .map(|(topic, partitions)| {
                consumer_protocol_assignment::TopicPartition::default()
                    .with_topic(topic_name(&topic))
                    .with_partitions(partitions)
            })
            .collect();
        let message = ConsumerProtocolAssignment::default()
            .with_assigned_partitions(assigned)
            .with_user_data(self.user_data.clone());
        encode_versioned(&message, VERSION)
    }

    /// Reads any version. No bytes at all are an empty assignment: what a leader that forgot us leaves.
    ///
    /// # Errors
    /// `Malformed` if the bytes are no assignment.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let (_, message): (_, ConsumerProtocolAssignment) = decode_versioned(bytes, VERSION)?;
        let assigned = message.assigned_partitions.into_iter().map(|entry| (entry.topic, entry.partitions));
        let mut partitions = flatten(assigned);
        partitions.sort();
        partitions.dedup();
        Ok(Self { partitions, user_data: message.user_data })
    }
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// Groups partitions by topic, in order.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> Vec<(Arc<str>, Vec<i32>)> {
    let mut sorted: Vec<&TopicPartition> = partitions.iter().collect();
    sorted.sort();
    let mut grouped: Vec<(Arc<str>, Vec<i32>)> = Vec::new();
    for tp in sorted {
        match grouped.last_mut() {
            Some((topic, partitions)) if *topic == tp.topic => partitions.push(tp.partition),
            _ => grouped.push((Arc::clone(&tp.topic), vec![tp.partition])),
        }
    }
    grouped
}

fn flatten(entries: impl Iterator<Item = (TopicName, Vec<i32>)>) -> Vec<TopicPartition> {
    entries
        .flat_map(|(topic, partitions)| {
            let topic: Arc<str> = Arc::from(topic.as_str());
            partitions
                .into_iter()
                .map(move |partition| TopicPartition { topic: Arc::clone(&topic), partition })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partitions() -> impl Strategy<Value = Vec<TopicPartition>> {
        prop::collection::btree_set(("[a-z]{1,8}", 0..50_i32), 0..20).prop_map(|set| {
            set.into_iter().map(|(topic, partition)| TopicPartition::new(&topic, partition)).collect()
        })
    }

    proptest! {
        #[test]
        fn subscriptions_come_back_as_they_were(
            topics in prop::collection::btree_set("[a-z]{1,8}", 0..10),
            owned in partitions(),
            generation_id in -1..1000_i32,
            rack_id in prop::option::of("[a-z]{0,4}"),
            user_data in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        ) {
            let subscription = Subscription {
                user_data: user_data.map(Bytes::from), owned, generation_id, rack_id,
                ..Subscription::new(topics.iter().map(|topic| Arc::from(topic.as_str())))
            };
            prop_assert_eq!(Subscription::decode(&subscription.encode().unwrap()).unwrap(), subscription);
        }

        #[test]
        fn assignments_come_back_as_they_were(partitions in partitions()) {
            let assignment = Assignment { partitions, user_data: None };
            prop_assert_eq!(Assignment::decode(&assignment.encode().unwrap()).unwrap(), assignment);
        }

        #[test]
        fn garbage_is_an_error_and_not_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let bytes = Bytes::from(bytes);
            drop(Subscription::decode(&bytes));
            drop(Assignment::decode(&bytes));
        }
    }

    #[test]
    fn reads_what_old_members_wrote() {
        // Version 0: one topic "t", null user data, and nothing else.
        let bytes = Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(Subscription::decode(&bytes).unwrap(), Subscription::new([Arc::from("t")]));
        // Version 1 adds what the member owns: "t" partition 3.
        let bytes = Bytes::from_static(&[
            0, 1, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0,
            0, 3,
        ]);
        assert_eq!(Subscription::decode(&bytes).unwrap().owned, [TopicPartition::new("t", 3)]);
    }

    #[test]
    fn reads_a_later_version_as_the_highest_known() {
        let mut bytes = Subscription::new([Arc::from("t")]).encode().unwrap().to_vec();
        bytes[1] = 9;
        bytes.extend([1, 2, 3]);
        assert_eq!(Subscription::decode(&bytes.into()).unwrap(), Subscription::new([Arc::from("t")]));
    }

    #[test]
    fn no_bytes_are_an_empty_assignment() {
        assert_eq!(Assignment::decode(&Bytes::new()).unwrap(), Assignment::default());
    }
}
