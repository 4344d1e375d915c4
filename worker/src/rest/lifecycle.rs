//! What runs: status, tasks, restart, pause, resume, stop.

use hyper::StatusCode;

use super::error::{Answer, RestError, empty, found, json, not_found};
use super::request::Parts;
use super::state::RestState;
use crate::herd::{CommandKind, Outcome};

pub(super) async fn status(state: &RestState, name: &str) -> Answer {
    let status = state.herder().await?.look(|herd| herd.status(name));
    found(status, || format!("No status found for connector {name}"))
}

pub(super) async fn restart(state: &RestState, parts: &Parts, name: &str) -> Answer {
    let (include_tasks, only_failed) = (parts.flag("includeTasks", false), parts.flag("onlyFailed", false));
    if !include_tasks && !only_failed {
        state.command(name, CommandKind::RestartInstance).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    match state.command(name, CommandKind::Restart { include_tasks, only_failed }).await? {
        Outcome::Restarting(planned) => Ok(json(StatusCode::ACCEPTED, &planned)),
        _ => Ok(empty(StatusCode::ACCEPTED)),
    }
}

pub(super) async fn pause(state: &RestState, name: &str) -> Answer {
    state.command(name, CommandKind::Pause).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

pub(super) async fn resume(state: &RestState, name: &str) -> Answer {
    state.command(name, CommandKind::Resume).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

pub(super) async fn stop(state: &RestState, name: &str) -> Answer {
    state.command(name, CommandKind::Stop).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn tasks(state: &RestState, name: &str) -> Answer {
    found(state.herder().await?.look(|herd| herd.tasks(name)), || not_found(name))
}

pub(super) async fn task_status(state: &RestState, name: &str, task: &str) -> Answer {
    let task = task_number(task)?;
    let number = u32::try_from(task).ok();
    let herder = state.herder().await?;
    let status = number.and_then(|number| herder.look(|herd| herd.task_status(name, number)));
    found(status, || format!("No status found for task {name}-{task}"))
}

pub(super) async fn restart_task(state: &RestState, name: &str, task: &str) -> Answer {
    let task = task_number(task)?;
    let Ok(task) = u32::try_from(task) else {
        return Err(RestError::NotFound(format!("Task {name}-{task} not found")));
    };
    state.command(name, CommandKind::RestartTask { task }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// A path segment that JAX-RS would read as an `int`; others match no resource.
fn task_number(segment: &str) -> Result<i32, RestError> {
    segment.parse().map_err(|_not_a_number: std::num::ParseIntError| RestError::UnknownPath)
}
