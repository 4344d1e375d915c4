//! One line for each request, in the form of Java's: NCSA's extended format and the milliseconds that the answer took. Its logger is
//! `org.apache.kafka.connect.runtime.rest.RestServer`.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use engine::rt::clock::{self, Instant};
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::header::{HeaderName, REFERER, USER_AGENT};
use hyper::{Request, Response};

/// Longer texts of a client are cut: it decides how long they are.
const TEXT_CHARS_MAX: usize = 1_000;

/// A request that is being answered.
pub(super) struct Entry {
    began: Instant,
    began_ms: i64,
    peer: IpAddr,
    line: String,
    referer: String,
    agent: String,
}

impl Entry {
    /// Of a request; `None` where nobody wants to read of it.
    pub(super) fn begin<B>(request: &Request<B>, peer: IpAddr) -> Option<Entry> {
        if !tracing::enabled!(tracing::Level::INFO) {
            return None;
        }
        let header = |name: HeaderName| {
            request
                .headers()
                .get(name)
                .map_or_else(String::new, |value| shown(&String::from_utf8_lossy(value.as_bytes())))
        };
        Some(Entry {
            began: clock::now(),
            began_ms: clock::unix_ms(),
            peer: peer.to_canonical(),
            line: shown(&format!("{} {} {:?}", request.method(), request.uri(), request.version())),
            referer: header(REFERER),
            agent: header(USER_AGENT),
        })
    }

    /// Writes the line.
    pub(super) fn end(self, response: &Response<Full<Bytes>>) {
        let took_ms = (clock::now() - self.began).as_millis();
        let bytes = response.body().size_hint().lower();
        let status = response.status().as_u16();
        let Entry { began_ms, peer, line, referer, agent, .. } = self;
        let time = Time(began_ms);
        tracing::info!("{peer} - - [{time}] \"{line}\" {status} {bytes} \"{referer}\" \"{agent}\" {took_ms}");
    }
}

/// A client's text without what would end the line or its quotes.
fn shown(text: &str) -> String {
    let cut = text.chars().take(TEXT_CHARS_MAX);
    cut.flat_map(|c| {
        let escaped = if c.is_control() || matches!(c, '"' | '\\') { Some(c.escape_default()) } else { None };
        let plain = escaped.is_none().then_some(c);
        escaped.into_iter().flatten().chain(plain)
    })
    .collect()
}

/// `28/Nov/2026:13:31:19 +0000`.
struct Time(i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = crate::logs::civil(days);
        let month = super::headers::MONTHS[month as usize - 1];
        let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{day:02}/{month}/{year:04}:{hours:02}:{minutes:02}:{seconds:02} +0000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_whatever_a_client_sends() {
        assert_eq!(shown("curl/8 \"x\"\n\u{1b}[31m\\"), "curl/8 \\\"x\\\"\\n\\u{1b}[31m\\\\");
        assert_eq!(shown(&"ä".repeat(2_000)).chars().count(), TEXT_CHARS_MAX);
        assert_eq!(Time(1_795_872_679_123).to_string(), "28/Nov/2026:13:31:19 +0000");
    }
}
