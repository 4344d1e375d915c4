//! Source partitions and offsets: made, read, and checked where somebody changes them from outside (`MirrorUtils#validateSourcePartitionString`
//! and its neighbours).

use std::sync::Arc;

use api::{Error, Result, SourceOffset, SourceOffsetChange, SourcePartition, Value};

pub(crate) const CLUSTER: &str = "cluster";
pub(crate) const PARTITION: &str = "partition";
pub(crate) const TOPIC: &str = "topic";
pub(crate) const OFFSET: &str = "offset";

/// The source partition of a topic partition of a cluster.
pub(crate) fn source_partition(cluster: &str, topic: &str, partition: i32) -> SourcePartition {
    SourcePartition::new([
        (Arc::from(CLUSTER), Value::String(cluster.into())),
        (Arc::from(PARTITION), Value::Int32(partition)),
        (Arc::from(TOPIC), Value::String(topic.into())),
    ])
}

/// The upstream offset that is stored; `None` where there is none that a position could be.
pub(crate) fn upstream_offset(stored: &SourceOffset) -> Option<i64> {
    let (_, value) = stored.iter().find(|(key, _)| **key == *OFFSET)?;
    integer(value).filter(|offset| *offset >= 0)
}

/// Checks changes from outside.
///
/// # Errors
/// Java's message about the first that is not like ours. Whatever is to be forgotten is fine.
pub(crate) fn check_changes(changes: &[SourceOffsetChange]) -> Result<()> {
    for (partition, offset) in changes {
        let Some(offset) = offset else { continue };
        let Some(entries) = partition.entries() else {
            return Err(refused("Source partitions may not be null"));
        };
        let shown = map(entries);
        check_text(entries, &shown, CLUSTER)?;
        check_text(entries, &shown, TOPIC)?;
        check_partition(entries, &shown)?;
        check_offset(offset, &shown)?;
    }
    Ok(())
}

fn check_text(entries: &[(Arc<str>, Value)], shown: &str, key: &str) -> Result<()> {
    match required(entries, shown, key)? {
        Value::String(_) => Ok(()),
        other => Err(refused(format!(
            "Source partition {shown} has an invalid value {} for the '{key}' key, which must be a string",
            text(other)
        ))),
    }
}

fn check_partition(entries: &[(Arc<str>, Value)], shown: &str) -> Result<()> {
    let value = required(entries, shown, PARTITION)?;
    let invalid = |what: &str| {
        Err(refused(format!(
            "Source partition {shown} has an invalid value {} for the '{PARTITION}' key, which {what}",
            text(value)
        )))
    };
    match integer(value) {
        Some(number) if number < 0 => invalid("cannot be negative"),
        Some(number) if i32::try_from(number).is_ok() => Ok(()),
        _ => invalid("must be an integer"),
    }
}

fn check_offset(offset: &SourceOffset, partition: &str) -> Result<()> {
    let shown = map(offset);
    let Some((_, value)) = offset.iter().find(|(key, _)| **key == *OFFSET) else {
        return Err(refused(format!(
            "Source offset {shown} for source partition {partition} is missing the '{OFFSET}' key, which is required"
        )));
    };
    let invalid = |what: &str| {
        Err(refused(format!(
            "Source offset {shown} for source partition {partition} has an invalid value {} for the '{OFFSET}' key, \
             which {what}",
            text(value)
        )))
    };
    match integer(value) {
        None => invalid("must be an integer"),
        Some(number) if number < 0 => invalid("cannot be negative"),
        Some(_) => Ok(()),
    }
}

fn required<'a>(entries: &'a [(Arc<str>, Value)], shown: &str, key: &str) -> Result<&'a Value> {
    match entries.iter().find(|(name, _)| **name == *key) {
        Some((_, value)) => Ok(value),
        None => {
            Err(refused(format!("Source partition {shown} is missing the '{key}' key, which is required")))
        }
    }
}

/// An integer of any width: JSON does not say which.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int8(number) => Some(i64::from(*number)),
        Value::Int16(number) => Some(i64::from(*number)),
        Value::Int32(number) => Some(i64::from(*number)),
        Value::Int64(number) => Some(*number),
        _ => None,
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::fatal(message)
}

/// A value as Java prints it within a message.
fn text(value: &Value) -> String {
    let mut out = Vec::new();
    api::java_text::write(&mut out, value.as_value_ref());
    String::from_utf8_lossy(&out).into_owned()
}

/// A map as Java prints it.
fn map(entries: &[(Arc<str>, Value)]) -> String {
    let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(value: Value) -> SourceOffset {
        vec![(Arc::from(OFFSET), value)]
    }

    fn said(partition: SourcePartition, offset: SourceOffset) -> String {
        check_changes(&[(partition, Some(offset))])
            .err()
            .map_or_else(String::new, |error| error.message().to_owned())
    }

    #[test]
    fn what_is_like_ours_is_taken_and_anything_may_be_forgotten() {
        let ours = source_partition("a", "t", 3);
        assert_eq!(said(ours.clone(), offset(Value::Int64(7))), "");
        check_changes(&[(SourcePartition::none(), None), (ours, None)]).unwrap();
    }

    #[test]
    fn refusals_are_in_javas_words() {
        let ours = || source_partition("a", "t", 3);
        let shown = "{cluster=a, partition=3, topic=t}";
        assert_eq!(
            said(SourcePartition::none(), offset(Value::Int64(1))),
            "Source partitions may not be null"
        );
        assert_eq!(
            said(ours(), Vec::new()),
            format!(
                "Source offset {{}} for source partition {shown} is missing the 'offset' key, which is required"
            )
        );
        assert_eq!(
            said(ours(), offset(Value::Int64(-1))),
            format!(
                "Source offset {{offset=-1}} for source partition {shown} has an invalid value -1 for the 'offset' key, \
                 which cannot be negative"
            )
        );
        assert_eq!(
            said(ours(), offset(Value::String("x".into()))),
            format!(
                "Source offset {{offset=x}} for source partition {shown} has an invalid value x for the 'offset' key, \
                 which must be an integer"
            )
        );
        let partition = |entries: &[(&str, Value)]| {
            SourcePartition::new(entries.iter().map(|(key, value)| (Arc::from(*key), value.clone())))
        };
        let text = |text: &str| Value::String(text.into());
        assert_eq!(
            said(partition(&[(TOPIC, text("t")), (PARTITION, Value::Int32(1))]), offset(Value::Int64(1))),
            "Source partition {topic=t, partition=1} is missing the 'cluster' key, which is required"
        );
        assert_eq!(
            said(
                partition(&[(CLUSTER, text("a")), (TOPIC, text("t")), (PARTITION, Value::Int32(-1))]),
                offset(Value::Int64(1))
            ),
            "Source partition {cluster=a, topic=t, partition=-1} has an invalid value -1 for the 'partition' key, which \
             cannot be negative"
        );
    }
}
