//! Which task has an executor's thread, seen from outside: how a thread that hangs is told from one that works.
//!
//! The thread notes the number of the task it polls and counts polls: two stores per poll, no clock. The control plane looks once in a
//! while: the same poll, seen for longer than a limit, is a hang. Whatever the task does about it (most often it does not even
//! know), the others on its thread cannot run, and whoever steers them should have them run elsewhere.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;

use super::clock::Instant;

/// What an executor's thread notes about itself. Lone values that guard nothing else, hence relaxed.
#[derive(Debug)]
pub(super) struct Pulse {
    /// The executor's name.
    executor: Box<str>,
    /// The number of the task that is being polled; 0 between polls.
    polled: AtomicU64,
    /// Polls so far.
    polls: AtomicU64,
    next_number: AtomicU64,
    /// The task in which the thread hangs; 0 while it does not.
    hog: watch::Sender<u64>,
}

impl Pulse {
    pub(super) fn new(executor: &str) -> Arc<Pulse> {
        Arc::new(Pulse {
            executor: executor.into(),
            polled: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            next_number: AtomicU64::new(1),
            hog: watch::Sender::new(0),
        })
    }

    /// A number for one more task.
    pub(super) fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Sees hangs from the side of the task `number`.
    pub(super) fn watch(self: &Arc<Self>, number: u64) -> HangWatch {
        HangWatch { pulse: Arc::clone(self), hog: self.hog.subscribe(), number }
    }

    /// Whether the thread was found to hang when last looked at.
    pub(super) fn hangs(&self) -> bool {
        *self.hog.borrow() != 0
    }
}

/// A task that is noted while it is polled.
pub(super) struct Noted<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) number: u64,
}

impl<F: Future> Future for Noted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.pulse.polls.fetch_add(1, Ordering::Relaxed);
        self.pulse.polled.store(self.number, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(cx);
        self.pulse.polled.store(0, Ordering::Relaxed);
        polled
    }
}

/// Looks at a pulse from another thread.
#[derive(Debug)]
pub(super) struct Looker {
    pulse: Arc<Pulse>,
    /// The poll that was seen last, and since when.
    seen: (u64, u64),
    since: Instant,
    /// How long the thread had been starved then.
    starved_since: Duration,
    looked_at: Instant,
}

/// A poll that has taken so many times the limit is a hang even of a thread that others leave no core: it has no time for its other
/// tasks, whoever is to blame.
const STARVED_LIMITS: u32 = 5;

impl Looker {
    pub(super) fn new(pulse: Arc<Pulse>, now: Instant) -> Looker {
        Looker { pulse, seen: (0, 0), since: now, starved_since: Duration::ZERO, looked_at: now }
    }

    /// Looks, and tells whoever watches when a hang begins or ends. `Some` when one began or ended just now. The time that a thread has been
    /// `starved` since it began, wanting to run while others had its core, is not the task's.
    pub(super) fn look(&mut self, now: Instant, starved: Duration, limit: Duration) -> Option<Change> {
        let polls = self.pulse.polls.load(Ordering::Relaxed);
        let polled = self.pulse.polled.load(Ordering::Relaxed);
        // Who did not look for so long was suspended, most likely with the whole process: the task had no more time than we had.
        let has_slept = now.saturating_duration_since(self.looked_at) > limit / 2;
        self.looked_at = now;
        if self.seen != (polls, polled) || has_slept {
            (self.seen, self.since, self.starved_since) = ((polls, polled), now, starved);
        }
        let took = now.saturating_duration_since(self.since);
        let own = took.saturating_sub(starved.saturating_sub(self.starved_since));
        let hog = if polled != 0 && (own >= limit || took >= limit * STARVED_LIMITS) { polled } else { 0 };
        let has_changed = self.pulse.hog.send_if_modified(|known| std::mem::replace(known, hog) != hog);
        has_changed.then_some(if hog == 0 { Change::Recovered } else { Change::Hangs { took } })
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The thread has not come back from a poll for so long.
    Hangs { took: Duration },
    /// It has come back.
    Recovered,
}

/// In whom a thread hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hang {
    /// In the task that asks.
    Itself,
    /// In another task of its thread.
    Neighbour,
}

/// Tells whether a task has its thread, and when that thread hangs.
#[derive(Debug, Clone)]
pub struct HangWatch {
    pulse: Arc<Pulse>,
    hog: watch::Receiver<u64>,
    number: u64,
}

impl HangWatch {
    /// Whether the task is at work right now. One that is so for long blocks its thread.
    pub fn is_at_work(&self) -> bool {
        self.pulse.polled.load(Ordering::Relaxed) == self.number
    }

    /// The executor that the task lives on.
    pub fn executor(&self) -> &str {
        &self.pulse.executor
    }

