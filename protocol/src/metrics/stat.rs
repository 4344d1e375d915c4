//! One measured quantity: its sum since ever, and a few samples of the last minute for averages, maxima and rates.
//!
//! The windows are those of Java's `SampledStat` and `Rate`, so that both clients draw the same curve on one dashboard: a sample
//! collects for `metrics.sample.window.ms`, one more than `metrics.num.samples` are kept, and those count whose last event lies within
//! the windows. Reading changes nothing, other than in Java, where it moves the start of samples that have expired.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::MetricsConfig;

/// Sums and samples of one quantity. A value is recorded per event; there are four numbers per sample, so one of these serves an
/// average, a maximum, a rate of events and a rate of their sum at once.
#[derive(Debug, Clone)]
pub(crate) struct Stat {
    window: Duration,
    /// How many windows count.
    window_count: u32,
    /// A ring; empty until something is recorded.
    samples: Vec<Sample>,
    current: usize,
    sum: f64,
    count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    start: Instant,
    last: Instant,
    sum: f64,
    count: u64,
    max: f64,
    min: f64,
}

impl Stat {
    pub(crate) fn new(config: MetricsConfig) -> Self {
        Self {
            window: config.window(),
            window_count: config.samples(),
            samples: Vec::new(),
            current: 0,
            sum: 0.0,
            count: 0,
        }
    }

    /// Takes in one event.
    pub(crate) fn record(&mut self, value: f64, now: Instant) {
        let sample = self.current(now);
        sample.sum += value;
        sample.count += 1;
        sample.max = sample.max.max(value);
        sample.min = sample.min.min(value);
        sample.last = now;
        self.sum += value;
        self.count += 1;
    }

    /// Takes in `count` events of which only the sum is known: for an average over all of them.
    pub(crate) fn record_sum(&mut self, sum: f64, count: u64, now: Instant) {
        let sample = self.current(now);
        sample.sum += sum;
        sample.count += count;
        sample.last = now;
        self.sum += sum;
        self.count += count;
    }

    /// The sum of all values since ever.
    pub(crate) fn total(&self) -> f64 {
        self.sum
    }

    /// Events since ever.
    pub(crate) fn count(&self) -> f64 {
        self.count as f64
    }

    /// The mean value of an event in the windows; NaN without any.
    pub(crate) fn avg(&self, now: Instant) -> f64 {
        let (sum, count) = self.live(now).fold((0.0, 0), |(s, c), sample| (s + sample.sum, c + sample.count));
        if count == 0 { f64::NAN } else { sum / count as f64 }
    }

    /// The largest value in the windows; NaN without any.
    pub(crate) fn max(&self, now: Instant) -> f64 {
        self.live(now).map(|sample| sample.max).fold(f64::NAN, f64::max)
    }

    /// The smallest value in the windows; NaN without any.
    pub(crate) fn min(&self, now: Instant) -> f64 {
        self.live(now).map(|sample| sample.min).fold(f64::NAN, f64::min)
    }

    /// What the values in the windows add up to per second.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        self.live(now).map(|sample| sample.sum).sum::<f64>() / self.elapsed(now).as_secs_f64()
    }

    /// Events in the windows per second.
    pub(crate) fn count_rate(&self, now: Instant) -> f64 {
        self.live(now).map(|sample| sample.count).sum::<u64>() as f64 / self.elapsed(now).as_secs_f64()
    }

    fn current(&mut self, now: Instant) -> &mut Sample {
        match self.samples.get(self.current) {
            Some(sample) if now.duration_since(sample.start) < self.window => {}
            Some(_) => {
                // One more than counts: the oldest may reach into the windows with its end.
                self.current = (self.current + 1) % (self.window_count as usize + 1);
                match self.samples.get_mut(self.current) {
                    Some(sample) => *sample = Sample::new(now),
                    None => self.samples.push(Sample::new(now)),
                }
            }
            None => self.samples.push(Sample::new(now)),
        }
        &mut self.samples[self.current]
    }

    /// The samples with events in the windows.
    fn live(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        let age_max = self.window.saturating_mul(self.window_count);
        self.samples.iter().filter(move |sample| now.duration_since(sample.last) < age_max)
    }

    /// The time that a rate is over: from the oldest sample on, but no less than all windows but one, or the first events would make a
    /// peak.
    fn elapsed(&self, now: Instant) -> Duration {
        let oldest = self.live(now).map(|sample| sample.start).min().unwrap_or(now);
        let elapsed = now.duration_since(oldest);
        let full = u32::try_from(elapsed.as_nanos() / self.window.as_nanos()).unwrap_or(u32::MAX);
        let missing = (self.window_count - 1).saturating_sub(full);
        elapsed.saturating_add(self.window.saturating_mul(missing)).max(Duration::from_millis(1))
    }
}

