//! Tests of the channel under real threads and against a model; the orderings are the loom models' to check.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn woken() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken::default());
    (Arc::clone(&woken), Waker::from(woken))
}

#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const STRESS_ITEMS: usize = if cfg!(miri) { 200 } else { 200_000 };

#[test]
fn blocking_ends_keep_order_under_stress() {
    for capacity in [1, 2, 3, 64] {
        let (mut producer, mut consumer) = channel(capacity);
        let pushing =
            thread::spawn(move || (0..STRESS_ITEMS).all(|n| producer.push_blocking(Box::new(n)).is_ok()));
        let mut expected = 0;
        while let Some(item) = consumer.pop_blocking() {
            assert_eq!(*item, expected);
            expected += 1;
        }
        assert!(pushing.join().unwrap());
        assert_eq!(expected, STRESS_ITEMS);
    }
}

#[test]
fn non_blocking_ends_keep_order_under_stress() {
    let (mut producer, mut consumer) = channel(3);
    let pushing = thread::spawn(move || {
        for n in 0..STRESS_ITEMS {
            let mut item = Box::new(n);
            while let Err(error) = producer.try_push(item) {
                item = error.into_inner();
                thread::yield_now();
            }
        }
    });
    let mut expected = 0;
    loop {
        match consumer.try_pop() {
            Ok(item) => {
                assert_eq!(*item, expected);
                expected += 1;
            }
            Err(PopError::Empty) => thread::yield_now(),
            Err(PopError::Closed) => break,
        }
    }
    pushing.join().unwrap();
    assert_eq!(expected, STRESS_ITEMS);
}

#[test]
fn capacity_is_exact() {
    for capacity in [1, 2, 3, 5, 8] {
        let (mut producer, mut consumer) = channel(capacity);
        for round in 0..3 {
            for n in 0..capacity {
                producer.try_push((round, n)).unwrap();
            }
            assert_eq!(producer.try_push((9, 9)), Err(PushError::Full((9, 9))));
            assert_eq!((producer.len(), consumer.len()), (capacity, capacity));
            for n in 0..capacity {
                assert_eq!(consumer.try_pop(), Ok((round, n)));
            }
        }
    }
}

#[test]
fn items_pushed_before_the_close_are_delivered() {
    let (mut producer, mut consumer) = channel(4);
    producer.try_push(1).unwrap();
    producer.try_push(2).unwrap();
    drop(producer);
    assert!(consumer.is_closed());
    assert_eq!((consumer.try_pop(), consumer.try_pop()), (Ok(1), Ok(2)));
    assert_eq!(consumer.try_pop(), Err(PopError::Closed));
}

#[test]
fn a_consumer_that_leaves_drops_what_waits_and_refuses_more() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (mut producer, consumer) = channel(4);
    producer.try_push(Counted(Arc::clone(&drops))).unwrap();
    producer.try_push(Counted(Arc::clone(&drops))).unwrap();
    drop(consumer);
    assert_eq!(drops.load(Ordering::Relaxed), 2, "memory is given back while the producer lives");
    assert!(matches!(producer.try_push(Counted(Arc::clone(&drops))), Err(PushError::Closed(_))));
    drop(producer);
    assert_eq!(drops.load(Ordering::Relaxed), 3);
}

#[test]
fn every_item_is_dropped_once_when_the_ends_leave_in_a_race() {
    for round in 0..if cfg!(miri) { 10 } else { 500 } {
        let drops = Arc::new(AtomicUsize::new(0));
        let made = Arc::new(AtomicUsize::new(0));
        let (mut producer, mut consumer) = channel(4);
        let pushing = thread::spawn({
            let (drops, made) = (Arc::clone(&drops), Arc::clone(&made));
            move || {
                for _ in 0..20 {
                    made.fetch_add(1, Ordering::Relaxed);
                    if producer.push_blocking(Counted(Arc::clone(&drops))).is_err() {
                        break;
                    }
                }
            }
        });
        for _ in 0..round % 20 {
            consumer.pop_blocking();
        }
        drop(consumer);
        pushing.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), made.load(Ordering::Relaxed));
    }
}

