//! Whether a task has its thread at the moment: what tells the one that blocks a core from those that it keeps waiting.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Two stores for each time that the task is polled.
#[derive(Debug, Default)]
pub struct Turn {
    is_on: AtomicBool,
    executor: OnceLock<String>,
}

impl Turn {
    /// Whether the task is at work right now. One that is so for long blocks its thread.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// The executor that the task lives on.
    pub fn executor(&self) -> &str {
        self.executor.get().map_or("", String::as_str)
    }

    pub(crate) fn placed_on(&self, executor: &str) {
        // It is placed once.
        let _placed = self.executor.set(executor.to_owned());
    }

    /// Runs a task and notes its turns.
    pub(crate) async fn track<T>(&self, task: impl Future<Output = T>) -> T {
        let mut task = pin!(task);
        poll_fn(|context| {
            self.is_on.store(true, Ordering::Relaxed);
            let polled = task.as_mut().poll(context);
            self.is_on.store(false, Ordering::Relaxed);
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_task_has_its_turn_while_it_is_polled_and_not_while_it_waits() {
        let turn = Arc::new(Turn::default());
        let seen = Arc::clone(&turn);
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let tracked = turn.track(async {
            assert!(seen.is_on());
            receiver.await.unwrap();
        });
        let others = async {
            assert!(!turn.is_on());
            sender.send(()).unwrap();
        };
        tokio::join!(tracked, others);
        assert!(!turn.is_on());
    }
}
