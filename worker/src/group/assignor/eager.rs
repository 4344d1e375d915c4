//! `EagerAssignor`: everybody has given up everything, and everything is dealt anew.

use std::sync::Arc;

use super::work::{Item as _, Work};
use super::{Configured, Share, Shares};

/// Deals all connectors and then, going on with the next member, all tasks.
pub fn assign_eagerly(members: impl IntoIterator<Item = Arc<str>>, configured: &Configured) -> Shares {
    let mut members: Vec<Arc<str>> = members.into_iter().collect();
    members.sort_by(|left, right| left.java_cmp(right));
    members.dedup();
    let mut shares: Vec<Share> = members
        .into_iter()
        .map(|member| Share {
            member,
            assigned: Work::default(),
            revoked: Work::default(),
            all: Work::default(),
        })
        .collect();
    let everything = Work::configured(configured);
    let count = shares.len();
    let connector_count = everything.connectors.len();
    if count > 0 {
        for (turn, connector) in everything.connectors.into_iter().enumerate() {
            shares[turn % count].assigned.connectors.insert(connector);
        }
        for (turn, task) in everything.tasks.into_iter().enumerate() {
            shares[(connector_count + turn) % count].assigned.tasks.insert(task);
        }
    }
    for share in &mut shares {
        share.all = share.assigned.clone();
    }
    Shares { shares, delay_ms: 0 }
}