    /// Waits until the thread hangs.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn hangs(&mut self) -> Hang {
        let hog = self.hog.wait_for(|hog| *hog != 0).await.map(|hog| *hog);
        match hog {
            Ok(hog) if hog == self.number => Hang::Itself,
            Ok(_) => Hang::Neighbour,
            // It does not come to that: the sender is in our own pulse.
            Err(_gone) => pending().await,
        }
    }

    /// Waits until it does not hang any more; for ever, where it ends instead.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn recovers(&mut self) {
        let _gone = self.hog.wait_for(|hog| *hog == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A look every second, for so many of them; what the last one found.
    fn looks(looker: &mut Looker, now: &mut Instant, seconds: u32) -> Option<Change> {
        let mut found = None;
        for _ in 0..seconds {
            *now += Duration::from_secs(1);
            found = looker.look(*now, Duration::ZERO, LIMIT);
        }
        found
    }

    fn poll(pulse: &Pulse, task: u64) {
        pulse.polls.fetch_add(1, Ordering::Relaxed);
        pulse.polled.store(task, Ordering::Relaxed);
    }

    /// Time is given, so nothing here waits.
    #[test]
    fn only_one_poll_that_takes_too_long_is_a_hang() {
        let pulse = Pulse::new("data-0");
        let mut now = clock::now();
        let mut looker = Looker::new(Arc::clone(&pulse), now);
        let task = pulse.number();
        assert_eq!(looks(&mut looker, &mut now, 20), None, "a thread that waits does not hang");
        poll(&pulse, task);
        assert_eq!(looks(&mut looker, &mut now, 10), None);
        poll(&pulse, task);
        assert_eq!(looks(&mut looker, &mut now, 10), None, "another poll of a busy task");
        assert_eq!(looks(&mut looker, &mut now, 1), Some(Change::Hangs { took: LIMIT }));
        assert!(pulse.hangs());
        assert_eq!(looks(&mut looker, &mut now, 1), None, "said once");
        pulse.polled.store(0, Ordering::Relaxed);
        assert_eq!(looks(&mut looker, &mut now, 1), Some(Change::Recovered));
        assert!(!pulse.hangs());
    }

    /// Goal: after SIGSTOP and SIGCONT, or the pause of a virtual machine, tasks are not moved for the time that nobody had.
    #[test]
    fn a_process_that_was_suspended_does_not_hang() {
        let pulse = Pulse::new("data-0");
        let mut now = clock::now();
        let mut looker = Looker::new(Arc::clone(&pulse), now);
        poll(&pulse, pulse.number());
        assert_eq!(looks(&mut looker, &mut now, 5), None);
        now += LIMIT * 6;
        assert_eq!(looks(&mut looker, &mut now, 10), None, "it has its whole time again");
        assert_eq!(looks(&mut looker, &mut now, 1), Some(Change::Hangs { took: LIMIT }));
    }

    /// Goal: on a machine with more to do than cores, tasks are not moved for the time that others took.
    #[test]
    fn a_thread_that_waits_for_its_core_does_not_hang_at_once() {
        let pulse = Pulse::new("data-0");
        let mut now = clock::now();
        let mut looker = Looker::new(Arc::clone(&pulse), now);
        poll(&pulse, pulse.number());
        let mut starved = Duration::from_secs(100);
        let mut found = (0..=49).find_map(|second| {
            let found = looker.look(now, starved, LIMIT).map(|change| (second, change));
            now += Duration::from_secs(1);
            starved += Duration::from_secs(1);
            found
        });
        assert_eq!(found, None, "it had no time of its own yet");
        found = looker.look(now, starved, LIMIT).map(|change| (50, change));
        assert_eq!(found, Some((50, Change::Hangs { took: LIMIT * STARVED_LIMITS })), "but not for ever");
        poll(&pulse, pulse.number());
        assert_eq!(looker.look(now, starved, LIMIT), Some(Change::Recovered));
        now += LIMIT / 2;
        assert_eq!(looker.look(now, starved + LIMIT / 4, LIMIT), None);
        now += LIMIT / 2;
        assert_eq!(
            looker.look(now, starved + LIMIT / 4, LIMIT),
            None,
            "a quarter of the time was not its own"
        );
        now += LIMIT / 4;
        assert_eq!(looker.look(now, starved + LIMIT / 4, LIMIT), Some(Change::Hangs { took: LIMIT * 5 / 4 }));
    }

    #[test]
    fn a_task_is_at_work_while_it_is_polled_and_not_while_it_waits() {
        let pulse = Pulse::new("data-0");
        let (number, neighbour) = (pulse.number(), pulse.watch(pulse.number()));
        let watch = pulse.watch(number);
        let seen = watch.clone();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let future = Box::pin(async move {
            assert!(seen.is_at_work() && !neighbour.is_at_work());
            receiver.await.unwrap();
        });
        let noted = Noted { future, pulse, number };
        let others = async {
            assert!(!watch.is_at_work());
            sender.send(()).unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { tokio::join!(noted, others) });
        assert!(!watch.is_at_work());
        assert_eq!(watch.executor(), "data-0");
    }
}
