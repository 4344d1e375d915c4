//! The Java exception that stands for an error of Kafka or of the system in traces: operators and scripts know them by these names.

use std::io;

use protocol::client::producer::TransactionError;
use protocol::{ErrorCode, ErrorKind};

/// The class name of an exception of Kafka's clients.
macro_rules! kafka {
    ($name:literal) => {
        concat!("org.apache.kafka.common.errors.", $name, "Exception")
    };
}

/// The class name of what is none of ours.
pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> &'static str {
    if let Some(error) = error.downcast_ref::<protocol::Error>() {
        return of_kafka(error);
    }
    if let Some(error) = error.downcast_ref::<TransactionError>() {
        return error.cause().map_or("java.lang.IllegalStateException", of_kafka);
    }
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => "java.nio.file.NoSuchFileException",
        Some(io::ErrorKind::PermissionDenied) => "java.nio.file.AccessDeniedException",
        Some(io::ErrorKind::ConnectionRefused) => "java.net.ConnectException",
        Some(_) => "java.io.IOException",
        None => "java.lang.RuntimeException",
    }
}

/// The class name of an error of our Kafka clients.
pub(crate) fn of_kafka(error: &protocol::Error) -> &'static str {
    match error.kind() {
        ErrorKind::Broker(code) => of_code(code),
        ErrorKind::Disconnected => kafka!("Disconnect"),
        ErrorKind::Auth => kafka!("SaslAuthentication"),
        ErrorKind::Timeout => kafka!("Timeout"),
        ErrorKind::Unsupported => kafka!("UnsupportedVersion"),
        ErrorKind::TooLarge => kafka!("RecordTooLarge"),
        ErrorKind::Aborted => kafka!("TransactionAborted"),
        ErrorKind::Config => "org.apache.kafka.common.config.ConfigException",
        _ => "org.apache.kafka.common.KafkaException",
    }
}

/// Java's `Errors`, where a code has an exception.
fn of_code(code: ErrorCode) -> &'static str {
    match code.0 {
        -1 => kafka!("UnknownServer"),
        1 => kafka!("OffsetOutOfRange"),
        2 => kafka!("CorruptRecord"),
        3 => kafka!("UnknownTopicOrPartition"),
        4 => kafka!("InvalidFetchSize"),
        5 => kafka!("LeaderNotAvailable"),
        6 => kafka!("NotLeaderOrFollower"),
        7 => kafka!("Timeout"),
        8 => kafka!("BrokerNotAvailable"),
        9 => kafka!("ReplicaNotAvailable"),
        10 => kafka!("RecordTooLarge"),
        11 => kafka!("ControllerMoved"),
        12 => kafka!("OffsetMetadataTooLarge"),
        13 => kafka!("Network"),
        14 => kafka!("CoordinatorLoadInProgress"),
        15 => kafka!("CoordinatorNotAvailable"),
        16 => kafka!("NotCoordinator"),
        17 => kafka!("InvalidTopic"),
        18 => kafka!("RecordBatchTooLarge"),
        19 => kafka!("NotEnoughReplicas"),
        20 => kafka!("NotEnoughReplicasAfterAppend"),
        21 => kafka!("InvalidRequiredAcks"),
        22 => kafka!("IllegalGeneration"),
        23 => kafka!("InconsistentGroupProtocol"),
        24 => kafka!("InvalidGroupId"),
        25 => kafka!("UnknownMemberId"),
        26 => kafka!("InvalidSessionTimeout"),
        27 => kafka!("RebalanceInProgress"),
        28 => kafka!("InvalidCommitOffsetSize"),
        29 => kafka!("TopicAuthorization"),
        30 => kafka!("GroupAuthorization"),
        31 => kafka!("ClusterAuthorization"),
        32 => kafka!("InvalidTimestamp"),
        33 => kafka!("UnsupportedSaslMechanism"),
        34 => kafka!("IllegalSaslState"),
        35 => kafka!("UnsupportedVersion"),
        36 => kafka!("TopicExists"),
        37 => kafka!("InvalidPartitions"),
        38 => kafka!("InvalidReplicationFactor"),
        39 => kafka!("InvalidReplicaAssignment"),
        40 => kafka!("InvalidConfiguration"),
        41 => kafka!("NotController"),
        42 => kafka!("InvalidRequest"),
        43 => kafka!("UnsupportedForMessageFormat"),
        44 => kafka!("PolicyViolation"),
        45 => kafka!("OutOfOrderSequence"),
        46 => kafka!("DuplicateSequence"),
        47 => kafka!("InvalidProducerEpoch"),
        48 => kafka!("InvalidTxnState"),
        49 => kafka!("InvalidPidMapping"),
        50 => kafka!("InvalidTxnTimeout"),
        51 => kafka!("ConcurrentTransactions"),
        52 => kafka!("TransactionCoordinatorFenced"),
        53 => kafka!("TransactionalIdAuthorization"),
        54 => kafka!("SecurityDisabled"),
        56 => kafka!("KafkaStorage"),
        58 => kafka!("SaslAuthentication"),
        59 => kafka!("UnknownProducerId"),
        74 => kafka!("FencedLeaderEpoch"),
        75 => kafka!("UnknownLeaderEpoch"),
        79 => kafka!("MemberIdRequired"),
        81 => kafka!("GroupMaxSizeReached"),
        82 => kafka!("FencedInstanceId"),
        87 => kafka!("InvalidRecord"),
        89 => kafka!("ThrottlingQuotaExceeded"),
        90 => kafka!("ProducerFenced"),
        100 => kafka!("UnknownTopicId"),
        _ => kafka!("UnknownServer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_names_that_java_gives_them() {
        let class = |code| of(&protocol::Error::broker("test", code));
        for (code, name) in [
            (ErrorCode::INVALID_REPLICATION_FACTOR, "InvalidReplicationFactor"),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, "TopicAuthorization"),
            (ErrorCode::INVALID_TOPIC_EXCEPTION, "InvalidTopic"),
            (ErrorCode::MESSAGE_TOO_LARGE, "RecordTooLarge"),
            (ErrorCode(9_999), "UnknownServer"),
        ] {
            assert_eq!(class(code), format!("org.apache.kafka.common.errors.{name}Exception"));
        }
        assert_eq!(of(&io::Error::from(io::ErrorKind::Other)), "java.io.IOException");
    }
}
