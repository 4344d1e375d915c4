//! A connector's offsets seen and changed from outside (KIP-875): stored ones of a source, committed ones of a sink's group.
//!
//! The state machine decides when a change may happen: the connector is stopped, its tasks are gone, and nothing else happens to
//! it meanwhile. This module carries it out: check, tell the connector, then make it durable.

mod request;

mod source;

mod sink;

use std::sync::Arc;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::connector::{Calls, OffsetChanges};

pub use request::{OffsetRequest, RequestedOffset};
pub(crate) use source::{plan as plan_source_offsets, shown as shown_source_offsets};

use super::super::event::Refusal;
use super::super::herder::Herder;

/// Whose offsets.
pub(crate) struct Owner {
    pub(in super::super) connector: Arc<str>,
    pub(in super::super) plugin: ConnectorPlugin,
    pub(in super::super) config: Props,
}

impl Herder {
    /// The offsets of a connector as Java's REST answer: `{"offsets":[…]}`.
    ///
    /// # Errors
    /// When the store or the brokers do not answer.
    pub(in super::super) async fn list_offsets(&self, owner: &Owner) -> Result<String, Refusal> {
        if owner.plugin.is_source() {
            self.list_source_offsets(owner).await
        } else {
            sink::list(&self.shared.config, owner).await
        }
    }

    /// Changes offsets; durable when it returns. `true`: the connector knows all its offsets to be changed.
    ///
    /// # Errors
    /// When something of the request can't be; nothing has changed then, except that a sink's good partitions have.
    pub(super) async fn set_offsets(&self, owner: &Owner, request: OffsetRequest) -> Result<bool, Refusal> {
        if owner.plugin.is_source() {
            self.change_source_offsets(owner, request).await
        } else {
            sink::change(&self.shared.config, owner, request).await
        }
    }
}

/// Java's words for a change that was made. `knows_all`: the connector has no offsets of its own elsewhere.
pub(in super::super) fn offsets_changed(verb: &str, knows_all: bool) -> String {
    let done = if verb == "reset" { "reset" } else { "altered" };
    if knows_all {
        return format!("The offsets for this connector have been {done} successfully");
    }
    format!(
        "The Connect framework-managed offsets for this connector have been {done} successfully. However, if this \
         connector manages offsets externally, they will need to be manually {done} in the system that the connector uses."
    )
}

/// Java's words for a connector whose tasks have not all ended, though it is stopped.
pub(in super::super) fn still_running(verb: &str, connector: &str, is_source: bool) -> String {
    let (offsets, tasks) =
        if is_source { ("offsets", "zombie tasks") } else { ("consumer group offsets", "zombie sink tasks") };
    format!(
        "Failed to {verb} {offsets} for connector {connector} either because its tasks haven't stopped completely yet or the \
         connector was resumed before the request to {verb} its offsets could be successfully completed. If the connector is \
         in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may \
         need to be restarted to get rid of the {tasks}."
    )
}

/// What the connector itself says to a change, in the words of Java's answers.
async fn ask_connector(calls: Calls, owner: &Owner, changes: OffsetChanges) -> Result<bool, Refusal> {
    let Owner { connector, plugin, config } = owner;
    let asked = engine::connector::alter_offsets(calls, *plugin, config.clone(), changes).await;
    asked.map_err(|error| {
        let kind = if plugin.is_source() { "source" } else { "sink" };
        match error.java_class() {
            "java.lang.UnsupportedOperationException" => Refusal::Failed(format!(
                "Failed to modify offsets for connector {connector} because it doesn't support external modification of offsets"
            )),
            // Java passes on what is meant for the operator, and hides what a bug said.
            class if class.starts_with("org.apache.kafka.") => Refusal::Failed(error.message().to_owned()),
            _ => Refusal::Failed(format!("Failed to modify offsets for {kind} connector {connector}")),
        }
    })
}
