//! Results as they are kept (`compare.json`: one entry for each case, with its machine and command), as a table (`compare.md`) and as a picture beside them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::arms::Arm;
use super::cases::{CASES, Case, TUNING};
use super::plot::{self, Line};
use super::round::Spent;
use crate::output;

const FILE: &str = "compare.json";

/// What one side of a case has spent.
pub(super) fn side(arm: &Arm, case: &Case, rounds: &[Spent]) -> Result<Value> {
    let per_record = |value: fn(&Spent) -> f64| -> Vec<f64> {
        rounds.iter().map(|spent| value(spent) / case.records as f64).collect()
    };
    let user = per_record(|spent| spent.user.as_nanos() as f64);
    let system = per_record(|spent| spent.system.as_nanos() as f64);
    let cpu = per_record(|spent| spent.cpu.as_nanos() as f64);
    let seconds = median(per_record(|spent| spent.took.as_secs_f64())) * case.records as f64;
    let records_per_second = case.records as f64 / seconds;
    Ok(json!({
        // ns per record and seconds per million records are the same number but for a factor.
        "cpu_ns_per_record": round(median(cpu.clone())),
        "cpu_seconds_per_million": round(median(cpu.clone())) / 1e3,
        "user_ns_per_record": round(median(user)),
        "system_ns_per_record": round(median(system)),
        "cpu_ns_per_record_of_rounds": cpu.into_iter().map(round).collect::<Vec<_>>(),
        "records_per_second": records_per_second.round(),
        "mb_per_second": round(records_per_second * case.payload.bytes_about() as f64 / 1e6),
        "rest_ready_ms": round(arm.ready_after.as_secs_f64() * 1e3),
        "idle_resident_mb": round(arm.idle_resident_bytes as f64 / 1e6),
        "peak_resident_mb": round(arm.usage()?.peak_resident_bytes as f64 / 1e6),
    }))
}

/// A case's entry.
pub(super) fn case(case: &Case, machine: Value, sides: Vec<(&str, Value)>) -> Value {
    let tuning: Map<String, Value> =
        TUNING.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let sides: Map<String, Value> = sides.into_iter().map(|(name, side)| (name.to_owned(), side)).collect();
    json!({
        "name": case.name,
        "title": case.title(),
        "records": case.records,
        "floor_ns": case.floor_ns,
        "connector": case.connector(case.name, "TOPIC", Path::new("FILE"), "KAFKA")["config"],
        "worker_settings": tuning,
        "machine": machine,
        "sides": sides,
    })
}

/// All entries of a folder.
#[derive(Debug)]
pub(super) struct Reports {
    dir: PathBuf,
    entries: Map<String, Value>,
}

impl Reports {
    /// Those that are kept in `dir`; none where there is no file.
    pub(super) fn load(dir: &Path) -> Result<Reports> {
        let file = dir.join(FILE);
        let entries = if file.exists() {
            let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?
        } else {
            Map::new()
        };
        Ok(Reports { dir: dir.to_owned(), entries })
    }

    /// Keeps one more, or replaces it.
    pub(super) fn add(&mut self, entry: Value) -> Result<()> {
        let name = entry["name"].as_str().context("a case has a name")?.to_owned();
        self.entries.insert(name, entry);
        // In the order of the table, so that a change of the file shows what changed.
        let ordered: Map<String, Value> =
            self.ordered().map(|entry| (text(entry, "name").to_owned(), entry.clone())).collect();
        self.entries = ordered;
        output::keep(&self.dir.join(FILE), &Value::Object(self.entries.clone()))
    }

    fn ordered(&self) -> impl Iterator<Item = &Value> {
        CASES.iter().filter_map(|case| self.entries.get(case.name))
    }

