//! The budget of memory that all logs of a broker share. Logs ask before they allocate; nothing else counts bytes.

use std::cell::Cell;
use std::rc::Rc;

use protocol::ErrorCode;

use crate::refusal::Refusal;

/// Bytes taken out of a fixed limit. Clones share one account.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    account: Rc<Account>,
}

#[derive(Debug)]
struct Account {
    bytes_max: usize,
    used: Cell<usize>,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { account: Rc::new(Account { bytes_max, used: Cell::new(0) }) }
    }

    /// Takes `bytes`, to be given back with [`MemoryBudget::release`].
    pub(crate) fn charge(&self, bytes: usize) -> Result<(), Refusal> {
        let used = self.account.used.get();
        match used.checked_add(bytes) {
            Some(after) if after <= self.account.bytes_max => {
                self.account.used.set(after);
                Ok(())
            }
            _ => {
                tracing::warn!(
                    used,
                    asked = bytes,
                    memory_bytes_max = self.account.bytes_max,
                    "refused records: the in-memory broker is full; raise memory_bytes_max, delete topics or \
                     records, or set retention.bytes on topics with cleanup.policy=delete"
                );
                Err(Refusal::new(
                    ErrorCode::POLICY_VIOLATION,
                    format!(
                        "the in-memory broker is full: {used} of memory_bytes_max = {} bytes are used; raise the \
                         limit, delete topics or records, or set retention.bytes",
                        self.account.bytes_max
                    ),
                ))
            }
        }
    }

    /// Takes `bytes` even above the limit, for what takes the place of something that is given back right after.
    pub(crate) fn overdraw(&self, bytes: usize) {
        self.account.used.set(self.account.used.get().saturating_add(bytes));
    }

    /// Gives back what was charged.
    pub(crate) fn release(&self, bytes: usize) {
        self.account.used.set(self.account.used.get().saturating_sub(bytes));
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.account.used.get()
    }
}
