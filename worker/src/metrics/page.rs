//! A page of metrics in one of Prometheus' text formats.
//!
//! Names are those that the JMX exporter gives Java's MBeans where it is not configured otherwise but to write lower case: domain, group
//! and attribute, joined and with `_` for what a name may not have.

use std::collections::HashSet;
use std::fmt::Write as _;

/// Which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What a scraper asks for by its `Accept` header.
    pub(crate) fn accepted(accept: Option<&str>) -> Format {
        let wants =
            accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("application/openmetrics-text"));
        if wants { Format::OpenMetrics } else { Format::Text }
    }

    /// The `Content-Type` of a page.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How a value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only ever grows, and starts again at 0.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The page as far as it is written.
#[derive(Debug)]
pub(crate) struct Page {
    format: Format,
    /// Only families of these names; all where it is empty.
    wanted: HashSet<String>,
    name: String,
    is_wanted: bool,
    text: String,
}

impl Page {
    pub(crate) fn new(format: Format, wanted: HashSet<String>) -> Page {
        Page { format, wanted, name: String::new(), is_wanted: false, text: String::new() }
    }

    /// Begins the metric of this name; its samples follow. `false`: nobody wants it.
    pub(crate) fn family(&mut self, name: String, kind: Kind, doc: &str) -> bool {
        self.is_wanted = self.wanted.is_empty() || self.wanted.contains(&name);
        self.name = name;
        if !self.is_wanted {
            return false;
        }
        let (family, kind) = match (self.format, kind, self.name.strip_suffix("_total")) {
            // There a counter's name has an end that is none of its family's; Java has counters without it.
            (Format::OpenMetrics, Kind::Counter, Some(stem)) => (stem, "counter"),
            (Format::OpenMetrics, Kind::Counter, None) => (&*self.name, "unknown"),
            (_, Kind::Counter, _) => (&*self.name, "counter"),
            (_, Kind::Gauge, _) => (&*self.name, "gauge"),
        };
        self.text.push_str("# HELP ");
        self.text.push_str(family);
        self.text.push(' ');
        escape(doc, self.format == Format::OpenMetrics, &mut self.text);
        self.text.push_str("\n# TYPE ");
        self.text.push_str(family);
        self.text.push(' ');
        self.text.push_str(kind);
        self.text.push('\n');
        true
    }

    /// A value of the metric begun last.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        if self.is_wanted {
            sample(&mut self.text, &self.name, labels.iter().copied(), value);
        }
    }

    /// Samples of the metric begun last that somebody else has written, by [`sample`].
    pub(crate) fn samples(&mut self, lines: &str) {
        if self.is_wanted {
            self.text.push_str(lines);
        }
    }

    /// The whole page.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Writes one sample.
pub(crate) fn sample<'a>(
    out: &mut String,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    value: f64,
) {
    out.push_str(name);
    let mut separator = '{';
    for (label, text) in labels {
        out.push(separator);
        separator = ',';
        push_name(label, out);
        out.push_str("=\"");
        escape(text, true, out);
        out.push('"');
    }
    out.push_str(if separator == ',' { "} " } else { " " });
    push_value(value, out);
    out.push('\n');
}

/// A name of Java's with `_` for what a name may not have.
pub(crate) fn push_name(name: &str, out: &mut String) {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    out.extend(name.chars().map(|letter| allowed(letter).to_ascii_lowercase()));
}

/// The name of a metric in Prometheus, from its JMX domain, group and attribute.
pub(crate) fn name(domain: &str, group: &str, attribute: &str) -> String {
    let mut name = String::with_capacity(domain.len() + group.len() + attribute.len() + 2);
    push_name(domain, &mut name);
    for part in [group, attribute] {
        name.push('_');
        push_name(part, &mut name);
    }
    name
}

fn push_value(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        write!(out, "{value}").expect("writing to a string does not fail");
    }
}

/// A label's value, or words of a help line, where quotes stay as they are.
fn escape(text: &str, quotes: bool, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut page = Page::new(format, HashSet::new());
        page.family(
            name("kafka.connect", "sink-task-metrics", "sink-record-read-total"),
            Kind::Counter,
            "a \\ \"b\"",
        );
        page.sample(&[("connector", "a\"b\\c\nd"), ("client-id", "x")], 12.0);
        page.family("kafka_connect_task_error_metrics_total_retries".to_owned(), Kind::Counter, "c");
        page.sample(&[], f64::NAN);
        page.family("g".to_owned(), Kind::Gauge, "d");
        page.sample(&[], f64::INFINITY);
        page.sample(&[], 0.25);
        page.finish()
    }

    #[test]
    fn text_is_as_prometheus_wants_it() {
        assert_eq!(
            written(Format::Text),
            "# HELP kafka_connect_sink_task_metrics_sink_record_read_total a \\\\ \"b\"\n\
             # TYPE kafka_connect_sink_task_metrics_sink_record_read_total counter\n\
             kafka_connect_sink_task_metrics_sink_record_read_total{connector=\"a\\\"b\\\\c\\nd\",client_id=\"x\"} 12\n\
             # HELP kafka_connect_task_error_metrics_total_retries c\n\
             # TYPE kafka_connect_task_error_metrics_total_retries counter\n\
             kafka_connect_task_error_metrics_total_retries NaN\n\
             # HELP g d\n# TYPE g gauge\ng +Inf\ng 0.25\n"
        );
    }

    #[test]
    fn open_metrics_has_no_counter_without_its_end() {
        let page = written(Format::OpenMetrics);
        assert!(page.contains("# TYPE kafka_connect_sink_task_metrics_sink_record_read counter\n"), "{page}");
        assert!(page.contains("\nkafka_connect_sink_task_metrics_sink_record_read_total{"), "{page}");
        assert!(page.contains("# TYPE kafka_connect_task_error_metrics_total_retries unknown\n"), "{page}");
        assert!(page.ends_with("g 0.25\n# EOF\n"), "{page}");
    }

    #[test]
    fn a_scraper_gets_the_format_it_accepts() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("text/plain")), Format::Text);
        assert_eq!(Format::accepted(None), Format::Text);
    }

    #[test]
    fn only_what_is_wanted_is_written() {
        let mut page = Page::new(Format::Text, HashSet::from(["g".to_owned()]));
        assert!(!page.family("h".to_owned(), Kind::Gauge, "e"));
        page.sample(&[], 1.0);
        assert!(page.family("g".to_owned(), Kind::Gauge, "d"));
        page.sample(&[], 2.0);
        assert_eq!(page.finish(), "# HELP g d\n# TYPE g gauge\ng 2\n");
    }
}
