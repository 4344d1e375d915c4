//! Rows into open batches: a stretch at a time, one partition and one batch each. What a stretch has in common is looked at once for it,
//! its rows are written by [`BatchBuilder::append_rows`](crate::wire::records::BatchBuilder::append_rows).

use std::ops::Range;

use super::accumulator::Accumulator;
use super::record::{AppendError, size_upper_bound};
use super::topic::TopicHandle;
use crate::wire::records::{Limits, Rows, Stop};

/// More than [`size_upper_bound`] counts beyond the bytes of key, value and headers.
const RECORD_OVERHEAD_BYTES_MAX: usize = 128;

impl Accumulator {
    /// As [`Producer::append_rows`](super::Producer::append_rows).
    pub(super) fn append_rows<R: Rows>(
        &self,
        topic: &TopicHandle,
        asked: Option<i32>,
        rows: &R,
        left: &mut Range<usize>,
        token: u64,
        mut sent: impl FnMut(Range<usize>, i32),
    ) -> Result<(), AppendError> {
        self.check_takes_records()?;
        let max = self.config.request_bytes_max;
        while left.start < left.end {
            let first = left.start;
            let size = size_upper_bound(rows, first);
            if size > max {
                return Err(AppendError::TooLarge { size, max, setting: "max.request.size" });
            }
            let chosen = topic.state.choose(self.cluster.env(), &self.config, asked, rows, first)?;
            let partitions = topic.state.partitions.borrow();
            let Some(partition) = partitions.get(chosen.index) else {
                let partition = chosen.index as i32;
                return Err(AppendError::NoSuchPartition { partition, count: partitions.len() });
            };
            let mut state = partition.state.borrow_mut();
            let state = &mut *state;
            let open = match &mut state.open {
                Some(open) => open,
                none => {
                    // What nobody sends to a certain partition may find its way to others.
                    let may_go_to = |index: usize| asked.is_none() && index != chosen.index;
                    let others = partitions.iter().enumerate().filter(|(index, _)| may_go_to(*index));
                    self.check_is_not_ahead(partition, &state.queue, others.map(|(_, other)| other))?;
                    none.insert(self.open(partition, size)?)
                }
            };
            let before = state.builder.estimated_bytes();
            let limits = Limits {
                batch_bytes: before.saturating_add(chosen.bytes),
                payload_bytes: max.saturating_sub(RECORD_OVERHEAD_BYTES_MAX),
            };
            let mut stretch = first..if chosen.is_of_one { first + 1 } else { left.end };
            let stop = state.builder.append_rows(rows, &mut stretch, limits);
            left.start = stretch.start;
            let count = (left.start - first) as u32;
            if count > 0 {
                match open.tokens.last_mut() {
                    Some((last, of_last)) if *last == token => *of_last += count,
                    _ => open.tokens.push((token, count)),
                }
                topic.state.took(chosen, state.builder.estimated_bytes() - before);
                sent(first..left.start, partition.index);
            }
            match stop {
                // Whether the next row is too large, and where it goes, is another question.
                Ok(_) if count > 0 && state.builder.estimated_bytes() < self.config.batch_bytes => {}
                Ok(Stop::Done | Stop::Full | Stop::Large) => {
                    self.close_batch(topic, partition, state).map_err(AppendError::Encode)?;
                }
                Err(error) => {
                    if state.builder.is_empty()
                        && let Some(open) = state.open.take()
                    {
                        self.release(open.charged_bytes, open.flush_generation);
                    }
                    return Err(AppendError::Encode(error));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::client::producer::{ProduceRecord, Producer, ProducerConfig};
    use crate::cluster::Cluster;
    use crate::cluster::fake::{FakeCluster, run};
    use crate::net::{Env, Random};
    use crate::wire::records::Header;

    /// The same chance for everyone who begins anew.
    #[derive(Default)]
    struct Sequence(AtomicU64);

    impl Random for Sequence {
        fn next_u64(&self) -> u64 {
            self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
        }
    }

    type Bytes = Option<Vec<u8>>;

    /// Keys and values.
    struct Columns(Vec<(Bytes, Bytes)>);

    impl Rows for Columns {
        fn timestamp_ms(&self, row: usize) -> i64 {
            row as i64
        }

        fn has_keys(&self) -> bool {
            self.0.iter().any(|(key, _)| key.is_some())
        }

        fn key(&self, row: usize) -> Option<&[u8]> {
            self.0[row].0.as_deref()
        }

        fn value(&self, row: usize) -> Option<&[u8]> {
            self.0[row].1.as_deref()
        }

        fn headers(&self, _row: usize) -> impl Iterator<Item = Header<'_>> + Clone {
            std::iter::empty()
        }

        fn has_headers(&self) -> bool {
            false
        }
    }

    /// What became of each row, and the batches of each partition.
    type Trace = (Vec<Result<i32, String>>, Vec<Vec<bytes::Bytes>>);

    async fn appended(
        config: &ProducerConfig,
        columns: &Columns,
        asked: Option<i32>,
        runs: &[usize],
    ) -> Trace {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1; 3]);
        let client = fake.client();
        let env = Env { random: Arc::new(Sequence::default()), ..client.env().clone() };
        let cluster = Cluster::new(env, client.config().clone());
        let producer = Producer::new(cluster, config.clone()).unwrap();
        let topic = producer.topic("t").await.unwrap();
        let mut told: Vec<Result<i32, String>> = Vec::new();
        let mut runs = runs.iter().cycle();
        while told.len() < columns.0.len() {
            let first = told.len();
            let Some(run) = runs.next() else {
                let (key, value) = (columns.key(first), columns.value(first));
                let record = ProduceRecord { timestamp_ms: first as i64, key, value, headers: &[] };
                told.push(producer.append(&topic, asked, &record, 0).map_err(|error| error.to_string()));
                continue;
            };
            let mut left = first..(first + run).min(columns.0.len());
            let mut sent = |rows: Range<usize>, partition| {
                assert_eq!(rows.start, told.len());
                told.extend(rows.map(|_| Ok(partition)));
            };
            let refused = producer.append_rows(&topic, asked, columns, &mut left, 0, &mut sent);
            assert_eq!(left.start, told.len());
            match refused {
                Ok(()) => assert_eq!(left.start, left.end),
                Err(error) => told.push(Err(error.to_string())),
            }
        }
        producer.flush().await.unwrap();
        let world = fake.world.borrow();
        let log = |partition| world.logs.get(&("t".to_owned(), partition)).map(|log| log.batches.clone());
        (told, (0..3).map(|partition| log(partition).unwrap_or_default()).collect())
    }

    proptest! {
        /// Goal: by the run or one by one, rows go to the same places in the same batches, and the same rows are refused for the same reasons.
        #[test]
        fn runs_are_as_records_one_by_one(
            rows in vec((option::of(vec(any::<u8>(), 0..4)), option::of(vec(any::<u8>(), 0..90))), 1..150),
            has_keys: bool,
            large in vec((any::<prop::sample::Index>(), 300usize..1_200), 0..4),
            asked in prop_oneof![6 => Just(None), 2 => Just(Some(1)), 1 => Just(Some(3))],
            batch_bytes in 0usize..1_500,
            partitioner_ignores_keys in prop::bool::weighted(0.2),
            runs in vec(1usize..60, 1..6),
        ) {
            let mut columns = Columns(rows);
            if !has_keys {
                columns.0.iter_mut().for_each(|(key, _)| *key = None);
            }
            for (row, bytes) in large {
                let rows = columns.0.len();
                columns.0[row.index(rows)].1 = Some(vec![b'x'; bytes]);
            }
            // Without idempotence no batch has a producer id, which would tell one producer from another.
            let config = ProducerConfig {
                batch_bytes,
                partitioner_ignores_keys,
                request_bytes_max: 1_000,
                linger_ms: 60_000,
                idempotence: false,
                ..ProducerConfig::default()
            };
            run(async {
                let one_by_one = appended(&config, &columns, asked, &[]).await;
                let by_the_run = appended(&config, &columns, asked, &runs).await;
                assert_eq!(by_the_run, one_by_one);
            });
        }
    }
}
