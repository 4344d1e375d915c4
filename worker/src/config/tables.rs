//! The worker's tables for those who write about them.

use api::ConfigDef;

use super::{aqueduct_table, connector_table, distributed_table, worker_table};

/// A table and what it is of.
#[derive(Debug)]
pub struct Documented {
    /// `worker`, `distributed` (what that has beyond `worker`), `sink`, `source` or `aqueduct`.
    pub name: &'static str,
    /// Its keys.
    pub def: ConfigDef,
}

/// Every table of the worker's own: those of Java's framework, then the keys that only Aqueduct has.
pub fn documented() -> Vec<Documented> {
    vec![
        Documented { name: "worker", def: worker_table::standalone() },
        Documented { name: "distributed", def: distributed_table::own() },
        Documented { name: "sink", def: connector_table::table(false) },
        Documented { name: "source", def: connector_table::table(true) },
        Documented { name: "aqueduct", def: aqueduct_table::table() },
    ]
}
