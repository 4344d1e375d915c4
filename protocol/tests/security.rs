//! Connections that are protected: every SASL mechanism with and without TLS, and everything that must be refused. Every test of a
//! door is written once; it runs on embedded brokers, and on a real Kafka where `AQUEDUCT_KAFKA_LIBS` names its jars.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/keytool.rs"]
mod keytool;
#[path = "support/protected.rs"]
mod protected;
#[path = "security/token_endpoint.rs"]
mod token_endpoint;

use broker::{Broker, BrokerHandle, Builder};
use certificates::Authority;
use futures_util::future::join_all;
use keytool::Stores;
use protected::{
    Door, PASSWORD, Properties, Protected, SESSION_LIFETIME, USER, ask, login_module, properties, sasl,
    security, tls_config,
};
use protocol::client::admin::{Admin, NewTopic};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::sasl::Mechanism;
use protocol::net::sasl::oauthbearer::UnsecuredToken;
use protocol::net::tls::{ClientAuth, TlsServer};
use protocol::net::{Env, Security};
use protocol::wire::messages::MetadataRequest;
use protocol::{ErrorKind, Result};
use support::{PATIENCE, run, unique};
use tokio::time::{Instant, timeout};
use xtask::kafka::{Libs, Listener};

#[test]
fn the_same_at_the_doors_of_a_real_kafka() {
    if Libs::from_env().is_none() {
        return;
    }
    let stores = Stores::make();
    let listen = |format: &str| Listener {
        name: format.to_owned(),
        protocol: "SSL".to_owned(),
        properties: stores
            .keystore("broker", format)
            .into_iter()
            .chain(stores.truststore(format))
            .chain([("ssl.client.auth", "required".to_owned())])
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    };
    let protected = Protected::of_kafka(vec![listen("JKS"), listen("PKCS12")]).unwrap();
    run(every_mechanism(&protected));
    run(wrong_credentials(&protected));
    run(no_credentials(&protected));
    run(renewed_sessions(&protected));
    run(refused_renewal(&protected));
    run(wrong_certificates(&protected));
    run(mutual_tls(&protected));
    run(mixed_protocols(&protected));
    run(stores_of_keytool(&protected, &stores));
}

fn on_embedded(test: impl AsyncFnOnce(&Protected)) {
    run(test(&Protected::embedded()));
}

#[test]
fn every_mechanism_works_with_and_without_tls() {
    on_embedded(every_mechanism);
}

#[test]
fn wrong_credentials_are_an_error_that_is_not_tried_again() {
    on_embedded(wrong_credentials);
}

#[test]
fn a_client_that_does_not_say_who_it_is_is_not_answered() {
    on_embedded(no_credentials);
}

#[test]
fn sessions_are_renewed_in_place_while_requests_go_on() {
    on_embedded(renewed_sessions);
}

#[test]
fn a_token_that_is_no_longer_good_ends_the_session() {
    on_embedded(refused_renewal);
}

#[test]
fn certificates_that_are_wrong_are_refused_with_the_reason() {
    on_embedded(wrong_certificates);
}

#[test]
fn mutual_tls_needs_a_certificate_of_ours() {
    on_embedded(mutual_tls);
}

#[test]
fn plaintext_and_tls_do_not_fall_into_each_other() {
    on_embedded(mixed_protocols);
}

