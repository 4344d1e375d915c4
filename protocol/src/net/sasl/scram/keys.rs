//! The arithmetic of SCRAM: from a password to keys, proofs and signatures.

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};

/// The hash that a mechanism is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

impl Hash {
    /// `Hi()`: the slow part; `iterations` rounds.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.digest().output_len()];
        pbkdf2::derive(algorithm, iterations, salt, password, &mut salted);
        salted
    }

    pub(super) fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    pub(super) fn hash(self, message: &[u8]) -> Vec<u8> {
        digest::digest(self.digest(), message).as_ref().to_vec()
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn client_key(self, salted_password: &[u8]) -> Vec<u8> {
        self.hmac(salted_password, b"Client Key")
    }

    pub(super) fn server_key(self, salted_password: &[u8]) -> Vec<u8> {
        self.hmac(salted_password, b"Server Key")
    }
}

/// What a server keeps of a user: enough to check a proof, not enough to make one.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKeys {
    /// Which mechanism they are for.
    pub hash: Hash,
    /// Public: sent to whoever claims the name.
    pub salt: Vec<u8>,
    /// Rounds of `Hi()`.
    pub iterations: NonZeroU32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl StoredKeys {
    /// The keys of a password.
    pub fn of_password(hash: Hash, password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let salted = hash.salted_password(password.as_bytes(), &salt, iterations);
        let stored_key = hash.hash(&hash.client_key(&salted));
        Self { hash, salt, iterations, stored_key, server_key: hash.server_key(&salted) }
    }

    /// Whether `proof` was made with the password, for the exchange that `auth_message` describes.
    pub fn is_proof(&self, proof: &[u8], auth_message: &[u8]) -> bool {
        let signature = self.hash.hmac(&self.stored_key, auth_message);
        let Some(client_key) = xor(proof, &signature) else { return false };
        verify_equal(&self.hash.hash(&client_key), &self.stored_key)
    }

    /// The server's own proof that it knows the user.
    pub fn server_signature(&self, auth_message: &[u8]) -> Vec<u8> {
        self.hash.hmac(&self.server_key, auth_message)
    }
}

impl std::fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKeys").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// Takes as long for values that differ early as for those that differ late.
pub(super) fn verify_equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// `None` where the lengths differ.
pub(super) fn xor(left: &[u8], right: &[u8]) -> Option<Vec<u8>> {
    (left.len() == right.len()).then(|| left.iter().zip(right).map(|(a, b)| a ^ b).collect())
}
