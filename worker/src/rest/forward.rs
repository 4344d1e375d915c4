//! Requests that another worker has to answer (`RestClient`, `HerderRequestHandler#completeOrForwardRequest`).
//!
//! A request that came from a user is passed on with `forward=true`; whoever gets that may pass it on once more, with `forward=false`.
//! What the other worker answers is the answer, errors included.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use protocol::net::tls::{TlsClient, TlsConfig};
use protocol::net::{Dialer, SocketBuffers, Stream};
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::error::RestError;

/// How long a connection may take to be made (Jetty's default).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the whole may take: as long as the other worker has for its own answer, and a little.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(95);
/// How large an answer may be.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How often a request has been passed on already: the query parameter `forward`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hops {
    /// It comes from a user.
    None,
    /// `forward=true`: it may be passed on once more.
    One,
    /// `forward=false`: whoever gets it answers it, or nobody does.
    Last,
}

impl Hops {
    /// What `forward` says; anything but `true` is false, as for all of Java's booleans.
    pub fn from_query(forward: Option<&str>) -> Hops {
        match forward {
            None => Hops::None,
            Some(text) if text.eq_ignore_ascii_case("true") => Hops::One,
            Some(_) => Hops::Last,
        }
    }
}

/// A request on its way to another worker.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The other worker's REST URL, where one is known.
    pub target: Option<String>,
    /// GET, PUT, ...
    pub method: Method,
    /// Encoded, with a leading slash.
    pub path: String,
    /// Beside `forward`; encoded.
    pub query: Vec<(&'static str, String)>,
    /// JSON, where there is a body.
    pub body: Option<Bytes>,
    /// The user's `Authorization`.
    pub authorization: Option<HeaderValue>,
}

/// What the other worker answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// 2xx.
    pub status: StatusCode,
    /// JSON; empty with 204.
    pub body: Bytes,
}

/// Talks to other workers.
pub struct ForwardClient {
    /// How, over https; or what is wrong with the configuration of that.
    tls: Result<TlsConfig, String>,
    tls_client: OnceCell<TlsClient>,
    dialer: Arc<dyn Dialer>,
}

impl fmt::Debug for ForwardClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardClient").field("tls", &self.tls).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ErrorMessage {
    error_code: u16,
    message: Option<String>,
}

impl ForwardClient {
    /// A client that reads the files of `tls` when it first needs them.
    pub fn new(tls: Result<TlsConfig, String>, dialer: Arc<dyn Dialer>) -> ForwardClient {
        ForwardClient { tls, tls_client: OnceCell::new(), dialer }
    }

    /// Passes a request on.
    ///
    /// # Errors
    /// There is nobody to pass it on to, it was passed on too often, the other worker refuses, or it cannot be reached.
    pub async fn forward(&self, request: Forward, hops: Hops) -> Result<Forwarded, RestError> {
        let is_first = match hops {
            Hops::None => true,
            Hops::One => false,
            Hops::Last => {
                return Err(RestError::Conflict(
                    "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
                ));
            }
        };
        let target = request.target.as_deref().ok_or(RestError::Conflict(
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
        ))?;
        let mut url = format!("{}{}?forward={is_first}", target.trim_end_matches('/'), request.path);
        for (name, value) in &request.query {
            url.push_str(&format!("&{name}={value}"));
        }
        let headers = request.authorization.map(|value| (AUTHORIZATION, value));
        self.send(&url, request.method, request.body, headers.into_iter().collect()).await
    }