#[track_caller]
fn assert_refused(outcome: Result<()>, kind: ErrorKind, expected: &str) {
    let error = outcome.unwrap_err();
    assert!(error.kind() == kind && error.to_string().contains(expected), "{:?} {error}", error.kind());
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

fn over_tls(mut properties: Properties, authority: &Authority) -> Properties {
    properties.extend(authority.truststore());
    properties.insert("security.protocol", "SASL_SSL".to_owned());
    properties
}

fn ssl(entries: Properties) -> Properties {
    let mut properties = properties(&[("security.protocol", "SSL")]);
    properties.extend(entries);
    properties
}

async fn every_mechanism(protected: &Protected) {
    for mechanism in Mechanism::ALL {
        let properties = sasl(mechanism, USER, PASSWORD);
        protected.check(Door::Sasl, &properties).await.unwrap();
        // Not only the first answer: something that asks more than one node more than once.
        let client = protected.client(Door::SaslTls, &over_tls(properties, &protected.authority));
        let names: Vec<String> = (0..5).map(|_| unique("topic")).collect();
        let topics: Vec<_> = names.iter().map(|name| NewTopic::new(name, 3)).collect();
        for outcome in Admin::new(client.clone()).create_topics(&topics).await {
            outcome.unwrap();
        }
        for name in &names {
            client.topic(name, Instant::now() + PATIENCE).await.unwrap();
        }
        client.close();
    }
}

async fn wrong_credentials(protected: &Protected) {
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        for (user, password) in [(USER, "wrong"), ("nobody", PASSWORD)] {
            let properties = sasl(mechanism, user, password);
            let outcome = protected.check(Door::Sasl, &properties).await;
            assert_refused(outcome, ErrorKind::Auth, "SASL_AUTHENTICATION_FAILED");
            let outcome = protected.check(Door::SaslTls, &over_tls(properties, &protected.authority)).await;
            assert_refused(outcome, ErrorKind::Auth, "SASL_AUTHENTICATION_FAILED");
        }
    }
    let mut properties = sasl(Mechanism::OAuthBearer, USER, PASSWORD);
    let jaas = format!("{} token=\"a.b.c\";", login_module(Mechanism::OAuthBearer));
    properties.insert("sasl.jaas.config", jaas);
    assert_refused(protected.check(Door::Sasl, &properties).await, ErrorKind::Auth, "invalid_token");

    let outcome = protected.check(Door::OnlyPlain, &sasl(Mechanism::ScramSha256, USER, PASSWORD)).await;
    assert_refused(outcome, ErrorKind::Auth, "speaks [PLAIN]");
}

async fn no_credentials(protected: &Protected) {
    let outcome = protected.check(Door::Sasl, &Properties::new()).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Disconnected);
    let outcome = protected.check(Door::Open, &sasl(Mechanism::Plain, USER, PASSWORD)).await;
    assert_refused(outcome, ErrorKind::Auth, "ILLEGAL_SASL_STATE");
}

/// A broker closes a connection whose session has ended, and each session ends between some of the requests.
async fn renewed_sessions(protected: &Protected) {
    let check = async |mechanism| {
        let cluster = protected.client(Door::ShortSessions, &sasl(mechanism, USER, PASSWORD));
        cluster.refresh(0).await.unwrap();
        let connection = cluster.connection(1).await.unwrap();
        // Two renewals, and time to be closed after the second.
        let end = Instant::now() + SESSION_LIFETIME.mul_f64(2.5);
        while Instant::now() < end {
            let version = connection.versions().version_for::<MetadataRequest>().unwrap();
            let replies: Vec<_> =
                (0..10).map(|_| connection.send(version, &MetadataRequest::default()).unwrap()).collect();
            for reply in replies {
                reply.await.unwrap();
            }
        }
        assert!(connection.is_open());
        cluster.close();
    };
    join_all(Mechanism::ALL.map(check)).await;
}

async fn refused_renewal(protected: &Protected) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let token = UnsecuredToken { claims: vec![("sub".to_owned(), "me".to_owned())], lifetime_s: 600 };
    std::fs::write(file.path(), token.encode(Env::real().now_ms())).unwrap();
    let module = login_module(Mechanism::OAuthBearer);
    let mut properties = sasl(Mechanism::OAuthBearer, USER, PASSWORD);
    properties.insert("sasl.jaas.config", format!("{module} tokenFile=\"{}\";", file.path().display()));
    let cluster = protected.client(Door::ShortSessions, &properties);
    cluster.refresh(0).await.unwrap();
    let connection = cluster.connection(1).await.unwrap();
    std::fs::write(file.path(), "no.longer.good").unwrap();
    timeout(PATIENCE, connection.closed()).await.unwrap();
    assert_refused(ask(&cluster).await, ErrorKind::Auth, "invalid_token");
    cluster.close();
}

async fn wrong_certificates(protected: &Protected) {
    let stranger = Authority::new("stranger");
    let trusting = ssl(protected.authority.truststore());
    protected.check(Door::Tls, &trusting).await.unwrap();
    let outcome = protected.check(Door::Tls, &ssl(stranger.truststore())).await;
    assert_refused(outcome, ErrorKind::Auth, "ssl.truststore.location");

    let outcome = protected.check(Door::OtherHost, &trusting).await;
    assert_refused(outcome, ErrorKind::Auth, "ssl.endpoint.identification.algorithm");
    let mut unchecked = trusting.clone();
    unchecked.insert("ssl.endpoint.identification.algorithm", String::new());
    protected.check(Door::OtherHost, &unchecked).await.unwrap();
    // Without the name the authority still counts.
    unchecked.extend(stranger.truststore());
    let outcome = protected.check(Door::OtherHost, &unchecked).await;
    assert_refused(outcome, ErrorKind::Auth, "ssl.truststore.location");

    let outcome = protected.check(Door::Expired, &trusting).await;
    assert_refused(outcome, ErrorKind::Auth, "renew its certificate");
}

