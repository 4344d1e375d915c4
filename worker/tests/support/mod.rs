//! What the worker's integration tests share: a broker, workers in and out of the process, an HTTP client, waiting.

#![expect(dead_code, reason = "every test binary uses another part")]
#![expect(clippy::print_stdout, reason = "what a failed worker printed")]

pub(crate) mod https;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up on it; the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives a value.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The embedded broker, or a real one where `AQUEDUCT_KAFKA` names it.
pub(crate) struct Broker {
    pub(crate) bootstrap: String,
    _embedded: Option<broker::BrokerHandle>,
}

impl Broker {
    pub(crate) fn start() -> Broker {
        if let Ok(bootstrap) = std::env::var("AQUEDUCT_KAFKA") {
            return Broker { bootstrap, _embedded: None };
        }
        let embedded = broker::Broker::builder().spawn_thread("127.0.0.1:0").unwrap();
        Broker { bootstrap: embedded.bootstrap_servers(), _embedded: Some(embedded) }
    }
}

/// A name that no other test, and no earlier run on the same broker, uses.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!(
        "{prefix}-{}-{}-{}",
        std::process::id(),
        now.as_millis() % 100_000_000,
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) type Properties<'a> = [(&'a str, &'a str)];

pub(crate) fn write_properties(path: &Path, entries: &Properties<'_>) -> PathBuf {
    let lines: Vec<_> = entries.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    fs::write(path, lines.concat()).unwrap();
    path.to_owned()
}

/// Properties of a worker with string converters, a free REST port and its offsets in `dir`.
pub(crate) fn worker_properties(bootstrap: &str, dir: &Path, more: &Properties<'_>) -> Vec<(String, String)> {
    let offsets = dir.join("connect.offsets").display().to_string();
    let defaults = [
        ("bootstrap.servers", bootstrap),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("offset.storage.file.filename", offsets.as_str()),
        ("offset.flush.interval.ms", "200"),
        ("listeners", "http://127.0.0.1:0"),
        // Real Kafka refuses less than six seconds; a killed member is waited for that long.
        ("consumer.session.timeout.ms", "6000"),
        ("consumer.heartbeat.interval.ms", "1000"),
    ];
    let all = defaults.iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The program as a process of its own. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    collectors: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `aqueduct` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Process {
        Process::start_with(arguments, &[])
    }

    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Process {
        let mut command = Command::new(Process::program());
        command.env("AQUEDUCT_CORES", "2").envs(environment.iter().copied());
        Process::spawn(command.args(arguments))
    }

    fn program() -> String {
        std::env::var("AQUEDUCT_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_aqueduct").to_owned())
    }

    fn spawn(command: &mut Command) -> Process {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let stdout = collect(child.stdout.take().unwrap(), &output);
        let stderr = collect(child.stderr.take().unwrap(), &output);
        Process { child, output, collectors: vec![stdout, stderr] }
    }

    /// As [`Process::start`], with no more than so many descriptors.
    pub(crate) fn start_limited(arguments: &[&str], descriptors: usize) -> Process {
        let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        let program = Process::program();
        Process::spawn(
            Command::new("sh").env("AQUEDUCT_CORES", "2").args(["-c", &script, &program]).args(arguments),
        )
    }

    /// Starts a standalone worker and waits until it is ready.
    pub(crate) fn standalone(worker: &Path, connectors: &[PathBuf]) -> Process {
        let paths: Vec<_> = connectors.iter().map(|path| path.to_str().unwrap()).collect();
        let mut process =
            Process::start(&[&["standalone", worker.to_str().unwrap()], paths.as_slice()].concat());
        process.wait_for_output("ready in");
        process
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// What a process that has ended wrote last may still be on its way through the pipes.
    fn take_all_output(&mut self) {
        for collector in self.collectors.drain(..) {
            collector.join().unwrap();
        }
    }

    /// Waits for a line of output that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_output(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                self.take_all_output();
            }
            if let Some(line) = self.output().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            let is_late = started.elapsed() > PATIENCE;
            assert!(
                ended.is_none() && !is_late,
                "no {text:?} in the output (ended: {ended:?}):\n{}",
                self.output()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The first URL that REST listens on.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Rest {
        let line = self.wait_for_output("REST server listening");
        let url = line.split("url=").nth(1).unwrap().split_whitespace().next().unwrap();
        Rest::new(url)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sends SIGTERM and gives its exit code.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.take_all_output();
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the process does not end:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
        if std::thread::panicking() {
            // Captured with the rest of what a failing test prints.
            println!("output of the worker:\n{}", self.output());
        }
    }
}

