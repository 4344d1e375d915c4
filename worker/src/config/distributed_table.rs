//! What a distributed worker may be told beyond [`worker_table::common`], with Java's types, defaults and validators
//! (`DistributedConfig`). Keys that it shares with every client are those of `protocol`.

use api::config_def::{
    ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, ListRule, validators,
};
use protocol::client::properties::{self, ADMIN, Key};

use super::report::property_type;
use super::topic_creation::{partitions, replication_factor};
use super::worker_table;

/// Keys of clients that are keys of the worker, too, where the default or the weight is another one.
const OF_CLIENTS: [(&str, Option<&str>, Option<Importance>); 15] = [
    ("metadata.max.age.ms", None, None),
    ("client.id", None, Some(Importance::Low)),
    ("send.buffer.bytes", None, None),
    ("receive.buffer.bytes", Some("32768"), None),
    ("reconnect.backoff.ms", None, None),
    ("reconnect.backoff.max.ms", None, None),
    ("retry.backoff.ms", None, None),
    ("retry.backoff.max.ms", None, None),
    ("request.timeout.ms", Some("40000"), None),
    ("connections.max.idle.ms", Some("540000"), None),
    ("security.protocol", None, None),
    ("metadata.recovery.strategy", None, None),
    ("metadata.recovery.rebootstrap.trigger.ms", None, None),
    ("socket.connection.setup.timeout.ms", None, Some(Importance::Low)),
    ("socket.connection.setup.timeout.max.ms", None, Some(Importance::Low)),
];

/// Algorithms of keys and signatures that both kinds of worker know.
pub(super) const ALGORITHMS: [&str; 4] = ["HmacSHA1", "HmacSHA256", "HmacSHA384", "HmacSHA512"];

/// All keys of a distributed worker.
pub(super) fn distributed() -> ConfigDef {
    worker_table::common().and(own())
}

/// Those that a standalone worker does not have.
pub(super) fn own() -> ConfigDef {
    of_group().and(of_topics()).and(of_requests()).and(of_clients())
}

fn of_group() -> ConfigDef {
    use ConfigType::{Int, String};
    use Default::{Required, Value};
    use Importance::{High, Low, Medium};
    ConfigDef::default()
        .key(ConfigKey::new("group.id", String, Required, High, "The Connect cluster that the worker is part of. No consumer group may have the same name."))
        .key(ConfigKey::new("session.timeout.ms", Int, Value("10000"), High, "A worker that was not heard of for this long counts as gone."))
        .key(ConfigKey::new(
            "rebalance.timeout.ms",
            Int,
            Value("60000"),
            High,
            "How long a worker may take to give up what a rebalance takes from it, and to look after its membership.",
        ))
        .key(ConfigKey::new("heartbeat.interval.ms", Int, Value("3000"), High, "The longest time between two signs of life: there are three in it, and more after a rebalance."))
        .key(
            ConfigKey::new(
                "exactly.once.source.support",
                String,
                Value("disabled"),
                High,
                "Whether source tasks write in transactions: disabled, preparing, enabled. A running cluster goes through preparing.",
            )
            .checked(|value| validators::one_of_any_case(value, &["DISABLED", "ENABLED", "PREPARING"])),
        )
        .key(ConfigKey::new(
            "worker.sync.timeout.ms",
            Int,
            Value("3000"),
            Medium,
            "How long catching up with the config topic may take before the worker leaves the group for a while.",
        ))
        .key(ConfigKey::new("worker.unsync.backoff.ms", Int, Value("300000"), Medium, "For how long, under the eager protocol."))
        .key(
            ConfigKey::new("connect.protocol", String, Value("sessioned"), Low, "How members share the work: eager, compatible or sessioned.")
                .checked(|value| match value {
                    ConfigValue::String(text) if PROTOCOLS.contains(&text.as_str()) => Ok(()),
                    _ => Err("Invalid Connect protocol compatibility".to_owned()),
                }),
        )
        .key(
            ConfigKey::new(
                "scheduled.rebalance.max.delay.ms",
                Int,
                Value("300000"),
                Low,
                "How long the work of a worker that has gone waits for its return.",
            )
            .checked(validators::at_least::<0>),
        )
}

pub(super) const PROTOCOLS: [&str; 3] = ["eager", "compatible", "sessioned"];

fn of_topics() -> ConfigDef {
    use ConfigType::{Int, Short, String};
    use Default::{Required, Value};
    use Importance::{High, Low};
    let topic = |name, doc| ConfigKey::new(name, String, Required, High, doc);
    let replication =
        |name, doc| ConfigKey::new(name, Short, Value("3"), Low, doc).checked(replication_factor);
    ConfigDef::default()
        .key(topic("offset.storage.topic", "The topic that source offsets are kept in."))
        .key(
            ConfigKey::new(
                "offset.storage.partitions",
                Int,
                Value("25"),
                Low,
                "Its partitions where the worker creates it; -1 for the broker's default.",
            )
            .checked(partitions),
        )
        .key(replication("offset.storage.replication.factor", "Its replicas, likewise."))
        .key(topic("config.storage.topic", "The topic that configurations are kept in; one partition."))
        .key(replication(
            "config.storage.replication.factor",
            "Its replicas where the worker creates it; -1 for the broker's default.",
        ))
        .key(topic("status.storage.topic", "The topic that statuses are kept in."))
        .key(
            ConfigKey::new(
                "status.storage.partitions",
                Int,
                Value("5"),
                Low,
                "Its partitions where the worker creates it; -1 for the broker's default.",
            )
            .checked(partitions),
        )
        .key(replication("status.storage.replication.factor", "Its replicas, likewise."))
}

