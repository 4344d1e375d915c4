//! Sinks that fail in every way.

use std::sync::{Condvar, Mutex};

use api::config_def::Config;
use api::plugin::ConnectorPlugin;
use api::{Batch, ConfigDef, Error, Props, Result, SinkConnector, SinkContext, SinkTask};

/// What a test adds to the registry.
pub(crate) const ALL: [ConnectorPlugin; 5] = [
    ConnectorPlugin::sink::<FailingSink>(),
    ConnectorPlugin::sink::<PanickingSink>(),
    ConnectorPlugin::sink::<HungSink>(),
    ConnectorPlugin::sink::<BrokenSink>(),
    ConnectorPlugin::sink::<GreedySink>(),
];

/// What a task's `put` does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Put {
    Nothing,
    Fail,
    Panic,
    Hang,
}

#[derive(Debug)]
pub(crate) struct Task(Put);

impl SinkTask for Task {
    async fn start(&mut self, _: &SinkContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        if batch.runs.is_empty() {
            return Ok(());
        }
        match self.0 {
            Put::Nothing => Ok(()),
            Put::Fail => Err(Error::fatal("the disk of the test is full")),
            Put::Panic => panic!("the test's sink panics"),
            Put::Hang => {
                HUNG.hang();
                Ok(())
            }
        }
    }
}

/// Blocks the thread of whoever comes in, until released.
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_reached: bool,
    is_open: bool,
}

pub(crate) static HUNG: Gate =
    Gate { state: Mutex::new(State { is_reached: false, is_open: false }), changed: Condvar::new() };

impl Gate {
    fn hang(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_reached = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.is_open).unwrap());
    }

    /// Waits until somebody hangs.
    pub(crate) fn wait(&self) {
        let state = self.state.lock().unwrap();
        let (state, late) =
            self.changed.wait_timeout_while(state, super::PATIENCE, |state| !state.is_reached).unwrap();
        drop(state);
        assert!(!late.timed_out(), "nobody hangs");
    }

    /// Lets everybody go on.
    pub(crate) fn release(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }
}

macro_rules! sink {
    ($name:ident, $put:expr, $starts:expr, $tasks:expr) => {
        #[derive(Debug)]
        pub(crate) struct $name(Props);

        impl SinkConnector for $name {
            type Task = Task;
            const CLASS: &'static str = concat!("test.", stringify!($name), "Connector");
            const TASK_CLASS: &'static str = concat!("test.", stringify!($name), "Task");
            const VERSION: &'static str = "1.0";

            fn config_def() -> ConfigDef {
                ConfigDef::default()
            }

            fn start(config: Config) -> Result<Self> {
                if $starts {
                    Ok($name(config.originals().clone()))
                } else {
                    Err(Error::fatal("no license for this test"))
                }
            }

            fn task_props(&self, _: usize) -> Result<Vec<Props>> {
                Ok(vec![self.0.clone(); $tasks])
            }

            fn create_task(_: &Props) -> Result<Task> {
                Ok(Task($put))
            }
        }
    };
}

sink!(FailingSink, Put::Fail, true, 1);
sink!(PanickingSink, Put::Panic, true, 1);
sink!(HungSink, Put::Hang, true, 1);
sink!(BrokenSink, Put::Nothing, false, 1);
sink!(GreedySink, Put::Nothing, true, 3);
