//! What becomes of rows that a converter or transform cannot handle: the one place that decides (contract section 6).

use api::{Error, RowError};
use tracing::warn;

use crate::metrics::TaskMetrics;
use crate::task::{TaskId, Tolerance};

/// The stage in which a row failed, under its Java name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    KeyConverter,
    ValueConverter,
}

impl Stage {
    fn java_name(self) -> &'static str {
        match self {
            Stage::KeyConverter => "KEY_CONVERTER",
            Stage::ValueConverter => "VALUE_CONVERTER",
        }
    }
}

/// Applies the tolerance to the failed rows of one stage of one run. `Ok` means that they are to be left out.
///
/// # Errors
/// Under [`Tolerance::None`] the first failure, as Java words it.
pub(crate) fn decide(
    id: &TaskId,
    tolerance: Tolerance,
    stage: Stage,
    mut errors: Vec<RowError>,
    metrics: &TaskMetrics,
) -> Result<Vec<usize>, Error> {
    if errors.is_empty() {
        return Ok(Vec::new());
    }
    match tolerance {
        Tolerance::None => {
            let first = errors.swap_remove(0).error;
            Err(Error::fatal("Tolerance exceeded in error handler").with_source(first))
        }
        Tolerance::All => {
            metrics.records_skipped.add(errors.len() as u64);
            // One line per run, not per record: a poisoned topic must not flood the log.
            warn!(
                task = %id, stage = stage.java_name(), count = errors.len(), first = %errors[0].error,
                "skipped records that failed"
            );
            Ok(errors.into_iter().map(|error| error.row).collect())
        }
    }
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
