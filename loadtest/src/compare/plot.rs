//! The picture: for each case two dots on a logarithmic axis, Java's and ours, with the factor between them, and a tick at the floor.

use crate::picture::{Anchor, Colour, Picture, Shape, Text, Weight};

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

const MARGIN: f64 = 16.0;
/// Where the axis begins, if no title needs more room.
const LEFT: f64 = 330.0;
const AXIS_LENGTH: f64 = 680.0;
/// Right of the axis, for the last factor.
const RIGHT_MARGIN: f64 = 70.0;
const TOP: f64 = 92.0;
const ROW: f64 = 26.0;
const DOT: f64 = 6.0;
/// From a dot's middle to its words.
const BESIDE_DOT: f64 = 11.0;
/// From a title's end to where the axis begins.
const BESIDE_TITLE: f64 = 10.0;
/// From the middle of a line of text down to where its letters stand.
const BELOW_MIDDLE: f64 = 4.5;

const JAVA: Colour = Colour([0xc2, 0x57, 0x1a]);
const OURS: Colour = Colour([0x0b, 0x6e, 0x8f]);
const FLOOR: Colour = Colour([0x44, 0x44, 0x44]);
const FAINT: Colour = Colour([0xd8, 0xd8, 0xd8]);

/// All of it.
pub(super) fn picture(lines: &[Line], caption: &str) -> Picture {
    let axis = Axis::of(lines);
    let bottom = TOP + ROW * lines.len() as f64;
    let mut shapes = header();
    shapes.extend(axis.ticks(bottom));
    for (number, line) in lines.iter().enumerate() {
        shapes.extend(row(line, &axis, TOP + ROW * (number as f64 + 0.5)));
    }
    let unit = "CPU per record, user and system, of the whole worker process";
    shapes.extend([
        Shape::Text(Text {
            anchor: Anchor::Middle,
            ..Text::at(axis.left + AXIS_LENGTH / 2.0, bottom + 36.0, unit)
        }),
        Shape::Text(Text { size: 11.0, colour: FLOOR, ..Text::at(MARGIN, bottom + 54.0, caption) }),
    ]);
    Picture { width: axis.left + AXIS_LENGTH + RIGHT_MARGIN, height: bottom + 62.0, shapes }
}

/// Title and legend.
fn header() -> Vec<Shape> {
    let title = "Worker CPU per record: Kafka Connect in Java and Aqueduct";
    let meaning = "left is better; the number is how many times less CPU Aqueduct spends";
    let middle = 50.0 - BELOW_MIDDLE;
    let mut shapes = vec![
        Shape::Text(Text { size: 18.0, weight: Weight::Bold, ..Text::at(MARGIN, 28.0, title) }),
        Shape::Text(Text { colour: FLOOR, ..Text::at(MARGIN, 50.0, meaning) }),
    ];
    for (x, colour, name) in [(700.0, OURS, "Aqueduct"), (800.0, JAVA, "Java")] {
        shapes.push(dot(x, middle, colour, 1.0));
        shapes.push(Shape::Text(Text::at(x + BESIDE_DOT, 50.0, name)));
    }
    shapes.push(upright(870.0, middle - 7.0, middle + 7.0, FLOOR, 2.0));
    shapes.push(Shape::Text(Text::at(878.0, 50.0, "hand-written minimum")));
    shapes
}

/// A case, in the middle of its row.
fn row(line: &Line, axis: &Axis, y: f64) -> Vec<Shape> {
    let (java, ours) = (axis.place(line.java), axis.place(line.ours));
    let mut shapes = vec![
        Shape::Text(title(line, axis.left - BESIDE_TITLE, y + BELOW_MIDDLE)),
        Shape::Line { from: (ours, y), to: (java, y), width: 5.0, colour: FAINT },
    ];
    shapes.extend(line.floor.map(|floor| upright(axis.place(floor), y - 8.0, y + 8.0, FLOOR, 2.0)));
    // The second figure of ours lies under the first, where nothing disturbed them.
    shapes.extend([
        dot(java, y, JAVA, 1.0),
        dot(axis.place(line.again), y, OURS, 0.35),
        dot(ours, y, OURS, 1.0),
        Shape::Text(Text {
            weight: Weight::Bold,
            colour: JAVA,
            ..Text::at(java + BESIDE_DOT, y + BELOW_MIDDLE, format!("{:.1}×", line.java / line.ours))
        }),
    ]);
    shapes
}

fn title(line: &Line, end: f64, baseline: f64) -> Text {
    Text { anchor: Anchor::End, ..Text::at(end, baseline, line.title.as_str()) }
}

fn dot(x: f64, y: f64, colour: Colour, opacity: f64) -> Shape {
    Shape::Circle { centre: (x, y), radius: DOT, colour, opacity }
}

