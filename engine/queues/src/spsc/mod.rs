//! A bounded ring between exactly one producer and one consumer.
//!
//! # The ring
//!
//! Positions count up without end and wrap around at `usize::MAX`; slot = position & mask. `tail - head` items are in the ring,
//! in the slots `head..tail`. The storage is the capacity rounded up to a power of two; the capacity itself is kept exactly.
//!
//! | atomic | written by | read by | pairing |
//! |---|---|---|---|
//! | `tail` | producer: release, after it wrote the slot | consumer: acquire | the item is complete before the consumer sees it |
//! | `head` | consumer: release, after it read the slot out | producer: acquire | the item is out before its slot is overwritten |
//! | `producer_gone` | producer's drop: release | consumer: acquire, when empty | reads `tail` again after it, so that the last items are seen |
//! | `consumer_gone` | consumer's drop: release | producer: acquire, each push | says only that pushing is of no use |
//! | `consumer_waker`, `producer_waker` | see [`waker`](crate::waker) | | publish, then `wake`; `register`, then look again |
//!
//! Each side keeps its own position and its last sight of the other's in plain fields, so that in the steady state a push or a pop
//! reads no line that the other side writes, but for the slot and the waker's state. All four mutable atomics have cache lines of
//! their own; the two flags share one that is written twice in the life of a channel.
//!
//! # Wake-ups
//!
//! After every push the producer calls `consumer_waker.wake()`, after every pop the consumer `producer_waker.wake()`: a fence
//! and a load of a line that changes only when someone went to sleep. That fence is the price of sleeping at all (about 8 ns); it is paid
//! per batch.
//!
//! # Shutdown
//!
//! 1. *Producer dropped:* sets `producer_gone`, wakes the consumer. The consumer takes what is in the ring, then sees `Closed`.
//! 2. *Consumer dropped:* sets `consumer_gone`, then drops what is in the ring at once, so that buffers go back to their pool,
//!    and wakes the producer, whose pushes return the item as `Closed` from then on.
//! 3. A push that raced with 2 leaves its item in the ring; the ring, dropped with the later of the two ends, drops it.
//! 4. Each end takes its own waker out, so that the other does not keep its task in memory.
//!
//! An item is owned by the ring from the store to `tail` until the store to `head`, and by one end otherwise: it is
//! dropped once.

mod ring;

mod producer;

mod consumer;

mod error;

#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::{Consumer, Pop};
pub use error::{Closed, PopError, PushError};
pub use producer::{Producer, Push, Ready};
pub use ring::channel;
