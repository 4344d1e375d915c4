//! Whether a task that is RUNNING moves: a pure judgement over what the control thread can see of it.
//!
//! A task that hangs cannot say so itself, and one that blocks its thread keeps its neighbours from it as well. So it is watched from
//! the control thread: by the stage it is in, the time it last moved something, its lag, and whether its executor answers.

use std::time::Duration;

use engine::metrics::Stage;

use crate::config::WatchdogLimits;

/// What is seen of a task that is RUNNING.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) stage: Stage,
    /// How long it has been in it.
    pub(crate) in_stage: Duration,
    /// How long ago it last moved something.
    pub(crate) since_progress: Duration,
    /// Records that it could read; `None` where that is not known, or for a source.
    pub(crate) lag: Option<u64>,
    pub(crate) thread: Thread<'a>,
}

/// What is seen of a task's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread<'a> {
    /// It answers.
    Answers,
    /// It has not answered for so long, and this task has it.
    BlockedByIt(Duration),
    /// It has not answered for so long, and another task has it.
    BlockedBy(&'a str, Duration),
}

/// Why a task is held to be stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It has been in this stage for too long.
    In(Stage, Duration),
    /// It blocks its thread in this stage.
    Blocks(Stage, Duration),
    /// Another task blocks the thread that both have.
    HeldUp(String, Duration),
    /// It waits although there is something to read.
    Idles(Duration),
}

/// What to think of a task.
pub(crate) fn judge(seen: &Seen<'_>, limits: &WatchdogLimits) -> Option<Trouble> {
    match seen.thread {
        Thread::BlockedByIt(silent) if silent >= limits.call => {
            return Some(Trouble::Blocks(seen.stage, seen.in_stage.max(silent)));
        }
        Thread::BlockedBy(other, silent) if silent >= limits.call => {
            return Some(Trouble::HeldUp(other.to_owned(), silent));
        }
        _ => {}
    }
    let is_call = match seen.stage {
        Stage::Convert | Stage::Transform | Stage::Put | Stage::Send | Stage::Commit => true,
        // A source may have nothing for as long as it likes; a sink that waits is judged by its lag.
        Stage::Idle | Stage::Fetch | Stage::Poll => false,
    };
    if is_call && seen.in_stage >= limits.call {
        return Some(Trouble::In(seen.stage, seen.in_stage));
    }
    let has_work = seen.lag.is_some_and(|lag| lag > 0);
    (has_work && seen.since_progress >= limits.stall).then_some(Trouble::Idles(seen.since_progress))
}

impl Trouble {
    /// How long it has lasted.
    pub(crate) fn lasts(&self) -> Duration {
        let (Trouble::In(_, lasts)
        | Trouble::Blocks(_, lasts)
        | Trouble::HeldUp(_, lasts)
        | Trouble::Idles(lasts)) = self;
        *lasts
    }

    /// In the words of logs and status answers. `since` says since when.
    pub(crate) fn describe(&self, lag: Option<u64>, since: &str) -> String {
        let lag = lag.map_or(String::new(), |lag| format!(", lag {lag}"));
        match self {
            Trouble::In(stage, _) => format!("running but not moving{lag}, in {stage} since {since}"),
            Trouble::Blocks(stage, _) => {
                format!("running but not moving{lag}, blocks its thread in {stage} since {since}")
            }
            Trouble::HeldUp(other, _) => {
                format!("running but not moving{lag}, task {other} blocks its thread since {since}")
            }
            Trouble::Idles(_) => format!("running but not moving{lag}, nothing taken since {since}"),
        }
    }

    /// Whether it is the same trouble, however long it lasts by now.
    pub(crate) fn is_same(&self, other: &Trouble) -> bool {
        match (self, other) {
            (Trouble::In(stage, _), Trouble::In(other, _))
            | (Trouble::Blocks(stage, _), Trouble::Blocks(other, _)) => stage == other,
            (Trouble::HeldUp(task, _), Trouble::HeldUp(other, _)) => task == other,
            (Trouble::Idles(_), Trouble::Idles(_)) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: WatchdogLimits = WatchdogLimits { interval: secs(5), call: secs(60), stall: secs(120) };

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn seen(stage: Stage, in_stage: u64, since_progress: u64, lag: Option<u64>) -> Seen<'static> {
        let thread = Thread::Answers;
        Seen { stage, in_stage: secs(in_stage), since_progress: secs(since_progress), lag, thread }
    }

    #[test]
    fn waiting_is_no_trouble_where_there_is_nothing_to_do() {
        for quiet in [
            seen(Stage::Poll, 9_999, 9_999, None),
            seen(Stage::Fetch, 9_999, 9_999, Some(0)),
            seen(Stage::Fetch, 9_999, 9_999, None),
            seen(Stage::Fetch, 1, 119, Some(7)),
            seen(Stage::Put, 59, 59, Some(7)),
        ] {
            assert_eq!(judge(&quiet, &LIMITS), None, "{quiet:?}");
        }
    }

    #[test]
    fn a_call_that_hangs_is_trouble_with_or_without_lag() {
        assert_eq!(
            judge(&seen(Stage::Put, 60, 60, Some(0)), &LIMITS),
            Some(Trouble::In(Stage::Put, secs(60)))
        );
        let trouble = judge(&seen(Stage::Send, 61, 70, None), &LIMITS).unwrap();
        assert_eq!(trouble.describe(None, "T"), "running but not moving, in send since T");
    }

    #[test]
    fn lag_without_progress_is_trouble() {
        let trouble = judge(&seen(Stage::Fetch, 1, 120, Some(7)), &LIMITS).unwrap();
        assert_eq!(trouble.describe(Some(7), "T"), "running but not moving, lag 7, nothing taken since T");
    }

    #[test]
    fn a_blocked_thread_is_the_fault_of_whoever_has_it() {
        let mut blocker = seen(Stage::Poll, 200, 200, None);
        blocker.thread = Thread::BlockedByIt(secs(61));
        let trouble = judge(&blocker, &LIMITS).unwrap();
        assert_eq!(trouble.describe(None, "T"), "running but not moving, blocks its thread in poll since T");
        assert_eq!(trouble.lasts(), secs(200));
        let mut neighbour = seen(Stage::Fetch, 1, 1, Some(3));
        neighbour.thread = Thread::BlockedBy("bad-0", secs(61));
        let held_up = judge(&neighbour, &LIMITS).unwrap();
        assert_eq!(
            held_up.describe(Some(3), "T"),
            "running but not moving, lag 3, task bad-0 blocks its thread since T"
        );
        neighbour.thread = Thread::BlockedBy("bad-0", secs(59));
        assert_eq!(judge(&neighbour, &LIMITS), None);
    }
}
