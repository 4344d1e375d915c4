//! The ledger of a source task: which of its records Kafka has acknowledged, and so which source offsets are safe to commit.
//!
//! The unit is a run of records with one source partition, known by its [`Token`]. Runs of a partition are acknowledged in any
//! order (they spread over Kafka partitions and brokers); the committable offset of a partition is that of the last run of
//! its leading stretch of acknowledged ones. A slow Kafka partition holds back only the source partitions that wrote to it
//! (Java: `SubmittedRecords`, KAFKA-12226).

use std::collections::{HashMap, VecDeque};

use api::{Error, SourceOffset, SourcePartition};
use bytes::Bytes;

use super::{OffsetEntry, encode_offset, encode_partition_key};
use crate::planted::{self, Bug};

/// Names a submitted run. Tokens of one ledger count up from 0.
pub type Token = u64;

/// A run on its way.
#[derive(Debug)]
struct Submitted {
    /// Index into [`Ledger::partitions`].
    partition: usize,
    /// Records not yet acknowledged.
    outstanding: usize,
    /// Whether all records have been handed to the producer: before that, `outstanding` may touch 0 and grow again.
    is_sealed: bool,
}

/// A source partition that has been written.
#[derive(Debug)]
struct PartitionQueue {
    /// Its key in the offset store.
    key: Bytes,
    /// Runs in the order polled, with the offset to commit once each is done.
    runs: VecDeque<(Token, Option<SourceOffset>)>,
    /// The offset after the leading acknowledged runs, where newer than the last one taken.
    committable: Option<Option<SourceOffset>>,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Ledger {
    connector: String,
    /// Runs by token: `submitted[token - first]`. `None` once done.
    submitted: VecDeque<Option<Submitted>>,
    first: Token,
    partitions: Vec<PartitionQueue>,
    by_key: HashMap<Bytes, usize>,
    /// The partition of the last run, to skip the look-up: runs of one file or table come in long rows.
    last: Option<(SourcePartition, usize)>,
    outstanding_records: usize,
    is_transactional: bool,
}

impl Ledger {
    /// An empty ledger for a connector's task.
    pub fn new(connector: &str) -> Ledger {
        Ledger::with(connector, false)
    }

    /// One for a task whose transactions hold records and offsets: a run is done once it is sealed, since its offset counts only if
    /// its records do. Acknowledgements are no more than counted.
    pub fn transactional(connector: &str) -> Ledger {
        Ledger::with(connector, true)
    }

    fn with(connector: &str, is_transactional: bool) -> Ledger {
        Ledger {
            is_transactional,
            connector: connector.to_owned(),
            submitted: VecDeque::new(),
            first: 0,
            partitions: Vec::new(),
            by_key: HashMap::new(),
            last: None,
            outstanding_records: 0,
        }
    }

    /// Opens a run of `partition`, whose last record carries `offset`. Records are added with [`Ledger::submit`] and the run
    /// is closed with [`Ledger::seal`].
    ///
    /// # Errors
    /// When the partition cannot be written as JSON.
    pub fn open(
        &mut self,
        partition: &SourcePartition,
        offset: Option<SourceOffset>,
    ) -> Result<Token, Error> {
        let index = self.partition_index(partition)?;
        let token = self.first + self.submitted.len() as u64;
        self.submitted.push_back(Some(Submitted { partition: index, outstanding: 0, is_sealed: false }));
        self.partitions[index].runs.push_back((token, offset));
        Ok(token)
    }

    /// Notes that `count` more records of the run were handed to the producer.
    pub fn submit(&mut self, token: Token, count: usize) {
        self.outstanding_records += count;
        if self.awaits_acknowledgements() {
            self.entry(token).outstanding += count;
        }
    }

    /// Changes the offset of a run that is not sealed: no more of it will be handed to the producer than that far.
    pub fn cut(&mut self, token: Token, offset: Option<SourceOffset>) {
        let partition = self.entry(token).partition;
        let runs = &mut self.partitions[partition].runs;
        if let Some(run) = runs.iter_mut().rev().find(|(run, _)| *run == token) {
            run.1 = offset;
        }
    }

    /// Notes that no more records of the run will come. `true`: it is done.
    pub fn seal(&mut self, token: Token) -> bool {
        self.entry(token).is_sealed = true;
        self.settle(token)
    }

    /// Notes that `count` records of the run are durable in Kafka. `true`: all that it has are, and the run is done.
    ///
    /// # Panics
    /// When more records are acknowledged than were submitted: offsets of lost records could be committed.
    pub fn acknowledge(&mut self, token: Token, count: usize) -> bool {
        if !self.awaits_acknowledgements() {
            self.outstanding_records -= count;
            return false;
        }
        let entry = self.entry(token);
        assert!(count <= entry.outstanding, "run {token}: {count} acknowledged, {} out", entry.outstanding);
        entry.outstanding -= count;
        self.outstanding_records -= count;
        self.settle(token)
    }

