//! Headers that every answer gets (`response.http.headers.config`).

use engine::rt::clock;
use hyper::header::{HeaderMap, HeaderValue};

use crate::config::{HeaderAction, HeaderRule};

/// As HTTP and logs name them.
pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Applies the rules in their order.
pub(super) fn apply(rules: &[HeaderRule], headers: &mut HeaderMap) {
    for HeaderRule { action, name } in rules {
        match action {
            HeaderAction::Set(value) => drop(headers.insert(name, value.clone())),
            HeaderAction::Add(value) => drop(headers.append(name, value.clone())),
            HeaderAction::SetDate(offset_ms) => drop(headers.insert(name, date(*offset_ms))),
            HeaderAction::AddDate(offset_ms) => drop(headers.append(name, date(*offset_ms))),
        }
    }
}

/// Now and so many milliseconds, as HTTP writes times: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(offset_ms: i64) -> HeaderValue {
    HeaderValue::from_str(&http_date(clock::unix_ms().saturating_add(offset_ms)))
        .unwrap_or_else(|_not_ascii| HeaderValue::from_static(""))
}

fn http_date(unix_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = unix_ms.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = crate::logs::civil(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times_as_http_does() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    }

    #[test]
    fn later_rules_replace_or_add() {
        let rule = |action, name: &str| HeaderRule { action, name: name.parse().unwrap() };
        let value = HeaderValue::from_static;
        let rules = [
            rule(HeaderAction::Set(value("1")), "a"),
            rule(HeaderAction::Add(value("2")), "a"),
            rule(HeaderAction::Add(value("3")), "b"),
            rule(HeaderAction::Set(value("4")), "b"),
        ];
        let mut headers = HeaderMap::new();
        apply(&rules, &mut headers);
        let shown: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        assert_eq!(shown, ["a=1", "a=2", "b=4"]);
    }
}
