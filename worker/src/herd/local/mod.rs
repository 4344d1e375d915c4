//! What a worker runs itself, whichever machine decides: connector instances and tasks, variables of their configurations, offsets
//! changed by request, topics used, what there is to measure.

mod running;

mod instances;

mod tasks;

mod task_spec;

mod resolving;

mod measured;

mod offsets;

mod topics;

mod reconfigurations;

pub(crate) use measured::{Measured, MeasuredTask, Startups};
pub(crate) use offsets::Owner;
pub use offsets::{OffsetRequest, RequestedOffset};
pub(super) use offsets::{offsets_changed, still_running};
pub(crate) use offsets::{plan_source_offsets, shown_source_offsets};
pub(super) use reconfigurations::Reconfigurations;
pub(super) use running::Running;
