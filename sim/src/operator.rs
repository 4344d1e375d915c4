//! Whoever works with the cluster through its REST: creates, changes and deletes connectors on any worker, and remembers what was promised.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use worker::rest::RestError;
use worker::rest::forward::ForwardClient;

use crate::log;
use crate::network::{Network, Peer, REST_PORT};

/// Longer than any request may take, those that one worker passes on to another included.
pub(crate) const LATE: Duration = Duration::from_secs(200);

/// What a connector is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Running,
    Paused,
    Stopped,
}

/// What a connector should be like, as far as answers have promised it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) is_source: bool,
    pub(crate) exists: bool,
    pub(crate) incarnation: u32,
    pub(crate) version: u32,
    pub(crate) tasks: u32,
    pub(crate) partitions: u32,
    pub(crate) target: Target,
    /// A request about it has no answer that says whether it was carried out.
    pub(crate) is_uncertain: bool,
    is_busy: bool,
    since: Instant,
}

impl Wanted {
    /// How many tasks there should be.
    pub(crate) fn task_count(&self) -> u32 {
        if self.is_source { self.tasks.min(self.partitions) } else { self.tasks }
    }
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// 2xx.
    Done(Bytes),
    /// Refused for good: nothing was changed.
    Refused(u16),
    /// Nobody knows.
    Unknown,
}

/// Works with the cluster.
#[derive(Clone)]
pub(crate) struct Operator {
    client: Rc<ForwardClient>,
    wanted: Rc<RefCell<BTreeMap<String, Wanted>>>,
    counts: Rc<RefCell<BTreeMap<String, u64>>>,
    workers: usize,
}

/// The topics that sources write to.
pub(crate) const SOURCES: [&str; 3] = ["src0", "src1", "src2"];
/// The sinks; each reads two of the topics.
pub(crate) const SINKS: [&str; 2] = ["snk0", "snk1"];

/// Which topics a sink reads.
pub(crate) fn topics_of(sink: &str) -> [&'static str; 2] {
    if sink == SINKS[0] { [SOURCES[0], SOURCES[1]] } else { [SOURCES[1], SOURCES[2]] }
}

impl Operator {
    pub(crate) fn new(network: &Network, workers: usize) -> Operator {
        let client = ForwardClient::new(Err("there is no TLS here".to_owned()), network.dialer(Peer::User));
        let names = SOURCES.iter().map(|name| (name, true)).chain(SINKS.iter().map(|name| (name, false)));
        let wanted = names.map(|(name, is_source)| {
            let wanted = Wanted {
                name: (*name).to_owned(),
                is_source,
                exists: false,
                incarnation: 0,
                version: 0,
                tasks: 1,
                partitions: 4,
                target: Target::Running,
                is_uncertain: false,
                is_busy: false,
                since: Instant::now(),
            };
            ((*name).to_owned(), wanted)
        });
        Operator {
            client: Rc::new(client),
            wanted: Rc::new(RefCell::new(wanted.collect())),
            counts: Rc::default(),
            workers,
        }
    }

