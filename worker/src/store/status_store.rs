//! The status topic as the herder uses it (Java: `KafkaStatusBackingStore`). Writing waits for nobody: a status that was not written is
//! written again as long as it is true.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use protocol::client::admin::Admin;
use protocol::net::Env;
use tokio::task::spawn_local;
use tokio::time::{Duration, sleep};

use super::status_log::{StatusLog, StoredStatus, Subject, TopicStatus, VisitSaid, Write};
use super::topic_log::{LogClients, LogReader, LogSettings, Purpose, StoreError, TopicLog};
use crate::config::{DistributedConfig, WorkerConfig};

/// Between two attempts to write a status.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The store. Lives on the control thread, within its `LocalSet`; clones are the same store.
#[derive(Clone)]
pub struct StatusStore {
    log: TopicLog,
    statuses: Rc<RefCell<StatusLog>>,
}

struct Reader(Rc<RefCell<StatusLog>>);

impl LogReader for Reader {
    fn record(&mut self, _offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.0.borrow_mut().apply(key, value);
    }

    fn batch_ended(&mut self) {}
}

impl StatusStore {
    /// Makes or checks the topic and reads it to its end.
    ///
    /// # Errors
    /// In Java's words: the topic cannot be used, or its brokers not be reached.
    pub async fn start(
        env: &Env,
        worker: &WorkerConfig,
        distributed: &DistributedConfig,
        admin: &Admin,
    ) -> Result<StatusStore, StoreError> {
        // Whether it is sent again depends on what it says, so the producer does not do that by itself.
        let settings = LogSettings::of_worker(worker, distributed, "statuses", false, &[("retries", "0")])
            .map_err(|error| StoreError::Config(error.message().to_owned()))?;
        let statuses = Rc::new(RefCell::new(StatusLog::new()));
        let clients = LogClients::new(env, admin, settings)?;
        let reader = Reader(Rc::clone(&statuses));
        let log = TopicLog::start(clients, &distributed.status_topic, Purpose::Statuses, reader).await?;
        Ok(StatusStore { log, statuses })
    }

    /// Writes what a connector is doing.
    pub fn put_connector(&self, connector: &str, status: &StoredStatus) {
        self.put(Subject::Connector(connector.into()), status, false);
    }

    /// The same unless another worker of a newer generation has said something.
    pub fn put_connector_safely(&self, connector: &str, status: &StoredStatus) {
        self.put(Subject::Connector(connector.into()), status, true);
    }

    /// Writes what a task is doing.
    pub fn put_task(&self, connector: &str, task: u32, status: &StoredStatus) {
        self.put(Subject::Task(connector.into(), task), status, false);
    }

    /// The same unless another worker of a newer generation has said something.
    pub fn put_task_safely(&self, connector: &str, task: u32, status: &StoredStatus) {
        self.put(Subject::Task(connector.into(), task), status, true);
    }

    /// Writes that a connector uses a topic.
    pub fn put_topic(&self, status: &TopicStatus) {
        let write = self.statuses.borrow().write_topic(status);
        self.send(write);
    }

    /// Takes a connector's status away. `generation` is the group's.
    pub fn delete_connector(&self, connector: &str, generation: i32) {
        let write = self.statuses.borrow_mut().delete(Subject::Connector(connector.into()), generation);
        self.send(write);
    }

    /// Takes a task's status away. `generation` is the group's.
    pub fn delete_task(&self, connector: &str, task: u32, generation: i32) {
        let write = self.statuses.borrow_mut().delete(Subject::Task(connector.into(), task), generation);
        self.send(write);
    }

    /// Takes away that a connector uses a topic.
    pub fn delete_topic(&self, connector: &str, topic: &str) {
        let write = self.statuses.borrow().delete_topic(connector, topic);
        self.send(write);
    }

    /// Waits until what was written before has been answered, one way or the other.
    pub async fn flush(&self) {
        self.log.flush().await;
    }

    /// Reads to the end of the topic.
    ///
    /// # Errors
    /// Where asking the brokers again cannot help.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let read = self.log.read_to_end().await;
        read.map_err(|error| StoreError::failed("failed to read the status topic to its end", error))
    }

    /// What a connector is doing.
    pub fn connector(&self, connector: &str) -> Option<StoredStatus> {
        self.statuses.borrow().connector(connector).cloned()
    }

    /// What a task is doing.
    pub fn task(&self, connector: &str, task: u32) -> Option<StoredStatus> {
        self.statuses.borrow().task(connector, task).cloned()
    }

    /// What the tasks of a connector are doing, by number.
    pub fn tasks(&self, connector: &str) -> Vec<(u32, StoredStatus)> {
        let statuses = self.statuses.borrow();
        statuses.tasks(connector).map(|(task, status)| (task, status.clone())).collect()
    }

    /// Everybody of whom there is a status, by name.
    pub fn connectors(&self) -> Vec<Arc<str>> {
        self.statuses.borrow().connectors()
    }

    /// Visits each connector of which, or of one of whose tasks, there is a status, by name, with the numbers of these tasks. There are thousands
    /// in a large cluster, which is why nothing is copied.
    pub fn each(&self, visit: &mut VisitSaid<'_>) {
        self.statuses.borrow().each(visit);
    }

    /// A topic that a connector uses.
    pub fn topic(&self, connector: &str, topic: &str) -> Option<TopicStatus> {
        self.statuses.borrow().topic(connector, topic).cloned()
    }

    /// The topics that a connector uses, by name.
    pub fn topics(&self, connector: &str) -> Vec<TopicStatus> {
        self.statuses.borrow().topics(connector).cloned().collect()
    }

    fn put(&self, subject: Subject, status: &StoredStatus, is_safe: bool) {
        let write = self.statuses.borrow_mut().write(subject, status, is_safe);
        match write {
            Some(write) => self.send(write),
            None => {
                tracing::debug!(?status, "a status is not written: another worker has said something newer")
            }
        }
    }

    fn send(&self, write: Write) {
        // Before this returns, so that a flush waits for it.
        let first = self.log.begin(&write.record);
        let (log, statuses) = (self.log.clone(), Rc::clone(&self.statuses));
        spawn_local(async move {
            let mut sent = match first {
                Some(receipt) => receipt.outcome().await,
                None => log.send(std::slice::from_ref(&write.record)).await,
            };
            while let Err(error) = sent {
                if !error.is_retriable() {
                    tracing::error!(%error, "Failed to write status update");
                    return;
                }
                sleep(RETRY_PAUSE).await;
                if !statuses.borrow().may_retry(&write) {
                    return;
                }
                sent = log.send(std::slice::from_ref(&write.record)).await;
            }
        });
    }
}

impl fmt::Debug for StatusStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusStore").field("log", &self.log).finish_non_exhaustive()
    }
}
