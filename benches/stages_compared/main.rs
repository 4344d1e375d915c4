//! Every converter and transform on columns beside a baseline that takes one record at a time, and, by way of files, beside the Java
//! class: `cargo xtask bench stages` runs this, then its Java program on the same records, and prints one table.
//!
//! Method: a batch of records again and again on one thread, in rounds; a figure is the thread's CPU time per record, the median of the
//! rounds, after a round that does not count. Records are shared by all cases and made anew for none. With `--count` it is what
//! `cargo xtask bench instructions` counts, on columns only.

mod cases;
mod rows;

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::plugin::ConverterRole;
use api::{
    Body, Column, Columns, Converter, Headers, KafkaOffsets, Origin, Props, Records, Run, Timestamps,
    TopicPartition, Transform, Transformed,
};
use arrow_array::BinaryViewArray;
use arrow_array::builder::BinaryViewBuilder;
use benches::counted::{self, Records as Counted};
use cases::{CHAINS, CONVERSIONS, Chain, Conversion, Data, Settings, THREE};
use engine::convert::CONVERTERS;
use engine::transform::TRANSFORMS;
use rows::{Known, Row};
use rustix::time::{ClockId, clock_gettime};

/// Records of a batch, as many as a fetch gives.
const ROWS: usize = 2000;
const ROUNDS: usize = 11;
/// CPU time of a round.
const ROUND_NS: u64 = 20_000_000;
/// Batches of the two phases in which instructions are counted.
const COUNTED_BATCHES: (u64, u64) = (1, 4);

/// How long is measured, and what came out.
struct Bench {
    /// Everything once, to see that it runs.
    is_trial: bool,
    lines: String,
}

impl Bench {
    /// Measures both and notes their ns per record.
    fn compare(&mut self, name: &str, mut ours: impl FnMut(), mut by_row: impl FnMut()) {
        let rows = ROWS as u64;
        if counted::is_asked_for() {
            let records = Counted { few: COUNTED_BATCHES.0 * rows, many: COUNTED_BATCHES.1 * rows };
            counted::case(name, records, &mut |records| (0..records / rows).for_each(|_| ours()));
            return;
        }
        let (ours, by_row) = (self.measure(&mut ours), self.measure(&mut by_row));
        writeln!(self.lines, "{name}\t{ours:.2}\t{by_row:.2}").expect("a text takes everything");
    }

