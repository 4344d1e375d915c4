//! The REST of a Connect cluster: a connector is created, looked at and deleted.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::rest::Client;

/// How long a rebalance (409) or a worker that has gone may stand in the way of a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Source,
    Sink,
}

/// One worker's REST.
pub(super) struct Endpoint {
    address: String,
    client: Option<Client>,
}

/// State of a connector and its tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) connector: State,
    pub(super) tasks: Vec<State>,
}

/// State of one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) id: u64,
    pub(super) state: String,
    pub(super) worker: String,
    /// The first line of why it failed.
    pub(super) trace: Option<String>,
}

impl State {
    fn parse(value: &Value) -> State {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        State {
            id: value["id"].as_u64().unwrap_or_default(),
            state: text("state"),
            worker: text("worker_id"),
            trace: value["trace"].as_str().and_then(|trace| trace.lines().next()).map(str::to_owned),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == "RUNNING"
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state == "FAILED"
    }
}

impl Status {
    pub(super) fn parse(value: &Value) -> Status {
        let tasks = value["tasks"].as_array().into_iter().flatten().map(State::parse).collect();
        Status { connector: State::parse(&value["connector"]), tasks }
    }

    /// Whether the connector and all of its tasks run.
    pub(super) fn is_running(&self) -> bool {
        self.connector.is_running() && !self.tasks.is_empty() && self.tasks.iter().all(State::is_running)
    }

    pub(super) fn failure(&self) -> Option<String> {
        let failed = std::iter::once(&self.connector).chain(&self.tasks).find(|it| it.has_failed())?;
        Some(failed.trace.clone().unwrap_or_else(|| "FAILED, without a trace".to_owned()))
    }
}

impl Endpoint {
    pub(super) fn new(address: &str) -> Endpoint {
        let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Endpoint { address, client: None }
    }

    /// Creates a connector, which must not be there yet.
    pub(super) async fn create(&mut self, name: &str, config: &Map<String, Value>) -> Result<Kind> {
        let body = json!({"name": name, "config": config}).to_string();
        let existing = self.send("GET", &format!("/connectors/{name}"), "").await?;
        if existing.0 == 200 {
            bail!("there is a connector {name} at {} already: give this one another name", self.address);
        }
        let created = self.done("POST", "/connectors", &body, &[201]).await?;
        match created["type"].as_str() {
            Some("sink") => Ok(Kind::Sink),
            Some("source") => Ok(Kind::Source),
            other => bail!("{} says that {name} is {other:?}, neither sink nor source", self.address),
        }
    }

    /// The states that the cluster tells; none while it does not know the connector yet.
    pub(super) async fn status(&mut self, name: &str) -> Result<Status> {
        let status = self.done("GET", &format!("/connectors/{name}/status"), "", &[200, 404]).await?;
        Ok(Status::parse(&status))
    }

    pub(super) async fn delete(&mut self, name: &str) -> Result<()> {
        self.done("DELETE", &format!("/connectors/{name}"), "", &[204, 404]).await?;
        Ok(())
    }

    /// Asks until the cluster has an answer that is no "not now".
    async fn done(&mut self, method: &str, path: &str, body: &str, fine: &[u16]) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(method, path, body).await;
            match answer {
                Ok((status, body)) if fine.contains(&status) => {
                    return Ok(serde_json::from_slice(&body).unwrap_or_default());
                }
                Ok((409 | 500 | 503, _)) | Err(_) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(500)).await;
                }
                Ok((status, body)) => {
                    bail!(
                        "{method} {path} at {}: {status} {}",
                        self.address,
                        String::from_utf8_lossy(&body).trim_end()
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect_to(self.address.as_str())
                .await
                .with_context(|| format!("no Connect REST at {}", self.address))?,
        };
        let answer = client.send(method, path, body).await?;
        // After an error the connection is in no known state.
        self.client = Some(client);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_whether_all_runs_and_why_not() {
        let mut status = json!({
            "name": "c", "connector": {"state": "RUNNING", "worker_id": "a:1"},
            "tasks": [{"id": 0, "state": "RUNNING", "worker_id": "a:1"}, {"id": 1, "state": "UNASSIGNED", "worker_id": "b:1"}],
        });
        assert!(!Status::parse(&status).is_running());
        status["tasks"][1] =
            json!({"id": 1, "state": "FAILED", "worker_id": "b:1", "trace": "E: bad\n\tat x"});
        assert_eq!(Status::parse(&status).failure().unwrap(), "E: bad");
        status["tasks"][1]["state"] = json!("RUNNING");
        assert!(Status::parse(&status).is_running());
        assert!(!Status::parse(&Value::Null).is_running(), "the cluster knows nothing yet");
    }
}
