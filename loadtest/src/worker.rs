//! A worker process under measurement: started with its properties files, watched through `/proc`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::usage::Usage;

/// How long a worker may take until its REST answers.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `aqueduct standalone`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    /// Where its REST listens on loopback.
    pub(crate) port: u16,
    /// From the start of the process to the first answer of its REST.
    pub(crate) ready_after: Duration,
}

impl Worker {
    /// Writes the properties into `dir`, starts the worker and waits until its REST answers.
    pub(crate) fn start(
        binary: &Path,
        dir: &Path,
        bootstrap: &str,
        extra: &str,
        connectors: &[String],
    ) -> Result<Worker> {
        let port = free_port()?;
        let worker = write(
            dir,
            "worker.properties",
            &format!(
                "bootstrap.servers={bootstrap}\n\
                 listeners=http://127.0.0.1:{port}\n\
                 offset.storage.file.filename={}/offsets\n\
                 offset.flush.interval.ms=500\n{extra}",
                dir.display()
            ),
        )?;
        let connectors: Vec<PathBuf> = connectors
            .iter()
            .enumerate()
            .map(|(number, text)| write(dir, &format!("connector-{number}.properties"), text))
            .collect::<Result<_>>()?;
        let log = fs::File::create(dir.join("worker.log"))?;
        let started = Instant::now();
        let child = Command::new(binary)
            .args(["standalone".as_ref(), worker.as_os_str()])
            .args(connectors)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let mut worker = Worker { child, port, ready_after: Duration::ZERO };
        while !answers(port) {
            if let Some(status) = worker.child.try_wait()? {
                bail!("the worker ended with {status}; its log is {}", dir.join("worker.log").display());
            }
            if started.elapsed() > READY_TIMEOUT {
                bail!("the worker's REST did not answer within {READY_TIMEOUT:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        worker.ready_after = started.elapsed();
        Ok(worker)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A port of loopback that nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

pub(crate) fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// Whether `GET /` is answered.
pub(crate) fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
