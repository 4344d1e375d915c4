//! The share of its life that a task has spent running and paused (Java: `StateTracker`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::rt::clock::{self, Instant};

/// What counts in the life of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LifeState {
    Running,
    Paused,
    Other,
}

/// Changes a few times in the life of a task: a lock costs nothing here.
#[derive(Debug)]
pub struct Life(Mutex<Spans>);

#[derive(Debug)]
struct Spans {
    state: LifeState,
    since: Instant,
    running: Duration,
    paused: Duration,
    other: Duration,
}

impl Default for Life {
    fn default() -> Self {
        let zero = Duration::ZERO;
        Life(Mutex::new(Spans {
            state: LifeState::Other,
            since: clock::now(),
            running: zero,
            paused: zero,
            other: zero,
        }))
    }
}

impl Life {
    pub(crate) fn change(&self, to: LifeState) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.pass(clock::now());
        spans.state = to;
    }

    /// The shares of the life so far: running, paused. 0 at its first moment.
    pub fn ratios(&self) -> (f64, f64) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.pass(clock::now());
        let all = (spans.running + spans.paused + spans.other).as_secs_f64();
        let share = |span: Duration| if all == 0.0 { 0.0 } else { span.as_secs_f64() / all };
        (share(spans.running), share(spans.paused))
    }
}

impl Spans {
    fn pass(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        self.since = now;
        match self.state {
            LifeState::Running => self.running += passed,
            LifeState::Paused => self.paused += passed,
            LifeState::Other => self.other += passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shares_are_of_the_whole_life() {
        let life = Life::default();
        assert_eq!(life.ratios(), (0.0, 0.0));
        for (state, secs) in [(LifeState::Other, 1), (LifeState::Running, 6), (LifeState::Paused, 3)] {
            life.change(state);
            tokio::time::advance(Duration::from_secs(secs)).await;
        }
        assert_eq!(life.ratios(), (0.6, 0.3));
    }
}
