//! The little of HTTP/1.1 (RFC 9112) that asking for a token takes: one request on a connection of its own, and an answer of
//! bounded size.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::net::{Stream, tls};
use crate::{Error, Result};

const DOING: &str = "read HTTP answer";
/// For everything but the content: status, headers, and the lines between chunks.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A few times the largest token.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// What a server answered.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// How the end of the content is known.
enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

/// Sends `request` and reads the answer to it. The caller bounds the time that it takes.
///
/// # Errors
/// `Disconnected`, and `Malformed` or `TooLarge` where the answer is nothing that a token comes in.
pub(super) async fn exchange(stream: &mut dyn Stream, request: &[u8]) -> Result<Response> {
    stream.write_all(request).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut answer = Answer { reader: BufReader::new(stream), head_bytes_left: HEAD_BYTES_MAX };
    let (status, framing) = loop {
        let head = answer.head().await?;
        // 1xx only says that the answer is still to come.
        if head.0 >= 200 {
            break head;
        }
    };
    Ok(Response { status, body: answer.body(framing).await? })
}

struct Answer<R> {
    reader: R,
    head_bytes_left: usize,
}

impl<R: AsyncBufRead + Unpin> Answer<R> {
    async fn head(&mut self) -> Result<(u16, Framing)> {
        let line = self.line().await?;
        let mut words = line.split(' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().filter(|word| is_http && word.len() == 3).and_then(digits);
        let status = status.and_then(|status| u16::try_from(status).ok()).filter(|status| *status >= 100);
        let status = status.ok_or_else(|| Error::malformed(DOING, "it does not begin as HTTP/1.1 does"))?;
        let mut framing = Framing::UntilEnd;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok((status, framing));
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| Error::malformed(DOING, "a header has no colon"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case("chunked") {
                    return Err(Error::malformed(DOING, "its Transfer-Encoding is not chunked"));
                }
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("content-length") {
                let length = digits(value).ok_or_else(|| Error::malformed(DOING, "Content-Length"))?;
                match framing {
                    // Chunks know their end better.
                    Framing::Chunked => {}
                    Framing::Length(other) if other != length => {
                        return Err(Error::malformed(DOING, "two different Content-Lengths"));
                    }
                    Framing::Length(_) | Framing::UntilEnd => framing = Framing::Length(length),
                }
            }
        }
    }

    async fn body(&mut self, framing: Framing) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        match framing {
            Framing::Length(length) => self.content(length, &mut body).await?,
            Framing::UntilEnd => {
                let limit = BODY_BYTES_MAX as u64 + 1;
                (&mut self.reader).take(limit).read_to_end(&mut body).await.map_err(lost)?;
                check_size(body.len())?;
            }
            Framing::Chunked => loop {
                let line = self.line().await?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
                let size = usize::from_str_radix(size, 16).ok().filter(|_| is_hex);
                let size = size.ok_or_else(|| Error::malformed(DOING, "a chunk has no size"))?;
                if size == 0 {
                    // What may follow are more headers, and then the connection has done its work.
                    break;
                }
                self.content(size, &mut body).await?;
                if !self.line().await?.is_empty() {
                    return Err(Error::malformed(DOING, "a chunk is longer than its size"));
                }
            },
        }
        Ok(body)
    }

    /// Adds `size` more bytes to `body`.
    async fn content(&mut self, size: usize, body: &mut Vec<u8>) -> Result<()> {
        check_size(body.len().saturating_add(size))?;
        let read = (&mut self.reader).take(size as u64).read_to_end(body).await.map_err(lost)?;
        if read < size { Err(Error::disconnected(DOING, "it ends too early")) } else { Ok(()) }
    }

    /// The next line without its end.
    async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let limit = self.head_bytes_left as u64;
        (&mut self.reader).take(limit).read_until(b'\n', &mut line).await.map_err(lost)?;
        self.head_bytes_left -= line.len();
        if line.pop() != Some(b'\n') {
            return Err(if self.head_bytes_left == 0 {
                Error::too_large(DOING, HEAD_BYTES_MAX + 1, HEAD_BYTES_MAX, "bytes of headers")
            } else {
                Error::disconnected(DOING, "it ends too early")
            });
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_not_utf8| Error::malformed(DOING, "a header is not text"))
    }
}

fn lost(error: std::io::Error) -> Error {
    tls::alert_of(&error).unwrap_or_else(|| Error::disconnected(DOING, error))
}

fn digits(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn check_size(size: usize) -> Result<()> {
    if size > BODY_BYTES_MAX {
        return Err(Error::too_large(DOING, size, BODY_BYTES_MAX, "bytes of an answer with a token"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn read(answer: &str) -> Result<(u16, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(1024 * 1024);
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let response = exchange(&mut ours, b"POST").await?;
            Ok((response.status, String::from_utf8(response.body).unwrap()))
        })
    }

    #[test]
    fn every_way_to_end_is_understood() {
        for (answer, status, body) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}more", 200, "{}"),
            ("HTTP/1.0 401\nx: y\n\nuntil the end", 401, "until the end"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2;x=y\r\n{}\r\nA\r\n0123456789\r\n0\r\n\r\n",
                200,
                "{}0123456789",
            ),
        ] {
            assert_eq!(read(answer).unwrap(), (status, body.to_owned()), "{answer}");
        }
    }

    #[test]
    fn what_is_cut_wrong_or_large_is_refused() {
        let many_headers = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(HEAD_BYTES_MAX / 6));
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(BODY_BYTES_MAX + 1));
        let chunks = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", usize::MAX);
        for (answer, kind) in [
            ("", ErrorKind::Disconnected),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", ErrorKind::Disconnected),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3", ErrorKind::Disconnected),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", ErrorKind::Disconnected),
            ("HTTP/2 200\r\n\r\n", ErrorKind::Malformed),
            ("HTTP/1.1 99 x\r\n\r\n", ErrorKind::Malformed),
            ("\0\0\0\n", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n", ErrorKind::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n", ErrorKind::TooLarge),
            (&many_headers, ErrorKind::TooLarge),
            (&endless, ErrorKind::TooLarge),
            (&chunks, ErrorKind::TooLarge),
        ] {
            let outcome = read(answer).map_err(|error| error.kind());
            assert_eq!(outcome, Err(kind), "{}", &answer[..answer.len().min(80)]);
        }
    }
}
