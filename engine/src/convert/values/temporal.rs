//! Dates, times and moments in header values: in UTC, each by the length of its text.

use std::sync::{Arc, LazyLock};

use api::java_text::DateFormat;
use api::{Schema, Value};

use super::parse::Parsed;

const DATE_LEN: usize = "yyyy-MM-dd".len();
const TIME_LEN: usize = "HH:mm:ss.SSSZ".len();
const TIMESTAMP_LEN: usize = "yyyy-MM-ddTHH:mm:ss.SSSZ".len();

static DATE: LazyLock<DateFormat> = LazyLock::new(|| format("yyyy-MM-dd"));
static TIME: LazyLock<DateFormat> = LazyLock::new(|| format("HH:mm:ss.SSS'Z'"));
static TIMESTAMP: LazyLock<DateFormat> = LazyLock::new(|| format("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"));

fn format(pattern: &str) -> DateFormat {
    // There is no year of two digits that would ask for the present.
    DateFormat::new(pattern, 0).expect("the pattern is one")
}

/// Reads a date, a time or a moment. Colons may be escaped.
pub(super) fn parse(text: &str) -> Option<Parsed> {
    if text.len() < DATE_LEN {
        return None;
    }
    let text = text.replace("\\:", ":");
    let (schema, format): (Schema, &DateFormat) = match text.encode_utf16().count() {
        DATE_LEN => (Schema::date(), &DATE),
        TIME_LEN => (Schema::time(), &TIME),
        TIMESTAMP_LEN => (Schema::timestamp(), &TIMESTAMP),
        _ => return None,
    };
    let value = Value::Date(format.parse(&text)?);
    Some(Parsed { schema: Some(Arc::new(schema)), value })
}
