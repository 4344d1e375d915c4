//! The end that pushes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ring::Ring;
use super::{Closed, PushError};
use crate::park;
use crate::sync::{Arc, Ordering};

/// The end of a [`channel`](super::channel) that pushes. Dropping it closes the channel; what is in it is still delivered.
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    /// The value of `ring.tail`, which only this end writes.
    tail: usize,
    /// The last seen value of `ring.head`: there is at least as much room as it says.
    head_seen: usize,
}

impl<T> Producer<T> {
    pub(super) fn new(ring: Arc<Ring<T>>) -> Self {
        Self { ring, tail: 0, head_seen: 0 }
    }

    /// Pushes `item` if there is room.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] and [`PushError::Closed`], both with the item.
    #[inline]
    pub fn try_push(&mut self, item: T) -> Result<(), PushError<T>> {
        if self.is_closed() {
            return Err(PushError::Closed(item));
        }
        if !self.has_room() {
            return Err(PushError::Full(item));
        }
        // SAFETY: this is the producer, `tail` is its position and `has_room` saw that its slot is free.
        unsafe { self.ring.write(self.tail, item) };
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.store(self.tail, Ordering::Release);
        self.ring.consumer_waker.wake();
        Ok(())
    }

    /// Ready with `Ok` when the next [`try_push`](Self::try_push) will not find the channel full, with `Err` when it is closed.
    ///
    /// While it is pending, the waker of the latest call is woken when either changes.
    pub fn poll_push_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(answer) = self.push_ready() {
            return Poll::Ready(answer);
        }
        self.ring.producer_waker.register(cx.waker());
        match self.push_ready() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    /// Waits until there is room, without an item in hand: follow it with [`try_push`](Self::try_push).
    ///
    /// # Errors
    ///
    /// [`Closed`] when the consumer is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing happens but waiting.
    pub fn ready(&mut self) -> Ready<'_, T> {
        Ready { producer: self }
    }

    /// Pushes `item` as soon as there is room.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item when the consumer is gone.
    ///
    /// # Cancel safety
    ///
    /// The channel is never left half way, but a future that is dropped before it is ready drops the item. Who needs it back
    /// awaits [`ready`](Self::ready) and then calls [`try_push`](Self::try_push).
    pub fn push(&mut self, item: T) -> Push<'_, T> {
        Push { producer: self, item: Some(item) }
    }

    /// Pushes `item`, blocking the calling thread until there is room: spins for some µs, then parks. For threads that are not an
    /// executor's.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item when the consumer is gone.
    pub fn push_blocking(&mut self, item: T) -> Result<(), Closed<T>> {
        match park::wait(self, Self::push_ready, Self::poll_push_ready) {
            Ok(()) => self.push_into_room(item),
            Err(Closed(())) => Err(Closed(item)),
        }
    }

    /// Whether the consumer is gone.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.ring.consumer_gone.load(Ordering::Acquire)
    }

    /// How many items wait now. The consumer may be taking some.
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

    #[inline]
    fn has_room(&mut self) -> bool {
        if self.tail.wrapping_sub(self.head_seen) < self.ring.capacity {
            return true;
        }
        self.head_seen = self.ring.head.load(Ordering::Acquire);
        self.tail.wrapping_sub(self.head_seen) < self.ring.capacity
    }

    fn push_ready(&mut self) -> Option<Result<(), Closed>> {
        if self.is_closed() {
            Some(Err(Closed(())))
        } else if self.has_room() {
            Some(Ok(()))
        } else {
            None
        }
    }

    /// Room was seen, and only this end uses it up.
    fn push_into_room(&mut self, item: T) -> Result<(), Closed<T>> {
        self.try_push(item).map_err(|error| Closed(error.into_inner()))
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.ring.producer_gone.store(true, Ordering::Release);
        self.ring.consumer_waker.wake();
        drop(self.ring.producer_waker.take());
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// The future of [`Producer::ready`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Ready<'a, T> {
    producer: &'a mut Producer<T>,
}

impl<T> Future for Ready<'_, T> {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.producer.poll_push_ready(cx)
    }
}

/// The future of [`Producer::push`].
#[must_use = "futures do nothing unless awaited"]
pub struct Push<'a, T> {
    producer: &'a mut Producer<T>,
    item: Option<T>,
}

// The item is never pinned: it is only moved out.
impl<T> Unpin for Push<'_, T> {}

impl<T> Future for Push<'_, T> {
    type Output = Result<(), Closed<T>>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ready = std::task::ready!(self.producer.poll_push_ready(cx));
        let item = self.item.take().expect("not polled after it was ready");
        Poll::Ready(match ready {
            Ok(()) => self.producer.push_into_room(item),
            Err(Closed(())) => Err(Closed(item)),
        })
    }
}

impl<T> fmt::Debug for Push<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("producer", &self.producer).finish_non_exhaustive()
    }
}
