//! Compaction and deletion by age, compared with a naive model: what was written, and what of it has to be left.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use protocol::wire::records::{
    BatchBuilder, BufferPool, Codec, Compressor, ControlType, Decompressor, ProducerStamp, RecordBatch,
    RecordSet,
};

use super::{Partition, TopicSettings};
use crate::log::{Compaction, CompactionSettings, Marker, SegmentLimits};
use crate::memory::MemoryBudget;

const NEVER_MS: i64 = i64::MAX;

fn settings(segment_bytes: u64, delete_retention_ms: i64) -> TopicSettings {
    TopicSettings {
        compaction: Some(CompactionSettings {
            min_lag_ms: 0,
            max_lag_ms: NEVER_MS,
            min_dirty_ratio: 0.0,
            delete_retention_ms,
        }),
        segment: SegmentLimits { bytes_max: segment_bytes, age_max_ms: NEVER_MS },
        retention_ms: None,
        retention_bytes: None,
        message_bytes_max: 1 << 20,
        stamps_append_time: false,
        timestamp_ahead_max_ms: NEVER_MS,
    }
}

type KeyValue = (u8, Option<u32>);

fn batch(codec: Codec, stamp: ProducerStamp, timestamp_ms: i64, records: &[KeyValue]) -> Bytes {
    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
    for (key, value) in records {
        let value = value.map(|value| format!("value {value} {}", "x".repeat(40)));
        let value = value.as_ref().map(String::as_bytes);
        assert!(builder.append(timestamp_ms, Some(&[*key]), value, &[]).unwrap());
    }
    builder.finish(stamp, &mut Compressor::new(codec, None, pool).unwrap()).unwrap()
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    offset: i64,
    key: u8,
    value: Option<String>,
    timestamp_ms: i64,
}

/// A partition with a clock of its own.
struct World {
    partition: Partition,
    settings: TopicSettings,
    budget: MemoryBudget,
    decompressor: Decompressor,
    now_ms: i64,
}

impl World {
    fn new(settings: TopicSettings) -> Self {
        let budget = MemoryBudget::new(64 << 20);
        Self {
            partition: Partition::new(1, vec![1], budget.clone()),
            settings,
            budget,
            decompressor: Decompressor::new(BufferPool::default(), 1 << 20),
            now_ms: 1_000_000,
        }
    }

    fn append(&mut self, codec: Codec, stamp: ProducerStamp, records: &[KeyValue]) -> i64 {
        let bytes = batch(codec, stamp, self.now_ms, records);
        let now_ms = self.now_ms;
        self.partition
            .append(Some(bytes), |_| Ok(()), &self.settings, now_ms, &mut self.decompressor)
            .unwrap()
            .base_offset
    }

    fn put(&mut self, key: u8, value: u32) -> i64 {
        self.append(Codec::None, ProducerStamp::NONE, &[(key, Some(value))])
    }

    /// A batch that goes into a new segment, and closes the one before it.
    fn roll(&mut self) {
        let bytes_max = std::mem::replace(&mut self.settings.segment.bytes_max, 0);
        self.put(255, 0);
        self.settings.segment.bytes_max = bytes_max;
    }

    fn end(&mut self, stamp: ProducerStamp, is_commit: bool) -> i64 {
        let ProducerStamp { producer_id, producer_epoch: epoch, .. } = stamp;
        let marker = Marker { producer_id, epoch, coordinator_epoch: 0, is_commit };
        let offset = self.partition.log.end_offset();
        self.partition.end_transaction(&marker, self.now_ms).unwrap();
        offset
    }

    fn start_compaction(&self) -> Option<Compaction> {
        let settings = self.settings.compaction.as_ref().unwrap();
        self.partition.log.dirtiness(settings, self.now_ms)?;
        Some(Compaction::start(&self.partition.log, settings, self.now_ms))
    }

    /// Whether there was something to compact.
    fn compact(&mut self) -> bool {
        let Some(mut compaction) = self.start_compaction() else { return false };
        while !self.partition.compact(&mut compaction, &mut self.decompressor) {}
        true
    }

