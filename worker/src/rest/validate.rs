//! What a plug-in may be told, and whether a configuration will do: `/connector-plugins/{p}/config` and `.../config/validate`.

use hyper::StatusCode;

use super::error::{Answer, RestError, json};
use super::request::Parts;
use super::requests;
use super::state::RestState;
use crate::config::providers::concealed;
use crate::config::{
    BadVersion, Definition, Invalid, ListedPlugin, PluginKind, Plugins, check_version, examine,
    is_other_class, of_plugin,
};

/// Plug-ins that have no configuration of a kind that this resource shows: providers, policies, extensions.
const UNLISTED: [&str; 8] = [
    "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "org.apache.kafka.common.config.provider.FileConfigProvider",
    "org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
];

/// The ends of their names that an alias leaves out.
const UNLISTED_KINDS: [&str; 3] =
    ["ConfigProvider", "ConnectorClientConfigOverridePolicy", "ConnectRestExtension"];

/// `GET /connector-plugins/{p}/config[?version=]`.
pub(super) async fn describe(state: &RestState, parts: &Parts, name: &str) -> Answer {
    let herder = state.herder().await?;
    let plugins = herder.plugins();
    let plugin = find(plugins, name)?;
    if let Some(asked) = parts.all("version").next() {
        check_version(plugins, &plugin, asked).map_err(|error| {
            RestError::BadRequest(match error {
                BadVersion::Missing(message) => message,
                BadVersion::Syntax(_) => format!("Invalid version specification: {asked}"),
            })
        })?;
    }
    let mut def = (plugin.config_def)();
    if let PluginKind::Sink | PluginKind::Source = plugin.kind {
        def = def.and(of_plugin(plugin.kind == PluginKind::Source, plugin.version));
    }
    Ok(json(StatusCode::OK, &Definition::all(&def).collect::<Vec<_>>()))
}

/// `PUT /connector-plugins/{p}/config/validate`.
pub(super) async fn validate(state: &RestState, name: &str, body: &[u8]) -> Answer {
    let config = requests::config(body)?;
    if let Some(class) = config.get("connector.class").and_then(Option::as_deref)
        && !without_suffix(class).ends_with(without_suffix(name))
    {
        return Err(RestError::BadRequest(format!(
            "Included connector type {class} does not match request type {name}"
        )));
    }
    let herder = state.herder().await?;
    let thrown = |invalid: Invalid| RestError::Thrown(invalid.message_of_validate());
    let resolved = herder.worker().providers.resolve_raw(&config).await.map_err(thrown)?;
    match examine(&resolved, herder.plugins(), herder.worker()) {
        Ok((_, report)) => Ok(json(StatusCode::OK, &concealed(report, &config, &resolved))),
        Err(invalid) => Err(thrown(invalid)),
    }
}

fn find(plugins: &Plugins, name: &str) -> Result<ListedPlugin, RestError> {
    if let Some(plugin) = plugins.find(name) {
        return Ok(plugin);
    }
    if UNLISTED.iter().any(|class| is_named(class, name)) {
        return Err(RestError::BadRequest(format!(
            "Invalid plugin class {name}. Valid types are sink, source, converter, header_converter, transformation, predicate."
        )));
    }
    if is_other_class(plugins, name) {
        return Err(RestError::Thrown("Instantiation error".to_owned()));
    }
    Err(RestError::NotFound(format!("Unknown plugin {name}.")))
}

fn is_named(class: &str, name: &str) -> bool {
    let simple = class.rsplit('.').next().unwrap_or(class);
    let pruned = UNLISTED_KINDS.iter().find_map(|kind| simple.strip_suffix(kind));
    class == name || simple == name || pruned == Some(name)
}

/// A class name without the `Connector` at its end.
fn without_suffix(class: &str) -> &str {
    class.strip_suffix("Connector").filter(|rest| !rest.is_empty()).unwrap_or(class)
}