    /// Whether a run is done only once Kafka has all of it.
    fn awaits_acknowledgements(&self) -> bool {
        !self.is_transactional && !planted::is(Bug::EarlyCommit)
    }

    /// Whether a run is done when it is sealed.
    pub fn is_transactional(&self) -> bool {
        self.is_transactional
    }

    /// Whether [`Ledger::take_committable`] would give anything.
    pub fn has_committable(&self) -> bool {
        self.partitions.iter().any(|partition| partition.committable.is_some())
    }

    /// Records handed to the producer and not yet acknowledged.
    pub fn outstanding_records(&self) -> usize {
        self.outstanding_records
    }

    /// Takes what has become committable since the last call. After a failed commit give it back with
    /// [`Ledger::restore`].
    ///
    /// # Errors
    /// When an offset cannot be written as JSON. Nothing is taken then, so that the offsets of others are not lost with it.
    pub fn take_committable(&mut self) -> Result<Vec<OffsetEntry>, Error> {
        let mut entries = Vec::new();
        for partition in &self.partitions {
            if let Some(offset) = &partition.committable {
                entries.push((partition.key.clone(), offset.as_ref().map(encode_offset).transpose()?));
            }
        }
        for partition in &mut self.partitions {
            partition.committable = None;
        }
        Ok(entries)
    }

    /// Gives back entries whose commit failed, unless something newer has become committable meanwhile.
    ///
    /// # Errors
    /// When an offset is not the JSON that [`Ledger::take_committable`] gave.
    pub fn restore(&mut self, entries: Vec<OffsetEntry>) -> Result<(), Error> {
        for (key, value) in entries {
            let Some(&index) = self.by_key.get(&key) else { continue };
            let offset = value.map(|value| super::decode_offset(&value)).transpose()?.flatten();
            self.partitions[index].committable.get_or_insert(offset);
        }
        Ok(())
    }

    fn entry(&mut self, token: Token) -> &mut Submitted {
        let index = token.checked_sub(self.first).expect("a token in use is not forgotten") as usize;
        self.submitted[index].as_mut().expect("a run is settled once, after all its records")
    }

    /// When the run is done: moves the committable offset of its partition up and forgets leading done runs.
    fn settle(&mut self, token: Token) -> bool {
        let entry = self.entry(token);
        if entry.outstanding > 0 || !entry.is_sealed {
            return false;
        }
        let partition = entry.partition;
        let partition = &mut self.partitions[partition];
        self.submitted[(token - self.first) as usize] = None;
        while let Some((token, _)) = partition.runs.front() {
            let is_done =
                token.checked_sub(self.first).is_none_or(|index| self.submitted[index as usize].is_none());
            if !is_done {
                break;
            }
            partition.committable = partition.runs.pop_front().map(|(_, offset)| offset);
        }
        while let Some(None) = self.submitted.front() {
            self.submitted.pop_front();
            self.first += 1;
        }
        true
    }

