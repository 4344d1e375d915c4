//! Threads for calls that are short as a rule and may block or hang all the same: plug-in code of the control plane.
//!
//! A thread for each call would be simpler, but a rebalance brings hundreds at once, and as many threads that want a core leave REST and
//! heartbeats waiting for theirs. So few calls run at a time. One that has not come back after [`PATIENCE`] is held to be blocked: from then
//! on it does not count, and another takes its place.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cpu;

/// How long a call may run before those that wait behind it go on without it.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long a thread with nothing to do stays: the allocator alone keeps a megabyte for each.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// What a call is.
type Call = Box<dyn FnOnce() + Send>;

/// Where calls wait for a thread. Cheap to clone.
#[derive(Clone)]
pub struct CallThreads {
    shared: Arc<Shared>,
}

struct Shared {
    /// How many calls run at a time, those that block left aside.
    limit: usize,
    state: Mutex<State>,
    /// A call has come, or one has ended.
    changed: Condvar,
}

struct State {
    /// Oldest first.
    waiting: VecDeque<Call>,
    /// Running calls that count.
    running: usize,
    /// Calls that began before the last loss of patience do not count any more.
    age: u64,
    /// When the last call began or ended.
    moved: Instant,
    /// Threads that are not in a call.
    free: usize,
    /// All threads.
    threads: usize,
}

impl CallThreads {
    /// At most `limit` calls at a time, those that block left aside. There are no threads before there are calls.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub fn new(limit: usize) -> CallThreads {
        assert!(limit > 0, "nothing would ever run");
        let waiting = VecDeque::new();
        let state = State { waiting, running: 0, age: 0, moved: Instant::now(), free: 0, threads: 0 };
        let shared = Shared { limit, state: Mutex::new(state), changed: Condvar::new() };
        CallThreads { shared: Arc::new(shared) }
    }

    /// Has `call` made by one of the threads. It must not panic.
    ///
    /// # Errors
    /// When no thread is free and none can be started; the call is dropped then.
    pub fn begin(&self, call: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.free == 0 {
            Shared::start_thread(&self.shared, &mut state)?;
        }
        state.waiting.push_back(Box::new(call));
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl std::fmt::Debug for CallThreads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("CallThreads")
            .field("waiting", &state.waiting.len())
            .field("running", &state.running)
            .field("threads", &state.threads)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Nothing that panics happens under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(shared: &Arc<Shared>, state: &mut State) -> io::Result<()> {
        let ours = Arc::clone(shared);
        thread::Builder::new().name("connectors".to_owned()).spawn(move || {
            cpu::unpin();
            Shared::work(&ours);
        })?;
        state.free += 1;
        state.threads += 1;
        Ok(())
    }

    /// Makes one call after the other until there has been none for a while.
    fn work(shared: &Arc<Shared>) {
        let mut state = shared.lock();
        loop {
            if state.waiting.is_empty() {
                let timeout;
                (state, timeout) = shared.wait(state, IDLE_MAX);
                if timeout && state.waiting.is_empty() {
                    state.free -= 1;
                    state.threads -= 1;
                    return;
                }
                continue;
            }
            if state.running >= shared.limit {
                match PATIENCE.checked_sub(state.moved.elapsed()) {
                    Some(left) => (state, _) = shared.wait(state, left),
                    None => {
                        // None began or ended meanwhile: all that run have taken that long.
                        state.age += 1;
                        state.running = 0;
                    }
                }
                continue;
            }
            let Some(call) = state.waiting.pop_front() else { continue };
            state.running += 1;
            state.moved = Instant::now();
            state.free -= 1;
            let age = state.age;
            // Somebody has to see when this call takes too long.
            if state.free == 0 && !state.waiting.is_empty() {
                // Where that fails, the next call to come tries again, and this thread goes on with what waits.
                let _no_thread = Shared::start_thread(shared, &mut state);
            }
            drop(state);
            call();
            state = shared.lock();
            state.free += 1;
            state.moved = Instant::now();
            if state.age == age {
                state.running -= 1;
                if !state.waiting.is_empty() {
                    shared.changed.notify_one();
                }
            }
        }
    }

    /// Whether the time was over, beside the lock.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> (MutexGuard<'a, State>, bool) {
        let (state, timeout) =
            self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn few_calls_run_at_a_time_and_all_of_them_are_made() {
        let threads = CallThreads::new(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, all_done) = mpsc::channel();
        for number in 0..500 {
            let (running, most, done) = (Arc::clone(&running), Arc::clone(&most), done.clone());
            threads
                .begin(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    running.fetch_sub(1, Ordering::SeqCst);
                    done.send(number).unwrap();
                })
                .unwrap();
        }
        drop(done);
        let mut seen: Vec<i32> = all_done.iter().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        // On a machine that gives no core for longer than the patience more may begin, but never one thread for each.
        assert!(most.load(Ordering::SeqCst) < 50, "{} at a time", most.load(Ordering::SeqCst));
    }

    #[test]
    fn calls_that_block_hold_up_nobody() {
        let threads = CallThreads::new(1);
        let everybody = Arc::new(Barrier::new(6));
        for _ in 0..5 {
            let everybody = Arc::clone(&everybody);
            threads
                .begin(move || {
                    everybody.wait();
                })
                .unwrap();
        }
        let (done, behind) = mpsc::channel();
        threads.begin(move || done.send(()).unwrap()).unwrap();
        behind.recv().unwrap();
        // Each of the five waits for the others: they all run.
        everybody.wait();
    }

    #[test]
    fn threads_end_when_there_is_nothing_to_do_and_come_back() {
        let threads = CallThreads::new(1);
        for _ in 0..2 {
            let (done, made) = mpsc::channel();
            threads.begin(move || done.send(()).unwrap()).unwrap();
            made.recv().unwrap();
            while threads.shared.lock().threads > 0 {
                thread::yield_now();
            }
        }
    }
}
