//! OAUTHBEARER tokens that are fetched: an issuer in the test, and a broker that takes what it issues.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use broker::{Broker, BrokerHandle};
use futures_util::future::join_all;
use protocol::ErrorKind;
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::sasl::oauthbearer::UnsecuredToken;
use protocol::net::sasl::{AllowedUrls, Mechanism};
use protocol::net::tls::{ClientAuth, TlsServer};
use protocol::net::{Env, Security, Stream};
use protocol::wire::messages::MetadataRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::certificates::Authority;
use super::protected::{PASSWORD, Properties, USER, ask, login_module, properties, security, tls_config};
use super::support::{PATIENCE, run};
use super::{check, start};

/// The end of each request.
const SCOPE: &str = "scope=all";

/// An issuer of tokens that writes down what it was asked.
struct Issuer {
    url: String,
    requests: Rc<RefCell<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Issuer {
    /// Gives the n-th request the n-th answer, and those that follow the last.
    async fn start(answers: Vec<String>, tls: Option<TlsServer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/token", listener.local_addr().unwrap());
        let requests = Rc::new(RefCell::new(Vec::new()));
        let (counted, count) = watch::channel(0);
        let seen = Rc::clone(&requests);
        tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream: Box<dyn Stream> = match &tls {
                    None => Box::new(stream),
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        // A client that does not believe us.
                        Err(_refused) => continue,
                    },
                };
                let mut request = Vec::new();
                while !request.ends_with(SCOPE.as_bytes()) {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request is cut");
                }
                let index = seen.borrow().len();
                seen.borrow_mut().push(String::from_utf8(request).unwrap());
                // Whoever has read enough may have gone.
                stream.write_all(answers[index.min(answers.len() - 1)].as_bytes()).await.ok();
                stream.shutdown().await.ok();
                counted.send_replace(index + 1);
            }
        });
        Self { url, requests, count }
    }

    async fn refusing(answer: &str) -> Self {
        Self::start(vec![answer.to_owned()], None).await
    }

    fn request_count(&self) -> usize {
        *self.count.borrow()
    }

    fn client(&self, properties: &Properties) -> Security {
        Security::allowing(&AllowedUrls::parse(&self.url), |key| properties.get(key).map(String::as_str))
            .unwrap()
    }

    fn properties(&self) -> Properties {
        let module = login_module(Mechanism::OAuthBearer);
        properties(&[
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", &format!("{module} scope=all extension_team=x;")),
            ("sasl.oauthbearer.token.endpoint.url", &self.url),
            ("sasl.oauthbearer.client.credentials.client.id", USER),
            ("sasl.oauthbearer.client.credentials.client.secret", PASSWORD),
            ("sasl.login.retry.backoff.ms", "1"),
        ])
    }
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn token(lifetime_s: u32) -> String {
    let token = UnsecuredToken { claims: vec![("sub".to_owned(), "me".to_owned())], lifetime_s };
    json("200 OK", &format!(r#"{{"access_token":"{}"}}"#, token.encode(Env::real().now_ms())))
}

fn broker() -> BrokerHandle {
    start(Broker::builder().user(USER, PASSWORD).sasl_mechanisms(&[Mechanism::OAuthBearer]))
}

#[test]
fn all_connections_share_a_token() {
    run(async {
        let (broker, issuer) = (broker(), Issuer::start(vec![token(600)], None).await);
        let security = issuer.client(&issuer.properties());
        for outcome in join_all((0..5).map(|_| check(&broker, &security))).await {
            outcome.unwrap();
        }
        let requests = issuer.requests.borrow();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(requests[0].starts_with("POST /token HTTP/1.1\r\n"), "{requests:?}");
    });
}

#[test]
fn a_session_that_ends_with_its_token_is_renewed_with_another() {
    run(async {
        // A broker tells when a session ends only where sessions have an end; here the token's comes first.
        let day = Duration::from_hours(24);
        let door = Broker::builder().user(USER, PASSWORD).sasl_mechanisms(&[Mechanism::OAuthBearer]);
        let broker = start(door.session_lifetime(day));
        let mut issuer = Issuer::start(vec![token(3), token(600)], None).await;
        let bootstrap = HostPort::parse_list(&broker.bootstrap_servers()).unwrap();
        let security = issuer.client(&issuer.properties());
        let cluster = Cluster::new(Env::real(), ClusterConfig { security, ..ClusterConfig::new(bootstrap) });
        cluster.refresh(0).await.unwrap();
        let connection = cluster.connection(1).await.unwrap();
        timeout(PATIENCE, issuer.count.wait_for(|count| *count >= 2)).await.unwrap().unwrap();
        let version = connection.versions().version_for::<MetadataRequest>().unwrap();
        connection.call(version, &MetadataRequest::default()).await.unwrap();
        ask(&cluster).await.unwrap();
        assert!(connection.is_open());
        cluster.close();
    });
}

#[test]
fn an_issuer_that_is_down_is_asked_again() {
    run(async {
        let answers = vec![json("503 Service Unavailable", ""), String::new(), token(600)];
        let (broker, issuer) = (broker(), Issuer::start(answers, None).await);
        check(&broker, &issuer.client(&issuer.properties())).await.unwrap();
        assert_eq!(issuer.request_count(), 3);
    });
}

#[test]
fn answers_without_a_token_are_refusals_that_are_not_tried_again() {
    let broker = broker();
    let described = |description: &str| {
        json(
            "401 Unauthorized",
            &format!(r#"{{"error":"invalid_client","error_description":"{description}"}}"#),
        )
    };
    for (answer, expected) in [
        (
            described("who is that?"),
            "answered 401: invalid_client - who is that?; see sasl.oauthbearer.client",
        ),
        (described(&format!("{PASSWORD} is wrong")), "answered 401; see"),
        (json("302 Found\r\nLocation: http://127.0.0.1:1/", ""), "redirects are not followed"),
        (json("200 OK", r#"{"token":"a.b.c"}"#), "answered 200 without a token"),
        (json("200 OK", r#"{"access_token":"a b"}"#), "answered 200 without a token"),
        (json("200 OK", "<html>"), "answered 200 without a token"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n".to_owned(), "300000"),
        ("SSH-2.0-x\r\n".to_owned(), "HTTP/1.1"),
    ] {
        run(async {
            let issuer = Issuer::refusing(&answer).await;
            let error = check(&broker, &issuer.client(&issuer.properties())).await.unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(error.kind() == ErrorKind::Auth && text.contains(expected), "{text}");
            assert!(text.contains(&issuer.url) && !text.contains(PASSWORD), "{text}");
            assert_eq!(issuer.request_count(), 1, "{text}");
        });
    }
}

#[test]
fn a_token_that_the_broker_refuses_is_not_used_again() {
    run(async {
        let bad = json("200 OK", r#"{"access_token":"a.b.c","expires_in":600}"#);
        let (broker, issuer) = (broker(), Issuer::start(vec![bad, token(600)], None).await);
        let security = issuer.client(&issuer.properties());
        let error = check(&broker, &security).await.unwrap_err();
        assert!(error.to_string().contains("invalid_token"), "{error}");
        check(&broker, &security).await.unwrap();
        assert_eq!(issuer.request_count(), 2);
    });
}

#[test]
fn an_issuer_that_says_nothing_is_given_up() {
    run(async {
        // Backlog of the kernel only: connections are made, and nobody reads.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Issuer::refusing("").await;
        let mut properties = issuer.properties();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        properties.insert("sasl.oauthbearer.token.endpoint.url", url.clone());
        properties.insert("sasl.login.read.timeout.ms", "20".to_owned());
        properties.insert("sasl.login.retry.backoff.ms", "0".to_owned());
        properties.insert("sasl.login.retry.backoff.max.ms", "0".to_owned());
        let get = |key: &str| properties.get(key).map(String::as_str);
        let security = Security::allowing(&AllowedUrls::parse(&url), get).unwrap();
        let broker = broker();
        let bootstrap = HostPort::parse_list(&broker.bootstrap_servers()).unwrap();
        let config = ClusterConfig { security, ..ClusterConfig::new(bootstrap) };
        let cluster = Cluster::new(Env::real(), config);
        let error = timeout(PATIENCE, cluster.refresh(0)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("sasl.login.read.timeout.ms"), "{error}");
        cluster.close();
    });
}

#[test]
fn an_endpoint_that_is_not_listed_is_not_asked() {
    run(async {
        let issuer = Issuer::refusing("").await;
        let error = security(&issuer.properties()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(AllowedUrls::VARIABLE), "{error}");
        assert_eq!(issuer.request_count(), 0);
    });
}

#[test]
fn an_issuer_over_tls_is_believed_as_the_login_module_says() {
    run(async {
        let authority = Authority::new("issuers");
        let tls = tls_config(&authority.issue(&["127.0.0.1"]).keystore());
        let tls = TlsServer::new(tls, ClientAuth::None).unwrap();
        let (broker, issuer) = (broker(), Issuer::start(vec![token(600)], Some(tls)).await);
        let trusting = |authority: &Authority| {
            let mut properties = issuer.properties();
            let pem = authority.pem().replace('\n', "\\n");
            let module = login_module(Mechanism::OAuthBearer);
            let jaas =
                format!("{module} scope=all ssl.truststore.type=PEM ssl.truststore.certificates=\"{pem}\";");
            properties.insert("sasl.jaas.config", jaas);
            issuer.client(&properties)
        };
        let error = check(&broker, &trusting(&Authority::new("stranger"))).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Auth && error.to_string().contains(&issuer.url), "{error}");
        assert_eq!(issuer.request_count(), 0);
        check(&broker, &trusting(&authority)).await.unwrap();
    });
}
