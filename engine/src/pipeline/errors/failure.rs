//! What is known of a record that failed, and which rows are left without those that did.

use api::Error;

/// The stages that Java's error handling knows and tolerates failures of, under its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    KeyConverter,
    ValueConverter,
    HeaderConverter,
    Transformation,
    TaskPut,
    KafkaProduce,
}

impl Stage {
    pub(crate) fn java_name(self) -> &'static str {
        match self {
            Stage::KeyConverter => "KEY_CONVERTER",
            Stage::ValueConverter => "VALUE_CONVERTER",
            Stage::HeaderConverter => "HEADER_CONVERTER",
            Stage::Transformation => "TRANSFORMATION",
            Stage::TaskPut => "TASK_PUT",
            Stage::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// Where a record failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stage: Stage,
    /// The Java class at work: the converter's, the transform's, or Connect's own.
    pub(crate) class: &'static str,
}

impl Place {
    /// A sink's `put`.
    pub(crate) const PUT: Place =
        Place { stage: Stage::TaskPut, class: "org.apache.kafka.connect.sink.SinkTask" };

    /// What the producer could not write.
    pub(crate) const PRODUCE: Place =
        Place { stage: Stage::KafkaProduce, class: "org.apache.kafka.connect.runtime.WorkerSourceTask" };
}

/// A row that has failed for good.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) row: usize,
    pub(crate) place: Place,
    pub(crate) error: Error,
    /// It was tried again until there was no time left. Java skips such a record even where it tolerates nothing.
    pub(crate) is_out_of_retries: bool,
}

/// The stretches of `0..rows` that are left when `skipped` rows (ascending, possibly repeated) are taken out.
pub(crate) fn kept(rows: usize, skipped: &[usize]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    skipped
        .iter()
        .copied()
        .chain(std::iter::once(rows))
        .map(move |end| {
            let range = start..end.max(start);
            start = start.max(end + 1);
            range
        })
        .filter(|range| !range.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_leaves_out_just_the_skipped_rows() {
        let ranges = |rows, skipped: &[usize]| kept(rows, skipped).collect::<Vec<_>>();
        assert_eq!(ranges(5, &[]), std::slice::from_ref(&(0..5)));
        assert_eq!(ranges(5, &[0, 2, 2, 4]), [1..2, 3..4]);
        assert!(ranges(2, &[0, 1]).is_empty());
        assert!(ranges(0, &[]).is_empty());
    }
}
