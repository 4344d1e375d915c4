//! The data plane: batches in, batches out.
//!
//! ```text
//!  source task ─ poll ─▶ convert ─▶ producer ─▶ Kafka        Kafka ─▶ consumer ─▶ index / convert ─▶ put ─ sink task
//!        ▲                            │ acks                              │                          │
//!        └── offset store ◀─ ledger ◀─┘                  offset commit ◀──┴───────── watermarks ◀────┘
//! ```
//!
//! Every task runs on one pinned executor ([`rt`]) with broker connections of its own; what it moves are whole batches.
//! The worker above decides which tasks run ([`task`] is its handle on them); nothing in here knows of REST, configuration
//! files or clusters of workers.

pub mod rt;

pub mod convert;

pub mod metrics;

pub mod topics;

pub mod offset;

pub mod pipeline;

pub mod connector;

pub mod task;

pub mod transform;

pub mod planted;

pub use task::Engine;