    /// All batches from the start on, as a reader with room for `bytes_max` gets them. It gets to the end, always forward.
    fn batches(&mut self, bytes_max: usize) -> Vec<RecordBatch> {
        let log = &mut self.partition.log;
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut position = log.start_offset();
        loop {
            let mut slices = Vec::new();
            let (bytes, next_offset) = log.read(position, i64::MAX, bytes_max, true, &mut slices);
            if bytes == 0 {
                return batches;
            }
            let read = Bytes::from(slices.concat());
            assert_eq!(read.len(), bytes);
            for batch in RecordSet::new(read) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap();
                assert!(
                    batch.header().last_offset() >= position
                        && batch.header().last_offset() < log.end_offset()
                );
                assert!(
                    batches
                        .last()
                        .is_none_or(|last| last.header().next_offset() <= batch.header().base_offset)
                );
                batches.push(batch);
            }
            assert_eq!(batches.last().unwrap().header().next_offset(), next_offset);
            position = next_offset;
        }
    }

    fn records_of(&mut self, batch: &RecordBatch) -> Vec<Seen> {
        let payload = batch.payload(&mut self.decompressor).unwrap();
        let records = batch.records(&payload).map(|record| {
            let record = record.unwrap();
            Seen {
                offset: batch.header().base_offset + i64::from(record.offset_delta),
                key: record.key.unwrap()[0],
                value: record.value.map(|value| String::from_utf8(value.to_vec()).unwrap()),
                timestamp_ms: record.timestamp,
            }
        });
        records.collect()
    }

    /// All records of data from the start on.
    fn records(&mut self) -> Vec<Seen> {
        let start_offset = self.partition.log.start_offset();
        let mut seen = Vec::new();
        for batch in self.batches(1) {
            if !batch.header().is_control() {
                seen.extend(self.records_of(&batch));
            }
        }
        seen.retain(|record| record.offset >= start_offset);
        seen
    }

    fn offsets(&mut self) -> Vec<i64> {
        self.records().iter().map(|record| record.offset).collect()
    }

    /// What a reader of committed records gets, by the lists of aborted transactions that come with its answers.
    fn committed_offsets(&mut self, bytes_max: usize) -> Vec<i64> {
        let end_offset = self.partition.log.stable_offset();
        let start_offset = self.partition.log.start_offset();
        let mut position = start_offset;
        let mut offsets = Vec::new();
        loop {
            let mut slices = Vec::new();
            let log = &mut self.partition.log;
            let (bytes, next_offset) = log.read(position, end_offset, bytes_max, true, &mut slices);
            if bytes == 0 {
                return offsets;
            }
            let mut aborted = log.aborted_in(position, next_offset);
            aborted.sort_by_key(|transaction| transaction.first_offset);
            let mut ongoing = HashSet::new();
            for batch in RecordSet::new(slices.concat().into()).map(Result::unwrap) {
                let header = *batch.header();
                while aborted.first().is_some_and(|first| first.first_offset <= header.last_offset()) {
                    ongoing.insert(aborted.remove(0).producer_id);
                }
                if header.is_control() {
                    let payload = batch.payload(&mut self.decompressor).unwrap();
                    let control = batch.records(&payload).next().map(|record| record.unwrap().key.unwrap());
                    if control.and_then(ControlType::from_key) == Some(ControlType::Abort) {
                        ongoing.remove(&header.producer_id);
                    }
                } else if !(header.is_transactional() && ongoing.contains(&header.producer_id)) {
                    let read = self.records_of(&batch).into_iter().map(|record| record.offset);
                    offsets.extend(read.filter(|offset| *offset >= start_offset));
                }
            }
            position = next_offset;
        }
    }
}

/// A transaction of the model, or what stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug)]
struct Written {
    key: u8,
    value: Option<String>,
    timestamp_ms: i64,
    transaction: usize,
}

/// A producer of the model.
#[derive(Debug, Clone, Copy)]
struct Writer {
    stamp: ProducerStamp,
    transaction: usize,
}

