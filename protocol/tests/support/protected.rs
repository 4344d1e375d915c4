//! Brokers that protect themselves: one door per way to be asked who one is. Embedded, or a real Kafka with a listener per door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Broker, BrokerHandle, Builder};
use protocol::Result;
use protocol::cluster::{Cluster, ClusterConfig, HostPort, Target};
use protocol::net::sasl::Mechanism;
use protocol::net::tls::{ClientAuth, TlsConfig, TlsServer};
use protocol::net::{Env, Security};
use protocol::wire::messages::MetadataRequest;
use tokio::time::timeout;
use xtask::kafka::{self, Libs, Listener};

use crate::certificates::{Authority, Issued};
use crate::support::PATIENCE;

/// With what SCRAM has to escape, and without what Kafka refuses in a SCRAM name: anything beyond ASCII.
pub(crate) const USER: &str = "alice = bob";
/// With what login configurations have to escape.
pub(crate) const PASSWORD: &str = "s\u{e9}cret\" \\ ;";

/// Kafka lets nobody authenticate twice within a second. A client renews its session when at least 5 % of it are left, which is time
/// enough also on a busy machine.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(3);

const MODULES: &str = "org.apache.kafka.common.security";

pub(crate) type Properties = BTreeMap<&'static str, String>;

pub(crate) fn properties(entries: &[(&'static str, &str)]) -> Properties {
    entries.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

pub(crate) fn tls_config(properties: &Properties) -> TlsConfig {
    TlsConfig::from_properties(|key| properties.get(key).map(String::as_str)).unwrap()
}

pub(crate) fn security(properties: &Properties) -> Result<Security> {
    Security::from_properties(|key| properties.get(key).map(String::as_str))
}

/// What a client says who it is by.
pub(crate) fn sasl(mechanism: Mechanism, user: &str, password: &str) -> Properties {
    let jaas = match mechanism {
        Mechanism::OAuthBearer => {
            format!("{} unsecuredLoginStringClaim_sub=\"{}\";", login_module(mechanism), quote(user))
        }
        _ => {
            let module = login_module(mechanism);
            format!("{module} username=\"{}\" password=\"{}\";", quote(user), quote(password))
        }
    };
    properties(&[
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", mechanism.name()),
        ("sasl.jaas.config", &jaas),
    ])
}

/// The beginning of a login configuration.
pub(crate) fn login_module(mechanism: Mechanism) -> String {
    let class = match mechanism {
        Mechanism::Plain => "plain.PlainLoginModule",
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => "scram.ScramLoginModule",
        Mechanism::OAuthBearer => "oauthbearer.OAuthBearerLoginModule",
    };
    format!("{MODULES}.{class} required")
}

fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Ways to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nobody is asked anything.
    Open,
    /// Every mechanism, without encryption.
    Sasl,
    /// Every mechanism over TLS.
    SaslTls,
    /// Only PLAIN.
    OnlyPlain,
    /// Every mechanism, and sessions end after [`SESSION_LIFETIME`].
    ShortSessions,
    /// TLS.
    Tls,
    /// TLS whose certificate names other hosts.
    OtherHost,
    /// TLS whose certificate has expired.
    Expired,
    /// TLS that wants a certificate of the client.
    MutualTls,
}

impl Door {
    const ALL: [Self; 9] = [
        Self::Open,
        Self::Sasl,
        Self::SaslTls,
        Self::OnlyPlain,
        Self::ShortSessions,
        Self::Tls,
        Self::OtherHost,
        Self::Expired,
        Self::MutualTls,
    ];

    fn protocol(self) -> &'static str {
        match self {
            Self::Open => "PLAINTEXT",
            Self::Sasl | Self::OnlyPlain | Self::ShortSessions => "SASL_PLAINTEXT",
            Self::SaslTls => "SASL_SSL",
            Self::Tls | Self::OtherHost | Self::Expired | Self::MutualTls => "SSL",
        }
    }

    fn mechanisms(self) -> &'static [Mechanism] {
        match self {
            Self::Sasl | Self::SaslTls | Self::ShortSessions => &Mechanism::ALL,
            Self::OnlyPlain => &[Mechanism::Plain],
            _ => &[],
        }
    }

    fn certificate(self, authority: &Authority) -> Option<Issued> {
        match self {
            Self::Open | Self::Sasl | Self::OnlyPlain | Self::ShortSessions => None,
            Self::SaslTls | Self::Tls | Self::MutualTls => Some(authority.issue(&["127.0.0.1"])),
            Self::OtherHost => Some(authority.issue(&["kafka.example", "127.0.0.2"])),
            Self::Expired => Some(authority.issue_expired(&["127.0.0.1"])),
        }
    }
}

/// Brokers with all doors.
pub(crate) struct Protected {
    /// Whoever issued the certificates of the doors, and those that clients may show.
    pub(crate) authority: Authority,
    /// By the place of the door in [`Door::ALL`].
    addresses: Vec<String>,
    _brokers: Brokers,
}

#[expect(dead_code, reason = "what keeps them running")]
enum Brokers {
    Embedded(Vec<BrokerHandle>),
    Kafka(kafka::Cluster),
}

