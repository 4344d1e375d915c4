//! The tasks beside the broker loops: one keeps metadata fresh and a loop running per leader, one looks up committed offsets, one looks
//! which topics a pattern means.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use super::broker_loop;
use super::shared::Shared;
use crate::client::admin::Admin;
use crate::cluster::{RetryPolicy, TopicMetadata};
use crate::{Error, ErrorCode};

/// The pause after an offset fetch was refused for good, which the user has been told, or in vain for the whole API timeout.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Starts a broker loop for every leader and renews metadata when somebody needs it or it has grown old.
pub(super) async fn supervise(shared: Rc<Shared>) {
    let loops: RefCell<JoinSet<()>> = RefCell::default();
    let mut failure_count = 0;
    loop {
        let notified = shared.background.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let metadata = shared.cluster.metadata();
        shared.take_over_metadata();
        let is_wanting = {
            let partitions = shared.partitions.borrow();
            let now = Instant::now();
            for partition in partitions.map.values() {
                let nodes = [partition.leader.map(|leader| leader.node), partition.fetch_node(now)];
                for node in nodes.into_iter().flatten() {
                    if shared.fetching_nodes.borrow_mut().insert(node) {
                        loops.borrow_mut().spawn_local(broker_loop::run(Rc::clone(&shared), node));
                    }
                }
            }
            partitions.needs_metadata()
        };
        while let Some(ended) = loops.borrow_mut().try_join_next() {
            if let Err(panic) = ended {
                shared.report(Error::internal("fetch from broker", panic));
            }
        }
        if !is_wanting {
            failure_count = 0;
            let max_age = Duration::from_millis(shared.cluster.config().metadata_max_age_ms);
            tokio::select! {
                () = notified => {}
                () = sleep_until(Instant::now() + max_age) => {
                    match shared.cluster.fresh_metadata().await {
                        Ok(_) => {
                            if shared.take_over_metadata() {
                                shared.wake_all();
                            }
                        }
                        Err(error) => debug!(%error, "failed to refresh metadata"),
                    }
                }
            }
            continue;
        }
        match shared.cluster.refresh(metadata.generation).await {
            Ok(_) => {
                report_unusable_topics(&shared);
                shared.take_over_metadata();
                shared.wake_all();
            }
            Err(error) => debug!(%error, "failed to refresh metadata"),
        }
        if shared.partitions.borrow().needs_metadata() {
            // The election is not over: look again, less and less often.
            failure_count += 1;
            let policy = RetryPolicy::requests(shared.cluster.config());
            sleep(policy.backoff(shared.cluster.env(), failure_count)).await;
        }
    }
}

/// Topics that no waiting will make readable.
fn report_unusable_topics(shared: &Shared) {
    let metadata = shared.cluster.metadata();
    let mut seen: Vec<Arc<str>> = Vec::new();
    for tp in shared.partitions.borrow().map.keys() {
        if seen.last() == Some(&tp.topic) {
            continue;
        }
        seen.push(Arc::clone(&tp.topic));
        if let Some(topic) = metadata.topic(&tp.topic)
            && matches!(
                topic.error,
                ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::INVALID_TOPIC_EXCEPTION
            )
        {
            shared.report(Error::broker("read topic", topic.error).with_source(tp.topic.to_string()));
        }
    }
}

/// Looks again and again which topics a pattern means, as often as metadata is renewed.
pub(super) async fn watch_pattern(shared: Rc<Shared>) {
    let admin = Admin::new(shared.cluster.clone());
    loop {
        let Some(is_wanted) = shared.pattern.borrow().is_wanted.clone() else {
            shared.pattern_changed.notified().await;
            continue;
        };
        match admin.list_topics().await {
            Ok(topics) => {
                let excludes_internal = shared.config.exclude_internal_topics;
                let wanted = topics
                    .iter()
                    .filter(|topic| is_usable(topic, excludes_internal) && is_wanted(&topic.name));
                let mut found: Vec<Arc<str>> = wanted.map(|topic| Arc::clone(&topic.name)).collect();
                found.sort();
                if shared.pattern.borrow_mut().on_listed(&is_wanted, found) {
                    shared.user.notify_one();
                }
            }
            Err(error) if error.is_retriable() => debug!(%error, "failed to list topics, trying again"),
            Err(error) => shared.report(error),
        }
        // Not at every change of leaders: a list of all topics is dear.
        let max_age = Duration::from_millis(shared.cluster.config().metadata_max_age_ms);
        tokio::select! {
            () = shared.pattern_changed.notified() => {}
            () = sleep(max_age) => {}
        }
    }
}

/// Whether a pattern may mean the topic.
fn is_usable(topic: &TopicMetadata, excludes_internal: bool) -> bool {
    topic.error == ErrorCode::NONE && !(topic.is_internal && excludes_internal)
}

/// Looks up committed offsets for partitions that need one.
pub(super) async fn resolve_committed(shared: Rc<Shared>) {
    let Some(group) = &shared.group else { return };
    loop {
        let notified = shared.background.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let waiting = shared.partitions.borrow().needing_committed();
        if waiting.is_empty() {
            notified.await;
            continue;
        }
        let names = waiting.iter().map(|(tp, _)| tp.clone()).collect();
        match group.committed(names).await {
            Ok(committed) => {
                let committed: std::collections::HashMap<_, _> = committed.into_iter().collect();
                let reset = shared.config.auto_offset_reset;
                for (tp, incarnation) in waiting {
                    let offset = committed.get(&tp).and_then(Option::as_ref);
                    let error = shared.partitions.borrow_mut().on_committed(&tp, incarnation, offset, reset);
                    if let Some(error) = error {
                        shared.report(error);
                    }
                }
                shared.user.notify_one();
                shared.wake_all();
            }
            Err(error) => {
                if error.is_retriable() {
                    // The coordinator may be away for as long as it likes: nothing is fetched meanwhile, so nothing is lost.
                    debug!(%error, "failed to look up committed offsets for the whole API timeout, trying again");
                } else {
                    shared.report(error);
                }
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_internal_topics_only_where_it_is_told_to() {
        let topic = |is_internal, error| TopicMetadata {
            name: "__consumer_offsets".into(),
            id: uuid::Uuid::nil(),
            is_internal,
            error,
            partitions: Vec::new(),
        };
        assert!(is_usable(&topic(false, ErrorCode::NONE), true));
        assert!(
            !is_usable(&topic(true, ErrorCode::NONE), true)
                && is_usable(&topic(true, ErrorCode::NONE), false)
        );
        assert!(!is_usable(&topic(false, ErrorCode::TOPIC_AUTHORIZATION_FAILED), false));
    }
}