async fn mutual_tls(protected: &Protected) {
    let mut mine = ssl(protected.authority.truststore());
    // The refusal comes after the handshake: it may be overtaken by the end of the connection.
    let outcome = protected.check(Door::MutualTls, &mine).await.unwrap_err();
    assert!(matches!(outcome.kind(), ErrorKind::Auth | ErrorKind::Disconnected), "{outcome}");
    let mut foreign = mine.clone();
    foreign.extend(Authority::new("stranger").issue(&["me"]).keystore());
    let outcome = protected.check(Door::MutualTls, &foreign).await.unwrap_err();
    assert!(matches!(outcome.kind(), ErrorKind::Auth | ErrorKind::Disconnected), "{outcome}");
    mine.extend(protected.authority.issue(&["me"]).keystore());
    protected.check(Door::MutualTls, &mine).await.unwrap();
    mine.insert("ssl.enabled.protocols", "TLSv1.2".to_owned());
    mine.insert("ssl.cipher.suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned());
    protected.check(Door::MutualTls, &mine).await.unwrap();
    mine.remove("ssl.keystore.key");
    mine.remove("ssl.keystore.certificate.chain");
    let outcome = protected.check(Door::MutualTls, &mine).await;
    assert_refused(outcome, ErrorKind::Auth, "ssl.keystore.location");
}

async fn mixed_protocols(protected: &Protected) {
    assert!(protected.check(Door::Tls, &Properties::new()).await.is_err());
    assert!(protected.check(Door::Tls, &sasl(Mechanism::Plain, USER, PASSWORD)).await.is_err());
    let outcome = protected.check(Door::Open, &ssl(protected.authority.truststore())).await;
    assert_refused(outcome, ErrorKind::Disconnected, "security.protocol");
}

/// What Java wrote we read: trust stores and key stores, keys with a password of their own.
async fn stores_of_keytool(protected: &Protected, stores: &Stores) {
    for (index, format) in ["JKS", "PKCS12"].into_iter().enumerate() {
        let trusting = ssl(stores.truststore(format));
        let outcome = protected.check_behind(index, &trusting).await.unwrap_err();
        assert!(matches!(outcome.kind(), ErrorKind::Auth | ErrorKind::Disconnected), "{outcome}");
        let mut known = trusting.clone();
        known.extend(stores.keystore("client", format));
        protected.check_behind(index, &known).await.unwrap();
        known.insert("ssl.keystore.password", "wrong".to_owned());
        let refused = security(&known).unwrap_err();
        assert!(refused.to_string().contains("ssl.keystore.location"), "{refused}");
    }
}

fn start(builder: Builder) -> BrokerHandle {
    builder.spawn_thread("127.0.0.1:0").unwrap()
}

async fn check(broker: &BrokerHandle, security: &Security) -> Result<()> {
    let bootstrap = HostPort::parse_list(&broker.bootstrap_servers()).unwrap();
    let config = ClusterConfig { security: security.clone(), ..ClusterConfig::new(bootstrap) };
    let cluster = Cluster::new(Env::real(), config);
    let outcome = ask(&cluster).await;
    cluster.close();
    outcome
}

#[test]
fn a_self_signed_broker_is_believed_where_it_is_trusted_itself() {
    run(async {
        let lonely = Authority::named("127.0.0.1");
        let tls = TlsServer::new(tls_config(&lonely.as_server()), ClientAuth::None).unwrap();
        let broker = start(Broker::builder().tls(tls));
        check(&broker, &security(&ssl(lonely.truststore())).unwrap()).await.unwrap();
        let other = security(&ssl(Authority::named("127.0.0.1").truststore())).unwrap();
        let outcome = check(&broker, &other).await;
        assert_refused(outcome, ErrorKind::Auth, "set up TLS");
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
        check(&broker, &security).await.unwrap();
        write(&new, 2);
        assert_refused(check(&broker, &security).await, ErrorKind::Auth, "ssl.truststore.location");
        std::fs::write(&truststore, new.pem() + "\n\n").unwrap();
        check(&broker, &security).await.unwrap();
        // In the middle of a change the last good ones count.
        std::fs::write(&truststore, "").unwrap();
        check(&broker, &security).await.unwrap();
    });
}
