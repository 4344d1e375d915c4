//! The connector: what it says of itself, and how partitions are dealt to tasks.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::{ConnectorContext, Error, ExactlyOnceSupport, Props, Result, SourceConnector, SourceOffsetChange};
use protocol::client::TopicPartition;

use crate::clients::{Clients, Side};
use crate::policy::Policy;
use crate::task::MirrorSourceTask;
use crate::watcher::Watcher;
use crate::{config, offsets};

/// `org.apache.kafka.connect.mirror.MirrorSourceConnector`.
#[derive(Debug)]
pub struct MirrorSource {
    props: Props,
    /// `None` where `enabled` is false.
    watcher: Option<Watcher>,
}

impl SourceConnector for MirrorSource {
    type Task = MirrorSourceTask;
    const CLASS: &'static str = "org.apache.kafka.connect.mirror.MirrorSourceConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.mirror.MirrorSourceTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        config::table()
    }

    fn start(config: Config) -> Result<MirrorSource> {
        if let Some(message) = config::contradiction(config.originals()) {
            return Err(Error::config(message));
        }
        let props = config.originals().clone();
        let watcher = if config.boolean(config::ENABLED) { Some(Watcher::start(config)?) } else { None };
        Ok(MirrorSource { props, watcher })
    }

    fn started(&mut self, context: ConnectorContext) {
        if let Some(watcher) = &self.watcher {
            watcher.tell(context);
        }
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        let partitions = self.watcher.as_ref().map(Watcher::partitions).unwrap_or_default();
        let tasks = deal(&partitions, tasks_max).into_iter().enumerate().map(|(index, partitions)| {
            let mut props = self.props.clone();
            props.insert(config::TASK_PARTITIONS.to_owned(), partitions.join(","));
            props.insert(config::TASK_INDEX.to_owned(), index.to_string());
            props
        });
        Ok(tasks.collect())
    }

    fn create_task(props: &Props) -> Result<MirrorSourceTask> {
        MirrorSourceTask::new(config::table().parse(props)?)
    }

    fn alter_offsets(_props: &Props, offsets: &[SourceOffsetChange]) -> Result<bool> {
        offsets::check_changes(offsets)?;
        Ok(true)
    }

    /// Where the source consumer reads uncommitted records too, aborted ones would be copied and come into effect.
    fn exactly_once_support(props: &Props) -> Option<ExactlyOnceSupport> {
        let reads_committed = config::table().parse(props).is_ok_and(|config| {
            let props = Clients::of(&config).consumer_props("");
            props.get("isolation.level").is_some_and(|level| level.trim() == "read_committed")
        });
        Some(if reads_committed { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported })
    }
}

/// The partitions of each task: the k-th goes to task k modulo their number.
fn deal(partitions: &[TopicPartition], tasks_max: usize) -> Vec<Vec<String>> {
    let count = partitions.len().min(tasks_max);
    let mut tasks = vec![Vec::new(); count];
    for (index, partition) in partitions.iter().enumerate() {
        tasks[index % count].push(format!("{}-{}", partition.topic, partition.partition));
    }
    tasks
}

/// What [`deal`] has written.
pub(crate) fn parse_partitions(text: &str) -> Result<Vec<TopicPartition>> {
    let mut topic: Arc<str> = Arc::from("");
    let parse = |part: &str| {
        let (name, number) = part.trim().rsplit_once('-')?;
        if *topic != *name {
            topic = Arc::from(name);
        }
        Some(TopicPartition { topic: Arc::clone(&topic), partition: number.parse().ok()? })
    };
    let parsed: Option<Vec<_>> = text.split(',').filter(|part| !part.trim().is_empty()).map(parse).collect();
    parsed.ok_or_else(|| {
        Error::config(format!(
            "Invalid value {text} for configuration {}: it is not a list of <topic>-<partition>",
            config::TASK_PARTITIONS
        ))
    })
}

/// The cluster that has the topic of offset syncs.
pub(crate) fn syncs_location(config: &Config) -> Side {
    if config.string(config::OFFSET_SYNCS_LOCATION) == "target" { Side::Target } else { Side::Source }
}

/// The topic of offset syncs: named for the cluster at the other end.
pub(crate) fn syncs_topic(config: &Config, policy: &Policy) -> String {
    policy.offset_syncs_topic(match syncs_location(config) {
        Side::Source => config.string(config::TARGET_ALIAS),
        Side::Target => config.string(config::SOURCE_ALIAS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{parsed, props};

    #[test]
    fn partitions_are_dealt_in_turn() {
        let partitions: Vec<_> = (0..5).map(|number| TopicPartition::new("a-b", number)).collect();
        assert_eq!(deal(&partitions, 2), [vec!["a-b-0", "a-b-2", "a-b-4"], vec!["a-b-1", "a-b-3"]]);
        assert_eq!(deal(&partitions, 9).len(), 5);
        assert!(deal(&[], 3).is_empty());
        assert_eq!(parse_partitions(&deal(&partitions, 1)[0].join(",")).unwrap(), partitions);
        assert!(parse_partitions("t-x").is_err() && parse_partitions("t").is_err());
    }

    #[test]
    fn exactly_once_takes_a_consumer_of_committed_records() {
        let says = |given: &[(&str, &str)]| MirrorSource::exactly_once_support(&props(given));
        assert_eq!(says(&[]), Some(ExactlyOnceSupport::Unsupported));
        assert_eq!(
            says(&[("source.consumer.isolation.level", "read_committed")]),
            Some(ExactlyOnceSupport::Supported)
        );
        let overridden = [
            ("consumer.isolation.level", "read_committed"),
            ("source.consumer.isolation.level", "read_uncommitted"),
        ];
        assert_eq!(says(&overridden), Some(ExactlyOnceSupport::Unsupported));
    }

    #[test]
    fn syncs_are_named_for_the_other_end() {
        let topic = |given: &[(&str, &str)]| {
            let config = parsed(given);
            syncs_topic(&config, &Policy::of(config.originals()).unwrap())
        };
        assert_eq!(topic(&[]), "mm2-offset-syncs.b.internal");
        assert_eq!(topic(&[("offset-syncs.topic.location", "target")]), "mm2-offset-syncs.a.internal");
    }
}