impl Sample {
    fn new(start: Instant) -> Self {
        Self { start, last: start, sum: 0.0, count: 0, max: f64::NEG_INFINITY, min: f64::INFINITY }
    }
}

/// Milliseconds with their fraction: what Java rounds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Adds the time from its making to its end to a sum, also where a future is dropped in between.
pub(crate) struct Elapsed<'a, S> {
    stats: &'a RefCell<S>,
    total: fn(&mut S) -> &mut Duration,
    started: Instant,
}

impl<'a, S> Elapsed<'a, S> {
    pub(crate) fn start(stats: &'a RefCell<S>, total: fn(&mut S) -> &mut Duration) -> Self {
        Self { stats, total, started: Instant::now() }
    }
}

impl<S> Drop for Elapsed<'_, S> {
    fn drop(&mut self) {
        *(self.total)(&mut self.stats.borrow_mut()) += self.started.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java's own figures for the same events: `golden/SampledStats.java`.
    #[test]
    fn measures_what_java_measures() {
        let recorded = include_str!("../../tests/golden/sampled_stats.tsv");
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut stat = Stat::new(MetricsConfig::default());
        let mut config = MetricsConfig::default();
        let mut line_count = 0;
        for line in recorded.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |index: usize| fields[index].parse::<f64>().unwrap();
            let integer = |index: usize| fields[index].parse::<u64>().unwrap();
            match fields[0] {
                "config" => {
                    config =
                        MetricsConfig { sample_window_ms: integer(1), sample_count: integer(2) as usize };
                    stat = Stat::new(config);
                }
                "record" => stat.record(number(2), at(integer(1))),
                "measure" => {
                    let now = at(integer(1));
                    let ours = [
                        stat.avg(now),
                        stat.max(now),
                        stat.min(now),
                        stat.rate(now),
                        stat.count_rate(now),
                        stat.total(),
                    ];
                    for (index, ours) in ours.into_iter().enumerate() {
                        let java = number(index + 2);
                        let is_same = (ours.is_nan() && java.is_nan())
                            || (ours - java).abs() <= 1e-9 * java.abs().max(1.0);
                        assert!(is_same, "{config:?} {line}: {ours} is not {java}");
                    }
                    line_count += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert!(line_count > 100, "{line_count}");
    }

    #[test]
    fn a_sum_of_many_events_weighs_as_many() {
        let now = Instant::now();
        let mut stat = Stat::new(MetricsConfig::default());
        stat.record_sum(100.0, 10, now);
        stat.record_sum(500.0, 10, now);
        assert_eq!((stat.avg(now), stat.total(), stat.count()), (30.0, 600.0, 20.0));
    }

    #[test]
    fn senseless_settings_count_as_the_smallest() {
        let now = Instant::now();
        let mut stat = Stat::new(MetricsConfig { sample_window_ms: 0, sample_count: 0 });
        stat.record(5.0, now);
        assert_eq!((stat.max(now), stat.rate(now)), (5.0, 5_000.0));
        assert!(stat.max(now + Duration::from_millis(1)).is_nan());
    }
}
