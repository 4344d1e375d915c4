//! Buffers that go round: full ones to the other thread, empty ones back, so that neither side allocates once all are made.
//!
//! ```text
//!          ── give ──►  full ring (capacity)      ── take ──►
//! Giver                                                        Taker
//!          ◄─ reclaim ─ empty ring (capacity + 2) ◄─ hand_back ─
//! ```
//!
//! Two [`spsc`] channels and no state of its own: `capacity` buffers can wait full, one more is in each side's
//! hands, and so the way back has room for all that a giver makes which reclaims before it allocates. A buffer that finds no
//! room (or no giver) is dropped, so the number kept is limited whatever the giver does.
//!
//! Shutdown is that of the two channels: a giver that is dropped lets the taker drain what is full; a taker that is dropped
//! drops what waits and makes `give` fail.

use std::task::{Context, Poll};

use crate::spsc::{self, Closed, Consumer, PopError, Producer, PushError};

/// A pair of ends for at most `capacity` waiting full items (at least one) of `T`, and what is left of them, `R`, on the way back.
///
/// # Panics
///
/// As [`spsc::channel`].
pub fn exchange<T, R>(capacity: usize) -> (Giver<T, R>, Taker<T, R>) {
    let capacity = capacity.max(1);
    let (full, full_out) = spsc::channel(capacity);
    let (empty, empty_out) = spsc::channel(capacity.saturating_add(2));
    (Giver { full, empty: empty_out }, Taker { full: full_out, empty })
}

/// The side that fills buffers.
#[derive(Debug)]
pub struct Giver<T, R> {
    full: Producer<T>,
    empty: Consumer<R>,
}

impl<T, R> Giver<T, R> {
    /// An empty buffer that has come back, if there is one; otherwise the caller makes one.
    pub fn reclaim(&mut self) -> Option<R> {
        self.empty.try_pop().ok()
    }

    /// As [`Producer::try_push`].
    ///
    /// # Errors
    ///
    /// [`PushError`] with the item.
    pub fn try_give(&mut self, item: T) -> Result<(), PushError<T>> {
        self.full.try_push(item)
    }

    /// As [`Producer::poll_push_ready`].
    pub fn poll_give_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.full.poll_push_ready(cx)
    }

    /// As [`Producer::ready`], with its cancel safety.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the taker is gone.
    pub fn ready(&mut self) -> spsc::Ready<'_, T> {
        self.full.ready()
    }

    /// As [`Producer::push`], with its cancel safety: dropping the future drops the item.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item when the taker is gone.
    pub fn give(&mut self, item: T) -> spsc::Push<'_, T> {
        self.full.push(item)
    }

    /// As [`Producer::push_blocking`].
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item when the taker is gone.
    pub fn give_blocking(&mut self, item: T) -> Result<(), Closed<T>> {
        self.full.push_blocking(item)
    }
}

/// The side that empties buffers.
#[derive(Debug)]
pub struct Taker<T, R> {
    full: Consumer<T>,
    empty: Producer<R>,
}

impl<T, R> Taker<T, R> {
    /// Sends an empty buffer back. It is dropped when nobody has use for it.
    pub fn hand_back(&mut self, buffer: R) {
        // Full means that the giver allocates faster than it reclaims; either way one allocation less is not worth a wait.
        if let Err(error) = self.empty.try_push(buffer) {
            drop(error.into_inner());
        }
    }

    /// As [`Consumer::try_pop`].
    ///
    /// # Errors
    ///
    /// [`PopError`] when there is nothing now, or never again.
    pub fn try_take(&mut self) -> Result<T, PopError> {
        self.full.try_pop()
    }

    /// As [`Consumer::poll_pop`].
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.full.poll_pop(cx)
    }

    /// As [`Consumer::pop`], cancel safe.
    pub fn take(&mut self) -> spsc::Pop<'_, T> {
        self.full.pop()
    }

    /// As [`Consumer::pop_blocking`].
    pub fn take_blocking(&mut self) -> Option<T> {
        self.full.pop_blocking()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_without_new_ones() {
        let (mut giver, mut taker) = exchange::<Vec<u8>, Vec<u8>>(2);
        let mut made = 0;
        for round in 0..100_u8 {
            while let Some(mut buffer) = giver.reclaim().or_else(|| {
                made += 1;
                (made <= 3).then(|| Vec::with_capacity(64))
            }) {
                buffer.clear();
                buffer.push(round);
                if giver.try_give(buffer).is_err() {
                    break;
                }
            }
            while let Ok(buffer) = taker.try_take() {
                assert_eq!(buffer[0], round);
                assert_eq!(buffer.capacity(), 64, "not one of those made at the start");
                taker.hand_back(buffer);
            }
        }
    }

    #[test]
    fn what_comes_back_is_limited() {
        let (mut giver, mut taker) = exchange::<(), Vec<u8>>(1);
        for _ in 0..10 {
            taker.hand_back(Vec::new());
        }
        assert_eq!(std::iter::from_fn(|| giver.reclaim()).count(), 3);
    }

    #[test]
    fn a_taker_that_leaves_closes_both_ways() {
        let (mut giver, taker) = exchange::<u8, u8>(1);
        drop(taker);
        assert_eq!(giver.try_give(1), Err(PushError::Closed(1)));
        assert_eq!(giver.reclaim(), None);
    }
}