    /// What should be.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.wanted.borrow().values().cloned().collect()
    }

    /// Requests so far, by what they asked for and what came of them.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.borrow().clone()
    }

    /// Whether some request has no answer yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.wanted.borrow().values().any(|wanted| wanted.is_busy)
    }

    /// Sends a request to a worker.
    pub(crate) async fn ask(&self, worker: usize, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("http://w{worker}:{REST_PORT}{path}");
        let body = body.map(|body| Bytes::from(body.to_string()));
        match self.client.send(&url, method, body, Vec::new()).await {
            Ok(answer) => Answer::Done(answer.body),
            Err(RestError::Remote { status, .. }) if status < 500 => Answer::Refused(status),
            Err(_) => Answer::Unknown,
        }
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Wanted)) {
        if let Some(wanted) = self.wanted.borrow_mut().get_mut(name) {
            change(wanted);
        }
    }

    fn config(wanted: &Wanted, random: &mut Rng) -> Value {
        let mut config = json!({
            "name": wanted.name,
            "connector.class": if wanted.is_source { "sim.Source" } else { "sim.Sink" },
            "tasks.max": wanted.tasks.to_string(),
            "incarnation": wanted.incarnation.to_string(),
            "version": wanted.version.to_string(),
        });
        if wanted.is_source {
            config["partitions"] = json!(wanted.partitions.to_string());
            config["pause.ms"] = json!(random.u32(5_000..20_000).to_string());
            config["batch"] = json!(random.u32(1..4).to_string());
        } else {
            config["topics"] = json!(topics_of(&wanted.name).join(","));
        }
        config
    }

    /// Asks for some change, in the background; of one connector one at a time.
    pub(crate) fn act(&self, random: &mut Rng) {
        let idle: Vec<Wanted> =
            self.wanted().into_iter().filter(|it| !it.is_busy && !it.is_uncertain).collect();
        if idle.is_empty() {
            return;
        }
        let mut next = idle[random.usize(..idle.len())].clone();
        let path = format!("/connectors/{}", next.name);
        let (what, method, path, body) = if !next.exists {
            next.exists = true;
            next.incarnation += 1;
            next.version = 1;
            next.tasks = random.u32(1..5);
            next.target = Target::Running;
            let body = json!({"name": next.name, "config": Operator::config(&next, random)});
            ("create", Method::POST, "/connectors".to_owned(), Some(body))
        } else {
            match random.u32(..20) {
                0..=6 => {
                    next.version += 1;
                    if random.bool() {
                        next.tasks = random.u32(1..5);
                    }
                    let body = Operator::config(&next, random);
                    ("reconfigure", Method::PUT, format!("{path}/config"), Some(body))
                }
                7..=8 => {
                    next.target = Target::Paused;
                    ("pause", Method::PUT, format!("{path}/pause"), None)
                }
                9..=12 => {
                    next.target = Target::Running;
                    ("resume", Method::PUT, format!("{path}/resume"), None)
                }
                13..=14 => {
                    next.target = Target::Stopped;
                    ("stop", Method::PUT, format!("{path}/stop"), None)
                }
                15 => ("restart", Method::POST, format!("{path}/restart?includeTasks=true"), None),
                16 => ("restart connector", Method::POST, format!("{path}/restart"), None),
                17 => {
                    let task = random.u32(..next.task_count());
                    ("restart task", Method::POST, format!("{path}/tasks/{task}/restart"), None)
                }
                _ => {
                    next.exists = false;
                    ("delete", Method::DELETE, path, None)
                }
            }
        };
        self.send(what, next, random.usize(..self.workers), method, path, body);
    }

    fn send(
        &self,
        what: &'static str,
        next: Wanted,
        worker: usize,
        method: Method,
        path: String,
        body: Option<Value>,
    ) {
        self.change(&next.name, |wanted| wanted.is_busy = true);
        log::event(format_args!(
            "{what} {} {}.{} with {} tasks is asked of w{worker}",
            next.name, next.incarnation, next.version, next.tasks
        ));
        let own = self.clone();
        tokio::task::spawn_local(async move {
            let answer = own.ask(worker, method, &path, body).await;
            let result = match &answer {
                Answer::Done(_) => "done".to_owned(),
                Answer::Refused(status) => format!("refused ({status})"),
                Answer::Unknown => "unknown".to_owned(),
            };
            log::event(format_args!("{what} {} {}.{}: {result}", next.name, next.incarnation, next.version));
            *own.counts.borrow_mut().entry(format!("{what} {result}")).or_default() += 1;
            own.change(&next.name, |wanted| {
                wanted.is_busy = false;
                wanted.since = Instant::now();
                match answer {
                    Answer::Done(_) => {
                        *wanted = Wanted { is_busy: false, since: Instant::now(), ..next.clone() }
                    }
                    Answer::Refused(_) => {}
                    Answer::Unknown => {
                        // What is tried next has to be told from this one.
                        wanted.is_uncertain = true;
                        wanted.incarnation = wanted.incarnation.max(next.incarnation);
                        wanted.version = wanted.version.max(next.version);
                    }
                }
            });
        });
    }

    /// Makes sure of everything that is uncertain or missing: by requests that say all, repeated until they are carried out. Whether it worked
    /// within the time.
    pub(crate) async fn make_certain(&self, random: &mut Rng, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_busy() {
            if Instant::now() >= deadline + LATE {
                return false;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let open: Vec<Wanted> =
            self.wanted().into_iter().filter(|it| it.is_uncertain || !it.exists).collect();
        for mut next in open {
            if next.is_uncertain {
                // Until nothing of the lost request can come any more.
                tokio::time::sleep_until(next.since + LATE).await;
            }
            if !next.exists {
                next.incarnation += 1;
            }
            next.version += 1;
            let deadline = Instant::now() + limit;
            next.target = Target::Running;
            next.exists = true;
            next.is_uncertain = false;
            let path = format!("/connectors/{}", next.name);
            let config = Operator::config(&next, random);
            let steps = [
                (Method::PUT, format!("{path}/config"), Some(config)),
                (Method::PUT, format!("{path}/resume"), None),
            ];
            for (method, path, body) in steps {
                loop {
                    let worker = random.usize(..self.workers);
                    let answer = self.ask(worker, method.clone(), &path, body.clone()).await;
                    log::event(format_args!(
                        "{method} {path} at w{worker} to be certain: {}",
                        match &answer {
                            Answer::Done(_) => "done".to_owned(),
                            Answer::Refused(status) => format!("refused ({status})"),
                            Answer::Unknown => "unknown".to_owned(),
                        }
                    ));
                    if matches!(answer, Answer::Done(_)) {
                        break;
                    }
                    if Instant::now() >= deadline {
                        return false;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            self.change(&next.name, |wanted| *wanted = next.clone());
        }
        true
    }
}
