//! Which versions of which API the client speaks, and what to speak with a given broker.
//!
//! Upper ends are chosen so that one shape of code serves a whole range, or few: `OffsetFetch` 8 and `FindCoordinator` 4 turn
//! single groups into lists (both shapes are spoken), `OffsetFetch` 10, `Fetch` and `Produce` 13 turn topic names into ids (the consumer, which has both shapes,
//! speaks `Fetch` up to [`FETCH_MAX_BY_ID`]), and `Produce` 12, `EndTxn` 5 and `TxnOffsetCommit` 5 change what a
//! transaction means (KIP-890). Lower ends are those of Kafka 2.4 or earlier. The embedded broker offers ranges of its own.

use std::collections::BTreeMap;

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, VersionRange};

use super::error::{Error, Result};

/// The versions that the client speaks, by API, in the order of API keys.
pub const SUPPORTED: &[(ApiKey, VersionRange)] = &[
    (ApiKey::Produce, range(3, 11)),
    (ApiKey::Fetch, range(4, 12)),
    (ApiKey::ListOffsets, range(1, 7)),
    (ApiKey::Metadata, range(1, 12)),
    (ApiKey::OffsetCommit, range(2, 8)),
    (ApiKey::OffsetFetch, range(1, 9)),
    (ApiKey::FindCoordinator, range(1, 5)),
    (ApiKey::JoinGroup, range(2, 9)),
    (ApiKey::Heartbeat, range(0, 4)),
    (ApiKey::LeaveGroup, range(3, 5)),
    (ApiKey::SyncGroup, range(0, 5)),
    (ApiKey::DescribeGroups, range(0, 5)),
    (ApiKey::ListGroups, range(0, 5)),
    (ApiKey::SaslHandshake, range(0, 1)),
    (ApiKey::ApiVersions, range(0, 4)),
    (ApiKey::CreateTopics, range(2, 7)),
    (ApiKey::DeleteTopics, range(1, 5)),
    (ApiKey::DeleteRecords, range(0, 2)),
    (ApiKey::InitProducerId, range(0, 5)),
    (ApiKey::OffsetForLeaderEpoch, range(2, 4)),
    (ApiKey::AddPartitionsToTxn, range(0, 3)),
    (ApiKey::AddOffsetsToTxn, range(0, 4)),
    // The producer keeps below 5 unless the cluster finalised `transaction.version` 2; so it does with `Produce` 12.
    (ApiKey::EndTxn, range(0, 5)),
    (ApiKey::TxnOffsetCommit, range(0, 5)),
    (ApiKey::DescribeAcls, range(1, 3)),
    (ApiKey::CreateAcls, range(1, 3)),
    (ApiKey::DeleteAcls, range(1, 3)),
    (ApiKey::DescribeConfigs, range(1, 4)),
    (ApiKey::SaslAuthenticate, range(0, 2)),
    (ApiKey::CreatePartitions, range(0, 3)),
    (ApiKey::DeleteGroups, range(0, 2)),
    (ApiKey::IncrementalAlterConfigs, range(0, 1)),
    (ApiKey::OffsetDelete, range(0, 0)),
    (ApiKey::DescribeCluster, range(0, 1)),
];

/// The highest version of `Fetch` for those who name topics by id from 13 on.
pub const FETCH_MAX_BY_ID: i16 = 16;

/// The highest version that lies in both ranges.
pub fn negotiate(ours: VersionRange, theirs: VersionRange) -> Option<i16> {
    let both = ours.intersect(&theirs);
    (!both.is_empty()).then_some(both.max)
}

/// The versions of one API that the client speaks; `None` for an API that it does not use.
pub fn supported(api_key: i16) -> Option<VersionRange> {
    SUPPORTED.iter().find(|(key, _)| *key as i16 == api_key).map(|(_, range)| *range)
}

/// What one broker said that it speaks.
#[derive(Debug, Clone, Default)]
pub struct BrokerVersions {
    ranges: BTreeMap<i16, VersionRange>,
    /// What the cluster finalised (KIP-584), by name.
    features: BTreeMap<String, i16>,
}

impl BrokerVersions {
    /// Takes over the answer to `ApiVersions`. Its error code is the caller's business.
    pub fn from_response(response: &ApiVersionsResponse) -> Self {
        let ranges = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect();
        let features = response
            .finalized_features
            .iter()
            .map(|feature| (feature.name.to_string(), feature.max_version_level))
            .collect();
        BrokerVersions { ranges, features }
    }

