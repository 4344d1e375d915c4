//! Goal: no panel of the dashboard asks for a metric that there is not. Method: every name in its queries is looked for on a page of a
//! worker with a source and a sink.

use std::collections::BTreeSet;

use super::Setup;

fn names(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_of_name(letter))
        .filter(|word| word.starts_with("kafka_") || word.starts_with("aqueduct_"))
        .map(str::to_owned)
        .collect()
}

fn queries(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "query" => out.push(text.to_owned()),
                    _ => queries(value, out),
                }
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| queries(value, out)),
        _ => {}
    }
}

#[test]
fn every_metric_of_the_dashboard_exists() {
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../dashboards/aqueduct.json")).unwrap();
    let mut asked = Vec::new();
    queries(&dashboard, &mut asked);
    let asked: BTreeSet<String> = asked.iter().flat_map(|query| names(query)).collect();
    assert!(asked.len() > 30, "{asked:?}");
    let setup = Setup::new(&[]);
    let source = setup.create("source", "FileStreamSource", &[]);
    setup.wait_for_value("kafka_connect_source_task_metrics_source_record_write_total", &source, 2.0);
    let sink = setup.create("sink", "FileStreamSink", &[]);
    setup.wait_for_value("kafka_connect_sink_task_metrics_sink_record_send_total", &sink, 2.0);
    let there: BTreeSet<String> = setup.scrape().into_iter().map(|sample| sample.name).collect();
    let missing: Vec<_> = asked.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn panels_do_not_lie_on_each_other() {
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../dashboards/aqueduct.json")).unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{}", panel["title"]);
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}
