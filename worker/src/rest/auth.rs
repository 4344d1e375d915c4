//! Basic authentication against a file of users (`BasicAuthSecurityRestExtension` with `PropertyFileLoginModule`).

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request};
use ring::hmac;
use ring::rand::SystemRandom;

use super::error::RestError;
use super::signature::Proof;
use crate::config::properties;

/// Padding may be missing, as Java's decoder has it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// How long a request waits for the file's disk.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// Users and their passwords, kept as keyed hashes: neither the time of a comparison nor a dump of it tells much.
pub(super) struct Users {
    path: PathBuf,
    key: hmac::Key,
    /// The hash of no password that anybody has: unknown users take as long as known ones.
    nobody: hmac::Tag,
    known: Mutex<Known>,
    is_refreshing: AtomicBool,
}

struct Known {
    stamp: Option<(SystemTime, u64)>,
    /// Password by user, both hashed. Empty lets everybody in, as in Java.
    passwords: HashMap<Vec<u8>, hmac::Tag>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// It can't be read, or the system has no randomness.
    pub(super) fn open(path: PathBuf) -> Result<Users, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_unspecified| "the system gives no random numbers".to_owned())?;
        let stamp = stamp(&path);
        let passwords = read(&path, &key)?;
        if passwords.is_empty() {
            tracing::warn!(path = %path.display(), "the file of REST's users is empty: everybody is let in");
        }
        let nobody = hmac::sign(&key, b"");
        let known = Mutex::new(Known { stamp, passwords });
        Ok(Users { path, key, nobody, known, is_refreshing: AtomicBool::new(false) })
    }

    /// Whether the file has anybody in it.
    pub(super) fn protects(&self) -> bool {
        !self.known().passwords.is_empty()
    }

    /// Lets a request pass or not. What workers ask each other passes without a user, as in Java, but still owes its signature.
    ///
    /// # Errors
    /// [`RestError::Unauthorized`].
    pub(super) async fn check<B>(
        self: &Arc<Users>,
        request: &Request<B>,
        segments: &[&str],
    ) -> Result<Proof, RestError> {
        self.refresh().await;
        match self.check_known(request.headers()) {
            Ok(()) => Ok(Proof::Shown),
            Err(_) if is_internal(request.method(), segments) => Ok(Proof::OwesSignature),
            Err(error) => Err(error),
        }
    }

    fn check_known(&self, headers: &HeaderMap) -> Result<(), RestError> {
        let known = self.known();
        if known.passwords.is_empty() {
            return Ok(());
        }
        let (user, password) = credentials(headers).ok_or(RestError::Unauthorized)?;
        let hashed = hmac::sign(&self.key, user.as_bytes());
        let found = known.passwords.get(hashed.as_ref());
        let is_right =
            hmac::verify(&self.key, &salted(&user, &password), found.unwrap_or(&self.nobody).as_ref())
                .is_ok();
        if is_right && found.is_some() { Ok(()) } else { Err(RestError::Unauthorized) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the file has changed, on a thread that may wait for a disk: the thread of requests must not. While one look is
    /// under way the former users count.
    async fn refresh(self: &Arc<Users>) {
        if self.is_refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let users = Arc::clone(self);
        let looking = tokio::task::spawn_blocking(move || {
            users.look_again();
            users.is_refreshing.store(false, Ordering::Release);
        });
        match tokio::time::timeout(REFRESH_TIMEOUT, looking).await {
            Ok(Ok(())) => {}
            Ok(Err(_panicked)) => self.is_refreshing.store(false, Ordering::Release),
            Err(_elapsed) => tracing::warn!(
                path = %self.path.display(),
                "the file of REST's users cannot be looked at in time; until it can, the former users stay"
            ),
        }
    }

    /// Takes over a file that changed. One that cannot be read or is empty, as it may be while it is being written, changes
    /// nothing: it must not open the door.
    fn look_again(&self) {
        let stamp = stamp(&self.path);
        if stamp == self.known().stamp {
            return;
        }
        let read = read(&self.path, &self.key);
        let mut known = self.known();
        known.stamp = stamp;
        let path = self.path.display();
        match read {
            Ok(passwords) if passwords.is_empty() && !known.passwords.is_empty() => {
                tracing::warn!(%path, "the file of REST's users became empty; the former users stay");
            }
            Ok(passwords) => {
                tracing::info!(%path, users = passwords.len(), "the file of REST's users changed and is in effect");
                known.passwords = passwords;
            }
            Err(error) => tracing::warn!(
                error,
                "the file of REST's users changed and cannot be used; the former users stay"
            ),
        }
    }
}

/// Requests between workers, which are signed instead.
fn is_internal(method: &Method, segments: &[&str]) -> bool {
    match segments {
        ["connectors", _, "tasks"] => method == Method::POST,
        ["connectors", _, "fence"] => method == Method::PUT,
        _ => false,
    }
}

/// User and password of the header, where there is one that can be read.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8_lossy(&BASE64.decode(encoded.trim()).ok()?).into_owned();
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// What is hashed for a password: equal passwords of two users look different.
fn salted(user: &str, password: &str) -> Vec<u8> {
    [user.as_bytes(), &[0], password.as_bytes()].concat()
}

fn read(path: &std::path::Path, key: &hmac::Key) -> Result<HashMap<Vec<u8>, hmac::Tag>, String> {
    let bytes = properties::read_file(path).map_err(|error| error.to_string())?;
    let users = properties::parse(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    let hashed = users.iter().map(|(user, password)| {
        (hmac::sign(key, user.as_bytes()).as_ref().to_vec(), hmac::sign(key, &salted(user, password)))
    });
    Ok(hashed.collect())
}

fn stamp(path: &std::path::Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(content: &[u8]) -> (tempfile::NamedTempFile, Arc<Users>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let users = Arc::new(Users::open(file.path().to_owned()).unwrap());
        (file, users)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn check(users: &Arc<Users>, authorization: &str) -> bool {
        let request = Request::get("/connectors").header(AUTHORIZATION, authorization).body(()).unwrap();
        run(users.check(&request, &["connectors"])).is_ok()
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64.encode(credentials))
    }

    /// As recorded from Java Connect 4.3.0, but for header values that are no base64: those are 500 there.
    #[test]
    fn lets_in_who_is_in_the_file() {
        let (_file, users) = users(b"alice=wonder\\=land\nbob=\nc\\:d=x\n\xe4=\xe4\n");
        for good in ["alice:wonder=land", "bob:", "ä:ä"] {
            assert!(check(&users, &basic(good)), "{good}");
        }
        for bad in ["alice:", "alice:wonder", "bob:x", "c:d:x", "x:y", "alice", "", ":"] {
            assert!(!check(&users, &basic(bad)), "{bad}");
        }
        assert!(
            check(&users, "basic YWxpY2U6d29uZGVyPWxhbmQ") && check(&users, "BASIC YWxpY2U6d29uZGVyPWxhbmQ=")
        );
        for bad in ["Bearer abc", "Basic", "Basic !!!!", "YWxpY2U6d29uZGVyPWxhbmQ="] {
            assert!(!check(&users, bad), "{bad}");
        }
        assert!(!format!("{users:?}").contains("wonder"));
    }

    #[test]
    fn only_signed_requests_pass_without_it_and_still_owe_their_signature() {
        let (_file, users) = users(b"a=b");
        let passes = |method: &str, segments: &[&str]| {
            let request = Request::builder().method(method).uri("/").body(()).unwrap();
            match run(users.check(&request, segments)) {
                Ok(proof) => {
                    assert_eq!(proof, Proof::OwesSignature);
                    true
                }
                Err(_) => false,
            }
        };
        assert!(
            passes("POST", &["connectors", "c", "tasks"]) && passes("PUT", &["connectors", "c", "fence"])
        );
        assert!(
            !passes("GET", &["connectors", "c", "tasks"]) && !passes("PUT", &["connectors", "c", "tasks"])
        );
        assert!(!passes("POST", &["connectors", "c", "fence"]) && !passes("POST", &["connectors"]));
        assert!(!passes("POST", &["connectors", "c", "tasks", "0", "restart"]) && !passes("GET", &[]));
    }

    #[test]
    fn changes_of_the_file_count_but_never_open_the_door() {
        let (file, users) = users(b"a=b");
        assert!(check(&users, &basic("a:b")));
        std::fs::write(file.path(), "a=longer").unwrap();
        assert!(check(&users, &basic("a:longer")) && !check(&users, &basic("a:b")));
        for broken in ["", "# nobody\n", "a=\\u12"] {
            std::fs::write(file.path(), broken).unwrap();
            assert!(check(&users, &basic("a:longer")) && !check(&users, "Bearer x"), "{broken}");
        }
        std::fs::remove_file(file.path()).unwrap();
        assert!(check(&users, &basic("a:longer")) && !check(&users, "Bearer x"));
    }

    #[test]
    fn an_empty_file_lets_everybody_in() {
        let (_file, users) = users(b"# nobody\n");
        let request = Request::get("/").body(()).unwrap();
        assert!(run(users.check(&request, &[])).is_ok() && !users.protects());
        assert!(Users::open("/no/such/file".into()).unwrap_err().contains("/no/such/file"));
    }

    /// As over a network file system whose server is gone: whoever looks at the file waits.
    #[test]
    fn a_file_that_cannot_be_looked_at_holds_nobody_up() {
        let (file, users) = users(b"a=b");
        assert!(!users.is_refreshing.swap(true, Ordering::AcqRel), "somebody looks and does not come back");
        std::fs::write(file.path(), "a=longer").unwrap();
        assert!(check(&users, &basic("a:b")) && !check(&users, &basic("a:longer")));
        users.is_refreshing.store(false, Ordering::Release);
        assert!(check(&users, &basic("a:longer")));
    }
}
