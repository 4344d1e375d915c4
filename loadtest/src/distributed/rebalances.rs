//! When workers rebalanced, from what they logged: Java's lines and ours say the same.

/// Something of a rebalance that a worker logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Logged {
    /// Since the epoch.
    pub(super) at_ms: i64,
    pub(super) what: Phase,
}

/// Of a rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The worker joins, again or for the first time.
    Joining,
    /// It has an assignment of this generation.
    Joined(i32),
    /// It has started what it was given.
    Resolved,
}

/// What a worker's log says of rebalances, in order.
pub(super) fn read(log: &str) -> impl Iterator<Item = Logged> {
    log.lines().filter_map(|line| {
        let what = if let Some((_, rest)) = line.split_once("Joined group at generation ") {
            Phase::Joined(rest.split(' ').next()?.parse().ok()?)
        } else if let Some((_, rest)) = line.split_once("joined the group generation=") {
            Phase::Joined(rest.split(' ').next()?.parse().ok()?)
        } else if line.contains("Finished starting connectors and tasks") {
            Phase::Resolved
        } else if line.contains("(Re-)joining group") {
            Phase::Joining
        } else {
            return None;
        };
        Some(Logged { at_ms: time_ms(line.trim_start_matches('['))?, what })
    })
}

/// `2026-11-28T21:25:21,123` in UTC; Java has a comma before the milliseconds, ours a dot.
fn time_ms(line: &str) -> Option<i64> {
    let text = line.get(..23)?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days since the epoch, by the months counted from March on: Howard Hinnant's `days_from_civil`.
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100 + of_year;
    let days = era * 146_097 + of_era - 719_468;
    let seconds = ((days * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    Some(seconds * 1_000 + number(20, 23)?)
}

/// How the whole cluster rebalanced within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rebalance {
    /// From the first worker that joined to the last that had started what it was given.
    pub(super) took_ms: i64,
    /// Generations of the group.
    pub(super) rounds: usize,
}

/// What happened from one time to another.
pub(super) fn within(logged: &[Logged], from_ms: i64, until_ms: i64) -> Option<Rebalance> {
    let inside = || logged.iter().filter(|logged| (from_ms..until_ms).contains(&logged.at_ms));
    let times = |phase: Phase| inside().filter(move |logged| logged.what == phase).map(|logged| logged.at_ms);
    let mut generations: Vec<i32> = inside()
        .filter_map(|logged| match logged.what {
            Phase::Joined(generation) => Some(generation),
            _ => None,
        })
        .collect();
    generations.sort_unstable();
    generations.dedup();
    // A worker that comes first logs nothing until it has joined.
    let first = inside().map(|logged| logged.at_ms).min()?;
    let last = times(Phase::Resolved).max()?;
    Some(Rebalance {
        took_ms: last - times(Phase::Joining).min().unwrap_or(first),
        rounds: generations.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAVA: &str = "\
[2026-11-28T21:25:21,123] INFO [Worker clientId=connect-1, groupId=g] (Re-)joining group (org.apache.kafka.connect.runtime.distributed.WorkerCoordinator)
[2026-11-28T21:25:21,200] INFO [Worker clientId=connect-1, groupId=g] Joined group at generation 12 with protocol version 2 and got assignment: Assignment{} (org.X)
[2026-11-28T21:25:22,000] INFO [Worker clientId=connect-1, groupId=g] Finished starting connectors and tasks (org.X)
";
    const OURS: &str = "\
2026-11-28T21:25:21.100Z INFO  (Re-)joining group
2026-11-28T21:25:21.201Z INFO  joined the group generation=12 leader=http://127.0.0.1:1/ connectors=1 tasks=2
2026-11-28T21:25:21.250Z INFO  Finished starting connectors and tasks generation=12
2026-11-28T21:25:21.251Z INFO  something else
";

    #[test]
    fn both_logs_say_when_a_cluster_rebalanced() {
        let all: Vec<Logged> = read(JAVA).chain(read(OURS)).collect();
        assert_eq!(all.len(), 6);
        // `date -u -d 2026-11-28T21:25:21 +%s`
        assert_eq!(all[0], Logged { at_ms: 1_795_901_121_123, what: Phase::Joining });
        assert_eq!(all[1].what, Phase::Joined(12));
        let found = within(&all, 1_795_901_121_000, 1_795_901_130_000);
        assert_eq!(found, Some(Rebalance { took_ms: 900, rounds: 1 }));
        assert_eq!(within(&all, 0, 1), None);
    }
}
