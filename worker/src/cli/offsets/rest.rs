//! Offsets through REST of a running worker, Java's or Aqueduct's.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Offsets;

/// A little more than a worker takes for the longest request.
const TIMEOUT: Duration = Duration::from_secs(100);

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// One worker.
pub(super) struct RestClient {
    address: String,
    /// What stands before the resource's path, without a slash at its end.
    path: String,
    authorization: Option<String>,
}

impl RestClient {
    pub(super) fn new(url: &str, credentials: Option<String>) -> Result<RestClient> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => bail!(
                "https is not supported by this command; use curl and the worker's /connectors/NAME/offsets"
            ),
            _ => bail!("{url} does not begin with http://"),
        }
        let host = uri.host().with_context(|| format!("{url} names no host"))?;
        let authorization = credentials.map(|credentials| format!("Basic {}", STANDARD.encode(credentials)));
        Ok(RestClient {
            address: format!("{host}:{}", uri.port_u16().unwrap_or(80)),
            path: uri.path().trim_end_matches('/').to_owned(),
            authorization,
        })
    }

    pub(super) fn connectors(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = read(&self.send(Method::GET, "/connectors", None)?)?;
        names.sort();
        Ok(names)
    }

    pub(super) fn offsets(&self, connector: &str) -> Result<Offsets> {
        read(&self.send(Method::GET, &resource(connector), None)?)
    }

    pub(super) fn alter(&self, connector: &str, offsets: &Offsets) -> Result<String> {
        let body = serde_json::to_vec(offsets)?;
        message(&self.send(Method::PATCH, &resource(connector), Some(body))?)
    }

    pub(super) fn reset(&self, connector: &str) -> Result<String> {
        message(&self.send(Method::DELETE, &resource(connector), None)?)
    }

    fn send(&self, method: Method, resource: &str, body: Option<Vec<u8>>) -> Result<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let exchange = async {
            tokio::time::timeout(TIMEOUT, self.exchange(method, resource, body))
                .await
                .with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))?
        };
        let outcome: Result<Bytes> = runtime.block_on(exchange);
        outcome.with_context(|| format!("http://{}{}{resource}", self.address, self.path))
    }

    async fn exchange(&self, method: Method, resource: &str, body: Option<Vec<u8>>) -> Result<Bytes> {
        let stream = TcpStream::connect(&self.address).await.context("failed to connect")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{resource}", self.path))
            .header(HOST, &self.address)
            .header(ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())))?;
        let answering = async move {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            anyhow::Ok((status, body))
        };
        let (answer, _connection_ended) = tokio::join!(answering, connection);
        let (status, body) = answer?;
        if !status.is_success() {
            let said = serde_json::from_slice::<Value>(&body).ok();
            let said = said.as_ref().and_then(|said| said["message"].as_str());
            bail!("{} {}", status.as_u16(), said.unwrap_or("without a message"));
        }
        Ok(body)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).context("the answer is not Kafka Connect's")
}

fn message(body: &[u8]) -> Result<String> {
    let answer: Value = read(body)?;
    Ok(answer["message"].as_str().unwrap_or("done").to_owned())
}

/// The path of a connector's offsets.
fn resource(connector: &str) -> String {
    let mut path = "/connectors/".to_owned();
    for byte in connector.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path + "/offsets"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_as_operators_write_them() {
        let client = |url| RestClient::new(url, None).map(|client| (client.address, client.path));
        assert_eq!(client("http://h:8083").unwrap(), ("h:8083".to_owned(), String::new()));
        assert_eq!(client("http://h/connect/").unwrap(), ("h:80".to_owned(), "/connect".to_owned()));
        assert!(client("https://h").unwrap_err().to_string().contains("https is not supported"));
        assert!(client("h:8083").is_err());
        assert_eq!(resource("a/b ü"), "/connectors/a%2Fb%20%C3%BC/offsets");
    }
}
