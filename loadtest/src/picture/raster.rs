//! A picture as PNG: each pixel gets as much of a shape's colour as the shape covers of it.

use anyhow::{Context as _, Result};
use png::{BitDepth, ColorType, Compression, Encoder};

use super::font::Face;
use super::{Colour, Picture, Shape, Text};

/// Pixels of one px of the SVG. At this scale the heights that the font has lie closest to the sizes that pictures use.
pub(super) const SCALE: f64 = 1.5;

impl Picture {
    /// The whole file.
    pub(crate) fn png(&self) -> Result<Vec<u8>> {
        let pixels = |px: f64| (px * SCALE).ceil() as usize;
        let mut canvas = Canvas::white(pixels(self.width), pixels(self.height));
        for shape in &self.shapes {
            canvas.draw(shape);
        }
        canvas.encode()
    }
}

/// Pixels, row by row from the top.
#[derive(Debug)]
pub(crate) struct Canvas {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn white(width: usize, height: usize) -> Canvas {
        Canvas { width, pixels: vec![Colour::WHITE.0; width * height] }
    }

    fn draw(&mut self, shape: &Shape) {
        let scaled = |(x, y): (f64, f64)| (x * SCALE, y * SCALE);
        match shape {
            Shape::Line { from, to, width, colour } => {
                self.line(scaled(*from), scaled(*to), width * SCALE, *colour);
            }
            Shape::Circle { centre, radius, colour, opacity } => {
                self.circle(scaled(*centre), radius * SCALE, *colour, *opacity);
            }
            Shape::Text(text) => self.text(text),
        }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: Colour) {
        let (right, down) = (to.0 - from.0, to.1 - from.1);
        let length = right.hypot(down);
        // Two figures may be equal; such a line covers nothing and has no direction.
        if length == 0.0 {
            return;
        }
        self.fill(from, to, width, colour, |x, y| {
            let (x, y) = (x - from.0, y - from.1);
            let along = (x * right + y * down) / length;
            let across = (x * down - y * right) / length;
            overlap(along, 0.0, length) * overlap(across, -width / 2.0, width / 2.0)
        });
    }

    fn circle(&mut self, centre: (f64, f64), radius: f64, colour: Colour, opacity: f64) {
        self.fill(centre, centre, radius, colour, |x, y| {
            let distance = (x - centre.0).hypot(y - centre.1);
            opacity * (radius + 0.5 - distance).clamp(0.0, 1.0)
        });
    }

    /// Colours what `covered` says of each pixel's middle, of those that are at most `around` away from the rectangle of two corners.
    fn fill(
        &mut self,
        one: (f64, f64),
        other: (f64, f64),
        around: f64,
        colour: Colour,
        covered: impl Fn(f64, f64) -> f64,
    ) {
        let span = |one: f64, other: f64| {
            let (low, high) = (one.min(other) - around, one.max(other) + around);
            low.floor() as i64..high.ceil() as i64
        };
        for y in span(one.1, other.1) {
            for x in span(one.0, other.0) {
                self.blend(x, y, colour, covered(x as f64 + 0.5, y as f64 + 0.5));
            }
        }
    }

    /// Letters are not moved by parts of pixels, so that they stay as sharp as they were made.
    fn text(&mut self, text: &Text) {
        let face = Face::of(text);
        let before = face.width(&text.words) as f64 * text.anchor.share_before();
        let mut left = (text.x * SCALE - before).round() as i64;
        let top = (text.baseline * SCALE).round() as i64 - face.ascent() as i64;
        for letter in text.words.chars() {
            for (y, row) in (top..).zip(face.glyph(letter).iter().flat_map(|glyph| glyph.rows())) {
                for (x, ink) in (left..).zip(row) {
                    self.blend(x, y, text.colour, f64::from(*ink) / 255.0);
                }
            }
            left += face.advance() as i64;
        }
    }

    /// What lies outside is cut off.
    fn blend(&mut self, x: i64, y: i64, colour: Colour, share: f64) {
        let Some(pixel) = self.pixel_mut(x, y) else { return };
        for (old, new) in pixel.iter_mut().zip(colour.0) {
            let (from, to) = (f64::from(*old), f64::from(new));
            *old = (from + (to - from) * share).round() as u8;
        }
    }

    fn pixel_mut(&mut self, x: i64, y: i64) -> Option<&mut [u8; 3]> {
        let x = usize::try_from(x).ok().filter(|x| *x < self.width)?;
        self.pixels.get_mut(usize::try_from(y).ok()? * self.width + x)
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let side = |pixels: usize| u32::try_from(pixels).context("a picture is too large for PNG");
        let height = self.pixels.len().checked_div(self.width).unwrap_or(0);
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, side(self.width)?, side(height)?);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(out)
    }
}

/// How much of a pixel around `at` lies between `low` and `high`.
fn overlap(at: f64, low: f64, high: f64) -> f64 {
    ((at + 0.5).min(high) - (at - 0.5).max(low)).clamp(0.0, 1.0)
}

