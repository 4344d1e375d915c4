//! `queues::spsc` beside other queues, in nanoseconds per item; an item is what a batch is to a queue: three words.
//!
//! - `one_thread`: push 64, pop 64. The cost of the calls alone.
//! - `two_threads_spin`: producer and consumer on a core each, retrying. The cost of the cache lines on top.
//! - `two_threads_async`, `two_threads_blocking`: the same, sleeping when there is nothing to do.
//! - `round_trip_async`: one item there and one back between two executors, so that every hand-off wakes a sleeper.
//!
//! Duties differ: `rtrb` and `ArrayQueue` never wake anyone, ours checks for a sleeper with every call (one fence).
//! `rtrb_with_waker` is what rtrb costs when it has the same duty: with our waker slot beside it.

use std::hint::{black_box, spin_loop};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use queues::AtomicWaker;
use queues::spsc;

/// Batches that may wait between two cores, and a power of two as `rtrb` and ours both like it.
const CAPACITY: usize = 64;

/// As large as a `Vec`.
type Item = [u64; 3];

/// The non-blocking half of each queue, so that each is driven by the same loops.
trait TryPush: Send + 'static {
    fn try_push(&mut self, item: Item) -> Result<(), Item>;
}

trait TryPop {
    fn try_pop(&mut self) -> Option<Item>;
}

impl TryPush for spsc::Producer<Item> {
    #[inline]
    fn try_push(&mut self, item: Item) -> Result<(), Item> {
        spsc::Producer::try_push(self, item).map_err(spsc::PushError::into_inner)
    }
}

impl TryPop for spsc::Consumer<Item> {
    #[inline]
    fn try_pop(&mut self) -> Option<Item> {
        spsc::Consumer::try_pop(self).ok()
    }
}

impl TryPush for rtrb::Producer<Item> {
    #[inline]
    fn try_push(&mut self, item: Item) -> Result<(), Item> {
        self.push(item).map_err(|rtrb::PushError::Full(item)| item)
    }
}

impl TryPop for rtrb::Consumer<Item> {
    #[inline]
    fn try_pop(&mut self) -> Option<Item> {
        self.pop().ok()
    }
}

/// `rtrb` with the check for a sleeping other end.
struct WithWaker<E> {
    end: E,
    wakers: Arc<Wakers>,
}

#[derive(Default)]
#[repr(align(128))]
struct Aligned(AtomicWaker);

#[derive(Default)]
struct Wakers {
    producer: Aligned,
    consumer: Aligned,
}

impl TryPush for WithWaker<rtrb::Producer<Item>> {
    #[inline]
    fn try_push(&mut self, item: Item) -> Result<(), Item> {
        self.end.push(item).map_err(|rtrb::PushError::Full(item)| item)?;
        self.wakers.consumer.0.wake();
        Ok(())
    }
}

impl TryPop for WithWaker<rtrb::Consumer<Item>> {
    #[inline]
    fn try_pop(&mut self) -> Option<Item> {
        let item = self.end.pop().ok()?;
        self.wakers.producer.0.wake();
        Some(item)
    }
}

impl TryPush for Arc<ArrayQueue<Item>> {
    #[inline]
    fn try_push(&mut self, item: Item) -> Result<(), Item> {
        self.push(item)
    }
}

impl TryPop for Arc<ArrayQueue<Item>> {
    #[inline]
    fn try_pop(&mut self) -> Option<Item> {
        self.pop()
    }
}

impl TryPush for mpsc::SyncSender<Item> {
    #[inline]
    fn try_push(&mut self, item: Item) -> Result<(), Item> {
        self.try_send(item).map_err(|error| match error {
            mpsc::TrySendError::Full(item) | mpsc::TrySendError::Disconnected(item) => item,
        })
    }
}

impl TryPop for mpsc::Receiver<Item> {
    #[inline]
    fn try_pop(&mut self) -> Option<Item> {
        self.try_recv().ok()
    }
}

impl TryPush for tokio::sync::mpsc::Sender<Item> {
    #[inline]
    fn try_push(&mut self, item: Item) -> Result<(), Item> {
        self.try_send(item).map_err(tokio::sync::mpsc::error::TrySendError::into_inner)
    }
}

impl TryPop for tokio::sync::mpsc::Receiver<Item> {
    #[inline]
    fn try_pop(&mut self) -> Option<Item> {
        self.try_recv().ok()
    }
}

fn rtrb_with_waker() -> (WithWaker<rtrb::Producer<Item>>, WithWaker<rtrb::Consumer<Item>>) {
    let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
    let wakers = Arc::<Wakers>::default();
    (WithWaker { end: producer, wakers: Arc::clone(&wakers) }, WithWaker { end: consumer, wakers })
}

fn array_queue() -> (Arc<ArrayQueue<Item>>, Arc<ArrayQueue<Item>>) {
    let queue = Arc::new(ArrayQueue::new(CAPACITY));
    (Arc::clone(&queue), queue)
}

