//! Which resource a request is about, and what it does.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use api::Props;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::error::{RestError, empty, json};
use super::request::{Parts, check_media_types, encode, read_body};
use super::requests;
use crate::config::{RawConfig, validate};
use crate::herd::{Command, CommandKind, ConfigInfo, Herder, Outcome};
use crate::version;

/// How long the herder may take (Java: `RestServer.DEFAULT_REST_REQUEST_TIMEOUT_MS`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// What REST shows of the worker, filled in as the worker starts.
#[derive(Debug)]
pub struct RestState {
    /// Set once the cluster has been asked.
    cluster_id: watch::Sender<Option<Arc<str>>>,
    /// Set once connectors can be created.
    herder: watch::Sender<Option<Herder>>,
}

type Answer = Result<Response<Full<Bytes>>, RestError>;

#[derive(Serialize)]
struct ServerInfo<'a> {
    version: &'static str,
    commit: &'static str,
    kafka_cluster_id: &'a str,
}

#[derive(Serialize)]
struct WorkerStatus {
    status: &'static str,
    message: &'static str,
}

#[derive(Serialize)]
struct PluginInfo {
    class: &'static str,
    r#type: &'static str,
    version: &'static str,
}

impl RestState {
    /// Nothing is known yet.
    pub fn new() -> Rc<RestState> {
        Rc::new(RestState { cluster_id: watch::channel(None).0, herder: watch::channel(None).0 })
    }

    /// Answers requests for the root resource from now on.
    pub fn set_cluster_id(&self, cluster_id: Arc<str>) {
        self.cluster_id.send_replace(Some(cluster_id));
    }

