//! Who coordinates groups and transactional ids: looked up once, many at once where the broker can (KIP-699), and remembered until
//! somebody says that it is no longer so.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use super::{Cluster, Target};
use crate::{Error, Result};

const DOING: &str = "find coordinator";
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// From this version on a request has room for many keys.
const MANY_KEYS_SINCE: i16 = 4;

impl Cluster {
    /// The node that coordinates `target`; looked up when not known.
    ///
    /// # Errors
    /// A broker error such as `COORDINATOR_NOT_AVAILABLE`, or what the lookup failed with.
    pub async fn coordinator(&self, target: &Target) -> Result<i32> {
        if let Some(node) = self.known_coordinator(target) {
            return Ok(node);
        }
        let found = self.coordinators(std::slice::from_ref(target)).await.pop();
        found.unwrap_or_else(|| Err(Error::internal(DOING, "one was asked for and none found")))
    }

    /// The nodes that coordinate `targets`, one result each, in order. Those that are not known are looked up together.
    pub async fn coordinators(&self, targets: &[Target]) -> Vec<Result<i32>> {
        let mut found: HashMap<&Target, Result<i32>> = HashMap::new();
        for wanted_type in [GROUP, TRANSACTION] {
            let mut open: HashMap<&str, &Target> = HashMap::new();
            for target in targets {
                if let Some(node) = self.known_coordinator(target) {
                    found.insert(target, Ok(node));
                } else if let Some((key, key_type)) = key_of(target)
                    && key_type == wanted_type
                {
                    open.insert(key, target);
                }
            }
            if let Err(error) = self.look_up(wanted_type, &mut open, &mut found).await {
                found.extend(open.into_values().map(|target| (target, Err(error.clone()))));
            }
        }
        let none = |target| Error::internal(DOING, format!("{target:?} has none"));
        targets.iter().map(|target| found.get(target).cloned().unwrap_or_else(|| Err(none(target)))).collect()
    }

    /// Moves what it finds from `open` to `found`.
    async fn look_up<'a>(
        &self,
        key_type: i8,
        open: &mut HashMap<&'a str, &'a Target>,
        found: &mut HashMap<&'a Target, Result<i32>>,
    ) -> Result<()> {
        while let Some(first) = open.keys().next().copied() {
            let build = |version: i16| {
                let key = |key: &str| StrBytes::from_string(key.to_owned());
                let request = FindCoordinatorRequest::default();
                match version {
                    MANY_KEYS_SINCE.. => request
                        .with_key_type(key_type)
                        .with_coordinator_keys(open.keys().map(|open| key(open)).collect()),
                    1.. => request.with_key_type(key_type).with_key(key(first)),
                    _ => request.with_key(key(first)),
                }
            };
            let (response, version) = self.call_any(build).await?;
            let mut answers = Vec::new();
            if version >= MANY_KEYS_SINCE {
                for answer in response.coordinators {
                    answers.push((answer.key, answer.error_code, answer.error_message, answer.node_id.0));
                }
            } else {
                let key = StrBytes::from_string(first.to_owned());
                answers.push((key, response.error_code, response.error_message, response.node_id.0));
            }
            let open_before = open.len();
            for (key, code, message, node) in answers {
                let Some(target) = open.remove(&*key) else { continue };
                let node = match (Error::check(DOING, code), message) {
                    (Ok(()), _) => self.reachable(target, node).await,
                    (Err(error), Some(message)) => Err(error.with_source(message.to_string())),
                    (Err(error), None) => Err(error),
                };
                found.insert(target, node);
            }
            if open.len() == open_before {
                return Err(Error::malformed(DOING, format!("the answer does not mention {first}")));
            }
        }
        Ok(())
    }

    async fn reachable(&self, target: &Target, node: i32) -> Result<i32> {
        if self.metadata().node(node).is_none() {
            // A broker that joined after our last refresh.
            self.refresh(self.metadata().generation).await?;
        }
        self.note_coordinator(target, node);
        Ok(node)
    }
}

fn key_of(target: &Target) -> Option<(&Arc<str>, i8)> {
    match target {
        Target::GroupCoordinator(group) => Some((group, GROUP)),
        Target::TransactionCoordinator(transactional_id) => Some((transactional_id, TRANSACTION)),
        Target::Any | Target::Node(_) | Target::Controller => None,
    }
}
