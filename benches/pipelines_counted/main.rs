//! The engine's pipelines from end to end, for `cargo xtask bench instructions`: what a record costs in instructions, a figure that is the
//! same on a busy machine.
//!
//! Each case is one task of a built-in connector on the embedded broker, with the settings of `loadtest`'s comparison with Java. Broker and
//! client share the thread and exchange bytes by memory, so the broker's share is in the figure and the kernel's is not: it is for
//! comparing two states of the code.

mod cases;
mod mirror;
mod world;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::Props;
use api::plugin::{ConnectorPlugin, HeaderConverterPlugin};
use benches::counted::{self, Records};
use cases::{CASES, Case, Route};
use connector_blackhole::BlackholeSink;
use connector_datagen::DatagenSource;
use connector_file::{FileStreamSink, FileStreamSource};
use engine::convert::{BYTE_ARRAY, BYTE_ARRAY_HEADERS, CONVERTERS, SIMPLE_HEADERS};
use engine::offset::MemoryOffsetStore;
use engine::task::{
    ConverterSpec, ErrorPolicy, HeaderConverterSpec, RateLimits, SinkSpec, SourceSpec, TaskId, TaskKind,
    TaskSpec, Topics, TransformSpec,
};
use engine::transform::TRANSFORMS;
use protocol::client::consumer::{ConsumerConfig, OffsetReset};
use protocol::client::producer::ProducerConfig;
use world::World;

/// The worker's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Nothing is committed while a phase lasts.
const FLUSH_INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(5);

fn main() {
    let dir = std::env::temp_dir().join(format!("pipelines-counted-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder can be made");
    for case in CASES.iter().filter(|case| counted::is_named(case.name)) {
        let world = World::new();
        let mut stage = Stage { case, world: &world, dir: &dir, run: 0 };
        let records = if counted::is_asked_for() {
            Records { few: case.records / 8, many: case.records }
        } else {
            Records { few: 1_000, many: 1_000 }
        };
        if case.route == Route::Mirror {
            world.create(mirror::SYNCS, 1);
        }
        stage.prepare(records.few);
        if records.many > records.few {
            stage.prepare(records.many);
        }
        counted::case(case.name, records, &mut |records| stage.run(records));
    }
    fs::remove_dir_all(&dir).expect("the folder is ours");
}

/// A case and where it happens.
struct Stage<'a> {
    case: &'a Case,
    world: &'a World,
    dir: &'a Path,
    /// Tells one run from another.
    run: usize,
}

