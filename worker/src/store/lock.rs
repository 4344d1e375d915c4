//! Keeps two programs from writing one offsets file: the last to write would win, and forget what the other knew.
//!
//! The file itself is replaced with each change, so that a file beside it is locked. Java's worker does not know of it and is not
//! bothered. The lock ends with the process that holds it, however it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};

/// A worker that is just ending lets go within this time.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another program has it: its process id, where it could be read.
    Held(Option<u32>),
    /// The lock file can't be made.
    Io(io::Error),
}

impl Lock {
    /// Locks an offsets file, waiting a little for one that is being let go.
    pub(super) fn take(path: &Path) -> Result<Lock, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // A link may lead to a file that is not to be cut short.
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(lock_path(path))
            .map_err(LockError::Io)?;
        let mut waited = Duration::ZERO;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if waited < PATIENCE => {
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let mut text = String::new();
                    let _best_effort = file.read_to_string(&mut text);
                    return Err(LockError::Held(text.trim().parse().ok()));
                }
                Err(error) => return Err(LockError::Io(error.into())),
            }
        }
        // For people and error messages only.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, "the lock of the offsets file does not say who holds it");
        }
        Ok(Lock { _file: file })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
