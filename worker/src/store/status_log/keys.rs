//! Keys of the status topic.

use std::sync::Arc;

use crate::store::config_log::records::parse_task_key;

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const SEPARATOR: &str = ":connector-";

/// Whose status it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Of a connector instance.
    Connector(Arc<str>),
    /// Of a task, by connector and number.
    Task(Arc<str>, u32),
}

/// What a key stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    Status(Subject),
    Topic { topic: Arc<str>, connector: Arc<str> },
}

impl Subject {
    pub(super) fn key(&self) -> String {
        match self {
            Subject::Connector(connector) => format!("{CONNECTOR}{connector}"),
            Subject::Task(connector, task) => format!("{TASK}{connector}-{task}"),
        }
    }
}

pub(super) fn topic_key(topic: &str, connector: &str) -> String {
    format!("{TOPIC}{topic}{SEPARATOR}{connector}")
}

impl Key {
    pub(super) fn parse(key: &str) -> Option<Key> {
        if let Some(connector) = key.strip_prefix(CONNECTOR) {
            (!connector.is_empty()).then(|| Key::Status(Subject::Connector(connector.into())))
        } else if key.starts_with(TASK) {
            let (connector, task) = parse_task_key(key, 2)?;
            Some(Key::Status(Subject::Task(connector.into(), task)))
        } else {
            // What stands between the colon and the connector is not looked at, as in Java.
            let (topic, rest) = key.strip_prefix(TOPIC)?.split_once(':')?;
            let connector = rest.get(SEPARATOR.len() - 1..)?;
            let is_whole = !topic.is_empty() && !connector.is_empty();
            is_whole.then(|| Key::Topic { topic: topic.into(), connector: connector.into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_as_in_java() {
        let task = |connector: &str, task| Some(Key::Status(Subject::Task(connector.into(), task)));
        assert_eq!(Key::parse("status-task-my-source-12"), task("my-source", 12));
        assert_eq!(Key::parse("status-task--0"), task("", 0));
        assert_eq!(Key::parse("status-task-c-x"), None);
        assert_eq!(Key::parse("status-task-3"), None);
        assert_eq!(Key::parse("status-connector-a:b"), Some(Key::Status(Subject::Connector("a:b".into()))));
        assert_eq!(Key::parse("status-connector-"), None);
        let topic = Key::Topic { topic: "t".into(), connector: "c:d".into() };
        assert_eq!(Key::parse(&topic_key("t", "c:d")), Some(topic));
        for broken in [
            "status-topic-t",
            "status-topic-:connector-c",
            "status-topic-t:connector-",
            "status-topic-t:c",
            "x",
        ] {
            assert_eq!(Key::parse(broken), None, "{broken}");
        }
    }
}
