//! Stored offsets of a source connector.

use api::{SourceOffset, SourceOffsetChange, SourcePartition, Value, java_map};
use bytes::Bytes;
use engine::connector::OffsetChanges;
use engine::offset::{OffsetEntry, decode_offset, decode_partition_key, encode_offset, encode_partition_key};
use indexmap::IndexMap;

use super::super::super::event::Refusal;
use super::super::super::herder::Herder;
use super::request::flat;
use super::{OffsetRequest, Owner, RequestedOffset, ask_connector};

impl Herder {
    pub(super) async fn list_source_offsets(&self, owner: &Owner) -> Result<String, Refusal> {
        let store = self.connector_offsets(&owner.connector, &owner.config).await.map_err(failed)?;
        shown(store.entries(&owner.connector).await.map_err(failed)?).map_err(failed)
    }

    pub(super) async fn change_source_offsets(
        &self,
        owner: &Owner,
        request: OffsetRequest,
    ) -> Result<bool, Refusal> {
        let store = self.offsets_to_change(&owner.connector, &owner.config).await.map_err(failed)?;
        let stored = store.entries(&owner.connector).await.map_err(failed)?;
        let Plan { changes, entries } = plan(&owner.connector, stored, request).map_err(Refusal::Failed)?;
        let knows_all = ask_connector(self.engine().calls(), owner, OffsetChanges::Source(changes)).await?;
        if !entries.is_empty() {
            store.set(entries).await.map_err(failed)?;
        }
        Ok(knows_all)
    }
}

