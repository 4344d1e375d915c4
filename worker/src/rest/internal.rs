//! What workers ask each other. A standalone worker has nobody to talk to; it refuses, once it has read the request as Java does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderMap;

use super::error::{Answer, RestError};
use super::requests;

const SIGNATURE: &str = "X-Connect-Authorization";
const ALGORITHM: &str = "X-Connect-Request-Signature-Algorithm";

/// The algorithms of Java's own provider that can sign.
const ALGORITHMS: [&str; 12] = [
    "HmacMD5",
    "HmacSHA1",
    "HmacSHA224",
    "HmacSHA256",
    "HmacSHA384",
    "HmacSHA512",
    "HmacSHA512/224",
    "HmacSHA512/256",
    "HmacSHA3-224",
    "HmacSHA3-256",
    "HmacSHA3-384",
    "HmacSHA3-512",
];

/// Tasks' configurations come from their connector only, with a single worker.
pub(super) fn set_tasks(headers: &HeaderMap, body: &[u8]) -> Answer {
    requests::task_configs(body)?;
    check_signature(headers)?;
    Err(RestError::Standalone(
        "Kafka Connect in standalone mode does not support externally setting task configurations.",
    ))
}

/// Nobody else could write as this worker's tasks.
pub(super) fn fence(headers: &HeaderMap) -> Answer {
    check_signature(headers)?;
    Err(RestError::Standalone(
        "Kafka Connect in standalone mode does not support exactly-once source connectors.",
    ))
}

/// Whether the signature's form is right (`InternalRequestSignature#fromHeaders`).
fn check_signature(headers: &HeaderMap) -> Result<(), RestError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(signature), Some(algorithm)) = (header(SIGNATURE), header(ALGORITHM)) else { return Ok(()) };
    if !ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(algorithm)) {
        return Err(RestError::BadRequest(format!("Algorithm {algorithm} not available")));
    }
    match STANDARD.decode(signature) {
        Ok(_) => Ok(()),
        Err(_) => Err(RestError::BadRequest(base64_problem(signature))),
    }
}

/// Java's words for what is no base64.
fn base64_problem(text: &str) -> String {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let digits = text.trim_end_matches('=');
    match digits.bytes().find(|byte| !is_digit(byte)) {
        Some(byte) => format!("Illegal base64 character {byte:x}"),
        None if text.len() < 2 => "Input byte[] should at least have 2 bytes for base64 bytes".to_owned(),
        None if digits.len() % 4 == 1 => "Last unit does not have enough valid bits".to_owned(),
        None => "Input byte array has wrong 4-byte ending unit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(signature: &str, algorithm: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, signature.parse().unwrap());
        headers.insert(ALGORITHM, algorithm.parse().unwrap());
        match fence(&headers) {
            Err(RestError::BadRequest(message)) => assert_eq!(message, expected),
            Err(RestError::Standalone(_)) => assert_eq!(expected, ""),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_signature_has_to_be_one_before_it_is_refused() {
        check("AAAA", "hmacsha256", "");
        check("AAAA", "HmacNope", "Algorithm HmacNope not available");
        check("A", "HmacSHA256", "Input byte[] should at least have 2 bytes for base64 bytes");
        check("A*AA", "HmacSHA256", "Illegal base64 character 2a");
        check("AAAAA", "HmacSHA256", "Last unit does not have enough valid bits");
    }
}
