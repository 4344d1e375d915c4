//! A broker described as Kafka's `server.properties` describe one: the same names, for what there is here.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::net::sasl::{JaasConfig, Mechanism};
use protocol::net::tls::{ClientAuth, TlsConfig, TlsServer};
use protocol::{Error, Result};

use crate::cluster::ConfigScope;
use crate::config::Builder;
use crate::security::Users;

const DOING: &str = "read the broker's properties";

/// Where a broker listens that is told nothing: on this machine only, at Kafka's port.
const LISTENERS_DEFAULT: &str = "PLAINTEXT://127.0.0.1:9092";

/// What becomes of each login module's `user_NAME="password"` options: users of every mechanism.
const USER_OPTION: &str = "user_";

/// What follows from `server.properties`.
#[derive(Debug)]
pub struct ServerProperties {
    /// The broker, ready to be started.
    pub builder: Builder,
    /// Where it is to listen: `host:port`, as [`Builder::spawn_thread`] takes it.
    pub listen: String,
    /// Keys that have no effect here, in alphabetical order.
    pub ignored: Vec<String>,
}

/// The listener of clients.
struct Listener {
    name: String,
    address: String,
    has_tls: bool,
    has_sasl: bool,
}

/// Properties, and which of them were asked for.
struct Reader<'a> {
    values: BTreeMap<&'a str, (&'a str, bool)>,
}

impl ServerProperties {
    /// Reads properties under Kafka's names. `listen` (`host:port`) goes before the address in `listeners`.
    ///
    /// # Errors
    /// `Config`, naming the key and what is expected; no value that may be a secret is in it.
    pub fn read<'a>(
        properties: impl IntoIterator<Item = (&'a str, &'a str)>,
        listen: Option<&str>,
    ) -> Result<Self> {
        let values = properties.into_iter().map(|(key, value)| (key, (value.trim(), false)));
        let mut reader = Reader { values: values.collect() };
        let mut listener = reader.listener()?;
        if let Some(listen) = listen {
            listen.clone_into(&mut listener.address);
        }
        let mut builder = reader.basics(Builder::default())?;
        builder = reader.limits(builder)?;
        builder = reader.defaults(builder)?;
        builder = reader.advertised(builder, &listener)?;
        if listener.has_tls {
            builder = builder.tls(reader.tls(&listener)?);
        }
        if listener.has_sasl {
            builder.config.users = Some(reader.users(&listener)?);
        }
        let unused = reader.values.into_iter().filter(|(_, (_, is_used))| !is_used);
        Ok(Self {
            builder,
            listen: listener.address,
            ignored: unused.map(|(key, _)| key.to_owned()).collect(),
        })
    }
}

