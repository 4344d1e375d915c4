//! `IncrementalAlterConfigs`: sets, deletes, or changes the entries of single keys (KIP-339).

use protocol::ErrorCode;
use protocol::wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::wire::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, StrBytes, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use super::describe_configs::{RESOURCE_BROKER, RESOURCE_TOPIC, check_node};
use crate::cluster::{Cluster, ConfigKind, ConfigScope, ConfigSource, Overrides, describe};
use crate::refusal::{Refusal, code_of};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct IncrementalAlterConfigs;

impl Api for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;

    const VERSIONS: VersionRange = versions(0, 1);

    async fn handle(
        call: &Call,
        request: IncrementalAlterConfigsRequest,
    ) -> Answer<IncrementalAlterConfigsResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        let responses = request.resources.into_iter().map(|resource| {
            let result = alter(
                &mut cluster,
                resource.resource_type,
                &resource.resource_name,
                request.validate_only,
                |cluster, scope, current| change(cluster, scope, current, &resource.configs),
            );
            answer(resource, &result)
        });
        IncrementalAlterConfigsResponse::default().with_responses(responses.collect()).into()
    }

    fn refuse(
        _: i16,
        request: IncrementalAlterConfigsRequest,
        code: ErrorCode,
    ) -> IncrementalAlterConfigsResponse {
        let refused = Err(Refusal::from(code));
        let responses = request.resources.into_iter().map(|resource| answer(resource, &refused));
        IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
    }
}

/// Works out new values for a resource, checks all of them, and sets them unless `is_dry_run`.
pub(super) fn alter(
    cluster: &mut Cluster,
    resource_type: i8,
    resource_name: &StrBytes,
    is_dry_run: bool,
    change: impl FnOnce(&Cluster, ConfigScope, &Overrides) -> Result<Overrides, Refusal>,
) -> Result<(), Refusal> {
    match resource_type {
        RESOURCE_TOPIC => {
            let name = TopicName(resource_name.clone());
            let topic = cluster.topic(&name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            let changed = change(cluster, ConfigScope::Topic, &topic.overrides)?;
            check_changed(ConfigScope::Topic, &topic.overrides, &changed)?;
            if is_dry_run { Ok(()) } else { cluster.set_topic_configs(&name, changed) }
        }
        RESOURCE_BROKER => {
            check_node(cluster, resource_name)?;
            let changed = change(cluster, ConfigScope::Broker, &cluster.broker_overrides)?;
            check_changed(ConfigScope::Broker, &cluster.broker_overrides, &changed)?;
            if !is_dry_run {
                cluster.set_broker_configs(changed);
            }
            Ok(())
        }
        other => Err(Refusal::new(
            ErrorCode::INVALID_REQUEST,
            format!("configurations of resource type {other} cannot be changed here"),
        )),
    }
}

fn check_changed(scope: ConfigScope, before: &Overrides, after: &Overrides) -> Result<(), Refusal> {
    let is_changed = |(key, value): &(&String, &String)| before.get(*key) != Some(*value);
    after.iter().filter(is_changed).try_for_each(|(key, value)| scope.check(key, value))
}

fn change(
    cluster: &Cluster,
    scope: ConfigScope,
    current: &Overrides,
    changes: &[AlterableConfig],
) -> Result<Overrides, Refusal> {
    let invalid = |why: String| Refusal::new(ErrorCode::INVALID_CONFIG, why);
    let mut changed = current.clone();
    for config in changes {
        let name = config.name.as_str();
        if config.config_operation == DELETE {
            scope.find(name).ok_or_else(|| invalid(format!("Unknown config name: {name}")))?;
            changed.remove(name);
            continue;
        }
        let Some(value) = &config.value else {
            return Err(Refusal::new(
                ErrorCode::INVALID_REQUEST,
                format!("Null value not supported for : {name}"),
            ));
        };
        match config.config_operation {
            SET => {
                changed.insert(name.to_owned(), value.to_string());
            }
            APPEND | SUBTRACT => {
                let def = scope
                    .find(name)
                    .filter(|def| def.kind == ConfigKind::List)
                    .ok_or_else(|| invalid(format!("Can't append or subtract: {name} is not a list")))?;
                let own = Some((&changed, ConfigSource::Topic));
                let effective = describe(def, own, &cluster.broker_overrides, cluster.config());
                let effective =
                    effective.into_iter().next().map(|(_, value)| value.value).unwrap_or_default();
                let mut entries: Vec<&str> = entries_of(&effective).collect();
                for entry in entries_of(value) {
                    entries.retain(|other| *other != entry);
                    if config.config_operation == APPEND {
                        entries.push(entry);
                    }
                }
                let joined = entries.join(",");
                changed.insert(name.to_owned(), joined);
            }
            other => {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    format!("unknown config operation {other}"),
                ));
            }
        }
    }
    Ok(changed)
}

fn entries_of(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn answer(resource: AlterConfigsResource, result: &Result<(), Refusal>) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name)
        .with_error_code(code_of(result))
        .with_error_message(result.as_ref().err().map(Refusal::text))
}
