//! Lock-free hand-off between threads: what crosses cores goes through here, as whole batches, and nothing else does.
//!
//! ```text
//! spsc      one thread ──► bounded ring ──► one thread      (polled by an executor, or blocking on a thread of its own)
//! exchange  one thread ══► full buffers ══► one thread ──► empty buffers back to the first
//! waker     the slot through which the sleeping end of the above is woken; usable alone, as an event count
//! ```
//!
//! The crate knows no runtime: futures here work under any executor, and the blocking calls under none. Every structure opens
//! with the table of its atomics and is modelled with loom (`src/loom/`); `sync` is the seam that makes that possible.
//!
//! The models run with
//! `RUSTFLAGS="--cfg loom" cargo test -p queues --lib --release --target-dir target/loom`.
#![warn(missing_docs)]

pub mod spsc;

pub mod exchange;

pub mod waker;

mod park;

mod sync;

#[cfg(all(test, loom))]
mod loom;

pub use waker::AtomicWaker;
