//! Kafka's error codes: one table with name, what Java's exception is, what to do about it, and the text that Java prints.
//!
//! The facts are those of `org.apache.kafka.common.protocol.Errors` of Kafka 4.3.0, which a test compares with what Java
//! itself says: `Retry` where the exception is a `RetriableException`, `Refresh` where it is a `RefreshRetriableException`
//! (so stale metadata, or a stale coordinator, may be the reason). The remedy beside them is ours. This module knows
//! nothing of attempts and pauses: `cluster` has those.

use std::fmt;

/// A Kafka error code as it stands in responses. Codes that this table does not know are kept as they are and count
/// as not retriable, which is what Java's `UNKNOWN_SERVER_ERROR` amounts to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    /// `Ok` for [`ErrorCode::NONE`], else the code itself: for `?` in code that checks response fields.
    pub fn ok(self) -> Result<(), ErrorCode> {
        if self == ErrorCode::NONE { Ok(()) } else { Err(self) }
    }

    /// Whether the code reports a failure.
    pub fn is_error(self) -> bool {
        self != ErrorCode::NONE
    }

    /// The name as Java prints it, for example `NOT_LEADER_OR_FOLLOWER`.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNRECOGNISED", |row| row.name)
    }

    /// The sentence that Java prints for this code (Java has none for `NONE`).
    pub fn message(self) -> &'static str {
        self.row().map_or("The broker answered with an error code that this client does not know.", |row| {
            row.message
        })
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.hint != Hint::Final)
    }

    /// Whether metadata (or the known coordinator) should be refreshed before the next try.
    pub fn needs_metadata_refresh(self) -> bool {
        self.row().is_some_and(|row| row.hint == Hint::Refresh)
    }

    /// What to do about it. A code that the table lacks is [`Remedy::Fail`].
    pub fn remedy(self) -> Remedy {
        self.row().map_or(Remedy::Fail, |row| row.remedy)
    }

    fn row(self) -> Option<&'static Row> {
        // The table starts at -1 and has no holes, which a test checks.
        let index = usize::try_from(i32::from(self.0) + 1).ok()?;
        TABLE.get(index).filter(|row| row.code == self.0)
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        ErrorCode(code)
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> Self {
        code.0
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.0, self.message())
    }
}

impl std::error::Error for ErrorCode {}

/// What a client has to do about an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is no error.
    Nothing,
    /// Send the same again after a pause.
    Retry,
    /// Who leads (or controls, or what id the topic has) is not what was thought: refresh metadata, then send again.
    RefreshMetadata,
    /// Another broker coordinates the group or transaction: find it, then send again.
    RefindCoordinator,
    /// The membership has ended or changed: join the group again.
    Rejoin,
    /// The transaction (or, without one, the sequence) cannot go on: abort it; the producer may start another.
    Abort,
    /// Somebody newer has taken this client's place: stop for good.
    Fence,
    /// Report it: the same request cannot succeed.
    Fail,
}

/// What Java's exception for a code is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Final,
    Retry,
    Refresh,
}

struct Row {
    code: i16,
    name: &'static str,
    hint: Hint,
    remedy: Remedy,
    message: &'static str,
}