fn of_requests() -> ConfigDef {
    use ConfigType::{Boolean, Int, List, String};
    use Default::{Null, Value};
    use Importance::Low;
    ConfigDef::default()
        .key(
            ConfigKey::new(
                "inter.worker.key.ttl.ms",
                Int,
                Value("3600000"),
                Low,
                "How long workers sign requests to each other with one key; 0 for ever.",
            )
            .checked(validators::at_least::<0>),
        )
        .key(
            ConfigKey::new(
                "inter.worker.key.generation.algorithm",
                String,
                Value("HmacSHA256"),
                Low,
                "What such a key is made for.",
            )
            .checked(|value| known_algorithm(value.shown().as_deref())),
        )
        .key(ConfigKey::new(
            "inter.worker.key.size",
            Int,
            Null,
            Low,
            "Its bits; what suits the algorithm where it is not given.",
        ))
        .key(
            ConfigKey::new(
                "inter.worker.signature.algorithm",
                String,
                Value("HmacSHA256"),
                Low,
                "How requests are signed.",
            )
            .checked(|value| known_algorithm(value.shown().as_deref())),
        )
        .key(
            ConfigKey::new(
                "inter.worker.verification.algorithms",
                List,
                Value("HmacSHA256"),
                Low,
                "Which signatures are accepted; inter.worker.signature.algorithm has to be one of them.",
            )
            .checked_with(|value| {
                // Java names the one that it does not know, not the list.
                let invalid = |shown: &str, detail: std::string::String| {
                    Err(format!(
                        "Invalid value {shown} for configuration inter.worker.verification.algorithms: {detail}"
                    ))
                };
                match value {
                    ConfigValue::List(names) if names.is_empty() => {
                        let detail = "At least one signature verification algorithm must be provided";
                        invalid("[]", detail.to_owned())
                    }
                    ConfigValue::List(names) => names.iter().try_for_each(|name| {
                        known_algorithm(Some(name)).or_else(|detail| invalid(name, detail))
                    }),
                    _ => Ok(()),
                }
            }),
        )
        .key(ConfigKey::new(
            "aqueduct.rest.queue.during.rebalance",
            Boolean,
            Value("false"),
            Low,
            "Whether restarts and changes of offsets wait for a rebalance to end instead of being refused with 409.",
        ))
}

/// As in Java, names are the same in any case.
fn known_algorithm(name: Option<&str>) -> Result<(), String> {
    let is_known = |name: &str| ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if name.is_none_or(is_known) {
        return Ok(());
    }
    let all = ALGORITHMS.join(", ");
    Err(format!("the algorithm is not supported by this worker; the supported algorithms are: [{all}]"))
}

fn of_clients() -> ConfigDef {
    let listed = OF_CLIENTS.iter().map(|(name, default, importance)| {
        let found = ADMIN.find(name).expect("an admin client has these keys");
        (found, *default, *importance)
    });
    let sasl = ADMIN.keys().filter(|key| key.name.starts_with("sasl.")).map(|key| (key, None, None));
    listed.chain(sasl).fold(ConfigDef::default(), |def, (found, default, importance)| {
        def.key(of_client(found, default, importance))
    })
}

/// A key of our clients as a key of the worker.
fn of_client(of: &'static Key, default: Option<&'static str>, importance: Option<Importance>) -> ConfigKey {
    use properties::{Default as ClientDefault, Importance as ClientImportance, Type};
    let default = match (default, of.default) {
        (Some(text), _) | (None, ClientDefault::Value(text)) => Default::Value(text),
        (None, ClientDefault::Null) => Default::Null,
        (None, ClientDefault::Required) => Default::Required,
    };
    let importance = importance.unwrap_or(match of.importance {
        ClientImportance::High => Importance::High,
        ClientImportance::Medium => Importance::Medium,
        ClientImportance::Low => Importance::Low,
    });
    let key = ConfigKey::new(of.name, property_type(of), default, importance, of.doc);
    if of.name.starts_with("socket.connection.setup.timeout.") {
        // The clients themselves take any.
        return key.checked(validators::at_least::<0>);
    }
    match of.kind {
        Type::Password | Type::Class => key,
        Type::List => key.listed(ListRule::ANY),
        _ => key.checked_with(|value| match value.shown() {
            Some(text) => of.parse(&text).map(drop).map_err(|error| error.to_string()),
            None => Ok(()),
        }),
    }
}
