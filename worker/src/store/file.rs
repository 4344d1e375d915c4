//! The offsets file: kept in memory, replaced as a whole on every change.
//!
//! A replacement is written beside the file, synced, renamed over it, and the directory synced: a crash at any moment leaves
//! the old or the new file, never half of one. One thread of its own writes, so that no core waits for the disk; whatever
//! arrives while it writes goes into the next file together.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use api::Error;
use bytes::Bytes;
use engine::offset::{OffsetEntry, OffsetStore, StoreFuture, of_connector};
use engine::rt::blocking;
use tokio::sync::oneshot;

use super::java_map::{self, Entries, JavaMapError};
use super::lock::{Lock, LockError};

/// A larger file is refused: 2 GB is what Java's format can hold, and offsets are a few hundred bytes each.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why the offsets file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It exists but can't be read.
    #[error("failed to read the offsets file {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another program writes it.
    #[error(
        "the offsets file {} is in use by another worker{}; two that write it would lose each other's offsets: stop that one first, \
         or give this one a file of its own", path.display(), pid.map_or(String::new(), |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// Which file.
        path: PathBuf,
        /// Which process holds it.
        pid: Option<u32>,
    },
    /// It holds something else than offsets.
    #[error("the offsets file {} was not written by Kafka Connect or Aqueduct: {source}; move it away to start without stored offsets", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: JavaMapError,
    },
}

/// The store. Dropping it ends the writing thread after what it was given.
#[derive(Debug)]
pub struct FileOffsetStore {
    entries: Arc<Mutex<Entries>>,
    /// Not bounded here: every task waits for its commit before it makes the next.
    changes: mpsc::Sender<Change>,
}

/// Entries of one `set`, and who waits for them.
#[derive(Debug)]
struct Change {
    entries: Vec<OffsetEntry>,
    done: oneshot::Sender<Result<(), String>>,
}

impl FileOffsetStore {
    /// Opens the file; a missing or empty one holds no offsets and is created by the first change.
    ///
    /// # Errors
    /// When there is a file that can't be read, or holds something else, or is another worker's.
    pub fn open(path: &Path) -> Result<FileOffsetStore, OpenError> {
        // Writing goes through a symbolic link, as Java's does, instead of replacing it.
        let path = fs::canonicalize(path).unwrap_or_else(|_missing| path.to_owned());
        // Before it is read: what the other one writes last has to be seen.
        let lock = match Lock::take(&path) {
            Ok(lock) => Some(lock),
            Err(LockError::Held(pid)) => return Err(OpenError::InUse { path, pid }),
            Err(LockError::Io(error)) => {
                tracing::warn!(file = %path.display(), %error, "the offsets file could not be locked against other workers");
                None
            }
        };
        let entries = Arc::new(Mutex::new(read_offsets_file(&path)?));
        let (changes, inbox) = mpsc::channel();
        let shared = Arc::clone(&entries);
        let writes = {
            let path = path.clone();
            move || {
                write_changes(&path, &shared, &inbox);
                // Not before the last write.
                drop(lock);
            }
        };
        blocking::run("offsets file", writes).map_err(|source| OpenError::Io { path, source })?;
        Ok(FileOffsetStore { entries, changes })
    }
}