#[test]
fn a_waiting_pop_is_woken_by_push_and_by_close() {
    let (woken, waker) = woken();
    let mut cx = Context::from_waker(&waker);
    let (mut producer, mut consumer) = channel(1);
    assert_eq!(consumer.poll_pop(&mut cx), Poll::Pending);
    producer.try_push(7).unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(consumer.poll_pop(&mut cx), Poll::Ready(Some(7)));
    assert_eq!(consumer.poll_pop(&mut cx), Poll::Pending);
    drop(producer);
    assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    assert_eq!(consumer.poll_pop(&mut cx), Poll::Ready(None));
}

#[test]
fn a_waiting_push_is_woken_by_pop_and_by_close() {
    let (woken, waker) = woken();
    let mut cx = Context::from_waker(&waker);
    let (mut producer, mut consumer) = channel(1);
    producer.try_push(1).unwrap();
    assert_eq!(producer.poll_push_ready(&mut cx), Poll::Pending);
    consumer.try_pop().unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(producer.poll_push_ready(&mut cx), Poll::Ready(Ok(())));
    producer.try_push(2).unwrap();
    {
        let mut push = pin!(producer.push(3));
        assert_eq!(push.as_mut().poll(&mut cx), Poll::Pending);
        drop(consumer);
        assert_eq!(push.poll(&mut cx), Poll::Ready(Err(Closed(3))));
    }
    assert!(woken.0.load(Ordering::Relaxed) >= 2);
}

#[test]
fn an_end_that_leaves_lets_go_of_its_task() {
    let (woken, waker) = woken();
    let (producer, mut consumer) = channel::<u8>(1);
    assert_eq!(consumer.poll_pop(&mut Context::from_waker(&waker)), Poll::Pending);
    drop(consumer);
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1);
    drop(producer);
}

#[test]
fn a_cancelled_pop_loses_nothing() {
    let (_woken, waker) = woken();
    let mut cx = Context::from_waker(&waker);
    let (mut producer, mut consumer) = channel(2);
    {
        let mut pop = pin!(consumer.pop());
        assert!(pop.as_mut().poll(&mut cx).is_pending());
        producer.try_push(1).unwrap();
    }
    assert_eq!(consumer.try_pop(), Ok(1));
}

#[derive(Debug, Clone)]
enum Action {
    Push,
    Pop,
    CloseProducer,
    CloseConsumer,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        20 => Just(Action::Push),
        20 => Just(Action::Pop),
        1 => Just(Action::CloseProducer),
        1 => Just(Action::CloseConsumer),
    ];
    prop::collection::vec(action, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_bounded_deque(capacity in 1_usize..10, actions in actions()) {
        let (producer, consumer) = channel(capacity);
        let (mut producer, mut consumer) = (Some(producer), Some(consumer));
        let mut model = VecDeque::new();
        for (n, action) in actions.into_iter().enumerate() {
            match action {
                Action::Push => if let Some(producer) = &mut producer {
                    let expected = if consumer.is_none() {
                        Err(PushError::Closed(n))
                    } else if model.len() == capacity {
                        Err(PushError::Full(n))
                    } else {
                        model.push_back(n);
                        Ok(())
                    };
                    prop_assert_eq!(producer.try_push(n), expected);
                },
                Action::Pop => if let Some(consumer) = &mut consumer {
                    let end = if producer.is_some() { PopError::Empty } else { PopError::Closed };
                    prop_assert_eq!(consumer.try_pop(), model.pop_front().ok_or(end));
                },
                Action::CloseProducer => producer = None,
                Action::CloseConsumer => consumer = None,
            }
            if let (Some(producer), Some(_)) = (&producer, &consumer) {
                prop_assert_eq!(producer.len(), model.len());
            }
        }
    }
}
