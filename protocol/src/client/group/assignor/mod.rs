//! Who gets which partitions: pure functions over subscriptions and partition counts, with Java's exact results.
//!
//! The order of members is that of `AbstractPartitionAssignor.MemberInfo`: static members by instance id first, then the others by
//! member id. Where Java's result depends on the order of a `HashMap`, `java_map` has that order. Racks are not looked at.

mod general;
mod java_map;
mod range;
mod round_robin;
mod sticky;
mod user_data;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::Subscription;
use crate::Error;
use crate::client::TopicPartition;

/// An assignment strategy of the `consumer` protocol type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// `RangeAssignor`: consecutive partitions of each topic.
    Range,
    /// `RoundRobinAssignor`: all partitions of all topics dealt in turn.
    RoundRobin,
    /// `StickyAssignor`: as balanced as possible, and then with as few moves as possible.
    Sticky,
    /// `CooperativeStickyAssignor`: the same, and only what moves is given up (KIP-429).
    CooperativeSticky,
}

/// A member with what it wants.
#[derive(Debug, Clone)]
pub struct SubscribedMember {
    /// Given by the coordinator.
    pub member_id: String,
    /// `group.instance.id` where the member is static.
    pub group_instance_id: Option<String>,
    /// What the member sent.
    pub subscription: Subscription,
}

/// Partition count by topic; topics that do not exist are missing.
pub type PartitionCounts = BTreeMap<Arc<str>, i32>;

impl Assignor {
    /// The name in `JoinGroup`.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::Sticky => "sticky",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// Whether its members keep what does not move during a rebalance.
    pub fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    /// What a member sends along in its subscription: the sticky assignors want to know what it had in which generation.
    pub fn user_data(self, last: &[TopicPartition], generation_id: i32) -> Option<Bytes> {
        match self {
            Assignor::Range | Assignor::RoundRobin => None,
            // Java sends none before the first assignment.
            Assignor::Sticky => {
                (generation_id >= 0 || !last.is_empty()).then(|| user_data::sticky(last, generation_id))
            }
            Assignor::CooperativeSticky => Some(user_data::cooperative(generation_id)),
        }
    }

    /// The strategy of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky]
            .into_iter()
            .find(|assignor| assignor.name() == name)
    }

    /// Distributes the partitions of all subscribed topics. The result is in the order of `members`.
    pub fn assign(self, members: &[SubscribedMember], counts: &PartitionCounts) -> Vec<Vec<TopicPartition>> {
        match self {
            Assignor::Range => range::assign(members, counts),
            Assignor::RoundRobin => round_robin::assign(members, counts),
            Assignor::Sticky => sticky::assign(members, counts, user_data::sticky_claim).assigned,
            Assignor::CooperativeSticky => sticky::assign_cooperatively(members, counts),
        }
    }
}

impl FromStr for Assignor {
    type Err = Error;

    /// Reads an entry of `partition.assignment.strategy`: the class of Java's, or its name in `JoinGroup`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(text) {
            "RangeAssignor" => Ok(Self::Range),
            "RoundRobinAssignor" => Ok(Self::RoundRobin),
            "StickyAssignor" => Ok(Self::Sticky),
            "CooperativeStickyAssignor" => Ok(Self::CooperativeSticky),
            name => Self::by_name(name).ok_or_else(|| {
                Error::config(
                    "parse partition.assignment.strategy",
                    format!("'{text}' is no assignor that there is"),
                )
            }),
        }
    }
}

/// Indices of `members` in Java's order.
fn sorted_members(members: &[SubscribedMember]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| compare(&members[a], &members[b]));
    order
}

