//! Models of the waker slot: no wake-up is lost, whoever comes first.

use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::AtomicWaker;
use crate::park;

struct Event {
    slot: AtomicWaker,
    flag: AtomicBool,
}

impl Event {
    fn new() -> Arc<Self> {
        Arc::new(Self { slot: AtomicWaker::new(), flag: AtomicBool::new(false) })
    }

    /// Relaxed on purpose: that the flag is seen at all is the slot's duty alone.
    fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.slot.wake();
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.register(cx.waker());
        if self.flag.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A lost wake-up shows as a deadlock, which loom reports.
#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let event = Event::new();
        let notifier = thread::spawn({
            let event = Arc::clone(&event);
            move || event.set()
        });
        park::wait(&mut (), |()| None, |(), cx| event.poll(cx));
        notifier.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_between_two_notifiers() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let slot = Arc::new(AtomicWaker::new());
        let count = Arc::new(AtomicUsize::new(0));
        let notifiers: Vec<_> = (0..2)
            .map(|_| {
                let (slot, count) = (Arc::clone(&slot), Arc::clone(&count));
                thread::spawn(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    slot.wake();
                })
            })
            .collect();
        park::wait(
            &mut (),
            |()| None,
            |(), cx| {
                slot.register(cx.waker());
                if count.load(Ordering::Relaxed) == 2 { Poll::Ready(()) } else { Poll::Pending }
            },
        );
        for notifier in notifiers {
            notifier.join().unwrap();
        }
    });
}

struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The waiter changes its waker while a wake is under way: the cell is never touched by two, and one of the wakers is woken.
#[test]
fn replacing_the_waker_races_with_wake() {
    loom::model(|| {
        let wakes: Vec<_> = (0..2).map(|_| std::sync::Arc::new(Count(0.into()))).collect();
        let slot = Arc::new(AtomicWaker::new());
        slot.register(&Waker::from(std::sync::Arc::clone(&wakes[0])));
        let notifier = thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.wake()
        });
        slot.register(&Waker::from(std::sync::Arc::clone(&wakes[1])));
        notifier.join().unwrap();
        let woken: usize = wakes.iter().map(|count| count.0.load(Ordering::Relaxed)).sum();
        assert!(woken >= 1, "the wake found no waker");
        drop(slot.take());
        assert!(wakes.iter().all(|count| std::sync::Arc::strong_count(count) == 1));
    });
}

#[test]
fn taking_races_with_wake() {
    loom::model(|| {
        let count = std::sync::Arc::new(Count(0.into()));
        let slot = Arc::new(AtomicWaker::new());
        slot.register(&Waker::from(std::sync::Arc::clone(&count)));
        let notifier = thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.wake()
        });
        let taken = usize::from(slot.take().is_some());
        notifier.join().unwrap();
        assert_eq!(taken + count.0.load(Ordering::Relaxed), 1, "taken or woken, not both");
    });
}
