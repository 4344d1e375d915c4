//! `AlterConfigs`, the older form: what is named replaces all that was set before.

use protocol::ErrorCode;
use protocol::wire::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use protocol::wire::messages::{AlterConfigsRequest, AlterConfigsResponse, VersionRange};

use super::call::{Answer, Api, Call, versions};
use super::incremental_alter_configs::alter;
use crate::cluster::Overrides;
use crate::refusal::{Refusal, code_of};

/// See the module.
#[derive(Debug)]
pub(super) struct AlterConfigs;

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        let responses = request.resources.into_iter().map(|resource| {
            let result = alter(
                &mut cluster,
                resource.resource_type,
                &resource.resource_name,
                request.validate_only,
                |_, _, _| all_of(&resource.configs),
            );
            answer(resource, &result)
        });
        AlterConfigsResponse::default().with_responses(responses.collect()).into()
    }

    fn refuse(_: i16, request: AlterConfigsRequest, code: ErrorCode) -> AlterConfigsResponse {
        let refused = Err(Refusal::from(code));
        let responses = request.resources.into_iter().map(|resource| answer(resource, &refused));
        AlterConfigsResponse::default().with_responses(responses.collect())
    }
}

fn all_of(configs: &[AlterableConfig]) -> Result<Overrides, Refusal> {
    let value_of = |config: &AlterableConfig| match &config.value {
        Some(value) => Ok((config.name.to_string(), value.to_string())),
        None => Err(Refusal::new(
            ErrorCode::INVALID_REQUEST,
            format!("Null value not supported for : {}", config.name),
        )),
    };
    configs.iter().map(value_of).collect()
}

fn answer(resource: AlterConfigsResource, result: &Result<(), Refusal>) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name)
        .with_error_code(code_of(result))
        .with_error_message(result.as_ref().err().map(Refusal::text))
}
