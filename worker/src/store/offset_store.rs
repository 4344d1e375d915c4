//! Source offsets in a topic (Java: `KafkaOffsetBackingStore`, `ConnectorOffsetBackingStore`).
//!
//! Tasks live on data cores, the topic's clients on the control thread: a store is the sending end of a channel to there. A read first
//! reads the topic to its end, so that a task that was moved here sees what its last owner wrote; reads that wait at the same time share that.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use api::{Error, Value};
use bytes::Bytes;
use engine::offset::{OffsetEntry, OffsetStore, StoreFuture, decode_partition_key, encode_partition_key};
use indexmap::IndexMap;
use protocol::client::admin::Admin;
use protocol::net::Env;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, spawn_local};

use super::LogRecord;
use super::topic_log::{LogClients, LogReader, LogSettings, Purpose, StoreError, TopicLog};
use crate::config::{DistributedConfig, ExactlyOnceSupport, InternalTopic, WorkerConfig};

type Answer<T> = oneshot::Sender<api::Result<T>>;

/// What is asked of the control thread.
enum Request {
    Get(Vec<Bytes>, Answer<Vec<Option<Bytes>>>),
    Entries(String, Answer<Vec<(Bytes, Bytes)>>),
    Set(Vec<OffsetEntry>, Answer<()>),
}

/// A store in one topic. Dropping it ends its clients.
#[derive(Debug)]
pub struct KafkaOffsetStore {
    requests: mpsc::UnboundedSender<Request>,
    server: AbortHandle,
}

/// The offsets of a topic, by key. Partitions with several fields may be written in any order of them: they are found by what they say,
/// and written under the key that is there.
#[derive(Debug, Default)]
struct Offsets {
    /// By key as stored.
    entries: IndexMap<Bytes, Bytes>,
    /// Keys as stored, the one written last at the end, by their canonical form.
    keys: IndexMap<Bytes, Vec<Bytes>>,
}

impl Offsets {
    fn apply(&mut self, key: &[u8], value: Option<&[u8]>) {
        let key = Bytes::copy_from_slice(key);
        let canonical = canonical(&key);
        let stored = self.keys.entry(canonical.clone()).or_default();
        stored.retain(|other| *other != key);
        match value {
            Some(value) => {
                stored.push(key.clone());
                self.entries.insert(key, Bytes::copy_from_slice(value));
            }
            None => {
                self.entries.swap_remove(&key);
                if stored.is_empty() {
                    self.keys.swap_remove(&canonical);
                }
            }
        }
    }

    fn get(&self, key: &Bytes) -> Option<Bytes> {
        let stored = self.keys.get(&canonical(key))?.last()?;
        self.entries.get(stored).cloned()
    }

    /// The newest offset of each partition of a connector, in the order in which they were first written.
    fn of(&self, connector: &str) -> Vec<(Bytes, Bytes)> {
        let is_of = |key: &Bytes| decode_partition_key(key).is_some_and(|(owner, _)| owner == connector);
        let stored = self.keys.values().filter_map(|keys| keys.last());
        stored
            .filter(|key| is_of(key))
            .filter_map(|key| Some((key.clone(), self.entries.get(key)?.clone())))
            .collect()
    }

    /// The records that change these entries.
    fn records(&self, entries: Vec<OffsetEntry>) -> Vec<LogRecord> {
        let mut records = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let stored = self.keys.get(&canonical(&key)).map(Vec::as_slice).unwrap_or_default();
            match (value, stored) {
                (Some(value), []) => records.push(LogRecord::new(key, value)),
                (Some(value), [.., last]) => records.push(LogRecord::new(last.clone(), value)),
                (None, []) => records.push(LogRecord::tombstone(key)),
                // All of them: an older one must not come to light.
                (None, all) => records.extend(all.iter().cloned().map(LogRecord::tombstone)),
            }
        }
        records
    }
}

/// The key with its fields by name; the key itself where it is no key of ours.
pub(super) fn canonical(key: &Bytes) -> Bytes {
    let Some((connector, partition)) = decode_partition_key(key) else { return key.clone() };
    let Some([_, _, ..]) = partition.entries() else { return key.clone() };
    let mut fields: Vec<(Arc<str>, Value)> = partition.entries().unwrap_or_default().to_vec();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    encode_partition_key(&connector, &api::SourcePartition::new(fields)).unwrap_or_else(|_odd| key.clone())
}

