//! What tasks count and measure: written once per batch without locks, read by anyone.

mod lag;
mod observe;
mod stage;
mod state;
mod task;
mod version;
mod window;

pub use lag::{Lags, PartitionLag};
pub(crate) use observe::register;
pub use observe::{Look, Observed, Observer};
pub use stage::{Stage, Stages};
pub use state::Life;
pub(crate) use state::LifeState;
pub(crate) use task::millis;
pub use task::{Counter, ErrorMetrics, Latest, TaskMetrics};
pub use window::{Reading, Windowed};
