//! What every request passes before its resource is looked for, and every answer after: size, number, who asks, headers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::{Request, Response};

use super::access_log::Entry;
use super::auth::Users;
use super::error::RestError;
use super::limits::{
    Activity, BODIES_BYTES_MAX, Budget, HEADER_BYTES_MAX, Lease, REQUESTS_MAX, UNKNOWN_BODIES_BYTES_MAX,
    URI_BYTES_MAX,
};
use super::signature::Proof;
use super::state::RestState;
use super::{cors, headers, routes};
use crate::config::{AdminListeners, CorsConfig, HeaderRule, RestConfig};

/// Which resources a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// All of them.
    All,
    /// All but the admin resources.
    Main,
    /// The admin resources only.
    Admin,
}

/// What the listeners of one side share.
#[derive(Debug)]
pub(super) struct Front {
    side: Side,
    users: Option<Arc<Users>>,
    cors: Option<CorsConfig>,
    header_rules: Vec<HeaderRule>,
    requests: Budget,
    bodies: Budget,
    unknown_bodies: Budget,
}

/// Who sends requests over a connection, and how.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) peer: IpAddr,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) activity: Arc<Activity>,
}

/// How a request came; handlers find it among the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) activity: Arc<Activity>,
    /// Its part of the requests being answered.
    lease: Arc<Mutex<Lease>>,
    front: Arc<Front>,
}

impl Front {
    /// The main listeners' and the admin listeners'. As in Java, the latter have neither authentication nor extra headers.
    ///
    /// # Errors
    /// The file of users can't be read.
    pub(super) fn both(config: &RestConfig) -> Result<(Arc<Front>, Arc<Front>), String> {
        let users = config.credentials_file.clone().map(Users::open).transpose()?.map(Arc::new);
        let (requests, bodies) = (Budget::new(REQUESTS_MAX), Budget::new(BODIES_BYTES_MAX));
        let unknown_bodies = Budget::new(UNKNOWN_BODIES_BYTES_MAX);
        let side = if matches!(config.admin, AdminListeners::Shared) { Side::All } else { Side::Main };
        let main = Front {
            side,
            users,
            cors: config.cors.clone(),
            header_rules: config.header_rules.clone(),
            requests: requests.clone(),
            bodies: bodies.clone(),
            unknown_bodies: unknown_bodies.clone(),
        };
        let admin = Front {
            side: Side::Admin,
            users: None,
            cors: None,
            header_rules: Vec::new(),
            requests,
            bodies,
            unknown_bodies,
        };
        Ok((Arc::new(main), Arc::new(admin)))
    }

    /// Whether it asks who somebody is.
    pub(super) fn authenticates(&self) -> bool {
        self.users.as_ref().is_some_and(|users| users.protects())
    }

    /// Answers a request and logs it.
    pub(super) async fn answer(
        self: &Arc<Front>,
        state: &RestState,
        request: Request<Incoming>,
        caller: &Caller,
    ) -> Response<Full<Bytes>> {
        let entry = Entry::begin(&request, caller.peer);
        let response = self.pass(state, request, caller).await;
        if let Some(entry) = entry {
            entry.end(&response);
        }
        response
    }

    async fn pass(
        self: &Arc<Front>,
        state: &RestState,
        mut request: Request<Incoming>,
        caller: &Caller,
    ) -> Response<Full<Bytes>> {
        let Caller { scheme, activity, .. } = caller;
        let mut lease = self.requests.lease();
        // Whoever asks whether the worker lives must not be told that others keep it busy: it would be killed for that.
        let amount = usize::from(request.uri().path().trim_end_matches('/') != "/health");
        if let Err(error) = check_size(&request).and_then(|()| lease.grow(amount)) {
            let mut response = error.response();
            // Whatever else it has to say was not going to be read.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        let mut extra = self.cors.as_ref().map(|cors| cors::headers(cors, &request)).unwrap_or_default();
        headers::apply(&self.header_rules, &mut extra);
        if request.body().is_end_stream() {
            activity.work();
        }
        let activity = Arc::clone(activity);
        let lease = Arc::new(Mutex::new(lease));
        let arrival = Arrival { scheme, activity: Arc::clone(&activity), lease, front: Arc::clone(self) };
        request.extensions_mut().insert(arrival);
        let mut response = routes::answer(state, request).await;
        overlay(&mut extra, response.headers_mut());
        activity.rest();
        response
    }
}

impl Arrival {
    /// Its body is being waited for: as long as that takes, it keeps nobody else from being answered.
    pub(super) fn waits_for_body(&self) {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All of it has come.
    ///
    /// # Errors
    /// [`RestError::Overloaded`].
    pub(super) fn has_come(&self) -> Result<(), RestError> {
        self.activity.work();
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).grow(1)
    }

    /// What bodies may take: those that come without anybody having been asked who they are have a share of their own.
    pub(super) fn bodies(&self, is_unknown: bool) -> &Budget {
        if is_unknown { &self.front.unknown_bodies } else { &self.front.bodies }
    }

    /// Whether the listener has a resource.
    pub(super) fn serves(&self, segments: &[&str]) -> bool {
        let is_admin = matches!(segments, ["admin", ..]);
        // Whoever watches has no business on the other side, whichever that is.
        let is_everywhere = matches!(segments, ["metrics"]);
        match self.front.side {
            Side::All => true,
            Side::Main => !is_admin,
            Side::Admin => is_admin || is_everywhere,
        }
    }

    /// Lets a request pass or not.
    ///
    /// # Errors
    /// [`RestError::Unauthorized`].
    pub(super) async fn authorize<B>(
        &self,
        request: &Request<B>,
        segments: &[&str],
    ) -> Result<Proof, RestError> {
        match &self.front.users {
            Some(users) => users.check(request, segments).await,
            None => Ok(Proof::Shown),
        }
    }
}

fn check_size<B>(request: &Request<B>) -> Result<(), RestError> {
    let uri_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        return Err(RestError::UriTooLong);
    }
    let header_bytes = |headers: &HeaderMap| -> usize {
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
    };
    if header_bytes(request.headers()) > HEADER_BYTES_MAX { Err(RestError::HeadersTooLarge) } else { Ok(()) }
}

/// Adds `extra` to an answer's own headers, which win where both have a name.
fn overlay(extra: &mut HeaderMap, own: &mut HeaderMap) {
    for name in own.keys() {
        extra.remove(name);
    }
    own.extend(extra.drain());
}