struct Reader(Rc<RefCell<Offsets>>);

impl LogReader for Reader {
    fn record(&mut self, _offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        match key {
            Some(key) => self.0.borrow_mut().apply(key, value),
            None => tracing::warn!("Ignoring an offset without key"),
        }
    }

    fn batch_ended(&mut self) {}
}

impl KafkaOffsetStore {
    /// The worker's own store: makes or checks its topic and reads it to its end. Within a `LocalSet`, which serves it.
    ///
    /// # Errors
    /// In Java's words: the topic cannot be used, or its brokers not be reached.
    pub async fn start(
        env: &Env,
        worker: &WorkerConfig,
        distributed: &DistributedConfig,
        admin: &Admin,
    ) -> Result<KafkaOffsetStore, StoreError> {
        let is_exact = distributed.exactly_once == ExactlyOnceSupport::Enabled;
        let settings = LogSettings::of_worker(
            worker,
            distributed,
            "offsets",
            is_exact,
            &[("delivery.timeout.ms", "2147483647")],
        )
        .map_err(|error| StoreError::Config(error.message().to_owned()))?;
        Self::open(env, admin, settings, &distributed.offset_topic).await
    }

    /// A store with these clients, on any topic: a connector's own. Where the producer has a `transactional.id` it takes that over before
    /// anything is read, and each [`set`](OffsetStore::set) is a transaction; one at a time.
    ///
    /// # Errors
    /// As [`KafkaOffsetStore::start`]; the `transactional.id` is refused.
    pub async fn open(
        env: &Env,
        admin: &Admin,
        settings: LogSettings,
        topic: &InternalTopic,
    ) -> Result<KafkaOffsetStore, StoreError> {
        let offsets = Rc::new(RefCell::new(Offsets::default()));
        let is_transactional = settings.producer.1.transactional_id.is_some();
        let clients = LogClients::new(env, admin, settings)?;
        if is_transactional {
            clients.init_transactions().await.map_err(|error| {
                let message = format!("failed to take over the transactional id for offsets: {error}");
                StoreError::Failed { message, source: error.cause().cloned() }
            })?;
        }
        let log = TopicLog::start(clients, topic, Purpose::Offsets, Reader(Rc::clone(&offsets))).await?;
        let (requests, inbox) = mpsc::unbounded_channel();
        let server = spawn_local(serve(log, is_transactional, offsets, inbox)).abort_handle();
        Ok(KafkaOffsetStore { requests, server })
    }

    fn ask<T: Send + 'static>(&self, request: impl FnOnce(Answer<T>) -> Request) -> StoreFuture<T> {
        let (answer, outcome) = oneshot::channel();
        // Before the future is polled: who writes to a second store does not wait for it.
        let _closed = self.requests.send(request(answer));
        Box::pin(async move {
            outcome.await.unwrap_or_else(|_gone| Err(Error::fatal("the offset store was closed")))
        })
    }
}

impl Drop for KafkaOffsetStore {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl OffsetStore for KafkaOffsetStore {
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
        self.ask(|answer| Request::Get(keys, answer))
    }

    fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
        let connector = connector.to_owned();
        self.ask(|answer| Request::Entries(connector, answer))
    }

    fn set(&self, entries: Vec<OffsetEntry>) -> StoreFuture<()> {
        self.ask(|answer| Request::Set(entries, answer))
    }
}

/// Answers requests until the store is dropped. Writes do not wait for reads.
async fn serve(
    log: TopicLog,
    is_transactional: bool,
    offsets: Rc<RefCell<Offsets>>,
    mut inbox: mpsc::UnboundedReceiver<Request>,
) {
    let (reads, waiting) = mpsc::unbounded_channel();
    let reading = read(log.clone(), Rc::clone(&offsets), waiting);
    let sorting = async move {
        while let Some(request) = inbox.recv().await {
            match request {
                Request::Set(entries, answer) => {
                    let records = offsets.borrow().records(entries);
                    let log = log.clone();
                    spawn_local(async move { write(&log, is_transactional, &records, answer).await });
                }
                read => {
                    let _reader_gone = reads.send(read);
                }
            }
        }
    };
    tokio::join!(reading, sorting);
}

