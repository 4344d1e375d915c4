//! Byte buffers that come back: a fresh page costs as much as a loopback hop, so frames, decompressed payloads and
//! built batches all live in buffers from here. A buffer freezes into [`Bytes`] and returns to its pool when the last
//! clone or slice of them is dropped, on whichever thread that happens.
//!
//! Limits: buffers are kept by size class, a bounded number per class and a bounded number of bytes in all; what does
//! not fit is freed. The pool bounds what it *keeps*, not what is out: budgets for that belong to its users.
//!
//! The buffer that came back last goes out first: its bytes are still in the cache, where those of one that has waited for its turn
//! among dozens are not.
//!
//! State: `kept_bytes` is written by whoever puts or takes a buffer, relaxed, because it only steers how much is
//! kept and may be off by the buffers that are being moved at that moment.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::buf::UninitSlice;
use bytes::{BufMut, Bytes};

/// The smallest buffer that is worth keeping.
const CLASS_BYTES_MIN: usize = 4 * 1024;
/// Classes double: 4 KiB to 16 MiB.
const CLASS_COUNT: usize = 13;
/// Buffers kept per class.
const BUFFERS_PER_CLASS_MAX: usize = 64;
/// Bytes kept unless asked otherwise.
const KEPT_BYTES_MAX_DEFAULT: usize = 32 * 1024 * 1024;

/// A pool of byte buffers. Clones share it; it may be used from any thread.
#[derive(Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

impl BufferPool {
    /// A pool that keeps at most `kept_bytes_max` of idle buffers.
    pub fn new(kept_bytes_max: usize) -> Self {
        let classes = std::array::from_fn(|_| Mutex::default());
        BufferPool { shared: Arc::new(Shared { classes, kept_bytes: AtomicUsize::new(0), kept_bytes_max }) }
    }

    /// The pool that everything on this thread shares: a thousand tasks of one core keep what the few need that are busy at a time, and
    /// each gets a buffer that is still in the cache.
    pub fn of_thread() -> Self {
        thread_local! {
            static OF_THREAD: BufferPool = BufferPool::default();
        }
        // Gone when the thread ends.
        OF_THREAD.try_with(Clone::clone).unwrap_or_default()
    }

    /// An empty buffer with room for at least `capacity` bytes. Never blocks.
    pub fn get(&self, capacity: usize) -> PooledBuffer {
        let mut buffer = self.take(capacity);
        buffer.data.clear();
        buffer
    }

    /// A buffer of exactly `length` bytes whose contents are left over from its last use: for code that overwrites
    /// them and must not pay for zeroing.
    pub fn get_filled(&self, length: usize) -> PooledBuffer {
        let mut buffer = self.take(length);
        buffer.data.resize(length, 0);
        buffer
    }

    /// The bytes of idle buffers that the pool holds now.
    pub fn kept_bytes(&self) -> usize {
        self.shared.kept_bytes.load(Ordering::Relaxed)
    }

    fn take(&self, capacity: usize) -> PooledBuffer {
        let class = class_for_request(capacity);
        let kept = self.shared.classes.get(class).and_then(|idle| lock(idle).pop());
        let data = match kept {
            Some(data) => {
                self.shared.kept_bytes.fetch_sub(data.capacity(), Ordering::Relaxed);
                data
            }
            None if class < CLASS_COUNT => Vec::with_capacity(class_bytes(class)),
            None => Vec::with_capacity(capacity),
        };
        PooledBuffer { data, pool: self.clone() }
    }
}

impl Default for BufferPool {
    fn default() -> Self {
        BufferPool::new(KEPT_BYTES_MAX_DEFAULT)
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("kept_bytes", &self.kept_bytes())
            .field("kept_bytes_max", &self.shared.kept_bytes_max)
            .finish()
    }
}

/// A buffer from a [`BufferPool`]: a `Vec<u8>` that goes back when dropped.
pub struct PooledBuffer {
    data: Vec<u8>,
    pool: BufferPool,
}

impl PooledBuffer {
    /// Makes the buffer immutable and shareable; its memory returns to the pool with the last clone.
    pub fn freeze(self) -> Bytes {
        if self.data.is_empty() { Bytes::new() } else { Bytes::from_owner(self) }
    }
}

impl Deref for PooledBuffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.data
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

// SAFETY: every method passes to `Vec<u8>`, whose implementation upholds the contract of the trait.
unsafe impl BufMut for PooledBuffer {
    fn remaining_mut(&self) -> usize {
        self.data.remaining_mut()
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        // SAFETY: the caller upholds the contract of `advance_mut`: `count` bytes were initialised.
        unsafe { self.data.advance_mut(count) }
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.data.chunk_mut()
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.shared.keep(std::mem::take(&mut self.data));
    }
}

impl fmt::Debug for PooledBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuffer")
            .field("length", &self.data.len())
            .field("capacity", &self.data.capacity())
            .finish()
    }
}

