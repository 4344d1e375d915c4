//! A place where a worker runs: its `LocalSet` is polled, not polled (the process is suspended), or dropped (it is killed).

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use engine::rt::Executors;
use protocol::net::Env;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use worker::config::{Plugins, WorkerConfig};
use worker::{Surroundings, Worker};

use crate::chance::Seeded;
use crate::clock::{self, WallClock};
use crate::log;
use crate::network::{Network, Peer, as_worker};

/// How long a supervisor waits before it starts a worker that could not start again.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing.
    Down,
    /// Its worker runs, or starts.
    Up,
    /// Its worker exists, but gets no time.
    Suspended,
    /// Its worker was told to stop.
    Stopping,
}

/// A host. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Host(Rc<Inner>);

struct Inner {
    number: usize,
    seed: Cell<u64>,
    network: Network,
    clock: Arc<WallClock>,
    options: Box<dyn Fn() -> (WorkerConfig, Plugins)>,
    process: RefCell<Option<LocalSet>>,
    doing: Cell<Doing>,
    /// Counts processes: what was begun for one is nothing to the next.
    process_number: Cell<u64>,
    waker: Cell<Option<Waker>>,
    stop: RefCell<Option<oneshot::Sender<()>>>,
    /// When it last got its time back.
    resumed: Cell<Duration>,
}

impl Host {
    /// A host whose worker does not run yet. Within the world's `LocalSet`.
    pub(crate) fn new(
        number: usize,
        seed: u64,
        network: Network,
        options: impl Fn() -> (WorkerConfig, Plugins) + 'static,
    ) -> Host {
        let host = Host(Rc::new(Inner {
            number,
            seed: Cell::new(seed),
            network,
            clock: Arc::default(),
            options: Box::new(options),
            process: RefCell::default(),
            doing: Cell::new(Doing::Down),
            process_number: Cell::new(0),
            waker: Cell::new(None),
            stop: RefCell::default(),
            resumed: Cell::default(),
        }));
        tokio::task::spawn_local(Gate(host.clone()));
        host
    }

    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    pub(crate) fn doing(&self) -> Doing {
        self.0.doing.get()
    }

    /// Its wall clock.
    pub(crate) fn clock(&self) -> &WallClock {
        &self.0.clock
    }

    /// When its worker was last resumed.
    pub(crate) fn resumed(&self) -> Duration {
        self.0.resumed.get()
    }

    /// Starts a worker.
    pub(crate) fn start(&self) {
        let inner = &self.0;
        let (config, plugins) = (inner.options)();
        let (door, rest) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        inner.process_number.set(inner.process_number.get() + 1);
        inner.seed.set(inner.seed.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        inner.network.set_door(inner.number, Some(door));
        inner.stop.replace(Some(stop));
        let process = LocalSet::new();
        let (host, number) = (self.clone(), inner.process_number.get());
        process.spawn_local(async move {
            let peer = Peer::Worker(host.number());
            let executors = Executors::here(NonZeroUsize::MIN);
            let env = Env {
                dialer: host.0.network.dialer(peer),
                clock: Arc::clone(&host.0.clock) as _,
                random: Arc::new(Seeded::new(host.0.seed.get())),
                control: Arc::new(executors.control().clone()),
            };
            let surroundings = Surroundings { executors, env, peers: host.0.network.dialer(peer) };
            match Worker::start_within(config, plugins, surroundings, rest).await {
                Ok(worker) => {
                    worker.set_ready();
                    log::event(format_args!("w{} is up", host.number()));
                    let _host_gone = stopped.await;
                    worker.stop().await;
                    host.ends(number, None);
                }
                Err(error) => {
                    log::event(format_args!("w{} did not start: {error}", host.number()));
                    host.ends(number, Some(RESTART_PAUSE));
                }
            }
        });
        inner.process.replace(Some(process));
        inner.doing.set(Doing::Up);
        self.wake();
    }

    /// The process has ended by itself; it is taken away by a task of the world's, since it cannot drop itself.
    fn ends(&self, process_number: u64, restart_after: Option<Duration>) {
        self.0.network.set_door(self.number(), None);
        let host = self.clone();
        let end = async move {
            if host.0.process_number.get() != process_number {
                return;
            }
            host.drop_process();
            log::event(format_args!("w{} has ended", host.number()));
            if let Some(pause) = restart_after {
                tokio::time::sleep(pause).await;
                if host.0.process_number.get() == process_number && host.doing() == Doing::Down {
                    host.start();
                }
            }
        };
        ENDINGS.with_borrow(|endings| {
            if let Some(endings) = endings {
                let _world_over = endings.send(Box::pin(end));
            }
        });
    }

    /// SIGKILL: nobody says goodbye.
    pub(crate) fn kill(&self) {
        self.drop_process();
    }

    /// SIGTERM.
    pub(crate) fn stop(&self) {
        if let Some(stop) = self.0.stop.take() {
            let _gone = stop.send(());
            self.0.doing.set(Doing::Stopping);
        }
    }

    /// SIGSTOP.
    pub(crate) fn suspend(&self) {
        if self.doing() == Doing::Up {
            self.0.doing.set(Doing::Suspended);
        }
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        if self.doing() == Doing::Suspended {
            self.0.doing.set(Doing::Up);
            self.0.resumed.set(clock::elapsed());
            self.wake();
        }
    }

    fn drop_process(&self) {
        self.0.network.set_door(self.number(), None);
        self.0.doing.set(Doing::Down);
        self.0.stop.take();
        let process = self.0.process.take();
        as_worker(self.number(), || drop(process));
    }

    fn wake(&self) {
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

type Ending = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static ENDINGS: RefCell<Option<mpsc::UnboundedSender<Ending>>> = const { RefCell::new(None) };
}

/// Takes away processes that have ended. Within the world's `LocalSet`, before any host starts.
pub(crate) fn take_away_the_ended() {
    let (sender, mut endings) = mpsc::unbounded_channel::<Ending>();
    ENDINGS.set(Some(sender));
    tokio::task::spawn_local(async move {
        while let Some(ending) = endings.recv().await {
            tokio::task::spawn_local(ending);
        }
    });
}

/// Gives a host's process its time.
struct Gate(Host);

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let inner = &self.0.0;
        inner.waker.set(Some(context.waker().clone()));
        if inner.doing.get() != Doing::Suspended
            && let Some(process) = &mut *inner.process.borrow_mut()
        {
            // Its end comes through `ends`.
            let _running = as_worker(inner.number, || Pin::new(process).poll(context));
        }
        Poll::Pending
    }
}