    /// Whether the broker speaks this version of request `R`, whatever the table says of it.
    pub fn speaks<R: Request>(&self, version: i16) -> bool {
        self.range(R::KEY).is_some_and(|range| (range.min..=range.max).contains(&version))
    }

    /// The level that the cluster finalised for a feature; 0 where it did not.
    pub fn finalized_feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The broker's versions of one API.
    pub fn range(&self, api_key: i16) -> Option<VersionRange> {
        self.ranges.get(&api_key).copied()
    }

    /// The version to use for request `R` with this broker.
    ///
    /// # Errors
    /// `Unsupported` if there is no common version; the message says both ranges.
    pub fn version_for<R: Request>(&self) -> Result<i16> {
        self.version_up_to::<R>(i16::MAX)
    }

    /// As [`BrokerVersions::version_for`], with an upper end below our own: for a request whose later versions the
    /// caller cannot use.
    ///
    /// # Errors
    /// `Unsupported` if there is no common version; the message says both ranges.
    pub fn version_up_to<R: Request>(&self, version_max: i16) -> Result<i16> {
        let ours = supported(R::KEY).unwrap_or(R::VERSIONS);
        let ours = VersionRange { min: ours.min, max: ours.max.min(version_max) };
        let theirs = self.range(R::KEY);
        theirs.and_then(|theirs| negotiate(ours, theirs)).ok_or_else(|| {
            let name = ApiKey::try_from(R::KEY).map_or("?".to_owned(), |key| format!("{key:?}"));
            let theirs = theirs.map_or("none".to_owned(), |theirs| theirs.to_string());
            Error::unsupported(
                "agree on an API version",
                format!("{name}: this client speaks {ours}, the broker {theirs}"),
            )
        })
    }
}

const fn range(min: i16, max: i16) -> VersionRange {
    VersionRange { min, max }
}

#[cfg(test)]
mod tests {
    //! Goal: every field of every API × version that we use survives encoding and decoding. Method: the decoder itself
    //! fills a message from a generator, so it holds exactly the fields that the version has.

    use std::fmt::Debug;
    use std::ops::Range;

    use bytes::{Buf, Bytes, TryGetError};
    use kafka_protocol::messages::*;
    use kafka_protocol::protocol::Decodable;
    use kafka_protocol::protocol::buf::ByteBuf;

    use super::*;
    use crate::for_every_request;
    use crate::wire::frame;

    /// Answers every read with a small value, so that arrays, strings and numbers all get filled.
    struct Generator {
        random: fastrand::Rng,
    }

    impl Buf for Generator {
        fn remaining(&self) -> usize {
            1 << 20
        }
        fn chunk(&self) -> &[u8] {
            &[b'u'; 64]
        }
        fn advance(&mut self, _count: usize) {}
        fn try_get_u8(&mut self) -> std::result::Result<u8, TryGetError> {
            Ok(self.random.u8(0..3))
        }
        fn try_get_i8(&mut self) -> std::result::Result<i8, TryGetError> {
            Ok(self.random.i8(..))
        }
        fn try_get_i16(&mut self) -> std::result::Result<i16, TryGetError> {
            Ok(self.random.i16(0..4))
        }
        fn try_get_u16(&mut self) -> std::result::Result<u16, TryGetError> {
            Ok(self.random.u16(..))
        }
        fn try_get_i32(&mut self) -> std::result::Result<i32, TryGetError> {
            Ok(self.random.i32(0..3))
        }
        fn try_get_u32(&mut self) -> std::result::Result<u32, TryGetError> {
            Ok(self.random.u32(..))
        }
        fn try_get_i64(&mut self) -> std::result::Result<i64, TryGetError> {
            Ok(self.random.i64(..))
        }
        fn try_get_f64(&mut self) -> std::result::Result<f64, TryGetError> {
            Ok(self.random.f64())
        }
    }

