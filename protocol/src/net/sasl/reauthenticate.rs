//! Keeps the session of a connection from ending: authenticates again in time, with no request in between (KIP-368).

use std::rc::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::SaslConfig;
use super::authenticate::authenticate;
use crate::net::Env;
use crate::net::connection::{Handle, Reauthentication};

/// Java's window: early enough to be done in time, and not the same moment for all who connected at the same time.
const PERCENT_MIN: u32 = 85;
const PERCENT_MAX: u32 = 95;

/// Runs until the connection is gone or its session has no end any more.
pub(in crate::net) async fn keep_alive(
    connection: Weak<Handle>,
    config: SaslConfig,
    env: Env,
    first: Duration,
) {
    let mut lifetime = first;
    loop {
        let percent = PERCENT_MIN + env.random_below((PERCENT_MAX - PERCENT_MIN + 1) as usize) as u32;
        sleep(lifetime.mul_f64(f64::from(percent) / 100.0)).await;
        // Before the session, in which everybody else waits.
        let logged_in = config.log_in(&env).await;
        let Some(connection) = connection.upgrade().filter(|connection| connection.is_open()) else { return };
        let session = Reauthentication::begin(&connection).await;
        let started = Instant::now();
        let outcome = match logged_in {
            Ok(()) => authenticate(&session, connection.versions(), &config, &env).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(_) => connection.metrics().reauthenticated(started.elapsed()),
            Err(_) => connection.metrics().reauthentication_refused(),
        }
        match outcome {
            Ok(Some(next)) => {
                debug!(lifetime_ms = next.as_millis(), "authenticated again");
                lifetime = next;
            }
            Ok(None) => return,
            Err(error) => {
                // The next connection to this broker is told the same, and reports it to whoever needs it.
                warn!(%error, "failed to authenticate again, closing the connection");
                connection.close(error);
                return;
            }
        }
    }
}
