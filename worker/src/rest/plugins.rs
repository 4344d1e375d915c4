//! Which plug-ins there are.

use hyper::StatusCode;
use serde::Serialize;

use super::error::{Answer, json};
use super::request::Parts;
use super::state::RestState;
use crate::config::PluginKind;

#[derive(Serialize)]
struct PluginInfo {
    class: &'static str,
    r#type: &'static str,
    version: &'static str,
}

pub(super) async fn list(state: &RestState, parts: &Parts) -> Answer {
    let herder = state.herder().await?;
    let plugins = herder.plugins();
    let connectors_only = parts.flag("connectorsOnly", true);
    let is_connector = |kind| matches!(kind, PluginKind::Sink | PluginKind::Source);
    let listed = plugins.listed().filter(|plugin| !connectors_only || is_connector(plugin.kind));
    let listed: Vec<_> = listed
        .map(|plugin| PluginInfo { class: plugin.class, r#type: plugin.kind.name(), version: plugin.version })
        .collect();
    Ok(json(StatusCode::OK, &listed))
}
