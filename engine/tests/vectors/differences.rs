//! Where ours is meant to differ from Java, and why. An entry that no case needs any more fails its test, as does a case that no
//! entry covers.

use serde_json::Value as Json;

/// One way in which ours differs.
struct Difference {
    /// File of the vectors.
    file: &'static str,
    /// Why it is meant.
    reason: &'static str,
    /// Whether a case is one of it: its line, what ours gave, what Java gave.
    covers: fn(&Json, &str, &str) -> bool,
}

const DIGITS: &str =
    "numbers have the digits that they need, as from JDK 19 on; older ones print some with more";

const INTEGER_DATES: &str = "columns hold a Date as an integer, so an integer is one";

const DIFFERENCES: &[Difference] = &[
    Difference {
        file: "json_read",
        reason: "a Decimal that comes as a number gets the scale of its schema, which all rows of a column share; Java keeps the \
                 number's own, and fails where it is written again",
        covers: |_, ours, java| {
            java.starts_with("Decimal(Decimal")
                && (ours.starts_with("Decimal(Decimal")
                    || ours.contains("Invalid bytes for Decimal field")
                    || ours.contains("mismatching scale for given Decimal schema"))
        },
    },
    Difference {
        file: "json_write",
        reason: INTEGER_DATES,
        covers: |_, ours, java| {
            java.ends_with("expected Date but was class java.lang.Integer") && ours.contains('5')
        },
    },
    Difference {
        file: "values",
        reason: "a map whose keys and values have no type in common is written, where Java's converter has a null pointer",
        covers: |line, ours, _| {
            line["json"][0] == "java.lang.NullPointerException" && !ours.contains("NullPointerException")
        },
    },
    Difference {
        file: "values",
        reason: DIGITS,
        covers: |line, _, _| {
            let same = |a: &str, b: &str| a.parse::<f32>().ok() == b.parse::<f32>().ok();
            line["schema"] == "float32"
                && line["printed"]
                    .as_str()
                    .is_some_and(|printed| same(printed, line["text"].as_str().unwrap()))
        },
    },
    Difference {
        file: "json_read",
        reason: "a map with a null key cannot be held by an Arrow array",
        covers: |_, ours, _| ours.ends_with("a map with a null key cannot be held"),
    },
    Difference {
        file: "transforms",
        reason: "TimestampRouter says of a record without a timestamp where it is and not what it holds: key, value and headers are not \
                 decoded for it",
        covers: |_, ours, java| {
            let missing =
                "error org.apache.kafka.connect.errors.DataException: Timestamp missing on record: ";
            ours.starts_with(missing) && java.starts_with(missing)
        },
    },
    Difference {
        file: "transforms",
        reason: "InsertField names the static field that has no value, where Java prints the identity of an object",
        covers: |_, ours, java| {
            java.contains("InsertionSpec@") && ours.contains("No value specified for static field: ")
        },
    },
    Difference {
        file: "transforms",
        reason: INTEGER_DATES,
        covers: |line, ours, java| {
            let class = line["of"]["transform"].as_str().unwrap_or_default();
            class.contains("Cast$")
                && ours.contains(" Date(")
                && (java.contains(" Int32(") || java.contains(" Int64("))
        },
    },
    Difference {
        file: "transforms",
        reason: "a Decimal that MaskField puts gets the scale of its schema, and one that has no such scale fails; Java keeps the number's \
                 own, and fails where it is written",
        covers: |line, ours, java| {
            let class = line["of"]["transform"].as_str().unwrap_or_default();
            let is_scaled = ours.contains("mismatching scale for given Decimal schema")
                || (ours.contains("Decimal(Decimal {") && !ours.starts_with("error"));
            class.contains("MaskField$") && is_scaled && java.contains("scale: 0 }")
        },
    },
    Difference {
        file: "transforms",
        reason: "a Date is a number of days in 32 bits as soon as TimestampConverter makes it; Java's has any year until it is written",
        covers: |line, ours, java| {
            let is_date = line["of"]["config"]["target.type"] == "Date";
            is_date && ours.contains("Date(") && java.contains("Date(") && !ours.starts_with("error")
        },
    },
    Difference { file: "plain", reason: DIGITS, covers: |_, _, java| java == "1.17549435E-38" },
];

/// The differences of one file, and what they covered.
pub(crate) struct Differences {
    entries: Vec<(&'static Difference, usize)>,
    unexpected: Vec<String>,
}

/// Of more cases only the number is told.
const SHOWN_MAX: usize = 40;

impl Differences {
    pub(crate) fn of(file: &str) -> Differences {
        let entries = DIFFERENCES.iter().filter(|entry| entry.file == file).map(|entry| (entry, 0)).collect();
        Differences { entries, unexpected: Vec::new() }
    }

    pub(crate) fn take(&mut self, line: &Json, ours: &str, java: &str) {
        match self.entries.iter_mut().find(|(entry, _)| (entry.covers)(line, ours, java)) {
            Some((_, count)) => *count += 1,
            None => self.unexpected.push(format!("{line}\n  java {java}\n  ours {ours}")),
        }
    }

    pub(crate) fn finish(self) {
        let page =
            include_str!("../../../docs/converters.md").split_whitespace().collect::<Vec<_>>().join(" ");
        let count = self.unexpected.len();
        let shown: Vec<String> = self.unexpected.into_iter().take(SHOWN_MAX).collect();
        assert!(count == 0, "{count} cases differ:\n{}", shown.join("\n"));
        for (entry, count) in self.entries {
            let reason = entry.reason;
            assert!(page.contains(&format!("- {reason}")), "docs/converters.md does not tell: {reason}");
            assert!(count > 0, "no case needs this difference any more: {reason}");
        }
    }
}
