//! Requests to a worker while the cluster changes, and the same requests to somebody who has nothing else to do.
//!
//! On a machine with more to run than cores a thread waits for its turn, whatever it is to do then. The idle server says how long: what the
//! worker's answers take beyond the idle server's is the worker's own. Requests leave from a thread of their own, so that what the rest of this
//! program does, reading thousands of statuses, delays none.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::rest::{Outcome, Request, load, load_while};

/// What is asked, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Requests per second.
    pub(super) rate: u32,
    /// That share them.
    pub(super) connections: u32,
    /// Connectors that are asked about.
    pub(super) connectors: u32,
}

/// How long answers took.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Of the worker.
    pub(super) worker: Outcome,
    /// Of the idle server.
    pub(super) idle: Outcome,
}

impl Asked {
    /// What was due within a time, in ms since the epoch.
    pub(super) fn between(&self, from_ms: i64, until_ms: i64) -> Asked {
        let at = |ms: i64| SystemTime::UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
        let of = |outcome: &Outcome| outcome.between(at(from_ms), at(until_ms));
        Asked { worker: of(&self.worker), idle: of(&self.idle) }
    }

    pub(super) fn add(&mut self, other: Asked) {
        self.worker.add(other.worker);
        self.idle.add(other.idle);
    }
}

/// Asks both until it is told to stop.
#[derive(Debug)]
pub(super) struct Asking {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Asked>>,
}

impl Asking {
    pub(super) fn begin(worker: u16, idle: u16, schedule: Schedule) -> Asking {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            block_on(async {
                let ask = |port| {
                    let ends = Arc::clone(&ends);
                    let goes_on = move |_since| !ends.load(Ordering::Relaxed);
                    let Schedule { rate, connections, connectors } = schedule;
                    load_while(port, move |turn| request(turn, connectors), rate, connections, goes_on)
                };
                let (worker, idle) = tokio::try_join!(ask(worker), ask(idle))?;
                Ok(Asked { worker, idle })
            })
        });
        Asking { is_over, thread }
    }

    pub(super) async fn end(self) -> Result<Asked> {
        self.is_over.store(true, Ordering::Relaxed);
        joined(self.thread).await
    }
}

/// Asks both for so long.
pub(super) async fn ask_for(length: Duration, worker: u16, idle: u16, schedule: Schedule) -> Result<Asked> {
    let asked = thread::spawn(move || {
        block_on(async {
            let ask = |port| {
                let Schedule { rate, connections, connectors } = schedule;
                load(port, move |turn| request(turn, connectors), rate, connections, length)
            };
            let (worker, idle) = tokio::try_join!(ask(worker), ask(idle))?;
            Ok(Asked { worker, idle })
        })
    });
    joined(asked).await
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

async fn joined(thread: JoinHandle<Result<Asked>>) -> Result<Asked> {
    let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
    ended.ok().context("the thread that sends requests panicked")?
}

/// What a dashboard asks.
fn request(turn: u32, connectors: u32) -> Request {
    let name = super::fleet::name(turn.wrapping_mul(7) % connectors);
    match turn % 20 {
        0 => ("GET", "/connectors".to_owned(), ""),
        1 => ("GET", "/".to_owned(), ""),
        2..=5 => ("GET", format!("/connectors/{name}"), ""),
        _ => ("GET", format!("/connectors/{name}/status"), ""),
    }
}

/// Answers every request without a body at once, from one thread per connection; gives its port. It goes on until the program ends.
pub(super) fn idle_server() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen as the idle server")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever asked is gone.
            thread::spawn(move || drop(answer(stream)));
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        // The end of the head.
        if line?.is_empty() {
            writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_server_answers_on_a_connection_that_is_kept() {
        let port = idle_server().unwrap();
        let answered = block_on(async {
            let mut client = crate::rest::Client::connect(port).await?;
            client.send("GET", "/", "").await?;
            client.send("GET", "/connectors", "").await
        });
        assert_eq!(answered.unwrap(), (200, b"{}".to_vec()));
    }
}
