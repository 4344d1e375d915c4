//! Chance under a seed: the generators that the world draws from, and the operating system's, which is replaced in this program.
//!
//! `HashMap` and tokio's `select!` take their seeds from `RandomState`, which asks `getrandom`. The standard library looks the symbol up
//! weakly so that a program may put its own in place; this one does. Nothing else links this crate, so no other program has it.

use std::ffi::{c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use protocol::net::Random;

/// Where the replaced `getrandom` is in its sequence.
static STATE: AtomicU64 = AtomicU64::new(0x9E37_79B9_7F4A_7C15);

/// Begins the sequence of everything in this process that is random but has no generator of its own. Threads that have asked before keep
/// what they got, so a world is simulated on a thread that begins after this.
pub(crate) fn seed_process(seed: u64) {
    STATE.store(mix(seed), Ordering::Relaxed);
}

/// SplitMix64.
fn mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Fills with the process's sequence, in the place of libc's function of this name.
///
/// # Safety
/// `buffer` holds `length` writable bytes, as callers of `getrandom(2)` promise.
// SAFETY: the only definition of this symbol in the program; std and libc expect exactly this signature.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    let start = buffer.cast::<u8>();
    for index in 0..length {
        let next = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        // SAFETY: below `length`, so within the caller's buffer.
        let place = unsafe { start.add(index) };
        // SAFETY: the caller's buffer is writable.
        unsafe { place.write(mix(next) as u8) };
    }
    length as isize
}

/// A generator that clients may draw from.
#[derive(Debug)]
pub(crate) struct Seeded(Mutex<fastrand::Rng>);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Seeded {
        Seeded(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for Seeded {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }
}