impl<'a> Reader<'a> {
    /// A value that is not empty.
    fn get(&mut self, key: &str) -> Option<&'a str> {
        let (value, is_used) = self.values.get_mut(key)?;
        *is_used = true;
        Some(*value).filter(|value| !value.is_empty())
    }

    /// A value for this listener, or for all.
    fn get_for(&mut self, listener: &Listener, key: &str) -> Option<&'a str> {
        let of_listener = self.get(&format!("listener.name.{}.{key}", listener.name.to_lowercase()));
        let of_all = self.get(key);
        of_listener.or(of_all)
    }

    fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        min: T,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.parse().ok().filter(|number| *number >= min) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::config(
                DOING,
                format!("{key}={value}: a number that is at least {min} is expected"),
            )),
        }
    }

    fn millis(&mut self, key: &str, min: u64) -> Result<Option<Duration>> {
        Ok(self.number(key, min)?.map(Duration::from_millis))
    }

    fn basics(&mut self, mut builder: Builder) -> Result<Builder> {
        let (broker_id, node_id) = (self.number("broker.id", 0)?, self.number("node.id", 0)?);
        if let Some(id) = node_id.or(broker_id) {
            builder = builder.node_id(id);
        }
        if let Some(count) = self.number("node.count", 1)? {
            builder = builder.node_count(count);
        }
        if let Some(racks) = self.get("broker.rack") {
            let racks: Vec<&str> = racks.split(',').map(str::trim).collect();
            builder = builder.racks(&racks);
        }
        if let Some(id) = self.get("cluster.id") {
            builder = builder.cluster_id(id);
        }
        if let Some(count) = self.number("num.partitions", 1)? {
            builder = builder.partitions_default(count);
        }
        match self.get("auto.create.topics.enable").map(str::to_ascii_lowercase).as_deref() {
            None => Ok(builder),
            Some("true") => Ok(builder.auto_create_topics(true)),
            Some("false") => Ok(builder.auto_create_topics(false)),
            Some(_) => Err(Error::config(DOING, "auto.create.topics.enable: true or false is expected")),
        }
    }

    fn limits(&mut self, mut builder: Builder) -> Result<Builder> {
        let config = &mut builder.config;
        for (key, min, field) in [
            ("memory.bytes.max", 1 << 20, &mut config.memory_bytes_max),
            ("message.max.bytes", 0, &mut config.message_bytes_max),
            ("fetch.max.bytes", 1024, &mut config.fetch_bytes_max),
            ("socket.request.max.bytes", 1, &mut config.frame_bytes_max),
            ("max.connections", 1, &mut config.connection_count_max),
            ("group.max.size", 1, &mut config.group_member_count_max),
        ] {
            if let Some(value) = self.number(key, min)? {
                *field = value;
            }
        }
        for (key, min_ms, field) in [
            ("group.initial.rebalance.delay.ms", 0, &mut config.group_initial_rebalance_delay),
            ("group.min.session.timeout.ms", 0, &mut config.group_session_timeout_min),
            ("group.max.session.timeout.ms", 0, &mut config.group_session_timeout_max),
            ("transaction.max.timeout.ms", 1, &mut config.transaction_timeout_max),
            ("log.cleaner.backoff.ms", 0, &mut config.log_cleaner_backoff),
            ("log.retention.check.interval.ms", 1, &mut config.retention_check_interval),
        ] {
            if let Some(value) = self.millis(key, min_ms)? {
                *field = value;
            }
        }
        Ok(builder)
    }

    /// What topics inherit, and what could also be changed while the broker runs.
    fn defaults(&mut self, mut builder: Builder) -> Result<Builder> {
        let mut defaults = BTreeMap::new();
        // The longer unit first: as in Kafka the shorter one goes before it.
        for (key, unit_ms, name) in [
            ("log.retention.hours", 3_600_000, "log.retention.ms"),
            ("log.retention.minutes", 60_000, "log.retention.ms"),
            ("log.roll.hours", 3_600_000, "log.roll.ms"),
        ] {
            if let Some(count) = self.number(key, -1_i64)? {
                let ms = if count < 0 { -1 } else { count.saturating_mul(unit_ms) };
                defaults.insert(name.to_owned(), ms.to_string());
            }
        }
        for def in ConfigScope::Broker.defs().iter().filter(|def| !def.is_read_only) {
            // These have a place of their own.
            if def.name == "message.max.bytes" {
                continue;
            }
            if let Some(value) = self.get(def.name) {
                defaults.insert(def.name.to_owned(), value.to_owned());
            }
        }
        for (name, value) in &defaults {
            // The topic's key knows the range.
            let of_topics = ConfigScope::Topic.defs().iter().find(|def| def.synonym == Some(name));
            let Some(def) = of_topics.or_else(|| ConfigScope::Broker.find(name)) else { continue };
            def.check(value)
                .map_err(|refusal| Error::config(DOING, format!("{name}: {}", refusal.text())))?;
        }
        builder.config.defaults = defaults;
        Ok(builder)
    }

    fn listener(&mut self) -> Result<Listener> {
        let map = self.get("listener.security.protocol.map").unwrap_or_default();
        let protocols: BTreeMap<&str, &str> =
            map.split(',').filter_map(|entry| entry.trim().split_once(':')).collect();
        let of_controllers = self.get("controller.listener.names").unwrap_or_default();
        let is_of_controllers =
            |name: &str| of_controllers.split(',').any(|other| other.trim().eq_ignore_ascii_case(name));
        let listeners = self.get("listeners").unwrap_or(LISTENERS_DEFAULT);
        let mut found = None;
        for entry in listeners.split(',').map(str::trim) {
            let Some((name, address)) = entry.split_once("://") else {
                return Err(Error::config(DOING, format!("listeners={entry}: NAME://host:port is expected")));
            };
            if is_of_controllers(name) {
                continue;
            }
            if found.is_some() {
                return Err(Error::config(
                    DOING,
                    "listeners: the embedded broker has one listener for clients; start one broker for each",
                ));
            }
            let protocol = protocols.get(name).copied().unwrap_or(name).trim().to_ascii_uppercase();
            let (has_tls, has_sasl) = match protocol.as_str() {
                "PLAINTEXT" => (false, false),
                "SSL" => (true, false),
                "SASL_PLAINTEXT" => (false, true),
                "SASL_SSL" => (true, true),
                _ => {
                    return Err(Error::config(
                        DOING,
                        format!(
                            "listeners={entry}: {protocol} is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; names of \
                             your own need an entry in listener.security.protocol.map"
                        ),
                    ));
                }
            };
            found = Some(Listener { name: name.to_owned(), address: address.to_owned(), has_tls, has_sasl });
        }
        let mut found = found.ok_or_else(|| Error::config(DOING, "listeners: none is for clients"))?;
        if found.address.starts_with(':') {
            // Kafka's way to say "all interfaces".
            found.address.insert_str(0, "0.0.0.0");
        }
        Ok(found)
    }

    /// What clients are told: as Kafka, an address that leads somewhere.
    fn advertised(&mut self, builder: Builder, listener: &Listener) -> Result<Builder> {
        let advertised = self.get("advertised.listeners").unwrap_or_default();
        let mut entries = advertised.split(',').filter_map(|entry| entry.trim().split_once("://"));
        let entry = entries.find(|(name, _)| name.eq_ignore_ascii_case(&listener.name));
        let address = entry.map_or(listener.address.as_str(), |(_, address)| address);
        let parsed = address.rsplit_once(':').and_then(|(host, port)| {
            let port: u16 = port.parse().ok()?;
            Some((host.trim_matches(['[', ']']), port))
        });
        let Some((host, port)) = parsed.filter(|(host, _)| !host.is_empty()) else {
            return Err(Error::config(DOING, format!("{address}: host:port is expected")));
        };
        if ["0.0.0.0", "::"].contains(&host) {
            return Err(Error::config(
                DOING,
                format!(
                    "{address} is no address that clients could connect to: set advertised.listeners={}://host:port to \
                     the one that leads here",
                    listener.name
                ),
            ));
        }
        let builder = builder.advertised_host(host);
        Ok(if entry.is_some() { builder.advertised_port(port) } else { builder })
    }

    fn tls(&mut self, listener: &Listener) -> Result<TlsServer> {
        let prefix = format!("listener.name.{}.", listener.name.to_lowercase());
        for (key, (_, is_used)) in &mut self.values {
            *is_used |= key.strip_prefix(&prefix).unwrap_or(key).starts_with("ssl.");
        }
        let client_auth = match self.get_for(listener, "ssl.client.auth") {
            None | Some("none") => ClientAuth::None,
            Some("requested") => ClientAuth::Requested,
            Some("required") => ClientAuth::Required,
            Some(other) => {
                let detail = format!("ssl.client.auth={other}: none, requested or required is expected");
                return Err(Error::config(DOING, detail));
            }
        };
        let values = &self.values;
        let config = TlsConfig::from_properties(|key| {
            let of_listener = values.get(format!("{prefix}{key}").as_str());
            of_listener.or_else(|| values.get(key)).map(|(value, _)| *value)
        })?;
        TlsServer::new(config, client_auth)
    }

    fn users(&mut self, listener: &Listener) -> Result<Users> {
        let mut users = Users::default();
        if let Some(names) = self.get_for(listener, "sasl.enabled.mechanisms") {
            let find = |name: &str| {
                Mechanism::find(name).ok_or_else(|| {
                    let known = Mechanism::ALL.map(Mechanism::name).join(", ");
                    let detail = format!("sasl.enabled.mechanisms={name}: the embedded broker knows {known}");
                    Error::config(DOING, detail)
                })
            };
            users.mechanisms = names.split(',').map(|name| find(name.trim())).collect::<Result<_>>()?;
        }
        if let Some(lifetime) = self.millis("connections.max.reauth.ms", 0)? {
            users.session_lifetime = Some(lifetime).filter(|lifetime| !lifetime.is_zero());
        }
        let mut has_users = false;
        let mut jaas_keys = vec!["sasl.jaas.config".to_owned()];
        jaas_keys.extend(
            users.mechanisms.iter().map(|known| format!("{}.sasl.jaas.config", known.name().to_lowercase())),
        );
        for key in jaas_keys {
            let Some(text) = self.get_for(listener, &key) else { continue };
            for (option, password) in JaasConfig::parse(text)?.options() {
                if let Some(name) = option.strip_prefix(USER_OPTION) {
                    users.set(name, password.expose());
                    has_users = true;
                }
            }
        }
        if has_users || users.mechanisms == [Mechanism::OAuthBearer] {
            return Ok(users);
        }
        let mechanism = users.mechanisms.first().map_or("plain", |first| first.name()).to_lowercase();
        Err(Error::config(
            DOING,
            format!(
                "a listener with SASL needs users: set listener.name.{}.{mechanism}.sasl.jaas.config to a login module with \
                 user_NAME=\"password\" options",
                listener.name.to_lowercase()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&'static str, &'static str)]) -> Result<ServerProperties> {
        ServerProperties::read(entries.iter().copied(), None)
    }

    #[track_caller]
    fn assert_refused(entries: &[(&'static str, &'static str)], expected: &str) {
        let error = read(entries).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn nothing_said_is_kafkas_port_on_this_machine() {
        let read = read(&[]).unwrap();
        assert_eq!((read.listen.as_str(), read.ignored.len()), ("127.0.0.1:9092", 0));
        assert!(read.builder.config.users.is_none() && read.builder.config.tls.is_none());
    }

    #[test]
    fn kafkas_own_example_is_understood() {
        let read = read(&[
            ("process.roles", "broker,controller"),
            ("node.id", "4"),
            ("controller.quorum.bootstrap.servers", "localhost:9093"),
            ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
            ("advertised.listeners", "PLAINTEXT://example.org:19092,CONTROLLER://localhost:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("num.partitions", "3"),
            ("auto.create.topics.enable", "false"),
            ("log.retention.hours", "168"),
            ("log.retention.minutes", "5"),
            ("log.segment.bytes", "1048576"),
            ("log.cleanup.policy", "compact,delete"),
            ("message.max.bytes", "2000000"),
        ])
        .unwrap();
        let config = read.builder.config;
        assert_eq!((config.node_id, config.partitions_default, config.auto_create_topics), (4, 3, false));
        assert_eq!((config.advertised_host.as_str(), config.advertised_port), ("example.org", Some(19092)));
        assert_eq!((read.listen.as_str(), config.message_bytes_max), ("localhost:9092", 2_000_000));
        assert_eq!(config.defaults["log.retention.ms"], "300000");
        assert_eq!(config.defaults["log.cleanup.policy"], "compact,delete");
        assert_eq!(read.ignored, ["controller.quorum.bootstrap.servers", "process.roles"]);
    }

    #[test]
    fn listen_goes_before_the_address_and_keeps_the_protocol() {
        let user = "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";";
        let entries = [
            ("listeners", "CLIENT://127.0.0.1:9092"),
            ("listener.security.protocol.map", "CLIENT:SASL_PLAINTEXT"),
            ("listener.name.client.plain.sasl.jaas.config", user),
            ("connections.max.reauth.ms", "60000"),
        ];
        let read = ServerProperties::read(entries, Some("localhost:0")).unwrap();
        assert_eq!((read.listen.as_str(), read.ignored.len()), ("localhost:0", 0));
        let users = read.builder.config.users.unwrap();
        assert_eq!(users.session_lifetime, Some(Duration::from_mins(1)));
    }

    #[test]
    fn errors_name_the_key_and_no_secret() {
        assert_refused(&[("num.partitions", "none")], "num.partitions=none");
        assert_refused(&[("log.retention.ms", "-7")], "log.retention.ms");
        assert_refused(&[("auto.create.topics.enable", "yes")], "auto.create.topics.enable");
        assert_refused(
            &[("listeners", "PLAINTEXT://:9092")],
            "set advertised.listeners=PLAINTEXT://host:port",
        );
        assert_refused(&[("listeners", "A://h:1")], "listener.security.protocol.map");
        assert_refused(&[("listeners", "PLAINTEXT://h:1,SSL://h:2")], "one listener for clients");
        assert_refused(&[("listeners", "PLAINTEXT://h")], "host:port is expected");
        let sasl = ("listeners", "SASL_PLAINTEXT://127.0.0.1:9092");
        assert_refused(&[sasl], "listener.name.sasl_plaintext.plain.sasl.jaas.config");
        assert_refused(
            &[sasl, ("sasl.enabled.mechanisms", "GSSAPI")],
            "GSSAPI: the embedded broker knows PLAIN",
        );
        let damaged = ("sasl.jaas.config", "a.PlainLoginModule required user_a=\"hidden\"");
        let error = read(&[sasl, damaged]).unwrap_err().to_string();
        assert!(!error.contains("hidden"), "{error}");
        assert_refused(&[("listeners", "SSL://127.0.0.1:9092")], "ssl.keystore.location");
    }
}
