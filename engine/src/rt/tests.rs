//! Tests of executors on real threads: what a task may do, its executor and the others survive.

use std::cell::Cell;
use std::future::pending;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as sync_mpsc;
use std::time::Duration;

use protocol::net::{LocalBoxFuture, Spawn};
use queues::spsc;
use tokio::sync::oneshot;

use super::*;

/// Far longer than anything here takes, so that only a failure ever waits for it.
const LONG: Duration = Duration::from_secs(30);

fn executor(name: &str) -> Executor {
    Executor::start(name, None).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, future).await.expect("ends") })
}

fn deadline(after: Duration) -> clock::Instant {
    clock::now() + after
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn tasks_need_not_be_send() {
    let executor = executor("local");
    let task = executor.handle().spawn(|| async {
        let shared = Rc::new(Cell::new(1));
        let other = Rc::clone(&shared);
        tokio::task::spawn_local(async move { other.set(2) }).await.unwrap();
        shared.get()
    });
    assert_eq!(block_on(task), Ok(2));
}

#[test]
fn a_panic_ends_its_task_alone() {
    let executor = executor("panics");
    let drops = Arc::new(AtomicUsize::new(0));
    let guard = OnDrop(Arc::clone(&drops));
    let bystander = executor.handle().spawn({
        let stopping = executor.handle().stopping();
        move || stopping
    });
    let polled = executor.handle().spawn(move || async move {
        let _guard = guard;
        tokio::task::yield_now().await;
        panic!("task number {}", 1);
    });
    assert_eq!(block_on(polled), Err::<(), _>(TaskError::Panicked { message: "task number 1".to_owned() }));
    assert_eq!(drops.load(Ordering::SeqCst), 1, "what the task owned is gone when its end is known");
    let made = executor.handle().spawn(|| -> std::future::Ready<()> { panic!("when made") });
    assert_eq!(block_on(made), Err(TaskError::Panicked { message: "when made".to_owned() }));
    assert_eq!(executor.handle().task_count(), 1);
    assert_eq!(executor.shutdown(deadline(LONG)), Ending::Idle);
    assert_eq!(block_on(bystander), Ok(()));
}

#[test]
fn the_seam_of_the_client_survives_a_panic() {
    let executor = executor("seam");
    let control: Arc<dyn Spawn> = Arc::new(executor.handle().clone());
    control
        .spawn(Box::new(|| -> LocalBoxFuture<'static, ()> { Box::pin(async { panic!("in a heartbeat") }) }));
    let (sender, receiver) = oneshot::channel();
    control.spawn(Box::new(|| -> LocalBoxFuture<'static, ()> {
        Box::pin(async {
            sender.send(7).unwrap();
        })
    }));
    assert_eq!(block_on(receiver), Ok(7));
}

#[test]
fn abort_drops_a_waiting_task() {
    let executor = executor("abort");
    let drops = Arc::new(AtomicUsize::new(0));
    let guard = OnDrop(Arc::clone(&drops));
    let (started, start) = oneshot::channel();
    let task = executor.handle().spawn(move || async move {
        let _guard = guard;
        started.send(()).unwrap();
        pending::<()>().await;
    });
    block_on(start).unwrap();
    task.abort_handle().abort();
    assert_eq!(block_on(task), Err(TaskError::Cancelled));
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(executor.shutdown(deadline(LONG)), Ending::Idle);
}

#[test]
fn abort_before_the_start_is_not_lost() {
    let executor = executor("abort-early");
    let (release, wait) = sync_mpsc::channel::<()>();
    let hog = executor.handle().spawn(move || async move { wait.recv().unwrap() });
    let task = executor.handle().spawn(|| async { unreachable!("aborted before its executor came to it") });
    task.abort();
    release.send(()).unwrap();
    block_on(hog).unwrap();
    assert_eq!(block_on(task), Err::<(), _>(TaskError::Cancelled));
}

#[test]
fn an_executor_is_pinned_and_the_threads_it_starts_are_not() {
    let cores = cpu::allowed_cores();
    let core = *cores.last().unwrap();
    let executor = Executor::start("pinned", Some(core)).unwrap();
    let affinity = || {
        let set = rustix::thread::sched_getaffinity(None).unwrap();
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect::<Vec<_>>()
    };
    let (own, blocking) = block_on(executor.handle().spawn(move || async move {
        let (sender, receiver) = oneshot::channel();
        let _thread = blocking::run("inherits", move || sender.send(affinity()).unwrap()).unwrap();
        (affinity(), receiver.await.unwrap())
    }))
    .unwrap();
    assert_eq!(own, [core]);
    assert_eq!(blocking, cores);
}

#[test]
fn a_core_that_is_not_there_is_no_failure() {
    let executor = Executor::start("nowhere", Some(usize::MAX)).unwrap();
    assert_eq!(block_on(executor.handle().spawn(|| async { 1 })), Ok(1));
}

#[test]
fn shutdown_waits_for_tasks_that_end() {
    let executor = executor("graceful");
    let (done, is_done) = sync_mpsc::channel();
    let stopping = executor.handle().stopping();
    let handle = executor.handle().clone();
    drop(executor.handle().spawn(move || async move {
        stopping.await;
        // A last commit may itself start a task.
        handle.spawn(move || async move { done.send(()).unwrap() }).await.unwrap();
    }));
    assert_eq!(executor.shutdown(deadline(LONG)), Ending::Idle);
    assert_eq!(is_done.try_recv(), Ok(()));
}

#[test]
fn shutdown_drops_tasks_at_the_deadline() {
    let executor = executor("deadline");
    let drops = Arc::new(AtomicUsize::new(0));
    let handle = executor.handle().clone();
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let guard = OnDrop(Arc::clone(&drops));
            handle.spawn(move || async move {
                let _guard = guard;
                pending::<()>().await;
            })
        })
        .collect();
    assert_eq!(executor.shutdown(deadline(Duration::from_millis(20))), Ending::Dropped(2));
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    for task in tasks {
        assert_eq!(block_on(task), Err(TaskError::Cancelled));
    }
    assert_eq!(block_on(handle.spawn(|| async {})), Err(TaskError::Cancelled), "nothing starts any more");
}