/// Calls `$run(group, name, ends)` for each queue.
macro_rules! each_queue {
    ($run:ident, $group:ident) => {
        $run(&mut $group, "queues", || spsc::channel(CAPACITY));
        $run(&mut $group, "rtrb", || rtrb::RingBuffer::new(CAPACITY));
        $run(&mut $group, "rtrb_with_waker", rtrb_with_waker);
        $run(&mut $group, "crossbeam_array_queue", array_queue);
        $run(&mut $group, "std_mpsc", || mpsc::sync_channel(CAPACITY));
        $run(&mut $group, "tokio_mpsc", || tokio::sync::mpsc::channel(CAPACITY));
    };
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn one_thread(c: &mut Criterion) {
    fn run<P: TryPush, C: TryPop>(group: &mut Group<'_>, name: &str, ends: impl Fn() -> (P, C)) {
        let (mut producer, mut consumer) = ends();
        group.bench_function(name, |b| {
            b.iter(|| {
                for n in 0..CAPACITY as u64 {
                    assert!(producer.try_push(black_box([n; 3])).is_ok());
                }
                while let Some(item) = consumer.try_pop() {
                    black_box(item);
                }
            });
        });
    }
    let mut group = c.benchmark_group("queues_spsc/one_thread");
    group.throughput(Throughput::Elements(CAPACITY as u64));
    each_queue!(run, group);
    group.finish();
}

fn two_threads_spin(c: &mut Criterion) {
    fn run<P: TryPush, C: TryPop>(group: &mut Group<'_>, name: &str, ends: impl Fn() -> (P, C)) {
        group.bench_function(name, |b| {
            b.iter_custom(|count| {
                let (mut producer, mut consumer) = ends();
                let push = move || {
                    for n in 0..count {
                        while producer.try_push([n; 3]).is_err() {
                            spin_loop();
                        }
                    }
                };
                two_cores(push, || {
                    for _ in 0..count {
                        while consumer.try_pop().map(black_box).is_none() {
                            spin_loop();
                        }
                    }
                })
            });
        });
    }
    let mut group = c.benchmark_group("queues_spsc/two_threads_spin");
    group.throughput(Throughput::Elements(1));
    each_queue!(run, group);
    group.finish();
}

fn two_threads_blocking(c: &mut Criterion) {
    let mut group = c.benchmark_group("queues_spsc/two_threads_blocking");
    group.throughput(Throughput::Elements(1));
    group.bench_function("queues", |b| {
        b.iter_custom(|count| {
            let (mut producer, mut consumer) = spsc::channel::<Item>(CAPACITY);
            let push = move || (0..count).for_each(|n| assert!(producer.push_blocking([n; 3]).is_ok()));
            two_cores(push, || while consumer.pop_blocking().map(black_box).is_some() {})
        });
    });
    group.bench_function("std_mpsc", |b| {
        b.iter_custom(|count| {
            let (producer, consumer) = mpsc::sync_channel::<Item>(CAPACITY);
            let push = move || (0..count).for_each(|n| assert!(producer.send([n; 3]).is_ok()));
            two_cores(push, || while consumer.recv().map(black_box).is_ok() {})
        });
    });
    group.finish();
}

fn two_threads_async(c: &mut Criterion) {
    let mut group = c.benchmark_group("queues_spsc/two_threads_async");
    group.throughput(Throughput::Elements(1));
    group.bench_function("queues", |b| {
        b.iter_custom(|count| {
            let (mut producer, mut consumer) = spsc::channel::<Item>(CAPACITY);
            let push = move || {
                block_on(async {
                    for n in 0..count {
                        assert!(producer.push([n; 3]).await.is_ok());
                    }
                });
                drop(producer);
            };
            two_cores(push, || block_on(async { while consumer.pop().await.map(black_box).is_some() {} }))
        });
    });
    group.bench_function("tokio_mpsc", |b| {
        b.iter_custom(|count| {
            let (producer, mut consumer) = tokio::sync::mpsc::channel::<Item>(CAPACITY);
            let push = move || {
                block_on(async {
                    for n in 0..count {
                        assert!(producer.send([n; 3]).await.is_ok());
                    }
                });
                drop(producer);
            };
            two_cores(push, || block_on(async { while consumer.recv().await.map(black_box).is_some() {} }))
        });
    });
    group.finish();
}

fn round_trip_async(c: &mut Criterion) {
    let mut group = c.benchmark_group("queues_spsc/round_trip_async");
    group.bench_function("queues", |b| {
        b.iter_custom(|count| {
            let (mut there, mut arrived) = spsc::channel::<Item>(1);
            let (mut back, mut returned) = spsc::channel::<Item>(1);
            let echo = move || {
                block_on(async {
                    while let Some(item) = arrived.pop().await {
                        assert!(back.push(item).await.is_ok());
                    }
                });
            };
            two_cores(echo, || {
                block_on(async {
                    for n in 0..count {
                        assert!(there.push([n; 3]).await.is_ok());
                        black_box(returned.pop().await);
                    }
                });
                drop(there);
            })
        });
    });
    group.bench_function("tokio_mpsc", |b| {
        b.iter_custom(|count| {
            let (there, mut arrived) = tokio::sync::mpsc::channel::<Item>(1);
            let (back, mut returned) = tokio::sync::mpsc::channel::<Item>(1);
            let echo = move || {
                block_on(async {
                    while let Some(item) = arrived.recv().await {
                        assert!(back.send(item).await.is_ok());
                    }
                });
            };
            two_cores(echo, || {
                block_on(async {
                    for n in 0..count {
                        assert!(there.send([n; 3]).await.is_ok());
                        black_box(returned.recv().await);
                    }
                });
                drop(there);
            })
        });
    });
    group.finish();
}

/// Runs `other` and `own` at the same time on different cores (if there are two), and times it until both have ended.
fn two_cores(other: impl FnOnce() + Send + 'static, own: impl FnOnce()) -> Duration {
    pin(0);
    let barrier = Arc::new(Barrier::new(2));
    let other = thread::spawn({
        let barrier = Arc::clone(&barrier);
        move || {
            pin(1);
            barrier.wait();
            other();
        }
    });
    barrier.wait();
    let start = Instant::now();
    own();
    other.join().expect("the other thread does not panic");
    start.elapsed()
}

/// Where the core can't be had, the figures are noisier, that is all.
fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    let _elsewhere = rustix::thread::sched_setaffinity(None, &set);
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(future)
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = one_thread, two_threads_spin, two_threads_blocking, two_threads_async, round_trip_async
}
criterion_main!(benches);
