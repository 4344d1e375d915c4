//! Administration: what programs ask of a cluster beside moving records. Knows nothing of producers and consumers.
//!
//! Every operation retries what may be retried until its deadline, item by item: a topic that could not be created does not stop
//! the others, and only what failed for now is sent again. Items are answered in order, those that are named twice as well.

mod topics;

mod configs;

mod offsets;

mod records;

mod groups;

mod group_offsets;

mod producers;

mod acls;

mod operations;

pub use acls::{AclBinding, AclFilter, AclOperation, AclPermission, PatternType, ResourceType};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource};
pub use group_offsets::GroupOffsets;
pub use groups::{GroupDescription, GroupListing, GroupMember};
pub use offsets::{IsolationLevel, ListedOffset, OffsetSpec};
pub use operations::{Admin, ClusterDescription};
pub use producers::FencedProducers;
pub use topics::{CreatedTopic, NewTopic};
