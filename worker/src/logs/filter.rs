//! The loggers of the process, and the layer that asks them once per call site.

use std::sync::{Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::levels::{Level, Loggers};

/// One set per process, as the subscriber that they steer.
static LOGGERS: Mutex<Option<Loggers>> = Mutex::new(None);

/// Looks at the loggers, or changes them. Call sites are asked anew after a change.
pub fn loggers<T>(act: impl FnOnce(&mut Loggers) -> T) -> T {
    let (outcome, is_changed) = locked(|loggers| {
        let before = loggers.turn();
        let outcome = act(loggers);
        (outcome, loggers.turn() != before)
    });
    // Not under the lock: every call site asks for its level at once.
    if is_changed {
        tracing::callsite::rebuild_interest_cache();
    }
    outcome
}

pub(super) fn start_at(root: LevelFilter) {
    locked(|loggers| loggers.set_initial(Level::of_filter(root)));
}

fn locked<T>(act: impl FnOnce(&mut Loggers) -> T) -> T {
    // Whatever panicked in between, levels are levels.
    let mut loggers = LOGGERS.lock().unwrap_or_else(PoisonError::into_inner);
    act(loggers.get_or_insert_with(|| Loggers::new(Level::Info)))
}

/// Lets through what the loggers let through.
pub(super) struct Levels;

impl<S: Subscriber> Layer<S> for Levels {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_written(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        is_written(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(locked(|loggers| loggers.most()))
    }
}

fn is_written(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= locked(|loggers| loggers.of_target(metadata.target()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct Count(&'static AtomicU32);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn write() {
        tracing::debug!(target: "test_of_levels::inner", "a line");
    }

    #[test]
    fn a_changed_level_reaches_call_sites_that_were_asked_before() {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let subscriber = tracing_subscriber::registry().with(Count(&COUNT)).with(Levels);
        let _guard = tracing::subscriber::set_default(subscriber);
        let set = |level| loggers(|loggers| loggers.set("test_of_levels", level, 0)).unwrap();
        write();
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
        set(Level::Debug);
        write();
        assert_eq!(COUNT.load(Ordering::Relaxed), 1);
        set(Level::Error);
        write();
        assert_eq!(COUNT.load(Ordering::Relaxed), 1);
    }
}
