//! The user data of the sticky assignors: what a member had, and in which generation (`StickyAssignor`, versions 0 and 1).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::client::TopicPartition;
use crate::client::group::{Subscription, by_topic};

/// What a member says that it had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Claim {
    pub(super) partitions: Vec<TopicPartition>,
    /// None where it does not say.
    pub(super) generation: Option<i32>,
}

/// `STICKY_ASSIGNOR_USER_DATA_V1`.
pub(super) fn sticky(partitions: &[TopicPartition], generation_id: i32) -> Bytes {
    let grouped = by_topic(partitions);
    let mut out = BytesMut::new();
    out.put_i32(grouped.len() as i32);
    for (topic, partitions) in grouped {
        // Kafka's topic names have at most 249 bytes.
        out.put_i16(topic.len() as i16);
        out.put_slice(topic.as_bytes());
        out.put_i32(partitions.len() as i32);
        partitions.iter().for_each(|partition| out.put_i32(*partition));
    }
    out.put_i32(generation_id);
    out.freeze()
}

/// `COOPERATIVE_STICKY_ASSIGNOR_USER_DATA_V0`.
pub(super) fn cooperative(generation_id: i32) -> Bytes {
    Bytes::copy_from_slice(&generation_id.to_be_bytes())
}

/// What the user data of a `sticky` member says. Data that cannot be read counts as a member that had nothing.
pub(super) fn sticky_claim(subscription: &Subscription) -> Claim {
    let Some(data) = subscription.user_data.as_ref().filter(|data| !data.is_empty()) else {
        return Claim::default();
    };
    let mut data = data.clone();
    let Some(partitions) = read_partitions(&mut data) else {
        return Claim { partitions: Vec::new(), generation: Some(-1) };
    };
    // Version 0 ends here.
    Claim { partitions, generation: data.try_get_i32().ok() }
}

/// What a `cooperative-sticky` member says: its subscription has it, and before version 2 of that the user data has the generation.
pub(super) fn cooperative_claim(subscription: &Subscription) -> Claim {
    let generation = if subscription.generation_id >= 0 {
        Some(subscription.generation_id)
    } else {
        subscription.user_data.as_ref().map(|data| data.clone().try_get_i32().unwrap_or(-1))
    };
    Claim { partitions: subscription.owned.clone(), generation }
}

fn read_partitions(data: &mut Bytes) -> Option<Vec<TopicPartition>> {
    let mut partitions = Vec::new();
    let topic_count = data.try_get_i32().ok()?;
    if topic_count < 0 {
        return None;
    }
    // Counts are not believed: each entry has to be there, so that what is kept is no more than what was sent.
    for _ in 0..topic_count {
        let length = usize::try_from(data.try_get_i16().ok()?).ok()?;
        if data.len() < length {
            return None;
        }
        let name = data.split_to(length);
        let topic: std::sync::Arc<str> = std::str::from_utf8(&name).ok()?.into();
        let count = data.try_get_i32().ok()?;
        if count < 0 {
            return None;
        }
        for _ in 0..count {
            let partition = data.try_get_i32().ok()?;
            partitions.push(TopicPartition { topic: std::sync::Arc::clone(&topic), partition });
        }
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subscription(user_data: Bytes) -> Subscription {
        Subscription { user_data: Some(user_data), ..Subscription::new([]) }
    }

    #[test]
    fn reads_both_versions() {
        let partitions =
            vec![TopicPartition::new("a", 0), TopicPartition::new("a", 2), TopicPartition::new("b", 1)];
        let data = sticky(&partitions, 7);
        let claim = Claim { partitions, generation: Some(7) };
        assert_eq!(sticky_claim(&subscription(data.clone())), claim);
        let version_0 = data.slice(..data.len() - 4);
        assert_eq!(sticky_claim(&subscription(version_0)), Claim { generation: None, ..claim });
        assert_eq!(sticky_claim(&subscription(Bytes::new())), Claim::default());
        assert_eq!(cooperative_claim(&subscription(cooperative(3))).generation, Some(3));
        assert_eq!(cooperative_claim(&subscription(Bytes::from_static(b"x"))).generation, Some(-1));
    }

    proptest! {
        #[test]
        fn garbage_claims_nothing_that_was_not_sent(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let size = bytes.len();
            prop_assert!(sticky_claim(&subscription(bytes.into())).partitions.len() * 4 <= size);
        }
    }
}
