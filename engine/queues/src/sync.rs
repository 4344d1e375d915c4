//! The seam to the memory model: std's atomics, cells and parking, or loom's when models run. Import these from nowhere else.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};

/// std's cell behind loom's interface: access only by closure, so that loom can see where it begins and ends.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Dereferencing the pointer is the unsafe part, and the caller's to justify.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }
}

/// What a parked thread waits for; only the thread that made it waits.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct Token(std::thread::Thread);

#[cfg(not(loom))]
impl Token {
    pub(crate) fn of_this_thread() -> Self {
        Self(std::thread::current())
    }

    /// Ends the present wait, or the next one.
    pub(crate) fn set(&self) {
        self.0.unpark();
    }

    /// May also return without a reason.
    pub(crate) fn wait(&self) {
        std::thread::park();
    }
}

/// Not loom's own `unpark`: it also ends a `join`, which std's does not. This one models waits that end without a reason, too.
#[cfg(loom)]
#[derive(Debug)]
pub(crate) struct Token(loom::sync::Notify);

#[cfg(loom)]
impl Token {
    pub(crate) fn of_this_thread() -> Self {
        Self(loom::sync::Notify::new())
    }

    pub(crate) fn set(&self) {
        self.0.notify();
    }

    pub(crate) fn wait(&self) {
        self.0.wait();
    }
}
