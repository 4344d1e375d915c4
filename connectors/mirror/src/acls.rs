//! Access control entries of topics, copied from the source to the target (`MirrorSourceConnector#syncTopicAcls`).

use protocol::ErrorCode;
use protocol::client::admin::{
    AclBinding, AclFilter, AclOperation, AclPermission, Admin, PatternType, ResourceType,
};

use crate::topics::Selection;

/// Copies the entries of copied topics. Nothing is ever deleted. `false`: the source has no entries, and never will.
///
/// # Errors
/// What the source cluster said.
pub(crate) async fn sync(
    selection: &Selection,
    source_admin: &Admin,
    target_admin: &Admin,
) -> Result<bool, protocol::Error> {
    let of_topics = AclFilter { resource_type: ResourceType::Topic, ..AclFilter::any() };
    let bindings = match source_admin.describe_acls(&of_topics).await {
        Ok(bindings) => bindings,
        Err(error) if error.code() == Some(ErrorCode::SECURITY_DISABLED) => {
            tracing::info!("the source cluster has no authorizer: no access control entries are copied");
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let remote: Vec<_> = bindings.iter().filter_map(|binding| remote_binding(binding, selection)).collect();
    for (binding, created) in remote.iter().zip(target_admin.create_acls(&remote).await) {
        if let Err(error) = created {
            tracing::warn!(topic = binding.resource_name, %error, "failed to copy an access control entry");
        }
    }
    Ok(true)
}

/// The entry for the remote topic: nobody but the copier is to write there.
fn remote_binding(binding: &AclBinding, selection: &Selection) -> Option<AclBinding> {
    let is_of_topic =
        binding.resource_type == ResourceType::Topic && binding.pattern_type == PatternType::Literal;
    let allows = binding.permission == AclPermission::Allow;
    if !is_of_topic
        || !selection.selects(&binding.resource_name)
        || (allows && binding.operation == AclOperation::Write)
    {
        return None;
    }
    let operation = match binding.operation {
        AclOperation::All if allows => AclOperation::Read,
        operation => operation,
    };
    let resource_name = selection.remote_topic(&binding.resource_name);
    Some(AclBinding { resource_name, operation, ..binding.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;

    #[test]
    fn remote_topics_may_be_read_by_whom_the_source_lets() {
        let selection = Selection::of(&parsed(&[])).unwrap();
        let binding = AclBinding {
            resource_type: ResourceType::Topic,
            resource_name: "t".into(),
            pattern_type: PatternType::Literal,
            principal: "User:x".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission: AclPermission::Allow,
        };
        let remote = |changed: AclBinding| {
            remote_binding(&changed, &selection).map(|it| (it.resource_name, it.operation, it.permission))
        };
        let read = Some(("a.t".to_owned(), AclOperation::Read, AclPermission::Allow));
        assert_eq!(remote(binding.clone()), read);
        assert_eq!(remote(AclBinding { operation: AclOperation::All, ..binding.clone() }), read);
        assert_eq!(remote(AclBinding { operation: AclOperation::Write, ..binding.clone() }), None);
        let denied =
            AclBinding { operation: AclOperation::Write, permission: AclPermission::Deny, ..binding.clone() };
        assert_eq!(remote(denied), Some(("a.t".to_owned(), AclOperation::Write, AclPermission::Deny)));
        assert_eq!(remote(AclBinding { pattern_type: PatternType::Prefixed, ..binding.clone() }), None);
        assert_eq!(remote(AclBinding { resource_name: "__x".into(), ..binding }), None);
    }
}
