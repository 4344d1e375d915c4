//! Connections that are protected: every SASL mechanism with and without TLS, and everything that must be refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

#[path = "support/certificates.rs"]
mod certificates;

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Broker, BrokerHandle, Builder};
use certificates::Authority;
use protocol::client::admin::Admin;
use protocol::cluster::{Cluster, ClusterConfig, HostPort, Target};
use protocol::net::sasl::Mechanism;
use protocol::net::tls::{ClientAuth, TlsConfig, TlsServer};
use protocol::net::{Env, Security};
use protocol::wire::messages::{ApiKey, MetadataRequest};
use protocol::{ErrorKind, Result};
use support::{PATIENCE, run};
use tokio::time::{Instant, timeout};

const USER: &str = "alice, = \u{e9}";
const PASSWORD: &str = "secret\" \\ ;";

type Properties = BTreeMap<&'static str, String>;

fn properties(entries: &[(&'static str, &str)]) -> Properties {
    entries.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

fn tls_config(properties: &Properties) -> TlsConfig {
    TlsConfig::from_properties(|key| properties.get(key).map(String::as_str)).unwrap()
}

fn security(properties: &Properties) -> Result<Security> {
    Security::from_properties(|key| properties.get(key).map(String::as_str))
}

fn jaas(mechanism: Mechanism, password: &str) -> String {
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let package = "org.apache.kafka.common.security";
    let module = match mechanism {
        Mechanism::Plain => "plain.PlainLoginModule",
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => "scram.ScramLoginModule",
        Mechanism::OAuthBearer => {
            let module = "oauthbearer.OAuthBearerLoginModule";
            return format!("{package}.{module} required unsecuredLoginStringClaim_sub=\"{}\";", quote(USER));
        }
    };
    format!("{package}.{module} required username=\"{}\" password=\"{}\";", quote(USER), quote(password))
}

fn sasl(mechanism: Mechanism, password: &str) -> Properties {
    properties(&[
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", mechanism.name()),
        ("sasl.jaas.config", &jaas(mechanism, password)),
    ])
}

fn with_users() -> Builder {
    Broker::builder().user(USER, PASSWORD)
}

fn start(builder: Builder) -> BrokerHandle {
    builder.spawn_thread("127.0.0.1:0").unwrap()
}

fn client(broker: &BrokerHandle, properties: &Properties) -> Cluster {
    let config = ClusterConfig {
        security: security(properties).unwrap(),
        ..ClusterConfig::new(HostPort::parse_list(&broker.bootstrap_servers()).unwrap())
    };
    Cluster::new(Env::real(), config)
}

/// One request that only an accepted client gets an answer to.
async fn ask(cluster: &Cluster) -> Result<()> {
    let asked = cluster.call(&Target::Any, |_| MetadataRequest::default());
    timeout(PATIENCE, asked).await.expect("an answer or an error").map(drop)
}

async fn check(broker: &BrokerHandle, properties: &Properties) -> Result<()> {
    let cluster = client(broker, properties);
    let outcome = ask(&cluster).await;
    cluster.close();
    outcome
}

#[track_caller]
fn assert_refused(outcome: Result<()>, kind: ErrorKind, expected: &str) {
    let error = outcome.unwrap_err();
    assert!(error.kind() == kind && error.to_string().contains(expected), "{:?} {error}", error.kind());
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[test]
fn every_mechanism_works_with_and_without_tls() {
    run(async {
        let authority = Authority::new("ca");
        let server = authority.issue(&["127.0.0.1"]);
        let tls = TlsServer::new(tls_config(&server.keystore()), ClientAuth::None).unwrap();
        let plain = start(with_users());
        let encrypted = start(with_users().tls(tls));
        for mechanism in Mechanism::ALL {
            let mut properties = sasl(mechanism, PASSWORD);
            check(&plain, &properties).await.unwrap();
            properties.extend(authority.truststore());
            properties.insert("security.protocol", "SASL_SSL".to_owned());
            check(&encrypted, &properties).await.unwrap();
        }
    });
}

#[test]
fn a_real_client_works_through_sasl_ssl() {
    run(async {
        let authority = Authority::new("ca");
        let tls = tls_config(&authority.issue(&["127.0.0.1"]).keystore());
        let broker = start(with_users().node_count(3).tls(TlsServer::new(tls, ClientAuth::None).unwrap()));
        let mut properties = sasl(Mechanism::ScramSha512, PASSWORD);
        properties.extend(authority.truststore());
        properties.insert("security.protocol", "SASL_SSL".to_owned());
        let cluster = client(&broker, &properties);
        let admin = Admin::new(cluster.clone());
        let names: Vec<String> = (0..20).map(|number| format!("topic-{number}")).collect();
        let topics: Vec<_> =
            names.iter().map(|name| protocol::client::admin::NewTopic::new(name, 3)).collect();
        for outcome in admin.create_topics(&topics).await {
            outcome.unwrap();
        }
        for name in &names {
            cluster.topic(name, Instant::now() + PATIENCE).await.unwrap();
        }
        cluster.close();
    });
}

#[test]
fn wrong_credentials_are_an_error_that_is_not_tried_again() {
    run(async {
        let broker = start(with_users());
        for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
            let outcome = check(&broker, &sasl(mechanism, "wrong")).await;
            assert_refused(outcome, ErrorKind::Auth, "SASL_AUTHENTICATION_FAILED");
        }
        let mut properties = sasl(Mechanism::OAuthBearer, PASSWORD);
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        properties.insert("sasl.jaas.config", format!("{module} required token=\"a.b.c\";"));
        assert_refused(check(&broker, &properties).await, ErrorKind::Auth, "invalid_token");

        let only_plain = start(with_users().sasl_mechanisms(&[Mechanism::Plain]));
        let outcome = check(&only_plain, &sasl(Mechanism::ScramSha256, PASSWORD)).await;
        assert_refused(outcome, ErrorKind::Auth, "speaks [PLAIN]");
    });
}

#[test]
fn a_client_that_does_not_say_who_it_is_is_not_answered() {
    run(async {
        let broker = start(with_users());
        let outcome = check(&broker, &Properties::new()).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Disconnected);
        let open = start(Broker::builder());
        let outcome = check(&open, &sasl(Mechanism::Plain, PASSWORD)).await;
        assert_refused(outcome, ErrorKind::Auth, "ILLEGAL_SASL_STATE");
    });
}

#[test]
fn sessions_are_renewed_in_place_while_requests_go_on() {
    run(async {
        let broker = start(with_users().session_lifetime(Duration::from_millis(400)));
        for mechanism in Mechanism::ALL {
            let cluster = client(&broker, &sasl(mechanism, PASSWORD));
            ask(&cluster).await.unwrap();
            cluster.refresh(0).await.unwrap();
            let connection = cluster.connection(1).await.unwrap();
            let handshakes = broker.request_count(ApiKey::SaslHandshake);
            // Requests without a pause: each renewal falls between some of them.
            while broker.request_count(ApiKey::SaslHandshake) < handshakes + 3 {
                let version = connection.versions().version_for::<MetadataRequest>().unwrap();
                let replies: Vec<_> =
                    (0..10).map(|_| connection.send(version, &MetadataRequest::default()).unwrap()).collect();
                for reply in replies {
                    reply.await.unwrap();
                }
            }
            assert!(connection.is_open());
            cluster.close();
        }
    });
}

#[test]
fn a_token_that_is_no_longer_good_ends_the_session() {
    run(async {
        let broker = start(with_users().session_lifetime(Duration::from_millis(200)));
        let file = tempfile::NamedTempFile::new().unwrap();
        let token = protocol::net::sasl::oauthbearer::UnsecuredToken {
            claims: vec![("sub".to_owned(), "me".to_owned())],
            lifetime_s: 600,
        };
        std::fs::write(file.path(), token.encode(Env::real().now_ms())).unwrap();
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let mut properties = sasl(Mechanism::OAuthBearer, PASSWORD);
        let jaas = format!("{module} required tokenFile=\"{}\";", file.path().display());
        properties.insert("sasl.jaas.config", jaas);
        let cluster = client(&broker, &properties);
        cluster.refresh(0).await.unwrap();
        let connection = cluster.connection(1).await.unwrap();
        std::fs::write(file.path(), "no.longer.good").unwrap();
        timeout(PATIENCE, connection.closed()).await.unwrap();
        assert_refused(ask(&cluster).await, ErrorKind::Auth, "invalid_token");
        cluster.close();
    });
}

fn ssl(entries: Properties) -> Properties {
    let mut properties = properties(&[("security.protocol", "SSL")]);
    properties.extend(entries);
    properties
}

#[test]
fn certificates_that_are_wrong_are_refused_with_the_reason() {
    run(async {
        let authority = Authority::new("ca");
        let stranger = Authority::new("stranger");
        let listen = |certificate: &certificates::Issued| {
            let tls = TlsServer::new(tls_config(&certificate.keystore()), ClientAuth::None).unwrap();
            start(Broker::builder().tls(tls))
        };
        let trusting = ssl(authority.truststore());

        let right = listen(&authority.issue(&["127.0.0.1"]));
        check(&right, &trusting).await.unwrap();
        let outcome = check(&right, &ssl(stranger.truststore())).await;
        assert_refused(outcome, ErrorKind::Auth, "ssl.truststore.location");

        let other_name = listen(&authority.issue(&["kafka.example", "127.0.0.2"]));
        let outcome = check(&other_name, &trusting).await;
        assert_refused(outcome, ErrorKind::Auth, "ssl.endpoint.identification.algorithm");
        let mut unchecked = trusting.clone();
        unchecked.insert("ssl.endpoint.identification.algorithm", String::new());
        check(&other_name, &unchecked).await.unwrap();
        // Without the name the authority still counts.
        unchecked.extend(stranger.truststore());
        assert_refused(check(&other_name, &unchecked).await, ErrorKind::Auth, "ssl.truststore.location");

        let expired = listen(&authority.issue_expired(&["127.0.0.1"]));
        assert_refused(check(&expired, &trusting).await, ErrorKind::Auth, "renew its certificate");
    });
}

#[test]
fn a_self_signed_broker_is_believed_where_it_is_trusted_itself() {
    run(async {
        let lonely = Authority::named("127.0.0.1");
        let tls = TlsServer::new(tls_config(&lonely.as_server()), ClientAuth::None).unwrap();
        let broker = start(Broker::builder().tls(tls));
        check(&broker, &ssl(lonely.truststore())).await.unwrap();
        let outcome = check(&broker, &ssl(Authority::named("127.0.0.1").truststore())).await;
        assert_refused(outcome, ErrorKind::Auth, "set up TLS");
    });
}

#[test]
fn mutual_tls_needs_a_certificate_of_ours() {
    run(async {
        let authority = Authority::new("ca");
        let mut server = authority.issue(&["127.0.0.1"]).keystore();
        server.extend(authority.truststore());
        let tls = TlsServer::new(tls_config(&server), ClientAuth::Required).unwrap();
        let broker = start(Broker::builder().tls(tls));
        let mut mine = ssl(authority.truststore());
        // The refusal comes after the handshake: it may be overtaken by the end of the connection.
        let outcome = check(&broker, &mine).await.unwrap_err();
        assert!(matches!(outcome.kind(), ErrorKind::Auth | ErrorKind::Disconnected), "{outcome}");
        mine.extend(authority.issue(&["me"]).keystore());
        check(&broker, &mine).await.unwrap();
        mine.insert("ssl.enabled.protocols", "TLSv1.2".to_owned());
        mine.insert("ssl.cipher.suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned());
        check(&broker, &mine).await.unwrap();
        mine.remove("ssl.keystore.key");
        mine.remove("ssl.keystore.certificate.chain");
        assert_refused(check(&broker, &mine).await, ErrorKind::Auth, "ssl.keystore.location");
    });
}

#[test]
fn plaintext_and_tls_do_not_fall_into_each_other() {
    run(async {
        let authority = Authority::new("ca");
        let tls = TlsServer::new(tls_config(&authority.issue(&["127.0.0.1"]).keystore()), ClientAuth::None)
            .unwrap();
        let encrypted = start(Broker::builder().tls(tls));
        assert!(check(&encrypted, &Properties::new()).await.is_err());
        assert!(check(&encrypted, &sasl(Mechanism::Plain, PASSWORD)).await.is_err());
        let plain = start(Broker::builder());
        assert_refused(
            check(&plain, &ssl(authority.truststore())).await,
            ErrorKind::Disconnected,
            "security.protocol",
        );
    });
}

#[test]
fn new_connections_use_new_certificates() {
    run(async {
        let (old, new) = (Authority::new("old"), Authority::new("new"));
        let dir = tempfile::tempdir().unwrap();
        let keystore = dir.path().join("server.pem");
        let truststore = dir.path().join("ca.pem");
        let write = |authority: &Authority, count: usize| {
            // The count changes the length, so that a clock that stands still hides nothing.
            let filler = "\n".repeat(count);
            std::fs::write(&keystore, authority.issue(&["127.0.0.1"]).pem() + &filler).unwrap();
        };
        write(&old, 1);
        std::fs::write(&truststore, old.pem()).unwrap();
        let server = properties(&[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", keystore.to_str().unwrap()),
        ]);
        let tls = TlsServer::new(tls_config(&server), ClientAuth::None).unwrap();
        let broker = start(Broker::builder().tls(tls));
        let trusting = ssl(properties(&[
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", truststore.to_str().unwrap()),
        ]));
        let security = security(&trusting).unwrap();
        let check = async |security: &Security| {
            let bootstrap = HostPort::parse_list(&broker.bootstrap_servers()).unwrap();
            let config = ClusterConfig { security: security.clone(), ..ClusterConfig::new(bootstrap) };
            let cluster = Cluster::new(Env::real(), config);
            let outcome = ask(&cluster).await;
            cluster.close();
            outcome
        };
        check(&security).await.unwrap();
        write(&new, 2);
        assert_refused(check(&security).await, ErrorKind::Auth, "ssl.truststore.location");
        std::fs::write(&truststore, new.pem() + "\n\n").unwrap();
        check(&security).await.unwrap();
        // In the middle of a change the last good ones count.
        std::fs::write(&truststore, "").unwrap();
        check(&security).await.unwrap();
    });
}