/// Stored entries of one connector as Java's REST shows them.
///
/// # Errors
/// When one is not an offset.
pub(crate) fn shown(stored: Vec<(Bytes, Bytes)>) -> api::Result<String> {
    let mut listed: Vec<(SourcePartition, SourceOffset)> = Vec::with_capacity(stored.len());
    for (key, value) in stored {
        let Some((_, partition)) = decode_partition_key(&key) else { continue };
        // A partition whose offset was forgotten is not listed.
        if let Some(offset) = decode_offset(&value)? {
            listed.push((partition, offset));
        }
    }
    java_map::sort(&mut listed, |(partition, _)| hash(partition));
    let mut json = br#"{"offsets":["#.to_vec();
    for (index, (partition, offset)) in listed.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        let entries = partition.entries().unwrap_or_default().to_vec();
        json.extend_from_slice(br#"{"partition":"#);
        json.extend_from_slice(&encode_offset(&entries)?);
        json.extend_from_slice(br#","offset":"#);
        json.extend_from_slice(&encode_offset(offset)?);
        json.push(b'}');
    }
    json.extend_from_slice(b"]}");
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// What a request comes to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// For the connector.
    pub(crate) changes: Vec<SourceOffsetChange>,
    /// For the store.
    pub(crate) entries: Vec<OffsetEntry>,
}

/// What a request comes to, given what is stored for the connector.
///
/// # Errors
/// Java's words for values that offsets can't have.
pub(crate) fn plan(
    connector: &str,
    stored: Vec<(Bytes, Bytes)>,
    request: OffsetRequest,
) -> Result<Plan, String> {
    let key_of = |partition: &SourcePartition| {
        encode_partition_key(connector, partition).map_err(|error| error.message().to_owned())
    };
    // By the key that this partition has when written now: what is stored may have its fields in another order.
    let mut stored_keys: IndexMap<Bytes, (SourcePartition, Vec<Bytes>)> = IndexMap::new();
    for (key, _) in stored {
        let Some((_, partition)) = decode_partition_key(&key) else { continue };
        stored_keys.entry(key_of(&partition)?).or_insert_with(|| (partition, Vec::new())).1.push(key);
    }
    let mut changes: IndexMap<Bytes, SourceOffsetChange> = IndexMap::new();
    match request {
        OffsetRequest::Reset => {
            for (canonical, (partition, _)) in &stored_keys {
                changes.insert(canonical.clone(), (partition.clone(), None));
            }
        }
        OffsetRequest::Alter(requested) => {
            for RequestedOffset { partition, offset } in requested {
                let partition = match partition {
                    None => SourcePartition::none(),
                    Some(map) => SourcePartition::new(flat(map)?),
                };
                changes.insert(key_of(&partition)?, (partition, offset.map(flat).transpose()?));
            }
        }
    }
    let mut plan = Plan::default();
    for (canonical, (partition, offset)) in changes {
        let value =
            offset.as_ref().map(encode_offset).transpose().map_err(|error| error.message().to_owned())?;
        let (written, obsolete) = match stored_keys.swap_remove(&canonical) {
            Some((_, mut keys)) => (keys.pop().unwrap_or(canonical), keys),
            None => (canonical, Vec::new()),
        };
        // One partition under several spellings becomes one entry again.
        plan.entries.extend(obsolete.into_iter().map(|key| (key, None)));
        plan.entries.push((written, value));
        plan.changes.push((partition, offset));
    }
    Ok(plan)
}

fn failed(error: api::Error) -> Refusal {
    Refusal::Failed(error.message().to_owned())
}

/// `Map#hashCode` of a partition: the order of Java's answer follows from it.
fn hash(partition: &SourcePartition) -> u32 {
    let entries = partition.entries().unwrap_or_default().iter();
    entries.fold(0, |sum, (key, value)| {
        let value = match value {
            Value::String(text) => java_map::string_hash(text),
            Value::Int64(integer) => fold(*integer as u64),
            Value::Float64(float) => fold(float.to_bits()),
            Value::Boolean(true) => 1231,
            Value::Boolean(false) => 1237,
            _ => 0,
        };
        sum.wrapping_add(java_map::string_hash(key) ^ value)
    })
}

/// `Long#hashCode`.
fn fold(bits: u64) -> u32 {
    (bits ^ bits >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_keeps_the_key_that_it_is_stored_under() {
        let stored = |keys: &[&'static str]| {
            keys.iter().map(|key| (Bytes::from_static(key.as_bytes()), Bytes::from_static(b"{}"))).collect()
        };
        let map = |json: &str| serde_json::from_str(json).ok();
        let request = || {
            let partition = map(r#"{"a":1,"filename":"/x"}"#);
            OffsetRequest::Alter(vec![RequestedOffset { partition, offset: map(r#"{"p":1}"#) }])
        };
        let entries = |keys: &[&'static str]| -> Vec<String> {
            let plan = plan("c", stored(keys), request()).unwrap();
            assert_eq!(plan.changes.len(), 1);
            let shown =
                plan.entries.iter().map(|(key, value)| format!("{key:?} {value:?}").replace('\\', ""));
            shown.collect()
        };
        let (java, other) = (r#"["c",{"a":1,"filename":"/x"}]"#, r#"["c",{"filename":"/x","a":1}]"#);
        let written = |key: &str| format!(r#"b"{key}" Some(b"{{"p":1}}")"#);
        assert_eq!(entries(&[other]), [written(other)]);
        assert_eq!(entries(&[java]), [written(java)]);
        assert_eq!(
            entries(&[java, other]),
            [format!(r#"b"{java}" None"#), written(other)],
            "one of them remains"
        );
    }

    /// Recorded from Java 4.3.0, `GET /connectors/src/offsets`.
    #[test]
    fn partitions_are_in_javas_order() {
        let recorded = [
            r#"["c",{"filename":"/a"}]"#,
            r#"["c",{"filename":1}]"#,
            r#"["c",{"filename":"/x","y":1}]"#,
            r#"["c",{"filename":null}]"#,
            r#"["c",{"filename":"/tmp/op/in.txt"}]"#,
        ];
        let buckets: Vec<_> = recorded
            .iter()
            .map(|key| java_map::bucket(hash(&decode_partition_key(key.as_bytes()).unwrap().1), 16))
            .collect();
        assert!(buckets.is_sorted(), "{buckets:?}");
    }
}
