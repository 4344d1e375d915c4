//! The live view: a few lines that are redrawn on a terminal, and a line now and then where there is none.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::endpoint::Kind;
use super::watch::Watch;
use crate::output::print;

/// How often a line is printed where nothing can be redrawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// What is shown while the load runs.
pub(super) struct View {
    kind: Kind,
    length: Duration,
    bars: Option<Bars>,
    /// When a plain line is due.
    next_plain: Cell<Duration>,
}

struct Bars {
    all: MultiProgress,
    time: ProgressBar,
    flow: ProgressBar,
    tasks: ProgressBar,
}

impl View {
    pub(super) fn new(kind: Kind, connector: &str, length: Duration) -> View {
        let bars = std::io::stderr().is_terminal().then(|| Bars::new(connector, length));
        View { kind, length, bars, next_plain: Cell::new(Duration::ZERO) }
    }

    pub(super) fn show(&self, watch: &Watch) {
        let (flow, tasks) = (self.flow(watch), Self::tasks(watch));
        match &self.bars {
            Some(bars) => {
                let seconds = watch.at().as_secs();
                bars.time.set_position(seconds.min(self.length.as_secs()));
                bars.time.set_message(if watch.at() > self.length { "waiting for the rest" } else { "" });
                bars.flow.set_message(flow);
                bars.tasks.set_message(tasks);
            }
            None if watch.at() >= self.next_plain.get() => {
                self.next_plain.set(watch.at() + PLAIN_INTERVAL);
                print(&format!("{:4} s  {flow}  {tasks}", watch.at().as_secs()));
            }
            None => {}
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bars) = &self.bars {
            // A terminal that cannot be cleared keeps the last view, which does no harm.
            let (Ok(()) | Err(_)) = bars.all.clear();
        }
    }

    fn flow(&self, watch: &Watch) -> String {
        let (offered, delivered) = watch.rates_now();
        match self.kind {
            Kind::Sink => format!(
                "offered {:>11} ({offered:>9.0}/s)  delivered {:>11} ({delivered:>9.0}/s)  lag {:>9}",
                watch.offered_count(),
                watch.delivered(),
                watch.lag()
            ),
            Kind::Source => format!("written {:>11} ({delivered:>9.0}/s)", watch.delivered()),
        }
    }

    fn tasks(watch: &Watch) -> String {
        let (running, tasks, interruptions, moves) = watch.tasks();
        let failure = watch.failures().last().map(|failure| format!("  {failure}")).unwrap_or_default();
        format!("tasks {running}/{tasks} run  {interruptions} interruptions  {moves} moves{failure}")
    }
}

impl Bars {
    fn new(connector: &str, length: Duration) -> Bars {
        let all = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar())
        };
        let time = all.add(ProgressBar::new(length.as_secs()));
        time.set_style(style("{prefix} {wide_bar} {pos}/{len} s {msg}"));
        time.set_prefix(connector.to_owned());
        let line = || {
            let line = all.add(ProgressBar::new_spinner());
            line.set_style(style("  {wide_msg}"));
            line
        };
        let (flow, tasks) = (line(), line());
        Bars { all, time, flow, tasks }
    }
}