    fn partition_index(&mut self, partition: &SourcePartition) -> Result<usize, Error> {
        if let Some((last, index)) = &self.last
            && last.is_same(partition)
        {
            return Ok(*index);
        }
        let key = encode_partition_key(&self.connector, partition)?;
        let index = match self.by_key.get(&key) {
            Some(&index) => index,
            None => {
                let index = self.partitions.len();
                self.partitions.push(PartitionQueue {
                    key: key.clone(),
                    runs: VecDeque::new(),
                    committable: None,
                });
                self.by_key.insert(key, index);
                index
            }
        };
        self.last = Some((partition.clone(), index));
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::Value;
    use proptest::prelude::*;

    use super::*;

    fn partition(name: &str) -> SourcePartition {
        SourcePartition::new([(Arc::from("filename"), Value::String(name.to_owned()))])
    }

    fn position(value: i64) -> Option<SourceOffset> {
        Some(vec![(Arc::from("position"), Value::Int64(value))])
    }

    fn submit(ledger: &mut Ledger, name: &str, value: i64, count: usize) -> Token {
        let token = ledger.open(&partition(name), position(value)).unwrap();
        ledger.submit(token, count);
        ledger.seal(token);
        token
    }

    fn committable(ledger: &mut Ledger) -> Vec<(String, String)> {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let entries = ledger.take_committable().unwrap();
        entries.into_iter().map(|(key, value)| (text(key), text(value.unwrap()))).collect()
    }

    fn entry(name: &str, value: i64) -> (String, String) {
        (format!(r#"["c",{{"filename":"{name}"}}]"#), format!(r#"{{"position":{value}}}"#))
    }

    #[test]
    fn commits_only_the_contiguous_prefix() {
        let mut ledger = Ledger::new("c");
        let first = submit(&mut ledger, "a", 10, 2);
        let second = submit(&mut ledger, "a", 20, 1);
        ledger.acknowledge(second, 1);
        ledger.acknowledge(first, 1);
        assert_eq!(committable(&mut ledger), []);
        ledger.acknowledge(first, 1);
        assert_eq!(committable(&mut ledger), [entry("a", 20)]);
        assert_eq!(committable(&mut ledger), []);
        assert_eq!(ledger.outstanding_records(), 0);
    }

    #[test]
    fn an_offset_that_is_no_json_costs_no_offset_of_others() {
        let mut ledger = Ledger::new("c");
        let good = submit(&mut ledger, "a", 10, 1);
        let nested = Some(vec![(Arc::from("position"), Value::Array(Vec::new()))]);
        let bad = ledger.open(&partition("b"), nested).unwrap();
        ledger.submit(bad, 1);
        ledger.seal(bad);
        ledger.acknowledge(good, 1);
        ledger.acknowledge(bad, 1);
        ledger.take_committable().unwrap_err();
        let better = submit(&mut ledger, "b", 20, 1);
        ledger.acknowledge(better, 1);
        assert_eq!(committable(&mut ledger), [entry("a", 10), entry("b", 20)]);
    }

    #[test]
    fn a_slow_partition_holds_back_no_other() {
        let mut ledger = Ledger::new("c");
        let slow = submit(&mut ledger, "slow", 1, 1);
        let quick = submit(&mut ledger, "quick", 2, 1);
        ledger.acknowledge(quick, 1);
        assert_eq!(committable(&mut ledger), [entry("quick", 2)]);
        ledger.acknowledge(slow, 1);
        assert_eq!(committable(&mut ledger), [entry("slow", 1)]);
    }

    #[test]
    fn a_run_is_not_done_before_it_is_sealed() {
        let mut ledger = Ledger::new("c");
        let token = ledger.open(&partition("a"), position(5)).unwrap();
        ledger.submit(token, 3);
        ledger.acknowledge(token, 3);
        assert_eq!(committable(&mut ledger), []);
        ledger.submit(token, 1);
        ledger.seal(token);
        assert_eq!(committable(&mut ledger), []);
        ledger.acknowledge(token, 1);
        assert_eq!(committable(&mut ledger), [entry("a", 5)]);
    }

    #[test]
    fn in_a_transaction_an_offset_waits_for_no_acknowledgement() {
        let mut ledger = Ledger::transactional("c");
        let first = submit(&mut ledger, "a", 10, 2);
        assert!(ledger.has_committable());
        assert_eq!(committable(&mut ledger), [entry("a", 10)]);
        let second = ledger.open(&partition("a"), position(20)).unwrap();
        ledger.submit(second, 1);
        assert!(!ledger.has_committable(), "it is not handed over as a whole");
        ledger.cut(second, position(15));
        ledger.seal(second);
        assert_eq!(committable(&mut ledger), [entry("a", 15)]);
        assert!(!ledger.acknowledge(first, 2));
        assert_eq!(ledger.outstanding_records(), 1);
        ledger.acknowledge(second, 1);
        assert_eq!((ledger.outstanding_records(), ledger.has_committable()), (0, false));
    }

    #[test]
    fn a_failed_commit_comes_again_unless_overtaken() {
        let mut ledger = Ledger::new("c");
        let (a, b) = (submit(&mut ledger, "a", 1, 1), submit(&mut ledger, "b", 1, 1));
        ledger.acknowledge(a, 1);
        ledger.acknowledge(b, 1);
        let failed = ledger.take_committable().unwrap();
        let newer = submit(&mut ledger, "a", 2, 1);
        ledger.acknowledge(newer, 1);
        ledger.restore(failed).unwrap();
        assert_eq!(committable(&mut ledger), [entry("a", 2), entry("b", 1)]);
    }

    proptest! {
        /// Whatever the order of acknowledgements, the committable offset is that of the longest done prefix.
        #[test]
        fn committable_is_the_longest_done_prefix(
            counts in prop::collection::vec((0usize..3, 1usize..4), 1..20),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let mut ledger = Ledger::new("c");
            let mut runs: Vec<(usize, Token, usize)> = Vec::new();
            for (index, (name, count)) in counts.iter().enumerate() {
                let token = submit(&mut ledger, &name.to_string(), index as i64, *count);
                runs.push((*name, token, *count));
            }
            let mut seen: HashMap<usize, i64> = HashMap::new();
            for pick in order {
                let open: Vec<usize> = (0..runs.len()).filter(|&run| runs[run].2 > 0).collect();
                if open.is_empty() { break }
                let run = open[pick.index(open.len())];
                ledger.acknowledge(runs[run].1, 1);
                runs[run].2 -= 1;
                for (key, value) in committable(&mut ledger) {
                    let name: usize = key.split('"').nth(5).unwrap().parse().unwrap();
                    let value: i64 = value[12..value.len() - 1].parse().unwrap();
                    prop_assert!(seen.insert(name, value).is_none_or(|before| before < value));
                }
                for name in 0..3 {
                    let mine: Vec<_> = runs.iter().enumerate().filter(|(_, run)| run.0 == name).collect();
                    let expected = mine.iter().take_while(|(_, run)| run.2 == 0).last().map(|(index, _)| *index as i64);
                    prop_assert_eq!(seen.get(&name).copied(), expected);
                }
            }
        }
    }
}