#[test]
fn shutdown_leaves_a_hung_thread_behind() {
    let executor = executor("hangs");
    let (release, wait) = sync_mpsc::channel::<()>();
    let (begin, begun) = sync_mpsc::channel::<()>();
    let hog = executor.handle().spawn(move || async move {
        begin.send(()).unwrap();
        wait.recv().is_ok()
    });
    // A task that has not begun would be dropped instead.
    begun.recv().unwrap();
    assert_eq!(executor.shutdown(deadline(Duration::ZERO)), Ending::Hung);
    release.send(()).unwrap();
    assert_eq!(block_on(hog), Ok(true));
}

#[test]
fn a_hung_data_core_delays_neither_control_nor_its_neighbour() {
    let config = ExecutorsConfig { data_core_count: NonZeroUsize::new(2), ..ExecutorsConfig::default() };
    let executors = Executors::start(&config).unwrap();
    let (release, wait) = sync_mpsc::channel::<()>();
    let hung = executors.place();
    let hog = hung.spawn(move || async move { wait.recv().unwrap() });
    let neighbour = executors.place();
    assert_ne!(hung.name(), neighbour.name());
    assert_eq!(block_on(neighbour.spawn(|| async { 1 })), Ok(1));
    assert_eq!(block_on(executors.control().spawn(|| async { 2 })), Ok(2));
    release.send(()).unwrap();
    block_on(hog).unwrap();
    let endings = executors.shutdown(LONG);
    let expected = ["data-0", "data-1", "control"].map(|name| (name.to_owned(), Ending::Idle));
    assert_eq!(endings, expected);
    assert_eq!(executors.shutdown(LONG), []);
}

#[test]
fn a_core_that_hangs_is_left_to_whom_it_hangs_in() {
    let config = ExecutorsConfig {
        data_core_count: NonZeroUsize::new(1),
        hang_limit: Duration::from_millis(20),
        ..ExecutorsConfig::default()
    };
    let executors = Executors::start(&config).unwrap();
    let (release, wait) = sync_mpsc::channel::<()>();
    let core = executors.place();
    let neighbour = core.spawn(pending::<()>);
    let (mut hog_watch, mut neighbour_watch) = {
        let hog = core.spawn(move || async move { wait.recv().unwrap() });
        (hog.hang_watch(), neighbour.hang_watch())
    };
    assert_eq!(block_on(hog_watch.hangs()), Hang::Itself);
    assert_eq!(block_on(neighbour_watch.hangs()), Hang::Neighbour);
    assert!(core.hangs());
    // The thread in its place is started by the same look that found the hang, or by the next one.
    let limit = clock::now() + LONG;
    while executors.place().name() == core.name() {
        assert!(clock::now() < limit, "nothing takes the place of the core");
        std::thread::yield_now();
    }
    assert_eq!(block_on(executors.place().spawn(|| async { 1 })), Ok(1));
    release.send(()).unwrap();
    block_on(hog_watch.recovers());
    assert!(!core.hangs());
    neighbour.abort();
    assert_eq!(block_on(neighbour), Err(TaskError::Cancelled));
    let names: Vec<_> = executors.shutdown(LONG).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["data-0", "data-1", "control"]);
}

