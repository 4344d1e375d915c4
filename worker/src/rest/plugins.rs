//! Which plug-ins there are.

use hyper::StatusCode;
use serde::Serialize;

use super::error::{Answer, json};
use super::request::Parts;
use super::state::RestState;

#[derive(Serialize)]
struct PluginInfo {
    class: &'static str,
    r#type: &'static str,
    version: &'static str,
}

pub(super) async fn list(state: &RestState, parts: &Parts) -> Answer {
    let herder = state.herder().await?;
    let plugins = herder.plugins();
    let connectors = plugins.connectors().iter().map(|plugin| PluginInfo {
        class: plugin.class,
        r#type: if plugin.is_source() { "source" } else { "sink" },
        version: plugin.version,
    });
    let mut listed: Vec<_> = connectors.collect();
    if !parts.flag("connectorsOnly", true) {
        let converters = plugins.converters().iter();
        listed.extend(converters.map(|plugin| PluginInfo {
            class: plugin.class,
            r#type: "converter",
            version: plugin.version,
        }));
    }
    Ok(json(StatusCode::OK, &listed))
}