/// Everything that was written and not truncated.
struct Model {
    world: World,
    random: fastrand::Rng,
    written: BTreeMap<i64, Written>,
    /// Keys and offsets of what was truncated, or lost the marker of its commit: it may have superseded what is still there.
    ghosts: Vec<(u8, i64)>,
    /// Transactions, with the offsets of their markers. The first stands for none.
    transactions: Vec<(State, i64)>,
    writers: Vec<Writer>,
    next_producer_id: i64,
    next_value: u32,
    running: Option<Compaction>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let delete_retention_ms = if random.bool() { 1 << 40 } else { random.i64(0..50) };
        let world = World::new(settings(random.u64(500..4_000), delete_retention_ms));
        let mut model = Self {
            world,
            random,
            written: BTreeMap::new(),
            ghosts: Vec::new(),
            transactions: vec![(State::Committed, -1)],
            writers: Vec::new(),
            next_producer_id: 1,
            next_value: 0,
            running: None,
        };
        model.new_writers();
        model
    }

    /// One without id, one idempotent, two transactional ones.
    fn new_writers(&mut self) {
        let mut writer = |is_transactional| {
            let producer_id = self.next_producer_id;
            self.next_producer_id += 1;
            let stamp = ProducerStamp { producer_id, producer_epoch: 0, base_sequence: 0, is_transactional };
            Writer { stamp, transaction: 0 }
        };
        let plain = Writer { stamp: ProducerStamp::NONE, transaction: 0 };
        self.writers = vec![plain, writer(false), writer(true), writer(true)];
    }

    fn append(&mut self) {
        let count = self.random.usize(1..6);
        let mut records = Vec::new();
        for _ in 0..count {
            let is_tombstone = self.random.u8(..) < 40;
            records.push((self.random.u8(0..8), (!is_tombstone).then_some(self.next_value)));
            self.next_value += 1;
        }
        let index = self.random.usize(..self.writers.len());
        let Writer { stamp, transaction } = self.writers[index];
        let mut transaction = transaction;
        if stamp.is_transactional && transaction == 0 {
            transaction = self.transactions.len();
            self.transactions.push((State::Open, -1));
            self.writers[index].transaction = transaction;
        }
        if stamp.producer_id >= 0 {
            self.writers[index].stamp.base_sequence += count as i32;
        }
        let codec = Codec::ALL[self.random.usize(..Codec::ALL.len())];
        let base_offset = self.world.append(codec, stamp, &records);
        for (offset, (key, value)) in (base_offset..).zip(records) {
            let value = value.map(|value| format!("value {value} {}", "x".repeat(40)));
            let timestamp_ms = self.world.now_ms;
            self.written.insert(offset, Written { key, value, timestamp_ms, transaction });
        }
    }

    fn end_transaction(&mut self) {
        let open = self.writers.iter().position(|writer| writer.transaction > 0);
        let Some(index) = open else { return };
        let Writer { stamp, transaction } = self.writers[index];
        let is_commit = self.random.bool();
        let marker_offset = self.world.end(stamp, is_commit);
        let state = if is_commit { State::Committed } else { State::Aborted };
        self.transactions[transaction] = (state, marker_offset);
        self.writers[index].transaction = 0;
    }

    /// An unclean election. What it leaves without a marker is aborted, and everybody begins anew.
    fn truncate(&mut self) {
        let log = &self.world.partition.log;
        let offset = self.random.i64(log.start_offset()..=log.end_offset());
        self.world.partition.truncate(offset, &mut self.world.decompressor);
        let end_offset = self.world.partition.log.end_offset();
        let lost = self.written.split_off(&end_offset);
        self.ghosts.extend(lost.iter().map(|(offset, written)| (written.key, *offset)));
        let open: Vec<_> =
            self.world.partition.producers().filter(|known| known.transaction_start.is_some()).collect();
        for known in open {
            let stamp =
                ProducerStamp { producer_id: known.id, producer_epoch: known.epoch, ..ProducerStamp::NONE };
            self.world.end(stamp, false);
        }
        let mut reopened = HashSet::new();
        for (transaction, (state, marker_offset)) in self.transactions.iter_mut().enumerate().skip(1) {
            if *state == State::Open || *marker_offset >= end_offset {
                *state = State::Aborted;
                *marker_offset = -1;
                reopened.insert(transaction);
            }
        }
        let undone = self.written.iter().filter(|(_, written)| reopened.contains(&written.transaction));
        self.ghosts.extend(undone.map(|(offset, written)| (written.key, *offset)));
        self.new_writers();
    }

    fn step(&mut self) {
        match self.random.u8(0..100) {
            0..50 => self.append(),
            50..60 => self.end_transaction(),
            60..65 => self.world.now_ms += self.random.i64(0..40),
            65..94 => {
                let step_bytes = self.random.u64(100..3_000);
                match &mut self.running {
                    None => {
                        self.running = self
                            .world
                            .start_compaction()
                            .map(|compaction| compaction.in_steps_of(step_bytes));
                    }
                    Some(running) => {
                        if self.world.partition.compact(running, &mut self.world.decompressor) {
                            self.running = None;
                        }
                    }
                }
            }
            94..98 => {
                let log = &mut self.world.partition.log;
                let offset = self.random.i64(log.start_offset()..=log.end_offset());
                log.trim_to_offset(offset.min(log.start_offset() + 20));
            }
            _ => self.truncate(),
        }
    }

    fn check(&mut self) {
        let bytes_max = self.random.usize(1..3_000);
        let seen = self.world.records();
        let log = &self.world.partition.log;
        let (start_offset, first_dirty_offset) = (log.start_offset(), log.first_dirty_offset());
        let is_aborted = |written: &Written| self.transactions[written.transaction].0 == State::Aborted;
        let mut keys = HashSet::new();
        for record in &seen {
            let written = &self.written[&record.offset];
            assert_eq!(
                (record.key, &record.value, record.timestamp_ms),
                (written.key, &written.value, written.timestamp_ms)
            );
            if record.offset < first_dirty_offset {
                assert!(!is_aborted(written), "aborted records go");
                assert!(keys.insert(record.key), "key {} twice before {first_dirty_offset}", record.key);
            }
        }
        let kept: HashSet<i64> = seen.iter().map(|record| record.offset).collect();
        let keeps_tombstones = self.world.settings.compaction.unwrap().delete_retention_ms > 1 << 30;
        // What a running pass knows of may be gone already, as may what lost records superseded.
        let mut superseded: HashMap<u8, i64> = HashMap::new();
        for (key, offset) in &self.ghosts {
            let newest = superseded.entry(*key).or_default();
            *newest = (*newest).max(*offset);
        }
        for (offset, written) in self.written.range(start_offset..).rev() {
            let newest = superseded.get(&written.key).copied().unwrap_or(-1);
            if !is_aborted(written) && newest <= *offset {
                let may_go = written.value.is_none() && !keeps_tombstones;
                assert!(
                    kept.contains(offset) || may_go,
                    "offset {offset} is the newest of its key: {written:?}"
                );
                superseded.insert(written.key, *offset);
            }
        }
        let stable_offset = self.world.partition.log.stable_offset();
        let committed: Vec<i64> = seen
            .iter()
            .filter(|record| record.offset < stable_offset && !is_aborted(&self.written[&record.offset]))
            .map(|record| record.offset)
            .collect();
        let stored: usize = self.world.batches(bytes_max).iter().map(|batch| batch.bytes().len()).sum();
        assert_eq!(self.world.partition.log.size_bytes(), stored as u64);
        assert_eq!(self.world.committed_offsets(bytes_max), committed);
        let time_ms = self.random.i64(999_990..=self.world.now_ms + 1);
        let World { partition, decompressor, .. } = &mut self.world;
        let found = partition.log.find_timestamp(time_ms, decompressor).map(|hit| hit.offset);
        // Markers have timestamps as well.
        let expected = seen.iter().find(|record| record.timestamp_ms >= time_ms).map(|record| record.offset);
        assert!(
            found == expected
                || found
                    .is_some_and(|found| expected.is_none_or(|next| found < next)
                        && !self.written.contains_key(&found))
        );
    }
}

