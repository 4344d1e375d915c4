//! What the nodes of a cluster are told: `server.properties`, and what is written to their storage before the first start.

use std::env;
use std::path::{Path, PathBuf};

use crate::java;

/// The listener that every node has, for clients and for its peers.
pub(super) const PLAIN_LISTENER: &str = "PLAINTEXT";

const CONTROLLER_LISTENER: &str = "CONTROLLER";

/// The node that is the controller too.
pub(super) const CONTROLLER_ID: usize = 1;

/// Internal topics have a copy on each node, up to Kafka's own default.
const REPLICATION_FACTOR_MAX: usize = 3;

/// How a cluster is set up. The default is one node with one open listener.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// How many nodes there are, with ids from 1 on. The first one is the controller too.
    pub node_count: usize,
    /// Listeners that each node has beside the open one.
    pub listeners: Vec<Listener>,
    /// Further entries of `server.properties`, which override those of the cluster.
    pub properties: Vec<(String, String)>,
    /// Levels of features that are not those of the release, such as `("transaction.version", 0)`.
    pub features: Vec<(String, u16)>,
    /// Users with their passwords, known to both SCRAM mechanisms. Kafka's storage tool takes no comma in either.
    pub scram_users: Vec<(String, String)>,
    /// Whether data lies in memory, where the system has `/dev/shm`. Tens of thousands of files cost a disk minutes.
    pub is_in_memory: bool,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            node_count: 1,
            listeners: Vec::new(),
            properties: Vec::new(),
            features: Vec::new(),
            scram_users: Vec::new(),
            is_in_memory: false,
        }
    }
}

/// A listener for clients.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name, of capital letters.
    pub name: String,
    /// Its protocol as `security.protocol` has it, such as `SASL_SSL`.
    pub protocol: String,
    /// What counts for this listener only; the keys without `listener.name.<name>.`.
    pub properties: Vec<(String, String)>,
}

/// Where one node is to be found.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) id: usize,
    /// Of the open listener, then of the further ones in their order.
    pub(super) ports: &'a [u16],
    pub(super) controller_port: u16,
    pub(super) data: &'a Path,
}

impl ClusterConfig {
    /// Where the folders of nodes are made.
    pub(super) fn folder(&self) -> PathBuf {
        let memory = PathBuf::from("/dev/shm");
        if self.is_in_memory && memory.is_dir() { memory } else { env::temp_dir() }
    }

