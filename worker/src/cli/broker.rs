//! `aqueduct broker`: the embedded broker as a program.

use std::process::ExitCode;

use tracing::level_filters::LevelFilter;

use super::signals::Signals;
use crate::logs;

pub(super) fn run(listen: &str) -> ExitCode {
    logs::start(logs::Output::Stdout, LevelFilter::INFO);
    match serve(listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(listen, "Stopping due to error: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve(listen: &str) -> std::io::Result<()> {
    let broker = broker::Broker::builder().spawn_thread(listen)?;
    let (servers, cluster) = (broker.bootstrap_servers(), broker.cluster_id());
    tracing::info!(
        "embedded broker ready: bootstrap.servers={servers}, cluster {cluster}; everything is kept in memory and gone when it ends"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        Signals::catch()?.next().await;
        Ok::<_, std::io::Error>(())
    })?;
    tracing::info!("stopped");
    Ok(())
}
