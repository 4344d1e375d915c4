//! The embedded Kafka broker: a whole cluster in the memory of one thread, for the quickstart, for tests, and as the
//! simulator's world. Any Kafka client works with it unmodified.
//!
//! ```text
//!   TCP, in-process pipes, any byte stream
//!        │
//!        ▼
//!   server/   one task per connection: frame in, answer out, in order        (faults are injected here)
//!        │         └── security/  who the client is, where users are set; TLS
//!        │
//!        ▼
//!   api/      one file per API key                                            (waits for appends and joins here)
//!        │
//!        ├──► cluster/  nodes, topics, configurations, fetch sessions
//!        │        └──► log/    batches as received, by offset; idempotent producers, aborted transactions
//!        ├──► group/    groups as pure state machines, committed offsets
//!        └──► transaction/  transactional ids as pure state machines
//! ```
//!
//! It keeps all data in memory, up to [`Builder::memory_bytes_max`], and says so when it starts. Record batches are
//! stored as they were received and sent from where they are stored. A waiting fetch is woken by the append that it waits
//! for. Nothing here is global: nodes, leaders and coordinators are part of the cluster's state.
//!
//! ```no_run
//! let broker = broker::Broker::builder().spawn_thread("127.0.0.1:0")?;
//! println!("bootstrap.servers={}", broker.bootstrap_servers());
//! # Ok::<(), std::io::Error>(())
//! ```

#![warn(missing_docs)]

mod config;

mod broker;

mod faults;

mod server;

mod api;

mod cluster;

mod group;

mod log;

mod memory;

mod refusal;

mod security;

mod text;

mod transaction;

pub use broker::Broker;
pub use config::Builder;
pub use faults::{Fault, Faults};
pub use server::{BrokerHandle, InProcessDialer, Pipe};
