//! One measured quantity over Java's windows, written by its task without a lock and read by any thread.
//!
//! The arithmetic is that of Java's `SampledStat` and `Rate` (and of `protocol::metrics`, whose clients live on the reader's
//! thread): a sample collects for `metrics.sample.window.ms`, one more than `metrics.num.samples` are kept, and those count whose
//! last event lies within the windows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::metrics::MetricsConfig;

use super::version::Version;
use crate::rt::clock::{self, Instant};

/// A sum, maximum and minimum per window. One writer at a time; see the module documentation.
#[derive(Debug)]
pub struct Windowed {
    base: Instant,
    window_ns: u64,
    version: Version,
    current: AtomicU64,
    sum: AtomicU64,
    /// A ring of one more sample than windows count.
    samples: Box<[Sample]>,
}

/// Floats are kept as their bits. `start` is [`UNUSED`] before the first event.
#[derive(Debug)]
struct Sample {
    start: AtomicU64,
    last: AtomicU64,
    sum: AtomicU64,
    count: AtomicU64,
    max: AtomicU64,
    min: AtomicU64,
}

const UNUSED: u64 = u64::MAX;

/// What the windows held at one moment. An average, maximum or minimum of nothing is NaN, a rate of nothing 0.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The sum of all values since ever.
    pub total: f64,
    /// Events in the windows.
    pub count: u64,
    /// The largest value in the windows.
    pub max: f64,
    /// The smallest value in the windows.
    pub min: f64,
    sum: f64,
    elapsed: Duration,
}

impl Reading {
    /// The mean value of an event.
    pub fn avg(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.sum / self.count as f64 }
    }

    /// What the values add up to per second.
    pub fn rate(&self) -> f64 {
        self.sum / self.elapsed.as_secs_f64()
    }
}

impl Windowed {
    /// Empty windows.
    pub fn new(config: MetricsConfig) -> Windowed {
        let sample = |_| Sample {
            start: AtomicU64::new(UNUSED),
            last: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            count: AtomicU64::new(0),
            max: AtomicU64::new(0),
            min: AtomicU64::new(0),
        };
        Windowed {
            base: clock::now(),
            window_ns: config.sample_window_ms.max(1).saturating_mul(1_000_000),
            version: Version::default(),
            current: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            samples: (0..=config.sample_count.clamp(1, SAMPLES_MAX)).map(sample).collect(),
        }
    }

    /// Takes in one event. Only ever called by one thread at a time: the task's.
    pub fn record(&self, value: f64, now: Instant) {
        let now_ns = self.ns(now);
        self.version.write(|| self.record_at(value, now_ns));
    }

