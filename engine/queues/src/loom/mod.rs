//! Loom models: every interleaving of few operations on tiny structures, so that rings wrap around and races meet.

mod spsc;

mod waker;
