//! Which topics the offsets of a source connector are kept in (Java: `Worker#offsetStoreFor…`, `ConnectorOffsetBackingStore`).
//!
//! | | regular | exactly once |
//! | --- | --- | --- |
//! | no `offsets.storage.topic` | the worker's store | a topic of the worker's name, by the connector's own clients |
//! | the worker's topic on the worker's brokers | that topic, by the connector's own clients | the same |
//! | another topic, or other brokers | the connector's topic, what it lacks from the worker's | the same |

use std::fmt;
use std::sync::Arc;

use api::{Props, Result};
use bytes::Bytes;
use engine::offset::{OffsetEntry, OffsetStore, StoreFuture};
use indexmap::IndexMap;
use protocol::client::admin::Admin;
use protocol::client::producer::ProducerConfig;
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;

use super::KafkaOffsetStore;
use super::offset_store::canonical;
use super::topic_log::{LogSettings, StoreError};
use crate::config::{
    DistributedConfig, ExactlyOnceSupport, InternalTopic, WorkerConfig, connector_admin, offsets_consumer,
    producer, transactional_producer,
};

/// Where a source connector's offsets are.
#[derive(Debug, Clone)]
pub struct OffsetsPlace {
    /// The topic.
    pub topic: Arc<str>,
    /// It is the worker's, on the worker's brokers: nothing is written to a second store.
    pub is_workers: bool,
    /// The worker's own store reads and writes it. With exactly-once support that reads only what is committed, and so serves connectors
    /// that say nothing of their clients, too: Java gives each of their tasks a consumer of the whole topic.
    pub is_shared: bool,
    connector: Arc<str>,
    props: Props,
    producer: (ClusterConfig, ProducerConfig),
}

impl OffsetsPlace {
    /// Where they are by the connector's configuration.
    ///
    /// # Errors
    /// Settings of the connector's producer that are wrong.
    pub fn of(
        worker: &WorkerConfig,
        distributed: &DistributedConfig,
        connector: &Arc<str>,
        props: &Props,
    ) -> Result<OffsetsPlace> {
        let own =
            props.get("offsets.storage.topic").map(|topic| topic.trim()).filter(|topic| !topic.is_empty());
        let of_workers_name = distributed.offset_topic.name.as_str();
        let is_exactly_once = distributed.exactly_once == ExactlyOnceSupport::Enabled;
        let name = own.unwrap_or(of_workers_name);
        let producer = producer(worker, format!("connector-producer-{connector}"), props)?;
        let is_workers = name == of_workers_name && same(&producer.0.bootstrap, &worker.bootstrap);
        let has_clients = || {
            let of_clients = ["consumer.override.", "admin.override."];
            props.keys().any(|key| of_clients.iter().any(|prefix| key.starts_with(prefix)))
        };
        let is_shared =
            if is_exactly_once { is_workers && own.is_none() && !has_clients() } else { own.is_none() };
        Ok(OffsetsPlace {
            topic: name.into(),
            is_workers: is_workers || is_shared,
            is_shared,
            connector: Arc::clone(connector),
            props: props.clone(),
            producer,
        })
    }

    /// The same place for a change from outside with exactly-once support: written in transactions of the connector's first task, so that
    /// a former one that is still awake cannot overwrite it (`Worker#modifySourceConnectorOffsets`).
    ///
    /// # Errors
    /// Settings of the connector's producer that are wrong.
    pub fn to_change(self, worker: &WorkerConfig, distributed: &DistributedConfig) -> Result<OffsetsPlace> {
        let client_id = format!("connector-producer-{}-0", self.connector);
        let transactional_id = distributed.task_transactional_id(&self.connector, 0);
        let producer = transactional_producer(worker, client_id, &self.props, &transactional_id)?;
        Ok(OffsetsPlace { producer, is_shared: false, ..self })
    }

    /// The store there, `of_worker` being the worker's own. Within a `LocalSet`, which serves it.
    ///
    /// # Errors
    /// Settings of the connector that are wrong; a topic that cannot be used.
    pub async fn open(
        &self,
        env: &Env,
        worker: &WorkerConfig,
        distributed: &DistributedConfig,
        of_worker: Arc<dyn OffsetStore>,
    ) -> Result<Arc<dyn OffsetStore>, StoreError> {
        if self.is_shared {
            return Ok(of_worker);
        }
        let wrong = |error: api::Error| StoreError::Config(error.message().to_owned());
        let OffsetsPlace { connector, props, .. } = self;
        let id = |kind: &str| format!("connector-{kind}-{connector}");
        let is_exactly_once = distributed.exactly_once == ExactlyOnceSupport::Enabled;
        let settings = LogSettings {
            consumer: offsets_consumer(worker, id("consumer"), props, is_exactly_once).map_err(wrong)?,
            producer: self.producer.clone(),
        };
        let (cluster, admin) = connector_admin(worker, id("adminclient"), props).map_err(wrong)?;
        let admin = Admin::new(Cluster::new(env.clone(), cluster)).with_timeout(admin.api_timeout);
        let topic = InternalTopic { name: self.topic.to_string(), ..distributed.offset_topic.clone() };
        let primary: Arc<dyn OffsetStore> =
            Arc::new(KafkaOffsetStore::open(env, &admin, settings, &topic).await?);
        if self.is_workers {
            return Ok(primary);
        }
        Ok(Arc::new(ConnectorOffsets { primary, secondary: of_worker }))
    }
}

fn same(one: &[HostPort], other: &[HostPort]) -> bool {
    one.iter().all(|server| other.contains(server)) && other.iter().all(|server| one.contains(server))
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
