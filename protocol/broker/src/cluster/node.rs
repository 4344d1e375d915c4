//! A node of the cluster, as clients are told about it.

/// One broker node. Several may live in one process and share the cluster's state.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// False while it is stopped: nobody reaches it, and it leads and coordinates nothing.
    pub(crate) is_running: bool,
}
