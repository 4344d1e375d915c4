//! Waiting on a thread of its own: spin briefly, then park. Never called on an executor's thread.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::{Token, spin_loop};

/// Attempts before the thread parks. An attempt is a poll and a pause, some 50 ns: together about what a wake-up costs (7 µs), so
/// that spinning never costs more than twice the better choice. Loom needs no spinning, it tries all orders anyway.
const SPINS: u32 = if cfg!(loom) { 0 } else { 128 };

/// Waits on the calling thread until `poll` is ready. `attempt` is the same question without registering for a wake-up.
pub(crate) fn wait<S, T>(
    state: &mut S,
    mut attempt: impl FnMut(&mut S) -> Option<T>,
    mut poll: impl FnMut(&mut S, &mut Context<'_>) -> Poll<T>,
) -> T {
    for _ in 0..SPINS {
        if let Some(answer) = attempt(state) {
            return answer;
        }
        spin_loop();
    }
    let unpark = Arc::new(Unpark(Token::of_this_thread()));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answer) = poll(state, &mut cx) {
            return answer;
        }
        // A token made available since the poll ends this at once; a stale one only costs a poll.
        unpark.0.wait();
    }
}

/// Wakes by making the thread's token available.
struct Unpark(Token);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.set();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.set();
    }
}