    /// Sends a request of this worker's own, for example a signed one.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn send(
        &self,
        url: &str,
        method: Method,
        body: Option<Bytes>,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Forwarded, RestError> {
        let failed = |error: &dyn fmt::Display| {
            RestError::Thrown(format!("IO Error trying to forward REST request: {error}"))
        };
        let uri: Uri = url.parse().map_err(|error| thrown(&error))?;
        let host = uri.host().ok_or_else(|| thrown(&"the other worker's URL has no host"))?;
        let is_https = uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tls = if is_https { Some(self.tls_client().await?) } else { None };
        let connecting = timeout(CONNECT_TIMEOUT, self.connect(host, port, tls)).await;
        let stream =
            connecting.map_err(|_elapsed| failed(&"connect timed out"))?.map_err(|error| failed(&error))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "kafka-connect");
        if body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let request = builder.body(Full::new(body.unwrap_or_default())).map_err(|error| thrown(&error))?;
        let exchange = timeout(ANSWER_TIMEOUT, exchange(stream, request)).await;
        let (status, body) = exchange
            .map_err(|_elapsed| failed(&format!("Total timeout {} ms elapsed", ANSWER_TIMEOUT.as_millis())))?
            .map_err(|error| failed(&error))?;
        answer(status, body)
    }

    async fn connect(
        &self,
        host: &str,
        port: u16,
        tls: Option<&TlsClient>,
    ) -> Result<Box<dyn Stream>, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = self.dialer.dial(bare, port, SocketBuffers::default()).await;
        let stream = stream.map_err(|error| error.to_string())?;
        match tls {
            Some(tls) => tls.connect(host, stream).await.map_err(|error| error.to_string()),
            None => Ok(stream),
        }
    }

    async fn tls_client(&self) -> Result<&TlsClient, RestError> {
        let failed =
            |error: &dyn fmt::Display| RestError::Thrown(format!("Failed to start RestClient: {error}"));
        self.tls_client
            .get_or_try_init(|| async {
                let config = self.tls.clone().map_err(|error| failed(&error))?;
                // It reads files, which may take its time on another thread than this one.
                let opened = tokio::task::spawn_blocking(move || TlsClient::new(config)).await;
                opened.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
            })
            .await
    }
}

fn thrown(error: &dyn fmt::Display) -> RestError {
    RestError::Thrown(format!("Error trying to forward REST request: {error}"))
}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let talking = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok((status, body))
    };
    tokio::pin!(talking);
    tokio::select! {
        answer = &mut talking => answer,
        // The connection may end before what came over it has been looked at.
        _ended = connection => talking.await,
    }
}

/// What the other worker's answer is to whoever asked.
fn answer(status: StatusCode, body: Bytes) -> Result<Forwarded, RestError> {
    let unreadable = |error: serde_json::Error| {
        RestError::Thrown(format!("IO Error trying to forward REST request: {error}"))
    };
    if status == StatusCode::NO_CONTENT {
        return Ok(Forwarded { status, body: Bytes::new() });
    }
    if status.as_u16() >= 400 {
        let ErrorMessage { error_code, message } = serde_json::from_slice(&body).map_err(unreadable)?;
        return Err(RestError::Remote { status: status.as_u16(), error_code, message });
    }
    if !status.is_success() {
        return Err(RestError::Thrown(format!(
            "Unexpected status code when handling forwarded request: {}",
            status.as_u16()
        )));
    }
    // 202 of pause and resume has no body.
    if !body.is_empty() {
        serde_json::from_slice::<serde::de::IgnoredAny>(&body).map_err(unreadable)?;
    }
    Ok(Forwarded { status, body })
}