#[test]
fn whatever_happens_the_newest_record_of_each_key_is_left() {
    for seed in 0..25 {
        let mut model = Model::new(seed);
        for _ in 0..200 {
            model.step();
            model.check();
        }
        let budget = model.world.budget.clone();
        drop(model);
        assert_eq!(budget.used(), 0, "seed {seed}");
    }
}

#[test]
fn offsets_stay_and_the_active_segment_is_left_alone() {
    for codec in Codec::ALL {
        let mut world = World::new(settings(1 << 20, 0));
        world.append(codec, ProducerStamp::NONE, &[(1, Some(0)), (2, Some(1)), (1, Some(2)), (3, Some(3))]);
        world.append(codec, ProducerStamp::NONE, &[(2, Some(4)), (2, Some(5))]);
        assert!(!world.compact(), "everything is in the active segment");
        world.roll();
        assert!(world.compact());
        assert_eq!(world.offsets(), [2, 3, 5, 6]);
        let first = world.batches(1)[0].clone();
        assert_eq!(
            (first.codec().unwrap(), first.header().base_offset, first.header().last_offset()),
            (codec, 0, 3)
        );
        assert!(!world.compact(), "nothing is dirty any more");
        let mut slices = Vec::new();
        let (_, next_offset) = world.partition.log.read(4, i64::MAX, 1, true, &mut slices);
        assert_eq!(next_offset, 6, "a read in a gap gets the batch that holds the next record");
    }
}