fn collect(stream: impl std::io::Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    })
}

/// A worker within this process, on a thread of its own: for plug-ins that only a test has.
pub(crate) struct InProcess {
    pub(crate) rest: Rest,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InProcess {
    pub(crate) fn start(properties: &[(String, String)], registry: worker::Registry) -> InProcess {
        let props: api::Props = properties.iter().cloned().collect();
        let plugins = worker::config::Plugins::new(registry);
        let config = match props.contains_key("group.id") {
            true => worker::config::WorkerConfig::distributed(props, &plugins),
            false => worker::config::WorkerConfig::standalone(props, &plugins),
        };
        let config = config.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (started, url) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                let options = worker::WorkerOptions {
                    config,
                    plugins,
                    data_core_count: std::num::NonZeroUsize::new(2),
                    is_pinned: false,
                };
                let worker = worker::Worker::start(options).await.unwrap();
                worker.set_ready();
                started.send(worker.urls()[0].clone()).unwrap();
                let _dropped = stopped.await;
                worker.stop().await;
            });
        });
        let url = url.recv_timeout(PATIENCE).unwrap();
        InProcess { rest: Rest::new(&url), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Takes an answer apart that ends with the connection.
    #[track_caller]
    pub(crate) fn parse(answer: &str) -> Answer {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned()));
        Answer { status, headers: headers.collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A REST client.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    /// `host:port`.
    pub(crate) address: String,
}

impl Rest {
    pub(crate) fn new(url: &str) -> Rest {
        let address = url.split_once("://").map_or(url, |(_, address)| address);
        Rest { address: address.trim_end_matches('/').to_owned() }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let content_type = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        let body = body.unwrap_or("");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{content_type}Content-Length: {length}\r\n\r\n",
            self.address
        );
        self.raw(&format!("{head}{body}"))
    }

    /// Sends bytes as they are and reads the answer to its end.
    #[track_caller]
    pub(crate) fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may answer and close before it has read everything.
        let _cut_off = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _cut_off = stream.read_to_end(&mut answer);
        Answer::parse(&String::from_utf8(answer).unwrap())
    }

    /// Creates a connector.
    #[track_caller]
    pub(crate) fn create(&self, name: &str, config: &Properties<'_>) -> Answer {
        let config: serde_json::Map<_, _> =
            config.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        let body = serde_json::json!({ "name": name, "config": config });
        self.send("POST", "/connectors", Some(&body.to_string()))
    }

    /// States of instance and tasks, such as `RUNNING: RUNNING,FAILED`.
    pub(crate) fn states(&self, connector: &str) -> String {
        let answer = self.get(&format!("/connectors/{connector}/status"));
        if answer.status != 200 {
            return answer.status.to_string();
        }
        let status = answer.json();
        let state = |value: &Value| value["state"].as_str().unwrap().to_owned();
        let tasks: Vec<_> = status["tasks"].as_array().unwrap().iter().map(state).collect();
        format!("{}: {}", state(&status["connector"]), tasks.join(","))
            .trim_end_matches([':', ' '])
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn wait_for_states(&self, connector: &str, expected: &str) {
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            last = self.states(connector);
            if last == expected {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!(
            "{connector} is {last}, not {expected}: {}",
            self.get(&format!("/connectors/{connector}/status")).body
        );
    }
}

/// Lines of a file so far, without the unfinished one.
pub(crate) fn complete_lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    String::from_utf8(bytes[..end].to_vec()).unwrap().lines().map(str::to_owned).collect()
}
