//! Free memory of a virtual machine, brought back from its host before somebody is measured.
//!
//! A guest that reports free pages (virtio-balloon) loses them to the host after seconds, and whoever touches one next waits for the host
//! to give it back, in the middle of what it does: most often while it copies into a socket. That came to a third of the cost of a
//! source's records, in some rounds and not in others.

use std::fs;
use std::hint::black_box;

/// What rounds touch anew at most: buffers of sockets on both ends, segments in the page cache.
const WARM_BYTES: usize = 3 << 30;

/// Touches free memory and gives it back to the kernel, which hands it out again first.
pub(crate) fn make_warm() {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(available) = available_bytes(&text) else { return };
    // What the page cache has is not to go for it.
    let bytes = WARM_BYTES.min(available / 4);
    drop(black_box(vec![1_u8; bytes]));
}

fn available_bytes(text: &str) -> Option<usize> {
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    kilobytes.trim().trim_end_matches(" kB").parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let text = "MemTotal:       24683520 kB\nMemFree:         6475776 kB\nMemAvailable:   11004928 kB\n";
        assert_eq!(available_bytes(text), Some(11_004_928 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB"), None);
    }
}
