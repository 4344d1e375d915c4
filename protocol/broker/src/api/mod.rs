//! The requests that the broker answers, one file per API key: the list of files is the list of what is served.
//!
//! Each file has the same shape: the versions it answers, `handle`, and `refuse`, the answer that carries one error code
//! everywhere (for injected faults). [`served`] is the table that `ApiVersions` and the dispatcher read.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api_versions;
mod call;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod fetch_response;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod served;
mod sync_group;
mod txn_offset_commit;
mod write_txn_markers;

pub(crate) use call::Call;
pub(crate) use served::dispatch;
