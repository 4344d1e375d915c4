//! The worker's metrics: what is measured, under which names, and how it is shown.
//!
//! ```text
//!  tasks (engine::metrics) ─┐
//!  herd::measured ──────────┼─▶ tables (names, words) ─▶ scrape ─▶ page (text) ─▶ GET /metrics
//!  clients on executors ────┘
//! ```

mod clients;
#[cfg(test)]
mod docs;
mod page;
mod scrape;
mod tables;
mod watch;
mod watchdog;

pub(crate) use page::Format;
pub(crate) use scrape::{Scraper, Wanted};
pub(crate) use watch::watch;
