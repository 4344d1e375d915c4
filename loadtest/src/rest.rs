//! Requests to a worker's REST: a connection that is kept, and many requests on a schedule.
//!
//! Requests leave on a fixed schedule whatever the answers do, over connections that are kept, and a request's latency runs from the moment
//! it was due, so that a late answer makes those behind it late as well (no coordinated omission).

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::{Instant, sleep_until, timeout};

/// How long one answer may take until it counts as none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer larger than this is not one of ours.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What became of requests.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of every request that was answered, from when it was due, and when that was; ascending.
    pub(crate) latencies: Vec<(Duration, SystemTime)>,
    /// Answers that the worker is too busy.
    pub(crate) refused: u64,
    /// Requests without an answer.
    pub(crate) failed: u64,
}

impl Outcome {
    /// The answers to requests that were due within a time; nothing of those that had none.
    pub(crate) fn between(&self, from: SystemTime, until: SystemTime) -> Outcome {
        let is_inside = |(_, due): &&(Duration, SystemTime)| (from..until).contains(due);
        Outcome {
            latencies: self.latencies.iter().filter(is_inside).copied().collect(),
            ..Outcome::default()
        }
    }

    pub(crate) fn add(&mut self, other: Outcome) {
        self.latencies.extend(other.latencies);
        self.latencies.sort();
        self.refused += other.refused;
        self.failed += other.failed;
    }

    /// The latency in ms that so many of the answers did not exceed, of 1.
    pub(crate) fn ms(&self, quantile: f64) -> f64 {
        let index = (self.latencies.len() as f64 * quantile) as usize;
        self.latencies
            .get(index.min(self.latencies.len().saturating_sub(1)))
            .map_or(0.0, |(taken, _)| taken.as_secs_f64() * 1e3)
    }
}

/// A request: method, path, body.
pub(crate) type Request = (&'static str, String, &'static str);

/// Requests on a schedule, spread over connections; `request` makes the one with a number.
pub(crate) async fn load(
    port: u16,
    request: impl Fn(u32) -> Request + 'static,
    rate: u32,
    connections: u32,
    length: Duration,
) -> Result<Outcome> {
    load_while(port, request, rate, connections, move |since| since < length).await
}

/// The same for as long as `goes_on` says so, given the time from the first request to the next one.
pub(crate) async fn load_while(
    port: u16,
    request: impl Fn(u32) -> Request + 'static,
    rate: u32,
    connections: u32,
    goes_on: impl Fn(Duration) -> bool + 'static,
) -> Result<Outcome> {
    let goes_on = Rc::new(goes_on);
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let request = Rc::new(request);
    let start = Instant::now() + Duration::from_millis(50);
    let gap = Duration::from_secs(1) / rate * connections;
    let senders = (0..connections).map(|number| {
        let (outcome, request, goes_on) = (Rc::clone(&outcome), Rc::clone(&request), Rc::clone(&goes_on));
        let first = start + Duration::from_secs(1) / rate * number;
        tokio::task::spawn_local(async move {
            let mut client = None;
            let mut due = first;
            for turn in (number..).step_by(connections as usize) {
                if !goes_on(due - start) {
                    break;
                }
                sleep_until(due).await;
                let answered = timeout(ANSWER_TIMEOUT, ask(&mut client, port, request(turn))).await;
                let mut outcome = outcome.borrow_mut();
                match answered {
                    Ok(Ok(status)) => {
                        let taken = due.elapsed();
                        outcome.latencies.push((taken, SystemTime::now() - taken));
                        outcome.refused += u64::from(status == 503);
                    }
                    Ok(Err(_)) | Err(_) => {
                        outcome.failed += 1;
                        client = None;
                    }
                }
                due += gap;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.context("a sender of requests panicked")?;
    }
    let mut outcome = outcome.take();
    outcome.latencies.sort();
    Ok(outcome)
}

async fn ask(client: &mut Option<Client>, port: u16, request: Request) -> Result<u16> {
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(port).await?),
    };
    let (method, path, body) = request;
    Ok(client.send(method, &path, body).await?.0)
}

/// A connection that is kept.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// To a worker on this machine.
    pub(crate) async fn connect(port: u16) -> Result<Client> {
        Client::connect_to((Ipv4Addr::LOCALHOST, port)).await
    }

    pub(crate) async fn connect_to(address: impl ToSocketAddrs) -> Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a request and reads the answer whole: its status and body.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        let content_type = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{content_type}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status line")?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        if length > ANSWER_BYTES_MAX {
            bail!("an answer of {length} bytes");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((status, body))
    }
}