#[cfg(test)]
mod tests {
    use protocol::net::TcpDialer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A worker that answers once, in these bytes; gives its URL and what it was asked.
    async fn worker(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            let is_complete = |asked: &[u8]| match asked.starts_with(b"GET") {
                true => asked.ends_with(b"\r\n\r\n"),
                // The bodies of these tests end in this.
                false => asked.ends_with(b"end\"}"),
            };
            while !is_complete(&asked) && stream.read_buf(&mut asked).await.unwrap() > 0 {}
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        (url, asked)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn client() -> ForwardClient {
        ForwardClient::new(Err("no ssl keys".to_owned()), Arc::new(TcpDialer::default()))
    }

    fn get(target: Option<String>) -> Forward {
        Forward {
            target,
            method: Method::GET,
            path: "/connectors/a%20b".to_owned(),
            query: Vec::new(),
            body: None,
            authorization: None,
        }
    }

    #[track_caller]
    fn check_refused(error: RestError, status: u16, message: &str) {
        assert_eq!((error.response().status().as_u16(), error.message().as_str()), (status, message));
    }

    #[test]
    fn passes_on_what_java_passes_on() {
        run(async {
            let (url, asked) =
                worker("HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"name\":\"c\"}").await;
            let request = Forward {
                method: Method::PUT,
                query: vec![("includeTasks", "true".to_owned())],
                body: Some(Bytes::from_static(b"{\"k\":\"end\"}")),
                authorization: Some(HeaderValue::from_static("Basic YTpi")),
                ..get(Some(url))
            };
            let answer = client().forward(request, Hops::None).await.unwrap();
            assert_eq!((answer.status.as_u16(), &*answer.body), (201, &b"{\"name\":\"c\"}"[..]));
            let asked = asked.await.unwrap().to_ascii_lowercase();
            assert!(
                asked.starts_with("put /connectors/a%20b?forward=true&includetasks=true http/1.1\r\n"),
                "{asked}"
            );
            for header in [
                "accept: application/json",
                "user-agent: kafka-connect",
                "content-type: application/json",
                "authorization: basic ytpi",
            ] {
                assert!(asked.contains(header), "{header} in {asked}");
            }
        });
    }

    #[test]
    fn a_second_hop_says_that_it_is_the_last() {
        run(async {
            let (url, asked) = worker("HTTP/1.1 204 No Content\r\n\r\n").await;
            let answer = client().forward(get(Some(url)), Hops::from_query(Some("true"))).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
            assert!(asked.await.unwrap().starts_with("GET /connectors/a%20b?forward=false HTTP/1.1\r\n"));
        });
        assert_eq!(Hops::from_query(None), Hops::None);
        assert_eq!(Hops::from_query(Some("maybe")), Hops::Last);
    }

    #[test]
    fn knows_when_there_is_nowhere_to_go() {
        let last =
            run(client().forward(get(Some("http://127.0.0.1:1/".to_owned())), Hops::Last)).unwrap_err();
        check_refused(
            last,
            409,
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
        );
        let unknown = run(client().forward(get(None), Hops::None)).unwrap_err();
        let expected = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.";
        check_refused(unknown, 409, expected);
        let https =
            run(client().forward(get(Some("https://127.0.0.1:1/".to_owned())), Hops::None)).unwrap_err();
        check_refused(https, 500, "Failed to start RestClient: no ssl keys");
        let closed = run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            drop(listener);
            client().forward(get(Some(url)), Hops::None).await.unwrap_err()
        });
        assert!(closed.message().starts_with("IO Error trying to forward REST request: "), "{closed:?}");
    }

    #[test]
    fn the_other_worker_s_refusal_is_the_answer() {
        let asked = |answer: &'static str| {
            run(async {
                let (url, _asked) = worker(answer).await;
                client().forward(get(Some(url)), Hops::None).await.unwrap_err()
            })
        };
        let refused = asked(
            "HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{\"error_code\":409,\"message\":\"Connector c already exists\"}",
        );
        check_refused(refused, 409, "Connector c already exists");
        let silent =
            asked("HTTP/1.1 500 No\r\nConnection: close\r\n\r\n{\"error_code\":500,\"message\":null}");
        let body = run(async { silent.response().into_body().collect().await.unwrap().to_bytes() });
        assert_eq!(&*body, br#"{"error_code":500,"message":null}"#);
        let moved = asked("HTTP/1.1 302 Found\r\nConnection: close\r\n\r\n");
        check_refused(moved, 500, "Unexpected status code when handling forwarded request: 302");
        for answer in [
            "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n<html>",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{",
            "nonsense\r\n\r\n",
        ] {
            let error = asked(answer).message();
            assert!(error.starts_with("IO Error trying to forward REST request: "), "{error}");
        }
    }
}
