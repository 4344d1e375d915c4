//! The suite that every connector passes, and what harnesses read: numbers, schemas, failures.

use crate::line::PRINTED;
use crate::{MockSink, MockSource, SchemaSource, VerifiableSink, VerifiableSource};
use api::conformance::{SinkCase, SourceCase, sink, source};
use api::{Batch, Body, Kind, Props, Result, SourceConnector, SourceContext, SourceTask};

fn props(settings: &[(&str, &str)]) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn sources_conform() {
    let verifiable = [("name", "v"), ("topic", "t"), ("throughput", "-1")];
    source::<VerifiableSource>(|| SourceCase { props: props(&verifiable), records: 1200, ends: false });
    let limited = [("topic", "t"), ("throughput", "4000")];
    source::<VerifiableSource>(|| SourceCase { props: props(&limited), records: 300, ends: false });
    let schema = [("topic", "t"), ("throughput", "-1"), ("num.messages", "100000")];
    source::<SchemaSource>(|| SourceCase { props: props(&schema), records: 250, ends: false });
    source::<MockSource>(|| SourceCase { props: Props::new(), records: 0, ends: true });
}

/// What was printed on this thread since the last call, without times.
fn printed() -> Vec<String> {
    let printed = String::from_utf8(PRINTED.take()).unwrap();
    let without_time = |line: &str| {
        let (before, after) = line.split_once("\"time_ms\":")?;
        Some(format!("{before}{}", after.split_once(',')?.1))
    };
    printed.lines().map(|line| without_time(line).unwrap_or_else(|| line.to_owned())).collect()
}

#[test]
fn sinks_conform() {
    sink::<VerifiableSink>(|| {
        printed();
        let arrived = || {
            let lines = printed();
            let value =
                |line: &String| Some(line.split_once("\"seqno\":\"")?.1.split_once('"')?.0.to_owned());
            let flushed = lines.iter().filter(|line| line.ends_with(",\"flushed\":true}"));
            SEEN.with_borrow_mut(|seen| {
                seen.extend(flushed.filter_map(value));
                seen.clone()
            })
        };
        SEEN.take();
        SinkCase { props: props(&[("name", "s")]), arrived: Some(Box::new(arrived)) }
    });
    sink::<MockSink>(|| SinkCase { props: Props::new(), arrived: None });
}

std::thread_local! {
    /// Values of lines that say that they were flushed.
    static SEEN: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The lines that Java's task printed, but for the times.
#[test]
fn a_source_announces_records_and_what_kafka_has_of_them() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let settings = [("name", "v"), ("id", "3"), ("topic", "t"), ("throughput", "1000")];
        let mut task = VerifiableSource::create_task(&props(&settings)).unwrap();
        task.start(&SourceContext::new(Box::new(Nothing))).await.unwrap();
        let first = task.poll().await.unwrap();
        assert_eq!(printed(), [r#"{"task":3,"seqno":0,"name":"v","topic":"t"}"#]);
        assert!(task.wants_acknowledgements());
        let told = first.runs.into_iter().map(api::Acknowledged::dropped).collect::<Vec<_>>();
        task.records_acknowledged(&told).await.unwrap();
        assert_eq!(printed(), [r#"{"committed":true,"task":3,"seqno":0,"name":"v","topic":"t"}"#]);
    });
}

/// Polls a task of `C` until it has given `count` records, and prints them as Java prints them.
fn read<C: SourceConnector>(settings: &[(&str, &str)], count: usize) -> Result<Vec<String>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut task = C::create_task(&props(settings))?;
        task.start(&SourceContext::new(Box::new(Nothing))).await?;
        let mut shown = Vec::new();
        while shown.len() < count {
            let Batch { runs } = task.poll().await?;
            for run in runs {
                let Body::Columns(columns) = &run.body else { panic!() };
                let version = columns.value.schema.as_ref().and_then(|schema| schema.version);
                for row in 0..run.record_count() {
                    let text = |column: &api::Column| api::java_text::to_string(column.row(row));
                    let (key, value) = (text(&columns.key), text(&columns.value));
                    shown.push(format!("{:?} {key} {value} {version:?}", run.partition));
                }
            }
        }
        Ok(shown)
    })
}

struct Nothing;

impl api::OffsetReader for Nothing {
    fn read<'a>(
        &'a self,
        partitions: &'a [api::SourcePartition],
    ) -> api::connector::LocalBoxFuture<'a, Result<Vec<Option<api::SourceOffset>>>> {
        Box::pin(std::future::ready(Ok(vec![None; partitions.len()])))
    }
}

/// The records that Java's task gave.
#[test]
fn schemas_alternate_as_in_java() {
    let settings = [
        ("id", "2"),
        ("topic", "t"),
        ("throughput", "-1"),
        ("num.messages", "3"),
        ("multiple.schema", "true"),
        ("partition.count", "2"),
    ];
    let first = "Struct{boolean=true,int=12,long=12,float=12.2,double=12.2,partitioning";
    assert_eq!(
        read::<SchemaSource>(&settings, 3).unwrap(),
        [
            format!("Some(2) key {first}=0,id=2,seqno=0}} Some(1)"),
            format!("Some(2) key {first}=1,string=def,id=2,seqno=1}} Some(2)"),
            format!("Some(2) key {first}=0,id=2,seqno=2}} Some(1)"),
        ]
    );
    let lines: Vec<_> = (0..3).map(|number| format!("{{\"task\": 2, \"seqno\": {number}}}")).collect();
    assert_eq!(printed(), lines);
}

#[test]
fn bad_numbers_fail_a_task_in_javas_words() {
    let failure = |settings: &[(&str, &str)]| {
        let error = read::<VerifiableSource>(settings, 1).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        (error.message().to_owned(), cause.unwrap_or_default())
    };
    let message = "Invalid VerifiableSourceTask configuration".to_owned();
    let of_text = (message.clone(), "For input string: \"x\"".to_owned());
    assert_eq!(failure(&[("id", "x"), ("throughput", "1"), ("topic", "t")]), of_text);
    let of_null = (message, "Cannot parse null string: null".to_owned());
    assert_eq!(failure(&[("id", "1"), ("topic", "t")]), of_null);
}

#[test]
fn a_mock_task_fails_after_its_delay_and_a_mock_connector_at_once() {
    let error = read::<MockSource>(&[("mock_mode", "task-failure"), ("delay_ms", "700")], 1).unwrap_err();
    assert_eq!((error.kind(), error.java_class()), (Kind::Fatal, "java.lang.RuntimeException"));
    let failing = MockSource::config_def().parse(&props(&[("mock_mode", "connector-failure")])).unwrap();
    assert!(MockSource::start(failing).is_err());
}