    fn record_at(&self, value: f64, now_ns: u64) {
        let mut index = self.current.load(Ordering::Relaxed) as usize;
        let start = self.samples[index].start.load(Ordering::Relaxed);
        let is_fresh = start == UNUSED || now_ns.saturating_sub(start) >= self.window_ns;
        if start != UNUSED && is_fresh {
            index = (index + 1) % self.samples.len();
            self.current.store(index as u64, Ordering::Relaxed);
        }
        let sample = &self.samples[index];
        if is_fresh {
            sample.start.store(now_ns, Ordering::Relaxed);
            sample.sum.store(value.to_bits(), Ordering::Relaxed);
            sample.count.store(1, Ordering::Relaxed);
            sample.max.store(value.to_bits(), Ordering::Relaxed);
            sample.min.store(value.to_bits(), Ordering::Relaxed);
        } else {
            let held = |cell: &AtomicU64| f64::from_bits(cell.load(Ordering::Relaxed));
            sample.sum.store((held(&sample.sum) + value).to_bits(), Ordering::Relaxed);
            sample.count.store(sample.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            sample.max.store(held(&sample.max).max(value).to_bits(), Ordering::Relaxed);
            sample.min.store(held(&sample.min).min(value).to_bits(), Ordering::Relaxed);
        }
        sample.last.store(now_ns, Ordering::Relaxed);
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed)) + value;
        self.sum.store(sum.to_bits(), Ordering::Relaxed);
    }

    /// What the windows hold at `now`. Changes nothing.
    pub fn read(&self, now: Instant) -> Reading {
        let now_ns = self.ns(now);
        self.version.read(|| self.read_once(now_ns))
    }

    fn read_once(&self, now_ns: u64) -> Reading {
        let window_count = (self.samples.len() - 1) as u64;
        let age_max = self.window_ns.saturating_mul(window_count);
        let float = |cell: &AtomicU64| f64::from_bits(cell.load(Ordering::Relaxed));
        let (mut sum, mut count, mut max, mut min, mut oldest) = (0.0, 0, f64::NAN, f64::NAN, now_ns);
        for sample in &self.samples {
            let start = sample.start.load(Ordering::Relaxed);
            if start == UNUSED || now_ns.saturating_sub(sample.last.load(Ordering::Relaxed)) >= age_max {
                continue;
            }
            sum += float(&sample.sum);
            count += sample.count.load(Ordering::Relaxed);
            max = f64::max(max, float(&sample.max));
            min = f64::min(min, float(&sample.min));
            oldest = oldest.min(start);
        }
        // A rate is over no less than all windows but one, or the first events would make a peak.
        let elapsed = now_ns - oldest;
        let missing = (window_count - 1).saturating_sub(elapsed / self.window_ns);
        let elapsed = elapsed.saturating_add(self.window_ns.saturating_mul(missing)).max(1_000_000);
        Reading { total: float(&self.sum), count, max, min, sum, elapsed: Duration::from_nanos(elapsed) }
    }

    fn ns(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX - 1)
    }
}

/// More windows than anybody wants: each costs memory in every quantity of every task.
const SAMPLES_MAX: usize = 1_000;

impl Default for Windowed {
    fn default() -> Self {
        Windowed::new(MetricsConfig::default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Java's own figures for the same events: `protocol/tests/golden/SampledStats.java`.
    #[test]
    fn measures_what_java_measures() {
        let recorded = include_str!("../../../protocol/tests/golden/sampled_stats.tsv");
        let mut windows = Windowed::default();
        let mut start = windows.base;
        let mut line_count = 0;
        for line in recorded.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |index: usize| fields[index].parse::<f64>().unwrap();
            let at = |index: usize| start + Duration::from_millis(fields[index].parse().unwrap());
            match fields[0] {
                "config" => {
                    windows = Windowed::new(MetricsConfig {
                        sample_window_ms: fields[1].parse().unwrap(),
                        sample_count: fields[2].parse().unwrap(),
                    });
                    start = windows.base;
                }
                "record" => windows.record(number(2), at(1)),
                "measure" => {
                    let read = windows.read(at(1));
                    let ours = [read.avg(), read.max, read.min, read.rate(), f64::NAN, read.total];
                    for (index, ours) in ours.into_iter().enumerate().filter(|(index, _)| *index != 4) {
                        let java = number(index + 2);
                        let is_same = (ours.is_nan() && java.is_nan())
                            || (ours - java).abs() <= 1e-9 * java.abs().max(1.0);
                        assert!(is_same, "{line}: {ours} is not {java}");
                    }
                    line_count += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert!(line_count > 100, "{line_count}");
    }

    /// Goal: a reader never sees half a write. All values are the same, so every honest reading has max = min = average.
    #[test]
    fn a_reader_sees_whole_writes() {
        let windows = Arc::new(Windowed::new(MetricsConfig { sample_window_ms: 1, sample_count: 2 }));
        let ends = Arc::new(AtomicBool::new(false));
        let (writes, stops) = (Arc::clone(&windows), Arc::clone(&ends));
        let writer = std::thread::spawn(move || {
            let mut at = writes.base;
            while !stops.load(Ordering::Relaxed) {
                at += Duration::from_micros(300);
                writes.record(7.0, at);
                // A batch takes far longer than a write; readers live from that.
                for _ in 0..2_000 {
                    std::hint::spin_loop();
                }
            }
        });
        for _ in 0..20_000 {
            let read = windows.read(clock::now());
            assert!(read.count == 0 || (read.max, read.min, read.avg()) == (7.0, 7.0, 7.0), "{read:?}");
        }
        ends.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    }
}
