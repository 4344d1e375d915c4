//! Models of the ring: order, no loss and no double use through the wrap-around; closing races; waking races.

use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering};

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use crate::spsc::{Closed, PopError, PushError, channel};

/// Loom's leak check on the `Arc` inside catches an item that is never dropped, the count one that is dropped twice.
struct Counted {
    number: usize,
    drops: std::sync::Arc<StdAtomicUsize>,
    _leak_check: Arc<()>,
}

impl Counted {
    fn new(number: usize, drops: &std::sync::Arc<StdAtomicUsize>) -> Self {
        Self { number, drops: std::sync::Arc::clone(drops), _leak_check: Arc::new(()) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

fn bounded(preemptions: usize) -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model
}

#[test]
fn keeps_order_through_the_wrap_around() {
    bounded(3).check(|| {
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn(move || {
            let mut pushed = 0;
            // Room for two, so that the third and fourth wait for a slot that was used before, or are refused.
            for _ in 0..4 {
                match producer.try_push(pushed) {
                    Ok(()) => pushed += 1,
                    Err(error) => assert_eq!(error, PushError::Full(pushed)),
                }
            }
            pushed
        });
        let mut popped = 0;
        for _ in 0..2 {
            if let Ok(item) = consumer.try_pop() {
                assert_eq!(item, popped);
                popped += 1;
            }
        }
        let pushed = pushing.join().unwrap();
        while let Ok(item) = consumer.try_pop() {
            assert_eq!(item, popped);
            popped += 1;
        }
        assert_eq!(popped, pushed);
        assert_eq!(consumer.try_pop(), Err(PopError::Closed));
    });
}

/// A lost wake-up on either side shows as a deadlock.
#[test]
fn blocking_ends_deliver_everything() {
    bounded(3).check(|| {
        let (mut producer, mut consumer) = channel(1);
        let pushing = thread::spawn(move || {
            for n in 0..3 {
                producer.push_blocking(n).unwrap();
            }
        });
        for n in 0..3 {
            assert_eq!(consumer.pop_blocking(), Some(n));
        }
        assert_eq!(consumer.pop_blocking(), None);
        pushing.join().unwrap();
    });
}

#[test]
fn what_was_pushed_before_the_close_arrives() {
    bounded(3).check(|| {
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn(move || {
            producer.try_push(1).unwrap();
            drop(producer);
        });
        // Blocks, so it also has to be woken by the close alone.
        assert_eq!(consumer.pop_blocking(), Some(1));
        assert_eq!(consumer.pop_blocking(), None);
        pushing.join().unwrap();
    });
}

#[test]
fn a_push_that_waits_is_woken_when_the_consumer_leaves() {
    loom::model(|| {
        let (mut producer, consumer) = channel(1);
        producer.try_push(1).unwrap();
        let leaving = thread::spawn(move || drop(consumer));
        // The consumer drains before it is gone for the producer, so the push may also find room.
        if let Err(Closed(item)) = producer.push_blocking(2) {
            assert_eq!(item, 2);
        }
        leaving.join().unwrap();
        assert_eq!(producer.try_push(3), Err(PushError::Closed(3)));
    });
}

#[test]
fn items_are_dropped_once_when_both_ends_leave() {
    bounded(3).check(|| {
        let drops = std::sync::Arc::new(StdAtomicUsize::new(0));
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn({
            let drops = std::sync::Arc::clone(&drops);
            move || {
                for number in 0..3 {
                    drop(producer.try_push(Counted::new(number, &drops)));
                }
            }
        });
        if let Ok(item) = consumer.try_pop() {
            assert_eq!(item.number, 0);
        }
        drop(consumer);
        pushing.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 3);
    });
}

/// What happens before a push is visible after the pop, the promise that `head` and `tail` rest on.
#[test]
fn a_pop_sees_what_the_producer_did_before() {
    loom::model(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn({
            let flag = Arc::clone(&flag);
            move || {
                flag.store(true, Ordering::Relaxed);
                producer.try_push(()).unwrap();
            }
        });
        if consumer.try_pop().is_ok() {
            assert!(flag.load(Ordering::Relaxed));
        }
        pushing.join().unwrap();
    });
}
