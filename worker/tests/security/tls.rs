//! TLS on REST, with and without client certificates.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use protocol::net::tls::{TlsConfig, TlsVersion};

use crate::support::https::{Authority, get, send, store};
use crate::support::{PATIENCE, Process, Rest, wait_for, worker_properties, write_properties};
use crate::{Setup, owned};

/// A worker with one listener of https and its certificate in `rest.pem`.
fn secured(authority: &Authority, more: &[(&str, &str)]) -> Setup {
    Setup::start(|dir| {
        let identity = dir.path().join("rest.pem");
        fs::write(&identity, authority.issue()).unwrap();
        fs::write(dir.path().join("clients.pem"), authority.pem()).unwrap();
        let mut all = owned(&[
            ("listeners", "https://127.0.0.1:0"),
            ("listeners.https.ssl.keystore.type", "PEM"),
            ("listeners.https.ssl.keystore.location", identity.to_str().unwrap()),
        ]);
        all.extend(owned(more));
        all
    })
}

fn trusting(setup_authority: &Authority, client_auth: &str) -> Setup {
    Setup::start(|dir| {
        let (identity, clients) = (dir.path().join("rest.pem"), dir.path().join("clients.pem"));
        fs::write(&identity, setup_authority.issue()).unwrap();
        fs::write(&clients, setup_authority.pem()).unwrap();
        // The plain keys count where there are none of `listeners.https.`.
        owned(&[
            ("listeners", "https://127.0.0.1:0"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", identity.to_str().unwrap()),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", clients.to_str().unwrap()),
            ("ssl.client.auth", client_auth),
        ])
    })
}

fn address(setup: &Setup) -> String {
    setup.worker.rest.address.clone()
}

#[test]
fn https_answers_as_http_does_and_names_itself() {
    let authority = Authority::new();
    let setup = secured(&authority, &[]);
    let (client, address) = (authority.client(None), address(&setup));
    let health = get(&client, &address, "/health").unwrap();
    assert_eq!(health.status, 200, "{health:?}");
    let body = r#"{"name":"c","config":{"connector.class":"BlackholeSink","topics":"t"}}"#;
    let request = format!(
        "POST /connectors HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let created = send(&client, &address, &request).unwrap();
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("Location"), Some(format!("https://{address}/connectors/c").as_str()));
    // The worker's name is the address that it advertises.
    wait_for("a status", || {
        let status = get(&client, &address, "/connectors/c/status").unwrap();
        (status.status == 200).then(|| assert_eq!(status.json()["connector"]["worker_id"], address.as_str()))
    });

    let stranger = get(&Authority::new().client(None), &address, "/").unwrap_err();
    assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    // Plain text gets no answer, and the listener goes on.
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _reset = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(get(&client, &address, "/").unwrap().status, 200);
}

#[test]
fn a_client_that_never_shakes_hands_is_let_go() {
    let authority = Authority::new();
    let setup = secured(&authority, &[]);
    let mut silent = TcpStream::connect(address(&setup)).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0, "the worker closes");
}

#[test]
fn client_certificates_are_checked_as_configured() {
    let (authority, other) = (Authority::new(), Authority::new());
    let known = authority.client(Some(&authority.issue()));
    let unknown = authority.client(Some(&other.issue()));
    let nobody = authority.client(None);
    for (client_auth, nobody_passes, unknown_passes) in
        [("none", true, true), ("requested", true, false), ("required", false, false)]
    {
        let setup = trusting(&authority, client_auth);
        let passes =
            |client: &TlsConfig| get(client, &address(&setup), "/").is_ok_and(|answer| answer.status == 200);
        assert!(passes(&known), "{client_auth}");
        assert_eq!((passes(&nobody), passes(&unknown)), (nobody_passes, unknown_passes), "{client_auth}");
    }
}

#[test]
fn a_new_certificate_counts_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let setup = secured(&old, &[]);
    assert_eq!(get(&old.client(None), &address(&setup), "/").unwrap().status, 200);
    setup.write("rest.pem", "in the middle of being written");
    assert_eq!(get(&old.client(None), &address(&setup), "/").unwrap().status, 200, "the old one serves on");
    setup.write("rest.pem", &new.issue());
    assert_eq!(get(&new.client(None), &address(&setup), "/").unwrap().status, 200);
    assert!(get(&old.client(None), &address(&setup), "/").is_err());
}

#[test]
fn versions_are_those_that_are_enabled() {
    let authority = Authority::new();
    let setup = secured(&authority, &[("listeners.https.ssl.enabled.protocols", "TLSv1.2")]);
    let speaking = |version| TlsConfig { versions: vec![version], ..authority.client(None) };
    assert!(get(&speaking(TlsVersion::Tls13), &address(&setup), "/").is_err());
    assert_eq!(get(&speaking(TlsVersion::Tls12), &address(&setup), "/").unwrap().status, 200);
}

