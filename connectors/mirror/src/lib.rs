//! Topics of one Kafka cluster copied to another: MirrorMaker 2's `MirrorSourceConnector` (KIP-382).
//!
//! ```text
//!  source cluster ── consumer ─► record batches as they came ─► engine: producer of the task ─► target cluster
//!        ▲                                                                   │
//!        └── topics, partitions, configurations, ACLs ── watcher             └─ acknowledged ─► offset syncs
//! ```
//!
//! * A source partition is `{"cluster": <alias>, "partition": <n>, "topic": <name>}`, its offset `{"offset": <upstream offset>}`. A task
//!   goes on after the stored one; without one where `auto.offset.reset` says, by default at the beginning.
//! * Delivery is at least once; exactly once where the worker does its part and the source consumer reads committed records only.
//! * Batches are not taken apart here. The engine hands them to its producer as they are, still compressed, or takes them apart where
//!   a transform or a converter looks into them.
//! * The connector has one thread, the watcher, with clients of both clusters. It lives as long as the connector.

mod acls;
mod clients;
mod config;
mod configs;
mod filter;
mod offset_sync;
mod offsets;
mod policy;
mod source;
mod sync_writer;
mod task;
mod topics;
mod watcher;

pub use source::MirrorSource;
pub use task::MirrorSourceTask;

/// Version that the connector reports: that of the Java release whose behaviour it follows.
const VERSION: &str = "4.3.0";
