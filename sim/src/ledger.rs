//! What the plug-ins of the world saw, kept outside of every worker: which instances of tasks run where, what a source has given and was
//! told, what a sink holds. It survives a worker's death, as a real system at the other end would.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::{clock, log, network};

/// A commit that a former instance began may arrive so long after it: `delivery.timeout.ms` and a request's time.
const LATE_COMMIT: Duration = Duration::from_secs(160);

/// A connector as it was created: a name that was deleted and created again is another one.
pub(crate) type Incarnation = u32;

/// One run of one task.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) connector: String,
    pub(crate) task: u32,
    pub(crate) incarnation: Incarnation,
    /// Which configuration of the connector it was made from.
    pub(crate) version: u32,
    pub(crate) worker: usize,
    pub(crate) began: Duration,
    /// Dropped, for whatever reason.
    pub(crate) ended: Option<Duration>,
    /// When it last did something.
    pub(crate) active: Duration,
    /// Polls or puts so far.
    pub(crate) moves: u64,
    pub(crate) is_source: bool,
}

/// What is known of one source partition.
#[derive(Debug, Default, Clone)]
pub(crate) struct SourcePartition {
    /// The last number that was given to a worker, by any instance.
    pub(crate) given: i64,
    /// The last number that some instance was told of as committed.
    pub(crate) committed: i64,
    /// Who was told so.
    pub(crate) committed_by: usize,
    /// The last number of which some instance was told that Kafka has it.
    pub(crate) acknowledged: i64,
    /// By instance: where it began, and the last that it gave.
    pub(crate) runs: Vec<(usize, i64, i64)>,
}

/// Everything that plug-ins have seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) instances: Vec<Instance>,
    /// By connector, incarnation and partition.
    pub(crate) sources: BTreeMap<(String, Incarnation, u32), SourcePartition>,
    /// What sinks hold durably: by connector, topic and partition the offsets that are missing from the beginning of what they have.
    pub(crate) sinks: BTreeMap<(String, String, i32), Delivered>,
    /// What has been seen that must not be.
    pub(crate) violations: Vec<String>,
}

/// Offsets of one partition that a sink holds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Delivered {
    /// Ranges that do not touch, by start.
    ranges: BTreeMap<i64, i64>,
}

impl Delivered {
    pub(crate) fn add(&mut self, from: i64, to: i64) {
        let (mut from, mut to) = (from, to);
        while let Some((&start, &end)) = self.ranges.range(..=to).next_back() {
            if end < from {
                break;
            }
            self.ranges.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.ranges.insert(from, to);
    }

    /// Whether it has everything from `from` to below `to`.
    pub(crate) fn covers(&self, from: i64, to: i64) -> bool {
        from >= to || self.ranges.range(..=from).next_back().is_some_and(|(_, end)| to <= *end)
    }

    /// The first below `end` that it has and the other has not.
    pub(crate) fn first_missing_from(&self, other: Option<&Delivered>, end: i64) -> Option<i64> {
        let own =
            self.ranges.iter().map(|(from, to)| (*from, (*to).min(end))).take_while(|(from, to)| from < to);
        let mut uncovered = own.filter(|(from, to)| !other.is_some_and(|other| other.covers(*from, *to)));
        let (from, to) = uncovered.next()?;
        (from..to).find(|offset| !other.is_some_and(|other| other.contains(*offset)))
    }

    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.ranges.range(..=offset).next_back().is_some_and(|(_, end)| offset < *end)
    }
}

impl Ledger {
    /// What a new instance of a source's task must not begin before: what was committed, unless another instance lived on after it, whose
    /// late commit may have been of less, which is allowed where records come at least once.
    pub(crate) fn may_not_begin_before(&self, id: &(String, Incarnation, u32), is_exactly_once: bool) -> i64 {
        let Some(known) = self.sources.get(id) else { return 0 };
        let others = known.runs.iter().filter(|run| run.0 != known.committed_by);
        let committed_after = self.instances.get(known.committed_by).and_then(|it| it.ended);
        let was_alone = committed_after.is_some()
            && others.map(|run| &self.instances[run.0]).all(|other| {
                other
                    .ended
                    .is_some_and(|ended| ended + LATE_COMMIT <= self.instances[known.committed_by].began)
            });
        if was_alone || is_exactly_once { known.committed } else { 0 }
    }
}

thread_local! {
    static IS_EXACTLY_ONCE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    static LEDGER: RefCell<Ledger> = RefCell::default();
}

/// Source tasks of this world write in transactions.
pub(crate) fn expect_exactly_once(is_exactly_once: bool) {
    IS_EXACTLY_ONCE.set(is_exactly_once);
}

/// Whether they do.
pub(crate) fn is_exactly_once() -> bool {
    IS_EXACTLY_ONCE.get()
}

/// Looks at the ledger or writes to it.
pub(crate) fn with<T>(act: impl FnOnce(&mut Ledger) -> T) -> T {
    LEDGER.with_borrow_mut(act)
}

/// Something that must not be was seen.
pub(crate) fn violation(what: String) {
    log::event(format_args!("VIOLATION {what}"));
    with(|ledger| ledger.violations.push(what));
}

/// A task instance's place in the ledger. Dropping it ends the instance.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) usize);

impl Running {
    /// An instance starts on the worker whose code runs.
    pub(crate) fn begin(
        connector: &str,
        task: u32,
        incarnation: Incarnation,
        version: u32,
        is_source: bool,
    ) -> Running {
        let worker = network::current().unwrap_or(usize::MAX);
        let now = clock::elapsed();
        let instance = Instance {
            connector: connector.to_owned(),
            task,
            incarnation,
            version,
            worker,
            began: now,
            ended: None,
            active: now,
            moves: 0,
            is_source,
        };
        let number = with(|ledger| {
            ledger.instances.push(instance);
            ledger.instances.len() - 1
        });
        log::event(format_args!(
            "w{worker} {connector}-{task} starts as instance {number}, version {incarnation}.{version}"
        ));
        Running(number)
    }

    /// It does something. Whether it is the newest of its task.
    pub(crate) fn moves(&self) -> bool {
        with(|ledger| {
            let now = clock::elapsed();
            let instance = &mut ledger.instances[self.0];
            instance.active = now;
            instance.moves += 1;
            let newer = |other: &Instance| {
                other.connector == ledger.instances[self.0].connector
                    && other.task == ledger.instances[self.0].task
                    && other.is_source == ledger.instances[self.0].is_source
            };
            !ledger.instances[self.0 + 1..].iter().any(newer)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = with(|ledger| {
            let instance = &mut ledger.instances[self.0];
            instance.ended = Some(clock::elapsed());
            (instance.worker, instance.connector.clone(), instance.task)
        });
        log::event(format_args!("w{} {}-{} instance {} ends", ended.0, ended.1, ended.2, self.0));
    }
}