#[test]
fn http_https_and_admin_listeners_live_side_by_side() {
    let authority = Authority::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = free.local_addr().unwrap().to_string();
    drop(free);
    let admin_listener = format!("https://{admin}");
    let setup = Setup::start(|dir| {
        let identity = dir.path().join("rest.pem");
        fs::write(&identity, authority.issue()).unwrap();
        owned(&[
            ("listeners", "http://127.0.0.1:0,http://[::1]:0"),
            ("admin.listeners", &admin_listener),
            ("admin.listeners.https.ssl.keystore.type", "PEM"),
            ("admin.listeners.https.ssl.keystore.location", identity.to_str().unwrap()),
        ])
    });
    let rest: &Rest = &setup.worker.rest;
    assert_eq!(rest.get("/connectors").status, 200);
    assert_eq!(rest.get("/admin/loggers").status, 404, "they have listeners of their own");
    let client = authority.client(None);
    assert_eq!(get(&client, &admin, "/connectors").unwrap().status, 404);
    assert_eq!(get(&client, &admin, "/").unwrap().status, 404);
}

/// Others are told the listener of the scheme that is advertised, and nobody is warned of a door that asks for certificates.
#[test]
fn the_advertised_listener_is_the_one_asked_for_and_only_open_doors_are_warned_of() {
    let authority = Authority::new();
    let broker = crate::Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("rest.pem"), authority.issue()).unwrap();
    fs::write(at("clients.pem"), authority.pem()).unwrap();
    let start = |more: &[(&str, &str)]| {
        let (keys, clients) = (at("rest.pem"), at("clients.pem"));
        let tls = [
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", keys.as_str()),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", clients.as_str()),
        ];
        let properties = worker_properties(&broker.bootstrap, dir.path(), &[&tls[..], more].concat());
        let properties: Vec<_> =
            properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let file = write_properties(&dir.path().join("worker.properties"), &properties);
        Process::start(&["standalone", file.to_str().unwrap()])
    };
    let warning = "asks nobody who they are";
    let mut worker = start(&[
        ("listeners", "http://127.0.0.1:0,https://0.0.0.0:0"),
        ("rest.advertised.listener", "https"),
    ]);
    worker.wait_for_output("ready in");
    let listening: Vec<_> = worker
        .output()
        .lines()
        .filter(|line| line.contains("REST server listening"))
        .map(str::to_owned)
        .collect();
    let field = |line: &str, name: &str| {
        line.split(&format!("{name}=")).nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    let (url, advertised) = (field(&listening[1], "url"), field(&listening[0], "advertised"));
    let port = |url: &str| url.trim_end_matches('/').rsplit_once(':').unwrap().1.to_owned();
    assert!(advertised.starts_with("https://") && port(&url) == port(&advertised), "{listening:?}");
    assert!(worker.wait_for_output(warning).contains(&url), "the one beyond loopback");
    drop(worker);
    let mut worker = start(&[("listeners", "https://0.0.0.0:0"), ("ssl.client.auth", "required")]);
    worker.wait_for_output("ready in");
    assert!(!worker.output().contains(warning), "{}", worker.output());
}

/// The stores that most operators have.
#[test]
fn stores_of_keytool_serve_and_trust() {
    if std::env::var_os("AQUEDUCT_KAFKA_LIBS").is_none() {
        return;
    }
    for format in ["JKS", "PKCS12"] {
        let dir = tempfile::tempdir().unwrap();
        let keytool = |arguments: &str| {
            let store = format!("-storetype {format} -storepass store-secret");
            let all = format!("{arguments} {store}");
            let output =
                Command::new("keytool").args(all.split(' ')).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{all}: {}", String::from_utf8_lossy(&output.stdout));
        };
        keytool(
            "-genkeypair -keyalg EC -validity 365 -alias rest -dname CN=rest -ext san=ip:127.0.0.1 -keystore keys",
        );
        keytool("-exportcert -rfc -alias rest -file rest.crt -keystore keys");
        keytool("-importcert -noprompt -alias rest -file rest.crt -keystore trust");
        let at = |name: &str| dir.path().join(name);
        let setup = Setup::start(|_| {
            owned(&[
                ("listeners", "https://127.0.0.1:0"),
                ("listeners.https.ssl.keystore.type", format),
                ("listeners.https.ssl.keystore.location", at("keys").to_str().unwrap()),
                ("listeners.https.ssl.keystore.password", "store-secret"),
                ("listeners.https.ssl.truststore.type", format),
                ("listeners.https.ssl.truststore.location", at("trust").to_str().unwrap()),
                ("listeners.https.ssl.truststore.password", "store-secret"),
                ("listeners.https.ssl.client.auth", "requested"),
            ])
        });
        let client =
            TlsConfig { truststore: Some(store(&at("trust"), "store-secret")), ..TlsConfig::default() };
        assert_eq!(get(&client, &address(&setup), "/").unwrap().status, 200, "{format}");
    }
}
