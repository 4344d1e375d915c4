//! The end that pops.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::PopError;
use super::ring::Ring;
use crate::park;
use crate::sync::{Arc, Ordering};

/// The end of a [`channel`](super::channel) that pops. Dropping it closes the channel and drops what is in it.
pub struct Consumer<T> {
    ring: Arc<Ring<T>>,
    /// The value of `ring.head`, which only this end writes.
    head: usize,
    /// The last seen value of `ring.tail`: there are at least as many items as it says.
    tail_seen: usize,
}

impl<T> Consumer<T> {
    pub(super) fn new(ring: Arc<Ring<T>>) -> Self {
        Self { ring, head: 0, tail_seen: 0 }
    }

    /// Pops the oldest item.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] when there is none now, [`PopError::Closed`] when there will be none any more.
    #[inline]
    pub fn try_pop(&mut self) -> Result<T, PopError> {
        self.look()?;
        // SAFETY: this is the consumer, `head` is its position, `look` saw an item there, and `head` moves on below.
        let item = unsafe { self.ring.read(self.head) };
        self.head = self.head.wrapping_add(1);
        self.ring.head.store(self.head, Ordering::Release);
        self.ring.producer_waker.wake();
        Ok(item)
    }

    /// Ready with the oldest item, or with `None` when the producer is gone and everything has been popped.
    ///
    /// While it is pending, the waker of the latest call is woken when either changes.
    pub fn poll_pop(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(answer) = self.pop_now() {
            return Poll::Ready(answer);
        }
        self.ring.consumer_waker.register(cx.waker());
        match self.pop_now() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    /// Pops the oldest item as soon as there is one; `None` when the producer is gone and everything has been popped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an item leaves the channel only in the poll that returns it.
    pub fn pop(&mut self) -> Pop<'_, T> {
        Pop { consumer: self }
    }

    /// As [`pop`](Self::pop), but blocks the calling thread: spins for some µs, then parks. For threads that are not an executor's.
    pub fn pop_blocking(&mut self) -> Option<T> {
        park::wait(self, Self::pop_now, Self::poll_pop)
    }

    /// Whether the producer is gone. Items may still be there.
    pub fn is_closed(&self) -> bool {
        self.ring.producer_gone.load(Ordering::Acquire)
    }

    /// How many items wait now. The producer may be adding some.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether no item waits now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items can wait.
    pub fn capacity(&self) -> usize {
        self.ring.capacity
    }

    /// `Ok` when there is an item at `head`.
    #[inline]
    fn look(&mut self) -> Result<(), PopError> {
        if self.head != self.tail_seen {
            return Ok(());
        }
        self.tail_seen = self.ring.tail.load(Ordering::Acquire);
        if self.head != self.tail_seen {
            return Ok(());
        }
        if !self.is_closed() {
            return Err(PopError::Empty);
        }
        // The producer may have pushed between the two loads above. It cannot any more.
        self.tail_seen = self.ring.tail.load(Ordering::Acquire);
        if self.head != self.tail_seen { Ok(()) } else { Err(PopError::Closed) }
    }

    #[inline]
    fn pop_now(&mut self) -> Option<Option<T>> {
        match self.try_pop() {
            Ok(item) => Some(Some(item)),
            Err(PopError::Closed) => Some(None),
            Err(PopError::Empty) => None,
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.ring.consumer_gone.store(true, Ordering::Release);
        // Now and not with the ring: what waits may be much memory, and the producer may live long. Every pop also wakes the
        // producer, but there may be nothing to pop.
        while let Ok(item) = self.try_pop() {
            drop(item);
        }
        self.ring.producer_waker.wake();
        drop(self.ring.consumer_waker.take());
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// The future of [`Consumer::pop`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Pop<'a, T> {
    consumer: &'a mut Consumer<T>,
}

impl<T> Future for Pop<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.consumer.poll_pop(cx)
    }
}
