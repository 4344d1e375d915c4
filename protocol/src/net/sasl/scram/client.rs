//! The client's side of one SCRAM exchange.

use super::keys::{Hash, verify_equal, xor};
use super::message::{ServerFirstMessage, encode, escape, parse_server_final};
use crate::net::sasl::Credentials;
use crate::{Error, Result};

const DOING: &str = "authenticate by SCRAM";
const GS2_HEADER: &str = "n,,";

/// After the first message, which [`ScramClient::first_message`] gives.
#[derive(Debug)]
pub struct ScramClient {
    hash: Hash,
    nonce: String,
    credentials: Credentials,
}

/// After the second message: what the server has to prove in return.
pub struct ClientFinal {
    /// The message to send.
    pub message: Vec<u8>,
    server_signature: Vec<u8>,
}

impl ScramClient {
    /// Begins an exchange. `nonce` must be printable without commas, and never used before.
    pub fn new(hash: Hash, credentials: Credentials, nonce: String) -> Self {
        Self { hash, nonce, credentials }
    }

    /// The message that opens the exchange.
    pub fn first_message(&self) -> Vec<u8> {
        format!("{GS2_HEADER}{}", self.first_bare()).into_bytes()
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", escape(&self.credentials.username), self.nonce)
    }

    /// Answers the server's first message; takes as long as the server's count of iterations says.
    ///
    /// # Errors
    /// `Malformed`, or `Auth` where the nonce is not an extension of ours or the count of iterations is out of bounds.
    pub fn final_message(self, server_first: &[u8]) -> Result<ClientFinal> {
        let first = ServerFirstMessage::parse(server_first)?;
        if first.nonce.len() <= self.nonce.len() || !first.nonce.starts_with(&self.nonce) {
            return Err(Error::auth(DOING, "the broker's nonce does not extend ours"));
        }
        let server_first = String::from_utf8_lossy(server_first);
        let without_proof = format!("c={},r={}", encode(GS2_HEADER.as_bytes()), first.nonce);
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare());
        let password = self.credentials.password.expose().as_bytes();
        let salted = self.hash.salted_password(password, &first.salt, first.iterations);
        let client_key = self.hash.client_key(&salted);
        let signature = self.hash.hmac(&self.hash.hash(&client_key), auth_message.as_bytes());
        let Some(proof) = xor(&client_key, &signature) else {
            return Err(Error::internal(DOING, "key and signature differ in length"));
        };
        let message = format!("{without_proof},p={}", encode(&proof)).into_bytes();
        let server_signature = self.hash.hmac(&self.hash.server_key(&salted), auth_message.as_bytes());
        Ok(ClientFinal { message, server_signature })
    }
}

impl ClientFinal {
    /// Checks the server's last message: a server that does not know the password cannot have made it.
    ///
    /// # Errors
    /// `Auth` where it refuses us or its signature is wrong; `Malformed`.
    pub fn verify(&self, server_final: &[u8]) -> Result<()> {
        if verify_equal(&parse_server_final(server_final)?, &self.server_signature) {
            Ok(())
        } else {
            Err(Error::auth(DOING, "the broker's signature is wrong: it does not know the password itself"))
        }
    }
}

impl std::fmt::Debug for ClientFinal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientFinal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::{ClientFinalMessage, ClientFirstMessage, StoredKeys};
    use super::*;
    use crate::net::Secret;

    fn client(hash: Hash, nonce: &str) -> ScramClient {
        let credentials = Credentials { username: "user".to_owned(), password: Secret::new("pencil") };
        ScramClient::new(hash, credentials, nonce.to_owned())
    }

    /// RFC 7677, section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    #[test]
    fn agrees_with_rfc_7677() {
        let client = client(Hash::Sha256, NONCE);
        assert_eq!(client.first_message(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = client.final_message(SERVER_FIRST).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&last.message),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        last.verify(SERVER_FINAL).unwrap();
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let last = client(Hash::Sha256, NONCE).final_message(SERVER_FIRST).unwrap();
        for bad in [
            &b"v=AAAA"[..],
            b"v=",
            b"",
            b"e=invalid-proof",
            b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ] {
            assert!(last.verify(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_nonce_that_is_not_ours_is_refused() {
        for nonce in [NONCE, "other", &NONCE[1..]] {
            let first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            let error = client(Hash::Sha256, NONCE).final_message(first.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("nonce"), "{error}");
        }
    }

    #[test]
    fn both_sides_agree_for_both_hashes() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            let iterations = NonZeroU32::new(4096).unwrap();
            let keys = StoredKeys::of_password(hash, "pencil", b"salt".to_vec(), iterations);
            let client = client(hash, "abc");
            let first = ClientFirstMessage::parse(&client.first_message()).unwrap();
            let answer = ServerFirstMessage {
                nonce: format!("{}def", first.nonce),
                salt: keys.salt.clone(),
                iterations,
            }
            .encode();
            let last = client.final_message(answer.as_bytes()).unwrap();
            let proof = ClientFinalMessage::parse(&last.message).unwrap();
            let auth_message = format!("{},{answer},{}", first.bare, proof.without_proof);
            assert!(keys.is_proof(&proof.proof, auth_message.as_bytes()));
            assert!(!keys.is_proof(&proof.proof[1..], auth_message.as_bytes()));
            assert!(!keys.is_proof(&proof.proof, b"another exchange"));
            let signature = keys.server_signature(auth_message.as_bytes());
            last.verify(format!("v={}", encode(&signature)).as_bytes()).unwrap();
        }
    }
}
