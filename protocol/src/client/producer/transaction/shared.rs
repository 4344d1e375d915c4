//! What callers and the send task share about transactions: the state, what is to be done, who waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::error::TransactionError;
use super::group::{ConsumerGroupMetadata, GroupOffsets};
use super::state::{Action, Call, Event, State};
use crate::Error;
use crate::client::producer::queue::Identity;
use crate::client::producer::topic::Partition;
use crate::client::{OffsetAndMetadata, TopicPartition};

pub(in crate::client::producer) struct Transaction {
    id: Arc<str>,
    state: RefCell<State>,
    actions: RefCell<Vec<Action>>,
    changed: Notify,
    /// Whether records may be appended: what the hot path looks at.
    is_open: Cell<bool>,
    /// Which transaction of the producer is open, for [`Partition::admitted`].
    ordinal: Cell<u64>,
    /// Partitions that hold batches and are not part of the transaction.
    wanted: RefCell<Vec<Rc<Partition>>>,
    /// Those of them that are being added.
    pub(super) adding: RefCell<Vec<Rc<Partition>>>,
    pub(super) offsets: RefCell<Option<Rc<GroupOffsets>>>,
}

impl Transaction {
    pub(in crate::client::producer) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            state: RefCell::new(State::new()),
            actions: RefCell::default(),
            changed: Notify::new(),
            is_open: Cell::new(false),
            ordinal: Cell::new(0),
            wanted: RefCell::default(),
            adding: RefCell::default(),
            offsets: RefCell::default(),
        }
    }

    pub(in crate::client::producer) fn id(&self) -> &Arc<str> {
        &self.id
    }

    #[inline]
    pub(in crate::client::producer) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    pub(in crate::client::producer) fn is_v2(&self) -> bool {
        self.state.borrow().is_v2()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.state.borrow().is_draining()
    }

    pub(super) fn refusal(&self) -> Option<Error> {
        self.state.borrow().refusal()
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.state.borrow().identity()
    }

    /// The call that ends what is open.
    pub(in crate::client::producer) fn ending(&self) -> Option<Call> {
        self.state.borrow().ending()
    }

    /// Whether `partition` is part of the open transaction.
    pub(in crate::client::producer) fn has_admitted(&self, partition: &Partition) -> bool {
        partition.admitted.get() == self.ordinal.get()
    }

    /// Keeps a partition whose batches have to wait until it is part of the transaction.
    pub(in crate::client::producer) fn want(&self, partition: Rc<Partition>) {
        self.wanted.borrow_mut().push(partition);
    }

    pub(in crate::client::producer) fn has_wanted(&self) -> bool {
        !self.wanted.borrow().is_empty()
    }

    pub(super) fn take_wanted(&self) -> Vec<Rc<Partition>> {
        std::mem::take(&mut self.wanted.borrow_mut())
    }

    /// Makes `partition` part of the open transaction.
    pub(super) fn admit(&self, partition: &Partition) {
        partition.admitted.set(self.ordinal.get());
    }

    /// Takes in one event. What follows from it is left for the send task.
    pub(in crate::client::producer) fn step(&self, event: Event) {
        let mut state = self.state.borrow_mut();
        state.step(event, &mut self.actions.borrow_mut());
        self.is_open.set(state.is_open());
        self.changed.notify_waiters();
    }

    pub(super) fn take_actions(&self) -> Vec<Action> {
        std::mem::take(&mut self.actions.borrow_mut())
    }

    /// Begins a call; the send task has to be woken for what follows.
    pub(in crate::client::producer) fn call(&self, call: Call) -> Result<(), TransactionError> {
        self.step(Event::Called(call));
        let refusal = self.actions.borrow_mut().pop_if(|action| matches!(action, Action::Refuse(_)));
        if let Some(Action::Refuse(refusal)) = refusal {
            return Err(refusal);
        }
        if call == Call::Begin {
            self.ordinal.set(self.ordinal.get() + 1);
        }
        Ok(())
    }

    pub(in crate::client::producer) fn send_offsets(
        &self,
        mut offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
        group: ConsumerGroupMetadata,
    ) -> Result<(), TransactionError> {
        self.call(Call::SendOffsets)?;
        offsets.sort_by(|a, b| a.0.cmp(&b.0));
        *self.offsets.borrow_mut() = Some(Rc::new(GroupOffsets { group, offsets }));
        Ok(())
    }

    /// Waits until `call` has ended.
    pub(in crate::client::producer) async fn ended(&self, call: Call) -> Result<(), TransactionError> {
        loop {
            let changed = self.changed.notified();
            let outcome = self.state.borrow().outcome(call);
            if let Some(outcome) = outcome {
                if matches!(call, Call::Commit | Call::Abort) {
                    self.state.borrow_mut().claim();
                }
                return outcome;
            }
            changed.await;
        }
    }

    /// The producer is closed: nobody waits any longer.
    pub(in crate::client::producer) fn close(&self) {
        self.step(Event::Initialized(Err(Error::closed("use producer"))));
        self.step(Event::Ended(Err(Error::closed("use producer"))));
        self.step(Event::OffsetsCommitted(Err(Error::closed("use producer"))));
    }
}