macro_rules! error_codes {
    ($($code:literal $name:ident $hint:ident $remedy:ident $message:literal)*) => {
        impl ErrorCode {
            $(#[doc = $message] pub const $name: ErrorCode = ErrorCode($code);)*
        }

        const TABLE: &[Row] =
            &[$(Row {
                code: $code,
                name: stringify!($name),
                hint: Hint::$hint,
                remedy: Remedy::$remedy,
                message: $message,
            }),*];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR Final Fail "The server experienced an unexpected error when processing the request."
    0 NONE Final Nothing "No error."
    1 OFFSET_OUT_OF_RANGE Final Fail "The requested offset is not within the range of offsets maintained by the server."
    2 CORRUPT_MESSAGE Retry Retry "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is otherwise corrupt."
    3 UNKNOWN_TOPIC_OR_PARTITION Refresh RefreshMetadata "This server does not host this topic-partition."
    4 INVALID_FETCH_SIZE Final Fail "The requested fetch size is invalid."
    5 LEADER_NOT_AVAILABLE Refresh RefreshMetadata "There is no leader for this topic-partition as we are in the middle of a leadership election."
    6 NOT_LEADER_OR_FOLLOWER Refresh RefreshMetadata "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition."
    7 REQUEST_TIMED_OUT Retry Retry "The request timed out."
    8 BROKER_NOT_AVAILABLE Final Fail "The broker is not available."
    9 REPLICA_NOT_AVAILABLE Refresh RefreshMetadata "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition."
    10 MESSAGE_TOO_LARGE Final Fail "The request included a message larger than the max message size the server will accept."
    11 STALE_CONTROLLER_EPOCH Final Fail "The controller moved to another broker."
    12 OFFSET_METADATA_TOO_LARGE Final Fail "The metadata field of the offset request was too large."
    13 NETWORK_EXCEPTION Refresh RefreshMetadata "The server disconnected before a response was received."
    14 COORDINATOR_LOAD_IN_PROGRESS Retry Retry "The coordinator is loading and hence can't process requests."
    15 COORDINATOR_NOT_AVAILABLE Refresh RefindCoordinator "The coordinator is not available."
    16 NOT_COORDINATOR Refresh RefindCoordinator "This is not the correct coordinator."
    17 INVALID_TOPIC_EXCEPTION Final Fail "The request attempted to perform an operation on an invalid topic."
    18 RECORD_LIST_TOO_LARGE Final Fail "The request included message batch larger than the configured segment size on the server."
    19 NOT_ENOUGH_REPLICAS Retry Retry "Messages are rejected since there are fewer in-sync replicas than required."
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retry Retry "Messages are written to the log, but to fewer in-sync replicas than required."
    21 INVALID_REQUIRED_ACKS Final Fail "Produce request specified an invalid value for required acks."
    22 ILLEGAL_GENERATION Final Rejoin "Specified group generation id is not valid."
    23 INCONSISTENT_GROUP_PROTOCOL Final Fail "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list."
    24 INVALID_GROUP_ID Final Fail "The group id is invalid."
    25 UNKNOWN_MEMBER_ID Final Rejoin "The coordinator is not aware of this member."
    26 INVALID_SESSION_TIMEOUT Final Fail "The session timeout is not within the range allowed by the broker (as configured by group.min.session.timeout.ms and group.max.session.timeout.ms)."
    27 REBALANCE_IN_PROGRESS Final Rejoin "The group is rebalancing, so a rejoin is needed."
    28 INVALID_COMMIT_OFFSET_SIZE Final Fail "The committing offset data size is not valid."
    29 TOPIC_AUTHORIZATION_FAILED Final Fail "Topic authorization failed."
    30 GROUP_AUTHORIZATION_FAILED Final Fail "Group authorization failed."
    31 CLUSTER_AUTHORIZATION_FAILED Final Fail "Cluster authorization failed."
    32 INVALID_TIMESTAMP Final Fail "The timestamp of the message is out of acceptable range."
    33 UNSUPPORTED_SASL_MECHANISM Final Fail "The broker does not support the requested SASL mechanism."
    34 ILLEGAL_SASL_STATE Final Fail "Request is not valid given the current SASL state."
    35 UNSUPPORTED_VERSION Final Fail "The version of API is not supported."
    36 TOPIC_ALREADY_EXISTS Final Fail "Topic with this name already exists."
    37 INVALID_PARTITIONS Final Fail "Number of partitions is below 1."
    38 INVALID_REPLICATION_FACTOR Final Fail "Replication factor is below 1 or larger than the number of available brokers."
    39 INVALID_REPLICA_ASSIGNMENT Final Fail "Replica assignment is invalid."
    40 INVALID_CONFIG Final Fail "Configuration is invalid."
    41 NOT_CONTROLLER Retry RefreshMetadata "This is not the correct controller for this cluster."
    42 INVALID_REQUEST Final Fail "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details."
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Final Fail "The message format version on the broker does not support the request."
    44 POLICY_VIOLATION Final Fail "Request parameters do not satisfy the configured policy."
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Final Abort "The broker received an out of order sequence number."
    46 DUPLICATE_SEQUENCE_NUMBER Final Fail "The broker received a duplicate sequence number."
    47 INVALID_PRODUCER_EPOCH Final Abort "Producer attempted to produce with an old epoch."
    48 INVALID_TXN_STATE Final Fail "The producer attempted a transactional operation in an invalid state."
    49 INVALID_PRODUCER_ID_MAPPING Final Fail "The producer attempted to use a producer id which is not currently assigned to its transactional id."
    50 INVALID_TRANSACTION_TIMEOUT Final Fail "The transaction timeout is larger than the maximum value allowed by the broker (as configured by transaction.max.timeout.ms)."
    51 CONCURRENT_TRANSACTIONS Retry Retry "The producer attempted to update a transaction while another concurrent operation on the same transaction was ongoing."
    52 TRANSACTION_COORDINATOR_FENCED Final Fence "Indicates that the transaction coordinator sending a WriteTxnMarker is no longer the current coordinator for a given producer."
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Final Fail "Transactional Id authorization failed."
    54 SECURITY_DISABLED Final Fail "Security features are disabled."
    55 OPERATION_NOT_ATTEMPTED Final Fail "The broker did not attempt to execute this operation. This may happen for batched RPCs where some operations in the batch failed, causing the broker to respond without trying the rest."
    56 KAFKA_STORAGE_ERROR Refresh RefreshMetadata "Disk error when trying to access log file on the disk."
    57 LOG_DIR_NOT_FOUND Final Fail "The user-specified log directory is not found in the broker config."
    58 SASL_AUTHENTICATION_FAILED Final Fail "SASL Authentication failed."
    59 UNKNOWN_PRODUCER_ID Final Abort "This exception is raised by the broker if it could not locate the producer metadata associated with the producerId in question. This could happen if, for instance, the producer's records were deleted because their retention time had elapsed. Once the last records of the producerId are removed, the producer's metadata is removed from the broker, and future appends by the producer will return this exception."
    60 REASSIGNMENT_IN_PROGRESS Final Fail "A partition reassignment is in progress."
    61 DELEGATION_TOKEN_AUTH_DISABLED Final Fail "Delegation Token feature is not enabled."
    62 DELEGATION_TOKEN_NOT_FOUND Final Fail "Delegation Token is not found on server."
    63 DELEGATION_TOKEN_OWNER_MISMATCH Final Fail "Specified Principal is not valid Owner/Renewer."
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Final Fail "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on delegation token authenticated channels."
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED Final Fail "Delegation Token authorization failed."
    66 DELEGATION_TOKEN_EXPIRED Final Fail "Delegation Token is expired."
    67 INVALID_PRINCIPAL_TYPE Final Fail "Supplied principalType is not supported."
    68 NON_EMPTY_GROUP Final Fail "The group is not empty."
    69 GROUP_ID_NOT_FOUND Final Fail "The group id does not exist."
    70 FETCH_SESSION_ID_NOT_FOUND Retry Retry "The fetch session ID was not found."
    71 INVALID_FETCH_SESSION_EPOCH Retry Retry "The fetch session epoch is invalid."
    72 LISTENER_NOT_FOUND Refresh RefreshMetadata "There is no listener on the leader broker that matches the listener on which metadata request was processed."
    73 TOPIC_DELETION_DISABLED Final Fail "Topic deletion is disabled."
    74 FENCED_LEADER_EPOCH Refresh RefreshMetadata "The leader epoch in the request is older than the epoch on the broker."
    75 UNKNOWN_LEADER_EPOCH Retry RefreshMetadata "The leader epoch in the request is newer than the epoch on the broker."
    76 UNSUPPORTED_COMPRESSION_TYPE Final Fail "The requesting client does not support the compression type of given partition."
    77 STALE_BROKER_EPOCH Final Fail "Broker epoch has changed."
    78 OFFSET_NOT_AVAILABLE Retry Retry "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing."
    79 MEMBER_ID_REQUIRED Final Rejoin "The group member needs to have a valid member id before actually entering a consumer group."
    80 PREFERRED_LEADER_NOT_AVAILABLE Refresh RefreshMetadata "The preferred leader was not available."
    81 GROUP_MAX_SIZE_REACHED Final Fail "The group has reached its maximum size."
    82 FENCED_INSTANCE_ID Final Fence "The broker rejected this static consumer since another consumer with the same group.instance.id has registered with a different member.id."
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE Refresh RefreshMetadata "Eligible topic partition leaders are not available."
    84 ELECTION_NOT_NEEDED Refresh RefreshMetadata "Leader election not needed for topic partition."
    85 NO_REASSIGNMENT_IN_PROGRESS Final Fail "No partition reassignment is in progress."
    86 GROUP_SUBSCRIBED_TO_TOPIC Final Fail "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."
    87 INVALID_RECORD Final Fail "This record has failed the validation on broker and hence will be rejected."
    88 UNSTABLE_OFFSET_COMMIT Retry Retry "There are unstable offsets that need to be cleared."
    89 THROTTLING_QUOTA_EXCEEDED Retry Retry "The throttling quota has been exceeded."
    90 PRODUCER_FENCED Final Fence "There is a newer producer with the same transactionalId which fences the current one."
    91 RESOURCE_NOT_FOUND Final Fail "A request illegally referred to a resource that does not exist."
    92 DUPLICATE_RESOURCE Final Fail "A request illegally referred to the same resource twice."
    93 UNACCEPTABLE_CREDENTIAL Final Fail "Requested credential would not meet criteria for acceptability."
    94 INCONSISTENT_VOTER_SET Final Fail "Indicates that the either the sender or recipient of a voter-only request is not one of the expected voters."
    95 INVALID_UPDATE_VERSION Final Fail "The given update version was invalid."
    96 FEATURE_UPDATE_FAILED Final Fail "Unable to update finalized features due to an unexpected server error."
    97 PRINCIPAL_DESERIALIZATION_FAILURE Final Fail "Request principal deserialization failed during forwarding. This indicates an internal error on the broker cluster security setup."
    98 SNAPSHOT_NOT_FOUND Final Fail "Requested snapshot was not found."
    99 POSITION_OUT_OF_RANGE Final Fail "Requested position is not greater than or equal to zero, and less than the size of the snapshot."
    100 UNKNOWN_TOPIC_ID Refresh RefreshMetadata "This server does not host this topic ID."
    101 DUPLICATE_BROKER_REGISTRATION Final Fail "This broker ID is already in use."
    102 BROKER_ID_NOT_REGISTERED Final Fail "The given broker ID was not registered."
    103 INCONSISTENT_TOPIC_ID Refresh RefreshMetadata "The log's topic ID did not match the topic ID in the request."
    104 INCONSISTENT_CLUSTER_ID Final Fail "The clusterId in the request does not match that found on the server."
    105 TRANSACTIONAL_ID_NOT_FOUND Final Fail "The transactionalId could not be found."
    106 FETCH_SESSION_TOPIC_ID_ERROR Retry Retry "The fetch session encountered inconsistent topic ID usage."
    107 INELIGIBLE_REPLICA Final Fail "The new ISR contains at least one ineligible replica."
    108 NEW_LEADER_ELECTED Final Fail "The AlterPartition request successfully updated the partition state but the leader has changed."
    109 OFFSET_MOVED_TO_TIERED_STORAGE Final Fail "The requested offset is moved to tiered storage."
    110 FENCED_MEMBER_EPOCH Final Fence "The member epoch is fenced by the group coordinator. The member must abandon all its partitions and rejoin."
    111 UNRELEASED_INSTANCE_ID Final Fail "The instance ID is still used by another member in the consumer group. That member must leave first."
    112 UNSUPPORTED_ASSIGNOR Final Fail "The assignor or its version range is not supported by the consumer group."
    113 STALE_MEMBER_EPOCH Final Rejoin "The member epoch is stale. The member must retry after receiving its updated member epoch via the ConsumerGroupHeartbeat API."
    114 MISMATCHED_ENDPOINT_TYPE Final Fail "The request was sent to an endpoint of the wrong type."
    115 UNSUPPORTED_ENDPOINT_TYPE Final Fail "This endpoint type is not supported yet."
    116 UNKNOWN_CONTROLLER_ID Final Fail "This controller ID is not known."
    117 UNKNOWN_SUBSCRIPTION_ID Final Fail "Client sent a push telemetry request with an invalid or outdated subscription ID."
    118 TELEMETRY_TOO_LARGE Final Fail "Client sent a push telemetry request larger than the maximum size the broker will accept."
    119 INVALID_REGISTRATION Final Fail "The controller has considered the broker registration to be invalid."
    120 TRANSACTION_ABORTABLE Final Abort "The server encountered an error with the transaction. The client can abort the transaction to continue using this transactional ID."
    121 INVALID_RECORD_STATE Final Fail "The record state is invalid. The acknowledgement of delivery could not be completed."
    122 SHARE_SESSION_NOT_FOUND Retry Retry "The share session was not found."
    123 INVALID_SHARE_SESSION_EPOCH Retry Retry "The share session epoch is invalid."
    124 FENCED_STATE_EPOCH Final Fence "The share coordinator rejected the request because the share-group state epoch did not match."
    125 INVALID_VOTER_KEY Final Fail "The voter key doesn't match the receiving replica's key."
    126 DUPLICATE_VOTER Final Fail "The voter is already part of the set of voters."
    127 VOTER_NOT_FOUND Final Fail "The voter is not part of the set of voters."
    128 INVALID_REGULAR_EXPRESSION Final Fail "The regular expression is not valid."
    129 REBOOTSTRAP_REQUIRED Final Fail "Client metadata is stale. The client should rebootstrap to obtain new metadata."
    130 STREAMS_INVALID_TOPOLOGY Final Fail "The supplied topology is invalid."
    131 STREAMS_INVALID_TOPOLOGY_EPOCH Final Fail "The supplied topology epoch is invalid."
    132 STREAMS_TOPOLOGY_FENCED Final Fence "The supplied topology epoch is outdated."
    133 SHARE_SESSION_LIMIT_REACHED Retry Retry "The limit of share sessions has been reached."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_ordered_without_holes() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(i32::from(row.code), index as i32 - 1, "{}", row.name);
        }
    }

    /// `ErrorTable.java`, beside it, wrote that file with Kafka's own client library.
    #[test]
    fn every_code_is_what_java_says() {
        let recorded = include_str!("../../tests/golden/errors.tsv");
        let mut codes = Vec::new();
        for line in recorded.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [code, name, is_retriable, needs_refresh, message] = fields[..] else { panic!("{line}") };
            let code = ErrorCode(code.parse().unwrap());
            assert_eq!(code.name(), name);
            assert_eq!(code.is_retriable().to_string(), is_retriable, "{name}");
            assert_eq!(code.needs_metadata_refresh().to_string(), needs_refresh, "{name}");
            if code != ErrorCode::NONE {
                assert_eq!(code.message(), message, "{name}");
            }
            codes.push(code.0);
        }
        assert_eq!(codes, TABLE.iter().map(|row| row.code).collect::<Vec<_>>());
    }

    #[test]
    fn a_remedy_tries_again_exactly_where_java_does() {
        for row in TABLE {
            let tries_again =
                matches!(row.remedy, Remedy::Retry | Remedy::RefreshMetadata | Remedy::RefindCoordinator);
            assert_eq!(tries_again, row.hint != Hint::Final, "{}", row.name);
            assert_eq!(row.remedy == Remedy::Nothing, row.code == 0);
        }
        assert_eq!(ErrorCode::PRODUCER_FENCED.remedy(), Remedy::Fence);
        assert_eq!(ErrorCode::TRANSACTION_ABORTABLE.remedy(), Remedy::Abort);
        assert_eq!(ErrorCode::NOT_COORDINATOR.remedy(), Remedy::RefindCoordinator);
        assert_eq!(ErrorCode(9_999).remedy(), Remedy::Fail);
    }

    #[test]
    fn says_what_to_do_about_a_code() {
        assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.needs_metadata_refresh());
        assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.is_retriable());
        assert!(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.is_retriable());
        assert!(!ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.needs_metadata_refresh());
        assert!(!ErrorCode::TOPIC_AUTHORIZATION_FAILED.is_retriable());
        assert!(!ErrorCode(1234).is_retriable());
        assert!(!ErrorCode(i16::MIN).is_retriable());
        assert!(!ErrorCode(i16::MAX).needs_metadata_refresh());
    }

    #[test]
    fn prints_the_java_name() {
        assert_eq!(format!("{:?}", ErrorCode(6)), "NOT_LEADER_OR_FOLLOWER(6)");
        assert_eq!(ErrorCode(-1).name(), "UNKNOWN_SERVER_ERROR");
        assert_eq!(ErrorCode(0).ok(), Ok(()));
        assert_eq!(ErrorCode(3).ok(), Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }
}
