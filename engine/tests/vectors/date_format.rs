//! Dates under patterns of `SimpleDateFormat`: what Java wrote, what it read, and which patterns it refused.

use api::java_text::DateFormat;
use serde_json::Value as Json;

/// Noon of 15 January 2026: the century of two-digit years begins eighty years before.
const NOW_MS: i64 = 1_768_478_400_000;

fn write(format: &DateFormat, epoch_ms: i64) -> String {
    let mut out = Vec::new();
    format.write(&mut out, epoch_ms);
    String::from_utf8(out).unwrap()
}

/// Runs the cases of a pattern; `failed` gets what differs.
fn run(line: &Json, mut failed: impl FnMut(String)) -> usize {
    let pattern = line["pattern"].as_str().unwrap();
    let format = match DateFormat::new(pattern, NOW_MS) {
        Ok(format) => format,
        Err(message) => {
            if line["error"] != message.as_str() {
                failed(format!("{pattern:?} is refused with {message}, Java says {}", line["error"]));
            }
            return 1;
        }
    };
    if let Some(error) = line.get("error") {
        failed(format!("{pattern:?} is accepted, Java says {error}"));
        return 1;
    }
    let (writes, reads) = (line["writes"].as_array().unwrap(), line["reads"].as_array().unwrap());
    for case in writes {
        let moment = case[0].as_i64().unwrap();
        let ours = write(&format, moment);
        if case[1] != ours.as_str() {
            failed(format!("{pattern:?} writes {moment} as {ours:?}, Java as {}", case[1]));
        }
        // All of an interval is written alike.
        let first = moment - moment.rem_euclid(format.interval_ms());
        assert_eq!(write(&format, first), ours, "{pattern:?} at {first} and {moment}");
    }
    for case in reads {
        let text = case[0].as_str().unwrap();
        let ours = format.parse(text);
        if case[1].as_i64() != ours {
            failed(format!("{pattern:?} reads {text:?} as {ours:?}, Java as {}", case[1]));
        }
    }
    writes.len() + reads.len()
}

#[test]
fn dates_are_written_and_read_under_patterns_as_in_java() {
    let mut failures = Vec::new();
    let mut cases = 0;
    for line in super::lines("date_format") {
        cases += run(&line, |failure| failures.push(failure));
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(cases > 5000, "there are {cases} cases");
}
