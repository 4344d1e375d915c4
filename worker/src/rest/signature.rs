//! Signatures of what workers ask each other (KIP-507): made, read and verified as `InternalRequestSignature` and
//! `DistributedHerder#requestNotSignedProperly` do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;

use super::error::RestError;

/// The signature, in base64.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-connect-authorization");
/// What it was made with.
pub const ALGORITHM: HeaderName = HeaderName::from_static("x-connect-request-signature-algorithm");

/// The algorithms of Java's own provider that can sign. Of these, ours are those that [`algorithm`] knows.
const JAVA_ALGORITHMS: [&str; 12] = [
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

/// A request's signature, whose form is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    algorithm: String,
    mac: Vec<u8>,
}

/// What whoever calls an internal endpoint has shown of itself before its body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A user's password, or nobody asks for one.
    Shown,
    /// Nothing: its signature has to be right. Java takes it on trust where the group does not sign.
    OwesSignature,
}

/// What a worker verifies signatures with.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    /// `inter.worker.verification.algorithms`.
    pub algorithms: &'a [String],
    /// The session key, once there is one.
    pub key: Option<&'a [u8]>,
}

/// Whether this worker can sign and verify with an algorithm (in any case, as in Java).
pub fn is_supported(name: &str) -> bool {
    algorithm(name).is_some()
}

