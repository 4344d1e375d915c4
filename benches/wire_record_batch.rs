//! Record batches of 1 MB: our reader and writer, per record, beside those of the `kafka-protocol` crate.
//!
//! `index_with_crc` is the pair to `kafka_protocol`, which checks the CRC too; its time includes freeing its records, ours
//! reuses its index, as the engine does. `walk_without_crc` has no counterpart. Both writers reuse their output buffers.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record, RecordBatchDecoder,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use protocol::wire::records::{
    BatchBuilder, BufferPool, Codec, Compressor, Decompressor, Header, ProducerStamp, RecordSet,
    patch_producer,
};

const BATCH_BYTES: usize = 1 << 20;
const STAMP: ProducerStamp =
    ProducerStamp { producer_id: 1, producer_epoch: 2, base_sequence: 3, is_transactional: false };

/// Values of one kind: text that compresses as event logs do.
struct Shape {
    name: &'static str,
    value_bytes: usize,
    header_count: usize,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "100B", value_bytes: 100, header_count: 0 },
    Shape { name: "100B_2_headers", value_bytes: 100, header_count: 2 },
    Shape { name: "1KB", value_bytes: 1000, header_count: 0 },
];

const HEADERS: [Header<'static>; 2] =
    [Header { key: b"trace", value: Some(b"0123456789") }, Header { key: b"kind", value: Some(b"order") }];

impl Shape {
    fn record_count(&self) -> usize {
        BATCH_BYTES / (self.value_bytes + 10 + self.header_count * 18)
    }

    fn values(&self) -> Vec<Vec<u8>> {
        let mut seed = 42u64;
        (0..self.record_count())
            .map(|index| {
                let mut value = format!("{{\"id\":{index},\"user\":\"u-");
                while value.len() < self.value_bytes {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    value.push_str(&format!("{:x}\",\"action\":\"view\",\"price\":", seed >> 48));
                }
                value.truncate(self.value_bytes);
                value.into_bytes()
            })
            .collect()
    }

    fn headers(&self) -> &'static [Header<'static>] {
        &HEADERS[..self.header_count]
    }
}

struct Writer {
    builder: BatchBuilder,
    compressor: Compressor,
}

impl Writer {
    fn new(codec: Codec) -> Self {
        let pool = BufferPool::default();
        let compressor = Compressor::new(codec, None, pool.clone()).expect("a codec with its default level");
        Writer { builder: BatchBuilder::new(pool, 2 * BATCH_BYTES), compressor }
    }

    fn write(&mut self, values: &[Vec<u8>], headers: &[Header<'_>]) -> Bytes {
        for (index, value) in values.iter().enumerate() {
            let added =
                self.builder.append(1_700_000_000_000 + index as i64 / 10, None, Some(value), headers);
            assert!(added.expect("a small record"));
        }
        self.builder.finish(STAMP, &mut self.compressor).expect("a batch with records")
    }
}

/// What the engine's index tier keeps per record.
#[derive(Default)]
struct Index {
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    values: Vec<(u32, u32)>,
}

impl Index {
    fn fill(&mut self, bytes: &Bytes, decompressor: &mut Decompressor) -> usize {
        self.offsets.clear();
        self.timestamps.clear();
        self.values.clear();
        for batch in RecordSet::new(bytes.clone()) {
            let batch = batch.expect("a good batch");
            batch.check_crc().expect("a good checksum");
            let payload = batch.payload(decompressor).expect("a good payload");
            let start = payload.as_ptr() as usize;
            let base_offset = batch.header().base_offset;
            for record in batch.records(&payload) {
                let record = record.expect("a good record");
                let value = record.value.unwrap_or_default();
                self.offsets.push(base_offset + i64::from(record.offset_delta));
                self.timestamps.push(record.timestamp);
                self.values.push(((value.as_ptr() as usize - start) as u32, value.len() as u32));
            }
        }
        self.offsets.len()
    }
}

fn walk(bytes: &Bytes, decompressor: &mut Decompressor) -> usize {
    let mut value_bytes = 0;
    for batch in RecordSet::new(bytes.clone()) {
        let batch = batch.expect("a good batch");
        let payload = batch.payload(decompressor).expect("a good payload");
        for record in batch.records(&payload) {
            value_bytes += record.expect("a good record").value.map_or(0, <[u8]>::len);
        }
    }
    value_bytes
}

fn read(c: &mut Criterion) {
    for shape in SHAPES {
        let bytes = Writer::new(Codec::None).write(&shape.values(), shape.headers());
        let mut group = group(c, "read", &shape);
        let mut decompressor = Decompressor::default();
        group.bench_function("walk_without_crc", |b| b.iter(|| walk(black_box(&bytes), &mut decompressor)));
        let mut index = Index::default();
        group.bench_function("index_with_crc", |b| {
            b.iter(|| index.fill(black_box(&bytes), &mut decompressor))
        });
        group.bench_function("kafka_protocol", |b| {
            b.iter(|| RecordBatchDecoder::decode_all(&mut black_box(&bytes).clone()).expect("a good batch"))
        });
    }
}

fn write(c: &mut Criterion) {
    for shape in SHAPES {
        let values = shape.values();
        let mut group = group(c, "write", &shape);
        let mut writer = Writer::new(Codec::None);
        group.bench_function("ours", |b| b.iter(|| writer.write(black_box(&values), shape.headers())));
        let records: Vec<_> =
            values.iter().enumerate().map(|(index, value)| theirs(&shape, index, value)).collect();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        let mut out = BytesMut::with_capacity(2 * BATCH_BYTES);
        group.bench_function("kafka_protocol", |b| {
            b.iter(|| {
                out.clear();
                RecordBatchEncoder::encode(&mut out, black_box(&records), &options).expect("good records");
            })
        });
    }
}

fn codecs(c: &mut Criterion) {
    for shape in [&SHAPES[0], &SHAPES[2]] {
        let values = shape.values();
        for codec in &Codec::ALL[1..] {
            let mut writer = Writer::new(*codec);
            let bytes = writer.write(&values, shape.headers());
            let mut group = group(c, &format!("codec/{codec}"), shape);
            group.bench_function("write", |b| b.iter(|| writer.write(black_box(&values), shape.headers())));
            let (mut index, mut decompressor) = (Index::default(), Decompressor::default());
            group.bench_function("index_with_crc", |b| {
                b.iter(|| index.fill(black_box(&bytes), &mut decompressor))
            });
        }
    }
}

fn stamp(c: &mut Criterion) {
    let shape = &SHAPES[0];
    let mut bytes = Writer::new(Codec::None).write(&shape.values(), &[]).to_vec();
    c.bench_function("wire_record_batch/stamp_producer_1MB", |b| {
        b.iter(|| patch_producer(black_box(&mut bytes), black_box(STAMP)).expect("a good batch"))
    });
}

fn group<'a>(c: &'a mut Criterion, what: &str, shape: &Shape) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("wire_record_batch/{what}/{}", shape.name));
    group.throughput(Throughput::Elements(shape.record_count() as u64));
    group
}

fn theirs(shape: &Shape, index: usize, value: &[u8]) -> Record {
    let mut headers = IndexMap::new();
    for header in shape.headers() {
        let key = std::str::from_utf8(header.key).expect("a constant key").to_owned();
        headers.insert(key.into(), header.value.map(Bytes::copy_from_slice));
    }
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: index as i64,
        sequence: index as i32,
        timestamp: 1_700_000_000_000 + index as i64 / 10,
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers,
    }
}

criterion_group!(benches, read, write, codecs, stamp);
criterion_main!(benches);