impl Stage<'_> {
    fn name(&self, records: u64) -> String {
        format!("input-{records}")
    }

    /// What a run of so many records reads.
    fn prepare(&self, records: u64) {
        let Case { payload, .. } = self.case;
        let values = (0..records).map(|number| payload.record(number));
        match self.case.route {
            Route::ToNull { .. } | Route::ToFile | Route::Mirror => {
                self.world.fill(
                    &self.name(records),
                    self.case.partitions,
                    self.case.compression,
                    self.case.batch_bytes,
                    values,
                );
            }
            Route::FromFile => {
                let lines: Vec<u8> = values.flat_map(|value| value.into_iter().chain([b'\n'])).collect();
                fs::write(self.dir.join(self.name(records)), lines).expect("the folder can be written");
            }
            Route::Datagen { .. } => (),
        }
    }

    fn run(&mut self, records: u64) {
        self.run += 1;
        let (plugin, mut props) = self.connector(records);
        let name = format!("{}-{}", self.case.name, self.run);
        let kind = if self.case.route.is_source() {
            let topic = match self.case.route {
                Route::Mirror => mirror::target(&format!("run{}", self.run), &self.name(records)),
                _ => format!("output-{}", self.run),
            };
            self.world.create(&topic, self.case.partitions);
            props.insert("topic".to_owned(), topic);
            self.source()
        } else {
            self.sink(&name, self.name(records))
        };
        let spec = TaskSpec {
            id: TaskId { connector: Arc::from(name), task: 0 },
            plugin,
            props,
            key_converter: ConverterSpec { plugin: BYTE_ARRAY, props: Props::new() },
            value_converter: self.converter(),
            header_converter: HeaderConverterSpec { plugin: self.header_converter(), props: Props::new() },
            transforms: if self.case.transforms { transforms() } else { Vec::new() },
            errors: ErrorPolicy::default(),
            rate_limits: RateLimits::default(),
            starts_paused: false,
            kind,
        };
        self.world.run(spec, records);
    }

    fn connector(&self, records: u64) -> (ConnectorPlugin, Props) {
        let path = |name: String| self.dir.join(name).display().to_string();
        match self.case.route {
            Route::ToNull { tier } => (ConnectorPlugin::sink::<BlackholeSink>(), props(&[("tier", tier)])),
            Route::ToFile => {
                let file = path(format!("output-{}", self.run));
                (ConnectorPlugin::sink::<FileStreamSink>(), props(&[("file", &file)]))
            }
            Route::FromFile => {
                let settings = [("file", &*path(self.name(records))), ("batch.size", "10000")];
                (ConnectorPlugin::source::<FileStreamSource>(), props(&settings))
            }
            Route::Datagen { format } => {
                let records = records.to_string();
                let settings =
                    [("format", format), ("records", &*records), ("rate", "-1"), ("batch.size", "10000")];
                (ConnectorPlugin::source::<DatagenSource>(), props(&settings))
            }
            Route::Mirror => {
                let alias = format!("run{}", self.run);
                mirror::connector(self.world.env(), &alias, &self.name(records), self.case.partitions)
            }
        }
    }

    fn converter(&self) -> ConverterSpec {
        let (class, settings) = self.case.converter();
        let plugin = CONVERTERS.iter().find(|plugin| plugin.class.ends_with(class));
        ConverterSpec { plugin: *plugin.expect("the converter is built in"), props: props(settings) }
    }

    fn header_converter(&self) -> HeaderConverterPlugin {
        if self.case.route == Route::Mirror { BYTE_ARRAY_HEADERS } else { SIMPLE_HEADERS }
    }

    fn source(&self) -> TaskKind {
        TaskKind::Source(SourceSpec {
            cluster: World::cluster(),
            producer: ProducerConfig {
                batch_bytes: 512 << 10,
                buffer_bytes: 64 << 20,
                compression: self.case.compression,
                ..ProducerConfig::default()
            },
            topic_creation: None,
            offsets: Arc::new(MemoryOffsetStore::default()),
            exactly_once: None,
            offset_flush_interval: FLUSH_INTERVAL,
            offset_flush_timeout: TIMEOUT,
            shutdown_timeout: TIMEOUT,
        })
    }

    fn sink(&self, group: &str, topic: String) -> TaskKind {
        TaskKind::Sink(SinkSpec {
            cluster: World::cluster(),
            consumer: ConsumerConfig {
                auto_offset_reset: OffsetReset::Earliest,
                ..ConsumerConfig::in_group(group)
            },
            topics: Topics::Named(vec![topic]),
            offset_flush_interval: FLUSH_INTERVAL,
            offset_flush_timeout: TIMEOUT,
            shutdown_timeout: TIMEOUT,
        })
    }
}

fn props(settings: &[(&str, &str)]) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A field more, one less, one renamed, and a number as text.
fn transforms() -> Vec<TransformSpec> {
    let stage = |class: &str, settings: &[(&str, &str)]| {
        let plugin = TRANSFORMS.iter().find(|plugin| plugin.class.ends_with(class));
        let plugin = *plugin.expect("the transform is built in");
        TransformSpec { plugin, props: props(settings), predicate: None }
    };
    vec![
        stage(".InsertField$Value", &[("static.field", "source"), ("static.value", "shop")]),
        stage(".ReplaceField$Value", &[("exclude", "city"), ("renames", "mail:email")]),
        stage(".Cast$Value", &[("spec", "id:string")]),
    ]
}
