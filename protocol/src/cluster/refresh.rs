//! Fetches metadata: one request at a time for all who ask, no more often than the backoff allows, for the topics of interest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use indexmap::IndexMap;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::Metadata;
use super::retry::RetryPolicy;
use super::routing::{Inner, Limits};
use crate::net::LocalBoxFuture;
use crate::{Error, ErrorCode, Result};

pub(super) struct Refresher {
    /// Topics that somebody asked about: until they are forgotten, or with the time of their last use, until that is long ago.
    interest: RefCell<IndexMap<Arc<str>, Option<Instant>>>,
    /// Whether a topic was added since the last request was built: then the next request need not wait for the backoff.
    has_new_interest: Cell<bool>,
    running: RefCell<Option<Shared<LocalBoxFuture<'static, Result<()>>>>>,
    failure_count: Cell<u32>,
    last_attempt: Cell<Option<Instant>>,
    last_success: Cell<Option<Instant>>,
}

impl Refresher {
    pub(super) fn new() -> Self {
        Self {
            interest: RefCell::default(),
            has_new_interest: Cell::new(false),
            running: RefCell::default(),
            failure_count: Cell::new(0),
            last_attempt: Cell::new(None),
            last_success: Cell::new(None),
        }
    }

    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.last_success.get().map(|at| now.duration_since(at))
    }

    pub(super) fn note_interest(&self, topic: &str) {
        self.note(topic, None);
    }

    pub(super) fn note_use(&self, topic: &str) {
        self.note(topic, Some(Instant::now()));
    }

    fn note(&self, topic: &str, used: Option<Instant>) {
        let mut interest = self.interest.borrow_mut();
        match interest.get_mut(topic) {
            // What is kept until it is forgotten is not given a time by others.
            Some(None) => {}
            Some(last_used) => *last_used = used,
            None => {
                interest.insert(topic.into(), used);
                self.has_new_interest.set(true);
            }
        }
    }

    pub(super) fn forget_interest(&self, topic: &str) {
        self.interest.borrow_mut().shift_remove(topic);
    }
}

impl Inner {
    pub(super) fn is_metadata_old(&self) -> bool {
        let age_max = Duration::from_millis(self.config.metadata_max_age_ms);
        self.refresher.last_success.get().is_none_or(|at| at.elapsed() >= age_max)
    }

    pub(super) async fn refresh(self: &Rc<Self>, seen_generation: u64) -> Result<Rc<Metadata>> {
        loop {
            {
                let view = self.metadata.borrow();
                if view.generation > seen_generation {
                    return Ok(Rc::clone(&view));
                }
            }
            let running = self.refresher.running.borrow().clone();
            let running = running.unwrap_or_else(|| self.start_refresh());
            running.await?;
        }
    }

    fn start_refresh(self: &Rc<Self>) -> Shared<LocalBoxFuture<'static, Result<()>>> {
        // The task holds the cluster only weakly between its steps, so that an abandoned cluster goes away.
        let weak = Rc::downgrade(self);
        let refresh = async move {
            let Some(inner) = weak.upgrade() else { return Err(Error::closed("refresh metadata")) };
            inner.wait_for_turn().await;
            let outcome = inner.refresh_once().await;
            let refresher = &inner.refresher;
            refresher.running.replace(None);
            match &outcome {
                Ok(()) => refresher.failure_count.set(0),
                Err(error) => {
                    refresher.failure_count.set(refresher.failure_count.get() + 1);
                    debug!(%error, "failed to refresh metadata");
                }
            }
            outcome
        }
        .boxed_local()
        .shared();
        self.refresher.running.replace(Some(refresh.clone()));
        // Driven by a task of its own: the first caller may give up while others wait.
        tokio::task::spawn_local(refresh.clone());
        refresh
    }

    async fn wait_for_turn(&self) {
        let refresher = &self.refresher;
        if let Some(last) = refresher.last_attempt.get()
            && !refresher.has_new_interest.get()
        {
            let failure_count = refresher.failure_count.get().max(1);
            sleep_until(last + RetryPolicy::requests(&self.config).backoff(&self.env, failure_count)).await;
        }
    }

    async fn refresh_once(&self) -> Result<()> {
        let refresher = &self.refresher;
        refresher.last_attempt.set(Some(Instant::now()));
        refresher.has_new_interest.set(false);
        let idle_max = Duration::from_millis(self.config.metadata_max_idle_ms);
        let is_idle = |used: &mut Option<Instant>| used.is_some_and(|at| at.elapsed() >= idle_max);
        refresher.interest.borrow_mut().retain(|_, last_used| !is_idle(last_used));
        let topics: Vec<MetadataRequestTopic> = refresher
            .interest
            .borrow()
            .keys()
            .map(|name| {
                MetadataRequestTopic::default()
                    .with_name(Some(TopicName(StrBytes::from_string(name.to_string()))))
            })
            .collect();
        let timeout = Duration::from_millis(self.config.request_timeout_ms);
        let build = |version: i16| {
            // An empty list asks for no topics; null would ask for all.
            let request = MetadataRequest::default().with_topics(Some(topics.clone()));
            if version >= 4 {
                request.with_allow_auto_topic_creation(self.config.allow_auto_create_topics)
            } else {
                request
            }
        };
        let (response, version) = self.call_any(Limits { timeout, version_max: i16::MAX }, &build).await?;
        if version >= 13 {
            Error::check("refresh metadata", response.error_code)?;
        }
        if response.brokers.is_empty() {
            // A broker that is still starting knows nobody; its view would cut us off from the cluster.
            return Err(Error::broker("refresh metadata", ErrorCode::LEADER_NOT_AVAILABLE));
        }
        let view = Rc::new(self.metadata.borrow().updated(response));
        self.nodes.update(&view);
        self.metadata.replace(view);
        refresher.last_success.set(Some(Instant::now()));
        Ok(())
    }
}