#[test]
fn busy_time_is_seen_from_outside_while_a_task_hogs_the_thread() {
    let executor = executor("busy");
    let (release, wait) = sync_mpsc::channel::<()>();
    let hog = executor.handle().spawn(move || async move { while wait.try_recv().is_err() {} });
    let before = executor.handle().busy();
    let limit = clock::now() + LONG;
    while executor.handle().busy() < before + Duration::from_millis(20) {
        assert!(clock::now() < limit, "busy time does not grow");
        std::thread::yield_now();
    }
    release.send(()).unwrap();
    block_on(hog).unwrap();
}

#[test]
fn batches_cross_executors_through_a_queue() {
    let (from, to) = (executor("from"), executor("to"));
    let (mut producer, mut consumer) = spsc::channel(2);
    let sending = from.handle().spawn(move || async move {
        for batch in 0..10_000 {
            producer.push(vec![batch]).await.unwrap();
        }
    });
    let receiving = to.handle().spawn(move || async move {
        let mut expected = 0;
        while let Some(batch) = consumer.pop().await {
            assert_eq!(batch, [expected]);
            expected += 1;
        }
        expected
    });
    assert_eq!(block_on(sending), Ok(()));
    assert_eq!(block_on(receiving), Ok(10_000));
}

#[test]
fn a_blocking_source_feeds_a_blocking_sink_through_a_task() {
    let executor = executor("between");
    let total = block_on(executor.handle().spawn(|| async {
        let (_source, mut numbers) = blocking::source("numbers", 2, |mut out| {
            for n in 0..1_000_u32 {
                out.push_blocking(n).unwrap();
            }
        })
        .unwrap();
        let (report, total) = oneshot::channel();
        let (mut sink, mut out) = blocking::sink("total", 2, move |mut numbers| {
            let mut total = 0;
            while let Some(n) = numbers.pop_blocking() {
                total += n;
            }
            report.send(total).unwrap();
        })
        .unwrap();
        while let Some(n) = numbers.pop().await {
            out.push(n).await.unwrap();
        }
        drop(out);
        assert_eq!(sink.ended().await, Ok(()));
        total.await.unwrap()
    }));
    assert_eq!(total, Ok(499_500));
}

#[test]
fn a_service_answers_in_order_even_after_a_cancelled_call() {
    let (asked, was_asked) = sync_mpsc::channel();
    let (release, wait) = sync_mpsc::channel();
    let mut service = blocking::Service::start("square", move || {
        move |n: u32| {
            asked.send(n).unwrap();
            if n == 4 {
                wait.recv().unwrap();
            }
            assert!(n < 100, "{n} is too much");
            n * n
        }
    })
    .unwrap();
    block_on(async {
        assert_eq!(service.call(3).await, Ok(9));
        // Dropped right after its first poll, which sends the request.
        assert!(futures_util::poll!(std::pin::pin!(service.call(4))).is_pending());
        release.send(()).unwrap();
        assert_eq!(service.call(5).await, Ok(25));
        let panicked = Err(TaskError::Panicked { message: "200 is too much".to_owned() });
        assert_eq!(service.call(200).await, panicked);
        assert_eq!(service.call(1).await, panicked);
    });
    assert_eq!(was_asked.try_iter().collect::<Vec<_>>(), [3, 4, 5, 200]);
}

#[test]
fn thread_cpu_time_counts_work() {
    let before = clock::thread_cpu();
    let limit = clock::now() + LONG;
    while clock::thread_cpu() == before {
        assert!(clock::now() < limit, "CPU time does not grow");
    }
}

/// Goal: without threads, time is the runtime's alone, and what a worker starts goes with its `LocalSet`.
#[test]
fn executors_without_threads_share_the_caller_s_thread_and_its_virtual_time() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let own = std::thread::current().id();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let executors = Executors::here(NonZeroUsize::MIN);
        assert!(!executors.has_threads());
        let task = executors.place().spawn(move || async move {
            // The clock is paused: this sleep takes no time.
            tokio::time::sleep(Duration::from_hours(1)).await;
            std::thread::current().id()
        });
        assert_eq!(task.await, Ok(own));
        let endless = executors.control().spawn(pending::<()>);
        tokio::task::yield_now().await;
        let endings = executors.shutdown(Duration::ZERO);
        assert_eq!(
            endings,
            [("data-0".to_owned(), Ending::Idle), ("control".to_owned(), Ending::Dropped(1))]
        );
        drop(endless);
    });
}
