//! `GET /admin/cluster`, which Java has not: who is in the group, who leads, what each runs, what nobody has, and the last rebalance.
//!
//! Only the leader knows all members. Another worker asks it; where it gets no answer (nobody leads, a Java worker leads, the leader's
//! admin endpoints are elsewhere) it shows what the status topic says. Either way the answer says where it comes from and what is not known.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use engine::task::TaskId;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts as Head;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::error::{Answer, RestError, json};
use super::forward::{Forward, Hops};
use super::request::Parts;
use super::state::RestState;
use crate::group::{Assigned, Owners, RebalanceSample};
use crate::herd::State;
use crate::herd::distributed::ClusterShell;

/// How long the leader may take. Whoever looks at a cluster that is in trouble wants an answer.
const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// States by name.
type States = Map<String, Value>;

/// All of the cluster.
#[derive(Debug, Serialize)]
struct ClusterInfo {
    /// `leader`, or `status topic`.
    source: &'static str,
    leader_url: Option<String>,
    protocol: &'static str,
    generation: i32,
    config_offset: i64,
    members: Vec<MemberInfo>,
    /// What is configured and nobody has.
    unassigned: WorkNames,
    rebalance: RebalanceInfo,
    /// What the answer cannot tell, and why.
    unknown: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MemberInfo {
    worker_id: String,
    url: Option<String>,
    member_id: Option<String>,
    is_leader: bool,
    /// How much of the config topic it had read when it joined.
    config_offset: Option<i64>,
    /// States by name; null where the worker has not said yet what becomes of it.
    connectors: States,
    tasks: States,
}

#[derive(Debug, Default, Serialize)]
struct WorkNames {
    connectors: Vec<String>,
    tasks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RebalanceInfo {
    is_under_way: bool,
    /// Why the group met last; null where only the leader knows.
    reason: Option<String>,
    /// From its first sign to the start of its work, at the worker that tells.
    took_ms: Option<f64>,
    ago_ms: Option<f64>,
    /// When work that is kept for a worker that may come back is given to others.
    scheduled_in_ms: Option<f64>,
}

pub(super) async fn show(state: &RestState, parts: &Parts, head: &Head) -> Answer {
    let herder = state.herder().await?;
    let Some(shell) = herder.cluster_shell() else { return Err(RestError::UnknownPath) };
    let hops = Hops::from_query(parts.all("forward").next());
    let cluster = match known_here(&shell) {
        Ok(cluster) => value(&cluster)?,
        // Whoever asks for another worker is told what is known here; it says itself what is not.
        Err(reason) if hops != Hops::None => value(&from_statuses(&shell, reason))?,
        Err(reason) => match ask_leader(&shell, head).await.unwrap_or(Err(reason)) {
            Ok(cluster) => cluster,
            Err(reason) => value(&from_statuses(&shell, reason))?,
        },
    };
    let rebalances = shell.rebalances().sample();
    let shown = json!({
        "worker_id": herder.worker_id(),
        "group_id": shell.config().group_id,
        "assignment": shell.assigned().map(|assigned| own(&assigned, &rebalances)),
        "rebalance": {
            "is_under_way": rebalances.is_under_way,
            "completed": rebalances.completed,
            "last_reason": rebalances.last_reason,
            "last_duration_ms": rebalances.last_duration_ms,
        },
        "cluster": cluster,
    });
    Ok(json(StatusCode::OK, &shown))
}

/// What this worker itself has.
fn own(assigned: &Assigned, rebalances: &RebalanceSample) -> Value {
    json!({
        "generation": assigned.generation,
        "member_id": *assigned.member_id,
        "leader_url": *assigned.leader_url,
        "is_leader": assigned.is_leader,
        "protocol": assigned.protocol.wire_name(),
        "config_offset": assigned.config_offset,
        "connectors": assigned.connectors.iter().map(|name| name.to_string()).collect::<Vec<_>>(),
        "tasks": assigned.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "scheduled_rebalance_in_ms": rebalances.scheduled_in_ms,
    })
}

/// What the leader knows; otherwise why this worker does not.
fn known_here(shell: &ClusterShell) -> Result<ClusterInfo, String> {
    let assigned = shell.assigned().ok_or("this worker has not been in the group yet")?;
    if !assigned.is_leader {
        return Err("this worker does not lead".to_owned());
    }
    let owners: &Owners = assigned.owners.as_deref().ok_or(
        "this worker leads, and could not assign anything in the last round: some member knows a newer configuration",
    )?;
    let statuses = shell.statuses();
    let mut members = Vec::with_capacity(owners.members().len());
    for member in owners.members() {
        let worker_id = worker_id_of(&member.url);
        let says = |status: Option<crate::store::status_log::StoredStatus>| {
            let status = status.filter(|status| *status.worker_id == *worker_id);
            status.map_or(Value::Null, |status| json!(status.state))
        };
        let connectors = member.work.connectors.iter();
        let connectors = connectors.map(|name| (name.to_string(), says(statuses.connector(name))));
        let tasks = member.work.tasks.iter();
        let tasks = tasks.map(|id| (id.to_string(), says(statuses.task(&id.connector, id.task))));
        members.push(MemberInfo {
            url: Some(member.url.to_string()),
            member_id: Some(member.member_id.to_string()),
            is_leader: member.member_id == assigned.leader,
            config_offset: Some(member.config_offset),
            connectors: sorted(connectors),
            tasks: sorted(tasks),
            worker_id: worker_id.to_owned(),
        });
    }
    let rebalances = shell.rebalances().sample();
    let mut unknown = Vec::new();
    if rebalances.is_under_way {
        unknown.push(moving(assigned.generation, &rebalances));
    }
    let unassigned = owners.unassigned();
    Ok(ClusterInfo {
        source: "leader",
        unassigned: WorkNames {
            connectors: unassigned.connectors.iter().map(ToString::to_string).collect(),
            tasks: unassigned.tasks.iter().map(ToString::to_string).collect(),
        },
        members,
        unknown,
        ..told_by(&assigned, &rebalances, Some(owners.reason().to_owned()))
    })
}

/// What the leader says of the cluster. `None` where there is nobody to ask; an error says why it did not say anything.
async fn ask_leader(shell: &ClusterShell, head: &Head) -> Option<Result<Value, String>> {
    let assigned =
        shell.assigned().filter(|assigned| !assigned.is_leader && !assigned.leader_url.is_empty())?;
    let url = &assigned.leader_url;
    let request = Forward {
        target: Some(url.to_string()),
        method: Method::GET,
        path: "/admin/cluster".to_owned(),
        query: Vec::new(),
        body: None,
        authorization: head.headers.get(AUTHORIZATION).cloned(),
    };
    let answer = match timeout(LEADER_PATIENCE, shell.peers().forward(request, Hops::None)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(RestError::Remote { status: 404, .. })) => {
            return Some(Err(format!(
                "the leader {url} has no /admin/cluster: it is a Java worker, or its admin endpoints listen elsewhere"
            )));
        }
        Ok(Err(error)) => return Some(Err(format!("the leader {url} did not answer: {}", error.message()))),
        Err(_elapsed) => {
            let limit = LEADER_PATIENCE.as_secs();
            return Some(Err(format!("the leader {url} did not answer within {limit} s")));
        }
    };
    let told = serde_json::from_slice::<Value>(&answer.body).ok();
    let cluster = told.and_then(|mut told| told.get_mut("cluster").map(Value::take));
    Some(match cluster.filter(|cluster| cluster["source"] == "leader") {
        Some(mut cluster) => {
            let rebalances = shell.rebalances().sample();
            if let Some(unknown) = cluster["unknown"].as_array_mut()
                && unknown.is_empty()
                && rebalances.is_under_way
            {
                unknown.push(moving(assigned.generation, &rebalances).into());
            }
            Ok(cluster)
        }
        None => Err(format!("{url} does not lead any more")),
    })
}

/// What the status topic says of everybody.
fn from_statuses(shell: &ClusterShell, reason: String) -> ClusterInfo {
    let statuses = shell.statuses();
    let configured = shell.configured();
    let mut members: BTreeMap<Arc<str>, (States, States)> = BTreeMap::new();
    let mut held = HashSet::new();
    for name in statuses.connectors() {
        if let Some(status) = statuses.connector(&name).filter(|status| status.state != State::Unassigned) {
            let (connectors, _) = members.entry(status.worker_id).or_default();
            connectors.insert(name.to_string(), json!(status.state));
            held.insert(name.to_string());
        }
        for (task, status) in statuses.tasks(&name) {
            if status.state != State::Unassigned {
                let id = TaskId { connector: Arc::clone(&name), task }.to_string();
                let (_, tasks) = members.entry(status.worker_id).or_default();
                tasks.insert(id.clone(), json!(status.state));
                held.insert(id);
            }
        }
    }
    let rebalances = shell.rebalances().sample();
    let assigned = shell.assigned();
    let leader = assigned.as_ref().map(|assigned| worker_id_of(&assigned.leader_url));
    let members = members.into_iter().map(|(worker_id, (connectors, tasks))| MemberInfo {
        url: None,
        member_id: None,
        is_leader: leader == Some(&*worker_id),
        config_offset: None,
        connectors,
        tasks,
        worker_id: worker_id.to_string(),
    });
    let mut unassigned = WorkNames::default();
    for name in configured.connectors() {
        if !held.contains(&**name) {
            unassigned.connectors.push(name.to_string());
        }
        let tasks =
            configured.tasks(name).map(|task| TaskId { connector: Arc::clone(name), task }.to_string());
        unassigned.tasks.extend(tasks.filter(|id| !held.contains(id)));
    }
    let mut unknown = vec![
        reason,
        "members, as far as connectors or tasks say that they run there: workers without any are not shown, and one that was killed is \
         shown until its work runs elsewhere"
            .to_owned(),
    ];
    let told = match &assigned {
        Some(assigned) => told_by(assigned, &rebalances, None),
        None => {
            unknown.push("who leads, the generation and its config offset".to_owned());
            nothing_told(&rebalances)
        }
    };
    if rebalances.is_under_way
        && let Some(assigned) = &assigned
    {
        unknown.push(moving(assigned.generation, &rebalances));
    }
    ClusterInfo { source: "status topic", members: members.collect(), unassigned, unknown, ..told }
}

/// The parts that every assignment tells.
fn told_by(assigned: &Assigned, rebalances: &RebalanceSample, reason: Option<String>) -> ClusterInfo {
    let leader_url = (!assigned.leader_url.is_empty()).then(|| assigned.leader_url.to_string());
    let told = nothing_told(rebalances);
    ClusterInfo {
        leader_url,
        protocol: assigned.protocol.wire_name(),
        generation: assigned.generation,
        config_offset: assigned.config_offset,
        rebalance: RebalanceInfo { reason, ..told.rebalance },
        ..told
    }
}

fn nothing_told(rebalances: &RebalanceSample) -> ClusterInfo {
    ClusterInfo {
        source: "status topic",
        leader_url: None,
        protocol: rebalances.protocol.wire_name(),
        generation: -1,
        config_offset: -1,
        members: Vec::new(),
        unassigned: WorkNames::default(),
        rebalance: RebalanceInfo {
            is_under_way: rebalances.is_under_way,
            reason: None,
            took_ms: rebalances.last_duration_ms,
            ago_ms: Some(rebalances.since_last_ms).filter(|ago| ago.is_finite()),
            scheduled_in_ms: rebalances.scheduled_in_ms,
        },
        unknown: Vec::new(),
    }
}

fn moving(generation: i32, rebalances: &RebalanceSample) -> String {
    format!(
        "what moves: a rebalance is under way ({}), and this is what was known as of generation {generation}",
        rebalances.last_reason
    )
}

fn sorted(states: impl Iterator<Item = (String, Value)>) -> States {
    let mut states: Vec<_> = states.collect();
    states.sort_by(|(a, _), (b, _)| a.cmp(b));
    states.into_iter().collect()
}

/// `host:port`, as statuses name a worker.
fn worker_id_of(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

fn value(cluster: &ClusterInfo) -> Result<Value, RestError> {
    serde_json::to_value(cluster).map_err(|error| RestError::Thrown(error.to_string()))
}