impl Protected {
    /// One embedded broker per door.
    pub(crate) fn embedded() -> Self {
        let authority = Authority::new("ca");
        let brokers: Vec<_> = Door::ALL
            .iter()
            .map(|door| {
                let builder = embedded_door(*door, &authority);
                builder.spawn_thread("127.0.0.1:0").unwrap()
            })
            .collect();
        let addresses = brokers.iter().map(BrokerHandle::bootstrap_servers).collect();
        Self { authority, addresses, _brokers: Brokers::Embedded(brokers) }
    }

    /// One node of a real Kafka with a listener per door, and `more`, which lie behind the doors; none where its jars are not
    /// at hand.
    pub(crate) fn of_kafka(more: Vec<Listener>) -> Option<Self> {
        let libs = Libs::from_env()?;
        let authority = Authority::new("ca");
        let doors = Door::ALL.iter();
        let mut listeners: Vec<_> = doors.map(|door| kafka_door(*door, &authority)).collect();
        listeners.extend(more);
        let count = listeners.len();
        let config = kafka::ClusterConfig {
            listeners,
            scram_users: vec![(USER.to_owned(), PASSWORD.to_owned())],
            ..kafka::ClusterConfig::default()
        };
        let cluster = kafka::Cluster::start(&libs, &config).unwrap();
        let addresses = (0..count).map(|index| cluster.bootstrap_of_listener(index)).collect();
        Some(Self { authority, addresses, _brokers: Brokers::Kafka(cluster) })
    }

    pub(crate) fn client(&self, door: Door, properties: &Properties) -> Cluster {
        let place = Door::ALL.iter().position(|one| *one == door).unwrap();
        client(&self.addresses[place], properties)
    }

    /// One request that only an accepted client gets an answer to.
    pub(crate) async fn check(&self, door: Door, properties: &Properties) -> Result<()> {
        ask_once(self.client(door, properties)).await
    }

    /// The same at the listeners behind the doors.
    pub(crate) async fn check_behind(&self, index: usize, properties: &Properties) -> Result<()> {
        ask_once(client(&self.addresses[Door::ALL.len() + index], properties)).await
    }
}

fn client(bootstrap: &str, properties: &Properties) -> Cluster {
    let bootstrap = HostPort::parse_list(bootstrap).unwrap();
    let security = security(properties).unwrap();
    Cluster::new(Env::real(), ClusterConfig { security, ..ClusterConfig::new(bootstrap) })
}

async fn ask_once(cluster: Cluster) -> Result<()> {
    let outcome = ask(&cluster).await;
    cluster.close();
    outcome
}

/// One request that only an accepted client gets an answer to.
pub(crate) async fn ask(cluster: &Cluster) -> Result<()> {
    let asked = cluster.call(&Target::Any, |_| MetadataRequest::default());
    timeout(PATIENCE, asked).await.expect("an answer or an error").map(drop)
}

fn embedded_door(door: Door, authority: &Authority) -> Builder {
    let mut builder = Broker::builder();
    if !door.mechanisms().is_empty() {
        builder = builder.user(USER, PASSWORD).sasl_mechanisms(door.mechanisms());
    }
    if door == Door::ShortSessions {
        builder = builder.session_lifetime(SESSION_LIFETIME);
    }
    let Some(certificate) = door.certificate(authority) else { return builder };
    let mut keystore = certificate.keystore();
    let mut client_auth = ClientAuth::None;
    if door == Door::MutualTls {
        keystore.extend(authority.truststore());
        client_auth = ClientAuth::Required;
    }
    builder.tls(TlsServer::new(tls_config(&keystore), client_auth).unwrap())
}

fn kafka_door(door: Door, authority: &Authority) -> Listener {
    let mut entries: Vec<(String, String)> = Vec::new();
    let names: Vec<&str> = door.mechanisms().iter().map(|mechanism| mechanism.name()).collect();
    if !names.is_empty() {
        entries.push(("sasl.enabled.mechanisms".to_owned(), names.join(",")));
    }
    for mechanism in door.mechanisms() {
        let options = match mechanism {
            Mechanism::Plain => format!(" \"user_{USER}\"=\"{}\"", quote(PASSWORD)),
            // Kafka wants the broker, too, to have a token, although it checks those of others.
            Mechanism::OAuthBearer => " unsecuredLoginStringClaim_sub=\"broker\"".to_owned(),
            Mechanism::ScramSha256 | Mechanism::ScramSha512 => String::new(),
        };
        let prefix = mechanism.name().to_lowercase();
        let login = format!("{}{options};", login_module(*mechanism));
        entries.push((format!("{prefix}.sasl.jaas.config"), login));
        if door == Door::ShortSessions {
            let lifetime_ms = SESSION_LIFETIME.as_millis().to_string();
            entries.push((format!("{prefix}.connections.max.reauth.ms"), lifetime_ms));
        }
    }
    let mut stores = door.certificate(authority).map(|issued| issued.keystore()).unwrap_or_default();
    if door == Door::MutualTls {
        stores.extend(authority.truststore());
        stores.insert("ssl.client.auth", "required".to_owned());
    }
    entries.extend(stores.into_iter().map(|(key, value)| (key.to_owned(), value)));
    let name = format!("{door:?}").to_uppercase();
    Listener { name, protocol: door.protocol().to_owned(), properties: entries }
}
