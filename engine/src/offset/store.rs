//! The seam to where source offsets are kept: a file in standalone mode, a Kafka topic in distributed mode.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use bytes::Bytes;

use super::decode_partition_key;

/// A key and its new value; `None` forgets the key (a tombstone in Kafka).
pub type OffsetEntry = (Bytes, Option<Bytes>);

/// The future of a store operation. It may cross threads: tasks live on data cores, stores on the control thread.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = api::Result<T>> + Send>>;

/// Keeps source offsets as opaque bytes: keys and values are what Java's internal JsonConverter writes, see
/// [`encode_partition_key`](super::encode_partition_key) and [`encode_offset`](super::encode_offset).
pub trait OffsetStore: Send + Sync {
    /// The value of each key, in the order asked.
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>>;

    /// Everything stored for a connector, keys as they are stored.
    fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>>;

    /// Stores all entries or none. Resolves once they are durable.
    fn set(&self, entries: Vec<OffsetEntry>) -> StoreFuture<()>;
}

/// Those of `entries` that are the connector's.
pub fn of_connector<'a>(
    entries: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
    connector: &str,
) -> Vec<(Bytes, Bytes)> {
    let is_of = |key: &Bytes| decode_partition_key(key).is_some_and(|(owner, _)| owner == connector);
    entries.filter(|(key, _)| is_of(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Keeps offsets as long as the process lives: for tests, and for pipelines that need no resume.
#[derive(Debug, Default)]
pub struct MemoryOffsetStore {
    entries: Mutex<HashMap<Bytes, Bytes>>,
}

impl OffsetStore for MemoryOffsetStore {
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
        let entries = self.entries.lock().expect("no user of the map panics");
        let found = keys.iter().map(|key| entries.get(key).cloned()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
        let entries = self.entries.lock().expect("no user of the map panics");
        let found = of_connector(entries.iter(), connector);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn set(&self, new: Vec<OffsetEntry>) -> StoreFuture<()> {
        let mut entries = self.entries.lock().expect("no user of the map panics");
        for (key, value) in new {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
