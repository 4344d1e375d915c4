//! Which data core gets the next task: pure arithmetic on what was measured.

/// What a task is taken to cost, in thousandths of a core, as long as nothing better is known: since the last measurement.
const NEWCOMER_PERMILLE: u64 = 200;

/// What a task counts for on top of its measured work, so that idle tasks (which may wake up) are spread as well.
const TASK_PERMILLE: u64 = 50;

/// One core, as last measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Share of the core's time in use, in thousandths.
    pub(super) busy_permille: u64,
    /// Tasks there now.
    pub(super) tasks: usize,
    /// Tasks that were there when `busy_permille` was measured.
    pub(super) tasks_measured: usize,
    /// Its thread does not come back from a task: whatever is placed there does not even start.
    pub(super) hangs: bool,
}

impl Load {
    fn score(self) -> u64 {
        if self.hangs {
            return u64::MAX;
        }
        let newcomers = self.tasks.saturating_sub(self.tasks_measured) as u64;
        self.busy_permille + self.tasks as u64 * TASK_PERMILLE + newcomers * NEWCOMER_PERMILLE
    }
}

/// The index of the core to use; the first of equals, 0 of none.
pub(super) fn least_loaded(loads: impl Iterator<Item = Load>) -> usize {
    loads.enumerate().min_by_key(|(_, load)| load.score()).map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(loads: &[(u64, usize, usize)], expected: usize) {
        let loads = loads.iter().map(|&(busy_permille, tasks, tasks_measured)| Load {
            busy_permille,
            tasks,
            tasks_measured,
            hangs: false,
        });
        assert_eq!(least_loaded(loads), expected);
    }

    #[test]
    fn prefers_the_core_with_less_work() {
        check(&[(900, 1, 1), (100, 1, 1)], 1);
        // Ten idle tasks weigh less than one that is busy all the time.
        check(&[(1000, 1, 1), (20, 10, 10)], 1);
    }

    #[test]
    fn a_core_that_hangs_gets_nothing_while_there_is_another() {
        let hung = Load { hangs: true, ..Load::default() };
        let busy = Load { busy_permille: 1_000, tasks: 50, ..Load::default() };
        assert_eq!(least_loaded([hung, busy].into_iter()), 1);
        assert_eq!(least_loaded([hung, hung].into_iter()), 0);
    }

    #[test]
    fn spreads_tasks_whose_work_is_not_known_yet() {
        check(&[(0, 0, 0), (0, 0, 0)], 0);
        check(&[(0, 1, 0), (0, 0, 0)], 1);
        check(&[(0, 1, 0), (0, 1, 0), (0, 2, 0)], 0);
        // Measurement noise does not count.
        check(&[(3, 1, 1), (1, 2, 2)], 0);
    }

    #[test]
    fn newcomers_keep_a_quiet_core_from_taking_all() {
        check(&[(500, 1, 1), (0, 2, 0)], 1);
        check(&[(500, 1, 1), (0, 3, 0)], 0);
    }
}