    /// The lines of the table, as Markdown.
    pub(super) fn table(&self) -> Vec<String> {
        let mut lines = vec![
            "| case | Java ns/record | ours | ours again | Java : ours | floor | ours : floor | M records/s Java, ours | MB/s Java, ours | peak MB Java, ours |"
                .to_owned(),
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
        ];
        for entry in self.ordered() {
            let line = line_of(entry);
            let of = |side: &str, field: &str| number(&entry["sides"][side], field);
            let (floor, over_floor) = match line.floor {
                Some(floor) => (format!("{floor:.0}"), format!("{:.1}", line.ours / floor)),
                None => Default::default(),
            };
            lines.push(format!(
                "| {}: {} | {:.0} | {:.0} | {:.0} | {:.1} | {floor} | {over_floor} | {:.2}, {:.2} | {:.0}, {:.0} | {:.0}, {:.0} |",
                text(entry, "name"),
                line.title,
                line.java,
                line.ours,
                line.again,
                line.java / line.ours,
                of("java", "records_per_second") / 1e6,
                of("ours", "records_per_second") / 1e6,
                of("java", "mb_per_second"),
                of("ours", "mb_per_second"),
                of("java", "peak_resident_mb"),
                of("ours", "peak_resident_mb"),
            ));
        }
        let all = |side: &str, field: &str| -> f64 {
            median(self.ordered().map(|entry| number(&entry["sides"][side], field)).collect())
        };
        lines.push(String::new());
        lines.push(format!(
            "Without connectors: Java {:.0} MB resident, REST after {:.0} ms; ours {:.1} MB, {:.0} ms (medians of all cases).",
            all("java", "idle_resident_mb"),
            all("java", "rest_ready_ms"),
            all("ours", "idle_resident_mb"),
            all("ours", "rest_ready_ms"),
        ));
        lines
    }

    /// Writes the table and draws the picture; gives the files written.
    pub(super) fn publish(&self) -> Result<Vec<PathBuf>> {
        let lines: Vec<Line> = self.ordered().map(line_of).collect();
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let machine = self.ordered().last().map(|entry| &entry["machine"]).unwrap_or(&Value::Null);
        let caption = format!(
            "Kafka {} on loopback, {} cores, {}, commit {}, {}; Java warmed and tuned; medians; pale: Aqueduct once more",
            text(machine, "kafka"),
            machine["cores"],
            text(machine, "cpu"),
            text(machine, "commit"),
            text(machine, "date"),
        );
        let picture = plot::picture(&lines, &caption);
        let table = format!("# Java's worker and Aqueduct\n\n{caption}.\n\n{}\n", self.table().join("\n"));
        let files =
            [("md", table.into_bytes()), ("svg", picture.svg().into_bytes()), ("png", picture.png()?)];
        let keep = |(kind, bytes): (&str, Vec<u8>)| {
            let path = self.dir.join(FILE).with_extension(kind);
            fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        files.into_iter().map(keep).collect()
    }
}

fn line_of(entry: &Value) -> Line {
    let cpu = |side: &str| number(&entry["sides"][side], "cpu_ns_per_record");
    Line {
        title: text(entry, "title").to_owned(),
        java: cpu("java"),
        ours: cpu("ours"),
        again: cpu("again"),
        floor: entry["floor_ns"].as_f64(),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("?")
}

fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or(f64::NAN)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// To a tenth: nothing here is known better.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Canvas;

    fn entry(name: &str, java: f64) -> Value {
        json!({"name": name, "title": name, "machine": {}, "floor_ns": null, "sides": {
            "java": {"cpu_ns_per_record": java}, "ours": {"cpu_ns_per_record": 10.0}, "again": {"cpu_ns_per_record": 11.0}}})
    }

    #[test]
    fn a_case_that_is_measured_again_replaces_its_former_figures_and_keeps_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut reports = Reports::load(dir.path()).unwrap();
        for (name, java) in [("file-100", 1.0), ("null-100", 2.0), ("file-100", 3.0)] {
            reports.add(entry(name, java)).unwrap();
        }
        let table = Reports::load(dir.path()).unwrap().table();
        assert!(table[2].starts_with("| null-100: null-100 | 2 | 10 | 11 | 0.2 |"), "{table:?}");
        assert!(table[3].starts_with("| file-100: file-100 | 3 |"), "{table:?}");
    }

    #[test]
    fn the_table_and_the_picture_lie_beside_the_figures() {
        let dir = tempfile::tempdir().unwrap();
        let mut reports = Reports::load(dir.path()).unwrap();
        assert!(reports.publish().unwrap().is_empty(), "nothing was measured");
        reports.add(entry("null-100", 100.0)).unwrap();
        let written = reports.publish().unwrap();
        assert_eq!(written, ["compare.md", "compare.svg", "compare.png"].map(|name| dir.path().join(name)));
        let table = fs::read_to_string(&written[0]).unwrap();
        assert!(table.lines().any(|line| line.starts_with("| null-100: null-100 | 100 |")), "{table}");
        let svg = fs::read_to_string(&written[1]).unwrap();
        let (width, height) = Canvas::decode(&fs::read(&written[2]).unwrap()).size();
        // Three pixels for two px.
        let said = format!(r#"width="{}" height="{}""#, width as f64 / 1.5, height as f64 / 1.5);
        assert!(svg.contains(&said), "{said}: {svg}");
    }
}