#[test]
fn a_tombstone_goes_once_everybody_had_time_to_see_it() {
    let mut world = World::new(settings(1 << 20, 1_000));
    world.put(1, 0);
    world.append(Codec::Lz4, ProducerStamp::NONE, &[(1, None), (2, Some(1))]);
    world.roll();
    assert!(world.compact());
    assert_eq!(world.offsets(), [1, 2, 3], "its time has just begun");
    world.now_ms += 999;
    world.roll();
    assert!(world.compact());
    assert_eq!(world.offsets(), [1, 2, 3, 4]);
    assert_eq!(world.batches(1)[0].header().delete_horizon_ms(), Some(1_001_000), "set once");
    world.now_ms += 1;
    world.roll();
    assert!(world.compact());
    assert_eq!(world.offsets(), [2, 4, 5]);
}

#[test]
fn an_aborted_transaction_goes_with_its_marker_and_its_entry() {
    let stamp = ProducerStamp { producer_id: 7, producer_epoch: 0, base_sequence: 0, is_transactional: true };
    let mut world = World::new(settings(1 << 20, 1_000));
    world.put(1, 0);
    world.append(Codec::None, stamp, &[(1, Some(1)), (2, Some(2))]);
    world.end(stamp, false);
    let next = ProducerStamp { base_sequence: 2, ..stamp };
    world.append(Codec::None, next, &[(3, Some(3))]);
    world.end(next, true);
    world.roll();
    assert_eq!(world.partition.log.aborted_in(0, 100).len(), 1);
    assert!(world.compact());
    assert_eq!(world.offsets(), [0, 4, 6], "the aborted ones are gone, and the older one is not superseded");
    let kinds =
        |world: &mut World| world.batches(1).iter().filter(|batch| batch.header().is_control()).count();
    assert_eq!(kinds(&mut world), 2, "markers outlive their records");
    for passed_ms in [0, 1_000] {
        world.now_ms += passed_ms;
        world.roll();
        assert!(world.compact());
    }
    assert_eq!(kinds(&mut world), 1, "but not for ever");
    assert!(world.partition.log.aborted_in(0, 100).is_empty());
}

#[test]
fn what_is_known_of_a_producer_outlives_its_records() {
    let stamp =
        ProducerStamp { producer_id: 7, producer_epoch: 3, base_sequence: 0, is_transactional: false };
    let mut world = World::new(settings(1 << 20, 0));
    for number in 0..3 {
        world.append(Codec::Zstd, ProducerStamp { base_sequence: number, ..stamp }, &[(1, Some(0))]);
    }
    world.put(1, 9);
    world.roll();
    assert!(world.compact());
    assert_eq!(world.offsets(), [3, 4]);
    let empty = world.batches(1)[0].clone();
    assert_eq!(
        (empty.header().record_count, empty.header().base_offset, empty.header().base_sequence),
        (0, 2, 2)
    );
    // As after an unclean election: everything is read from what is stored.
    let end_offset = world.partition.log.end_offset();
    world.partition.truncate(end_offset, &mut world.decompressor);
    let repeated = world.append(Codec::Zstd, ProducerStamp { base_sequence: 2, ..stamp }, &[(1, Some(0))]);
    assert_eq!(repeated, 2, "a repeated batch is still recognised");
    assert_eq!(world.append(Codec::Zstd, ProducerStamp { base_sequence: 3, ..stamp }, &[(1, Some(0))]), 5);
}

