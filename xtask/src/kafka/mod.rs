//! A real Apache Kafka for tests: its jars from Maven Central into the cache, one broker or cluster per caller on free ports.
//!
//! ```text
//! Libs::fetch ──► ~/.cache/aqueduct/kafka-4.3.0/{lock, libs/*.jar, test-plugins/*.jar, complete}
//!      ├─► Broker::start ───► format storage ──► KRaft node ──► "Kafka Server started" ──► bootstrap address
//!      └─► Cluster::start ──► the same for several nodes, which can be killed and started one by one
//! ```

pub mod command;

mod cluster;
mod config;
mod libs;
mod node;

pub use cluster::Cluster;
pub use config::{ClusterConfig, Listener};
pub use libs::{LIBS_VARIABLE, Libs, VERSION};
pub use node::{BOOTSTRAP_VARIABLE, Broker, Node};
