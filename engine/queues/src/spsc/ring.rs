//! The memory that both ends share: slots, positions, flags, wakers. Knows nothing of waiting.

use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use super::{Consumer, Producer};
use crate::AtomicWaker;
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell};

/// A channel that holds at most `capacity` items (at least one).
///
/// # Panics
///
/// When `capacity` rounded up to a power of two items does not fit into memory.
pub fn channel<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let ring = Arc::new(Ring::new(capacity));
    (Producer::new(Arc::clone(&ring)), Consumer::new(ring))
}

pub(super) struct Ring<T> {
    /// Position after the last item; the producer's to write.
    pub(super) tail: CachePadded<AtomicUsize>,
    /// Position of the first item; the consumer's to write.
    pub(super) head: CachePadded<AtomicUsize>,
    pub(super) consumer_waker: CachePadded<AtomicWaker>,
    pub(super) producer_waker: CachePadded<AtomicWaker>,
    pub(super) producer_gone: AtomicBool,
    pub(super) consumer_gone: AtomicBool,
    pub(super) capacity: usize,
    mask: usize,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is touched only by the end that owns its position, see the module's table; items move between threads, hence `T: Send`.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above. No `&T` is ever given out, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let slot_count = capacity.checked_next_power_of_two().expect("the capacity fits into memory");
        Self {
            tail: CachePadded::new(AtomicUsize::new(0)),
            head: CachePadded::new(AtomicUsize::new(0)),
            consumer_waker: CachePadded::new(AtomicWaker::new()),
            producer_waker: CachePadded::new(AtomicWaker::new()),
            producer_gone: AtomicBool::new(false),
            consumer_gone: AtomicBool::new(false),
            capacity,
            mask: slot_count - 1,
            slots: (0..slot_count).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
        }
    }

    /// Writes the slot at `position`.
    ///
    /// # Safety
    ///
    /// The caller is the producer, `position` is its `tail`, and it has seen `head > position - capacity`.
    #[inline]
    pub(super) unsafe fn write(&self, position: usize, item: T) {
        self.slots[position & self.mask].with_mut(|slot| {
            // SAFETY: the slot is outside `head..tail`, so the producer has it alone and it holds no item.
            let slot = unsafe { &mut *slot };
            slot.write(item);
        });
    }

    /// Moves the item at `position` out of its slot.
    ///
    /// # Safety
    ///
    /// The caller is the consumer (or has the ring alone), `position` is its `head`, and it has seen `tail > position`. It
    /// must advance `head` so that the item is not read twice.
    #[inline]
    pub(super) unsafe fn read(&self, position: usize) -> T {
        self.slots[position & self.mask].with_mut(|slot| {
            // SAFETY: the slot is inside `head..tail`, so the consumer has it alone.
            let slot = unsafe { &*slot };
            // SAFETY: and it holds an item, which `head` moving on makes the caller's.
            unsafe { slot.assume_init_read() }
        })
    }

    /// How many items are in the ring, as far as the calling thread can see.
    pub(super) fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        // Loaded second, so that it is not behind `head`. The producer may have gone on since, hence the limit.
        self.tail.load(Ordering::Acquire).wrapping_sub(head).min(self.capacity)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let mut head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        while head != tail {
            // SAFETY: both ends are gone, and `head..tail` holds items. A destructor that panics leaks the rest, it does not drop twice.
            drop(unsafe { self.read(head) });
            head = head.wrapping_add(1);
        }
    }
}
