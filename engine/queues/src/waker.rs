//! A slot for one waker: one side sleeps, any other thread wakes it, and no wake-up is lost.
//!
//! # Use
//!
//! ```text
//! waiter                                   notifier
//! 1. looks: not there yet                  a. publishes what it has
//! 2. register(waker)                       b. wake()
//! 3. looks again; not there: Pending
//! ```
//!
//! Both calls contain a sequentially consistent fence after (waiter) and before (notifier) they touch the slot. Of the two
//! fences one is first. If the notifier's is, step 3 sees what step *a* published; if the waiter's is, step *b* sees the
//! waker. Plain acquire and release would not do: each side writes one place and reads the other.
//!
//! # The state
//!
//! One atomic, `state`; one cell, `waker`, that belongs to whoever moved `state` into `REGISTERING` (the waiter) or `WAKING`
//! (a notifier).
//!
//! | state | meaning | leaves it |
//! |---|---|---|
//! | `EMPTY` | no waker | waiter, to `REGISTERING` (acquire) |
//! | `REGISTERING` | the waiter writes the cell | waiter, to `ARMED` (release); a notifier, to `NOTIFIED` (acq-rel) |
//! | `NOTIFIED` | a wake came while the waiter wrote | the waiter takes the waker out, to `EMPTY` (release), and wakes itself |
//! | `ARMED` | a waker waits | a notifier, to `WAKING` (acquire); the waiter, to `REGISTERING` (acquire) |
//! | `WAKING` | a notifier takes the waker out | that notifier, to `EMPTY` (release) |
//!
//! Each acquire pairs with the release that last gave up the cell. A waiter that meets `WAKING` does not wait for the
//! notifier: it wakes itself, which makes it look and register again. A notifier that meets `WAKING` or `NOTIFIED` leaves,
//! for the wake-up under way comes after its own publication: the waiter would have to register again to miss it, and that
//! registration's fence is what step 3 relies on.
//!
//! Two waiters at once are a mistake but not unsound: the one that finds the cell taken is woken at once, over and over.
//!
//! # Shutdown
//!
//! There is none: a slot that is dropped drops the waker that it holds. An end that goes away for good calls
//! [`take`](AtomicWaker::take) so that its task is not kept in memory by the other end.

use std::fmt;
use std::task::Waker;

use crate::sync::{AtomicUsize, Ordering, UnsafeCell, fence, spin_loop};

const EMPTY: usize = 0;
const REGISTERING: usize = 1;
const NOTIFIED: usize = 2;
const ARMED: usize = 3;
const WAKING: usize = 4;

/// A slot for the waker of one waiter; see the [module](self) for how both sides must use it.
pub struct AtomicWaker {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: `waker` is touched only by the thread that moved `state` into REGISTERING or WAKING, see the module's table.
unsafe impl Send for AtomicWaker {}
// SAFETY: as above; all else is an atomic.
unsafe impl Sync for AtomicWaker {}

impl AtomicWaker {
    /// An empty slot.
    pub fn new() -> Self {
        Self { state: AtomicUsize::new(EMPTY), waker: UnsafeCell::new(None) }
    }

    /// Stores `waker` for the next [`wake`](Self::wake). The caller must look again for what it waits for afterwards.
    pub fn register(&self, waker: &Waker) {
        // Cloned before the cell is taken: foreign code that panics must not leave the state half way.
        let waker = waker.clone();
        if !self.acquire_for_registering() {
            // Lets the notifier get on; it holds the cell for some nanoseconds.
            spin_loop();
            waker.wake();
            return;
        }
        let former = self.swap_cell(Some(waker));
        let armed =
            self.state.compare_exchange(REGISTERING, ARMED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !armed {
            let own = self.swap_cell(None);
            self.state.store(EMPTY, Ordering::Release);
            if let Some(own) = own {
                own.wake();
            }
        }
        drop(former);
        // Pairs with the fence in `take`.
        fence(Ordering::SeqCst);
    }

    /// Wakes the waiter, if one has registered since it was last woken.
    #[inline]
    pub fn wake(&self) {
        // Pairs with the fence in `register`. An atomic exchange in its place measured no faster (`benches/queues_spsc.rs`).
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) == EMPTY {
            return;
        }
        self.wake_slow();
    }

    /// Takes the waker out without waking it: for a waiter that goes away, or to wake it later.
    pub fn take(&self) -> Option<Waker> {
        fence(Ordering::SeqCst);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let to = match state {
                ARMED => WAKING,
                REGISTERING => NOTIFIED,
                _ => return None,
            };
            match self.state.compare_exchange(state, to, Ordering::AcqRel, Ordering::Acquire) {
                Ok(ARMED) => break,
                Ok(_) => return None,
                Err(now) => state = now,
            }
        }
        let waker = self.swap_cell(None);
        self.state.store(EMPTY, Ordering::Release);
        waker
    }

    #[cold]
    fn wake_slow(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// True when the cell is ours to write; false when someone has it now.
    fn acquire_for_registering(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state == EMPTY || state == ARMED {
            match self.state.compare_exchange(state, REGISTERING, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    fn swap_cell(&self, waker: Option<Waker>) -> Option<Waker> {
        // SAFETY: every caller moved `state` into REGISTERING or WAKING and has not left it yet, so the cell is its alone.
        self.waker.with_mut(|cell| std::mem::replace(unsafe { &mut *cell }, waker))
    }
}

impl Default for AtomicWaker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AtomicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.load(Ordering::Relaxed) {
            EMPTY => "empty",
            ARMED => "armed",
            _ => "changing",
        };
        f.debug_struct("AtomicWaker").field("state", &state).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_once_per_registration() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let slot = AtomicWaker::new();
        slot.wake();
        slot.register(&waker);
        slot.wake();
        slot.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn keeps_the_latest_waker_and_drops_the_former() {
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let slot = AtomicWaker::new();
        slot.register(&Waker::from(Arc::clone(&old)));
        slot.register(&Waker::from(Arc::clone(&new)));
        assert_eq!(Arc::strong_count(&old), 1);
        slot.wake();
        assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
    }

    #[test]
    fn take_lets_go_of_the_task() {
        let count = Arc::new(Count::default());
        let slot = AtomicWaker::new();
        slot.register(&Waker::from(Arc::clone(&count)));
        drop(slot.take());
        slot.wake();
        assert_eq!((Arc::strong_count(&count), count.0.load(Ordering::Relaxed)), (1, 0));
    }
}
