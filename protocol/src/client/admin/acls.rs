//! Access control lists, in Java's words: who (principal, host) may do what (operation) with which resources, or may not.
//!
//! A cluster without an authorizer refuses all of this with `SECURITY_DISABLED`.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{
    CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeClusterRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::operations::{Admin, item_error};
use crate::cluster::{Target, decide};
use crate::{Error, Result};

const CREATE: &str = "create ACL";

/// What stands for one value of a field in requests and responses.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($code:literal $value:ident $text:literal)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $text] $value,)*
            /// One that this client does not know, by its number.
            Other(i8),
        }

        impl $name {
            /// The number that stands for it in requests.
            pub fn code(self) -> i8 {
                match self {
                    $(Self::$value => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl From<i8> for $name {
            fn from(code: i8) -> Self {
                match code {
                    $($code => Self::$value,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

codes! {
    /// The kind of a resource.
    ResourceType {
        1 Any "In a filter: every kind."
        2 Topic "A topic."
        3 Group "A group of consumers or workers."
        4 Cluster "The cluster; its only name is `kafka-cluster`."
        5 TransactionalId "A transactional id."
        6 DelegationToken "A delegation token."
        7 User "A user."
    }
}

codes! {
    /// How a name stands for resources.
    PatternType {
        1 Any "In a filter: every way."
        2 Match "In a filter: all patterns that a resource of this name falls under."
        3 Literal "The resource of exactly this name; `*` is all of them."
        4 Prefixed "All whose names begin like this."
    }
}

codes! {
    /// What is done to a resource.
    AclOperation {
        1 Any "In a filter: every operation."
        2 All "All operations."
        3 Read "Reading."
        4 Write "Writing."
        5 Create "Creating."
        6 Delete "Deleting."
        7 Alter "Altering."
        8 Describe "Describing."
        9 ClusterAction "What brokers ask of each other."
        10 DescribeConfigs "Describing configurations."
        11 AlterConfigs "Altering configurations."
        12 IdempotentWrite "Writing without duplicates."
        13 CreateTokens "Creating delegation tokens."
        14 DescribeTokens "Describing delegation tokens."
        15 TwoPhaseCommit "Transactions that another system ends."
    }
}

codes! {
    /// Whether it is allowed.
    AclPermission {
        1 Any "In a filter: both."
        2 Deny "It is forbidden, whatever else allows it."
        3 Allow "It is allowed."
    }
}

/// One access control list entry and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AclBinding {
    /// The kind of the resources.
    pub resource_type: ResourceType,
    /// Their name, or how it begins.
    pub resource_name: String,
    /// `Literal` or `Prefixed`.
    pub pattern_type: PatternType,
    /// Whom it is about, such as `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// From where; `*` is everywhere.
    pub host: String,
    /// What they do.
    pub operation: AclOperation,
    /// Whether they may.
    pub permission: AclPermission,
}

/// Which entries are meant: those that agree with all of it. None stands for any name, principal or host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    /// The kind of the resources.
    pub resource_type: ResourceType,
    /// Their name.
    pub resource_name: Option<String>,
    /// How the name is meant.
    pub pattern_type: PatternType,
    /// Whom it is about.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// What they do.
    pub operation: AclOperation,
    /// Whether they may.
    pub permission: AclPermission,
}

impl AclBinding {
    /// The field that stands for many values, or for one that nobody knows: such an entry can be looked for, but not created.
    fn indefinite_field(&self) -> Option<&'static str> {
        if matches!(self.resource_type, ResourceType::Any | ResourceType::Other(_)) {
            return Some("resource type");
        }
        if !matches!(self.pattern_type, PatternType::Literal | PatternType::Prefixed) {
            return Some("pattern type");
        }
        if matches!(self.operation, AclOperation::Any | AclOperation::Other(_)) {
            return Some("operation");
        }
        matches!(self.permission, AclPermission::Any | AclPermission::Other(_)).then_some("permission")
    }

    fn refusal(&self) -> Error {
        let field = self.indefinite_field().unwrap_or("entry");
        Error::config(CREATE, format!("{}: the {field} is not a single one", self.resource_name))
    }
}

impl AclFilter {
    /// All entries that there are.
    pub fn any() -> Self {
        Self {
            resource_type: ResourceType::Any,
            resource_name: None,
            pattern_type: PatternType::Any,
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission: AclPermission::Any,
        }
    }
}

impl From<&AclBinding> for AclFilter {
    /// This entry alone.
    fn from(binding: &AclBinding) -> Self {
        Self {
            resource_type: binding.resource_type,
            resource_name: Some(binding.resource_name.clone()),
            pattern_type: binding.pattern_type,
            principal: Some(binding.principal.clone()),
            host: Some(binding.host.clone()),
            operation: binding.operation,
            permission: binding.permission,
        }
    }
}

impl Admin {
    /// The entries that `filter` means.
    ///
    /// # Errors
    /// `Broker(SECURITY_DISABLED)` where there is no authorizer, `Broker(CLUSTER_AUTHORIZATION_FAILED)`, and their like.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclBinding>> {
        let target = Target::Any;
        let attempt = async || {
            let build = |_version| {
                DescribeAclsRequest::default()
                    .with_resource_type_filter(filter.resource_type.code())
                    .with_resource_name_filter(filter.resource_name.as_deref().map(string))
                    .with_pattern_type_filter(filter.pattern_type.code())
                    .with_principal_filter(filter.principal.as_deref().map(string))
                    .with_host_filter(filter.host.as_deref().map(string))
                    .with_operation(filter.operation.code())
                    .with_permission_type(filter.permission.code())
            };
            let (response, _) = self.cluster.call(&target, build).await?;
            item_error("describe ACLs", response.error_code, "cluster", response.error_message.as_deref())?;
            let mut bindings = Vec::new();
            for resource in response.resources {
                bindings.extend(resource.acls.into_iter().map(|acl| AclBinding {
                    resource_type: resource.resource_type.into(),
                    resource_name: resource.resource_name.to_string(),
                    pattern_type: resource.pattern_type.into(),
                    principal: acl.principal.to_string(),
                    host: acl.host.to_string(),
                    operation: acl.operation.into(),
                    permission: acl.permission_type.into(),
                }));
            }
            Ok(bindings)
        };
        self.cluster.retrying(&target, self.deadline(), attempt).await
    }

    /// Creates entries; one result each, in order. One that exists already is fine.
    ///
    /// # Errors
    /// Per entry: as [`describe_acls`](Self::describe_acls), and `Config` for one that stands for many, for which a broker would refuse
    /// the whole request.
    pub async fn create_acls(&self, bindings: &[AclBinding]) -> Vec<Result<()>> {
        self.per_item(
            &Target::Any,
            bindings.len(),
            |index| index,
            decide,
            async |open| {
                let definite = |index: &usize| bindings[*index].indefinite_field().is_none();
                let (asked, refused): (Vec<usize>, Vec<usize>) =
                    open.iter().partition(|index| definite(index));
                let refused = refused.into_iter().map(|index| (index, Err(bindings[index].refusal())));
                let mut results: Vec<_> = refused.collect();
                if !asked.is_empty() {
                    results.extend(self.create_definite(bindings, &asked).await?);
                }
                Ok(results)
            },
        )
        .await
    }

    async fn create_definite(
        &self,
        bindings: &[AclBinding],
        asked: &[usize],
    ) -> Result<Vec<(usize, Result<()>)>> {
        let build = |_version| {
            let creations = asked.iter().map(|index| {
                let binding = &bindings[*index];
                AclCreation::default()
                    .with_resource_type(binding.resource_type.code())
                    .with_resource_name(string(&binding.resource_name))
                    .with_resource_pattern_type(binding.pattern_type.code())
                    .with_principal(string(&binding.principal))
                    .with_host(string(&binding.host))
                    .with_operation(binding.operation.code())
                    .with_permission_type(binding.permission.code())
            });
            CreateAclsRequest::default().with_creations(creations.collect())
        };
        let (response, _) = self.cluster.call(&Target::Any, build).await?;
        let answers = asked.iter().zip(response.results).map(|(index, answer)| {
            let item = &bindings[*index].resource_name;
            (*index, item_error(CREATE, answer.error_code, item, answer.error_message.as_deref()))
        });
        Ok(answers.collect())
    }

    /// Deletes the entries that each filter means; one result per filter, in order: what became of each entry that it found.
    ///
    /// # Errors
    /// Per filter, as [`describe_acls`](Self::describe_acls).
    pub async fn delete_acls(&self, filters: &[AclFilter]) -> Vec<Result<Vec<(AclBinding, Result<()>)>>> {
        const DOING: &str = "delete ACLs";
        self.per_item(
            &Target::Any,
            filters.len(),
            |index| index,
            decide,
            async |open| {
                let build = |_version| {
                    let wanted = open.iter().map(|index| {
                        let filter = &filters[*index];
                        DeleteAclsFilter::default()
                            .with_resource_type_filter(filter.resource_type.code())
                            .with_resource_name_filter(filter.resource_name.as_deref().map(string))
                            .with_pattern_type_filter(filter.pattern_type.code())
                            .with_principal_filter(filter.principal.as_deref().map(string))
                            .with_host_filter(filter.host.as_deref().map(string))
                            .with_operation(filter.operation.code())
                            .with_permission_type(filter.permission.code())
                    });
                    DeleteAclsRequest::default().with_filters(wanted.collect())
                };
                let (response, _) = self.cluster.call(&Target::Any, build).await?;
                let answers = open.iter().zip(response.filter_results).map(|(index, answer)| {
                    let message = answer.error_message.as_deref();
                    let found = item_error(DOING, answer.error_code, "cluster", message).map(|()| {
                        let found = answer.matching_acls.into_iter().map(|acl| {
                            let binding = AclBinding {
                                resource_type: acl.resource_type.into(),
                                resource_name: acl.resource_name.to_string(),
                                pattern_type: acl.pattern_type.into(),
                                principal: acl.principal.to_string(),
                                host: acl.host.to_string(),
                                operation: acl.operation.into(),
                                permission: acl.permission_type.into(),
                            };
                            let message = acl.error_message.as_deref();
                            let outcome = item_error(DOING, acl.error_code, &binding.resource_name, message);
                            (binding, outcome)
                        });
                        found.collect()
                    });
                    (*index, found)
                });
                Ok(answers.collect())
            },
        )
        .await
    }

    /// What this client may do with the cluster as a whole (Kafka 2.8 and newer).
    ///
    /// # Errors
    /// `Unsupported` where the broker is older; otherwise what it answered.
    pub async fn cluster_operations(&self) -> Result<Vec<AclOperation>> {
        const DOING: &str = "describe cluster";
        let target = Target::Any;
        let attempt = async || {
            let build =
                |_version| DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
            let (response, _) = self.cluster.call(&target, build).await?;
            item_error(DOING, response.error_code, "cluster", response.error_message.as_deref())?;
            operations(response.cluster_authorized_operations)
                .ok_or_else(|| Error::malformed(DOING, "the answer leaves out what was asked for"))
        };
        self.cluster.retrying(&target, self.deadline(), attempt).await
    }
}

/// The operations of a bit field; None where the broker did not fill it in.
fn operations(bits: i32) -> Option<Vec<AclOperation>> {
    (bits != i32::MIN).then(|| (0..31).filter(|bit| bits & (1 << bit) != 0).map(AclOperation::from).collect())
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_values_are_one_to_one() {
        for code in 0..20 {
            assert_eq!(ResourceType::from(code).code(), code);
            assert_eq!(PatternType::from(code).code(), code);
            assert_eq!(AclOperation::from(code).code(), code);
            assert_eq!(AclPermission::from(code).code(), code);
        }
        assert_eq!(AclOperation::from(15), AclOperation::TwoPhaseCommit);
        assert_eq!(PatternType::from(4), PatternType::Prefixed);
    }

    #[test]
    fn operations_are_told_bit_by_bit() {
        assert_eq!(operations(i32::MIN), None);
        assert_eq!(operations(0), Some(vec![]));
        let some = operations((1 << 8) | (1 << 7) | (1 << 30)).unwrap();
        assert_eq!(some, [AclOperation::Alter, AclOperation::Describe, AclOperation::Other(30)]);
    }
}
