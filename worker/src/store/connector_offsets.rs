//! Which topics the offsets of a source connector are kept in (Java: `Worker#offsetStoreFor…`, `ConnectorOffsetBackingStore`).
//!
//! | | regular | exactly once |
//! | --- | --- | --- |
//! | no `offsets.storage.topic` | the worker's store | a topic of the worker's name, by the connector's own clients |
//! | the worker's topic on the worker's brokers | that topic, by the connector's own clients | the same |
//! | another topic, or other brokers | the connector's topic, what it lacks from the worker's | the same |

use std::fmt;
use std::sync::Arc;

use api::Props;
use bytes::Bytes;
use engine::offset::{OffsetEntry, OffsetStore, StoreFuture};
use indexmap::IndexMap;
use protocol::client::admin::Admin;
use protocol::cluster::{Cluster, HostPort};
use protocol::net::Env;

use super::KafkaOffsetStore;
use super::offset_store::canonical;
use super::topic_log::{LogSettings, StoreError};
use crate::config::{
    DistributedConfig, InternalTopic, WorkerConfig, connector_admin, offsets_consumer, producer,
};

/// Where a connector's offsets are.
#[derive(Clone)]
pub struct ConnectorStore {
    /// Reads, and writes for tasks that are not exactly once.
    pub store: Arc<dyn OffsetStore>,
    /// The topic that exactly-once tasks write to themselves.
    pub topic: Arc<str>,
    /// Where they write once more after they have committed.
    pub secondary: Option<Arc<dyn OffsetStore>>,
}

/// Opens what a connector's offsets are kept in, of_worker being the worker's own store. Within a `LocalSet`, which serves it.
///
/// # Errors
/// Settings of the connector that are wrong; a topic that cannot be used.
pub async fn open_connector_offsets(
    env: &Env,
    worker: &WorkerConfig,
    distributed: &DistributedConfig,
    of_worker: Arc<dyn OffsetStore>,
    connector: &str,
    props: &Props,
    is_exactly_once: bool,
) -> Result<ConnectorStore, StoreError> {
    let own = props.get("offsets.storage.topic").map(|topic| topic.trim()).filter(|topic| !topic.is_empty());
    let of_workers_name = distributed.offset_topic.name.as_str();
    let name = match own {
        None if !is_exactly_once => {
            let topic = of_workers_name.into();
            return Ok(ConnectorStore { store: of_worker, topic, secondary: None });
        }
        own => own.unwrap_or(of_workers_name),
    };
    let wrong = |error: api::Error| StoreError::Config(error.message().to_owned());
    let id = |kind: &str| format!("connector-{kind}-{connector}");
    let settings = LogSettings {
        consumer: offsets_consumer(worker, id("consumer"), props, is_exactly_once).map_err(wrong)?,
        producer: producer(worker, id("producer"), props).map_err(wrong)?,
    };
    let is_workers = name == of_workers_name && same(&settings.producer.0.bootstrap, &worker.bootstrap);
    let (cluster, admin) = connector_admin(worker, id("adminclient"), props).map_err(wrong)?;
    let admin = Admin::new(Cluster::new(env.clone(), cluster)).with_timeout(admin.api_timeout);
    let topic = InternalTopic { name: name.to_owned(), ..distributed.offset_topic.clone() };
    let primary: Arc<dyn OffsetStore> =
        Arc::new(KafkaOffsetStore::open(env, &admin, settings, &topic).await?);
    let topic = name.into();
    if is_workers {
        return Ok(ConnectorStore { store: primary, topic, secondary: None });
    }
    let secondary = Some(Arc::clone(&of_worker));
    Ok(ConnectorStore {
        store: Arc::new(ConnectorOffsets { primary, secondary: of_worker }),
        topic,
        secondary,
    })
}

fn same(one: &[HostPort], other: &[HostPort]) -> bool {
    one.iter().all(|server| other.contains(server)) && other.iter().all(|server| one.contains(server))
}

impl fmt::Debug for ConnectorStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorStore")
            .field("topic", &self.topic)
            .field("has_secondary", &self.secondary.is_some())
            .finish_non_exhaustive()
    }
}

/// The offsets of a connector that has a topic of its own, beside the worker's: what its topic does not have is found in the worker's.
#[derive(Clone)]
pub struct ConnectorOffsets {
    /// The connector's.
    pub primary: Arc<dyn OffsetStore>,
    /// The worker's.
    pub secondary: Arc<dyn OffsetStore>,
}

