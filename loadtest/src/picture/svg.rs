//! A picture as SVG.

use std::fmt::{self, Display, Formatter};

use super::{Anchor, Colour, Picture, Shape, Text, Weight};

impl Picture {
    /// The whole file.
    pub(crate) fn svg(&self) -> String {
        let (width, height) = (Px(self.width), Px(self.height));
        let mut lines = vec![
            format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" font-size="{}">"#,
                Text::SIZE
            ),
            format!(r#"<rect width="100%" height="100%" fill="{}"/>"#, Colour::WHITE),
        ];
        lines.extend(self.shapes.iter().map(Shape::to_string));
        lines.push("</svg>\n".to_owned());
        lines.join("\n")
    }
}

/// An element. Attributes that say nothing new are left out.
impl Display for Shape {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Line { from, to, width, colour } => write!(
                out,
                r#"<path d="M{} {}L{} {}" stroke="{colour}" stroke-width="{width}"/>"#,
                Px(from.0),
                Px(from.1),
                Px(to.0),
                Px(to.1)
            ),
            Shape::Circle { centre, radius, colour, opacity } => {
                write!(
                    out,
                    r#"<circle cx="{}" cy="{}" r="{radius}" fill="{colour}""#,
                    Px(centre.0),
                    Px(centre.1)
                )?;
                if *opacity < 1.0 {
                    write!(out, r#" fill-opacity="{opacity}""#)?;
                }
                write!(out, "/>")
            }
            Shape::Text(text) => text.fmt(out),
        }
    }
}

impl Display for Text {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, r#"<text x="{}" y="{}""#, Px(self.x), Px(self.baseline))?;
        match self.anchor {
            Anchor::Start => {}
            Anchor::Middle => write!(out, r#" text-anchor="middle""#)?,
            Anchor::End => write!(out, r#" text-anchor="end""#)?,
        }
        if self.size != Text::SIZE {
            write!(out, r#" font-size="{}""#, self.size)?;
        }
        if self.weight == Weight::Bold {
            write!(out, r#" font-weight="bold""#)?;
        }
        if self.colour != Colour::BLACK {
            write!(out, r#" fill="{}""#, self.colour)?;
        }
        write!(out, ">{}</text>", self.words.replace('&', "&amp;").replace('<', "&lt;"))
    }
}

impl Display for Colour {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Colour([red, green, blue]) = self;
        write!(out, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// To a tenth, which nobody sees, so that a change of the file shows what changed.
struct Px(f64);

impl Display for Px {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_an_element_with_what_it_has() {
        let colour = Colour([0xc2, 0x05, 0x1a]);
        let end = Text { anchor: Anchor::End, weight: Weight::Bold, ..Text::at(1.0, 2.04, "a < b & c") };
        let shapes = vec![
            Shape::Line { from: (0.0, 1.25), to: (20.0, 1.25), width: 5.0, colour },
            Shape::Circle { centre: (3.0, 4.0), radius: 6.0, colour, opacity: 0.35 },
            Shape::Text(end),
        ];
        let svg = Picture { width: 30.0, height: 10.5, shapes }.svg();
        assert_eq!(
            svg.lines().skip(2).collect::<Vec<_>>(),
            [
                r##"<path d="M0 1.3L20 1.3" stroke="#c2051a" stroke-width="5"/>"##,
                r##"<circle cx="3" cy="4" r="6" fill="#c2051a" fill-opacity="0.35"/>"##,
                r#"<text x="1" y="2" text-anchor="end" font-weight="bold">a &lt; b &amp; c</text>"#,
                "</svg>",
            ]
        );
        assert!(svg.contains(r#"viewBox="0 0 30 10.5""#), "{svg}");
    }
}