    impl ByteBuf for Generator {
        fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
            Bytes::from(vec![0; range.len()])
        }
        fn get_bytes(&mut self, size: usize) -> Bytes {
            Bytes::from(vec![b'a'; size])
        }
    }

    /// Messages that the generator could build, out of a few hundred tries: some tries make tags that do not exist.
    fn populated<T: Decodable>(version: i16) -> Vec<T> {
        (0..300)
            .filter_map(|seed| {
                T::decode(&mut Generator { random: fastrand::Rng::with_seed(seed) }, version).ok()
            })
            .collect()
    }

    fn check_api<R>(covered: &mut Vec<i16>)
    where
        R: Request + Default + PartialEq + Debug,
        R::Response: Default + PartialEq + Debug,
    {
        // The embedded broker speaks more.
        let Some(ours) = supported(R::KEY) else { return };
        assert!(ours.min >= R::VERSIONS.min && ours.max <= R::VERSIONS.max, "api {}", R::KEY);
        for version in ours.min..=ours.max {
            let requests = populated::<R>(version);
            assert!(requests.len() > 10, "api {} v{version}: {} requests", R::KEY, requests.len());
            for request in requests.into_iter().chain([R::default()]) {
                let frame = frame::encode_request(&request, version, 1, None)
                    .unwrap_or_else(|error| panic!("{error}: {request:?}"));
                let mut body = frame.slice(frame::LENGTH_PREFIX_BYTES..);
                frame::decode_request_header(&mut body).unwrap();
                let decoded = frame::decode_request_body::<R>(&mut body, version).unwrap();
                // What a version lacks comes back as default, so compare what is written.
                assert_eq!(frame::encode_request(&decoded, version, 1, None).unwrap(), frame);
            }
            let responses = populated::<R::Response>(version);
            assert!(responses.len() > 10, "api {} v{version}: {} responses", R::KEY, responses.len());
            for response in responses.into_iter().chain([R::Response::default()]) {
                let frame = frame::encode_response::<R>(&response, version, 1)
                    .unwrap_or_else(|error| panic!("{error}: {response:?}"));
                let body = frame.slice(frame::LENGTH_PREFIX_BYTES..);
                let (_, decoded) = frame::decode_response::<R>(body, version).unwrap();
                assert_eq!(frame::encode_response::<R>(&decoded, version, 1).unwrap(), frame);
            }
        }
        covered.push(R::KEY);
    }

    #[test]
    fn every_api_and_version_round_trips() {
        let covered = &mut Vec::new();
        macro_rules! check_all {
            ($($request:ident)*) => { $(check_api::<$request>(covered);)* };
        }
        for_every_request!(check_all);
        let table: Vec<i16> = SUPPORTED.iter().map(|(key, _)| *key as i16).collect();
        assert_eq!(*covered, table);
    }

    #[test]
    fn negotiates_the_highest_common_version() {
        assert_eq!(negotiate(range(3, 11), range(0, 13)), Some(11));
        assert_eq!(negotiate(range(3, 11), range(0, 7)), Some(7));
        assert_eq!(negotiate(range(3, 11), range(0, 2)), None);
        assert_eq!(negotiate(range(3, 11), range(5, 1)), None);
    }

    /// What Kafka 4.3.0 offers, as its client library lists it.
    #[test]
    fn finds_a_version_for_every_api_on_kafka_4_3() {
        let offered: &[(i16, i16, i16)] = &[
            (0, 3, 13),
            (1, 4, 18),
            (2, 1, 11),
            (3, 0, 13),
            (8, 2, 10),
            (9, 1, 10),
            (10, 0, 6),
            (11, 0, 9),
            (12, 0, 4),
            (13, 0, 5),
            (14, 0, 5),
            (15, 0, 6),
            (16, 0, 5),
            (17, 0, 1),
            (18, 0, 4),
            (19, 2, 7),
            (20, 1, 6),
            (21, 0, 2),
            (22, 0, 6),
            (23, 2, 4),
            (24, 0, 5),
            (25, 0, 4),
            (26, 0, 5),
            (28, 0, 5),
            (29, 1, 3),
            (30, 1, 3),
            (31, 1, 3),
            (32, 1, 4),
            (36, 0, 2),
            (37, 0, 3),
            (42, 0, 2),
            (44, 0, 1),
            (47, 0, 0),
            (60, 0, 2),
        ];
        let mut response = ApiVersionsResponse::default();
        for &(key, min, max) in offered {
            let api = api_versions_response::ApiVersion::default();
            response.api_keys.push(api.with_api_key(key).with_min_version(min).with_max_version(max));
        }
        let broker = BrokerVersions::from_response(&response);
        for (key, ours) in SUPPORTED {
            let theirs = broker.range(*key as i16).unwrap();
            assert_eq!(negotiate(*ours, theirs), Some(ours.max), "{key:?}");
        }
        assert_eq!(broker.version_for::<FetchRequest>().unwrap(), 12);
        assert_eq!(broker.version_up_to::<FetchRequest>(11).unwrap(), 11);
        let error = BrokerVersions::default().version_for::<FetchRequest>().unwrap_err();
        assert!(error.to_string().contains("Fetch: this client speaks 4..12, the broker none"), "{error}");
    }
}
