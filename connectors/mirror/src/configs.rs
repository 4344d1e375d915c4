//! Settings of topics, copied from the source to the target (`MirrorSourceConnector#targetConfig`).

use protocol::client::admin::{Admin, ConfigChange, ConfigEntry, ConfigResource, ConfigSource};

use crate::filter::PropertyFilter;
use crate::topics::Selection;

/// The settings of a topic that is created.
pub(crate) fn of_new_topic(entries: &[ConfigEntry], filter: &PropertyFilter) -> Vec<(String, String)> {
    let wanted = entries.iter().filter(|entry| {
        is_copied(entry, filter) && (entry.source != ConfigSource::Default || filter.copies_defaults)
    });
    wanted.filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?))).collect()
}

/// The changes that make the settings of a remote topic those of its source. What has its default there is to have the target's.
fn changes(entries: &[ConfigEntry], filter: &PropertyFilter) -> Vec<ConfigChange> {
    let wanted = entries.iter().filter(|entry| is_copied(entry, filter));
    wanted
        .filter_map(|entry| match (&entry.value, entry.source) {
            (_, ConfigSource::Default) if !filter.copies_defaults => {
                Some(ConfigChange::Delete(entry.name.clone()))
            }
            (Some(value), _) => Some(ConfigChange::Set(entry.name.clone(), value.clone())),
            (None, _) => None,
        })
        .collect()
}

/// Copies the settings of `topics` of the source. What the target refuses is warned of.
///
/// # Errors
/// Where the target cannot do it at all.
pub(crate) async fn sync(
    selection: &Selection,
    source_admin: &Admin,
    target_admin: &Admin,
    topics: impl IntoIterator<Item = &str>,
) -> Result<(), protocol::Error> {
    let topics: Vec<&str> = topics.into_iter().collect();
    let resources: Vec<_> = topics.iter().map(|topic| ConfigResource::Topic((*topic).into())).collect();
    let mut wanted = Vec::new();
    for (topic, described) in topics.iter().zip(source_admin.describe_configs(&resources).await) {
        match described {
            Ok(entries) => {
                let changes = changes(&entries, &selection.properties);
                if !changes.is_empty() {
                    wanted.push((ConfigResource::Topic(selection.remote_topic(topic).into()), changes));
                }
            }
            Err(error) => tracing::warn!(topic, %error, "failed to read the settings of a copied topic"),
        }
    }
    for ((resource, _), altered) in wanted.iter().zip(target_admin.alter_configs(&wanted).await) {
        match altered {
            Err(error) if error.kind() == protocol::ErrorKind::Unsupported => return Err(error),
            Err(error) => {
                tracing::warn!(?resource, %error, "failed to change the settings of a remote topic")
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

fn is_copied(entry: &ConfigEntry, filter: &PropertyFilter) -> bool {
    !entry.is_read_only
        && !entry.is_sensitive
        && entry.source != ConfigSource::StaticBroker
        && filter.accepts(&entry.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;

    fn entry(name: &str, source: ConfigSource) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: Some("1".to_owned()),
            source,
            is_read_only: false,
            is_sensitive: false,
        }
    }

    #[test]
    fn what_is_set_is_copied_and_what_is_default_is_not() {
        let entries = [
            entry("retention.ms", ConfigSource::DynamicTopic),
            entry("segment.ms", ConfigSource::Default),
            entry("flush.ms", ConfigSource::StaticBroker),
            entry("min.insync.replicas", ConfigSource::DynamicTopic),
            entry("max.message.bytes", ConfigSource::DynamicBroker),
        ];
        let filter = PropertyFilter::of(&parsed(&[])).unwrap();
        let set = |name: &str| (name.to_owned(), "1".to_owned());
        assert_eq!(of_new_topic(&entries, &filter), [set("retention.ms"), set("max.message.bytes")]);
        assert_eq!(
            changes(&entries, &filter),
            [
                ConfigChange::Set("retention.ms".into(), "1".into()),
                ConfigChange::Delete("segment.ms".into()),
                ConfigChange::Set("max.message.bytes".into(), "1".into()),
            ]
        );
        let all = PropertyFilter::of(&parsed(&[("use.defaults.from", "source")])).unwrap();
        assert_eq!(of_new_topic(&entries, &all).len(), 3);
    }
}
