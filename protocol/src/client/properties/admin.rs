//! `AdminConfig` from properties (Java: `AdminClientConfig`, `KafkaAdminClient#configureDefaultApiTimeoutMs`).

use std::time::Duration;

use super::ADMIN;
use super::cluster::{Configured, cluster};
use super::error::PropertyError;
use super::table::Parsed;

/// What an [`Admin`](crate::client::admin::Admin) is told beside its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminConfig {
    /// `default.api.timeout.ms`, for [`Admin::with_timeout`](crate::client::admin::Admin::with_timeout).
    pub api_timeout: Duration,
}

impl AdminConfig {
    /// Reads Java's properties of an admin client, and the files that `ssl.*` keys name.
    ///
    /// # Errors
    /// The first one that is missing, wrong, refused, or contradicts another one.
    pub fn from_properties(
        props: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Configured<Self>, PropertyError> {
        let mut parsed = ADMIN.parse(props)?;
        if parsed.list("bootstrap.servers").is_empty() {
            return Err(PropertyError::new("You must set either bootstrap.servers or bootstrap.controllers"));
        }
        let mut cluster = cluster(&mut parsed)?;
        // Who asks what a topic is like does not want to create it.
        cluster.allow_auto_create_topics = false;
        let api_timeout = Duration::from_millis(api_timeout_ms(&mut parsed)?);
        Ok(Configured { cluster, client: Self { api_timeout }, warnings: parsed.into_warnings() })
    }
}

fn api_timeout_ms(parsed: &mut Parsed) -> Result<u64, PropertyError> {
    const KEY: &str = "default.api.timeout.ms";
    let (api_ms, request_ms) = (parsed.count(KEY), parsed.count("request.timeout.ms"));
    if api_ms >= request_ms {
        return Ok(api_ms);
    }
    if parsed.is_given(KEY) {
        return Err(PropertyError::new(format!(
            "The specified value of {KEY} must be no smaller than the value of request.timeout.ms."
        )));
    }
    parsed.warnings.push(format!(
        "Overriding the default value for {KEY} ({api_ms}) with the explicitly configured request timeout {request_ms}"
    ));
    Ok(request_ms)
}