    fn measure(&self, work: &mut dyn FnMut()) -> f64 {
        if self.is_trial {
            work();
            return 0.0;
        }
        let mut rounds: Vec<f64> = (0..=ROUNDS)
            .map(|_| {
                let (start, mut batches) = (cpu_ns(), 0_u64);
                loop {
                    work();
                    batches += 1;
                    let spent = cpu_ns() - start;
                    if spent > ROUND_NS {
                        break spent as f64 / (batches * ROWS as u64) as f64;
                    }
                }
            })
            .skip(1)
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let dir =
        arguments.iter().position(|argument| argument == "--files").and_then(|at| arguments.get(at + 1));
    let mut bench =
        Bench { is_trial: !arguments.iter().any(|argument| argument == "--bench"), lines: String::new() };
    for conversion in CONVERSIONS {
        compare_conversion(&mut bench, conversion);
    }
    for chain in built_in_chains() {
        compare_chain(&mut bench, chain, &cases::ENVELOPED);
        if chain.takes_schemaless {
            compare_chain(&mut bench, chain, &cases::SCHEMALESS);
        }
    }
    compare_pipeline(&mut bench);
    match dir {
        Some(dir) => write_files(&PathBuf::from(dir), &bench.lines),
        None if counted::is_asked_for() => (),
        None => show(&bench.lines),
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn show(lines: &str) {
    println!("ns of CPU per record: case, columns, row by row\n{lines}");
}

/// The chains of which all transforms are there.
fn built_in_chains() -> impl Iterator<Item = &'static Chain> {
    let is_there = |class: &str| {
        TRANSFORMS.iter().any(|plugin| plugin.class.strip_prefix(cases::TRANSFORMS) == Some(class))
    };
    CHAINS.iter().filter(move |chain| chain.stages.iter().all(|(class, _)| is_there(class)))
}

/// What the Java program needs: the records, each with its length before it, and the cases; and what was measured here.
fn write_files(dir: &Path, measured: &str) {
    let write =
        |name: &str, content: &[u8]| fs::write(dir.join(name), content).expect("the folder can be written");
    for data in Data::ALL {
        let mut content = Vec::new();
        for record in (0..ROWS).map(|row| data.record(row)) {
            content.extend_from_slice(&(record.len() as u32).to_be_bytes());
            content.extend_from_slice(&record);
        }
        write(&data.name(), &content);
    }
    let settings = |settings: Settings| {
        settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\x1F")
    };
    let stage = |class: &str, of: Settings| format!("\t{class}\x1E{}", settings(of));
    let mut lines = String::new();
    let mut case = |kind: &str, name: String, conversion: &Conversion, stages: String| {
        let converter = stage(conversion.class, conversion.settings);
        writeln!(lines, "{kind}\t{name}\t{}{converter}{stages}", conversion.data.name())
            .expect("a text takes everything");
    };
    for conversion in CONVERSIONS {
        for kind in ["read", "write"] {
            case(kind, conversion_name(kind, conversion), conversion, String::new());
        }
    }
    let stages = |chain: &Chain| {
        chain
            .stages
            .iter()
            .map(|(class, of)| stage(&format!("{}{class}", cases::TRANSFORMS), of))
            .collect::<String>()
    };
    for chain in built_in_chains() {
        case("transform", chain_name(chain, &cases::ENVELOPED), &cases::ENVELOPED, stages(chain));
        if chain.takes_schemaless {
            case("transform", chain_name(chain, &cases::SCHEMALESS), &cases::SCHEMALESS, stages(chain));
        }
        if chain.name == THREE.name {
            for conversion in [&cases::SCHEMALESS, &cases::ENVELOPED] {
                case("pipeline", pipeline_name(conversion), conversion, stages(chain));
            }
        }
    }
    write("cases", lines.as_bytes());
    write("ours", measured.as_bytes());
}

fn conversion_name(kind: &str, conversion: &Conversion) -> String {
    let class = conversion.class.rsplit('.').next().unwrap_or_default();
    format!("{class} {kind}, {}", described(conversion.data))
}

fn chain_name(chain: &Chain, conversion: &Conversion) -> String {
    format!("{}, {}", chain.name, if conversion.data == Data::Enveloped { "with schema" } else { "without" })
}

fn pipeline_name(conversion: &Conversion) -> String {
    format!("JSON, {}, JSON: {}", THREE.name, described(conversion.data))
}

fn described(data: Data) -> String {
    let bytes = data.record(0).len();
    match data {
        Data::Schemaless => format!("no schema, {bytes} B"),
        Data::Enveloped => format!("envelope, {bytes} B"),
        _ => format!("{bytes} B"),
    }
}

fn props(settings: Settings) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn converter(conversion: &Conversion) -> Box<dyn Converter> {
    let plugin =
        CONVERTERS.iter().find(|plugin| plugin.class == conversion.class).expect("the converter is built in");
    (plugin.create)(&props(conversion.settings), ConverterRole::Value).expect("the settings are right")
}

fn transforms(chain: &Chain) -> Vec<Box<dyn Transform>> {
    let make = |(class, settings): &(&str, Settings)| {
        let plugin =
            TRANSFORMS.iter().find(|plugin| plugin.class.strip_prefix(cases::TRANSFORMS) == Some(class));
        (plugin.expect("the transform is built in").create)(&props(settings)).expect("the settings are right")
    };
    chain.stages.iter().map(make).collect()
}

/// The records as a fetch gives them: in one buffer.
fn raw(data: Data) -> BinaryViewArray {
    let mut builder = BinaryViewBuilder::new().with_fixed_block_size(4 << 20);
    (0..ROWS).for_each(|row| builder.append_value(data.record(row)));
    builder.finish()
}

fn read(converter: &mut dyn Converter, raw: &BinaryViewArray) -> Column {
    let mut decoded = converter.to_connect("orders-12", raw).expect("the converter works");
    assert!(decoded.errors.is_empty() && decoded.segments.len() == 1, "the records are alike and good");
    decoded.segments.remove(0).column
}

fn records(value: Column) -> Records {
    let topic: Arc<str> = Arc::from("orders-12");
    let rows = value.len();
    let columns = Columns {
        key: Column::null(rows),
        value,
        headers: Headers::none(),
        timestamps: Timestamps::Each((0..rows as i64).collect()),
    };
    let from = TopicPartition { topic: Arc::clone(&topic), partition: 0 };
    let origin = Origin::Kafka { from, offsets: KafkaOffsets { base: 0, deltas: None, next: rows as i64 } };
    Records::of_run(Run { topic, partition: Some(0), origin, body: Body::Columns(columns) })
        .expect("columns are no packed run")
}

fn apply(stages: &mut [Box<dyn Transform>], records: Records) -> Records {
    stages.iter_mut().fold(records, |records, stage| {
        let mut out = Transformed::default();
        stage.apply(records, &mut out).expect("the transform works");
        let (mut pieces, errors) = out.into_parts();
        assert!(errors.is_empty() && pieces.len() == 1, "the records are alike and good");
        pieces.remove(0)
    })
}

fn rows_of(raw: &BinaryViewArray, conversion: &Conversion, known: &mut Known) -> Vec<Row> {
    raw.iter().flatten().map(|record| (conversion.read)(record, known)).collect()
}

fn compare_conversion(bench: &mut Bench, conversion: &Conversion) {
    let raw = raw(conversion.data);
    let mut ours = converter(conversion);
    let column = read(ours.as_mut(), &raw);
    let mut known = Known::default();
    let rows = rows_of(&raw, conversion, &mut known);
    bench.compare(
        &conversion_name("read", conversion),
        || drop(black_box(read(ours.as_mut(), black_box(&raw)))),
        || raw.iter().flatten().for_each(|record| drop(black_box((conversion.read)(record, &mut known)))),
    );
    let mut known = Known::default();
    bench.compare(
        &conversion_name("write", conversion),
        || drop(black_box(ours.from_connect("orders-12", black_box(&column)))),
        || rows.iter().for_each(|row| drop(black_box((conversion.write)(row, &mut known)))),
    );
}

fn compare_chain(bench: &mut Bench, chain: &Chain, conversion: &Conversion) {
    let raw = raw(conversion.data);
    let column = read(converter(conversion).as_mut(), &raw);
    let rows = rows_of(&raw, conversion, &mut Known::default());
    let records = records(column);
    let mut stages = transforms(chain);
    let mut known: Vec<Known> = chain.by_row.iter().map(|_| Known::default()).collect();
    bench.compare(
        &chain_name(chain, conversion),
        || drop(black_box(apply(&mut stages, black_box(&records).clone()))),
        || {
            for row in &rows {
                let made = apply_by_row(chain, row, &mut known);
                black_box((&made.key, &made));
            }
        },
    );
}

fn apply_by_row(chain: &Chain, row: &Row, known: &mut [Known]) -> Row {
    let mut stages = chain.by_row.iter().zip(known);
    let (first, first_known) = stages.next().expect("a chain has a stage");
    stages.fold(first(row, first_known), |row, (stage, known)| stage(&row, known))
}

/// JSON in, three transforms, JSON out.
fn compare_pipeline(bench: &mut Bench) {
    for conversion in [&cases::SCHEMALESS, &cases::ENVELOPED] {
        let raw = raw(conversion.data);
        let (mut reader, mut writer, mut stages) =
            (converter(conversion), converter(conversion), transforms(&THREE));
        let mut known = Known::default();
        let mut stages_known = [Known::default(), Known::default(), Known::default()];
        bench.compare(
            &pipeline_name(conversion),
            || {
                let records = records(read(reader.as_mut(), black_box(&raw)));
                let records = apply(&mut stages, records);
                drop(black_box(writer.from_connect("orders-12", &records.columns.value)));
            },
            || {
                for record in raw.iter().flatten() {
                    let row = (conversion.read)(record, &mut known);
                    let row = apply_by_row(&THREE, &row, &mut stages_known);
                    drop(black_box((conversion.write)(&row, &mut known)));
                }
            },
        );
    }
}