impl OffsetStore for FileOffsetStore {
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
        let entries = lock(&self.entries);
        let found = keys.iter().map(|key| entries.get(key).cloned()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
        let found = of_connector(lock(&self.entries).iter(), connector);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn set(&self, entries: Vec<OffsetEntry>) -> StoreFuture<()> {
        let (done, outcome) = oneshot::channel();
        let sent = self.changes.send(Change { entries, done });
        Box::pin(async move {
            let outcome = match sent {
                Ok(()) => outcome.await.unwrap_or_else(|_gone| Err("its writer has ended".to_owned())),
                Err(_gone) => Err("its writer has ended".to_owned()),
            };
            // The engine keeps the offsets and tries again with its next commit.
            outcome.map_err(|reason| Error::retriable(format!("failed to write the offsets file: {reason}")))
        })
    }
}

fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    // The map is only ever replaced as a whole, so a panicking holder can't have left it half changed.
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads an offsets file, also one that a worker is writing: it is only ever replaced as a whole. A missing one is empty.
///
/// # Errors
/// When it can't be read, or holds something else.
pub fn read_offsets_file(path: &Path) -> Result<Entries, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entries::new()),
        Err(error) => return Err(io(error)),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
            return Err(io(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(_) => fs::read(path).map_err(io)?,
    };
    java_map::read(&bytes.into()).map_err(|source| OpenError::Format { path: path.to_owned(), source })
}

/// The writing thread: lives until the store is dropped.
fn write_changes(path: &Path, shared: &Mutex<Entries>, inbox: &mpsc::Receiver<Change>) {
    while let Ok(first) = inbox.recv() {
        let mut next = lock(shared).clone();
        let mut waiting = Vec::new();
        for change in std::iter::once(first).chain(inbox.try_iter()) {
            for (key, value) in change.entries {
                match value {
                    Some(value) => next.insert(key, value),
                    None => next.shift_remove(&key),
                };
            }
            waiting.push(change.done);
        }
        let outcome =
            replace(path, &java_map::write(&next)).map_err(|error| format!("{}: {error}", path.display()));
        if outcome.is_ok() {
            *lock(shared) = next;
        }
        for done in waiting {
            let _caller_gone = done.send(outcome.clone());
        }
    }
}

/// Replaces the file so that a crash leaves the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".tmp");
    let temporary = directory.join(name);
    let written =
        write_synced(&temporary, bytes, fs::metadata(path).ok()).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: a full disk should get its space back.
        let _left_behind = fs::remove_file(&temporary);
        return Err(error);
    }
    tolerant(File::open(directory).and_then(|directory| directory.sync_all()))
}