struct Shared {
    /// Idle buffers, the one that came back last at the end.
    classes: [Mutex<Vec<Vec<u8>>>; CLASS_COUNT],
    kept_bytes: AtomicUsize,
    kept_bytes_max: usize,
}

impl Shared {
    fn keep(&self, data: Vec<u8>) {
        let capacity = data.capacity();
        let Some(class) = class_for_return(capacity) else { return };
        let kept_before = self.kept_bytes.fetch_add(capacity, Ordering::Relaxed);
        let mut idle = lock(&self.classes[class]);
        if kept_before + capacity <= self.kept_bytes_max && idle.len() < BUFFERS_PER_CLASS_MAX {
            idle.push(data);
        } else {
            // Freeing it may take a while.
            drop(idle);
            self.kept_bytes.fetch_sub(capacity, Ordering::Relaxed);
        }
    }
}

/// Held for a push or a pop of three words.
fn lock(idle: &Mutex<Vec<Vec<u8>>>) -> MutexGuard<'_, Vec<Vec<u8>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn class_bytes(class: usize) -> usize {
    CLASS_BYTES_MIN << class
}

/// The smallest class whose buffers hold `capacity`; `CLASS_COUNT` or more if none does.
fn class_for_request(capacity: usize) -> usize {
    let units = capacity.div_ceil(CLASS_BYTES_MIN).max(1);
    units.checked_next_power_of_two().map_or(CLASS_COUNT, |units| units.trailing_zeros() as usize)
}

/// The largest class that a buffer of `capacity` can serve; `None` if it is too small or too large to keep.
fn class_for_return(capacity: usize) -> Option<usize> {
    let class = (capacity / CLASS_BYTES_MIN).checked_ilog2()? as usize;
    (class < CLASS_COUNT).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_returns_with_the_last_slice() {
        let pool = BufferPool::default();
        let mut buffer = pool.get(10_000);
        buffer.extend_from_slice(b"hello world");
        let address = buffer.as_ptr();
        let bytes = buffer.freeze();
        let slice = bytes.slice(6..);
        drop(bytes);
        assert_eq!(pool.kept_bytes(), 0);
        assert_eq!(&slice[..], b"world");
        drop(slice);
        assert_eq!(pool.kept_bytes(), 16 * 1024);
        let again = pool.get(16 * 1024);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        assert_eq!(pool.kept_bytes(), 0);
    }

    #[test]
    fn a_thread_has_one_pool_which_takes_back_what_another_thread_drops() {
        let mut buffer = BufferPool::of_thread().get(10_000);
        buffer.extend_from_slice(b"hello");
        let (address, bytes) = (buffer.as_ptr() as usize, buffer.freeze());
        let of_other = std::thread::spawn(move || {
            drop(bytes);
            BufferPool::of_thread().kept_bytes()
        });
        assert_eq!(of_other.join().unwrap(), 0);
        assert_eq!(BufferPool::of_thread().get(10_000).as_ptr() as usize, address);
    }

    #[test]
    fn the_buffer_that_came_back_last_goes_out_first() {
        let pool = BufferPool::default();
        let buffers: Vec<_> = (0..5).map(|_| pool.get(10_000)).collect();
        let last = buffers[4].as_ptr();
        drop(buffers);
        for _ in 0..2 {
            assert_eq!(pool.get(10_000).as_ptr(), last);
        }
    }

    #[test]
    fn every_class_serves_what_it_is_asked_for() {
        for capacity in [0, 1, 4095, 4096, 4097, 100_000, 1 << 20, (1 << 20) + 1, 16 << 20, 40 << 20] {
            let pool = BufferPool::new(1 << 30);
            drop(pool.get(capacity));
            assert!(pool.get(capacity).capacity() >= capacity, "{capacity}");
            assert_eq!(pool.get_filled(capacity).len(), capacity);
        }
    }

    #[test]
    fn keeps_no_more_than_asked() {
        let pool = BufferPool::new(100_000);
        let buffers: Vec<_> = (0..100).map(|_| pool.get(4096)).collect();
        drop(buffers);
        assert!(pool.kept_bytes() <= 100_000, "{}", pool.kept_bytes());
        let pool = BufferPool::default();
        drop((0..1000).map(|_| pool.get(1)).collect::<Vec<_>>());
        assert_eq!(pool.kept_bytes(), 4096 * BUFFERS_PER_CLASS_MAX);
        drop(pool.get(64 << 20));
        assert_eq!(pool.kept_bytes(), 4096 * BUFFERS_PER_CLASS_MAX);
    }

    #[test]
    fn grown_buffers_go_to_the_class_that_they_can_serve() {
        let pool = BufferPool::default();
        let mut buffer = pool.get(1);
        buffer.reserve_exact(100_000);
        drop(buffer);
        assert!(pool.get(65_536).capacity() >= 100_000);
    }
}