fn algorithm(name: &str) -> Option<hmac::Algorithm> {
    let known = [
        ("HmacSHA1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        ("HmacSHA256", hmac::HMAC_SHA256),
        ("HmacSHA384", hmac::HMAC_SHA384),
        ("HmacSHA512", hmac::HMAC_SHA512),
    ];
    known.into_iter().find(|(java, _)| java.eq_ignore_ascii_case(name)).map(|(_, algorithm)| algorithm)
}

/// The headers that sign `body`, which may be empty.
///
/// # Errors
/// There is no such algorithm here.
pub fn sign(key: &[u8], name: &str, body: &[u8]) -> Result<[(HeaderName, HeaderValue); 2], RestError> {
    let unavailable = || RestError::BadRequest(format!("Algorithm {name} not available"));
    let mac = hmac::sign(&hmac::Key::new(algorithm(name).ok_or_else(unavailable)?, key), body);
    let mac = HeaderValue::from_str(&STANDARD.encode(mac)).expect("base64 is plain text");
    let name = HeaderValue::from_str(name).expect("a known name is plain text");
    Ok([(SIGNATURE, mac), (ALGORITHM, name)])
}

impl Signature {
    /// What the headers say; `None` where a part of it is missing (`InternalRequestSignature#fromHeaders`).
    ///
    /// # Errors
    /// No algorithm is called so, or it is not base64.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Signature>, RestError> {
        let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(signature), Some(algorithm)) = (header(SIGNATURE), header(ALGORITHM)) else {
            return Ok(None);
        };
        if !JAVA_ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(algorithm)) {
            return Err(RestError::BadRequest(format!("Algorithm {algorithm} not available")));
        }
        match STANDARD.decode(signature) {
            Ok(mac) => Ok(Some(Signature { algorithm: algorithm.to_owned(), mac })),
            Err(_) => Err(RestError::BadRequest(base64_problem(signature))),
        }
    }

    /// Lets an internal request pass or not: `signing` is what to verify with where the group follows the sessioned protocol.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), or it has neither a signature that counts nor a user.
    pub fn admit(
        signature: Option<&Signature>,
        body: &[u8],
        proof: Proof,
        signing: Option<Verifier<'_>>,
    ) -> Result<(), RestError> {
        match (signing, proof) {
            (Some(verifier), _) => Signature::verify(signature, body, verifier),
            (None, Proof::Shown) => Ok(()),
            (None, Proof::OwesSignature) => Err(RestError::Unauthorized),
        }
    }

    /// Whether `body`, the bytes as they came, was signed by a member of this cluster. To be asked where the group signs, before anything
    /// else is looked at.
    ///
    /// # Errors
    /// It was not, or that cannot be told.
    pub fn verify(
        signature: Option<&Signature>,
        body: &[u8],
        verifier: Verifier<'_>,
    ) -> Result<(), RestError> {
        let Some(Signature { algorithm: name, mac }) = signature else {
            return Err(RestError::BadRequest("Internal request missing required signature".to_owned()));
        };
        if !verifier.algorithms.contains(name) {
            let configured = verifier.algorithms.join(", ");
            return Err(RestError::BadRequest(format!(
                "This worker does not support the '{name}' key signing algorithm used by other workers. This worker is currently configured to use: [{configured}]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it."
            )));
        }
        let algorithm = algorithm(name)
            .ok_or_else(|| RestError::BadRequest(format!("Algorithm {name} not available")))?;
        let key = verifier.key.ok_or(RestError::NotReady(
            "This worker is still starting up and has not been able to read a session key from the config topic yet",
        ))?;
        hmac::verify(&hmac::Key::new(algorithm, key), body, mac)
            .map_err(|_different| RestError::Forbidden("Internal request contained invalid signature."))
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

    /// Contract A.4: the bytes 00 to 1f.
    fn key() -> Vec<u8> {
        (0..32).collect()
    }

    const BODY: &[u8] = br#"[{"task.class":"x"}]"#;

    fn headers(signature: &str, algorithm: &str) -> HeaderMap {
        let pairs = [(SIGNATURE, signature.parse().unwrap()), (ALGORITHM, algorithm.parse().unwrap())];
        pairs.into_iter().collect()
    }

    #[track_caller]
    fn check(headers: &HeaderMap, body: &[u8], key: Option<&[u8]>, expected: &str) {
        let algorithms = ["HmacSHA256".to_owned(), "HmacSHA512".to_owned(), "HmacMD5".to_owned()];
        let verifier = Verifier { algorithms: &algorithms, key };
        let outcome = Signature::from_headers(headers)
            .and_then(|signature| Signature::verify(signature.as_ref(), body, verifier));
        let said = outcome.map_err(|error| {
            let response = error.response();
            format!("{} {}", response.status().as_u16(), error.message())
        });
        assert_eq!(said.err().unwrap_or_default(), expected);
    }

    #[test]
    fn signs_as_java_does() {
        let signed =
            |body: &[u8]| sign(&key(), "HmacSHA256", body).unwrap()[0].1.to_str().unwrap().to_owned();
        assert_eq!(signed(BODY), "8nieuLkZbMVLvhWclZOh+/36v+Chzxi7xee9XbBv1oA=");
        assert_eq!(signed(b""), "04tCCW2A9F+Ca0Sp1WB95ySWpBXT9KGoyI47udqNwcs=");
        assert!(is_supported("hmacsha512") && !is_supported("HmacMD5"));
        let refused = sign(&key(), "HmacNope", b"").unwrap_err().message();
        assert_eq!(refused, "Algorithm HmacNope not available");
    }

    #[test]
    fn every_algorithm_verifies_what_it_signed_and_nothing_else() {
        for name in ["HmacSHA1", "HmacSHA256", "HmacSHA384", "HmacSHA512"] {
            let headers: HeaderMap = sign(&key(), name, BODY).unwrap().into_iter().collect();
            let algorithms = [name.to_owned()];
            let signature = Signature::from_headers(&headers).unwrap();
            let verify = |body: &[u8], key: &[u8]| {
                let verifier = Verifier { algorithms: &algorithms, key: Some(key) };
                Signature::verify(signature.as_ref(), body, verifier)
            };
            assert_eq!(verify(BODY, &key()), Ok(()));
            assert!(verify(b"[]", &key()).is_err() && verify(BODY, &[1; 32]).is_err(), "{name}");
        }
    }

    #[test]
    fn without_a_signature_that_counts_a_user_is_needed() {
        let key = key();
        let algorithms = ["HmacSHA256".to_owned()];
        let verifier = Verifier { algorithms: &algorithms, key: Some(&key) };
        let headers: HeaderMap = sign(&key, "HmacSHA256", BODY).unwrap().into_iter().collect();
        let signed = Signature::from_headers(&headers).unwrap();
        let admit =
            |signature: Option<&Signature>, proof, signing| Signature::admit(signature, BODY, proof, signing);
        assert_eq!(admit(signed.as_ref(), Proof::OwesSignature, Some(verifier)), Ok(()));
        assert_eq!(admit(signed.as_ref(), Proof::OwesSignature, None), Err(RestError::Unauthorized));
        assert_eq!(admit(None, Proof::Shown, None), Ok(()));
        assert!(admit(None, Proof::Shown, Some(verifier)).is_err(), "a user cannot sign for a worker");
    }

    #[test]
    fn complains_in_java_s_order_and_words() {
        let good = headers("8nieuLkZbMVLvhWclZOh+/36v+Chzxi7xee9XbBv1oA=", "HmacSHA256");
        let key = key();
        let key = Some(key.as_slice());
        check(&good, BODY, key, "");
        check(&good, b"[{\"task.class\":\"y\"}]", key, "403 Internal request contained invalid signature.");
        check(
            &good,
            BODY,
            None,
            "503 This worker is still starting up and has not been able to read a session key from the config topic yet",
        );
        check(&HeaderMap::new(), BODY, None, "400 Internal request missing required signature");
        check(
            &headers("AAAA", "HmacSHA1"),
            BODY,
            None,
            "400 This worker does not support the 'HmacSHA1' key signing algorithm used by other workers. This worker is currently configured to use: [HmacSHA256, HmacSHA512, HmacMD5]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it.",
        );
        check(&headers("AAAA", "HmacNope"), BODY, key, "400 Algorithm HmacNope not available");
        // Java has this one and we do not.
        check(&headers("AAAA", "HmacMD5"), BODY, key, "400 Algorithm HmacMD5 not available");
        let short = "400 Input byte[] should at least have 2 bytes for base64 bytes";
        check(&headers("A", "HmacSHA256"), BODY, key, short);
        check(&headers("A*AA", "HmacSHA256"), BODY, key, "400 Illegal base64 character 2a");
        check(&headers("AAAAA", "HmacSHA256"), BODY, key, "400 Last unit does not have enough valid bits");
    }
}