    /// The options of `StorageTool format` that depend on this.
    pub(super) fn format_options(&self) -> Vec<String> {
        let mut options = Vec::new();
        for (feature, level) in &self.features {
            options.extend(["--feature".to_owned(), format!("{feature}={level}")]);
        }
        for (name, password) in &self.scram_users {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let user = format!("{mechanism}=[name={name},password={password}]");
                options.extend(["--add-scram".to_owned(), user]);
            }
        }
        options
    }

    pub(super) fn server_properties(&self, place: &Place<'_>) -> String {
        let names = || [PLAIN_LISTENER].into_iter().chain(self.listeners.iter().map(|one| one.name.as_str()));
        let addresses: Vec<String> =
            names().zip(place.ports).map(|(name, port)| format!("{name}://127.0.0.1:{port}")).collect();
        let advertised = addresses.join(",");
        let mut protocols =
            vec![format!("{PLAIN_LISTENER}:PLAINTEXT"), format!("{CONTROLLER_LISTENER}:PLAINTEXT")];
        protocols.extend(self.listeners.iter().map(|one| format!("{}:{}", one.name, one.protocol)));
        let controller = format!("127.0.0.1:{}", place.controller_port);
        let (roles, listeners) = if place.id == CONTROLLER_ID {
            ("broker,controller", format!("{advertised},{CONTROLLER_LISTENER}://{controller}"))
        } else {
            ("broker", advertised.clone())
        };
        let replication_factor = self.node_count.min(REPLICATION_FACTOR_MAX).to_string();
        let own = [
            ("process.roles", roles.to_owned()),
            ("node.id", place.id.to_string()),
            ("controller.quorum.voters", format!("{CONTROLLER_ID}@{controller}")),
            ("listeners", listeners),
            ("advertised.listeners", advertised),
            ("listener.security.protocol.map", protocols.join(",")),
            ("controller.listener.names", CONTROLLER_LISTENER.to_owned()),
            ("inter.broker.listener.name", PLAIN_LISTENER.to_owned()),
            ("log.dirs", place.data.display().to_string()),
            ("offsets.topic.replication.factor", replication_factor.clone()),
            ("transaction.state.log.replication.factor", replication_factor.clone()),
            ("transaction.state.log.min.isr", "1".to_owned()),
            ("share.coordinator.state.topic.replication.factor", replication_factor),
            ("share.coordinator.state.topic.min.isr", "1".to_owned()),
            // Fewer partitions to create before the first group or transaction works, and no wait for more members.
            ("offsets.topic.num.partitions", "4".to_owned()),
            ("transaction.state.log.num.partitions", "4".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
            // Records of tests may be as old as they like; Kafka looks for expired ones half a minute after its start.
            ("log.retention.ms", "-1".to_owned()),
            // Tests wait for compaction.
            ("log.cleaner.backoff.ms", "200".to_owned()),
            // So that access control lists can be kept. Nobody is refused anything that no list is about.
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
            ("super.users", "User:ANONYMOUS".to_owned()),
            ("allow.everyone.if.no.acl.found", "true".to_owned()),
        ];
        let of_listener = |one: &Listener| {
            let prefix = format!("listener.name.{}.", one.name.to_lowercase());
            let properties = one.properties.iter();
            properties.map(|(key, value)| (format!("{prefix}{key}"), value.clone())).collect::<Vec<_>>()
        };
        // Java takes the last of two equal keys, which is how the caller's override ours.
        let mut entries: Vec<(String, String)> =
            own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        entries.extend(self.listeners.iter().flat_map(of_listener));
        entries.extend(self.properties.iter().cloned());
        java::properties(&entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn configuration_names_the_ports_and_the_folder() {
        let place = Place { id: 1, ports: &[9], controller_port: 8, data: Path::new("/data") };
        let text = ClusterConfig::default().server_properties(&place);
        assert!(text.contains("\nlisteners=PLAINTEXT://127.0.0.1:9,CONTROLLER://127.0.0.1:8\n"), "{text}");
        assert!(text.contains("\nadvertised.listeners=PLAINTEXT://127.0.0.1:9\n"), "{text}");
        assert!(text.contains("\nlog.dirs=/data\n"), "{text}");
        assert!(text.contains("\noffsets.topic.replication.factor=1\n"), "{text}");
    }

    #[test]
    fn every_node_knows_the_controller_and_has_every_listener() {
        let listener = Listener {
            name: "LOCKED".to_owned(),
            protocol: "SASL_SSL".to_owned(),
            properties: vec![pair("ssl.client.auth", "required")],
        };
        let config = ClusterConfig {
            node_count: 5,
            listeners: vec![listener],
            properties: vec![pair("node.id", "7")],
            ..ClusterConfig::default()
        };
        let place = Place { id: 2, ports: &[9, 10], controller_port: 8, data: Path::new("/data") };
        let text = config.server_properties(&place);
        assert!(text.starts_with("process.roles=broker\n"), "{text}");
        assert!(text.contains("\ncontroller.quorum.voters=1@127.0.0.1:8\n"), "{text}");
        let listeners = "\nlisteners=PLAINTEXT://127.0.0.1:9,LOCKED://127.0.0.1:10\n";
        assert!(text.contains(listeners) && text.contains(",LOCKED:SASL_SSL\n"), "{text}");
        assert!(text.contains("\nlistener.name.locked.ssl.client.auth=required\n"), "{text}");
        assert!(text.contains("\noffsets.topic.replication.factor=3\n"), "{text}");
        assert!(text.ends_with("\nnode.id=7\n"), "{text}");
    }

    #[test]
    fn storage_is_formatted_with_features_and_users() {
        let config = ClusterConfig {
            features: vec![("transaction.version".to_owned(), 0)],
            scram_users: vec![pair("alice", "secret")],
            ..ClusterConfig::default()
        };
        let options = config.format_options().join(" ");
        assert!(options.starts_with("--feature transaction.version=0 --add-scram"), "{options}");
        assert!(options.contains("SCRAM-SHA-512=[name=alice,password=secret]"), "{options}");
    }
}
