//! `aqueduct broker`: the embedded broker as a program, configured as Kafka's own is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use broker::{BrokerHandle, ServerProperties};
use tracing::level_filters::LevelFilter;

use super::signals::Signals;
use crate::config::properties;
use crate::logs;

/// What `aqueduct broker` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A server.properties file; what has no meaning in memory is named and ignored
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a property over those of the file, as kafka-server-start.sh does; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where to listen, instead of the address in `listeners` [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub(super) fn run(options: &Options) -> ExitCode {
    logs::start(logs::Output::Stdout, LevelFilter::INFO);
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("Stopping due to error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn serve(options: &Options) -> Result<()> {
    let broker = start(options)?;
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

fn start(options: &Options) -> Result<BrokerHandle> {
    let mut props = match &options.config {
        Some(path) => properties::parse(&properties::read_file(path)?)
            .with_context(|| format!("read {}", path.display()))?,
        None => api::Props::new(),
    };
    for entry in &options.overrides {
        // Only the key is repeated: the value may be a secret.
        let Some((key, value)) = entry.split_once('=') else { bail!("--override: KEY=VALUE is expected") };
        props.insert(key.trim().to_owned(), value.to_owned());
    }
    let entries = props.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let read = ServerProperties::read(entries, options.listen.as_deref())?;
    if !read.ignored.is_empty() {
        tracing::warn!(
            keys = read.ignored.join(", "),
            "these properties have no effect on a broker in memory"
        );
    }
    read.builder.spawn_thread(&read.listen).with_context(|| format!("listen on {}", read.listen))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use protocol::wire::messages::ApiKey;

    use super::*;

    fn options(file: &str, overrides: &[&str]) -> (tempfile::TempDir, Options) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.properties");
        fs::write(&path, file).unwrap();
        let overrides = overrides.iter().map(|entry| (*entry).to_owned()).collect();
        (dir, Options { config: Some(path), overrides, listen: Some("127.0.0.1:0".to_owned()) })
    }

    #[test]
    fn the_file_describes_the_broker_and_overrides_go_before_it() {
        let (_dir, options) = options("node.count=2\ncluster.id=from-file\n", &["cluster.id=given"]);
        let broker = start(&options).unwrap();
        assert_eq!((broker.addresses().len(), broker.cluster_id()), (2, "given"));
        assert_eq!(broker.request_count(ApiKey::Produce), 0);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        let (_dir, bad_value) = options("num.partitions=0\n", &[]);
        assert!(format!("{:#}", start(&bad_value).unwrap_err()).contains("num.partitions=0"));
        let (_dir, no_value) = options("", &["secret"]);
        assert!(!format!("{:#}", start(&no_value).unwrap_err()).contains("secret"));
        let missing = Options { config: Some("/no/such.file".into()), ..options("", &[]).1 };
        assert!(format!("{:#}", start(&missing).unwrap_err()).contains("/no/such.file"));
    }
}
