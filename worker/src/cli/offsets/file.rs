//! The offsets file of a worker that does not run.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use engine::offset::{OffsetStore as _, decode_partition_key, of_connector};

use super::{Entry, Offsets};
use crate::herd::{OffsetRequest, RequestedOffset, plan_source_offsets, shown_source_offsets};
use crate::store::{Entries, FileOffsetStore, read_offsets_file};

/// Reading takes no lock: the file is only ever replaced as a whole. Changing it does.
pub(super) struct OffsetsFile {
    path: PathBuf,
}

impl OffsetsFile {
    pub(super) fn new(path: PathBuf) -> OffsetsFile {
        OffsetsFile { path }
    }

    pub(super) fn connectors(&self) -> Result<Vec<String>> {
        let entries = self.read()?;
        let mut connectors: Vec<String> =
            entries.keys().filter_map(|key| Some(decode_partition_key(key)?.0)).collect();
        connectors.sort();
        connectors.dedup();
        Ok(connectors)
    }

    pub(super) fn offsets(&self, connector: &str) -> Result<Offsets> {
        let stored = of_connector(self.read()?.iter(), connector);
        if stored.is_empty() {
            bail!("{} has no offsets of connector {connector}", self.path.display());
        }
        Ok(serde_json::from_str(&shown_source_offsets(stored)?)?)
    }

    pub(super) fn alter(&self, connector: &str, offsets: Offsets) -> Result<String> {
        let requested = offsets.offsets.into_iter();
        let requested = requested.map(|Entry { partition, offset }| RequestedOffset { partition, offset });
        self.change(connector, OffsetRequest::Alter(requested.collect()))
    }

    pub(super) fn reset(&self, connector: &str) -> Result<String> {
        self.change(connector, OffsetRequest::Reset)
    }

    fn change(&self, connector: &str, request: OffsetRequest) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let store = FileOffsetStore::open(&self.path)?;
        let stored: Vec<(Bytes, Bytes)> = runtime.block_on(store.entries(connector))?;
        let plan = plan_source_offsets(connector, stored, request).map_err(anyhow::Error::msg)?;
        let count = plan.entries.len();
        if count > 0 {
            runtime.block_on(store.set(plan.entries))?;
        }
        Ok(format!("{count} offsets of connector {connector} have been written to {}", self.path.display()))
    }

    fn read(&self) -> Result<Entries> {
        if !self.path.exists() {
            bail!("there is no file {}", self.path.display());
        }
        read_offsets_file(&self.path).context("nothing was changed")
    }
}
