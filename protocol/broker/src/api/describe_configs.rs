//! `DescribeConfigs` of topics and brokers.

use protocol::ErrorCode;
use protocol::wire::messages::describe_configs_request::DescribeConfigsResource;
use protocol::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::wire::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, StrBytes, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::{Cluster, ConfigDef, ConfigScope, ConfigSource, Overrides, describe};
use crate::refusal::Refusal;

/// Resource types of config requests.
pub(super) const RESOURCE_TOPIC: i8 = 2;
pub(super) const RESOURCE_BROKER: i8 = 4;
const RESOURCE_BROKER_LOGGER: i8 = 8;
const RESOURCE_CLIENT_METRICS: i8 = 16;
const RESOURCE_GROUP: i8 = 32;

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeConfigs;

impl Api for DescribeConfigs {
    type Request = DescribeConfigsRequest;

    const VERSIONS: VersionRange = versions(1, 4);

    async fn handle(call: &Call, request: DescribeConfigsRequest) -> Answer<DescribeConfigsResponse> {
        let cluster = call.shared.cluster.borrow();
        let details = Details {
            version: call.version,
            with_synonyms: request.include_synonyms,
            with_docs: request.include_documentation,
        };
        let results = request.resources.into_iter().map(|resource| {
            let configs = details.resource(&cluster, &resource);
            answer(resource, configs)
        });
        DescribeConfigsResponse::default().with_results(results.collect()).into()
    }

    fn refuse(_: i16, request: DescribeConfigsRequest, code: ErrorCode) -> DescribeConfigsResponse {
        let results = request.resources.into_iter().map(|resource| answer(resource, Err(code.into())));
        DescribeConfigsResponse::default().with_results(results.collect())
    }
}

/// What a client wants to know of each key.
struct Details {
    version: i16,
    with_synonyms: bool,
    with_docs: bool,
}

impl Details {
    fn resource(
        &self,
        cluster: &Cluster,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let (scope, own) = match resource.resource_type {
            RESOURCE_TOPIC => {
                let name = TopicName(resource.resource_name.clone());
                crate::text::check_topic_name(&name)?;
                let topic = cluster.topic(&name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
                (ConfigScope::Topic, Some((&topic.overrides, ConfigSource::Topic)))
            }
            RESOURCE_BROKER => {
                check_node(cluster, &resource.resource_name)?;
                (ConfigScope::Broker, Some((&cluster.broker_overrides, ConfigSource::DynamicBroker)))
            }
            // Known kinds of which there is nothing to tell.
            RESOURCE_BROKER_LOGGER | RESOURCE_CLIENT_METRICS | RESOURCE_GROUP => return Ok(Vec::new()),
            other => {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    format!("unknown resource type {other}"),
                ));
            }
        };
        let is_wanted = |def: &&ConfigDef| match &resource.configuration_keys {
            Some(keys) => keys.iter().any(|key| key.as_str() == def.name),
            None => true,
        };
        Ok(scope.defs().iter().filter(is_wanted).filter_map(|def| self.key(cluster, def, own)).collect())
    }

    fn key(
        &self,
        cluster: &Cluster,
        def: &'static ConfigDef,
        own: Option<(&Overrides, ConfigSource)>,
    ) -> Option<DescribeConfigsResourceResult> {
        let values = describe(def, own, &cluster.broker_overrides, cluster.config());
        let (_, effective) = values.first()?;
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(def.name))
            .with_value(Some(StrBytes::from_string(effective.value.to_string())))
            .with_read_only(def.is_read_only)
            .with_config_source(effective.source as i8);
        if self.with_synonyms {
            let synonyms = values.iter().map(|(name, value)| {
                DescribeConfigsSynonym::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_value(Some(StrBytes::from_string(value.value.to_string())))
                    .with_source(value.source as i8)
            });
            result.synonyms = synonyms.collect();
        }
        if self.version >= 3 {
            result.config_type = def.kind as i8;
            result.documentation = self.with_docs.then_some(StrBytes::from_static_str(def.doc));
        }
        Some(result)
    }
}

/// Broker resources are named by node id; the empty name stands for all brokers.
pub(super) fn check_node(cluster: &Cluster, name: &str) -> Result<(), Refusal> {
    let is_known = name.is_empty() || name.parse().is_ok_and(|id| cluster.node(id).is_some());
    if is_known {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::INVALID_REQUEST, format!("there is no broker with id {name}")))
}

fn answer(
    resource: DescribeConfigsResource,
    configs: Result<Vec<DescribeConfigsResourceResult>, Refusal>,
) -> DescribeConfigsResult {
    let answer = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    match configs {
        Ok(configs) => answer.with_configs(configs),
        Err(refusal) => answer.with_error_code(refusal.code.0).with_error_message(Some(refusal.text())),
    }
}
