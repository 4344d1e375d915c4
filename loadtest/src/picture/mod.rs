//! A picture of results: shapes at their places, of which an SVG is written and a PNG drawn, both on white paper.

mod font;
mod raster;
mod svg;

use self::font::Face;
#[cfg(test)]
pub(crate) use self::raster::Canvas;

/// What is to be seen. Places and sizes are px of the SVG, from the left and from the top.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Later ones lie over earlier ones.
    pub(crate) shapes: Vec<Shape>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// With square ends, which are where it says.
    Line {
        from: (f64, f64),
        to: (f64, f64),
        width: f64,
        colour: Colour,
    },
    Circle {
        centre: (f64, f64),
        radius: f64,
        colour: Colour,
        opacity: f64,
    },
    Text(Text),
}

#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) words: String,
    pub(crate) x: f64,
    /// Of the line that letters stand on.
    pub(crate) baseline: f64,
    pub(crate) size: f64,
    pub(crate) anchor: Anchor,
    pub(crate) weight: Weight,
    pub(crate) colour: Colour,
}

/// What of a text is at its `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) [u8; 3]);

impl Colour {
    pub(crate) const BLACK: Colour = Colour([0; 3]);
    pub(crate) const WHITE: Colour = Colour([255; 3]);
}

impl Text {
    /// Size of what has no other.
    pub(crate) const SIZE: f64 = 13.0;

    /// Plain black words that begin here.
    pub(crate) fn at(x: f64, baseline: f64, words: impl Into<String>) -> Text {
        Text {
            words: words.into(),
            x,
            baseline,
            size: Text::SIZE,
            anchor: Anchor::Start,
            weight: Weight::Regular,
            colour: Colour::BLACK,
        }
    }

    /// Of the PNG, whose letters are all equally wide. The SVG's are those of the reader's system; most texts are narrower in them.
    pub(crate) fn width(&self) -> f64 {
        Face::of(self).width(&self.words) as f64 / raster::SCALE
    }
}

impl Anchor {
    /// How much of a text lies left of its `x`.
    fn share_before(self) -> f64 {
        match self {
            Anchor::Start => 0.0,
            Anchor::Middle => 0.5,
            Anchor::End => 1.0,
        }
    }
}

/// What a shape takes up, for tests of what lies over what.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

#[cfg(test)]
impl Text {
    /// Of the PNG, with the room between lines.
    pub(crate) fn extent(&self) -> Extent {
        let (face, width) = (Face::of(self), self.width());
        let left = self.x - width * self.anchor.share_before();
        let top = self.baseline - face.ascent() as f64 / raster::SCALE;
        Extent { left, top, right: left + width, bottom: top + face.height() as f64 / raster::SCALE }
    }
}