    /// Answers requests about connectors from now on.
    pub fn set_herder(&self, herder: Herder) {
        self.herder.send_replace(Some(herder));
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.route(request).await {
            Ok(response) => response,
            Err(error) => error.response(),
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Answer {
        let parts = Parts::of(&request);
        let segments: Vec<&str> = parts.segments.iter().map(String::as_str).collect();
        let allowed = allowed(&segments).ok_or(RestError::UnknownPath)?;
        // HEAD is GET without a body, which hyper leaves out by itself.
        let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
        if method == Method::OPTIONS {
            return Ok(options(allowed));
        }
        if !allowed.split(',').any(|other| other == method.as_str()) {
            return Err(RestError::MethodNotAllowed { allowed });
        }
        check_media_types(&request)?;
        match (method.as_str(), segments.as_slice()) {
            ("GET", []) => self.server_info().await,
            ("GET", ["health"]) => Ok(self.health()),
            ("GET", ["connectors"]) => self.list(&parts).await,
            ("POST", ["connectors"]) => self.create(&parts, &read_body(request).await?).await,
            ("GET", ["connectors", name]) => {
                found(self.herder().await?.look(|herd| herd.info(name)), || not_found(name))
            }
            ("DELETE", ["connectors", name]) => {
                self.command(name, CommandKind::Delete).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            ("GET", ["connectors", name, "config"]) => {
                found(self.herder().await?.look(|herd| herd.config(name).cloned().map(ConfigInfo)), || {
                    not_found(name)
                })
            }
            ("PUT", ["connectors", name, "config"]) => {
                self.configure(&parts, name, &read_body(request).await?).await
            }
            ("PATCH", ["connectors", name, "config"]) => self.patch(name, &read_body(request).await?).await,
            ("GET", ["connectors", name, "status"]) => {
                found(self.herder().await?.look(|herd| herd.status(name)), || {
                    format!("No status found for connector {name}")
                })
            }
            ("GET", ["connectors", name, "tasks"]) => {
                found(self.herder().await?.look(|herd| herd.tasks(name)), || not_found(name))
            }
            ("GET", ["connectors", name, "tasks-config"]) => self.task_configs(name).await,
            ("GET", ["connectors", name, "tasks", task, "status"]) => {
                let task = task_number(task)?;
                let number = u32::try_from(task).ok();
                let herder = self.herder().await?;
                let status = number.and_then(|number| herder.look(|herd| herd.task_status(name, number)));
                found(status, || format!("No status found for task {name}-{task}"))
            }
            ("POST", ["connectors", name, "tasks", task, "restart"]) => {
                let task = task_number(task)?;
                let Ok(task) = u32::try_from(task) else {
                    return Err(RestError::NotFound(format!("Task {name}-{task} not found")));
                };
                self.command(name, CommandKind::RestartTask { task }).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            ("POST", ["connectors", name, "restart"]) => self.restart(&parts, name).await,
            ("PUT", ["connectors", name, "pause"]) => {
                self.command(name, CommandKind::Pause).await?;
                Ok(empty(StatusCode::ACCEPTED))
            }
            ("PUT", ["connectors", name, "resume"]) => {
                self.command(name, CommandKind::Resume).await?;
                Ok(empty(StatusCode::ACCEPTED))
            }
            ("PUT", ["connectors", name, "stop"]) => {
                self.command(name, CommandKind::Stop).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            ("POST", ["connectors", _, "tasks"]) => Err(RestError::Standalone(
                "Kafka Connect in standalone mode does not support externally setting task configurations.",
            )),
            ("PUT", ["connectors", _, "fence"]) => Err(RestError::Standalone(
                "Kafka Connect in standalone mode does not support exactly-once source connectors.",
            )),
            ("GET", ["connector-plugins"]) => self.plugins(&parts).await,
            _ => Err(RestError::UnknownPath),
        }
    }

    async fn server_info(&self) -> Answer {
        let cluster_id = available(&self.cluster_id).await?;
        Ok(json(
            StatusCode::OK,
            &ServerInfo {
                version: version::COMPATIBLE,
                commit: version::COMMIT,
                kafka_cluster_id: &cluster_id,
            },
        ))
    }

    /// Unlike Java's, it answers at once while the worker starts: whoever asks wants to know now.
    fn health(&self) -> Response<Full<Bytes>> {
        let is_ready =
            self.herder.borrow().as_ref().is_some_and(|herder| herder.look(crate::herd::Herd::is_ready));
        if is_ready {
            let message = "Worker has completed startup and is ready to handle requests.";
            json(StatusCode::OK, &WorkerStatus { status: "healthy", message })
        } else {
            let status = WorkerStatus { status: "starting", message: "Worker is still starting up." };
            json(StatusCode::SERVICE_UNAVAILABLE, &status)
        }
    }

    async fn list(&self, parts: &Parts) -> Answer {
        let herder = self.herder().await?;
        let expansions: Vec<_> = parts.all("expand").collect();
        if expansions.is_empty() {
            let names = herder.look(|herd| herd.names().map(ToString::to_string).collect::<Vec<_>>());
            return Ok(json(StatusCode::OK, &names));
        }
        let expanded = herder.look(|herd| {
            let mut connectors = Map::new();
            for name in herd.names() {
                let mut entry = Map::new();
                if expansions.contains(&"status") {
                    // A connector that has no status yet is left out altogether, as in Java.
                    let Some(status) = herd.status(name) else { continue };
                    entry.insert("status".to_owned(), serde_json::to_value(status).unwrap_or(Value::Null));
                }
                if expansions.contains(&"info") {
                    entry.insert(
                        "info".to_owned(),
                        serde_json::to_value(herd.info(name)).unwrap_or(Value::Null),
                    );
                }
                connectors.insert(name.to_string(), Value::Object(entry));
            }
            connectors
        });
        Ok(json(StatusCode::OK, &expanded))
    }

    async fn create(&self, parts: &Parts, body: &[u8]) -> Answer {
        let requests::CreateConnector { name, mut config, initial_state: initial } =
            requests::create_connector(body)?;
        check_name(&mut config, &name)?;
        let herder = self.herder().await?;
        let plugin = validate(&config, herder.plugins(), herder.worker())?;
        let kind = CommandKind::Create { plugin, config: given(config), initial };
        shown(parts, &name, self.command(&name, kind).await?)
    }

    async fn configure(&self, parts: &Parts, name: &str, body: &[u8]) -> Answer {
        let mut config = requests::config(body)?;
        check_name(&mut config, name)?;
        let herder = self.herder().await?;
        let plugin = validate(&config, herder.plugins(), herder.worker())?;
        let kind = CommandKind::Configure { plugin, config: given(config) };
        shown(parts, name, self.command(name, kind).await?)
    }

    async fn patch(&self, name: &str, body: &[u8]) -> Answer {
        let changes = requests::config(body)?;
        let herder = self.herder().await?;
        let current = herder.look(|herd| herd.config(name).cloned());
        let mut config = current.ok_or_else(|| RestError::NotFound(not_found(name)))?;
        for (key, value) in changes {
            match value {
                Some(value) => drop(config.insert(key, value)),
                None => drop(config.shift_remove(&key)),
            }
        }
        let raw: RawConfig = config.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let plugin = validate(&raw, herder.plugins(), herder.worker())?;
        match self.command(name, CommandKind::Configure { plugin, config }).await? {
            Outcome::Created(info) | Outcome::Updated(info) => Ok(json(StatusCode::OK, &info)),
            Outcome::Done | Outcome::Restarting(_) => Ok(empty(StatusCode::OK)),
        }
    }

    async fn task_configs(&self, name: &str) -> Answer {
        let tasks = self.herder().await?.look(|herd| herd.tasks(name));
        let tasks = tasks.ok_or_else(|| RestError::NotFound(not_found(name)))?;
        let by_id = tasks.into_iter().map(|task| {
            let config = serde_json::to_value(ConfigInfo(task.config)).unwrap_or(Value::Null);
            (format!("{name}-{}", task.id.task), config)
        });
        Ok(json(StatusCode::OK, &by_id.collect::<Map<_, _>>()))
    }

    async fn restart(&self, parts: &Parts, name: &str) -> Answer {
        let (include_tasks, only_failed) =
            (parts.flag("includeTasks", false), parts.flag("onlyFailed", false));
        if !include_tasks && !only_failed {
            self.command(name, CommandKind::RestartInstance).await?;
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        match self.command(name, CommandKind::Restart { include_tasks, only_failed }).await? {
            Outcome::Restarting(planned) => Ok(json(StatusCode::ACCEPTED, &planned)),
            _ => Ok(empty(StatusCode::ACCEPTED)),
        }
    }

    async fn plugins(&self, parts: &Parts) -> Answer {
        let herder = self.herder().await?;
        let plugins = herder.plugins();
        let connectors = plugins.connectors().iter().map(|plugin| PluginInfo {
            class: plugin.class,
            r#type: if plugin.is_source() { "source" } else { "sink" },
            version: plugin.version,
        });
        let mut listed: Vec<_> = connectors.collect();
        if !parts.flag("connectorsOnly", true) {
            let converters = plugins.converters().iter();
            listed.extend(converters.map(|plugin| PluginInfo {
                class: plugin.class,
                r#type: "converter",
                version: plugin.version,
            }));
        }
        Ok(json(StatusCode::OK, &listed))
    }

    async fn herder(&self) -> Result<Herder, RestError> {
        available(&self.herder).await
    }

    async fn command(&self, name: &str, kind: CommandKind) -> Result<Outcome, RestError> {
        let herder = self.herder().await?;
        let command = Command { connector: name.into(), kind };
        match tokio::time::timeout(REQUEST_TIMEOUT, herder.command(command)).await {
            Ok(result) => Ok(result?),
            Err(_elapsed) => Err(RestError::TimedOut),
        }
    }
}

/// Methods of a resource, or `None` if there is no such resource.
fn allowed(segments: &[&str]) -> Option<&'static str> {
    Some(match segments {
        [] | ["health"] | ["connector-plugins"] => "GET,OPTIONS,HEAD",
        ["connectors"] => "HEAD,POST,GET,OPTIONS",
        ["connectors", _] => "HEAD,DELETE,GET,OPTIONS",
        ["connectors", _, "config"] => "HEAD,PATCH,GET,OPTIONS,PUT",
        ["connectors", _, "status" | "tasks-config"] | ["connectors", _, "tasks", _, "status"] => {
            "HEAD,GET,OPTIONS"
        }
        ["connectors", _, "tasks"] => "HEAD,POST,GET,OPTIONS",
        ["connectors", _, "restart"] | ["connectors", _, "tasks", _, "restart"] => "POST,OPTIONS",
        ["connectors", _, "pause" | "resume" | "stop" | "fence"] => "OPTIONS,PUT",
        _ => return None,
    })
}

fn options(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(allowed.replace(',', ", "))));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Waits for something that the starting worker has yet to provide.
async fn available<T: Clone>(source: &watch::Sender<Option<T>>) -> Result<T, RestError> {
    let mut receiver = source.subscribe();
    let value = tokio::time::timeout(REQUEST_TIMEOUT, receiver.wait_for(Option::is_some)).await;
    let value = value.map_err(|_elapsed| RestError::TimedOut)?;
    value.ok().and_then(|value| value.clone()).ok_or(RestError::TimedOut)
}

fn found(entity: Option<impl Serialize>, message: impl FnOnce() -> String) -> Answer {
    match entity {
        Some(entity) => Ok(json(StatusCode::OK, &entity)),
        None => Err(RestError::NotFound(message())),
    }
}

fn not_found(name: &str) -> String {
    format!("Connector {name} not found")
}

/// A path segment that JAX-RS would read as an `int`; others match no resource.
fn task_number(segment: &str) -> Result<i32, RestError> {
    segment.parse().map_err(|_not_a_number: std::num::ParseIntError| RestError::UnknownPath)
}

/// The configuration's name is the one in the URL; it is filled in where it is missing.
fn check_name(config: &mut RawConfig, name: &str) -> Result<(), RestError> {
    match config.get("name") {
        None => drop(config.insert("name".to_owned(), Some(name.to_owned()))),
        Some(inner) if inner.as_deref() == Some(name) => {}
        Some(inner) => {
            let inner = inner.as_deref().unwrap_or("null");
            return Err(RestError::BadRequest(format!(
                "Connector name configuration ({inner}) doesn't match connector name in the URL ({name})"
            )));
        }
    }
    Ok(())
}

/// The configuration without the nulls that validation let pass.
fn given(config: RawConfig) -> Props {
    config.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn shown(parts: &Parts, name: &str, outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Created(info) => {
            let mut response = json(StatusCode::CREATED, &info);
            let location = match &parts.host {
                Some(host) => format!("http://{host}/connectors/{}", encode(name)),
                None => format!("/connectors/{}", encode(name)),
            };
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        Outcome::Updated(info) => Ok(json(StatusCode::OK, &info)),
        Outcome::Done | Outcome::Restarting(_) => Ok(empty(StatusCode::OK)),
    }
}