fn compare(a: &SubscribedMember, b: &SubscribedMember) -> Ordering {
    match (&a.group_instance_id, &b.group_instance_id) {
        (Some(a), Some(b)) => compare_as_java(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_as_java(&a.member_id, &b.member_id),
    }
}

/// `String.compareTo`: by UTF-16 code unit, which differs from the order of UTF-8 above U+FFFF.
fn compare_as_java(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn is_subscribed(member: &SubscribedMember, topic: &str) -> bool {
    member.subscription.topics.iter().any(|subscribed| &**subscribed == topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(member_id: &str, topics: &[&str]) -> SubscribedMember {
        SubscribedMember {
            member_id: member_id.into(),
            group_instance_id: None,
            subscription: Subscription::new(topics.iter().map(|topic| Arc::from(*topic))),
        }
    }

    fn counts(counts: &[(&str, i32)]) -> PartitionCounts {
        counts.iter().map(|(topic, count)| (Arc::from(*topic), *count)).collect()
    }

    /// Goal: the vectors of Java's `RangeAssignorTest` and `RoundRobinAssignorTest`, written as `topic-partition` lists per member.
    fn check(assignor: Assignor, members: &[SubscribedMember], topics: &[(&str, i32)], expected: &[&str]) {
        let actual: Vec<String> = assignor
            .assign(members, &counts(topics))
            .iter()
            .map(|partitions| partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(actual, expected, "{assignor:?} {topics:?}");
    }

    #[test]
    fn range_gives_consecutive_partitions_of_each_topic() {
        use Assignor::Range;
        let one = [member("c1", &["t1", "t2"])];
        check(Range, &one, &[], &[""]);
        check(Range, &one, &[("t1", 3)], &["t1-0 t1-1 t1-2"]);
        check(Range, &one, &[("t1", 1), ("t2", 2)], &["t1-0 t2-0 t2-1"]);
        // A topic that nobody subscribed to is left alone.
        check(Range, &one, &[("other", 3), ("t1", 1)], &["t1-0"]);

        let two = [member("c1", &["t1", "t2"]), member("c2", &["t1", "t2"])];
        check(Range, &two, &[("t1", 1)], &["t1-0", ""]);
        check(Range, &two, &[("t1", 2)], &["t1-0", "t1-1"]);
        check(Range, &two, &[("t1", 3), ("t2", 3)], &["t1-0 t1-1 t2-0 t2-1", "t1-2 t2-2"]);

        let mixed = [member("c1", &["t1"]), member("c2", &["t1", "t2"]), member("c3", &["t1"])];
        check(Range, &mixed, &[("t1", 3), ("t2", 2)], &["t1-0", "t1-1 t2-0 t2-1", "t1-2"]);

        let three = [member("c3", &["t"]), member("c1", &["t"]), member("c2", &["t"])];
        check(Range, &three, &[("t", 8)], &["t-6 t-7", "t-0 t-1 t-2", "t-3 t-4 t-5"]);
    }

    #[test]
    fn round_robin_deals_all_partitions_in_turn() {
        use Assignor::RoundRobin;
        let one = [member("c1", &["t1", "t2"])];
        check(RoundRobin, &one, &[], &[""]);
        check(RoundRobin, &one, &[("t1", 1), ("t2", 2)], &["t1-0 t2-0 t2-1"]);

        let two = [member("c1", &["t1", "t2"]), member("c2", &["t1", "t2"])];
        check(RoundRobin, &two, &[("t1", 1)], &["t1-0", ""]);
        check(RoundRobin, &two, &[("t1", 3), ("t2", 3)], &["t1-0 t1-2 t2-1", "t1-1 t2-0 t2-2"]);

        let mixed = [member("c1", &["t1"]), member("c2", &["t1", "t2"]), member("c3", &["t1"])];
        check(RoundRobin, &mixed, &[("t1", 3), ("t2", 2)], &["t1-0", "t1-1 t2-0 t2-1", "t1-2"]);
    }

    #[test]
    fn static_members_come_first_by_their_instance_id() {
        let mut members = [member("a", &["t"]), member("z", &["t"]), member("y", &["t"])];
        members[1].group_instance_id = Some("i1".into());
        members[2].group_instance_id = Some("i2".into());
        check(Assignor::Range, &members, &[("t", 3)], &["t-2", "t-0", "t-1"]);
        check(Assignor::RoundRobin, &members, &[("t", 4)], &["t-2", "t-0 t-3", "t-1"]);
    }

    #[test]
    fn every_partition_goes_to_exactly_one_subscriber() {
        let members = [
            member("c1", &["t1", "t2"]),
            member("c2", &["t2", "t3"]),
            member("c3", &["t3"]),
            member("c4", &[]),
        ];
        let topics = counts(&[("t1", 5), ("t2", 7), ("t3", 1), ("t4", 3)]);
        for assignor in [Assignor::Range, Assignor::RoundRobin] {
            let assigned = assignor.assign(&members, &topics);
            for (member, partitions) in members.iter().zip(&assigned) {
                assert!(partitions.iter().all(|tp| is_subscribed(member, &tp.topic)), "{assignor:?}");
            }
            let mut all: Vec<_> = assigned.concat();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 13, "{assignor:?}");
        }
    }

    #[test]
    fn is_named_by_class_or_name() {
        for (text, assignor) in [
            ("org.apache.kafka.clients.consumer.StickyAssignor", Assignor::Sticky),
            ("CooperativeStickyAssignor", Assignor::CooperativeSticky),
            ("roundrobin", Assignor::RoundRobin),
        ] {
            assert_eq!(text.parse::<Assignor>().unwrap(), assignor);
        }
        assert!("org.example.MyAssignor".parse::<Assignor>().is_err());
    }

    #[test]
    fn orders_strings_as_java_does() {
        assert_eq!(compare_as_java("\u{ffff}", "\u{10000}"), Ordering::Greater);
        assert_eq!(compare_as_java("a", "ab"), Ordering::Less);
    }
}