/// The file is in its place, and only whether a power failure takes it back is open. Some file systems know no such thing as syncing
/// a directory, and one that may not be listed can't be opened for it: that must not fail every commit.
fn tolerant(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Writes a new file that belongs to whom the `former` one belongs to: `aqueduct offsets` may be run by somebody else.
fn write_synced(path: &Path, bytes: &[u8], former: Option<Metadata>) -> io::Result<()> {
    // What lies there may be a link that somebody has put into a folder which all may write, such as /tmp.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    if let Some(former) = former {
        // Not every file system knows owners, nor may everybody give files away.
        let _best_effort = fchown(&file, Some(former.uid()), Some(former.gid()));
        let _best_effort = file.set_permissions(former.permissions());
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn entry(key: &str, value: Option<&str>) -> OffsetEntry {
        (Bytes::copy_from_slice(key.as_bytes()), value.map(|value| Bytes::copy_from_slice(value.as_bytes())))
    }

    fn get(store: &FileOffsetStore, key: &str) -> Option<Bytes> {
        run(store.get(vec![Bytes::copy_from_slice(key.as_bytes())])).unwrap().pop().unwrap()
    }

    #[test]
    fn offsets_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connect.offsets");
        let store = FileOffsetStore::open(&path).unwrap();
        assert_eq!(get(&store, "a"), None);
        run(store.set(vec![entry("a", Some("1")), entry("b", Some("2"))])).unwrap();
        run(store.set(vec![entry("a", Some("3")), entry("b", None)])).unwrap();
        assert_eq!(get(&store, "a").unwrap(), "3");
        drop(store);
        let reopened = FileOffsetStore::open(&path).unwrap();
        assert_eq!(get(&reopened, "a").unwrap(), "3");
        assert_eq!(get(&reopened, "b"), None);
        let files: Vec<OsString> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let expected = [OsString::from("connect.offsets"), OsString::from("connect.offsets.lock")];
        assert_eq!(BTreeSet::from_iter(files), BTreeSet::from(expected), "no temporary file stays");
    }

    #[test]
    fn many_changes_share_a_write_and_keep_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets");
        let store = FileOffsetStore::open(&path).unwrap();
        let pending: Vec<_> = (0..1_000)
            .map(|n| store.set(vec![entry("k", Some(&n.to_string())), entry(&format!("k{n}"), Some(""))]))
            .collect();
        run(async {
            for set in pending {
                set.await.unwrap();
            }
        });
        drop(store);
        let reopened = FileOffsetStore::open(&path).unwrap();
        assert_eq!(get(&reopened, "k").unwrap(), "999");
        assert_eq!(lock(&reopened.entries).len(), 1_001);
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let path = inner.join("offsets");
        let store = FileOffsetStore::open(&path).unwrap();
        run(store.set(vec![entry("a", Some("1"))])).unwrap();
        fs::rename(&inner, directory.path().join("moved")).unwrap();
        let error = run(store.set(vec![entry("a", Some("2"))])).unwrap_err();
        assert!(error.message().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(get(&store, "a").unwrap(), "1");
        fs::rename(directory.path().join("moved"), &inner).unwrap();
        run(store.set(vec![entry("a", Some("2"))])).unwrap();
        drop(store);
        assert_eq!(get(&FileOffsetStore::open(&path).unwrap(), "a").unwrap(), "2");
    }

    #[test]
    fn two_workers_cannot_have_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets");
        let store = FileOffsetStore::open(&path).unwrap();
        run(store.set(vec![entry("a", Some("1"))])).unwrap();
        let message = FileOffsetStore::open(&path).unwrap_err().to_string();
        assert!(
            message.contains(&format!("in use by another worker (process {})", std::process::id())),
            "{message}"
        );
        assert_eq!(read_offsets_file(&path).unwrap().len(), 1, "reading is allowed");
        drop(store);
        assert_eq!(get(&FileOffsetStore::open(&path).unwrap(), "a").unwrap(), "1");
    }

    /// A crash at any moment leaves the old or the new file, and perhaps a temporary one that is no obstacle.
    #[test]
    fn what_a_crash_left_beside_the_file_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets");
        let store = FileOffsetStore::open(&path).unwrap();
        run(store.set(vec![entry("a", Some("1"))])).unwrap();
        drop(store);
        fs::write(directory.path().join("offsets.tmp"), b"half of somet").unwrap();
        let store = FileOffsetStore::open(&path).unwrap();
        assert_eq!(get(&store, "a").unwrap(), "1");
        run(store.set(vec![entry("a", Some("2"))])).unwrap();
        assert!(!directory.path().join("offsets.tmp").exists());
        assert_eq!(read_offsets_file(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_replacement_keeps_the_mode_and_follows_no_links_of_others() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (directory.path().join("offsets"), directory.path().join("victim"));
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&victim, b"precious").unwrap();
        symlink(&victim, directory.path().join("offsets.tmp")).unwrap();
        symlink(&victim, directory.path().join("offsets.lock")).unwrap();
        let store = FileOffsetStore::open(&path).unwrap();
        run(store.set(vec![entry("a", Some("1"))])).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_offsets_file(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_synced_is_no_obstacle_and_a_broken_disk_is() {
        use rustix::io::Errno;
        for (errno, is_fine) in [(Errno::INVAL, true), (Errno::ACCESS, true), (Errno::IO, false)] {
            assert_eq!(tolerant(Err(errno.into())).is_ok(), is_fine, "{errno:?}");
        }
    }

    #[test]
    fn refuses_a_file_that_is_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets");
        fs::write(&path, b"hello").unwrap();
        let message = FileOffsetStore::open(&path).unwrap_err().to_string();
        assert!(message.contains("was not written by Kafka Connect"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        fs::write(&path, b"").unwrap();
        assert!(FileOffsetStore::open(&path).is_ok());
    }
}
