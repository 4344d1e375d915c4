//! Source offsets: the ledger that knows which are safe to commit, their JSON form, and the seam to where they are kept.

mod internal_json;
mod ledger;
mod store;

pub use internal_json::{decode_offset, decode_partition_key, encode_offset, encode_partition_key};
pub use ledger::{Ledger, Token};
pub use store::{MemoryOffsetStore, OffsetEntry, OffsetStore, StoreFuture, of_connector};
