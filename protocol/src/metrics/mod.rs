//! What clients count about themselves: windows of samples, and tables of metrics under Java's names. Knows no client.
//!
//! ```text
//!  net, cluster, client ──record(value, now)──► Stat (sums, and a few windows of samples)
//!                                                 │
//!  visit_metrics ◄── group, name, tags, value ◄── table (name, unit, words, how to read it)
//! ```
//!
//! Counted is per request, per response and per batch, never per record, in plain fields: a client lives on one thread. Averages,
//! maxima and rates are computed when somebody asks.

mod config;

mod stat;

mod table;

pub use config::MetricsConfig;
pub use table::{Client, Definition, MemberGroups, Metric, Tag, Unit};

pub(crate) use stat::{Elapsed, Stat, millis};
pub(crate) use table::{Report, Row, define, row};
