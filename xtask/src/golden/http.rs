//! A client that sends what it is told, right or wrong, and reads one answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// Java gives up on a request after 90 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(100);

/// A request as bytes decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method and target.
    pub line: Vec<u8>,
    /// Headers beside `Host`, `Connection` and `Content-Length`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// An answer; status 0 is a connection closed without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; chunks are joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Sends `request` to `address` over a connection of its own.
pub(super) fn send(address: &str, request: &Request) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).context("set a timeout")?;
    let mut bytes = request.line.clone();
    bytes.extend(b" HTTP/1.1\r\nConnection: close\r\n");
    let has = |name: &str| request.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if !has("Host") {
        bytes.extend(format!("Host: {address}\r\n").bytes());
    }
    if let Some(body) = &request.body
        && !has("Content-Length")
        && !has("Transfer-Encoding")
    {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    for (name, value) in &request.headers {
        bytes.extend(name.bytes());
        bytes.extend(b": ");
        bytes.extend(value);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    if has("Transfer-Encoding") {
        let body = request.body.as_deref().unwrap_or_default();
        bytes.extend(format!("{:x}\r\n", body.len()).bytes());
        bytes.extend(body);
        bytes.extend(b"\r\n0\r\n\r\n");
    } else {
        bytes.extend(request.body.as_deref().unwrap_or_default());
    }
    // A server may answer and close before it has read everything.
    let _cut_off = stream.write_all(&bytes);
    let mut answer = Vec::new();
    let _cut_off = stream.read_to_end(&mut answer);
    Ok(parse(&answer).unwrap_or_default())
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { unchunk(body) } else { body.to_vec() };
    Some(Answer { status, headers, body })
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size =
            std::str::from_utf8(&bytes[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(chunk) = size.filter(|&size| size > 0).and_then(|size| bytes.get(end + 2..end + 2 + size))
        else {
            break;
        };
        body.extend(chunk);
        bytes = bytes.get(end + 4 + chunk.len()..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_chunks() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y: z\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"abcde".as_slice()));
        assert_eq!(answer.header("x"), Some("y: z"));
    }
}
