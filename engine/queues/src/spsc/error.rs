//! What can keep a push or a pop from happening. A push gives the item back.

use std::error::Error;
use std::fmt;

/// Why [`Producer::try_push`](super::Producer::try_push) did not push. Holds the item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// No room now.
    Full(T),
    /// The consumer is gone: no push will succeed again.
    Closed(T),
}

impl<T> PushError<T> {
    /// The item that was not pushed.
    pub fn into_inner(self) -> T {
        match self {
            PushError::Full(item) | PushError::Closed(item) => item,
        }
    }
}

/// Why [`Consumer::try_pop`](super::Consumer::try_pop) has no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PopError {
    /// Nothing there now.
    Empty,
    /// The producer is gone and everything that it pushed has been popped.
    Closed,
}

/// The other end is gone. Holds the item that could not be pushed, if there was one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T = ()>(pub T);

// Written by hand so that `T` need not be `Debug`: batches go through here.
impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full(_) => "Full(..)",
            PushError::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full(_) => "queue is full",
            PushError::Closed(_) => "queue is closed by its consumer",
        })
    }
}

impl<T> Error for PushError<T> {}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PopError::Empty => "queue is empty",
            PopError::Closed => "queue is closed by its producer",
        })
    }
}

impl Error for PopError {}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("queue is closed by its consumer")
    }
}

impl<T> Error for Closed<T> {}
