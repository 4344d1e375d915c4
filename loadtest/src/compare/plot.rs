//! The picture: for each case two dots on a logarithmic axis, Java's and ours, with the factor between them, and a tick at the floor.

use std::fmt::Write as _;

/// One case.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) title: String,
    /// CPU per record in ns, like those that follow.
    pub(super) java: f64,
    pub(super) ours: f64,
    pub(super) again: f64,
    pub(super) floor: Option<f64>,
}

const WIDTH: f64 = 1_080.0;
/// Where the axis begins and ends.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 1_010.0;
const TOP: f64 = 92.0;
const ROW: f64 = 26.0;

const JAVA: &str = "#c2571a";
const OURS: &str = "#0b6e8f";
const FLOOR: &str = "#444";
const FAINT: &str = "#d8d8d8";

/// The whole file.
pub(super) fn svg(lines: &[Line], caption: &str) -> String {
    let values = || lines.iter().flat_map(|line| [line.java, line.ours, line.floor.unwrap_or(line.ours)]);
    let low = values().fold(f64::INFINITY, f64::min).max(1.0);
    let high = values().fold(1.0, f64::max);
    let axis = Axis { low: low.log10() - 0.08, high: high.log10() + 0.12 };
    let bottom = TOP + ROW * lines.len() as f64;
    let height = bottom + 62.0;
    let mut out = String::new();
    // Writing to a string cannot fail; each piece is one element.
    let mut put = |element: std::fmt::Arguments<'_>| {
        let _written = writeln!(out, "{element}");
    };
    put(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" font-size="13">"#
    ));
    put(format_args!(r#"<rect width="100%" height="100%" fill="white"/>"#));
    put(format_args!(
        r#"<text x="16" y="28" font-size="18" font-weight="bold">Worker CPU per record: Kafka Connect in Java and Aqueduct</text>"#
    ));
    put(format_args!(
        r#"<text x="16" y="50" fill="{FLOOR}">left is better; the number is how many times less CPU Aqueduct spends</text>"#
    ));
    for (x, colour, name) in [(700.0, OURS, "Aqueduct"), (800.0, JAVA, "Java")] {
        put(format_args!(r#"<circle cx="{x}" cy="46" r="6" fill="{colour}"/>"#));
        put(format_args!(r#"<text x="{}" y="50">{name}</text>"#, x + 11.0));
    }
    put(format_args!(r#"<path d="M870 39v14" stroke="{FLOOR}" stroke-width="2"/>"#));
    put(format_args!(r#"<text x="878" y="50">hand-written minimum</text>"#));

    for (value, name) in TICKS {
        if value.log10() < axis.low || value.log10() > axis.high {
            continue;
        }
        let x = axis.place(*value);
        put(format_args!(r#"<path d="M{x:.1} {TOP}V{bottom}" stroke="{FAINT}"/>"#));
        put(format_args!(r#"<text x="{x:.1}" y="{}" text-anchor="middle">{name}</text>"#, bottom + 18.0));
    }
    for (number, line) in lines.iter().enumerate() {
        let y = TOP + ROW * (number as f64 + 0.5);
        let (java, ours) = (axis.place(line.java), axis.place(line.ours));
        put(format_args!(
            r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            y + 4.5,
            escape(&line.title)
        ));
        put(format_args!(r#"<path d="M{ours:.1} {y}H{java:.1}" stroke="{FAINT}" stroke-width="5"/>"#));
        if let Some(floor) = line.floor {
            let x = axis.place(floor);
            put(format_args!(
                r#"<path d="M{x:.1} {}V{}" stroke="{FLOOR}" stroke-width="2"/>"#,
                y - 8.0,
                y + 8.0
            ));
        }
        // The second figure of ours lies under the first, where nothing disturbed them.
        for (x, colour, opacity) in
            [(java, JAVA, 1.0), (axis.place(line.again), OURS, 0.35), (ours, OURS, 1.0)]
        {
            put(format_args!(
                r#"<circle cx="{x:.1}" cy="{y}" r="6" fill="{colour}" fill-opacity="{opacity}"/>"#
            ));
        }
        put(format_args!(
            r#"<text x="{:.1}" y="{}" font-weight="bold" fill="{JAVA}">{:.1}×</text>"#,
            java + 11.0,
            y + 4.5,
            line.java / line.ours
        ));
    }
    put(format_args!(
        r#"<text x="{}" y="{}" text-anchor="middle">CPU per record, user and system, of the whole worker process</text>"#,
        (LEFT + RIGHT) / 2.0,
        bottom + 36.0
    ));
    put(format_args!(
        r#"<text x="16" y="{}" font-size="11" fill="{FLOOR}">{}</text>"#,
        bottom + 54.0,
        escape(caption)
    ));
    put(format_args!("</svg>"));
    out
}

const TICKS: &[(f64, &str)] = &[
    (1.0, "1 ns"),
    (3.0, "3 ns"),
    (10.0, "10 ns"),
    (30.0, "30 ns"),
    (100.0, "100 ns"),
    (300.0, "300 ns"),
    (1_000.0, "1 µs"),
    (3_000.0, "3 µs"),
    (10_000.0, "10 µs"),
    (30_000.0, "30 µs"),
];

/// Decades of ns.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn place(&self, ns: f64) -> f64 {
        LEFT + (ns.max(1.0).log10() - self.low) / (self.high - self.low) * (RIGHT - LEFT)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_further_left_and_equal_ratios_are_equally_long() {
        let axis = Axis { low: 1.0, high: 3.0 };
        assert!(axis.place(10.0) < axis.place(20.0));
        let long = |from: f64, to: f64| axis.place(to) - axis.place(from);
        assert!((long(10.0, 30.0) - long(100.0, 300.0)).abs() < 1e-6);
    }

    #[test]
    fn every_case_has_its_factor() {
        let line = |java| Line { title: "a < b".to_owned(), java, ours: 10.0, again: 11.0, floor: None };
        let picture = svg(&[line(100.0), line(255.0)], "here");
        assert!(picture.contains(">10.0×<") && picture.contains(">25.5×<") && picture.contains("a &lt; b"));
    }
}