/// What tests see of a file.
#[cfg(test)]
impl Canvas {
    pub(crate) fn decode(file: &[u8]) -> Canvas {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (ColorType::Rgb, BitDepth::Eight));
        let pixels = bytes.as_chunks().0.to_vec();
        assert_eq!(pixels.len(), (info.width * info.height) as usize);
        Canvas { width: info.width as usize, pixels }
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.width, self.pixels.len() / self.width)
    }

    /// What is at a place of the picture, in px of the SVG.
    pub(crate) fn colour_at(&mut self, x: f64, y: f64) -> Colour {
        Colour(*self.pixel_mut((x * SCALE) as i64, (y * SCALE) as i64).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Anchor, Weight};
    use super::*;

    const RED: Colour = Colour([200, 0, 0]);

    fn drawn(shape: Shape) -> Canvas {
        Canvas::decode(&Picture { width: 100.0, height: 40.0, shapes: vec![shape] }.png().unwrap())
    }

    /// Pixels that are covered, counted by their share.
    fn ink(canvas: &Canvas) -> f64 {
        canvas.pixels.iter().map(|[_, green, _]| f64::from(255 - green) / 255.0).sum()
    }

    /// Columns and rows with anything in them: first and one after the last.
    fn inked(canvas: &Canvas) -> [usize; 4] {
        let places = || canvas.pixels.iter().enumerate().filter(|(_, pixel)| **pixel != Colour::WHITE.0);
        let columns = || places().map(|(at, _)| at % canvas.width);
        let rows = || places().map(|(at, _)| at / canvas.width);
        let (right, bottom) = (columns().max().unwrap() + 1, rows().max().unwrap() + 1);
        [columns().min().unwrap(), rows().min().unwrap(), right, bottom]
    }

    fn text(x: f64, words: &str) -> Text {
        Text { colour: RED, ..Text::at(x, 20.0, words) }
    }

    #[test]
    fn a_file_has_the_size_of_its_picture_at_scale() {
        let picture = Picture { width: 100.0, height: 40.5, shapes: Vec::new() };
        let canvas = Canvas::decode(&picture.png().unwrap());
        assert_eq!(canvas.size(), (150, 61));
        assert_eq!(ink(&canvas), 0.0);
    }

    #[test]
    fn a_line_covers_its_length_times_its_width_wherever_it_goes() {
        for to in [(60.0, 20.3), (10.7, 38.0), (50.0, 35.0)] {
            let from = (10.7, 20.3);
            let canvas = drawn(Shape::Line { from, to, width: 3.0, colour: RED });
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let expected = length * 3.0 * SCALE * SCALE;
            assert!(
                (ink(&canvas) / expected - 1.0).abs() < 0.02,
                "to {to:?}: {} of {expected}",
                ink(&canvas)
            );
        }
    }

    #[test]
    fn a_line_from_a_place_to_itself_leaves_no_trace() {
        let line = Shape::Line { from: (50.0, 20.0), to: (50.0, 20.0), width: 5.0, colour: RED };
        assert_eq!(ink(&drawn(line)), 0.0);
    }

    #[test]
    fn a_circle_is_round_at_its_place_and_lets_through_what_it_should() {
        let circle = |opacity| Shape::Circle { centre: (50.0, 20.0), radius: 6.0, colour: RED, opacity };
        let mut canvas = drawn(circle(1.0));
        let area = std::f64::consts::PI * (6.0 * SCALE).powi(2);
        assert!((ink(&canvas) / area - 1.0).abs() < 0.02, "{} of {area}", ink(&canvas));
        assert_eq!(canvas.colour_at(50.0, 20.0), RED);
        assert_eq!(canvas.colour_at(50.0, 14.7), RED);
        assert_eq!(canvas.colour_at(45.0, 15.0), Colour::WHITE);
        assert_eq!(drawn(circle(0.5)).colour_at(50.0, 20.0), Colour([228, 128, 128]));
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = drawn(Shape::Circle { centre: (0.0, 0.0), radius: 6.0, colour: RED, opacity: 1.0 });
        assert_eq!(canvas.colour_at(0.0, 0.0), RED);
        assert_eq!(canvas.colour_at(99.0, 5.0), Colour::WHITE);
        assert_eq!(ink(&drawn(Shape::Text(text(1_000.0, "far")))), 0.0);
    }

    #[test]
    fn text_stands_on_its_line_and_is_where_its_anchor_says() {
        for (anchor, left, right) in
            [(Anchor::Start, 75, 108), (Anchor::Middle, 58, 92), (Anchor::End, 42, 75)]
        {
            let words = Text { anchor, ..text(50.0, "HHH") };
            let extent = words.extent();
            let [first, top, end, bottom] = inked(&drawn(Shape::Text(words)));
            assert!(first >= left && end <= right && end - first > 26, "{anchor:?}: {first} to {end}");
            assert!(top > 10 && bottom == 30, "{top} to {bottom}");
            let said = [extent.left, extent.right].map(|px| (px * SCALE).round() as usize);
            assert!(said[0].abs_diff(left) <= 1 && said[1].abs_diff(right) <= 1, "{anchor:?}: {extent:?}");
        }
        // Only a g goes below.
        assert!(inked(&drawn(Shape::Text(text(50.0, "g"))))[3] > 30);
    }

    #[test]
    fn bold_has_more_ink_and_a_text_has_its_colour() {
        let plain = drawn(Shape::Text(text(10.0, "Aqueduct")));
        let bold = drawn(Shape::Text(Text { weight: Weight::Bold, ..text(10.0, "Aqueduct") }));
        assert!(ink(&bold) > ink(&plain) * 1.2, "{} and {}", ink(&bold), ink(&plain));
        assert!(plain.pixels.contains(&RED.0));
    }
}
