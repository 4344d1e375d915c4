//! The brokers under a cluster of workers: a real Kafka that can be restarted, the embedded broker, or one that runs already.

use std::path::Path;

use anyhow::{Result, bail};
use xtask::kafka::{Broker, Libs};

use crate::clients::embedded::EmbeddedBroker;

/// Ended when dropped, where it was started here.
#[derive(Debug)]
pub(super) enum Brokers {
    Kafka(Option<Box<Broker>>, String),
    Embedded(EmbeddedBroker),
}

impl Brokers {
    pub(super) async fn kafka(libs: Libs) -> Result<Brokers> {
        // It waits for the JVM on its thread.
        let broker = tokio::task::spawn_blocking(move || Broker::start(&libs)).await??;
        let bootstrap = broker.bootstrap().to_owned();
        Ok(Brokers::Kafka(Some(Box::new(broker)), bootstrap))
    }

    pub(super) fn embedded(binary: &Path) -> Result<Brokers> {
        Ok(Brokers::Embedded(EmbeddedBroker::start(binary)?))
    }

    pub(super) fn bootstrap(&self) -> &str {
        match self {
            Brokers::Kafka(_, bootstrap) => bootstrap,
            Brokers::Embedded(broker) => &broker.bootstrap,
        }
    }

    /// Kills Kafka and starts it again on the same data.
    pub(super) async fn restart(&mut self) -> Result<()> {
        let Brokers::Kafka(broker, _) = self else {
            bail!("the embedded broker keeps everything in memory: a restart would lose it")
        };
        let Some(running) = broker.take() else { bail!("the broker was lost in its last restart") };
        *broker = Some(Box::new(tokio::task::spawn_blocking(move || running.kill().start()).await??));
        Ok(())
    }
}
