//! Dates, times and moments as a lenient `SimpleDateFormat` reads them: in UTC, each by the length of its text.

use std::sync::Arc;

use api::java_text::{DAY_MS, lenient_date};
use api::{Schema, Value};

use super::number::digit;
use super::parse::Parsed;

const DATE_LEN: usize = "yyyy-MM-dd".len();
const TIME_LEN: usize = "HH:mm:ss.SSSZ".len();
const TIMESTAMP_LEN: usize = "yyyy-MM-ddTHH:mm:ss.SSSZ".len();

/// Reads a date, a time or a moment. Colons may be escaped.
pub(super) fn parse(text: &str) -> Option<Parsed> {
    if text.len() < DATE_LEN {
        return None;
    }
    let text = text.replace("\\:", ":");
    let units = text.encode_utf16().count();
    let mut fields = Fields(&text);
    let (schema, epoch_ms) = match units {
        DATE_LEN => (Schema::date(), fields.date()?.wrapping_mul(DAY_MS)),
        TIME_LEN => (Schema::time(), fields.time()?),
        TIMESTAMP_LEN => {
            let days = fields.date()?;
            fields.literal('T')?;
            (Schema::timestamp(), days.wrapping_mul(DAY_MS).wrapping_add(fields.time()?))
        }
        _ => return None,
    };
    Some(Parsed { schema: Some(Arc::new(schema)), value: Value::Date(epoch_ms) })
}

/// What is left of a text.
struct Fields<'a>(&'a str);

impl Fields<'_> {
    /// Days since 1970.
    fn date(&mut self) -> Option<i64> {
        let year = self.number()?;
        self.literal('-')?;
        let month = self.number()?;
        self.literal('-')?;
        Some(lenient_date(year, month, self.number()?))
    }

    /// Milliseconds.
    fn time(&mut self) -> Option<i64> {
        let hours = self.number()?;
        self.literal(':')?;
        let minutes = self.number()?;
        self.literal(':')?;
        let seconds = self.number()?;
        self.literal('.')?;
        let ms = self.number()?;
        self.literal('Z')?;
        Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + ms)
    }

    fn literal(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A number of any length and sign, after blanks.
    fn number(&mut self) -> Option<i64> {
        let text = self.0.trim_start_matches([' ', '\t']);
        let digits = text.strip_prefix('-').unwrap_or(text);
        let mut rest = digits.chars();
        let mut value = None;
        while let Some(digit) = rest.clone().next().and_then(digit) {
            rest.next();
            value = Some(value.unwrap_or(0_i64).saturating_mul(10).saturating_add(i64::from(digit)));
        }
        self.0 = rest.as_str();
        // Java takes the low 32 bits of what fits into 64, and the nearest 32-bit integer to what does not.
        let value = match value? {
            i64::MAX => i64::from(i32::MAX),
            value => i64::from(value as i32),
        };
        Some(if digits.len() < text.len() { -value } else { value })
    }
}
