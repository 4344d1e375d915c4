//! `ApiVersions`: what this broker answers, read from the same table as the dispatcher.

use protocol::wire::frame;
use protocol::wire::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use protocol::wire::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, StrBytes, VersionRange};
use protocol::{Error, ErrorCode};

use super::call::{Answer, Api, Call, versions};
use super::served::{Frames, SERVED};

/// The feature that tells clients of KIP-890: a new epoch with each transaction, partitions added as they are written to.
const TRANSACTION_VERSION: &str = "transaction.version";
const TRANSACTION_VERSION_LEVEL: i16 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct ApiVersions;

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;

    const VERSIONS: VersionRange = versions(0, 4);

    async fn handle(call: &Call, request: ApiVersionsRequest) -> Answer<ApiVersionsResponse> {
        let is_valid = |text: &str| {
            // Kafka's pattern: letters, digits, '-' and '.', the latter two only inside.
            let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            is_end(text.chars().next()) && is_end(text.chars().last()) && text.chars().all(is_inside)
        };
        if call.version >= 3
            && !(is_valid(&request.client_software_name) && is_valid(&request.client_software_version))
        {
            return Self::refuse(call.version, request, ErrorCode::INVALID_REQUEST).into();
        }
        let response = ApiVersionsResponse::default()
            .with_api_keys(SERVED.iter().map(|api| entry(api.key, api.versions)).collect());
        if call.version < 3 {
            return response.into();
        }
        let name = StrBytes::from_static_str(TRANSACTION_VERSION);
        let supported = SupportedFeatureKey::default()
            .with_name(name.clone())
            // Kafka leaves features from 0 on out of older answers, whose readers cannot take them.
            .with_min_version(i16::from(call.version < 4))
            .with_max_version(TRANSACTION_VERSION_LEVEL);
        let finalized = FinalizedFeatureKey::default()
            .with_name(name)
            .with_min_version_level(TRANSACTION_VERSION_LEVEL)
            .with_max_version_level(TRANSACTION_VERSION_LEVEL);
        response
            .with_supported_features(vec![supported])
            .with_finalized_features_epoch(0)
            .with_finalized_features(vec![finalized])
            .into()
    }

    fn refuse(_: i16, _: ApiVersionsRequest, code: ErrorCode) -> ApiVersionsResponse {
        ApiVersionsResponse::default().with_error_code(code.0)
    }
}

/// The answer to a version that we do not know, in version 0, which everybody can read (KIP-511).
pub(super) fn refuse_version(call: &Call) -> Result<Frames, Error> {
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UNSUPPORTED_VERSION.0)
        .with_api_keys(vec![entry(ApiKey::ApiVersions as i16, ApiVersions::VERSIONS)]);
    Ok(vec![frame::encode_response::<ApiVersionsRequest>(&response, 0, call.correlation_id)?])
}

fn entry(key: i16, served: VersionRange) -> ApiVersion {
    // Old versions of librdkafka work out their features from produce version 0, so Kafka 4 claims it without
    // answering it (KAFKA-18659), and so do we.
    let min = if key == ApiKey::Produce as i16 { 0 } else { served.min };
    ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(served.max)
}
