//! Client settings of a connector (`producer.override.*` and kin): what they are, and whether the worker's policy allows them.

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::{Error, Props, Result};
use protocol::client::properties::{ADMIN, CONSUMER, PRODUCER, Table};

use super::connector::{Invalid, RawConfig};
use super::java_order;
use super::report::{Definition, Entry, Found, property_type};

/// One kind of client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) prefix: &'static str,
    pub(super) table: Table,
}

pub(super) const OF_PRODUCER: Client = Client { prefix: "producer.override.", table: PRODUCER };
pub(super) const OF_CONSUMER: Client = Client { prefix: "consumer.override.", table: CONSUMER };
pub(super) const OF_ADMIN: Client = Client { prefix: "admin.override.", table: ADMIN };

/// Which client settings a connector may override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverridePolicy {
    /// All of them.
    All,
    /// None.
    None,
    /// Who it connects as, and nothing else.
    Principal,
    /// Those that the worker lists.
    Allowlist(Vec<String>),
}

/// What [`OverridePolicy::Allowlist`] allows.
pub(super) const ALLOWLIST: &str = "connector.client.config.override.allowlist";

impl OverridePolicy {
    /// By alias or class name.
    pub(super) fn find(name: &str, allowlist: &[String]) -> Result<OverridePolicy> {
        let simple = name.strip_prefix("org.apache.kafka.connect.connector.policy.").unwrap_or(name);
        match simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple) {
            "All" => Ok(OverridePolicy::All),
            "None" => Ok(OverridePolicy::None),
            "Principal" => Ok(OverridePolicy::Principal),
            "Allowlist" => Ok(OverridePolicy::Allowlist(allowlist.to_vec())),
            _ => Err(Error::config(format!(
                "Failed to find any class that implements interface \
                 org.apache.kafka.connect.connector.policy.ConnectorClientConfigOverridePolicy and which name matches {name}"
            ))),
        }
    }

    /// Java's message where `key` (its prefix taken off) may not be overridden.
    pub(super) fn refusal(&self, key: &str) -> Option<String> {
        const PRINCIPAL: [&str; 3] = ["sasl.jaas.config", "sasl.mechanism", "security.protocol"];
        let (alias, allowed) = match self {
            OverridePolicy::All => return None,
            OverridePolicy::None => ("None", false),
            OverridePolicy::Principal => ("Principal", PRINCIPAL.contains(&key)),
            OverridePolicy::Allowlist(keys) => ("Allowlist", keys.iter().any(|allowed| allowed == key)),
        };
        let message = || {
            format!(
                "The '{alias}' policy does not allow '{key}' to be overridden in the connector configuration."
            )
        };
        (!allowed).then(message)
    }

    /// The error of a client that is made with settings which the policy does not allow: the worker's may have changed since the
    /// connector was created.
    ///
    /// # Errors
    /// When there are such settings.
    pub(super) fn enforce(&self, overrides: &Props) -> Result<()> {
        let refused: Vec<_> = overrides
            .iter()
            .filter_map(|(key, value)| {
                let value = if super::is_secret(key) { api::config_def::HIDDEN } else { value };
                Some(format!("[{key},{value},[],[{}],true]", self.refusal(key)?))
            })
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        Err(Error::fatal(format!("Client Config Overrides not allowed [{}]", refused.join(", "))))
    }
}

/// The entries of one kind of client, in the order in which Java's map iterates.
///
/// # Errors
/// A value of a wrong type: Java throws.
pub(super) fn entries(
    client: Client,
    raw: &RawConfig,
    policy: &OverridePolicy,
) -> Result<Vec<Entry>, Invalid> {
    let all: Props = raw.keys().map(|key| (key.clone(), String::new())).collect();
    let all = java_order(all);
    let given = all.keys().filter_map(|key| key.strip_prefix(client.prefix)).filter(|key| !key.is_empty());
    let names: Props = given.map(|key| (key.to_owned(), String::new())).collect();
    let mut entries = Vec::with_capacity(names.len());
    for name in java_order(names).into_keys() {
        let full_name = format!("{}{name}", client.prefix);
        let value = raw.get(&full_name).and_then(Option::as_deref);
        let key = client.table.find(&name);
        let shown = match (key, value) {
            (Some(key), Some(text)) => parsed(&name, property_type(key), text)?,
            (None, Some(_)) if super::is_secret(&name) => Some(api::config_def::HIDDEN.to_owned()),
            (None, Some(text)) => Some(text.to_owned()),
            (_, None) => None,
        };
        entries.push(Entry {
            definition: key.map(|key| Definition::of_property(client.prefix, key)),
            value: Found::bare(full_name, shown, policy.refusal(&name).into_iter().collect()),
        });
    }
    Ok(entries)
}

/// The value as REST shows it; only its type is looked at.
fn parsed(name: &str, kind: ConfigType, text: &str) -> Result<Option<String>, Invalid> {
    let key = ConfigKey::new("", kind, Default::Null, Importance::Low, "").named(name.to_owned());
    let key = if kind == ConfigType::Class { key.of_classes(std::sync::Arc::new(java_class)) } else { key };
    let given = Props::from_iter([(name.to_owned(), text.to_owned())]);
    let config = ConfigDef::default().key(key).parse(&given).map_err(Invalid::config)?;
    Ok(config.get(name).shown())
}

/// Classes of Java's own that a client may be told; nothing can be loaded here.
fn java_class(name: &str) -> Option<String> {
    ["org.apache.kafka.", "java.", "javax."]
        .iter()
        .any(|package| name.starts_with(package))
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_allow_what_their_names_say() {
        let principal = OverridePolicy::find("Principal", &[]).unwrap();
        assert_eq!(principal.refusal("sasl.mechanism"), None);
        let none = OverridePolicy::find(
            "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy",
            &[],
        );
        assert_eq!(
            none.unwrap().refusal("acks").unwrap(),
            "The 'None' policy does not allow 'acks' to be overridden in the connector configuration."
        );
        let listed = OverridePolicy::find("Allowlist", &["acks".to_owned()]).unwrap();
        assert_eq!(listed.refusal("acks"), None);
        assert_eq!(
            listed.refusal("linger.ms").unwrap(),
            "The 'Allowlist' policy does not allow 'linger.ms' to be overridden in the connector configuration."
        );
        assert!(OverridePolicy::find("Some", &[]).is_err());
    }

    #[test]
    fn a_client_is_not_made_against_the_policy() {
        let props = |entries: &[(&str, &str)]| -> Props {
            entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let listed = OverridePolicy::Allowlist(vec!["acks".to_owned()]);
        assert!(listed.enforce(&props(&[("acks", "1")])).is_ok());
        let error = listed.enforce(&props(&[("acks", "1"), ("sasl.jaas.config", "canary")])).unwrap_err();
        assert!(
            error.message().starts_with("Client Config Overrides not allowed [[sasl.jaas.config,[hidden],")
        );
        assert!(!error.message().contains("canary"));
    }
}
