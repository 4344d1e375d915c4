//! Strings that outlive a request: detached from its frame, checked where Kafka checks them, or random.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::StrBytes;
use uuid::Uuid;

use crate::refusal::Refusal;

const TOPIC_NAME_BYTES_MAX: usize = 249;

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A copy that does not keep the request's frame in memory.
pub(crate) fn detached(text: &StrBytes) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// A copy of bytes that does not keep the request's frame in memory.
pub(crate) fn detached_bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Checks a topic name as Kafka's `Topic.validate` does.
pub(crate) fn check_topic_name(name: &str) -> Result<(), Refusal> {
    let refuse = |why: String| Err(Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, why));
    if name.is_empty() {
        return refuse("topic name is empty".to_owned());
    }
    if name == "." || name == ".." {
        return refuse(format!("topic name cannot be \"{name}\""));
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return refuse(format!(
            "topic name is {} characters long, at most {TOPIC_NAME_BYTES_MAX} are allowed",
            name.len()
        ));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return refuse(format!(
            "topic name \"{name}\" holds characters other than ASCII letters, digits, '.', '_' and '-'"
        ));
    }
    Ok(())
}

/// A random id in Kafka's text form: 22 characters of URL-safe base64.
pub(crate) fn random_cluster_id(random: &mut fastrand::Rng) -> String {
    let bits = random_uuid(random).as_u128();
    // 128 bits are 21 characters of 6 bits and one of the last 2 bits, which are padded with zeros.
    (0..22)
        .map(|i| {
            let sextet = if i < 21 { bits >> (122 - 6 * i) } else { bits << 4 };
            char::from(BASE64_URL[(sextet & 63) as usize])
        })
        .collect()
}

/// A random (version 4) id.
pub(crate) fn random_uuid(random: &mut fastrand::Rng) -> Uuid {
    uuid::Builder::from_random_bytes(random.u128(..).to_ne_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_are_checked_as_kafka_does() {
        for good in ["a", "A.b_c-9", &"x".repeat(249)] {
            check_topic_name(good).unwrap();
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert_eq!(check_topic_name(bad).unwrap_err().code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{bad}");
        }
    }

    #[test]
    fn cluster_ids_have_kafkas_form() {
        let mut random = fastrand::Rng::with_seed(1);
        let id = random_cluster_id(&mut random);
        assert_eq!(id.len(), 22);
        assert!(id.bytes().all(|b| BASE64_URL.contains(&b)));
        assert_ne!(id, random_cluster_id(&mut random));
    }
}