fn upright(x: f64, top: f64, bottom: f64, colour: Colour, width: f64) -> Shape {
    Shape::Line { from: (x, top), to: (x, bottom), width, colour }
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

/// Decades of ns, and the px where they begin.
struct Axis {
    low: f64,
    high: f64,
    left: f64,
}

impl Axis {
    /// With all that is to be seen on it, and all titles beside it.
    fn of(lines: &[Line]) -> Axis {
        let values = || {
            lines.iter().flat_map(|line| [line.java, line.ours, line.again, line.floor.unwrap_or(line.ours)])
        };
        let low = values().fold(f64::INFINITY, f64::min).max(1.0);
        let high = values().fold(1.0, f64::max);
        let room = lines.iter().map(|line| title(line, 0.0, 0.0).width()).fold(0.0, f64::max);
        Axis {
            low: low.log10() - 0.08,
            high: high.log10() + 0.12,
            left: LEFT.max(MARGIN + room + BESIDE_TITLE).ceil(),
        }
    }

    fn place(&self, ns: f64) -> f64 {
        self.left + (ns.max(1.0).log10() - self.low) / (self.high - self.low) * AXIS_LENGTH
    }

    fn ticks(&self, bottom: f64) -> impl Iterator<Item = Shape> {
        let seen = TICKS.iter().filter(|(value, _)| (self.low..=self.high).contains(&value.log10()));
        seen.flat_map(move |(value, name)| {
            let x = self.place(*value);
            let name = Text { anchor: Anchor::Middle, ..Text::at(x, bottom + 18.0, *name) };
            [upright(x, TOP, bottom, FAINT, 1.0), Shape::Text(name)]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::CASES;
    use super::*;
    use crate::picture::{Canvas, Extent};

    fn line(title: &str, java: f64, ours: f64) -> Line {
        Line { title: title.to_owned(), java, ours, again: ours * 1.5, floor: Some(ours / 1.5) }
    }

    #[test]
    fn less_is_further_left_and_equal_ratios_are_equally_long() {
        let axis = Axis { low: 1.0, high: 3.0, left: LEFT };
        assert!(axis.place(10.0) < axis.place(20.0));
        let long = |from: f64, to: f64| axis.place(to) - axis.place(from);
        assert!((long(10.0, 30.0) - long(100.0, 300.0)).abs() < 1e-6);
    }

    #[test]
    fn every_case_has_its_factor() {
        let svg = picture(&[line("a < b", 100.0, 10.0), line("c", 255.0, 10.0)], "here").svg();
        assert!(svg.contains(">10.0×<") && svg.contains(">25.5×<") && svg.contains("a &lt; b"), "{svg}");
    }

    #[test]
    fn dots_are_where_the_axis_says() {
        let lines = [line("one", 1_000.0, 100.0), line("other", 300.0, 20.0)];
        let picture = picture(&lines, "here");
        let mut canvas = Canvas::decode(&picture.png().unwrap());
        let axis = Axis::of(&lines);
        for (number, line) in lines.iter().enumerate() {
            let y = TOP + ROW * (number as f64 + 0.5);
            assert_eq!(canvas.colour_at(axis.place(line.java), y), JAVA);
            assert_eq!(canvas.colour_at(axis.place(line.ours), y), OURS);
            assert_eq!(canvas.colour_at(axis.place(line.floor.unwrap()), y), FLOOR);
            assert_eq!(canvas.colour_at(axis.place((line.java * line.ours).sqrt()), y), FAINT);
        }
        // 100 ns is on both rows' axis, but only one has a dot there.
        assert_ne!(canvas.colour_at(axis.place(100.0), TOP + ROW * 1.5), OURS);
    }

    #[test]
    fn no_text_lies_over_a_dot_or_another_text_or_is_cut_off() {
        // Every case, from the cheapest to the dearest that was seen.
        let cost = |number: usize| 15.0 * 1.2f64.powi(number as i32);
        let cases = CASES.iter().enumerate();
        let lines: Vec<Line> =
            cases.map(|(number, case)| line(&case.title(), 20.0 * cost(number), cost(number))).collect();
        let picture = picture(&lines, "Kafka 4.3.0 on loopback, 2 cores, AMD EPYC, commit 5b72fa9");
        let mut seen: Vec<(&str, Extent)> = Vec::new();
        for shape in &picture.shapes {
            match shape {
                Shape::Text(text) => seen.push((&text.words, text.extent())),
                Shape::Circle { centre: (x, y), radius, .. } => {
                    let (left, right) = (x - radius, x + radius);
                    seen.push(("a dot", Extent { left, right, top: y - radius, bottom: y + radius }));
                }
                Shape::Line { .. } => {}
            }
        }
        for (at, (what, one)) in seen.iter().enumerate() {
            let inside = one.left >= 0.0 && one.top >= 0.0;
            assert!(inside && one.right <= picture.width && one.bottom <= picture.height, "{what}: {one:?}");
            for (that, other) in
                seen[at + 1..].iter().filter(|(that, _)| (*what, *that) != ("a dot", "a dot"))
            {
                let beside = one.right <= other.left || other.right <= one.left;
                let apart = one.bottom <= other.top || other.bottom <= one.top;
                assert!(beside || apart, "{what} over {that}: {one:?}, {other:?}");
            }
        }
    }
}
