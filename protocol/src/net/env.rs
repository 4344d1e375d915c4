//! The seam between the client and the world: how to dial, what time it is, chance, and where control futures run.
//!
//! Everything above takes an [`Env`]; nothing above opens a socket, reads a wall clock or draws a random number by itself. Timers
//! are `tokio::time` throughout, so a paused tokio clock is virtual time for a simulator. TLS slots in behind [`Stream`].

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

use super::TcpDialer;

/// A future that stays on the thread it was made on.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What [`Dialer::dial`] gives back.
pub type DialFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// A byte stream to a broker: a TCP socket, a TLS session over one, or half of an in-process pipe.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Whoever waits to read is not to be woken before so many bytes are there, or the end; where they are there already, at once. It saves
    /// wake-ups, and may be ignored.
    fn set_low_water(&self, _bytes: usize) {}
}

impl Stream for DuplexStream {}

/// How large the buffers of a socket are; the operating system decides where it is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketBuffers {
    /// `send.buffer.bytes`.
    pub send_bytes: Option<u32>,
    /// `receive.buffer.bytes`.
    pub receive_bytes: Option<u32>,
}

/// Opens byte streams to brokers.
pub trait Dialer: Send + Sync {
    /// Starts to connect to `host:port`. The caller bounds the time that it takes. What is no socket needs no `buffers`.
    fn dial(&self, host: &str, port: u16, buffers: SocketBuffers) -> DialFuture;
}

/// The wall clock, for record timestamps and for nothing that measures a duration.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

/// Chance: jitter, the order of bootstrap servers, sticky partitions.
pub trait Random: Send + Sync {
    /// The next 64 uniformly distributed bits.
    fn next_u64(&self) -> u64;
}

/// Makes a future on the thread that is to run it; only the maker has to be `Send`.
pub type MakeFuture = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Where control futures (group membership, heartbeats) run: on a thread that data work can never delay.
pub trait Spawn: Send + Sync {
    /// Runs what `make` makes until it ends.
    fn spawn(&self, make: MakeFuture);
}

/// The client's world. Cheap to clone and may cross threads; what is built from it may not.
#[derive(Clone)]
pub struct Env {
    /// Opens connections.
    pub dialer: Arc<dyn Dialer>,
    /// Tells the wall clock time.
    pub clock: Arc<dyn Clock>,
    /// Gives random numbers.
    pub random: Arc<dyn Random>,
    /// Runs control futures.
    pub control: Arc<dyn Spawn>,
}

impl Env {
    /// The real world: TCP, the system clock, the thread's random generator, control futures on the current `LocalSet`.
    pub fn real() -> Self {
        Self::with_dialer(Arc::new(TcpDialer::default()))
    }

    /// The real world but for `dialer`.
    pub fn with_dialer(dialer: Arc<dyn Dialer>) -> Self {
        Self {
            dialer,
            clock: Arc::new(SystemClock),
            random: Arc::new(ThreadRandom),
            control: Arc::new(SpawnHere),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A uniformly distributed number below `bound`; 0 when `bound` is 0.
    pub fn random_below(&self, bound: usize) -> usize {
        // The upper half of a 64 × 64 bit product maps the draw onto the range without a division; the bias is below 2^-32.
        ((u128::from(self.random.next_u64()) * bound as u128) >> 64) as usize
    }

    /// `base` lengthened or shortened by up to `percent` of itself, so that clients that failed together do not retry together.
    pub fn jittered(&self, base: Duration, percent: u32) -> Duration {
        let spread_us = (base.as_micros() as u64).saturating_mul(u64::from(percent)) / 100;
        let draw_us = self.random_below((spread_us as usize).saturating_mul(2).saturating_add(1)) as u64;
        (base + Duration::from_micros(draw_us)).saturating_sub(Duration::from_micros(spread_us))
    }

    /// Puts `items` into random order.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.random_below(last + 1));
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

/// The operating system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        // A clock set before 1970 gives 0 and not a panic; brokers reject such timestamps with a message of their own.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}

/// The calling thread's random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadRandom;

impl Random for ThreadRandom {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// Runs control futures on the `LocalSet` of the caller: right for tools and tests, not for a worker whose data tasks are busy.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpawnHere;

impl Spawn for SpawnHere {
    fn spawn(&self, make: MakeFuture) {
        tokio::task::spawn_local(make());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_share() {
        let env = Env::real();
        let base = Duration::from_millis(100);
        let drawn: Vec<_> = (0..1_000).map(|_| env.jittered(base, 20)).collect();
        assert!(drawn.iter().all(|d| (80..=120).contains(&d.as_millis())), "{drawn:?}");
        assert!(drawn.iter().any(|d| d.as_millis() < 90) && drawn.iter().any(|d| d.as_millis() > 110));
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Env::real().shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
