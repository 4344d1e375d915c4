//! What must be true of a cluster that nothing befalls any more.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::host::{Doing, Host};
use crate::ledger::{self, Delivered, Instance, violation};
use crate::operator::{Answer, Operator, Target, Wanted, topics_of};
use crate::tail::{PARTITIONS, Tail};
use crate::{clock, log};

/// How often it is looked whether something has come true.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until something is true; how long it took, or what was missing at the end.
pub(crate) async fn come_true(
    limit: Duration,
    mut missing: impl FnMut() -> Option<String>,
) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        let Some(what) = missing() else { return Ok(began.elapsed()) };
        if began.elapsed() >= limit {
            return Err(what);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Task instances that live, the newest last.
pub(crate) fn living() -> Vec<(usize, Instance)> {
    ledger::with(|ledger| {
        let all = ledger.instances.iter().enumerate();
        all.filter(|(_, it)| it.ended.is_none()).map(|(number, it)| (number, it.clone())).collect()
    })
}

/// What runs that should not, or does not though it should.
pub(crate) fn differs(wanted: &[Wanted]) -> Option<String> {
    let living = living();
    for one in wanted {
        let of: Vec<_> = living.iter().filter(|(_, it)| it.connector == one.name).collect();
        let expected = if one.exists && one.target != Target::Stopped { one.task_count() } else { 0 };
        for (number, instance) in &of {
            // As in Java, a paused connector makes no configurations of tasks: they stay as they were.
            let is_right = one.target == Target::Paused
                || (instance.incarnation, instance.version) == (one.incarnation, one.version);
            if !is_right || one.target != Target::Paused && instance.task >= expected || expected == 0 {
                return Some(format!(
                    "{}-{} runs as instance {number} of version {}.{} on w{}; wanted are {expected} tasks of {}.{}, {:?}, exists {}",
                    one.name,
                    instance.task,
                    instance.incarnation,
                    instance.version,
                    instance.worker,
                    one.incarnation,
                    one.version,
                    one.target,
                    one.exists
                ));
            }
        }
        let mut tasks: Vec<_> = of.iter().map(|(_, it)| it.task).collect();
        tasks.sort_unstable();
        let count = tasks.len();
        tasks.dedup();
        if tasks.len() != count {
            return Some(format!("{} has tasks that run twice: {of:?}", one.name));
        }
        if one.exists && one.target == Target::Running && count != expected as usize {
            return Some(format!("{} runs {count} of {expected} tasks: {tasks:?}", one.name));
        }
    }
    None
}

/// What statuses and configurations say at one worker that is not so. As of I16 and I18.
pub(crate) async fn misreported(operator: &Operator, worker: usize, wanted: &[Wanted]) -> Option<String> {
    let living = living();
    for one in wanted {
        let path = format!("/connectors/{}", one.name);
        let config = operator.ask(worker, Method::GET, &format!("{path}/config"), None).await;
        let status = operator.ask(worker, Method::GET, &format!("{path}/status"), None).await;
        if !one.exists {
            match (&config, &status) {
                (Answer::Refused(404), Answer::Refused(404)) => continue,
                other => return Some(format!("I14 w{worker} still knows {}: {other:?}", one.name)),
            }
        }
        let Answer::Done(config) = &config else {
            return Some(format!("I16 w{worker} does not know {}: {config:?}", one.name));
        };
        let Answer::Done(status) = &status else {
            return Some(format!("I18 w{worker} shows nothing of {}: {status:?}", one.name));
        };
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let (config, status) = (read(config), read(status));
        let said = (config["incarnation"].as_str(), config["version"].as_str());
        let (incarnation, version) = (one.incarnation.to_string(), one.version.to_string());
        if said != (Some(&incarnation), Some(&version)) {
            return Some(format!(
                "I16 w{worker} has {} in version {said:?}, not {incarnation}.{version}",
                one.name
            ));
        }
        let expected = match one.target {
            Target::Running => "RUNNING",
            Target::Paused => "PAUSED",
            Target::Stopped => "STOPPED",
        };
        if status["connector"]["state"] != expected {
            return Some(format!(
                "I18 w{worker} shows {} as {}, not {expected}",
                one.name, status["connector"]
            ));
        }
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        let count = match one.target {
            Target::Running => one.task_count() as usize,
            Target::Stopped => 0,
            // As many as it had: none, where it was stopped before.
            Target::Paused => tasks.len(),
        };
        if tasks.len() != count || tasks.iter().any(|task| task["state"] != expected) {
            return Some(format!(
                "I18 w{worker} shows tasks of {} as {tasks:?}, not {count} times {expected}",
                one.name
            ));
        }
        for (number, instance) in living.iter().filter(|(_, it)| it.connector == one.name) {
            let shown =
                tasks.iter().find(|task| task["id"] == instance.task).map(|task| task["worker_id"].clone());
            let place = format!("w{}:8083", instance.worker);
            if shown != Some(Value::from(place.clone())) {
                return Some(format!(
                    "I18 w{worker} shows {}-{} on {shown:?}; instance {number} runs on {place}",
                    one.name, instance.task
                ));
            }
        }
    }
    None
}

/// Tasks that have failed, with the first lines of why; the operator has them started again.
pub(crate) async fn restart_failed(operator: &Operator, worker: usize, wanted: &[Wanted]) -> Vec<String> {
    let mut failed = Vec::new();
    for one in wanted.iter().filter(|one| one.exists) {
        let path = format!("/connectors/{}", one.name);
        let Answer::Done(status) = operator.ask(worker, Method::GET, &format!("{path}/status"), None).await
        else {
            continue;
        };
        let status: Value = serde_json::from_slice(&status).unwrap_or_default();
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        let all = tasks.iter().chain(std::iter::once(&status["connector"]));
        let traces: Vec<String> = all
            .filter(|it| it["state"] == "FAILED")
            .map(|it| {
                it["trace"].as_str().unwrap_or_default().lines().take(3).collect::<Vec<_>>().join(" | ")
            })
            .collect();
        if !traces.is_empty() {
            log::event(format_args!("{} has failed: {traces:?}", one.name));
            let path = format!("{path}/restart?includeTasks=true&onlyFailed=true");
            operator.ask(worker, Method::POST, &path, None).await;
            failed.extend(traces);
        }
    }
    failed
}

/// I1: what is committed is there. The tail has caught up.
pub(crate) fn nothing_is_lost(tail: &Tail) {
    tail.look(|seen| {
        for (id, committed) in &seen.committed {
            let is_there =
                seen.written.get(id).is_some_and(|written| written.numbers.covers(1, committed + 1));
            if !is_there {
                let written = seen.written.get(id).map(|it| &it.numbers);
                violation(format!("I1 {id:?} is committed up to {committed}, but Kafka has {written:?}"));
            }
        }
        ledger::with(|ledger| {
            let told: Vec<_> =
                ledger.sources.iter().map(|(id, known)| (id.clone(), known.acknowledged)).collect();
            told
        })
        .into_iter()
        .filter(|(_, acknowledged)| *acknowledged > 0)
        .for_each(|(id, acknowledged)| {
            let is_there =
                seen.written.get(&id).is_some_and(|written| written.numbers.contains(acknowledged));
            if !is_there {
                violation(format!("I5 {id:?} was told that Kafka has {acknowledged}, which it has not"));
            }
        });
    });
}

/// I8: of what sinks have committed, all is durable at their far end.
pub(crate) async fn sinks_hold_what_they_committed(tail: &Tail, sinks: &[Wanted]) {
    for sink in sinks.iter().filter(|one| !one.is_source) {
        let group = format!("connect-{}", sink.name);
        let Some(Ok(offsets)) = tail.admin.list_group_offsets(&[&group], false).await.pop() else { continue };
        for (partition, committed) in offsets {
            let committed = committed.offset;
            let missing = tail.look(|seen| {
                not_held(&seen.records, &sink.name, &partition.topic, partition.partition, committed)
            });
            if let Some(offset) = missing {
                violation(format!(
                    "I8 {} has committed {partition} at {committed}, but does not hold the record at {offset}",
                    sink.name
                ));
            }
        }
    }
}

/// The records of the topics of sources, by topic and partition.
pub(crate) type Records = BTreeMap<(String, i32), Delivered>;

/// The first of these records below `end` that a sink does not hold.
fn not_held(records: &Records, sink: &str, topic: &str, partition: i32, end: i64) -> Option<i64> {
    let records = records.get(&(topic.to_owned(), partition))?;
    ledger::with(|ledger| {
        let held = ledger.sinks.get(&(sink.to_owned(), topic.to_owned(), partition));
        records.first_missing_from(held, end)
    })
}

/// Which of these records a running sink does not hold.
pub(crate) fn undelivered(records: &Records, sinks: &[Wanted]) -> Option<String> {
    for sink in sinks.iter().filter(|one| !one.is_source && one.exists && one.target == Target::Running) {
        for topic in topics_of(&sink.name) {
            for partition in 0..PARTITIONS {
                if let Some(offset) = not_held(records, &sink.name, topic, partition, i64::MAX) {
                    return Some(format!("{} does not hold {topic}-{partition} from {offset} on", sink.name));
                }
            }
        }
    }
    None
}

/// How long an instance may outlive its successor's start on a worker that cannot know better: a join that nobody answers
/// (`rebalance.timeout.ms` and Java's five seconds), and the stop after it.
const OVERLAP_MAX: Duration = Duration::from_secs(75);

/// I11: of each task at most one instance lives, but on workers that get no time or cannot know yet.
pub(crate) fn no_task_runs_twice(hosts: &[Host]) {
    let mut by_task: BTreeMap<(String, u32), Vec<(usize, Instance)>> = BTreeMap::new();
    for (number, instance) in living() {
        by_task.entry((instance.connector.clone(), instance.task)).or_default().push((number, instance));
    }
    let now = clock::elapsed();
    for (task, instances) in by_task {
        for (older, newer) in instances.iter().zip(instances.iter().skip(1)) {
            let Some(host) = hosts.get(older.1.worker).filter(|host| host.doing() == Doing::Up) else {
                continue;
            };
            if now.saturating_sub(newer.1.began.max(host.resumed())) > OVERLAP_MAX {
                violation(format!("I11 {task:?} runs twice at {now:?}: {older:?} beside {newer:?}"));
            }
        }
    }
}
