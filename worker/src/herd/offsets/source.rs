//! Stored offsets of a source connector.

use api::{SourceOffset, SourceOffsetChange, SourcePartition, Value, java_map};
use bytes::Bytes;
use engine::connector::OffsetChanges;
use engine::offset::{decode_offset, decode_partition_key, encode_offset, encode_partition_key};
use indexmap::IndexMap;

use super::super::event::Refusal;
use super::super::shell::HerderConfig;
use super::request::flat;
use super::{OffsetRequest, Owner, RequestedOffset, ask_connector};

pub(super) async fn list(herder: &HerderConfig, owner: &Owner) -> Result<String, Refusal> {
    let stored = herder.offsets.entries(&owner.connector).await.map_err(failed)?;
    let mut listed: Vec<(SourcePartition, SourceOffset)> = Vec::with_capacity(stored.len());
    for (key, value) in stored {
        let Some((_, partition)) = decode_partition_key(&key) else { continue };
        // A partition whose offset was forgotten is not listed.
        if let Some(offset) = decode_offset(&value).map_err(failed)? {
            listed.push((partition, offset));
        }
    }
    let capacity = java_map::capacity(listed.len());
    listed.sort_by_cached_key(|(partition, _)| java_map::bucket(hash(partition), capacity));
    let mut json = br#"{"offsets":["#.to_vec();
    for (index, (partition, offset)) in listed.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        let entries = partition.entries().unwrap_or_default().to_vec();
        json.extend_from_slice(br#"{"partition":"#);
        json.extend_from_slice(&encode_offset(&entries).map_err(failed)?);
        json.extend_from_slice(br#","offset":"#);
        json.extend_from_slice(&encode_offset(offset).map_err(failed)?);
        json.push(b'}');
    }
    json.extend_from_slice(b"]}");
    Ok(String::from_utf8_lossy(&json).into_owned())
}

pub(super) async fn change(
    herder: &HerderConfig,
    owner: &Owner,
    request: OffsetRequest,
) -> Result<bool, Refusal> {
    let connector = &owner.connector;
    let stored = herder.offsets.entries(connector).await.map_err(failed)?;
    // By the key that this partition has when written now: what is stored may have its fields in another order.
    let mut stored_keys: IndexMap<Bytes, (SourcePartition, Vec<Bytes>)> = IndexMap::new();
    for (key, _) in stored {
        let Some((_, partition)) = decode_partition_key(&key) else { continue };
        let canonical = encode_partition_key(connector, &partition).map_err(failed)?;
        stored_keys.entry(canonical).or_insert_with(|| (partition, Vec::new())).1.push(key);
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
                    Some(map) => SourcePartition::new(flat(map).map_err(Refusal::Failed)?),
                };
                let offset = offset.map(flat).transpose().map_err(Refusal::Failed)?;
                let canonical = encode_partition_key(connector, &partition).map_err(failed)?;
                changes.insert(canonical, (partition, offset));
            }
        }
    }
    let told = OffsetChanges::Source(changes.values().cloned().collect());
    let knows_all = ask_connector(owner, told).await?;
    let mut entries = Vec::with_capacity(changes.len());
    for (canonical, (_, offset)) in changes {
        let value = offset.map(|offset| encode_offset(&offset)).transpose().map_err(failed)?;
        let (written, obsolete) = match stored_keys.swap_remove(&canonical) {
            Some((_, mut keys)) => (keys.pop().unwrap_or(canonical), keys),
            None => (canonical, Vec::new()),
        };
        // One partition under several spellings becomes one entry again.
        entries.extend(obsolete.into_iter().map(|key| (key, None)));
        entries.push((written, value));
    }
    if !entries.is_empty() {
        herder.offsets.set(entries).await.map_err(failed)?;
    }
    Ok(knows_all)
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
