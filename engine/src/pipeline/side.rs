//! Futures that run beside a pipeline's loop and must not outlive it.

use tokio::task::{JoinError, JoinHandle};

/// A side future that must not outlive the pipeline, which ends by a panic or an abort as well as in order: it holds the
/// producer or the consumer, and would go on sending, or stay in the group.
pub(super) struct AbortOnDrop<T>(JoinHandle<T>);

impl<T: 'static> AbortOnDrop<T> {
    /// Starts `future` on this thread.
    pub(super) fn spawn(future: impl Future<Output = T> + 'static) -> AbortOnDrop<T> {
        AbortOnDrop(tokio::task::spawn_local(future))
    }

    /// Ends it and waits until what it holds is released.
    pub(super) async fn abort(mut self) {
        self.0.abort();
        let _cancelled = (&mut self.0).await;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// What it came to.
    pub(super) async fn outcome(&mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
