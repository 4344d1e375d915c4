//! What the vectors cannot show: the present, and how long a text stays the same.

use super::*;

const DAY: i64 = DAY_MS;

fn parse(pattern: &str, now_ms: i64, text: &str) -> Option<i64> {
    DateFormat::new(pattern, now_ms).unwrap().parse(text)
}

/// Goal: eighty years before now and twenty after, to the millisecond.
#[test]
fn years_of_two_digits_lie_around_the_present() {
    // 29 February 2024, 12:00.
    let now = 1_709_208_000_000;
    let year = |text| DateTime::of(parse("yy-MM-dd HH", now, text).unwrap()).year;
    assert_eq!(year("44-02-29 11"), 2044);
    assert_eq!(year("44-02-29 12"), 1944);
    assert_eq!((year("43-12-31 0"), year("45-01-01 0")), (2043, 1945));
}

/// Goal: where the day does not exist eighty years ago, the last one of its month is meant.
#[test]
fn a_century_begins_on_a_day_that_there_is() {
    // 29 February 2180; 2100 is no leap year.
    let now = first_of_month(2180, 2) + 28 * DAY;
    assert_eq!(century_start(now), (first_of_month(2100, 2) + 27 * DAY, 2100));
}

fn first_of_month(year: i64, month: i64) -> i64 {
    crate::java_text::calendar::first_of_month(year, month, false) * DAY
}

#[test]
fn an_interval_is_that_of_the_finest_letter() {
    let interval = |pattern| DateFormat::new(pattern, 0).unwrap().interval_ms();
    assert_eq!(interval("yyyy"), DAY);
    assert_eq!(interval("'S'"), DAY);
    assert_eq!(interval("yyyy a"), DAY / 2);
    assert_eq!(interval("HH yyyy"), 3_600_000);
    assert_eq!(interval("mm HH"), 60_000);
    assert_eq!(interval("ss.SSS"), 1);
}