async fn write(log: &TopicLog, is_transactional: bool, records: &[LogRecord], answer: Answer<()>) {
    let failed = |error: &dyn fmt::Display| Error::retriable(format!("failed to write offsets: {error}"));
    let written = if is_transactional {
        log.transact(records).await.map_err(|error| failed(&error).with_source(error))
    } else {
        log.send(records).await.map_err(|error| failed(&error).with_source(error))
    };
    if let Err(Err(error)) = answer.send(written) {
        // Nobody waits for a copy in a second store.
        tracing::warn!(%error, "offsets were not written to the worker's offsets topic");
    }
}

/// Answers reads, all that wait after one look at the end of the topic.
async fn read(log: TopicLog, offsets: Rc<RefCell<Offsets>>, mut inbox: mpsc::UnboundedReceiver<Request>) {
    let mut round = Vec::new();
    while inbox.recv_many(&mut round, usize::MAX).await > 0 {
        let read = log.read_to_end().await.map_err(|error| {
            Error::retriable(format!("failed to read the offsets topic to its end: {error}"))
                .with_source(error)
        });
        let offsets = offsets.borrow();
        for request in round.drain(..) {
            match request {
                Request::Get(keys, answer) => {
                    let found = || keys.iter().map(|key| offsets.get(key)).collect();
                    let _gave_up = answer.send(read.as_ref().map(|()| found()).map_err(copy));
                }
                Request::Entries(connector, answer) => {
                    let found = || offsets.of(&connector);
                    let _gave_up = answer.send(read.as_ref().map(|()| found()).map_err(copy));
                }
                Request::Set(..) => {}
            }
        }
    }
}

fn copy(error: &Error) -> Error {
    Error::retriable(error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn a_partition_is_found_whatever_the_order_of_its_fields() {
        let mut offsets = Offsets::default();
        let (stored, asked) = (r#"["c",{"b":1,"a":"x"}]"#, bytes(r#"["c",{"a":"x","b":1}]"#));
        offsets.apply(stored.as_bytes(), Some(b"{\"p\":1}"));
        assert_eq!(offsets.get(&asked).unwrap(), "{\"p\":1}");
        assert_eq!(offsets.get(&bytes(r#"["c",{"a":"x","b":2}]"#)), None);
        assert_eq!(offsets.get(&bytes(r#"["d",{"a":"x","b":1}]"#)), None);
        // And goes on under the key that is there, which whoever wrote it compares byte by byte.
        let written = offsets.records(vec![(asked.clone(), Some(bytes("{\"p\":2}")))]);
        assert_eq!(written, [LogRecord::new(stored.to_owned(), "{\"p\":2}".to_owned())]);
        // Somebody else has written the other form since: the newest counts, and both go at once.
        offsets.apply(&asked, Some(b"{\"p\":3}"));
        assert_eq!(offsets.get(&bytes(stored)).unwrap(), "{\"p\":3}");
        assert_eq!(offsets.of("c"), [(asked.clone(), bytes("{\"p\":3}"))]);
        let removal = offsets.records(vec![(asked.clone(), None)]);
        assert_eq!(removal, [LogRecord::tombstone(stored.to_owned()), LogRecord::tombstone(asked.clone())]);
        removal.iter().for_each(|record| offsets.apply(&record.key, None));
        assert_eq!((offsets.get(&asked), offsets.of("c").len(), offsets.keys.len()), (None, 0, 0));
    }

    #[test]
    fn keys_that_are_none_of_ours_are_kept_apart() {
        let mut offsets = Offsets::default();
        offsets.apply(b"whatever", Some(b"1"));
        offsets.apply(br#"["c",{"f":"x"}]"#, Some(b"{}"));
        assert_eq!(offsets.of("c"), [(bytes(r#"["c",{"f":"x"}]"#), bytes("{}"))]);
        assert_eq!(offsets.get(&bytes("whatever")).unwrap(), "1");
    }
}
