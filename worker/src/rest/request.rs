//! Taking a request apart: path, query, body, all bounded.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};

use super::error::RestError;
use super::front::Arrival;
use super::limits::{BODY_BYTES_MAX, BODY_TIMEOUT, leased};

/// A request's parts that decide what to do.
#[derive(Debug)]
pub(super) struct Parts {
    /// Path segments, decoded; a trailing slash and matrix parameters are gone.
    pub(super) segments: Vec<String>,
    query: Vec<(String, String)>,
    /// The `Host` header.
    pub(super) host: Option<String>,
    /// `http` or `https`: how the request came.
    pub(super) scheme: &'static str,
}

impl Parts {
    pub(super) fn of<B>(request: &Request<B>) -> Parts {
        let path = request.uri().path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = if path.is_empty() { Vec::new() } else { path.split('/').map(segment).collect() };
        let pairs = request.uri().query().unwrap_or("").split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        });
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let scheme = request.extensions().get::<Arrival>().map_or("http", |arrival| arrival.scheme);
        Parts { segments, query: query.collect(), host: host.map(str::to_owned), scheme }
    }

    /// Every value of a query parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean query parameter as JAX-RS reads it: anything but `true` is false, nothing is the default.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        match self.all(name).next() {
            None | Some("") => default,
            Some(value) => value.eq_ignore_ascii_case("true"),
        }
    }
}

/// Checks that the caller takes JSON and sends nothing else. Gives what to call the answer where the caller asked for JSON
/// with parameters: Java repeats them.
pub(super) fn check_media_types(request: &Request<Incoming>) -> Result<Option<HeaderValue>, RestError> {
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let accept = accepted(header(ACCEPT).unwrap_or(""))?;
    let is_json = |content_type: &str| {
        content_type.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json")
    };
    match header(CONTENT_TYPE) {
        Some(content_type) if is_json(content_type) => Ok(accept),
        None if request.body().is_end_stream() => Ok(accept),
        // Java refuses other types of no body as well.
        _ => Err(RestError::UnsupportedMediaType),
    }
}

fn accepted(accept: &str) -> Result<Option<HeaderValue>, RestError> {
    if accept.trim().is_empty() {
        return Ok(None);
    }
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or("");
        if range.eq_ignore_ascii_case("application/json") {
            let given = parts.filter(|part| !part.is_empty() && !part.starts_with("q="));
            let parameters: Vec<_> = given.collect();
            let full = format!("application/json;{}", parameters.join(";"));
            return Ok(HeaderValue::from_str(&full).ok().filter(|_| !parameters.is_empty()));
        }
        if range == "*/*" || range.eq_ignore_ascii_case("application/*") {
            return Ok(None);
        }
    }
    Err(RestError::NotAcceptable)
}

/// Reads a body within its limits. What all bodies together take is limited as well.
pub(super) async fn read_body(request: Request<Incoming>) -> Result<Bytes, RestError> {
    read_body_of(request, false).await
}

/// The same for what is read of anybody, since a signature and no password says who it is.
pub(super) async fn read_unknown_body(request: Request<Incoming>) -> Result<Bytes, RestError> {
    read_body_of(request, true).await
}

async fn read_body_of(request: Request<Incoming>, is_unknown: bool) -> Result<Bytes, RestError> {
    let arrival = request.extensions().get::<Arrival>().cloned().ok_or(RestError::UnknownPath)?;
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(RestError::BodyTooLarge);
    }
    let reading = async {
        let mut lease = arrival.bodies(is_unknown).lease();
        let mut bytes = Vec::new();
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            let broken = |error| RestError::BodyBroken(format!("failed to read the request body: {error}"));
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if bytes.len() + data.len() > BODY_BYTES_MAX {
                return Err(RestError::BodyTooLarge);
            }
            lease.grow(data.len())?;
            bytes.extend_from_slice(&data);
        }
        arrival.has_come()?;
        Ok(leased(bytes, lease))
    };
    arrival.waits_for_body();
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(RestError::BodyTimeout))
}

fn segment(raw: &str) -> String {
    decode(raw.split(';').next().unwrap_or(raw))
}

/// Percent-decoding; what is not valid stays as it is, bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes a connector name for `Location`, leaving alone what Java leaves alone.
pub(crate) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=/".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, segments: &[&str]) {
        let request = Request::builder().uri(uri).body(()).unwrap();
        assert_eq!(Parts::of(&request).segments, segments);
    }

    #[test]
    fn takes_paths_apart() {
        check("/", &[]);
        check("/connectors/", &["connectors"]);
        check("/connectors/%C3%BC%20x/config", &["connectors", "ü x", "config"]);
        check("/connectors/a%2Fb+c", &["connectors", "a/b+c"]);
        check("/connectors/a;v=1/status", &["connectors", "a", "status"]);
        check("/connectors/100%25", &["connectors", "100%"]);
        check("/connectors/%zz%f", &["connectors", "%zz%f"]);
        check("//connectors", &["", "connectors"]);
    }

    #[test]
    fn reads_flags_as_jax_rs_does() {
        let request =
            Request::builder().uri("/?a=true&b=TRUE&c=yes&d=&e&expand=status&expand=info").body(()).unwrap();
        let parts = Parts::of(&request);
        let flags: Vec<_> =
            ["a", "b", "c", "d", "e", "f"].iter().map(|name| parts.flag(name, true)).collect();
        assert_eq!(flags, [true, true, false, true, true, true]);
        assert_eq!(parts.all("expand").collect::<Vec<_>>(), ["status", "info"]);
    }

    #[test]
    fn answers_are_called_what_was_asked_for() {
        let accepted =
            |accept| accepted(accept).map(|kind| kind.map(|kind| kind.to_str().unwrap().to_owned()));
        assert_eq!(
            accepted("application/json; charset=utf-8"),
            Ok(Some("application/json;charset=utf-8".to_owned()))
        );
        assert_eq!(accepted("text/html, Application/JSON;q=0.5"), Ok(None));
        assert_eq!(accepted("text/html, */*"), Ok(None));
        assert_eq!(accepted("text/html"), Err(RestError::NotAcceptable));
    }

    #[test]
    fn encodes_names_as_java_does() {
        assert_eq!(encode("ü x"), "%C3%BC%20x");
        assert_eq!(encode("a:b@c/d%e"), "a:b@c/d%25e");
    }
}