impl fmt::Debug for ConnectorOffsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorOffsets").finish_non_exhaustive()
    }
}

impl OffsetStore for ConnectorOffsets {
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
        let (first, second) = (self.primary.get(keys.clone()), self.secondary.get(keys));
        Box::pin(async move {
            let (first, second) = (first.await?, second.await?);
            Ok(first.into_iter().zip(second).map(|(first, second)| first.or(second)).collect())
        })
    }

    fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
        let (first, second) = (self.primary.entries(connector), self.secondary.entries(connector));
        Box::pin(async move {
            let mut merged: IndexMap<Bytes, (Bytes, Bytes)> = IndexMap::new();
            for (key, value) in second.await?.into_iter().chain(first.await?) {
                merged.insert(canonical(&key), (key, value));
            }
            Ok(merged.into_values().collect())
        })
    }

    /// The connector's topic counts. Tombstones go to the worker's first: else its older offset would come to light once the connector's
    /// has gone.
    fn set(&self, entries: Vec<OffsetEntry>) -> StoreFuture<()> {
        let (primary, secondary) = (Arc::clone(&self.primary), Arc::clone(&self.secondary));
        Box::pin(async move {
            let (tombstones, others): (Vec<_>, Vec<_>) =
                entries.iter().cloned().partition(|(_, value)| value.is_none());
            if !tombstones.is_empty() {
                secondary.set(tombstones).await?;
            }
            primary.set(entries).await?;
            if !others.is_empty() {
                // Its store goes on with it, and says so where it fails.
                drop(secondary.set(others));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use api::Error;
    use engine::offset::MemoryOffsetStore;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// A store that is slow, or refuses.
    #[derive(Default)]
    struct Refusing(MemoryOffsetStore);

    impl OffsetStore for Refusing {
        fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
            self.0.get(keys)
        }

        fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
            self.0.entries(connector)
        }

        fn set(&self, _entries: Vec<OffsetEntry>) -> StoreFuture<()> {
            Box::pin(std::future::ready(Err(Error::retriable("refused"))))
        }
    }

    #[test]
    fn a_connectors_offsets_override_the_workers() {
        let (own, of_worker) =
            (Arc::new(MemoryOffsetStore::default()), Arc::new(MemoryOffsetStore::default()));
        let (one, two) = (bytes(r#"["c",{"f":"1"}]"#), bytes(r#"["c",{"f":"2"}]"#));
        run(of_worker
            .set(vec![(one.clone(), Some(bytes("{\"w\":1}"))), (two.clone(), Some(bytes("{\"w\":2}")))]))
        .unwrap();
        run(own.set(vec![(one.clone(), Some(bytes("{\"c\":1}")))])).unwrap();
        let both = ConnectorOffsets {
            primary: Arc::<MemoryOffsetStore>::clone(&own),
            secondary: Arc::<MemoryOffsetStore>::clone(&of_worker),
        };
        let found = run(both.get(vec![one.clone(), two.clone()])).unwrap();
        assert_eq!(found, [Some(bytes("{\"c\":1}")), Some(bytes("{\"w\":2}"))]);
        assert_eq!(run(both.entries("c")).unwrap().len(), 2);

        run(both.set(vec![(one.clone(), Some(bytes("{\"c\":9}"))), (two.clone(), None)])).unwrap();
        let found = run(both.get(vec![one.clone(), two.clone()])).unwrap();
        assert_eq!(found, [Some(bytes("{\"c\":9}")), None], "the worker's older offset has gone, too");
        assert_eq!(
            run(of_worker.get(vec![one])).unwrap(),
            [Some(bytes("{\"c\":9}"))],
            "and has a copy of the rest"
        );
    }

    #[test]
    fn tombstones_that_the_worker_does_not_take_are_not_written_at_all() {
        let own = Arc::new(MemoryOffsetStore::default());
        let key = bytes(r#"["c",{"f":"1"}]"#);
        run(own.set(vec![(key.clone(), Some(bytes("{}")))])).unwrap();
        let both = ConnectorOffsets {
            primary: Arc::<MemoryOffsetStore>::clone(&own),
            secondary: Arc::new(Refusing::default()),
        };
        assert!(run(both.set(vec![(key.clone(), None)])).is_err());
        assert_eq!(run(own.get(vec![key.clone()])).unwrap(), [Some(bytes("{}"))]);
        run(both.set(vec![(key, Some(bytes("{\"p\":1}")))])).unwrap();
    }
}
