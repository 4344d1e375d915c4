//! How what holds configurations prints: without them, for there are secrets among their values.

use std::fmt::{Debug, Formatter, Result};

use super::connector::{Connector, Step, Task};

impl Debug for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Step::Configure(plugin, _) => f.debug_tuple("Configure").field(plugin).finish_non_exhaustive(),
            Step::ReplaceTasks(tasks) => f.debug_tuple("ReplaceTasks").field(&tasks.len()).finish(),
            Step::StopTasks(tasks) => f.debug_tuple("StopTasks").field(tasks).finish(),
            Step::StartTasks(tasks) => f.debug_tuple("StartTasks").field(tasks).finish(),
            Step::Reply(token, kind) => f.debug_tuple("Reply").field(token).field(kind).finish(),
            Step::ChangeOffsets(token, request) => {
                f.debug_tuple("ChangeOffsets").field(token).field(request).finish()
            }
            Step::MarkRestarting { instance, tasks } => {
                f.debug_struct("MarkRestarting").field("instance", instance).field("tasks", tasks).finish()
            }
            Step::Retry { .. } => f.write_str("Retry"),
            Step::StopInstance => f.write_str("StopInstance"),
            Step::StartInstance => f.write_str("StartInstance"),
            Step::Generate => f.write_str("Generate"),
            Step::Pause => f.write_str("Pause"),
            Step::Resume => f.write_str("Resume"),
            Step::Stopped => f.write_str("Stopped"),
            Step::ForgetFailure => f.write_str("ForgetFailure"),
            Step::Remove => f.write_str("Remove"),
        }
    }
}

impl Debug for Connector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Connector")
            .field("plugin", &self.plugin)
            .field("target", &self.target)
            .field("status", &self.status)
            .field("tasks", &self.tasks)
            .field("steps", &self.steps)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl Debug for Task {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Task")
            .field("status", &self.status)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use api::Props;

    use super::super::super::retry::Retry;
    use super::*;

    #[test]
    fn configurations_are_not_printed() {
        let secret = || Props::from_iter([("password".to_owned(), "canary".to_owned())]);
        let plugin = connectors::CONNECTORS[0];
        let target = crate::config::TargetState::Started;
        let shown = [
            format!("{:?}", Step::Configure(plugin, secret())),
            format!("{:?}", Step::ReplaceTasks(vec![secret()])),
            format!("{:?}", Connector::new(plugin, secret(), target)),
            format!("{:?}", Task { props: secret(), status: None, running: None, retry: Retry::default() }),
        ];
        for shown in shown {
            assert!(!shown.contains("canary") && !shown.is_empty(), "{shown}");
        }
    }
}
