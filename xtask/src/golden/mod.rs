//! Golden answers: a transcript of requests, what Java's worker answered to each, and the comparison with ours.
//!
//! ```text
//! worker/tests/golden/transcript/*.txt ──► Theme (steps) ──► play ──► http ──► a worker
//!        ▲   requests and Java's answers                      │
//!        └── `cargo xtask golden` writes the answers ◄── render, normalise ──► worker/tests/golden: compares ours
//! ```
//!
//! Recording and replay run the same code from the step to the rendered lines; only the worker at the other end differs.

mod answer;
mod http;
mod listings;
mod play;
mod render;
mod theme;

pub mod command;

pub use answer::Normaliser;
pub use http::{Answer, Request};
pub use listings::Listings;
pub use play::{Player, worker_properties};
pub use render::{Dictionary, Renderer};
pub use theme::{Step, Theme, transcript_dir};
