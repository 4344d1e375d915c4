//! The users of a broker, with what each mechanism needs to check them.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::net::Secret;
use protocol::net::sasl::Mechanism;
use protocol::net::sasl::scram::{Hash, ITERATIONS_MIN, StoredKeys};

/// Users and the mechanisms by which they may say who they are.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    pub(crate) mechanisms: Vec<Mechanism>,
    /// `connections.max.reauth.ms`: how long a session lasts; without end where it is not set.
    pub(crate) session_lifetime: Option<Duration>,
    pub(super) users: Vec<User>,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    name: String,
    password: Secret,
    sha256: StoredKeys,
    sha512: StoredKeys,
}

impl Default for Users {
    fn default() -> Self {
        Self { mechanisms: Mechanism::ALL.to_vec(), session_lifetime: None, users: Vec::new() }
    }
}

impl Users {
    /// Adds a user, or changes the password of one.
    pub(crate) fn set(&mut self, name: &str, password: &str) {
        self.users.retain(|user| user.name != name);
        let iterations = NonZeroU32::new(ITERATIONS_MIN).unwrap_or(NonZeroU32::MIN);
        let keys = |hash| {
            // It has to differ between users, and between brokers where it can; it is no secret.
            let salt = (0..16).map(|_| fastrand::u8(..)).collect();
            StoredKeys::of_password(hash, password, salt, iterations)
        };
        self.users.push(User {
            name: name.to_owned(),
            password: Secret::new(password),
            sha256: keys(Hash::Sha256),
            sha512: keys(Hash::Sha512),
        });
    }

    pub(super) fn has_password(&self, name: &str, password: &Secret) -> bool {
        self.users.iter().any(|user| user.name == name && user.password == *password)
    }

    pub(super) fn keys(&self, name: &str, hash: Hash) -> Option<&StoredKeys> {
        let user = self.users.iter().find(|user| user.name == name)?;
        Some(match hash {
            Hash::Sha256 => &user.sha256,
            Hash::Sha512 => &user.sha512,
        })
    }
}
