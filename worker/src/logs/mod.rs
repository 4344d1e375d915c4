//! Logging: which lines are written, and how they look.
//!
//! ```text
//!  event ─▶ levels (one look per call site, until a level changes) ─▶ lines ─▶ standard output
//!              ▲
//!  REST, AQUEDUCT_LOG ─▶ Loggers: levels by name, under Java's names for the parts that Java has
//! ```
//!
//! A call site that is off costs a load and a comparison: nothing looks up a name while records move.

mod names;

mod levels;

mod filter;

mod lines;

pub use filter::loggers;
pub use levels::{Level, LoggerLevel, Loggers, TooMany};
pub use lines::{Output, start};
pub(crate) use lines::{Time, civil};
