//! The herder of a standalone worker: which connectors exist, what each should be doing, and what it is doing.
//!
//! ```text
//!  REST, command line ── Command ──┐                       ┌── Action ──▶ connector threads, engine tasks
//!                                  ▼                       │
//!                           [ Herd: pure state machine ] ──┤
//!                                  ▲                       │
//!  connector and task events ──────┘                       └── Reply ──▶ whoever asked
//! ```
//!
//! [`Herd`] has no clock, thread or socket: `step(event, now) → actions`. [`Herder`] is the thin shell around it that performs
//! the actions on the control thread. What one connector waits for (a start that hangs, a task that won't stop) delays
//! nobody but itself, and only until a limit.

mod event;

mod connector;

mod steps;

mod displaced;

mod machine;

mod view;

mod measured;

mod hidden;

mod resolving;

mod shell;

mod task_spec;

mod offsets;

mod topics;

mod restart;

pub use connector::{State, Status};
pub use event::{Action, Command, CommandKind, Epoch, Event, Outcome, Refusal, Token};
pub use machine::Herd;
pub(crate) use measured::{MeasuredConnector, MeasuredTask, Startups};
pub use offsets::{OffsetRequest, RequestedOffset};
pub(crate) use offsets::{plan_source_offsets, shown_source_offsets};
pub use restart::RestartInfo;
pub use shell::{Herder, HerderConfig};
pub use view::{
    ConfigInfo, ConnectorInfo, ConnectorStateInfo, InstanceState, TaskIdInfo, TaskInfo, TaskStateInfo,
};

#[cfg(test)]
mod tests;
