//! Goal: REST is as protected as its operator says, and no flood, slow client or secret gets through. Method: workers with real TLS
//! clients, raw sockets and Java's own files; expected answers were recorded from Java Connect 4.3.0.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod canary;
mod limits;
mod providers;
mod tls;

use support::{Broker, InProcess, Properties, worker_properties};

/// A worker within the process, and what it needs.
struct Setup {
    worker: InProcess,
    dir: tempfile::TempDir,
    _broker: Broker,
}

impl Setup {
    fn start(more: impl FnOnce(&tempfile::TempDir) -> Vec<(String, String)>) -> Setup {
        Setup::with(worker::built_in(), more)
    }

    fn with(
        registry: worker::Registry,
        more: impl FnOnce(&tempfile::TempDir) -> Vec<(String, String)>,
    ) -> Setup {
        let broker = Broker::start();
        let dir = tempfile::tempdir().unwrap();
        let mut properties = worker_properties(&broker.bootstrap, dir.path(), &[]);
        properties.extend(more(&dir));
        let worker = InProcess::start(&properties, registry);
        Setup { worker, dir, _broker: broker }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }
}

fn owned(properties: &Properties<'_>) -> Vec<(String, String)> {
    properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