#[test]
fn lags_and_the_dirty_ratio_say_when() {
    let mut world = World::new(settings(1 << 20, 0));
    let set = |world: &mut World, change: fn(&mut CompactionSettings)| {
        change(world.settings.compaction.as_mut().unwrap());
    };
    set(&mut world, |settings| settings.min_lag_ms = 1_000);
    world.put(1, 0);
    world.put(1, 1);
    world.now_ms += 600;
    world.put(1, 2);
    world.roll();
    assert!(!world.compact(), "all are too young");
    world.now_ms += 400;
    assert!(world.compact());
    assert_eq!(world.offsets(), [1, 2, 3], "the third is still too young");
    set(&mut world, |settings| settings.min_lag_ms = 0);
    assert!(world.compact());
    assert_eq!(world.offsets(), [2, 3]);

    set(&mut world, |settings| settings.min_dirty_ratio = 0.9);
    world.put(1, 4);
    world.roll();
    assert!(!world.compact(), "it is not dirty enough");
    set(&mut world, |settings| settings.max_lag_ms = 5_000);
    world.now_ms += 5_001;
    assert!(world.compact(), "but old enough");
}

#[test]
fn segments_close_by_size_and_by_age() {
    let mut world = World::new(settings(300, 0));
    for number in 0..4 {
        world.put(1, number);
    }
    assert!(world.compact(), "by size");
    let mut world = World::new(settings(1 << 20, 0));
    world.settings.segment.age_max_ms = 100;
    world.put(1, 0);
    world.now_ms += 100;
    world.put(1, 1);
    assert!(!world.compact());
    world.now_ms += 1;
    world.put(1, 2);
    assert!(world.compact(), "by age");
    assert_eq!(world.offsets(), [1, 2]);
}

#[test]
fn a_full_memory_does_not_keep_a_log_from_shrinking() {
    let mut world = World::new(settings(20_000, 0));
    let budget = MemoryBudget::new(100_000);
    world.partition = Partition::new(1, vec![1], budget.clone());
    let mut number = 0;
    loop {
        let bytes = batch(Codec::None, ProducerStamp::NONE, 0, &[((number % 10) as u8, Some(number))]);
        let World { partition, settings, decompressor, .. } = &mut world;
        if partition.append(Some(bytes), |_| Ok(()), settings, 0, decompressor).is_err() {
            break;
        }
        number += 1;
    }
    while budget.charge(1).is_ok() {}
    assert_eq!(budget.used(), 100_000);
    assert!(world.compact());
    assert!(budget.used() < 50_000, "{}", budget.used());
    assert!(world.records().len() < number as usize / 2);
}

#[test]
fn small_parts_are_joined() {
    let mut world = World::new(settings(1 << 20, 0));
    for number in 0..100 {
        world.put(number, 0);
        world.roll();
        world.compact();
    }
    assert!(world.partition.log.compacted_part_count() <= 2);
    assert_eq!(world.records().len(), 102, "100 keys, and the last two that closed segments");
}

#[test]
fn a_large_log_is_compacted_in_many_steps() {
    let mut world = World::new(settings(1 << 30, 0));
    let records: Vec<KeyValue> = (0..200).map(|number| (number as u8, Some(number))).collect();
    while world.partition.log.size_bytes() < 4 << 20 {
        world.append(Codec::None, ProducerStamp::NONE, &records);
    }
    world.roll();
    let mut compaction = world.start_compaction().unwrap();
    let mut step_count = 1;
    while !world.partition.compact(&mut compaction, &mut world.decompressor) {
        step_count += 1;
    }
    // 16 to map it, 16 to rewrite it.
    assert!(step_count >= 32, "{step_count}");
    assert_eq!(world.records().len(), 201);
}

#[test]
fn old_records_are_deleted_from_the_start_on() {
    let mut world = World::new(settings(1 << 20, 0));
    world.put(1, 0);
    world.now_ms += 10;
    world.put(2, 1);
    world.now_ms -= 10;
    world.put(3, 2);
    world.partition.trim_to_time(world.now_ms);
    assert_eq!(world.partition.log.start_offset(), 0);
    world.partition.trim_to_time(world.now_ms + 1);
    assert_eq!(
        world.partition.log.start_offset(),
        1,
        "the second is younger, and what follows stays with it"
    );
    world.partition.trim_to_time(world.now_ms + 11);
    let log = &world.partition.log;
    assert_eq!(
        (log.start_offset(), log.end_offset(), log.size_bytes()),
        (3, 3, 0),
        "the newest goes as well"
    );
    assert_eq!(world.budget.used(), 0);
    assert_eq!(world.put(1, 3), 3);
}
