//! The embedded broker as `server.properties` describe it, met by clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "shared with the tests of security, which need more of it")]
mod certificates;

use std::collections::BTreeMap;

use broker::{BrokerHandle, ServerProperties};
use certificates::Authority;
use protocol::Result;
use protocol::cluster::{Cluster, ClusterConfig, HostPort, Target};
use protocol::net::{Env, Security};
use protocol::wire::messages::MetadataRequest;
use support::{PATIENCE, run};
use tokio::time::timeout;

const LISTENER: [(&str, &str); 4] = [
    ("listeners", "CLIENTS://127.0.0.1:9092"),
    ("listener.security.protocol.map", "CLIENTS:SASL_SSL"),
    ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256"),
    (
        "listener.name.clients.plain.sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"pass word\";",
    ),
];

fn start(properties: &BTreeMap<&'static str, String>) -> BrokerHandle {
    let entries = properties.iter().map(|(key, value)| (*key, value.as_str()));
    let read = ServerProperties::read(entries, Some("127.0.0.1:0")).unwrap();
    assert!(read.ignored.is_empty(), "{:?}", read.ignored);
    read.builder.spawn_thread(&read.listen).unwrap()
}

async fn ask(broker: &BrokerHandle, properties: &BTreeMap<&'static str, String>) -> Result<()> {
    let security = Security::from_properties(|key| properties.get(key).map(String::as_str)).unwrap();
    let bootstrap = HostPort::parse_list(&broker.bootstrap_servers()).unwrap();
    let cluster = Cluster::new(Env::real(), ClusterConfig { security, ..ClusterConfig::new(bootstrap) });
    let asked = cluster.call(&Target::Any, |_| MetadataRequest::default());
    let outcome = timeout(PATIENCE, asked).await.expect("an answer or an error").map(drop);
    cluster.close();
    outcome
}

#[test]
fn listeners_users_and_certificates_are_those_of_the_properties() {
    run(async {
        let authority = Authority::new("ca");
        let mut server = authority.issue(&["127.0.0.1"]).keystore();
        server.extend(LISTENER.map(|(key, value)| (key, value.to_owned())));
        let broker = start(&server);
        for (mechanism, module, password, is_right) in [
            ("PLAIN", "plain.PlainLoginModule", "pass word", true),
            ("SCRAM-SHA-256", "scram.ScramLoginModule", "pass word", true),
            ("PLAIN", "plain.PlainLoginModule", "password", false),
            ("SCRAM-SHA-512", "scram.ScramLoginModule", "pass word", false),
        ] {
            let jaas = format!(
                "org.apache.kafka.common.security.{module} required username=\"bob\" password=\"{password}\";"
            );
            let mut client = authority.truststore();
            client.insert("security.protocol", "SASL_SSL".to_owned());
            client.insert("sasl.mechanism", mechanism.to_owned());
            client.insert("sasl.jaas.config", jaas);
            let outcome = ask(&broker, &client).await;
            assert_eq!(outcome.is_ok(), is_right, "{mechanism} {outcome:?}");
        }
    });
}
