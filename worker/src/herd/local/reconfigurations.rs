//! Connectors that ask for other tasks, from whatever thread: each is heard once, however often it has asked before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::ConnectorContext;
use tokio::sync::Notify;

use super::super::event::{Epoch, Event};
use super::super::herder::Herder;

/// Those that wait to be heard: at most one entry for each instance.
#[derive(Default)]
pub(in super::super) struct Reconfigurations {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    asking: Mutex<BTreeMap<Epoch, Arc<str>>>,
    asked: Notify,
}

impl Reconfigurations {
    /// What an instance is given to ask with.
    pub(super) fn context(&self, connector: &Arc<str>, epoch: Epoch) -> ConnectorContext {
        let (shared, connector) = (Arc::clone(&self.shared), Arc::clone(connector));
        ConnectorContext::new(move || {
            let mut asking = shared.asking.lock().unwrap_or_else(PoisonError::into_inner);
            asking.insert(epoch, Arc::clone(&connector));
            shared.asked.notify_one();
        })
    }

    async fn next(&self) -> BTreeMap<Epoch, Arc<str>> {
        self.shared.asked.notified().await;
        std::mem::take(&mut *self.shared.asking.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Herder {
    /// Tells the machine, for as long as there is one.
    pub(in super::super) async fn relay_reconfigurations(self) {
        loop {
            for (epoch, connector) in self.shared.reconfigurations.next().await {
                tracing::info!(connector = &*connector, "connector asks for other tasks");
                self.step(Event::ReconfigurationRequested { connector, epoch });
            }
        }
    }
}
