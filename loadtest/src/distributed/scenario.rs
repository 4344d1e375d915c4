//! What is done to a cluster of workers while it works.

use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::member::Kind;
use super::watch::now_ms;

/// How long reconfigurations go on.
const STORM: Duration = Duration::from_secs(10);

/// Between two reconfigurations.
const STORM_GAP: Duration = Duration::from_millis(200);

/// How long a frozen worker stays so beyond the session timeout.
const FROZEN_AFTER_SESSION: Duration = Duration::from_secs(3);

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// Every worker is replaced by one of the other kind, and back
    Rolling,
    /// Each worker is killed and replaced by one of its kind
    Kill,
    /// Workers are killed at random moments, also while others are replaced
    KillAtRandom,
    /// Each worker is frozen until its session is over, and goes on
    Freeze,
    /// The broker is killed and started again
    Broker,
    /// Connectors are reconfigured for a while, five a second
    Storm,
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Of kills at random.
    pub(super) kills: u32,
    pub(super) session_timeout: Duration,
}

pub(super) async fn play(cluster: &mut Cluster, scenario: Scenario, extent: Extent) -> Result<()> {
    match scenario {
        Scenario::Rolling => {
            for kind in [Kind::Ours, Kind::Java] {
                if cluster.settings.libs.is_none() && kind == Kind::Java {
                    continue;
                }
                for _ in 0..cluster.members.len() {
                    stop_oldest(cluster).await?;
                    start(cluster, "rolling", kind).await?;
                }
            }
        }
        Scenario::Kill => {
            for _ in 0..cluster.members.len() {
                let kind = cluster.members[0].kind;
                let from_ms = now_ms();
                cluster.kill(0)?;
                cluster.settle().await?;
                cluster.note_loss("kill", format!("kill -9 of {}", kind.name()), from_ms);
                start(cluster, "kill", kind).await?;
            }
        }
        Scenario::KillAtRandom => {
            for number in 1..=extent.kills {
                sleep(Duration::from_millis(cluster.random.u64(0..2_000))).await;
                let index = cluster.random.usize(0..cluster.members.len());
                let kind = cluster.members[index].kind;
                let from_ms = now_ms();
                cluster.kill(index)?;
                cluster.wait_until_all_run().await?;
                cluster.note_loss("random", format!("kill -9 of {} ({number})", kind.name()), from_ms);
                let from_ms = now_ms();
                cluster.add(kind).await?;
                cluster.wait_until_all_run().await?;
                cluster.note("random", format!("start {} ({number})", kind.name()), from_ms);
            }
            cluster.settle().await?;
        }
        Scenario::Freeze => {
            for index in 0..cluster.members.len() {
                let member = &cluster.members[index];
                let kind = member.kind;
                let from_ms = now_ms();
                member.signal(Signal::STOP)?;
                cluster.watch.down(&member.id);
                sleep(extent.session_timeout + FROZEN_AFTER_SESSION).await;
                let all_run = cluster.wait_until_all_run().await;
                cluster.members[index].signal(Signal::CONT)?;
                all_run?;
                cluster.note_loss("freeze", format!("SIGSTOP of {}", kind.name()), from_ms);
                let from_ms = now_ms();
                sleep(extent.session_timeout / 2).await;
                cluster.settle().await?;
                cluster.note("freeze", format!("SIGCONT of {}", kind.name()), from_ms);
            }
        }
        Scenario::Broker => {
            let from_ms = now_ms();
            cluster.brokers.restart().await?;
            // Whoever lost its session says so by then.
            sleep(extent.session_timeout).await;
            cluster.settle().await?;
            cluster.note("broker", "broker restart".to_owned(), from_ms);
        }
        Scenario::Storm => {
            let (from_ms, begun) = (now_ms(), Instant::now());
            let mut turn = 0;
            while begun.elapsed() < STORM {
                turn += 1;
                // The first half is left alone: its tasks must not be restarted.
                let number = cluster.random.u32(cluster.work.sources / 2..cluster.work.sources);
                let name = cluster.work.source(number);
                let config = cluster.work.source_config(number, turn);
                cluster.put(turn as usize, &name, &config).await?;
                cluster.changed.insert(name);
                sleep(STORM_GAP).await;
            }
            cluster.settle().await?;
            cluster.note("storm", format!("{turn} reconfigurations"), from_ms);
        }
    }
    Ok(())
}

async fn stop_oldest(cluster: &mut Cluster) -> Result<()> {
    if cluster.members.len() < 2 {
        bail!("a cluster that is rolled needs two workers");
    }
    let kind = cluster.members[0].kind;
    let from_ms = now_ms();
    cluster.stop(0).await?;
    cluster.settle().await?;
    cluster.note("rolling", format!("stop {}", kind.name()), from_ms);
    Ok(())
}

async fn start(cluster: &mut Cluster, scenario: &'static str, kind: Kind) -> Result<()> {
    let from_ms = now_ms();
    cluster.add(kind).await?;
    cluster.settle().await?;
    cluster.note(scenario, format!("start {}", kind.name()), from_ms);
    Ok(())
}
