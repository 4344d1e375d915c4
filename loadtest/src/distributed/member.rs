//! One worker process of a cluster, Java's or ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use xtask::connect::JavaWorker;
use xtask::kafka::Libs;

use crate::output::print;
use crate::usage::{Scheduled, Usage};
use crate::worker::{answers, free_port, write};

/// How long a worker may take until it serves, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(120);

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Whose worker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Java,
    Ours,
}

/// What every worker of a cluster is started with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// None where there is no Java worker.
    pub(super) libs: Option<Libs>,
    pub(super) binary: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) bootstrap: String,
    pub(super) group: String,
    /// What is the same for both kinds.
    pub(super) properties: Vec<(String, String)>,
}

/// A running worker. Killed when dropped.
#[derive(Debug)]
pub(super) struct Member {
    process: Process,
    pub(super) kind: Kind,
    pub(super) port: u16,
    /// As the status topic has it.
    pub(super) id: Rc<str>,
}

#[derive(Debug)]
enum Process {
    Java { worker: Box<JavaWorker>, log: PathBuf },
    Ours { child: Child, log: PathBuf },
}

impl Member {
    /// Starts a worker and waits until it has joined and serves.
    pub(super) async fn start(kind: Kind, settings: &Settings) -> Result<Member> {
        let (process, port) = match kind {
            Kind::Java => start_java(settings.clone()).await?,
            Kind::Ours => start_ours(settings).await?,
        };
        Ok(Member { process, kind, port, id: format!("127.0.0.1:{port}").into() })
    }

    fn pid(&self) -> u32 {
        match &self.process {
            Process::Java { worker, .. } => worker.pid(),
            Process::Ours { child, .. } => child.id(),
        }
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }

    /// What its main thread, which REST has, did so far.
    pub(super) fn main_thread(&self) -> Result<Scheduled> {
        Scheduled::main_thread_of(self.pid())
    }

    /// Files and sockets that it has open.
    pub(super) fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid())).context("list a worker's descriptors")?.count())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("a process has an id")?;
        kill_process(pid, signal).context("signal a worker")
    }

    pub(super) fn log(&self) -> Result<String> {
        let path = match &self.process {
            Process::Java { worker, .. } => worker.log(),
            Process::Ours { log, .. } => log,
        };
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Stops it as an operator would and waits for its end; gives its log.
    pub(super) async fn stop(mut self) -> Result<String> {
        self.signal(Signal::TERM)?;
        let begun = tokio::time::Instant::now();
        while !self.has_ended()? {
            if begun.elapsed() > PATIENCE {
                bail!("the worker {} did not stop within {PATIENCE:?}", self.id);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        self.log()
    }

    /// Ends it as a crash would; gives its log.
    pub(super) fn kill(self) -> Result<String> {
        self.signal(Signal::KILL)?;
        self.log()
    }

    fn has_ended(&mut self) -> Result<bool> {
        match &mut self.process {
            // A zombie until it is dropped, which does not run.
            Process::Java { worker, .. } => Ok(!xtask::process::is_running(worker.pid())),
            Process::Ours { child, .. } => Ok(child.try_wait()?.is_some()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        match self {
            // It ends with its guard, and its log goes then.
            Process::Java { worker, log } => {
                if let Err(error) = fs::copy(worker.log(), &*log) {
                    print(&format!("{} was not kept: {error}", log.display()));
                }
            }
            Process::Ours { child, .. } => {
                // It may have ended by itself; then there is nothing to kill.
                let _ended = child.kill();
                let _status = child.wait();
            }
        }
    }
}

async fn start_java(settings: Settings) -> Result<(Process, u16)> {
    let dir = settings.dir.clone();
    // It waits for the JVM on its thread.
    let java = tokio::task::spawn_blocking(move || {
        let libs = settings.libs.as_ref().context("a Java worker needs Kafka's jars")?;
        let properties: Vec<(&str, &str)> =
            settings.properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        JavaWorker::distributed_with_test_plugins(libs, &settings.bootstrap, &settings.group, &properties)
    })
    .await??;
    let port = java.rest().rsplit(':').next().and_then(|port| port.parse().ok());
    let port: u16 = port.context("a worker's REST has a port")?;
    Ok((Process::Java { worker: Box::new(java), log: dir.join(format!("worker-{port}.log")) }, port))
}

async fn start_ours(settings: &Settings) -> Result<(Process, u16)> {
    let Settings { binary, dir, bootstrap, group, properties, .. } = settings;
    let port = free_port()?;
    let mut text = format!(
        "bootstrap.servers={bootstrap}\n\
         group.id={group}\n\
         listeners=http://127.0.0.1:{port}\n\
         config.storage.topic={group}-configs\n\
         offset.storage.topic={group}-offsets\n\
         status.storage.topic={group}-status\n\
         config.storage.replication.factor=1\n\
         offset.storage.replication.factor=1\n\
         status.storage.replication.factor=1\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n"
    );
    for (key, value) in properties {
        text.push_str(&format!("{key}={value}\n"));
    }
    let file = write(dir, &format!("worker-{port}.properties"), &text)?;
    let log = dir.join(format!("worker-{port}.log"));
    let child = spawn(binary, &file, &log)?;
    let mut process = Process::Ours { child, log: log.clone() };
    let begun = tokio::time::Instant::now();
    let has_joined =
        || fs::read_to_string(&log).is_ok_and(|log| log.contains("Finished starting connectors"));
    while !(has_joined() && answers(port)) {
        if let Process::Ours { child, .. } = &mut process
            && let Some(status) = child.try_wait()?
        {
            bail!("the worker ended with {status}:\n{}", fs::read_to_string(&log)?);
        }
        if begun.elapsed() > PATIENCE {
            bail!("the worker did not join within {PATIENCE:?}:\n{}", fs::read_to_string(&log)?);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok((process, port))
}

fn spawn(binary: &Path, properties: &Path, log: &Path) -> Result<Child> {
    let log = fs::File::create(log)?;
    Command::new(binary)
        .args(["distributed".as_ref(), properties.as_os_str()])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("start {}", binary.display()))
}
