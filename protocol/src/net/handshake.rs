//! The first exchange on a connection: which versions the broker speaks (KIP-511).

use kafka_protocol::protocol::StrBytes;

use super::connection::Caller;
use crate::wire::messages::{ApiKey, ApiVersionsRequest};
use crate::wire::versions::{BrokerVersions, supported};
use crate::{Error, ErrorCode};

/// Asks in our newest version; a broker that is older says so and names its own, in which it is asked again.
pub(super) async fn learn_versions(caller: &impl Caller) -> Result<BrokerVersions, Error> {
    const DOING: &str = "agree on API versions";
    let newest = supported(ApiKey::ApiVersions as i16).map_or(0, |range| range.max);
    let response = caller.call_first(newest, &request(newest)).await?;
    if ErrorCode(response.error_code) != ErrorCode::UNSUPPORTED_VERSION {
        Error::check(DOING, response.error_code)?;
        return Ok(BrokerVersions::from_response(&response));
    }
    // Brokers before 2.4 leave the list empty; all of them know version 0.
    let theirs = BrokerVersions::from_response(&response).range(ApiKey::ApiVersions as i16);
    let version = theirs.map_or(0, |range| range.max).min(newest - 1).max(0);
    let response = caller.call_first(version, &request(version)).await?;
    Error::check(DOING, response.error_code)?;
    Ok(BrokerVersions::from_response(&response))
}

fn request(version: i16) -> ApiVersionsRequest {
    let request = ApiVersionsRequest::default();
    if version < 3 {
        return request;
    }
    request
        .with_client_software_name(StrBytes::from_static_str("aqueduct"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
}
