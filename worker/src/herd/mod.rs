//! The herder: which connectors exist, what each should be doing, and what it is doing.
//!
//! ```text
//!  REST, command line ── Command ──┐                          ┌── Action ──▶ connector threads, engine tasks
//!                                  ▼                          │
//!                           [ machine: pure state machine ] ──┤
//!                                  ▲                          │
//!  connector and task events ──────┘                          └── Reply ──▶ whoever asked
//! ```
//!
//! [`standalone::Herd`] has no clock, thread or socket: `step(event, now) → actions`. [`Herder`] is the thin shell around it that performs
//! the actions on the control thread, with the parts in `local`. [`distributed::Cluster`] is the machine of a worker in a cluster; its shell has
//! the topics and the group beside. What one connector waits for (a start that hangs, a task that won't stop)
//! delays nobody but itself, and only until a limit.

mod event;

mod state;

mod view;

mod retry;

mod hidden;

mod herder;

mod local;

mod standalone;

pub mod distributed;

pub use event::{Action, Command, CommandKind, Epoch, Event, Outcome, Refusal, Token};
pub use herder::{Herder, HerderConfig};
pub(crate) use local::{MeasuredTask, Startups};
pub use local::{OffsetRequest, RequestedOffset};
pub(crate) use local::{plan_source_offsets, shown_source_offsets};
pub use retry::RestartInfo;
pub use standalone::Herd;
pub use state::{State, Status};
pub use view::{
    ConfigInfo, ConnectorInfo, ConnectorStateInfo, InstanceState, TaskIdInfo, TaskInfo, TaskStateInfo,
};
pub(crate) use view::{MeasuredConnector, View};
