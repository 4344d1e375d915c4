//! Which connections are open, and which one goes when there are too many: slow or silent clients never keep others out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{Notify, watch};

use super::limits::{Activity, CONNECTIONS_MAX, DESCRIPTORS_SHARE};

/// The open connections of all listeners.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    next_id: u64,
    open: IndexMap<u64, Open>,
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Open {
    activity: Arc<Activity>,
    evict: Rc<Notify>,
}

/// One of them, as its own task sees it. Dropping it makes room.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    activity: Arc<Activity>,
    evict: Rc<Notify>,
    all: Rc<RefCell<Connections>>,
}

impl Connections {
    /// None yet; as many as the limits say.
    pub(super) fn new() -> Rc<RefCell<Connections>> {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let share = usize::try_from(descriptors / DESCRIPTORS_SHARE).unwrap_or(usize::MAX);
        Connections::with_max(share.clamp(1, CONNECTIONS_MAX))
    }

    fn with_max(max: usize) -> Rc<RefCell<Connections>> {
        Rc::new(RefCell::new(Connections {
            max,
            next_id: 0,
            open: IndexMap::new(),
            count: watch::channel(0).0,
        }))
    }

    /// Takes in one more. Where there are too many, the one that has been idle longest goes; `None` where all are at work.
    pub(super) fn admit(all: &Rc<RefCell<Connections>>) -> Option<Connection> {
        let mut this = all.borrow_mut();
        if this.open.len() >= this.max {
            let idle = this.open.iter().filter_map(|(id, open)| Some((open.activity.idle_since()?, *id)));
            let (_, id) = idle.min()?;
            let gone = this.open.swap_remove(&id)?;
            tracing::debug!("too many REST connections: the one that was idle longest is closed");
            gone.evict.notify_one();
        }
        let id = this.next_id;
        this.next_id += 1;
        let (activity, evict) = (Activity::new(), Rc::new(Notify::new()));
        this.open.insert(id, Open { activity: Arc::clone(&activity), evict: Rc::clone(&evict) });
        this.count.send_replace(this.open.len());
        drop(this);
        Some(Connection { id, activity, evict, all: Rc::clone(all) })
    }

    /// How many there are.
    pub(super) fn watch_count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}

impl Connection {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ends when its place is needed.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut all = self.all.borrow_mut();
        all.open.swap_remove(&self.id);
        all.count.send_replace(all.open.len());
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;

    fn is_evicted(connection: &Connection) -> bool {
        let mut evicted = std::pin::pin!(connection.evicted());
        evicted.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_longest_idle_makes_room_and_work_is_never_cut_off() {
        let all = Connections::with_max(2);
        let first = Connections::admit(&all).unwrap();
        let second = Connections::admit(&all).unwrap();
        first.activity().work();
        let third = Connections::admit(&all).unwrap();
        assert!(is_evicted(&second) && !is_evicted(&first) && !is_evicted(&third));
        third.activity().work();
        assert!(Connections::admit(&all).is_none(), "all are at work");
        drop(second);
        assert_eq!(*all.borrow().watch_count().borrow(), 2, "who was evicted counts no more");
        first.activity().rest();
        let fourth = Connections::admit(&all).unwrap();
        assert!(is_evicted(&first));
        drop((first, third, fourth));
        assert_eq!(*all.borrow().watch_count().borrow(), 0);
    }
}
