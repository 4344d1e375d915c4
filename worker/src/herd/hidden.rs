//! How what holds configurations prints: without them, for there are secrets among their values.

use std::fmt::{Debug, Formatter, Result};

use super::event::{Action, CommandKind, Event};
use super::view::{ConfigInfo, ConnectorInfo, TaskInfo};

impl Debug for CommandKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            CommandKind::Create { plugin, initial, .. } => f
                .debug_struct("Create")
                .field("plugin", plugin)
                .field("initial", initial)
                .finish_non_exhaustive(),
            CommandKind::Configure { plugin, .. } => {
                f.debug_struct("Configure").field("plugin", plugin).finish_non_exhaustive()
            }
            CommandKind::Restart { include_tasks, only_failed } => f
                .debug_struct("Restart")
                .field("include_tasks", include_tasks)
                .field("only_failed", only_failed)
                .finish(),
            CommandKind::RestartTask { task } => f.debug_struct("RestartTask").field("task", task).finish(),
            CommandKind::Fence => f.write_str("Fence"),
            CommandKind::SetTasks(tasks) => f.debug_tuple("SetTasks").field(&tasks.len()).finish(),
            CommandKind::Offsets(request) => f.debug_tuple("Offsets").field(request).finish(),
            CommandKind::Delete => f.write_str("Delete"),
            CommandKind::Pause => f.write_str("Pause"),
            CommandKind::Resume => f.write_str("Resume"),
            CommandKind::Stop => f.write_str("Stop"),
            CommandKind::RestartInstance => f.write_str("RestartInstance"),
        }
    }
}

impl Debug for ConnectorInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ConnectorInfo")
            .field("name", &self.name)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

impl Debug for TaskInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("TaskInfo").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Debug for ConfigInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ConfigInfo").field("keys", &self.0.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// The name of what happened or is to be done is enough.
macro_rules! named {
    ($type:ident: $($variant:ident),*) => {
        impl Debug for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.write_str(match self {
                    $($type::$variant { .. } => stringify!($variant),)*
                })
            }
        }
    };
}

named!(Action: StartInstance, StopInstance, GenerateTasks, ChangeOffsets, AbandonOffsets, StartTask, PauseTask, ResumeTask, StopTask, AbandonTask, Reply, Ended);

named!(Event: Command, InstanceStarted, ReconfigurationRequested, TasksGenerated, OffsetsChanged, TaskReported, TaskEnded, TaskDisplaced, TasksWatched, Tick, Ready, Shutdown);

#[cfg(test)]
mod tests {
    use api::Props;

    use super::*;

    #[test]
    fn configurations_are_not_printed() {
        let secret = || Props::from_iter([("password".to_owned(), "canary".to_owned())]);
        let plugin = connectors::CONNECTORS[0];
        let epoch = 1;
        let target = crate::config::TargetState::Started;
        let shown = [
            format!("{:?}", CommandKind::Create { plugin, config: secret(), initial: target }),
            format!("{:?}", CommandKind::Configure { plugin, config: secret(), base: None }),
            format!("{:?}", Action::StartInstance { connector: "c".into(), epoch, plugin, config: secret() }),
            format!(
                "{:?}",
                Event::TasksGenerated { connector: "c".into(), epoch, result: Ok(vec![secret()]) }
            ),
            format!("{:?}", ConfigInfo(secret())),
        ];
        for shown in shown {
            assert!(!shown.contains("canary") && !shown.is_empty(), "{shown}");
        }
    }
}
